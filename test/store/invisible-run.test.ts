import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Alarm, AlarmKind } from '../../src/store/fact.ts'
import {
  hasBit,
  invisibleCount,
  joinBits,
  NEVER,
  offsetsOf,
  RUN_SPAN,
  runBit,
  withoutBits,
} from '../../src/store/invisible-run.ts'

function alarm(kind: AlarmKind, attempt: number, dueTimestamp = 1000): Alarm {
  return { id: 1, kind, dueTimestamp, groupUid: 1, queueUid: 65_536, queueOffset: 100, attempt }
}

/** The run of these places. */
function runOf(places: readonly number[]): Alarm {
  const run = alarm('pop', 0)
  return { ...run, attempt: places.reduce((bits, place) => joinBits(bits, runBit(run, 100 + place)), 0) }
}

const places = fc.uniqueArray(fc.nat(RUN_SPAN - 1))

describe('A run', () => {
  test('has the offsets whose bits it has, all 32 of them if need be', () => {
    fc.assert(
      fc.property(places, (some) => {
        const run = runOf(some)
        expect(run.attempt).toBeLessThan(2 ** 32)
        expect(run.attempt).toBeGreaterThanOrEqual(0)
        expect(offsetsOf(run)).toEqual(some.map((place) => 100 + place).sort((a, b) => a - b))
        expect(invisibleCount(run)).toBe(some.length)
      }),
    )
    expect(runOf(Array.from({ length: RUN_SPAN }, (_, i) => i)).attempt).toBe(2 ** 32 - 1)
  })

  test('loses those that are taken out, and no others', () => {
    fc.assert(
      fc.property(places, places, (some, gone) => {
        const left = withoutBits(runOf(some).attempt, runOf(gone).attempt)
        expect(left).toBe(runOf(some.filter((place) => !gone.includes(place))).attempt)
      }),
    )
  })

  test('has no bit for an offset outside', () => {
    const run = alarm('pop', 2 ** 32 - 1)
    expect([99, 132, 0, 1e9].map((offset) => runBit(run, offset))).toEqual([0, 0, 0, 0])
    expect(hasBit(run.attempt, runBit(run, 131))).toBe(true)
    expect(hasBit(run.attempt, 0)).toBe(false)
  })
})

test('Other alarms are about one message; of FIFO groups those that will be due are invisible', () => {
  expect(offsetsOf(alarm('retry', 3))).toEqual([100])
  expect(invisibleCount(alarm('retry', 3))).toBe(0)
  expect(offsetsOf(alarm('pop-orderly', 3))).toEqual([100])
  expect(invisibleCount(alarm('pop-orderly', 3))).toBe(1)
  expect(invisibleCount(alarm('pop-orderly', 3, NEVER))).toBe(0)
})
