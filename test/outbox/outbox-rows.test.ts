/** What lies in the application's database: keys, rows of others, and what only looks like a database or a batch. */
import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/model/message.ts'
import type { PocketMQ } from '../../src/pocketmq.ts'
import { createTestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'
import { type AppDatabase, bodiesOf, openDatabase, openMQ, rowKeys } from './set-up.ts'

/** Puts a message into a batch that is not written yet. */
async function enlist(mq: PocketMQ, database: AppDatabase, message: Partial<Message>) {
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch()
  await producer.send({ topic: 'orders', body: 'x', ...message }, { batch })
  return batch
}

describe('A batch that outlives its instance', () => {
  test.each([[true], [false]])('keeps its row beside those of the next one, open: %s', async (isOpen) => {
    const database = await openDatabase()
    const { mq: first } = await openMQ(database, { seed: 2 })
    const batches = [await enlist(first, database, { body: 'first' })]
    await first.close()
    const { mq: second } = await openMQ(database, { seed: 3 })
    batches.push(await enlist(second, database, { body: 'second' }))
    if (!isOpen) await second.close()
    for (const batch of batches) await batch.write()
    expect(await rowKeys(database, 'outbox')).toHaveLength(2)
    const last = isOpen ? second : (await openMQ(database, { seed: 4 })).mq
    await last.drainOutbox()
    expect(await bodiesOf(last)).toEqual(['first', 'second'])
  })
})

describe('Rows of others', () => {
  test('in the outbox are left alone', async () => {
    const database = await openDatabase()
    const rows = database.sublevel('pocketmq.outbox')
    for (const key of ['zzz', 'ffffffffffffffff/orders', '0000000000000001']) await rows.put(key, 'nonsense')
    const { mq, errors } = await openMQ(database)
    const batches = [await enlist(mq, database, { body: 'a' }), await enlist(mq, database, { body: 'b' })]
    for (const batch of batches) await batch.write()
    await rows.put('yyy', 'nonsense')
    await mq.clock.advance('1m')
    expect(await bodiesOf(mq)).toEqual(['a', 'b'])
    expect(errors).toEqual([])
    expect(await rowKeys(database, 'outbox')).toEqual([
      '0000000000000001',
      'ffffffffffffffff/orders',
      'yyy',
      'zzz',
    ])
  })

  test('in the inbox are left alone', async () => {
    const database = await openDatabase()
    const rows = database.sublevel<string, unknown>('pocketmq.inbox', { valueEncoding: 'json' })
    for (const key of ['zzz', 'group/topic/id']) await rows.put(key, { foreign: true })
    const { mq, errors } = await openMQ(database)
    await mq.clock.advance('1m')
    expect(errors).toEqual([])
    expect(await rowKeys(database, 'inbox')).toHaveLength(2)
  })

  test('whose keys are bytes, texts or longer than ours make no difference', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const bytes = database.sublevel<Uint8Array, string>('bytes', { keyEncoding: 'view' })
    await bytes.open()
    const batch = await enlist(mq, database, { body: 'a' })
    batch
      .put(new Uint8Array([255, 254]), 'x', { sublevel: bytes })
      .put('!', 'short')
      .put('!pocketmq.outbox', 'x')
    await batch.write()
    await mq.settled()
    expect(await bodiesOf(mq)).toEqual(['a'])
  })
})

describe('What only looks like it', () => {
  const nothing = (): void => undefined

  test.each([
    ['puts nowhere', { put: nothing, write: nothing }],
    ['has a length that stays', { length: 7, put: nothing, write: nothing }],
    ['cannot be written', { length: 0, put: nothing }],
  ])('a batch that %s is refused', async (_, made) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const batch = { db: database, ...made } as never
    const send = producer.send({ topic: 'orders', body: 'x' }, { batch })
    await expect(send).rejects.toEqual(mqError('INVALID_PARAMETER', 'chained batch'))
  })

  test('a batch of a database without an end is refused', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    const parent: { parent?: object } = {}
    parent.parent = { parent }
    const batch = { db: parent, length: 0, put: nothing, write: nothing } as never
    const send = producer.send({ topic: 'orders', body: 'x' }, { batch })
    await expect(send).rejects.toEqual(mqError('INVALID_PARAMETER', 'another database'))
  })

  test.each([
    ['answers nothing for a sublevel', () => undefined],
    ['answers something else for a sublevel', () => ({})],
    [
      'throws',
      () => {
        throw new TypeError('broken')
      },
    ],
  ])('a database that %s is refused', async (_, sublevel) => {
    const database = { status: 'open', batch: nothing, sublevel, get: nothing, on: nothing, off: nothing }
    await expect(createTestMQ({ database: database as never })).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'none of abstract-level'),
    )
  })
})

describe('What batches have left', () => {
  test('is sent when a test instance is there, without asking', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { seed: 2 })
    const batches = [await enlist(mq, database, { body: 'a' }), await enlist(mq, database, { body: 'b' })]
    await mq.close()
    await batches[0]!.write()
    const { mq: next } = await openMQ(database)
    expect(await bodiesOf(next)).toEqual(['a'])
    next.faults.failSend({ nth: 1 })
    await batches[1]!.write()
    await next.clock.rest()
    await using reopened = await next.crash()
    expect(await bodiesOf(reopened)).toEqual(['a', 'b'])
  })

  test('may take the time that it takes', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const batch = await enlist(mq, database, { body: 'a' })
    mq.faults.delay('sendMessage', { byMs: 2000 })
    await batch.write()
    await using reopened = await mq.crash()
    expect(await bodiesOf(reopened)).toEqual(['a'])
  })

  test('does not keep a life from crashing that hangs while it is sent', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const batch = await enlist(mq, database, { body: 'a' })
    mq.faults.failSend({ nth: 1 })
    await batch.write()
    await mq.clock.rest()
    const crash = mq.faults.crash({ at: 'before-store' })
    await mq.crash()
    await using reopened = await crash.reopened
    expect(await bodiesOf(reopened)).toEqual(['a'])
  })
})

describe('A batch that was made before the instance was opened', () => {
  test('tells nobody that it is written: it is sent when somebody drains the outbox, and once', async () => {
    const database = await openDatabase()
    const batch = database.batch()
    const { mq } = await openMQ(database)
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' }, { batch })
    await batch.write()
    await mq.drainOutbox()
    await mq.drainOutbox()
    expect(await bodiesOf(mq)).toEqual(['a'])
    await mq.clock.advance('1s')
    expect(await rowKeys(database, 'outbox')).toEqual([])
    await mq.drainOutbox()
    expect(await bodiesOf(mq)).toEqual(['a'])
  })
})
