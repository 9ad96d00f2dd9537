import { describe, expect, test } from 'vitest'
import { DEFAULT_MESSAGE_DELAY_LEVEL, parseDelayLevels } from '../../src/model/delay-levels.ts'
import { type GroupRetryPolicy, retryDelayMs } from '../../src/model/retry-policy.ts'

const levels = parseDelayLevels(DEFAULT_MESSAGE_DELAY_LEVEL)

function delays(policy: GroupRetryPolicy | undefined, count: number): number[] {
  return Array.from({ length: count }, (_, i) => retryDelayMs(policy, levels, i + 1))
}

describe('After an attempt that was in vain a message waits', () => {
  test('as RocketMQ does on its server: 10 s, 30 s, 1 min ... 2 h, and then always 2 h', () => {
    const minutes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 60, 120, 120]
    expect(delays(undefined, 17)).toEqual([10_000, 30_000, ...minutes.map((each) => each * 60_000)])
  })

  test('by a list of its own, whose last wait repeats', () => {
    expect(delays({ type: 'CUSTOMIZED', nextMs: [5, 7] }, 4)).toEqual([5, 7, 7, 7])
  })

  test('exponentially, up to a bound', () => {
    const policy = { type: 'EXPONENTIAL', initialMs: 5000, maxMs: 60_000, multiplier: 2 } as const
    expect(delays(policy, 6)).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000])
    expect(retryDelayMs({ ...policy, multiplier: 1000 }, levels, 60_000)).toBe(60_000)
  })
})
