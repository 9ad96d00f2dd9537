/** Whether a message was sent before is found out by its id: what that finds, and at what price. */
import { describe, expect, test } from 'vitest'
import type { DelayedQuery } from '../../src/model/delay-verbs.ts'
import { messageIdFor } from '../../src/model/message-id-for.ts'
import { overlay, type TestLayer } from '../../src/testing/layer.ts'
import { TestMQ } from '../../src/testing/test-mq.ts'
import { TestSession } from '../../src/testing/test-session.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bodiesOf, openDatabase, openMQ, rowKeys } from './set-up.ts'

const TOPICS = ['orders', 'bills'].map((topic) => ({ topic, queues: 1 }))
const SETTINGS = { topics: TOPICS, deduplicationWindowMs: 60_000 }

describe('An id that the sender gave', () => {
  test('is looked for in its own topic', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, SETTINGS)
    const producer = await mq.createProducer({ group: 'shop' })
    const messageId = messageIdFor('o-42 paid')
    await producer.send({ topic: 'orders', body: 'of the order' }, { messageId })
    const batch = database.batch()
    await producer.send({ topic: 'bills', body: 'of the bill' }, { batch, messageId })
    const reopening = mq.crash()
    await batch.write()
    await using reopened = await reopening
    await using last = await reopened.crash()
    await last.drainOutbox()
    expect(await bodiesOf(last, 'bills')).toEqual(['of the bill'])
  })

  test('is refused before anything lies in the batch, where nobody looks for it', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    const messageId = messageIdFor('o-42 paid')
    const send = producer.send({ topic: 'orders', body: 'x' }, { batch, messageId })
    await expect(send).rejects.toEqual(mqError('UNSUPPORTED', 'deduplicationWindowMs'))
    expect(batch.length).toBe(0)
    await batch.close()
  })

  test('counts within its window, and for its own row for ever', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, SETTINGS)
    const producer = await mq.createProducer({ group: 'shop' })
    const messageId = messageIdFor('o-42 paid')
    await producer.send({ topic: 'orders', body: 'long ago' }, { messageId })
    await mq.clock.advance('2m')
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'later' }, { batch, messageId })
    const reopening = mq.crash()
    await batch.write()
    await using reopened = await (await reopening).crash()
    await reopened.drainOutbox()
    expect(await bodiesOf(reopened)).toEqual(['long ago', 'later'])

    expect(await rowKeys(database, 'outbox')).toHaveLength(1)
    const last = reopened.crash()
    await reopened.clock.advance('2m')
    await using end = await last
    await end.drainOutbox()
    expect(await bodiesOf(end)).toEqual(['long ago', 'later'])
  })
})

test('Delayed messages that may wait already are looked for together, and only they', async () => {
  const database = await openDatabase()
  const counts: number[] = []
  const layer: TestLayer = {
    engine: ({ delay }) => ({
      delay: overlay(delay!, {
        queryDelayedMessages: async (query: DelayedQuery) => {
          const waiting = await delay!.queryDelayedMessages(query)
          counts.push(waiting.length)
          return waiting
        },
      }),
    }),
  }
  const topics = [{ topic: 'orders', queues: 1 }]
  const mq = await TestMQ.begin(TestSession.of({ topics, database }, [layer]))
  const producer = await mq.createProducer({ group: 'shop' })
  const message = { topic: 'orders', body: 'x', delayTimeLevel: 18 }
  await Promise.all(Array.from({ length: 100 }, () => producer.send(message)))
  const batch = database.batch()
  for (let i = 0; i < 40; i++) await producer.send(message, { batch })
  await batch.write()
  await mq.drainOutbox()
  expect(counts).toEqual([])
  await using reopened = await mq.crash()
  await reopened.drainOutbox()
  expect(counts).toEqual([40])
  await reopened.clock.advance('1m')
  expect(await rowKeys(database, 'outbox')).toEqual([])
  expect(await reopened.admin.delayedMessages('orders', { max: 1000 })).toHaveLength(140)
})

test('A delayed message is found although the clock was set back before it was sent', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database)
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch()
  await producer.send({ topic: 'orders', body: 'x', delayTimeLevel: 1 }, { batch })
  mq.clock.jump(-3_600_000)
  await batch.write()
  await mq.drainOutbox()
  await using reopened = await mq.crash()
  await reopened.drainOutbox()
  expect(await reopened.admin.delayedMessages('orders')).toHaveLength(1)
})
