import { MemoryLevel } from 'memory-level'
import { describe, expect, test } from 'vitest'
import type { SendOptions } from '../../src/producer/send-options.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bodiesOf, openDatabase, openMQ, rowKeys } from './set-up.ts'

describe('A message in a batch', () => {
  test('is sent when the batch is written, under the id that it was given before', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch().put('order', 'o-1')
    const receipt = await producer.send(
      { topic: 'orders', body: 'paid', tag: 'a', keys: ['k'], properties: { p: 'q' } },
      { batch },
    )
    expect(receipt).toEqual({
      messageId: expect.stringMatching(/^01[0-9A-F]{32}$/),
      messageIds: [receipt.messageId],
      messageCount: 1,
    })
    await mq.drainOutbox()
    expect(await bodiesOf(mq)).toEqual([])

    await batch.write()
    await mq.drainOutbox()
    expect(await database.get('order')).toBe('o-1')
    const message = await mq.admin.queryMessageById(receipt.messageId)
    expect(message).toMatchObject({ tag: 'a', keys: ['k'], properties: { p: 'q' } })
    expect(message.text()).toBe('paid')
  })

  test('is noticed by itself, and its row goes behind it', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: new Uint8Array([111, 107]) }, { batch })
    await batch.write()
    expect(await rowKeys(database, 'outbox')).toEqual(['0000000000000001/orders'])
    await mq.settled()
    expect(await bodiesOf(mq)).toEqual(['ok'])
    await mq.clock.advance(600)
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })

  test('is never sent when the batch is closed instead', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'dropped' }, { batch })
    await batch.close()
    await mq.drainOutbox()
    expect(await bodiesOf(mq)).toEqual([])
  })

  test('joins batches of sublevels of the database, whatever their encoding', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const orders = database.sublevel<string, object>('orders', { valueEncoding: 'json' })
    await orders.open()
    const batch = orders.batch().put('o-1', { amount: 3 })
    await producer.send({ topic: 'orders', body: 'from a sublevel' }, { batch })
    await batch.write()
    await mq.drainOutbox()
    expect(await orders.get('o-1')).toEqual({ amount: 3 })
    expect(await bodiesOf(mq)).toEqual(['from a sublevel'])
  })

  test('may be an array, which stays together', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    const { messageIds } = await producer.send(
      ['a', 'b'].map((body) => ({ topic: 'orders', body })),
      { batch },
    )
    await batch.write()
    await mq.drainOutbox()
    expect(messageIds).toHaveLength(2)
    expect(await bodiesOf(mq)).toEqual(['a', 'b'])
  })

  test('may be delayed, and goes to the queue that was chosen or that its group has', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { topics: [{ topic: 'orders', queues: 4 }] })
    const producer = await mq.createProducer({ group: 'shop' })
    const due = mq.clock.now() + 60_000
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'later', deliveryTimestamp: due }, { batch })
    const selector = (queues: readonly { queueId: number }[]) => queues[2] as never
    const chosen = await producer.send({ topic: 'orders', body: 'there' }, { batch, selector })
    const grouped = await producer.send({ topic: 'orders', body: 'g', messageGroup: 'o-1' }, { batch })
    await batch.write()
    await mq.drainOutbox()
    const direct = await producer.send({ topic: 'orders', body: 'g2', messageGroup: 'o-1' })
    expect((await mq.admin.delayedMessages('orders'))[0]?.deliveryTimestamp).toBe(due)
    expect((await mq.admin.queryMessageById(chosen.messageId)).queue.queueId).toBe(2)
    const message = await mq.admin.queryMessageById(grouped.messageId)
    expect(message.queue).toEqual(direct.queue)
    expect(message.messageGroup).toBe('o-1')
  })

  test('keeps the order of its group, over batches and failures', async () => {
    const database = await openDatabase()
    const { mq, errors } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    mq.faults.failSend({ nth: 1 })
    mq.faults.failSend({ nth: 2 })
    for (let i = 0; i < 20; i++) {
      const batch = database.batch()
      await producer.send({ topic: 'orders', body: `${i}`, messageGroup: 'o-1' }, { batch })
      await batch.write()
    }
    await mq.clock.advance('1m')
    expect(errors.map(({ code }) => code)).toEqual(['SYSTEM_BUSY', 'SYSTEM_BUSY'])
    expect(await bodiesOf(mq)).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
  })
})

describe('Wrong input', () => {
  test('is refused before anything lies in the batch', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { autoCreateTopicEnable: false })
    const producer = await mq.createProducer({ group: 'shop', transactionChecker: () => 'UNKNOWN' })
    const batch = database.batch()
    const message = { topic: 'orders', body: 'x' }
    const refused = async (
      given: object,
      options: object,
      code: 'INVALID_PARAMETER' | 'MESSAGE_ILLEGAL' | 'TOPIC_NOT_EXIST',
      text: string,
    ) => {
      await expect(producer.send(given as never, options as never)).rejects.toEqual(mqError(code, text))
      expect(batch.length).toBe(0)
    }
    await refused({ topic: 'orders', body: '' }, { batch }, 'MESSAGE_ILLEGAL', 'empty')
    await refused({ topic: 'unknown', body: 'x' }, { batch }, 'TOPIC_NOT_EXIST', 'unknown')
    await refused(message, { batch: {} }, 'INVALID_PARAMETER', 'chained batch')
    await refused(message, { batch: [message] }, 'INVALID_PARAMETER', 'chained batch')
    const transaction = producer.beginTransaction()
    await refused(message, { batch, transaction }, 'INVALID_PARAMETER', 'not both')
    const other = new MemoryLevel()
    await other.open()
    await refused(message, { batch: other.batch() }, 'INVALID_PARAMETER', 'another database')
    const written = database.batch()
    await written.close()
    await refused(message, { batch: written }, 'INVALID_PARAMETER', 'nothing any more')
    expect(() => producer.sendOneway(message, { batch } as SendOptions)).toThrow(
      mqError('INVALID_PARAMETER', 'one-way'),
    )
    await expect(producer.request(message, { batch } as never)).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'request'),
    )
    expect(batch.length).toBe(0)
    await batch.close()
    await other.close()
  })
})

test('An instance with a database is not forked, and loses nothing by the attempt', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database)
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch()
  await producer.send({ topic: 'orders', body: 'a' }, { batch })
  await expect(mq.fork()).rejects.toEqual(mqError('UNSUPPORTED', 'your database'))
  await mq.close()
  await batch.write()
  await expect(mq.fork()).rejects.toEqual(mqError('UNSUPPORTED', 'your database'))
  expect(await rowKeys(database, 'outbox')).toHaveLength(1)
})
