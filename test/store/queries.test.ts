import { describe, expect, test } from 'vitest'
import { formatMessageId, MessageIdGenerator, parseMessageId } from '../../src/model/message-id.ts'
import { rangeOf } from '../../src/store/keyspace.ts'
import { searchOffset } from '../../src/store/queries.ts'
import { mqError } from '../helpers/expect-error.ts'
import { openShop, type TestStore } from './set-up.ts'

const HOUR = 3_600_000

function byId(shop: TestStore, messageId: string) {
  return shop.store.queryById(messageId)
}

async function keysFound(
  shop: TestStore,
  key: string,
  begin = 0,
  end = Number.MAX_SAFE_INTEGER,
  maxCount = 100,
) {
  const found = await shop.store.queryByKey(shop.topic(), key, begin, end, maxCount)
  return found.map((message) => message.text())
}

describe('A message is found by its id', () => {
  test('when it was sent alone, in a batch, or together with others', async () => {
    const shop = await openShop(3)
    const receipts = await Promise.all([
      shop.send('alone'),
      shop.sendBatch(['first', 'second'], shop.log('orders', 1)),
      shop.send('other', shop.log('orders', 2)),
    ])
    for (const receipt of receipts) {
      for (const [i, messageId] of receipt.messageIds.entries()) {
        const found = await byId(shop, messageId)
        expect(found.map((message) => [message.messageId, message.queueOffset])).toEqual([
          [messageId, receipt.queueOffset + i],
        ])
      }
    }
  })

  test('when copies of it were stored later, all of them, oldest first', async () => {
    const shop = await openShop()
    await shop.createTopic('%RETRY%billing')
    const receipts = [await shop.send('a'), await shop.send('b'), await shop.send('c')]
    const retry = shop.log('%RETRY%billing')
    for (const { messageId } of [...receipts].reverse()) {
      await shop.clock.advance(1000)
      await shop.send({ body: 'copy', id: parseMessageId(messageId) }, retry)
    }
    for (const { messageId } of receipts) {
      const found = await byId(shop, messageId)
      expect(found.map((message) => message.queue.topic)).toEqual(['orders', '%RETRY%billing'])
    }
  })

  test('when a copy of another one is the first of a later group', async () => {
    const shop = await openShop()
    const first = await shop.send('a')
    await shop.store.flush()
    const second = await shop.send('b')
    await shop.store.check()
    await shop.send({ body: 'copy of b', id: parseMessageId(second.messageId) })
    await shop.store.check()
    expect(await byId(shop, first.messageId)).toHaveLength(1)
    expect(await byId(shop, second.messageId)).toHaveLength(2)
  })

  test('once, though it shares its batch with a message of another origin', async () => {
    const shop = await openShop()
    const foreign = new MessageIdGenerator(shop.clock, { next: () => 0.25 })
    const [own, other] = await Promise.all([
      shop.send('own'),
      shop.send({ body: 'foreign', id: foreign.next() }),
    ])
    expect(await byId(shop, own.messageId)).toHaveLength(1)
    expect(await byId(shop, other.messageId)).toHaveLength(1)
  })

  test('when ids of several generators come in any order', async () => {
    const shop = await openShop(2)
    const generators = [0.1, 0.9, 0.4].map((seed) => new MessageIdGenerator(shop.clock, { next: () => seed }))
    const ids = Array.from({ length: 30 }, (_, i) =>
      formatMessageId((generators[i % 3] as MessageIdGenerator).next()),
    )
    for (const [i, id] of ids.entries()) {
      await shop.send({ body: id, id: parseMessageId(id) }, shop.log('orders', i % 2))
      if (i % 7 === 0) await shop.store.check()
    }
    for (const id of ids) expect((await byId(shop, id)).map((message) => message.text())).toEqual([id])
  })

  test('by one row for all that were given here, also when the first of all came from an earlier process', async () => {
    const shop = await openShop()
    const earlier = formatMessageId(new MessageIdGenerator(shop.clock, { next: () => 0.9 }).next())
    await shop.send({ id: parseMessageId(earlier) })
    const receipts = [await shop.send('a'), await shop.send('b'), await shop.send('c')]
    for (const id of [earlier, ...receipts.map(({ messageId }) => messageId)])
      expect(await byId(shop, id)).toHaveLength(1)
    const { level } = shop.store.applied.databases.index
    expect(await level.keys(rangeOf('id')).all()).toHaveLength(1)
  })

  test('never by a part of its id, and not when there is none', async () => {
    const shop = await openShop()
    await shop.send('a')
    expect(await byId(shop, '01'.padEnd(34, '0'))).toEqual([])
    await expect(byId(shop, '01')).rejects.toThrow(mqError('INVALID_PARAMETER'))
  })

  test('no longer when its topic is deleted', async () => {
    const shop = await openShop()
    const { messageId } = await shop.send('a')
    await shop.store.commit({ topicsDeleted: [shop.topic()] })
    expect(await byId(shop, messageId)).toEqual([])
  })
})

describe('Messages are found by a key', () => {
  test('each by all of its keys, newest first', async () => {
    const shop = await openShop(2)
    await shop.send({ body: 'a', keys: ['k1', 'k2'] })
    await shop.clock.advance(1000)
    await shop.send({ body: 'b', keys: ['k2', 'ключ'] }, shop.log('orders', 1))
    await shop.clock.advance(1000)
    await shop.send({ body: 'c', keys: 'k2' })
    expect(await keysFound(shop, 'k1')).toEqual(['a'])
    expect(await keysFound(shop, 'k2')).toEqual(['c', 'b', 'a'])
    expect(await keysFound(shop, 'ключ')).toEqual(['b'])
    expect(await keysFound(shop, 'k')).toEqual([])
  })

  test('no more than asked for', async () => {
    const shop = await openShop()
    for (const body of ['a', 'b', 'c']) {
      await shop.send({ body, keys: 'k' })
      await shop.clock.advance(1)
    }
    expect(await keysFound(shop, 'k', 0, Number.MAX_SAFE_INTEGER, 2)).toEqual(['c', 'b'])
  })

  test('that were stored within a time, both ends included', async () => {
    const shop = await openShop()
    const stored: number[] = []
    for (const body of ['a', 'b', 'c']) {
      stored.push((await shop.send({ body, keys: 'k' })).storeTimestamp)
      await shop.clock.advance(1000)
    }
    const [first = 0, second = 0, third = 0] = stored
    expect(await keysFound(shop, 'k', second, second)).toEqual(['b'])
    expect(await keysFound(shop, 'k', first, second)).toEqual(['b', 'a'])
    expect(await keysFound(shop, 'k', second + 1, third - 1)).toEqual([])
    expect(await keysFound(shop, 'k', third, first)).toEqual([])
    expect(await keysFound(shop, 'k', -5, 2 ** 60)).toEqual(['c', 'b', 'a'])
  })

  test('of their own topic only', async () => {
    const shop = await openShop()
    await shop.createTopic('refunds')
    await shop.send({ body: 'order', keys: 'k' })
    await shop.send({ body: 'refund', keys: 'k' }, shop.log('refunds'))
    expect(await keysFound(shop, 'k')).toEqual(['order'])
  })

  test('through all generations, newest first', async () => {
    const shop = await openShop(1, { retention: { maxAgeMs: 24 * HOUR, maxBytes: 1e9, intervalMs: 1e9 } })
    for (let hour = 0; hour < 6; hour++) {
      await shop.send({ body: `hour ${hour}`, keys: 'k' })
      await shop.clock.advance(HOUR)
    }
    expect(await keysFound(shop, 'k')).toEqual([5, 4, 3, 2, 1, 0].map((hour) => `hour ${hour}`))
  })

  test('once, though a message names a key twice', async () => {
    const shop = await openShop()
    await shop.send({ body: 'a', keys: ['k', 'other', 'k'] })
    expect(await keysFound(shop, 'k')).toEqual(['a'])
    await shop.expectSound()
  })

  test('never by a key that is longer than any message can have', async () => {
    const shop = await openShop()
    await shop.send({ body: 'a', keys: 'k'.repeat(30_000) })
    expect(await keysFound(shop, 'k'.repeat(30_000))).toEqual(['a'])
    expect(await keysFound(shop, 'k'.repeat(70_000))).toEqual([])
  })
})

describe('A message is found by its address', () => {
  test('whether it is in memory or in the databases', async () => {
    const shop = await openShop()
    await shop.sendBatch(['a', 'b'])
    await shop.store.check()
    await shop.send('c')
    for (const [offset, body] of ['a', 'b', 'c'].entries()) {
      expect((await shop.store.readRecord(shop.log().uid, offset))?.text()).toBe(body)
    }
  })

  test('but not outside its queue, and not in a queue that does not exist', async () => {
    const shop = await openShop()
    await shop.send('a')
    for (const [uid, offset] of [
      [shop.log().uid, 1],
      [shop.log().uid, -1],
      [shop.log().uid + 7, 0],
      [0, 0],
      [2 ** 52, 0],
    ] as const) {
      expect(await shop.store.readRecord(uid, offset)).toBeUndefined()
    }
  })
})

describe('Searching an offset by time', () => {
  test('finds the first message stored at or after it, whatever batch it is in', async () => {
    const shop = await openShop()
    const stored: number[] = []
    for (let i = 0; i < 40; i++) {
      stored.push((await shop.send(`m${i}`)).storeTimestamp)
      if (i % 3 === 0) await shop.clock.advance(700)
      if (i === 20) await shop.store.check()
    }
    const log = shop.log()
    const probes = [...new Set(stored)].flatMap((time) => [time - 1, time, time + 1])
    for (const time of [0, ...probes, Number.MAX_SAFE_INTEGER]) {
      const expected = stored.findIndex((each) => each >= time)
      expect(await searchOffset(log, time)).toBe(expected < 0 ? log.maxOffset : expected)
    }
  })

  test('answers the end of a queue that is empty', async () => {
    const shop = await openShop()
    expect(await searchOffset(shop.log(), 0)).toBe(0)
  })

  test('finds its way though the clock ran back between two messages', async () => {
    const shop = await openShop()
    const first = await shop.send('a')
    shop.clock.jump(-HOUR)
    const second = await shop.send('b')
    expect(second.storeTimestamp).toBe(first.storeTimestamp)
    expect(await searchOffset(shop.log(), first.storeTimestamp)).toBe(0)
    expect(await searchOffset(shop.log(), first.storeTimestamp + 1)).toBe(2)
  })
})
