import { describe, expect, test } from 'vitest'
import { NEVER } from '../../src/store/invisible-run.ts'
import { generationRule } from '../../src/store/retention.ts'
import { mqError } from '../helpers/expect-error.ts'
import { diskBytes, openShop, openStore, type TestStore, temporaryDirectory } from './set-up.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const never = 1e12
const byAge = { maxAgeMs: DAY, maxBytes: never, intervalMs: never }
const byBytes = { maxAgeMs: never, maxBytes: 400_000, intervalMs: never }

/** Sends a message an hour for some hours. */
async function sendHourly(shop: TestStore, hours: number): Promise<void> {
  for (let hour = 0; hour < hours; hour++) {
    await shop.send({ body: `hour ${hour}`, keys: 'k' })
    await shop.clock.advance(HOUR)
  }
}

/** Sends some 1000 bytes at a time. */
async function sendBytes(shop: TestStore, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += 20_000) {
    await shop.sendBatch(
      Array.from({ length: 20 }, () => ({ body: Buffer.alloc(1000, sent % 251), keys: 'k' })),
    )
  }
}

async function retryAt(shop: TestStore, queueOffset: number) {
  const group = await shop.createGroup()
  const { uid } = shop.log()
  const alarm = {
    kind: 'retry',
    dueTimestamp: 1e14,
    groupUid: group.uid,
    queueUid: uid,
    queueOffset,
    attempt: 1,
  } as const
  await shop.store.commit({ alarmsSet: [alarm] })
}

describe('Retention by age', () => {
  test('removes what is older than the limit, a generation at a time, and nothing younger', async () => {
    const shop = await openShop(1, { retention: byAge })
    await sendHourly(shop, 30)
    await shop.store.trim()
    const [oldest] = await shop.readAll()
    const ages = shop.clock.now() - (oldest?.storeTimestamp ?? 0)
    expect(ages).toBeLessThanOrEqual(DAY + HOUR)
    expect(ages).toBeGreaterThanOrEqual(DAY - HOUR)
    expect(shop.log().minOffset).toBeGreaterThan(0)
    expect(shop.log().maxOffset).toBe(30)
    await shop.expectSound()
  })

  test('removes keys and ids with their messages', async () => {
    const shop = await openShop(1, { retention: byAge })
    const first = await shop.send({ body: 'first', keys: 'k' })
    await shop.clock.advance(HOUR)
    await sendHourly(shop, 30)
    await shop.store.trim()
    expect(await shop.store.queryById(first.messageId)).toEqual([])
    const found = await shop.store.queryByKey(shop.topic(), 'k', 0, never * 1000, 100)
    expect(found).toHaveLength(shop.log().maxOffset - shop.log().minOffset)
    expect(await shop.store.readRecord(shop.log().uid, 0)).toBeUndefined()
  })

  test('does nothing when nothing is old', async () => {
    const shop = await openShop(1, { retention: byAge })
    await sendHourly(shop, 10)
    await shop.store.trim()
    expect(shop.log().minOffset).toBe(0)
  })

  test('runs by itself, at its interval', async () => {
    const shop = await openShop(1, { retention: { ...byAge, intervalMs: 6 * HOUR } })
    await sendHourly(shop, 40)
    expect(shop.log().minOffset).toBeGreaterThanOrEqual(9)
  })

  test('tells each group that had not consumed so far what it lost, and no other', async () => {
    const shop = await openShop(1, { retention: byAge })
    const [behind, ahead] = [await shop.createGroup('behind'), await shop.createGroup('ahead')]
    await sendHourly(shop, 30)
    await shop.store.commit({
      offsets: [
        { group: behind, log: shop.log(), offset: 2 },
        { group: ahead, log: shop.log(), offset: 29 },
      ],
    })
    await shop.store.trim()
    expect(shop.events('message-lost')).toEqual([
      {
        reason: 'retention',
        group: 'behind',
        queue: shop.log().queue,
        fromOffset: 2,
        toOffset: shop.log().minOffset,
      },
    ])
  })

  test('waits for messages that were received and may come back, but not for what is only remembered', async () => {
    const shop = await openShop(1, { retention: byAge })
    const group = await shop.createGroup()
    for (let i = 0; i < 3; i++) await shop.send(`m${i}`)
    const place = { groupUid: group.uid, queueUid: shop.log().uid }
    const run = { id: 1, kind: 'pop', dueTimestamp: never, ...place, queueOffset: 0, attempt: 0b101 } as const
    await shop.store.commit({ alarmsPut: [run] })
    await shop.clock.advance(HOUR)
    await sendHourly(shop, 40)
    await shop.store.trim()
    expect(shop.log().minOffset).toBe(0)
    const row = {
      id: 2,
      kind: 'pop-orderly',
      dueTimestamp: NEVER,
      ...place,
      queueOffset: 1,
      attempt: 1,
    } as const
    await shop.store.commit({ alarmsPut: [row], alarmsCleared: [run] })
    await shop.store.trim()
    expect(shop.log().minOffset).toBeGreaterThan(2)
  })

  test('waits for a retry that still needs an old message', async () => {
    const shop = await openShop(1, { retention: byAge })
    await shop.send('failed')
    await retryAt(shop, 0)
    await shop.clock.advance(HOUR)
    await sendHourly(shop, 40)
    await shop.store.trim()
    expect(shop.log().minOffset).toBe(0)
    await shop.store.commit({ alarmsCleared: [...shop.store.alarms.values()] })
    await shop.store.trim()
    expect(shop.log().minOffset).toBeGreaterThan(0)
  })

  test('leaves queues and topics alone that have nothing old', async () => {
    const shop = await openShop(2, { retention: byAge })
    await sendHourly(shop, 30)
    await shop.send('young', shop.log('orders', 1))
    await shop.createTopic('empty')
    await shop.store.trim()
    expect(await shop.bodies(shop.log('orders', 1))).toEqual(['young'])
    expect(shop.log('empty').minOffset).toBe(0)
  })
})

describe('Retention by bytes', () => {
  test('keeps the log below its limit, and the newest messages', async () => {
    const shop = await openShop(1, { retention: byBytes })
    await sendBytes(shop, 1_500_000)
    await shop.send('newest')
    await shop.store.trim()
    const kept = await shop.readAll()
    const bytes = kept.reduce((sum, message) => sum + message.storeSize, 0)
    expect(bytes).toBeLessThanOrEqual(400_000)
    expect(bytes).toBeGreaterThan(300_000)
    expect(kept.at(-1)?.text()).toBe('newest')
    await shop.expectSound()
  })

  test('cuts between generations also where small batches were merged as they were applied', async () => {
    const path = await temporaryDirectory()
    const shop = await openShop(1, { storage: 'disk', path, retention: byBytes })
    for (let i = 0; i < 500; i++) await shop.send({ body: `${i}`.padEnd(1000), keys: 'k' })
    await shop.store.flush()
    await shop.expectSound()
    await shop.store.trim()
    await shop.expectSound()
    const kept = await shop.readAll()
    expect(kept.reduce((sum, message) => sum + message.storeSize, 0)).toBeGreaterThan(350_000)
    expect(await shop.store.queryByKey(shop.topic(), 'k', 0, never * 1000, 1000)).toHaveLength(kept.length)
    for (const message of kept) expect(await shop.store.queryById(message.messageId)).toHaveLength(1)
  })

  test('does not wait for a retry: the disk is bounded, and the retry learns that its message is gone', async () => {
    const shop = await openShop(1, { retention: byBytes })
    await shop.send('failed')
    await retryAt(shop, 0)
    await sendBytes(shop, 1_500_000)
    await shop.store.trim()
    expect(await shop.store.readRecord(shop.log().uid, 0)).toBeUndefined()
    expect(shop.store.alarms.size).toBe(1)
    await shop.expectSound()
  })

  test('gives the space on the disk back', async () => {
    const path = await temporaryDirectory()
    const shop = await openShop(1, { storage: 'disk', path, retention: { ...byBytes, maxBytes: 4_000_000 } })
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 100 }, () => shop.send({ body: noise(100_000) })))
      await shop.store.flush()
      await shop.clock.settle()
    }
    await shop.reopen()
    const before = diskBytes(path)
    await shop.store.trim()
    await shop.reopen()
    const after = diskBytes(path)
    expect(before).toBeGreaterThan(45_000_000)
    expect(after).toBeLessThan(8_000_000)
    expect(shop.log().maxOffset - shop.log().minOffset).toBeGreaterThan(30)
    await shop.expectSound()
  })

  test('survives reopening: what was removed stays removed, what is left is whole', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory(), retention: byBytes })
    await shop.createTopic()
    await sendBytes(shop, 1_000_000)
    await shop.store.trim()
    const { minOffset, maxOffset } = shop.log()
    await shop.reopen()
    expect(shop.log()).toMatchObject({ minOffset, maxOffset })
    await shop.expectSound()
    expect(await shop.readAll()).toHaveLength(maxOffset - minOffset)
  })

  test('makes a reader of a removed offset start anew, and is no corruption', async () => {
    const shop = await openShop(1, { retention: byBytes })
    await sendBytes(shop, 1_000_000)
    await shop.store.check()
    const log = shop.log()
    const { minOffset } = log
    await shop.store.trim()
    expect(log.minOffset).toBeGreaterThan(minOffset)
    await shop.store.trim()
    await expect(Promise.resolve(log.batchAt(log.minOffset - 400))).rejects.toThrow(
      mqError('NO_MESSAGE', 'retention'),
    )
  })
})

describe('A deleted topic', () => {
  test('leaves no row behind once it is cleared', async () => {
    const path = await temporaryDirectory()
    const shop = await openShop(2, { storage: 'disk', path })
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => shop.send({ body: noise(1000) }, shop.log('orders', i % 2))),
    )
    await shop.store.commit({ topicsDeleted: [shop.topic()] })
    await shop.store.trim()
    await shop.createTopic()
    await shop.send('anew')
    await shop.reopen()
    expect(await shop.bodies()).toEqual(['anew'])
    await shop.expectSound()
  })
})

describe('Generations', () => {
  test('are a twenty-fourth of what the rule allows, within bounds', () => {
    expect(generationRule({ maxAgeMs: DAY, maxBytes: 24 * 2 ** 20, intervalMs: 1 })).toEqual({
      maxAgeMs: HOUR,
      maxBytes: 2 ** 20,
    })
    expect(generationRule({ maxAgeMs: 1, maxBytes: 1, intervalMs: 1 })).toEqual({
      maxAgeMs: 1,
      maxBytes: 16 * 1024,
    })
    expect(generationRule({ maxAgeMs: 1, maxBytes: 1e15, intervalMs: 1 }).maxBytes).toBe(64 * 2 ** 20)
  })
})

/** Bytes that do not compress, the same each time. */
function noise(bytes: number): Buffer {
  const body = Buffer.alloc(bytes)
  let state = bytes
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    body[i] = state >>> 16
  }
  return body
}
