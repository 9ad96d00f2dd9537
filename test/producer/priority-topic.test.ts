import { MemoryLevel } from 'memory-level'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TopicSettings } from '../../src/admin/admin-arguments.ts'
import type { Message } from '../../src/model/message.ts'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { checkOrder, type Order, schemaOf } from '../helpers/schemas.ts'

const order = { topic: 'orders', body: 'x' }
const takesNoGroups = mqError(
  'MESSAGE_ILLEGAL',
  "The priority topic 'orders' takes no message with a messageGroup",
)
const takesOnePriority = mqError('MESSAGE_ILLEGAL', 'The batch has messages of several priorities')

async function open(settings: Partial<TopicSettings> = {}) {
  const database = new MemoryLevel<string, string>()
  const mq = await createTestMQ({ topics: [{ topic: 'orders', priority: true, ...settings }], database })
  onTestFinished(async () => void (await mq.close()))
  const producer = await mq.createProducer({ group: 'shop', transactionChecker: () => 'UNKNOWN' })
  return { mq, producer, database }
}

/** How many messages each queue holds. */
async function counts(mq: TestMQ): Promise<number[]> {
  const status = await mq.admin.topicStatus('orders')
  return status.map(({ maxOffset }) => maxOffset)
}

describe('To a priority topic', () => {
  test('messages go by their priority, whichever way they are sent', async () => {
    const { mq, producer, database } = await open({ queues: 4 })
    const typed = defineTopic({ name: 'orders', schema: schemaOf<Order>(checkOrder) })
    const value: Order = { id: 'o-1', amount: 2 }
    const batch = database.batch()
    await producer.send({ ...order, priority: 3 }, { batch })
    await producer.send(
      [
        { ...order, priority: 2 },
        { ...order, priority: 2 },
      ],
      { batch },
    )
    await batch.write()
    await mq.drainOutbox()
    expect(await counts(mq)).toEqual([0, 0, 2, 1])

    await producer.send({ topic: typed, body: value, priority: 1 })
    await producer.send([{ topic: typed, body: value, priority: 1 }])
    await producer.send({ ...order, priority: 1 }, { timeoutMs: 100 })
    producer.sendOneway({ ...order, priority: 9 })
    const asking = producer.request({ ...order, priority: 2 }, { timeoutMs: 1 }).catch(() => undefined)
    await mq.clock.advance(10)
    await asking
    expect(await counts(mq)).toEqual([0, 3, 3, 2])
  })

  test('what has no priority goes to the lowest queue: delayed messages, and halves too', async () => {
    const { mq, producer } = await open({ queues: 4 })
    await producer.send(order)
    await producer.send({ ...order, delayTimeLevel: 1 })
    await producer.sendInTransaction(order, () => 'COMMIT')
    await mq.clock.advance(1000)
    expect(await counts(mq)).toEqual([3, 0, 0, 0])
  })

  test('the priority is that of the call, also when the sender changes its message while the route is on its way', async () => {
    const { mq } = await open({ queues: 4 })
    const slow = await mq.createProducer({ group: 'slow' })
    const mutable: { -readonly [Field in keyof Message]: Message[Field] } = { ...order, priority: 3 }
    const sending = slow.send(mutable)
    mutable.priority = 1
    expect((await sending).queue.queueId).toBe(3)
  })

  test('the route of a topic that becomes one is learnt at once', async () => {
    const { mq, producer } = await open({ priority: false, queues: 3 })
    await producer.send({ ...order, messageGroup: 'g' })
    await mq.admin.updateTopic({ topic: 'orders', priority: true })
    expect((await producer.send({ ...order, priority: 2 })).queue.queueId).toBe(2)
    await expect(producer.send({ ...order, messageGroup: 'g' })).rejects.toEqual(takesNoGroups)
  })

  test('message groups are refused before anything is written, single or not, also into a batch of the application', async () => {
    const { mq, producer, database } = await open()
    const grouped = { ...order, messageGroup: 'g' }
    const batch = database.batch()
    await expect(producer.send(grouped)).rejects.toEqual(takesNoGroups)
    await expect(producer.send(grouped, { timeoutMs: 5 })).rejects.toMatchObject({ outcome: 'not-attempted' })
    await expect(producer.send([grouped, grouped])).rejects.toEqual(takesNoGroups)
    await expect(producer.send(grouped, { batch })).rejects.toEqual(takesNoGroups)
    await expect(producer.request(grouped)).rejects.toEqual(takesNoGroups)
    await batch.write()
    await mq.drainOutbox()
    expect(await counts(mq)).toEqual(Array(10).fill(0))
    expect(await database.keys().all()).toEqual([])
  })

  test('a batch of several priorities is refused, also where a queue or a selector is named', async () => {
    const { mq, producer, database } = await open({ queues: 2 })
    const mixed = [
      { ...order, priority: 4 },
      { ...order, priority: 5 },
    ]
    const { queue } = await producer.send({ ...order, priority: 1 })
    const batch = database.batch()
    for (const options of [undefined, { queue }, { selector: () => queue }])
      await expect(producer.send(mixed, options)).rejects.toEqual(takesOnePriority)
    await expect(producer.send(mixed, { batch })).rejects.toEqual(takesOnePriority)
    expect(batch.length).toBe(0)
    expect(await counts(mq)).toEqual([0, 1])
  })

  test('a dead letter of a message group cannot go, and one without goes by its priority', async () => {
    const { mq, producer } = await open({ priority: false, queues: 3 })
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 0,
      listener: () => 'FAILURE',
    })
    await producer.send({ ...order, messageGroup: 'g' })
    await producer.send({ ...order, priority: 2 })
    await mq.settled()
    await mq.admin.updateTopic({ topic: 'orders', priority: true })
    const letters = await mq.admin.deadLetters('billing')
    const grouped = letters.find(({ messageGroup }) => messageGroup === 'g')!
    const urgent = letters.find(({ priority }) => priority === 2)!
    await expect(mq.admin.resendDeadLetter('billing', grouped)).rejects.toEqual(takesNoGroups)
    expect((await mq.admin.resendDeadLetter('billing', urgent)).queue.queueId).toBe(2)
  })
})

describe('An ordinary topic', () => {
  test('takes batches of several priorities, and its queues take turns', async () => {
    const { mq, producer } = await open({ priority: false, queues: 2 })
    const mixed = [{ ...order, priority: 4 }, { ...order, priority: 5 }, order]
    const queueIds = [await producer.send(mixed), await producer.send(mixed)].map(
      ({ queue }) => queue.queueId,
    )
    expect(queueIds.toSorted()).toEqual([0, 1])
    expect(await counts(mq)).toEqual([3, 3])
  })
})

describe('The settings of a topic', () => {
  test('give a priority topic ten queues, unless they say otherwise', async () => {
    await using mq = await createTestMQ()
    await mq.admin.createTopic({ topic: 'a', priority: true })
    await mq.admin.createTopic({ topic: 'b', priority: true, queues: 3 })
    await mq.admin.createTopic({ topic: 'c', priority: false })
    const told = (await mq.admin.topics()).map(({ topic, readQueueNums, writeQueueNums, priority }) => [
      topic,
      readQueueNums,
      writeQueueNums,
      priority,
    ])
    expect(told).toEqual([
      ['a', 10, 10, true],
      ['b', 3, 3, true],
      ['c', 4, 4, undefined],
    ])
  })

  test('keep the queues of a topic that becomes one, and the priority when the queues change', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders' }] })
    await mq.admin.updateTopic({ topic: 'orders', priority: true })
    await mq.admin.updateTopic({ topic: 'orders', queues: 7 })
    expect(await mq.admin.topics()).toMatchObject([{ topic: 'orders', writeQueueNums: 7, priority: true }])
    await mq.admin.updateTopic({ topic: 'orders', priority: false })
    expect((await mq.admin.topics())[0]).not.toHaveProperty('priority')
  })

  test('are refused where they contradict each other, or are no boolean', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', order: true }] })
    const both = mqError('INVALID_PARAMETER', 'both an order topic and a priority topic')
    await expect(mq.admin.createTopic({ topic: 'a', order: true, priority: true })).rejects.toEqual(both)
    await expect(mq.admin.updateTopic({ topic: 'orders', priority: true })).rejects.toEqual(both)
    const text = 'yes' as unknown as boolean
    await expect(mq.admin.createTopic({ topic: 'a', priority: text })).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'priority'),
    )
    expect((await mq.admin.topics()).map(({ topic }) => topic)).toEqual(['orders'])
    await mq.admin.updateTopic({ topic: 'orders', order: false, priority: true })
    await expect(mq.admin.createTopic({ topic: 'orders' })).rejects.toEqual(mqError('TOPIC_EXIST_ALREADY'))
  })

  test('are the same after a crash', async () => {
    const mq = await createTestMQ({ topics: [{ topic: 'orders', priority: true, queues: 3 }] })
    await using reopened = await mq.crash()
    expect(await reopened.admin.topics()).toMatchObject([
      { topic: 'orders', writeQueueNums: 3, priority: true },
    ])
    const producer = await reopened.createProducer({ group: 'shop' })
    expect((await producer.send({ ...order, priority: 9 })).queue.queueId).toBe(2)
  })
})
