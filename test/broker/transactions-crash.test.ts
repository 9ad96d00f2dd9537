/** Transactions over restarts, and over crashes at every call to the disk: each that was begun ends, and ends once. */
import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import type { TransactionEnd } from '../../src/model/transaction.ts'
import type { TransactionCheck } from '../../src/model/transaction-verbs.ts'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { mqError } from '../helpers/expect-error.ts'
import { FaultMedium } from '../helpers/fault-medium.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import type { DecideFate } from '../store/faults/call-gate.ts'
import { openOn } from './delayed-set-up.ts'
import type { TestBroker } from './set-up.ts'
import {
  CHECK_MAX,
  commit,
  halfCount,
  INTERVAL_MS,
  join,
  rollback,
  sendHalf,
  TIMEOUT_MS,
  texts,
} from './transaction-set-up.ts'

const CHECK_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'
const HOUR_MS = 3_600_000
/** Time in which what was written is flushed and applied. */
const STEP_MS = 1000
/** Two checks are enough to crash at each. */
const FEW_CHECKS = { transactionCheckMax: 2 }
/** All that was begun has ended by then. */
const ALL_ENDED_MS = TIMEOUT_MS + 2 * INTERVAL_MS + STEP_MS

async function textsIn(shop: TestBroker, topic: string): Promise<string[]> {
  return shop.store.catalog.topic(topic) === undefined ? [] : texts(shop, topic)
}

describe('After a restart', () => {
  test('the group is asked about what did not end, when its time has come', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    await sendHalf(before, { body: 'open', keys: ['k'] })
    await commit(before, await sendHalf(before, { body: 'committed' }))
    await rollback(before, await sendHalf(before, { body: 'rolled back' }))
    await before.close()

    const shop = await openOn(medium, before.clock)
    const answerer = join(shop, 'COMMIT')
    await shop.clock.advance(TIMEOUT_MS - 1)
    expect(answerer.asked).toEqual([])
    await shop.clock.advance(1)
    expect(answerer.texts).toEqual(['open'])
    expect(await texts(shop)).toEqual(['committed', 'open'])
    expect(halfCount(shop)).toBe(0)
  })

  test('it is asked at once about what was due meanwhile, by whoever comes', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    await sendHalf(before, { body: 'open' })
    await before.close()
    before.clock.jump(HOUR_MS)
    const shop = await openOn(medium, before.clock)
    await shop.clock.advance(0)
    const answerer = join(shop, 'COMMIT')
    await shop.clock.advance(0)
    expect(answerer.texts).toEqual(['open'])
    expect(await texts(shop)).toEqual(['open'])
  })

  test('the checks go on counting where they were', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    await sendHalf(before)
    await before.clock.advance(TIMEOUT_MS + 9 * INTERVAL_MS)
    await before.close()
    const shop = await openOn(medium, before.clock)
    const answerer = join(shop)
    await shop.clock.advance(HOUR_MS)
    expect(answerer.asked).toHaveLength(CHECK_MAX - 10)
    expect(await texts(shop, CHECK_TOPIC)).toHaveLength(1)
  })

  test('one that was asked about can be ended, and only once', async () => {
    const medium = new FaultMedium()
    const before = await openOn(medium)
    await before.createTopic()
    const half = await sendHalf(before, { body: 'open' })
    await before.close()
    const shop = await openOn(medium, before.clock)
    await shop.clock.advance(TIMEOUT_MS)
    await commit(shop, half)
    await commit(shop, half)
    await expect(rollback(shop, half)).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was committed'))
    expect(await texts(shop)).toEqual(['open'])
  })
})

test('A half that is damaged is lost, and told', async () => {
  const medium = new FaultMedium()
  const shop = await openOn(medium)
  await shop.createTopic()
  const half = await sendHalf(shop)
  const answerer = join(shop)
  // Now it lies in the index alone.
  await shop.clock.advance(STEP_MS)
  const damaged = new MQError('STORE_CORRUPTED', 'The parked message is damaged.')
  shop.store.parking.bytes = () => Promise.reject(damaged)
  await expect(commit(shop, half)).rejects.toThrow(mqError('STORE_CORRUPTED'))
  await shop.clock.advance(TIMEOUT_MS)
  expect(shop.events('message-lost')).toMatchObject([{ reason: 'corruption', delayedCount: 1 }])
  expect([halfCount(shop), shop.broker.transactions.openCount]).toEqual([0, 0])
  expect(answerer.asked).toEqual([])
  await expect(commit(shop, half)).rejects.toThrow(mqError('TOPIC_NOT_EXIST', 'it was damaged'))
  await rollback(shop, half)
})

/** What the application knows, in a database of its own that survives everything. */
type Decisions = Map<string, TransactionEnd>

const answerBy =
  (decisions: Decisions): TransactionCheck =>
  async (message) =>
    decisions.get(message.text()) ?? 'UNKNOWN'

/** Halves of every kind: ended by their sender, by a check, and by nobody. */
async function live(shop: TestBroker, stored: Set<string>, decisions: Decisions): Promise<void> {
  await shop.createTopic()
  const begin = async (body: string) => {
    const half = await sendHalf(shop, { body })
    stored.add(body)
    await shop.clock.advance(STEP_MS)
    return half
  }
  const committed = await begin('committed')
  decisions.set('committed', 'COMMIT')
  await commit(shop, committed)
  const dropped = await begin('dropped')
  decisions.set('dropped', 'ROLLBACK')
  await rollback(shop, dropped)
  await begin('committed by a check')
  decisions.set('committed by a check', 'COMMIT')
  await begin('dropped by a check')
  decisions.set('dropped by a check', 'ROLLBACK')
  await begin('forgotten')
  join(shop, answerBy(decisions))
  await shop.clock.advance(ALL_ENDED_MS)
  await shop.close()
}

/** Runs until the call with this number stops the machine; answers what is left, or `undefined` if there is no such call. */
async function liveUntil(
  fate: 'stops-before' | 'stops-within' | 'stops-after',
  number: number,
  options: Partial<StoreOptions>,
) {
  const stored = new Set<string>()
  const decisions: Decisions = new Map()
  const decide: DecideFate = (call) => (call.number === number ? fate : 'works')
  const medium = new FaultMedium({ decide })
  const clock = new ManualClock()
  const life = openOn(medium, clock, options, FEW_CHECKS).then((shop) => live(shop, stored, decisions))
  life.catch(() => undefined)
  await Promise.race([life.catch(() => medium.gate.stopped), medium.gate.stopped])
  return medium.gate.isStopped ? { medium, clock, stored, decisions } : undefined
}

describe.each([
  ['ASYNC_FLUSH', 'kill'],
  ['SYNC_FLUSH', 'power'],
] as const)('After a crash in %s (%s)', (flushDiskType, how) => {
  test.each(['stops-before', 'stops-within', 'stops-after'] as const)(
    'at any call (%s) each transaction ends as the application decided, once',
    async (fate) => {
      let count = 0
      for (let number = 1; ; number++) {
        const stopped = await liveUntil(fate, number, { flushDiskType })
        if (stopped === undefined) break
        count = number
        const { medium, clock, stored, decisions } = stopped
        // Nothing of the life that ended may happen on the clock of the next one.
        const shop = await openOn(medium.crash(how), new ManualClock(clock.now()), {}, FEW_CHECKS)
        join(shop, answerBy(decisions))
        await shop.clock.advance(ALL_ENDED_MS)
        const found = await textsIn(shop, 'orders')
        const parked = await textsIn(shop, CHECK_TOPIC)
        const where = `call ${number}: ${found.join(', ')}; ${parked.join(', ')}`
        const committed = [...stored].filter((body) => decisions.get(body) === 'COMMIT')
        const undecided = [...stored].filter((body) => !decisions.has(body))
        expect(found.sort(), where).toEqual(committed.sort())
        // What was stored without anybody being told has no decision either.
        expect(parked.filter((body) => stored.has(body)).sort(), where).toEqual(undecided.sort())
        expect(new Set(parked).size, where).toBe(parked.length)
        expect((await shop.broker.check()).problems, where).toEqual([])
        expect(shop.store.alarms.size, where).toBe(0)
        await shop.close()
      }
      expect(count).toBeGreaterThan(50)
    },
  )
})
