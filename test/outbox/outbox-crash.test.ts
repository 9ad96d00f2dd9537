import { describe, expect, test } from 'vitest'
import type { Producer } from '../../src/producer/producer.ts'
import type { TestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bodiesOf, errorsOf, openDatabase, openMQ, rowKeys } from './set-up.ts'

const SOON = Date.UTC(2027, 0, 1, 0, 1)
const LATER = Date.UTC(2027, 0, 1, 0, 2)

describe('A crash', () => {
  test('between the write and the send: the message is sent at the next opening', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch().put('order', 'o-1')
    await producer.send({ topic: 'orders', body: 'a' }, { batch })
    // Nothing of the instance hears of the write.
    const reopening = mq.crash()
    await batch.write()
    await using reopened = await reopening
    await using last = await reopened.crash()
    await last.drainOutbox()
    expect(await bodiesOf(last)).toEqual(['a'])
    await last.clock.advance(600)
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })

  test.each([
    ['a message', {}],
    ['a delayed message', { deliveryTimestamp: Date.UTC(2027, 0, 1, 0, 1) }],
    ['a message with a level', { delayTimeLevel: 5 }],
  ])('between the send and the end of the row: %s is not sent twice', async (_, delay) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a', ...delay }, { batch })
    await batch.write()
    await mq.drainOutbox()
    expect(await rowKeys(database, 'outbox')).toHaveLength(1)
    await using reopened = await mq.crash()
    await reopened.drainOutbox()
    await reopened.clock.advance('2m')
    expect(await bodiesOf(reopened)).toEqual(['a'])
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })

  test.each([
    ['recalled', (_: TestMQ, handle: string, producer: Producer) => producer.recall('orders', handle), 0],
    [
      'given another time',
      (mq: TestMQ, handle: string) => mq.admin.rescheduleMessage('orders', handle, LATER),
      1,
    ],
    ['deleted with its topic', (mq: TestMQ) => mq.admin.deleteTopic('orders'), 0],
  ])('behind the send, when the message was %s: it is not sent again', async (_, takeAway, leftCount) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a', deliveryTimestamp: SOON }, { batch })
    await batch.write()
    await mq.drainOutbox()
    const [waiting] = await mq.admin.delayedMessages('orders')
    await takeAway(mq, waiting!.recallHandle, producer)
    await using reopened = await mq.crash()
    await reopened.drainOutbox()
    expect(await reopened.admin.delayedMessages('orders')).toHaveLength(leftCount)
    await reopened.clock.advance('1h')
    expect(await bodiesOf(reopened)).toHaveLength(leftCount)
  })

  test.each([
    ['any queue', {}],
    ['a queue of its choice', { queue: { topic: 'orders', brokerName: 'localhost', queueId: 0 } }],
  ])('is not needed: a recall waits for what nobody knows of, for %s', async (_, options) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a', deliveryTimestamp: SOON }, { ...options, batch })
    mq.faults.loseReceipt({ nth: 1 })
    await batch.write()
    await mq.clock.rest()
    const [waiting] = await mq.admin.delayedMessages('orders')
    await producer.recall('orders', waiting!.recallHandle)
    expect(await rowKeys(database, 'outbox')).toEqual([])
    await mq.clock.advance('1h')
    expect(await bodiesOf(mq)).toEqual([])
  })

  test('is not needed: a recall waits for all that nobody knows of, however many', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    for (let i = 0; i < 100; i++)
      await producer.send({ topic: 'orders', body: `${i}`, deliveryTimestamp: SOON }, { batch })
    mq.faults.loseReceipt()
    await batch.write()
    await mq.clock.rest()
    const [waiting] = await mq.admin.delayedMessages('orders')
    expect(await rowKeys(database, 'outbox')).toHaveLength(100)
    await producer.recall('orders', waiting!.recallHandle)
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })

  test('is not risked: what cannot be forgotten is not recalled', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a', deliveryTimestamp: SOON }, { batch })
    await batch.write()
    await mq.drainOutbox()
    const [waiting] = await mq.admin.delayedMessages('orders')
    mq.faults.fail('flush', { nth: 1, code: 'DISK_FULL' })
    await expect(producer.recall('orders', waiting!.recallHandle)).rejects.toEqual(mqError('DISK_FULL'))
    expect(await mq.admin.delayedMessages('orders')).toHaveLength(1)
    await producer.recall('orders', waiting!.recallHandle)
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })

  test('in which a power cut takes the message: its row is still there', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a' }, { batch })
    await batch.write()
    await mq.drainOutbox()
    await using reopened = await mq.crash('power')
    await reopened.drainOutbox()
    expect(await bodiesOf(reopened)).toEqual(['a'])
  })

  test('in which a power cut comes behind the end of the row: the message is there', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { flushIntervalMs: 3_600_000 })
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a' }, { batch })
    await batch.write()
    await mq.clock.advance(600)
    expect(await rowKeys(database, 'outbox')).toEqual([])
    await using reopened = await mq.crash('power')
    expect(await bodiesOf(reopened)).toEqual(['a'])
  })

  test('keeps ids that earlier lives gave findable', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'makes the route known' })
    const batch = database.batch()
    // Stored in one turn, so that one run of ids spans all three.
    const receipts = await Promise.all([
      producer.send({ topic: 'orders', body: 'first' }),
      producer.send({ topic: 'orders', body: 'second' }, { batch }),
      producer.send({ topic: 'orders', body: 'third' }),
    ])
    const reopening = mq.crash()
    await batch.write()
    await using reopened = await (await reopening).crash()
    await reopened.drainOutbox()
    for (const { messageId } of receipts)
      expect((await reopened.admin.queryMessageById(messageId)).messageId).toBe(messageId)
  })
})

describe('A message that cannot be sent', () => {
  test('stays, is told of, lets others pass, and is sent when it can be', async () => {
    const database = await openDatabase()
    const { mq, errors } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    mq.faults.failSend({ nth: 1, code: 'DISK_FULL' })
    for (const body of ['a', 'b']) {
      const batch = database.batch()
      await producer.send({ topic: 'orders', body }, { batch })
      await batch.write()
    }
    await mq.clock.rest()
    expect(await bodiesOf(mq)).toEqual(['b'])
    expect(errors).toEqual([
      mqError('DISK_FULL', 'The outbox row 0000000000000001/orders cannot be sent now'),
    ])
    await mq.clock.advance(1000)
    expect(await bodiesOf(mq)).toEqual(['b', 'a'])
  })

  test('fails drainOutbox, which tries it at once', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a', messageGroup: 'g' }, { batch })
    await mq.admin.updateTopic({ topic: 'orders', permission: 4 })
    await batch.write()
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('NO_PERMISSION'))
    await mq.admin.updateTopic({ topic: 'orders', permission: 6 })
    await mq.drainOutbox()
    expect(await bodiesOf(mq)).toEqual(['a'])
  })

  test('whose answer is lost is not sent twice', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    mq.faults.loseReceipt({ nth: 1 })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'a' }, { batch })
    await batch.write()
    await mq.clock.advance('1m')
    expect(await bodiesOf(mq)).toEqual(['a'])
    expect(await rowKeys(database, 'outbox')).toEqual([])
  })
})

describe('A database', () => {
  test('serves one instance at a time, unless each has a part of it', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await expect(openMQ(database)).rejects.toEqual(mqError('INVALID_PARAMETER', 'another open instance'))
    const { mq: other } = await openMQ(database.sublevel('other') as never)
    const producer = await other.createProducer({ group: 'shop' })
    const batch = database.batch()
    await producer.send({ topic: 'orders', body: 'for the other' }, { batch })
    await batch.write()
    await Promise.all([mq.drainOutbox(), other.drainOutbox()])
    expect(await bodiesOf(mq)).toEqual([])
    expect(await bodiesOf(other)).toEqual(['for the other'])
    await mq.close()
    await using again = (await openMQ(database)).mq
    expect(errorsOf(again)).toEqual([])
  })

  test('must be open, and a database', async () => {
    const database = await openDatabase()
    await database.close()
    await expect(openMQ(database)).rejects.toEqual(mqError('INVALID_PARAMETER', 'closed'))
    await expect(openMQ({} as never)).rejects.toEqual(mqError('INVALID_PARAMETER', 'abstract-level'))
  })

  test('is needed', async () => {
    const database = await openDatabase()
    await using mq = (await openMQ(undefined as never)).mq
    const producer = await mq.createProducer({ group: 'shop' })
    const send = producer.send({ topic: 'orders', body: 'a' }, { batch: database.batch() })
    await expect(send).rejects.toEqual(mqError('INVALID_PARAMETER', 'PocketMQ.open(path, { database })'))
    await expect(mq.drainOutbox()).rejects.toEqual(mqError('INVALID_PARAMETER', 'no outbox'))
  })
})
