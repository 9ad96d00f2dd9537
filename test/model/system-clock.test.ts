import { expect, test } from 'vitest'
import { randomBelow } from '../../src/model/clock.ts'
import { systemClock, systemRandom } from '../../src/model/system-clock.ts'

test('The clock of the machine calls back when the delay has passed, to the millisecond', async () => {
  const startedAt = systemClock.monotonicMs()
  await new Promise<void>((resolve) => systemClock.setTimer(5, resolve))
  expect(systemClock.monotonicMs() - startedAt).toBeGreaterThan(4)
})

test('A cancelled timer of the machine calls nobody', async () => {
  const cancelled = systemClock.setTimer(1, () => expect.unreachable())
  cancelled.cancel()
  await new Promise<void>((resolve) => systemClock.setTimer(5, resolve))
})

test('A random number below a bound is one of the whole numbers from 0', () => {
  const seen = new Set(Array.from({ length: 500 }, () => randomBelow(systemRandom, 3)))
  expect([...seen].sort()).toEqual([0, 1, 2])
  expect(randomBelow({ next: () => 1 - Number.EPSILON }, 3)).toBe(2)
})
