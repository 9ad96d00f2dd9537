/** How long what is delivered in order rests after a failure (RocketMQ `SUSPEND_CURRENT_QUEUE_A_MOMENT`). */
import type { Timer } from '../model/clock.ts'
import type { DeliveryContext } from './consume-context.ts'

/** Bounds of a suspension (RocketMQ). */
export const SUSPEND_MIN_MS = 10
export const SUSPEND_MAX_MS = 30_000

export interface Suspension {
  readonly timer: Timer
  /** Monotonic time. */
  readonly endMs: number
}

/** A listener may choose for itself; the default of -1 means the consumer's setting, and so does what is no number. */
export function suspendMsOf(
  { suspendCurrentQueueTimeMs: wishedMs }: DeliveryContext,
  defaultMs: number,
): number {
  const isWished = typeof wishedMs === 'number' && (wishedMs < -1 || wishedMs >= 0)
  return Math.max(SUSPEND_MIN_MS, Math.min(SUSPEND_MAX_MS, isWished ? wishedMs : defaultMs))
}
