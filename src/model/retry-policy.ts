/** How long a message waits that a simple consumer gave back (RocketMQ `GroupRetryPolicy`, semantics section 8.7). */
import { type DelayLevels, delayOfLevel, retryLevel } from './delay-levels.ts'

/**
 * How long `nack` makes a message wait. `CUSTOMIZED`: the wait after each attempt, in milliseconds; the last one stands for
 * all further attempts. `EXPONENTIAL`: `initialMs` after the first attempt, `multiplier` times as long after each further
 * one, at most `maxMs`.
 */
export type GroupRetryPolicy =
  | { readonly type: 'CUSTOMIZED'; readonly nextMs: readonly number[] }
  | {
      readonly type: 'EXPONENTIAL'
      readonly initialMs: number
      readonly maxMs: number
      readonly multiplier: number
    }

/** RocketMQ's bound for the exponent. */
const MAX_EXPONENT = 32

/** How long a message waits whose attempt with this number, from 1 on, was in vain. */
export function retryDelayMs(
  policy: GroupRetryPolicy | undefined,
  levels: DelayLevels,
  attempt: number,
): number {
  const reconsumeTimes = attempt - 1
  switch (policy?.type) {
    case undefined:
      return delayOfLevel(levels, retryLevel(reconsumeTimes))
    case 'CUSTOMIZED':
      return policy.nextMs[Math.min(reconsumeTimes, policy.nextMs.length - 1)] ?? 0
    case 'EXPONENTIAL': {
      const { initialMs, maxMs, multiplier } = policy
      return Math.min(maxMs, Math.round(initialMs * multiplier ** Math.min(reconsumeTimes, MAX_EXPONENT)))
    }
  }
}
