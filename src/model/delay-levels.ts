/** Delay levels and the retry schedule built on them (RocketMQ `messageDelayLevel`, semantics section 9.1). */
import { parseDuration } from './duration.ts'
import { invalidParameter } from './errors.ts'
import { DELAY_MAX_MS } from './limits.ts'

/** RocketMQ's default: levels 1 to 18. */
export const DEFAULT_MESSAGE_DELAY_LEVEL = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'

/** The first retry uses level 3, the next level 4, and so on. */
const FIRST_RETRY_LEVEL = 3

/** As the level of a failed message: no further attempt. It becomes a dead letter, or a broadcasting member drops it. */
export const GIVE_UP_LEVEL = -1

/** Milliseconds of each level; index 0 is level 1. */
export type DelayLevels = readonly number[]

/** Parses a table such as `1s 5s 10s`; units are ms, s, m, h and d. */
export function parseDelayLevels(table: string): DelayLevels {
  const levels = table.trim().split(/\s+/).map(parseLevel)
  return Object.freeze(levels)
}

/** Milliseconds of a level; levels past the end count as the last one. */
export function delayOfLevel(levels: DelayLevels, level: number): number {
  return levels[Math.min(level, levels.length) - 1] ?? 0
}

/** The level of the retry that follows `reconsumeTimes` earlier retries. */
export function retryLevel(reconsumeTimes: number): number {
  return FIRST_RETRY_LEVEL + reconsumeTimes
}

function parseLevel(text: string): number {
  const delayMs = parseDuration(text)
  if (delayMs === undefined)
    throw invalidParameter(`messageDelayLevel: '${text}' is not a delay such as 10s, 5m or 2h.`)
  if (delayMs > DELAY_MAX_MS)
    throw invalidParameter(`messageDelayLevel: '${text}' is longer than a hundred years.`)
  return delayMs
}
