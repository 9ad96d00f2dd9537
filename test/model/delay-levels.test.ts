import { describe, expect, test } from 'vitest'
import {
  DEFAULT_MESSAGE_DELAY_LEVEL,
  delayOfLevel,
  parseDelayLevels,
  retryLevel,
} from '../../src/model/delay-levels.ts'
import { refusal } from './refusal.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const levels = parseDelayLevels(DEFAULT_MESSAGE_DELAY_LEVEL)

describe('Delay levels', () => {
  test('are by default RocketMQ’s eighteen, from one second to two hours', () => {
    expect(levels).toHaveLength(18)
    expect(delayOfLevel(levels, 1)).toBe(SECOND)
    expect(delayOfLevel(levels, 18)).toBe(2 * HOUR)
  })

  test('past the end count as the last one', () => {
    expect(delayOfLevel(levels, 19)).toBe(2 * HOUR)
    expect(delayOfLevel(parseDelayLevels('10ms'), 3)).toBe(10)
  })

  test('take ms, s, m, h and d, with any white space between', () => {
    expect(parseDelayLevels(' 5ms  5s\t5m 5h 5d ')).toEqual([5, 5000, 5 * MINUTE, 5 * HOUR, 120 * HOUR])
  })

  test('cannot be changed once they are parsed', () => {
    expect(Object.isFrozen(levels)).toBe(true)
  })

  test.each(['', '10', 's', '1.5s', '-1s', '1S', '1s,5s', '1week', '1234567890s', '36501d'])(
    'refuse %j, naming the option',
    (table) => {
      const error = refusal(() => parseDelayLevels(table))
      expect(error.code).toBe('INVALID_PARAMETER')
      expect(error.message).toContain('messageDelayLevel')
    },
  )
})

describe('The retry schedule', () => {
  test('has sixteen steps that grow from ten seconds to two hours', () => {
    const delays = Array.from({ length: 16 }, (_, times) => delayOfLevel(levels, retryLevel(times)))
    expect(delays).toEqual([
      ...[10, 30].map((seconds) => seconds * SECOND),
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30].map((minutes) => minutes * MINUTE),
      ...[1, 2].map((hours) => hours * HOUR),
    ])
  })
})
