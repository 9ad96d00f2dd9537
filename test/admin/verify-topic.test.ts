import { describe, expect, test, vi } from 'vitest'
import { Admin } from '../../src/admin/admin.ts'
import { MQError } from '../../src/model/errors.ts'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { checkOrder, type Order, schemaOf } from '../helpers/schemas.ts'

const orders = defineTopic({ name: 'orders', schema: schemaOf<Order>(checkOrder) })
const good = (id: string): string => JSON.stringify({ id, amount: 1 })
const bad = (id: string): string => JSON.stringify({ id })

async function open(queues = 1) {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues }] })
  const producer = await mq.createProducer({ group: 'shop' })
  const send = async (...bodies: string[]) => {
    for (const body of bodies) await producer.send({ topic: 'orders', body })
  }
  return { mq, send }
}

describe('verifyTopic', () => {
  test('counts what the schema refuses, and names the first with their issues', async () => {
    const { mq, send } = await open(3)
    await send(good('a'), bad('b'), good('c'), 'text', bad('d'))
    const report = await mq.admin.verifyTopic(orders, { maxFailures: 2 })
    expect(report).toMatchObject({ topic: 'orders', verifiedCount: 5, failedCount: 3, isComplete: true })
    expect(report.failures).toHaveLength(2)
    const failure = report.failures.find(({ message }) => message.text() === bad('b'))
    expect(failure?.error.issues).toEqual([{ path: ['amount'], message: 'must be a number' }])
  })

  test('changes nothing and needs no consumer', async () => {
    const { mq, send } = await open()
    await send(bad('a'))
    await mq.admin.verifyTopic(orders)
    expect(await mq.admin.groups()).toEqual([])
    expect(await mq.admin.browse('orders')).toHaveLength(1)
  })

  test('looks at no more than it is told, queues taking turns', async () => {
    const { mq, send } = await open(2)
    await send(bad('a'), bad('b'), bad('c'), bad('d'))
    const report = await mq.admin.verifyTopic(orders, { max: 2 })
    expect(report).toMatchObject({ verifiedCount: 2, failedCount: 2, isComplete: false })
    expect(report.failures.map(({ message }) => message.queue.queueId).sort()).toEqual([0, 1])
    expect(await mq.admin.verifyTopic(orders, { max: 4 })).toMatchObject({
      verifiedCount: 4,
      isComplete: true,
    })
  })

  test('looks only at what a group has not consumed, if it is told so', async () => {
    const { mq, send } = await open()
    await send(bad('a'))
    const consumer = await mq.createPushConsumer({
      group: 'g',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    await mq.settled()
    await consumer.close()
    await send(bad('b'), good('c'))
    const report = await mq.admin.verifyTopic(orders, { group: 'g' })
    expect(report).toMatchObject({ verifiedCount: 2, failedCount: 1 })
    await expect(mq.admin.verifyTopic(orders, { group: 'none' })).rejects.toEqual(
      mqError('SUBSCRIPTION_GROUP_NOT_EXIST', "'none'"),
    )
  })

  test('asks schemas that answer later one message after the other', async () => {
    const { mq, send } = await open()
    await send(good('a'), good('b'), good('c'))
    let askedCount = 0
    let highest = 0
    const schema = schemaOf<Order>(async (value) => {
      highest = Math.max(highest, ++askedCount)
      await mq.admin.topics()
      askedCount -= 1
      return checkOrder(value)
    })
    const report = await mq.admin.verifyTopic(defineTopic({ name: 'orders', schema }))
    expect(report).toMatchObject({ verifiedCount: 3, failedCount: 0 })
    expect(highest).toBe(1)
  })

  test('lists messages at which the schema itself fails', async () => {
    const { mq, send } = await open()
    await send(good('a'))
    const schema = schemaOf<Order>(() => {
      throw new Error('odd')
    })
    const { failures } = await mq.admin.verifyTopic(defineTopic({ name: 'orders', schema }))
    expect(failures.map(({ error }) => error)).toEqual([mqError('INVALID_PARAMETER', 'failed: odd')])
  })

  test('holds one message at a time, and can be ended between turns', async () => {
    const { mq, send } = await open()
    await send(...Array.from({ length: 600 }, (_, i) => good(`o-${i}`)))
    const controller = new AbortController()
    const validate = vi.fn((value: unknown) => {
      controller.abort()
      return checkOrder(value)
    })
    const topic = defineTopic({ name: 'orders', schema: schemaOf<Order>(validate) })
    const verifying = mq.admin.verifyTopic(topic, { signal: controller.signal })
    await expect(verifying).rejects.toEqual(mqError('ABORTED'))
    expect(validate).toHaveBeenCalledTimes(256)
  })

  test('passes over what retention removes meanwhile', async () => {
    const host = await openShop()
    await host.send([bad('a'), bad('b'), bad('c'), bad('d')])
    const seen: number[] = []
    host.replace({
      viewMessage: (queue, offset) => {
        seen.push(offset)
        if (offset < 3) return Promise.reject(new MQError('NO_MESSAGE', 'removed'))
        return host.broker.viewMessage(queue, offset)
      },
      minOffset: async () => 3,
    })
    const verifying = new Admin(host).verifyTopic(orders)
    await host.clock.settle()
    expect(await verifying).toMatchObject({ verifiedCount: 1, failedCount: 1, isComplete: true })
    expect(seen).toEqual([0, 3])
  })

  test('waits three seconds for a schema, and not longer than the signal lets it', async () => {
    const { mq, send } = await open()
    await send(good('a'), good('b'))
    const schema = schemaOf<Order>((value) =>
      (value as Order).id === 'a' ? new Promise(() => undefined) : checkOrder(value),
    )
    const hanging = defineTopic({ name: 'orders', schema })
    const verifying = mq.admin.verifyTopic(hanging)
    await mq.clock.advance('3s')
    const { verifiedCount, failures } = await verifying
    expect(verifiedCount).toBe(2)
    expect(failures.map(({ error }) => error)).toEqual([mqError('INVALID_PARAMETER', 'had not answered')])

    const controller = new AbortController()
    const { signal } = controller
    const aborted = mq.admin.verifyTopic(hanging, { signal }).catch((error: unknown) => error)
    await mq.clock.rest()
    controller.abort()
    expect(await aborted).toEqual(mqError('ABORTED'))
  })

  test('ends when its topic is deleted', async () => {
    const { mq, send } = await open()
    await send(bad('a'))
    const schema = schemaOf<Order>(() => ({ issues: [] }))
    const verifying = mq.admin.verifyTopic(defineTopic({ name: 'orders', schema }))
    await mq.admin.deleteTopic('orders')
    await expect(verifying).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
  })

  test.each([
    ['a topic of another make', { name: 'orders' }, {}, 'INVALID_PARAMETER', 'defineTopic'],
    ['an unknown option', orders, { maximum: 1 }, 'INVALID_PARAMETER', 'maximum'],
    [
      'a topic that does not exist',
      defineTopic({ name: 'no', schema: orders.schema }),
      {},
      'TOPIC_NOT_EXIST',
      'no',
    ],
  ] as const)('refuses %s', async (_, topic, options, code, text) => {
    const { mq } = await open()
    await expect(mq.admin.verifyTopic(topic as never, options as never)).rejects.toEqual(mqError(code, text))
  })
})
