/** Delayed messages over restarts, and over crashes at every call to the disk: nothing is lost, and nothing comes twice. */
import { describe, expect, test } from 'vitest'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { FaultMedium } from '../helpers/fault-medium.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import type { DecideFate } from '../store/faults/call-gate.ts'
import { MINUTE_MS, openOn, sendDelayed, sendIn, texts, waiting, waitingTexts } from './delayed-set-up.ts'
import type { TestBroker } from './set-up.ts'

/** Soon enough to be held in memory from the beginning, and so late that it is read from the index. */
const DUE_TIMES = [10_000, 40_000]
/** Time in which what was written is flushed and applied. */
const STEP_MS = 1000
/** Each of some hundred calls to the disk is a life of its own. */
const TIMEOUT_MS = 120_000

/** Closes a shop and opens another one on its disk. */
async function reopen(shop: TestBroker, medium: FaultMedium): Promise<TestBroker> {
  await shop.close()
  return openOn(medium, shop.clock)
}

describe('After a restart', () => {
  test('before its time, a message comes at its time', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    await sendIn(before, MINUTE_MS, { body: 'by time', keys: ['k'] })
    await sendDelayed(before, { delayTimeLevel: 5, body: 'by level' })
    const shop = await reopen(before, medium)
    expect(await waitingTexts(shop)).toEqual(['by time', 'by level'])
    await shop.clock.advance(MINUTE_MS - 1)
    expect(await texts(shop)).toEqual([])
    await shop.clock.advance(1)
    expect(await texts(shop)).toEqual(['by time', 'by level'])
    expect(await waiting(shop)).toEqual([])
  })

  test('behind its time, it comes at once, and once, in order', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    for (const delayMs of [30, 10, 20]) await sendIn(before, delayMs, { body: String(delayMs) })
    await before.close()
    before.clock.jump(MINUTE_MS)
    const shop = await openOn(medium, before.clock)
    await shop.clock.advance(0)
    expect(await texts(shop)).toEqual(['10', '20', '30'])
    const again = await reopen(shop, medium)
    await again.clock.advance(MINUTE_MS)
    expect(await texts(again)).toEqual(['10', '20', '30'])
  })

  test('a handle works as before', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    const { recallHandle, messageId } = await sendIn(before, MINUTE_MS)
    const shop = await reopen(before, medium)
    expect(await shop.broker.delay.recallMessage('orders', recallHandle)).toBe(messageId)
    await shop.clock.advance(MINUTE_MS)
    expect(await texts(shop)).toEqual([])
  })

  test('a level keeps the time that it meant when the message was sent', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    const { deliveryTimestamp } = await sendDelayed(before, { delayTimeLevel: 5 })
    const shop = await reopen(before, medium)
    const [found] = await waiting(shop)
    expect(found?.deliveryTimestamp).toBe(deliveryTimestamp)
  })
})

/** What the application was told of each message before the machine stopped. */
interface Told {
  readonly stored: Set<string>
  readonly recalled: Set<string>
  /** A recall began, and nobody knows how it ended. */
  readonly recalling: Set<string>
}

/** A life of four messages: one waits its time, one is recalled, one moved, one delivered before its time. */
async function live(shop: TestBroker, told: Told, dueMs: number): Promise<void> {
  const { delay } = shop.broker
  await shop.createTopic()
  const handles: string[] = []
  for (const body of ['waits', 'recalled', 'moved', 'hurried']) {
    const { recallHandle } = await sendIn(shop, dueMs, { body })
    told.stored.add(body)
    handles.push(recallHandle)
    await shop.clock.advance(STEP_MS)
  }
  const [, recalled = '', moved = '', hurried = ''] = handles
  told.recalling.add('recalled')
  await delay.recallMessage('orders', recalled)
  told.recalled.add('recalled')
  await shop.clock.advance(STEP_MS)
  await delay.rescheduleMessage('orders', moved, shop.clock.now() + dueMs)
  await shop.clock.advance(STEP_MS)
  await delay.deliverMessageNow('orders', hurried)
  await shop.clock.advance(2 * dueMs)
  await shop.close()
}

/** Runs until the call with this number stops the machine; answers what is left, or `undefined` if there is no such call. */
async function liveUntil(
  fate: 'stops-before' | 'stops-within' | 'stops-after',
  number: number,
  dueMs: number,
  options: Partial<StoreOptions>,
) {
  const told: Told = { stored: new Set(), recalled: new Set(), recalling: new Set() }
  const decide: DecideFate = (call) => (call.number === number ? fate : 'works')
  const medium = new FaultMedium({ decide })
  const clock = new ManualClock()
  const life = openOn(medium, clock, options).then((shop) => live(shop, told, dueMs))
  life.catch(() => undefined)
  await Promise.race([life.catch(() => medium.gate.stopped), medium.gate.stopped])
  return medium.gate.isStopped ? { medium, clock, told } : undefined
}

describe.each(
  DUE_TIMES.flatMap((dueMs) => [
    ['ASYNC_FLUSH', 'kill', dueMs] as const,
    ['SYNC_FLUSH', 'power', dueMs] as const,
  ]),
)('After a crash in %s (%s), of messages due in %i ms', (flushDiskType, how, dueMs) => {
  test.each(['stops-before', 'stops-within', 'stops-after'] as const)(
    'at any call (%s) each message that was accepted comes once',
    async (fate) => {
      let count = 0
      for (let number = 1; ; number++) {
        const stopped = await liveUntil(fate, number, dueMs, { flushDiskType })
        if (stopped === undefined) break
        count = number
        const { medium, clock, told } = stopped
        // Nothing of the life that ended may happen on the clock of the next one.
        const shop = await openOn(medium.crash(how), new ManualClock(clock.now()))
        await shop.clock.advance(2 * dueMs + MINUTE_MS)
        const found = shop.store.catalog.topic('orders') === undefined ? [] : await texts(shop)
        const where = `call ${number}: ${found.join(', ')}`
        expect(new Set(found).size, where).toBe(found.length)
        for (const body of told.stored) {
          if (told.recalled.has(body)) expect(found, where).not.toContain(body)
          else if (!told.recalling.has(body)) expect(found, where).toContain(body)
        }
        expect((await shop.broker.check()).problems, where).toEqual([])
        expect(shop.store.alarms.size, where).toBe(0)
        await shop.close()
      }
      expect(count).toBeGreaterThan(50)
    },
    TIMEOUT_MS,
  )
})
