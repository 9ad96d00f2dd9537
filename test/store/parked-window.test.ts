import { describe, expect, test } from 'vitest'
import type { Alarm } from '../../src/store/fact.ts'
import { parkedKey, rangeOf } from '../../src/store/keyspace.ts'
import { BUCKET_MS, bucketOf } from '../../src/store/parked-page.ts'
import { mqError } from '../helpers/expect-error.ts'
import { openShop, type TestStore, temporaryDirectory } from './set-up.ts'

const HOUR_MS = 3_600_000
/** How late a store notices that a clock was set forward which does not tell it. */
const MINUTE_MS = 60_000

async function park(shop: TestStore, body: string, delayMs: number): Promise<Alarm> {
  const spec = {
    kind: 'delay',
    dueTimestamp: shop.clock.now() + delayMs,
    groupUid: 0,
    queueUid: shop.log().uid,
    queueOffset: 0,
    attempt: 0,
  } as const
  const message = shop.message({ body })
  return (await shop.store.parking.park(shop.log(), spec, message, { timeoutMs: 3000 })).alarm
}

async function openOnDisk(): Promise<TestStore> {
  return openShop(1, { storage: 'disk', path: await temporaryDirectory() })
}

async function textOf(shop: TestStore, alarm: Alarm): Promise<string | undefined> {
  const found = await shop.store.parking.find(alarm)
  return found && shop.store.parking.view(found)?.text()
}

async function waitingTexts(shop: TestStore): Promise<(string | undefined)[]> {
  return (await shop.parked()).map((entry) => shop.store.parking.view(entry)?.text())
}

function rowCount(shop: TestStore, kind: 'parked' | 'parkedCleared'): Promise<number> {
  const { level } = shop.store.applied.databases.index
  return level
    .keys(rangeOf(kind))
    .all()
    .then((keys) => keys.length)
}

/** Lets reads of the index see what is there, and holds up what they say until it is released. */
function holdReads(shop: TestStore): { readonly begun: Promise<void>; release(): void } {
  const { level } = shop.store.applied.databases.index
  const iterator = level.iterator.bind(level)
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let begin = (): void => undefined
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  level.iterator = ((options: object) => {
    const found = iterator(options)
    const all = found.all.bind(found)
    found.all = (async () => {
      const rows = await all()
      begin()
      await released
      return rows
    }) as typeof found.all
    return found
  }) as typeof level.iterator
  return { begun, release }
}

describe('A message that is due much later', () => {
  test('is not in memory, and is found before and behind its applying, and after a restart', async () => {
    const shop = await openOnDisk()
    const alarm = await park(shop, 'far', HOUR_MS)
    expect(shop.store.alarms.size).toBe(0)
    expect(await textOf(shop, alarm)).toBe('far')
    await shop.expectSound()
    expect(await textOf(shop, alarm)).toBe('far')
    await shop.reopen()
    expect(shop.store.alarms.size).toBe(0)
    expect(await textOf(shop, alarm)).toBe('far')
    expect(await waitingTexts(shop)).toEqual(['far'])
    expect(await textOf(shop, { ...alarm, dueTimestamp: alarm.dueTimestamp + 1 })).toBeUndefined()
    expect(await textOf(shop, { ...alarm, id: alarm.id + 1 })).toBeUndefined()
  })

  test('comes into memory before its time, with what was parked beside it later', async () => {
    const shop = await openShop()
    const first = await park(shop, 'first', HOUR_MS)
    await shop.clock.advance(HOUR_MS - BUCKET_MS)
    await shop.waitForParked()
    const second = await park(shop, 'second', BUCKET_MS)
    expect(shop.store.alarms.due(first.dueTimestamp, 10)).toEqual([first, second])
    expect(shop.store.alarms.nextDueTimestamp()).toBe(first.dueTimestamp)
  })

  test.each([
    ['at once', 0],
    ['when it is applied', 2000],
    ['shortly before its time', HOUR_MS - 10],
  ])('that is cleared %s is gone for good', async (_, afterMs) => {
    const shop = await openOnDisk()
    const alarm = await park(shop, 'cleared', HOUR_MS)
    const other = await park(shop, 'other', HOUR_MS)
    await shop.clock.advance(afterMs)
    if (afterMs > 0) await shop.expectSound()
    const clear = { alarmsCleared: [alarm] }
    // What two commits say at the same time counts once.
    await Promise.all([shop.store.commit(clear), shop.store.commit(clear)])
    expect(await textOf(shop, alarm)).toBeUndefined()
    await shop.expectSound()
    expect(await textOf(shop, alarm)).toBeUndefined()
    await shop.reopen()
    expect(await waitingTexts(shop)).toEqual(['other'])
    await shop.clock.advance(HOUR_MS)
    await shop.waitForParked()
    expect(shop.store.alarms.due(shop.clock.now(), 10)).toEqual([other])
  })

  test('is cleared while it is read into memory, and stays away', async () => {
    const shop = await openShop()
    const cleared = await park(shop, 'cleared', HOUR_MS)
    const other = await park(shop, 'other', HOUR_MS)
    await shop.expectSound()
    const reading = holdReads(shop)
    await shop.clock.advance(HOUR_MS)
    await reading.begun
    await shop.store.commit({ alarmsCleared: [cleared] })
    const late = await park(shop, 'late', 0)
    reading.release()
    await shop.waitForParked()
    expect(shop.store.alarms.due(shop.clock.now(), 10)).toEqual([other, late])
    await shop.expectSound()
  })

  test('waits for those before it, which may be in memory later than it', async () => {
    const shop = await openShop()
    const far = await park(shop, 'far', HOUR_MS)
    shop.clock.jump(HOUR_MS + 1)
    const late = await park(shop, 'late', 0)
    expect(shop.store.alarms.nextDueTimestamp()).toBeUndefined()
    expect(shop.store.alarms.due(shop.clock.now(), 10)).toEqual([])
    await shop.clock.advance(MINUTE_MS)
    await shop.waitForParked()
    expect(shop.store.alarms.due(shop.clock.now(), 10)).toEqual([far, late])
  })
})

describe('Rows of what has gone on', () => {
  test('are a share of a page for each message, and a few bytes when it is cleared', async () => {
    const shop = await openShop()
    await Promise.all(Array.from({ length: 100 }, (_, i) => park(shop, `${i}`, HOUR_MS)))
    await shop.expectSound()
    expect(await rowCount(shop, 'parked')).toBeLessThan(5)
    await shop.store.commit({ alarmsCleared: (await shop.parked()).map(({ alarm }) => alarm) })
    await shop.expectSound()
    expect(await rowCount(shop, 'parkedCleared')).toBe(1)
  })

  test('are removed when their time has passed and nothing beside them waits', async () => {
    const shop = await openOnDisk()
    const kept = await park(shop, 'kept', 10)
    const done = await park(shop, 'done', 20)
    const far = await park(shop, 'far', HOUR_MS)
    await shop.store.commit({ alarmsCleared: [done] })
    await shop.clock.advance(3 * BUCKET_MS)
    await shop.expectSound()
    await shop.store.trim()
    expect(await waitingTexts(shop)).toEqual(['kept', 'far'])
    await shop.store.commit({ alarmsCleared: [kept] })
    await shop.expectSound()
    await shop.store.trim()
    expect([await rowCount(shop, 'parked'), await rowCount(shop, 'parkedCleared')]).toEqual([1, 0])
    expect(await textOf(shop, far)).toBe('far')
    await shop.expectSound()
    await shop.reopen()
    expect(await waitingTexts(shop)).toEqual(['far'])
  })
})

test('A damaged page is told, and keeps nothing else from its time', async () => {
  const shop = await openOnDisk()
  const lost = await park(shop, 'lost', HOUR_MS)
  await shop.expectSound()
  const sound = await park(shop, 'sound', HOUR_MS)
  await shop.expectSound()
  const { level } = shop.store.applied.databases.index
  const key = parkedKey(bucketOf(lost.dueTimestamp), lost.id)
  const page = (await level.get(key)) as Buffer
  await level.put(key, Buffer.concat([page, page]))
  await expect(shop.parked()).rejects.toThrow(mqError('STORE_CORRUPTED', 'checksum'))
  expect((await shop.store.check()).problems).toContainEqual(expect.objectContaining({ kind: 'checksum' }))
  await shop.clock.advance(HOUR_MS)
  await shop.waitForParked()
  expect(shop.store.alarms.due(shop.clock.now(), 10)).toEqual([sound])
  expect(shop.events('error')).toContainEqual(expect.objectContaining({ code: 'STORE_CORRUPTED' }))
  await level.put(key, page)
})
