/** Which message a row of the inbox is about, and how long it says so. */
import { describe, expect, test } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import type { MessageView } from '../../src/model/message.ts'
import { messageIdFor } from '../../src/model/message-id-for.ts'
import type { TestMQ } from '../../src/testing/test-mq.ts'
import { Signal } from '../helpers/signal.ts'
import { type AppDatabase, openDatabase, openMQ, rowKeys } from './set-up.ts'

const TOPICS = ['orders', 'bills'].map((topic) => ({ topic, queues: 1 }))

async function consume(mq: TestMQ, database: AppDatabase, options: object = {}) {
  const seen: string[] = []
  const consumer = await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*', bills: '*' },
    listener: async (message: MessageView, context: ConsumeContext) => {
      seen.push(`${message.topic} ${message.text()}`)
      await context.commit(database.batch().put(message.text(), '+'))
    },
    ...options,
  })
  return { consumer, seen }
}

test('A message is known by its topic and its id, also as a retry', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database, { topics: TOPICS, deduplicationWindowMs: 60_000 })
  const producer = await mq.createProducer({ group: 'shop' })
  const messageId = messageIdFor('o-42 paid')
  await producer.send({ topic: 'orders', body: 'mail the invoice' }, { messageId })
  const seen: string[] = []
  const listener = async (message: MessageView, context: ConsumeContext) => {
    seen.push(`${message.topic} ${message.text()}`)
    if (message.topic === 'bills' && message.reconsumeTimes === 0) throw new Error('not yet')
    await context.commit(database.batch().put(message.text(), '+'))
  }
  await consume(mq, database, { listener })
  await mq.settled()
  await producer.send({ topic: 'bills', body: 'ship the parcel' }, { messageId })
  await mq.clock.advance('11s')
  expect(seen).toEqual(['orders mail the invoice', 'bills ship the parcel', 'bills ship the parcel'])
  expect(await database.getMany(['mail the invoice', 'ship the parcel'])).toEqual(['+', '+'])
})

describe('A group that is deleted', () => {
  test('takes its rows along', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { topics: TOPICS })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' })
    const first = await consume(mq, database, { consumeFromWhere: 'FIRST_OFFSET' })
    await mq.settled()
    await first.consumer.close()
    expect(await rowKeys(database, 'inbox')).toHaveLength(1)
    await mq.admin.deleteGroup('billing')
    const { seen } = await consume(mq, database, { consumeFromWhere: 'FIRST_OFFSET' })
    await mq.settled()
    expect(seen).toEqual(['orders a'])
  })

  test('has none at the next opening, whenever the crash was', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { topics: TOPICS })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' })
    const first = await consume(mq, database, { consumeFromWhere: 'FIRST_OFFSET' })
    await mq.settled()
    await first.consumer.close()
    const rows = await database.sublevel('pocketmq.inbox').iterator().all()
    await mq.admin.deleteGroup('billing')
    // As if the crash had been faster than the end of the rows.
    await using reopened = await mq.crash()
    for (const [key, row] of rows) await database.sublevel('pocketmq.inbox').put(key, row)
    await using last = await reopened.crash()
    expect(await rowKeys(database, 'inbox')).toEqual([])
    const { seen } = await consume(last, database, { consumeFromWhere: 'FIRST_OFFSET' })
    await last.settled()
    expect(seen).toEqual(['orders a'])
  })
})

test('close waits for rows that are on their way out', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database, { topics: TOPICS })
  const producer = await mq.createProducer({ group: 'shop' })
  await consume(mq, database)
  await producer.send({ topic: 'orders', body: 'a' })
  await mq.settled()
  const root = database as unknown as { _batch: (...args: unknown[]) => Promise<void> }
  const write = root._batch.bind(database)
  const held = new Signal()
  root._batch = async (...args) => {
    await held.promise
    await write(...args)
  }
  await mq.clock.advance('11s')
  let isClosed = false
  const closing = mq.close().then(() => {
    isClosed = true
  })
  // Long enough for all else that close does.
  for (let i = 0; i < 2000; i++) await new Promise((resolve) => setImmediate(resolve))
  expect(isClosed).toBe(false)
  held.resolve()
  await closing
  expect(await rowKeys(database, 'inbox')).toEqual([])
})

describe('A commit that nobody looks at', () => {
  test.each([
    ['that is no batch of the database', {}],
    ['that only looks like one', { length: 0, put: () => undefined, write: () => Promise.resolve() }],
  ])('of a batch %s fails the attempt', async (_, made) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { topics: TOPICS })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' })
    const listener = (message: MessageView, context: ConsumeContext) => {
      const batch = database.batch().put('a', '+')
      void context.commit(message.reconsumeTimes === 0 ? ({ db: database, ...made } as never) : batch)
    }
    await consume(mq, database, { listener })
    await mq.clock.advance('11s')
    const reasons = mq.ledger.of('failed').map(({ reason }) => reason)
    expect(reasons).toEqual([expect.stringContaining('chained batch')])
    expect(await database.get('a')).toBe('+')
  })

  test('comes too late without harm: the message comes again', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { topics: TOPICS })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' })
    const listener = async (message: MessageView, context: ConsumeContext) => {
      if (message.reconsumeTimes === 0) await mq.clock.sleep('5m')
      void context.commit(database.batch().put('a', `${message.reconsumeTimes}`))
    }
    await consume(mq, database, { listener, consumeTimeoutMs: 60_000 })
    await mq.clock.advance('1h')
    expect(await database.get('a')).toBe('1')
  })
})
