/** Intents that are refused: at the door, or later, when what they were written for is no more. */
import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/model/message.ts'
import type { PocketMQ } from '../../src/pocketmq.ts'
import { mqError } from '../helpers/expect-error.ts'
import { type AppDatabase, bodiesOf, openDatabase, openMQ, rowKeys } from './set-up.ts'

const DAY_MS = 86_400_000
const FIRST_ROW = '0000000000000001/orders'

/** Writes one message, in a batch of its own. */
async function write(mq: PocketMQ, database: AppDatabase, message: Partial<Message>): Promise<void> {
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch()
  await producer.send({ topic: 'orders', body: 'x', ...message }, { batch })
  await batch.write()
}

/** Leaves messages in a batch that is written when no instance is open. */
async function leave(database: AppDatabase, message: Partial<Message>, count = 1): Promise<void> {
  // With another seed than that of the life that follows, or both would give the same ids.
  const { mq } = await openMQ(database, { seed: 2 })
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch()
  for (let i = 0; i < count; i++) await producer.send({ topic: 'orders', body: 'x', ...message }, { batch })
  await mq.close()
  await batch.write()
}

describe('A delay that the instance does not have', () => {
  test.each([
    ['a level above the table', { delayTimeLevel: 19 }, 'no delay level 19'],
    ['a time too far ahead', { deliveryTimestamp: Date.UTC(2027, 0, 5) }, 'timerMaxDelayMs allows'],
  ])('is refused before anything lies in the batch: %s', async (_, delay, text) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    const send = producer.send({ topic: 'orders', body: 'x', ...delay }, { batch })
    await expect(send).rejects.toEqual(mqError('MESSAGE_ILLEGAL', text))
    expect(batch.length).toBe(0)
    await batch.close()
  })
})

describe('What is refused behind the write', () => {
  test('is told, stays, holds nobody up, and fails drainOutbox, which names it', async () => {
    const database = await openDatabase()
    await leave(database, { delayTimeLevel: 18 })
    const { mq, errors } = await openMQ(database, { messageDelayLevel: '1s 2s' })
    await write(mq, database, { body: 'behind it' })
    await mq.clock.advance('1h')
    expect(await bodiesOf(mq)).toEqual(['behind it'])
    // While it opens nobody can listen, so it is told when it fails once more.
    const refusal = mqError('MESSAGE_ILLEGAL', `The outbox row ${FIRST_ROW} is refused`)
    expect(errors).toEqual([refusal])
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('MESSAGE_ILLEGAL', `${FIRST_ROW}: There is no`))
    expect(await rowKeys(database, 'outbox')).toEqual([FIRST_ROW])
    await mq.close()

    const { mq: again } = await openMQ(database)
    await again.clock.advance('2h')
    expect(await bodiesOf(again)).toEqual(['x'])
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })

  test('holds up nobody of its order, and goes when it can be sent again', async () => {
    const database = await openDatabase()
    const { mq, errors } = await openMQ(database, { topics: [{ topic: 'orders', queues: 2 }] })
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    const selector = (queues: readonly { queueId: number }[]) => queues[1] as never
    await producer.send({ topic: 'orders', body: 'for the second queue' }, { batch, selector })
    await mq.admin.updateTopic({ topic: 'orders', queues: 1 })
    await batch.write()
    await write(mq, database, { body: 'grouped', messageGroup: 'g' })
    await mq.clock.advance('1h')
    expect(await bodiesOf(mq)).toEqual(['grouped'])
    expect(errors).toEqual([mqError('INVALID_PARAMETER', `${FIRST_ROW}/o is refused`)])

    await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
    await mq.drainOutbox()
    expect(await bodiesOf(mq)).toEqual(['grouped', 'for the second queue'])
    await mq.drainOutbox()
  })

  test('is gone when the application deletes its row', async () => {
    const database = await openDatabase()
    await leave(database, { delayTimeLevel: 18 })
    const { mq } = await openMQ(database, { messageDelayLevel: '1s 2s' })
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('MESSAGE_ILLEGAL'))
    await database.sublevel('pocketmq.outbox').del(FIRST_ROW)
    await mq.drainOutbox()
  })

  test('is named with the others, ten of them', async () => {
    const database = await openDatabase()
    await leave(database, { delayTimeLevel: 18 }, 12)
    const { mq } = await openMQ(database, { messageDelayLevel: '1s 2s' })
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('MESSAGE_ILLEGAL', 'and 2 more'))
  })

  test('because its time is too far ahead, is reached by time', async () => {
    const database = await openDatabase()
    await leave(database, { deliveryTimestamp: Date.UTC(2027, 0, 3) })
    const { mq } = await openMQ(database, { timerMaxDelayMs: DAY_MS })
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('MESSAGE_ILLEGAL', FIRST_ROW))
    await mq.clock.advance('1d')
    await mq.drainOutbox()
    expect(await mq.admin.delayedMessages('orders')).toHaveLength(1)
  })
})

describe('A topic that was deleted', () => {
  test('is waited for, in order, where it is not made by a send', async () => {
    const database = await openDatabase()
    const { mq, errors } = await openMQ(database, { autoCreateTopicEnable: false })
    const producer = await mq.createProducer({ group: 'shop' })
    const batches = ['a', 'b'].map((body) => ({ body, batch: database.batch() }))
    for (const { body, batch } of batches)
      await producer.send({ topic: 'orders', body, messageGroup: 'g' }, { batch })
    await mq.admin.deleteTopic('orders')
    for (const { batch } of batches) await batch.write()
    await mq.clock.advance('1h')
    expect(errors).toEqual([mqError('TOPIC_NOT_EXIST', 'is tried again')])
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('TOPIC_NOT_EXIST', `${FIRST_ROW}/o`))
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await mq.clock.advance('1m')
    expect(await bodiesOf(mq)).toEqual(['a', 'b'])
  })
})
