import { describe, expect, test } from 'vitest'
import type { Alarm, AlarmSpec } from '../../src/store/fact.ts'
import { parkedKey } from '../../src/store/keyspace.ts'
import { bucketOf } from '../../src/store/parked-page.ts'
import type { ParkedAlarm } from '../../src/store/parking.ts'
import { mqError } from '../helpers/expect-error.ts'
import { openShop, type TestStore, temporaryDirectory } from './set-up.ts'

const MINUTE_MS = 60_000

function delayOf(shop: TestStore, dueTimestamp: number, kind: 'delay' | 'transaction' = 'delay'): AlarmSpec {
  return { kind, dueTimestamp, groupUid: 0, queueUid: shop.log().uid, queueOffset: 0, attempt: 0 }
}

function park(
  shop: TestStore,
  body: string | Buffer,
  delayMs = MINUTE_MS,
  timeoutMs = 3000,
): Promise<ParkedAlarm> {
  const wait = { timeoutMs }
  const spec = delayOf(shop, shop.clock.now() + delayMs)
  return shop.store.parking.park(shop.log(), spec, shop.message({ body }), wait)
}

async function textOf(shop: TestStore, alarm: Alarm): Promise<string | undefined> {
  return (await shop.store.parking.message(alarm))?.text()
}

/** All parked messages, in the order in which they fall due. */
async function parked(shop: TestStore): Promise<(string | undefined)[]> {
  const due = shop.store.alarms.due(Number.POSITIVE_INFINITY, 1000)
  return Promise.all(due.map((alarm) => textOf(shop, alarm)))
}

describe('A parked message', () => {
  test('is in no queue, and lies with its alarm', async () => {
    const shop = await openShop()
    const message = shop.message({
      body: 'later',
      tag: 't',
      keys: ['k'],
      properties: { a: 'b' },
      messageGroup: 'g',
    })
    const spec = delayOf(shop, shop.clock.now() + 5)
    const { alarm, status } = await shop.store.parking.park(shop.log(), spec, message, { timeoutMs: 3000 })
    expect(status).toBe('SEND_OK')
    expect(shop.store.alarms.get(alarm.id)).toEqual(alarm)
    expect(shop.log().maxOffset).toBe(0)
    expect(await shop.store.queryByKey(shop.topic(), 'k', 0, Number.MAX_SAFE_INTEGER, 10)).toEqual([])
    expect(await shop.store.parking.message(alarm)).toMatchObject({
      topic: 'orders',
      tag: 't',
      keys: ['k'],
      messageGroup: 'g',
      queue: shop.log().queue,
      queueOffset: -1,
      offsetMessageId: '',
      bornTimestamp: shop.clock.now(),
      storeTimestamp: shop.clock.now(),
    })
  })

  test('has a body of its own', async () => {
    const shop = await openShop()
    const body = Buffer.from('before')
    const parking = park(shop, body)
    body.write('behind')
    expect(await textOf(shop, (await parking).alarm)).toBe('before')
  })

  test('is there before and after it is applied, and after reopening', async () => {
    const shop = await openShop(1, { storage: 'disk', path: await temporaryDirectory() })
    await park(shop, 'second', 20)
    await park(shop, 'first', 10)
    expect(await parked(shop)).toEqual(['first', 'second'])
    await shop.expectSound()
    expect(await parked(shop)).toEqual(['first', 'second'])
    await shop.reopen()
    expect(await parked(shop)).toEqual(['first', 'second'])
  })

  test('goes with its alarm, in the commit that makes it visible', async () => {
    const shop = await openShop()
    const { alarm } = await park(shop, 'now')
    const message = shop.message('now')
    await shop.store.commit({ appends: [{ log: shop.log(), messages: message }], alarmsCleared: [alarm] })
    expect(await shop.bodies()).toEqual(['now'])
    expect(await textOf(shop, alarm)).toBeUndefined()
    await shop.expectSound()
    expect(await textOf(shop, alarm)).toBeUndefined()
  })

  test('can be parked anew for another time', async () => {
    const shop = await openShop()
    const { alarm } = await park(shop, 'moved', 10)
    await park(shop, 'between', 20)
    const bytes = await shop.store.parking.bytes(alarm)
    if (bytes === undefined) throw new Error('nothing is parked')
    const later = delayOf(shop, shop.clock.now() + 30)
    await shop.store.commit({ parked: [{ alarm: later, bytes }], alarmsCleared: [alarm] })
    expect(await parked(shop)).toEqual(['between', 'moved'])
  })

  test('is no concern of retention, by age or by bytes', async () => {
    const shop = await openShop(1, {
      retention: { maxAgeMs: 48 * MINUTE_MS, maxBytes: 400_000, intervalMs: MINUTE_MS },
    })
    const { alarm } = await park(shop, 'kept', 1000 * MINUTE_MS)
    for (let round = 0; round < 60; round++) {
      await shop.clock.advance(2 * MINUTE_MS)
      await shop.send({ body: Buffer.alloc(20_000) })
      await shop.store.trim()
    }
    expect(shop.log().minOffset).toBeGreaterThan(0)
    expect(await textOf(shop, alarm)).toBe('kept')
  })

  test('is refused where a send is refused', async () => {
    const shop = await openShop()
    await expect(park(shop, 'x', -1 - shop.clock.now())).rejects.toThrow(
      mqError('INVALID_PARAMETER', 'due timestamp'),
    )
    const log = shop.log()
    await shop.store.commit({ topicsDeleted: [shop.topic()] })
    const spec = { ...delayOf({ log: () => log } as unknown as TestStore, 5) }
    const late = shop.store.parking.park(log, spec, shop.message('x', 'orders'), { timeoutMs: 10 })
    await expect(late).rejects.toThrow(mqError('TOPIC_NOT_EXIST', 'being deleted'))
    expect(shop.store.alarms.size).toBe(0)
  })

  test('of a topic that is gone is not found', async () => {
    const shop = await openShop()
    const { alarm } = await park(shop, 'x')
    await shop.store.commit({ topicsDeleted: [shop.topic()] })
    expect(await textOf(shop, alarm)).toBeUndefined()
  })

  test('waits for room like a send, with its body copied at once', async () => {
    const limits = { maxUnappliedBytes: 20_000, maxPendingSendBytes: 1e6, minFreeDiskBytes: 0 }
    const shop = await openShop(1, { limits })
    const body = Buffer.alloc(5_000, 'a')
    const all = Array.from({ length: 20 }, () => park(shop, body))
    body.fill('b')
    for (const { alarm } of await Promise.all(all)) expect(await textOf(shop, alarm)).toBe('a'.repeat(5_000))
  })
})

describe('The whole-store check', () => {
  test('finds that a page of messages is lost', async () => {
    const shop = await openShop()
    const { alarm } = await park(shop, 'x')
    await shop.expectSound()
    const { level } = shop.store.applied.databases.index
    const key = parkedKey(bucketOf(alarm.dueTimestamp), alarm.id)
    const page = await level.get(key)
    await level.del(key)
    const { problems } = await shop.store.check()
    expect(problems).toEqual([{ kind: 'alarm', message: expect.stringContaining('0 messages are parked') }])
    await level.put(key, page as Buffer)
  })
})
