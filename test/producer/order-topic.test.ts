import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { Permission } from '../../src/model/topic.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { type QueueSelector, selectByHash } from '../../src/producer/queue-selector.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

/** These go to queues 3, 2, 1 and 0 of four, and all to queue 0 or 1 of two. */
const GROUPS = ['order-1', 'order-2', 'order-3', 'user_42']
const refused = (queueId: number) =>
  mqError('NO_PERMISSION', `Queue ${queueId} of the order topic 'orders' takes no messages now`)

async function openOrderTopic(): Promise<{ mq: TestMQ; producer: Producer } & AsyncDisposable> {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 4, order: true }] })
  const producer = await mq.createProducer({ group: 'shop' })
  return { mq, producer, [Symbol.asyncDispose]: async () => void (await mq.close()) }
}

const order = (messageGroup: string) => ({ topic: 'orders', body: 'x', messageGroup })

async function queueIdsOf(producer: Producer): Promise<number[]> {
  const receipts = await Promise.all(GROUPS.map((group) => producer.send(order(group))))
  return receipts.map(({ queue }) => queue.queueId)
}

describe('An order topic', () => {
  test('with fewer write queues refuses what belongs to the others, and takes the rest where it was', async () => {
    await using shop = await openOrderTopic()
    const { mq, producer } = shop
    expect(await queueIdsOf(producer)).toEqual([3, 2, 1, 0])
    await mq.admin.updateTopic({ topic: 'orders', writeQueueNums: 2 })
    await expect(producer.send(order('order-1'))).rejects.toEqual(refused(3))
    await expect(producer.send(order('order-1'))).rejects.toMatchObject({ outcome: 'not-attempted' })
    await expect(producer.send([order('order-2')])).rejects.toEqual(refused(2))
    expect((await producer.send(order('order-3'))).queue.queueId).toBe(1)
    expect((await producer.send(order('user_42'))).queue.queueId).toBe(0)

    await mq.admin.updateTopic({ topic: 'orders', writeQueueNums: 4 })
    expect(await queueIdsOf(producer)).toEqual([3, 2, 1, 0])
  })

  test('with more queues chooses from as many as before', async () => {
    await using shop = await openOrderTopic()
    await shop.mq.admin.updateTopic({ topic: 'orders', queues: 16 })
    expect(await queueIdsOf(shop.producer)).toEqual([3, 2, 1, 0])
  })

  test('keeps its number over a restart', async () => {
    const { mq, producer } = await openOrderTopic()
    await producer.send(order('order-1'))
    await mq.admin.updateTopic({ topic: 'orders', queues: 3 })
    await using reopened = await mq.crash()
    const again = await reopened.createProducer({ group: 'shop' })
    await expect(again.send(order('order-1'))).rejects.toEqual(refused(3))
    expect(await reopened.admin.topics()).toEqual([
      expect.objectContaining({ topic: 'orders', writeQueueNums: 3, order: true, orderQueueNums: 4 }),
    ])
  })

  test('gives selectors the same queues, and refuses the one that takes no messages', async () => {
    await using shop = await openOrderTopic()
    const { mq, producer } = shop
    await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
    const counts: number[] = []
    const last: QueueSelector = (queues) => {
      counts.push(queues.length)
      return queues.at(-1)!
    }
    const message = { topic: 'orders', body: 'x' }
    await expect(producer.send(message, { selector: last })).rejects.toEqual(refused(3))
    expect(counts).toEqual([4])
    // Java's hash codes choose 2 for 'order-1' and 0 for 'order-3'.
    await expect(producer.send(message, { selector: selectByHash, arg: 'order-1' })).rejects.toEqual(
      refused(2),
    )
    const { queue } = await producer.send(message, { selector: selectByHash, arg: 'order-3' })
    expect(queue.queueId).toBe(0)
  })

  test('still refuses a queue that no selector was given', async () => {
    await using shop = await openOrderTopic()
    const stray: QueueSelector = () => ({ topic: 'orders', brokerName: 'localhost', queueId: 0 })
    await expect(shop.producer.send({ topic: 'orders', body: 'x' }, { selector: stray })).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'must return one of the queues'),
    )
  })

  test('lets what belongs nowhere go to the queues that take messages', async () => {
    await using shop = await openOrderTopic()
    const { mq, producer } = shop
    const queueIds = async (): Promise<number[]> => {
      const receipts = await Promise.all(
        Array.from({ length: 16 }, () => producer.send({ topic: 'orders', body: 'x' })),
      )
      return [...new Set(receipts.map(({ queue }) => queue.queueId))].sort()
    }
    await mq.admin.updateTopic({ topic: 'orders', writeQueueNums: 2 })
    expect(await queueIds()).toEqual([0, 1])
    await mq.admin.updateTopic({ topic: 'orders', queues: 16 })
    expect(await queueIds()).toEqual([0, 1, 2, 3])
  })

  test('without the permission to write refuses everything', async () => {
    await using shop = await openOrderTopic()
    await shop.mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ })
    await expect(shop.producer.send(order('user_42'))).rejects.toEqual(mqError('NO_PERMISSION'))
  })

  test('does not let a dead letter go to another queue either', async () => {
    await using shop = await openOrderTopic()
    const { mq, producer } = shop
    const subscriptions = { orders: '*' }
    const listener = () => ConsumeResult.FAILURE
    await mq.createPushConsumer({ group: 'billing', subscriptions, listener, maxReconsumeTimes: 0 })
    await producer.send(order('order-1'))
    await mq.settled()
    const [letter] = await mq.admin.deadLetters('billing')
    await mq.admin.updateTopic({ topic: 'orders', writeQueueNums: 2 })
    await expect(mq.admin.resendDeadLetter('billing', letter!)).rejects.toEqual(refused(3))
  })

  test('that stops to be one and becomes one again chooses from the queues that it has then', async () => {
    await using shop = await openOrderTopic()
    const { mq, producer } = shop
    await mq.admin.updateTopic({ topic: 'orders', queues: 2, order: false })
    expect(await queueIdsOf(producer)).toEqual([1, 0, 1, 0])
    await mq.admin.updateTopic({ topic: 'orders', order: true })
    await mq.admin.updateTopic({ topic: 'orders', queues: 4 })
    expect(await queueIdsOf(producer)).toEqual([1, 0, 1, 0])
  })

  test('is another topic than one without order, and the same as one made alike', async () => {
    await using mq = await createTestMQ()
    await mq.admin.createTopic({ topic: 'orders', queues: 4, order: true })
    await mq.admin.createTopic({ topic: 'orders', queues: 4, order: true })
    await expect(mq.admin.createTopic({ topic: 'orders', queues: 4 })).rejects.toEqual(
      mqError('TOPIC_EXIST_ALREADY'),
    )
    await mq.admin.createTopic({ topic: 'plain', queues: 4, order: false })
    await mq.admin.createTopic({ topic: 'plain', queues: 4 })
    const plain = (await mq.admin.topics()).find(({ topic }) => topic === 'plain')
    expect(plain).not.toHaveProperty('order')
  })

  test('is made by true, and by nothing else', async () => {
    await using mq = await createTestMQ()
    const settings = { topic: 'orders', order: 'yes' as unknown as boolean }
    await expect(mq.admin.createTopic(settings)).rejects.toEqual(mqError('INVALID_PARAMETER', 'order'))
  })
})

test('A topic that is no order topic sends the groups of a lost queue elsewhere', async () => {
  await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 4 }] })
  const producer = await mq.createProducer({ group: 'shop' })
  expect(await queueIdsOf(producer)).toEqual([3, 2, 1, 0])
  await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
  expect(await queueIdsOf(producer)).toEqual([1, 0, 1, 0])
})
