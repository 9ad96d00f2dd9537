/**
 * Bounds how many messages a member starts in a span of time. The promise is exact: no span of `perMs`, wherever it begins,
 * has more than `messages` starts. So the last `messages` start times are kept, in a ring.
 */
import type { Clock, Timer } from '../model/clock.ts'

/** At most this many messages in any span of this length. */
export interface RateLimit {
  readonly messages: number
  readonly perMs: number
}

export class RateLimiter {
  readonly #limit: RateLimit
  readonly #clock: Clock
  readonly #onPermitted: () => void

  /** When the last messages were started; the one at `#next` is the oldest. */
  readonly #startsMs: Float64Array
  #next = 0
  #timer: Timer | undefined

  /** `onPermitted` is called when something may be started again after `permits` said no. */
  constructor(limit: RateLimit, clock: Clock, onPermitted: () => void) {
    this.#limit = limit
    this.#clock = clock
    this.#onPermitted = onPermitted
    this.#startsMs = new Float64Array(limit.messages).fill(Number.NEGATIVE_INFINITY)
  }

  /** How many messages may be started now, up to `maxCount`. */
  permits(maxCount: number): number {
    const { messages, perMs } = this.#limit
    const nowMs = this.#clock.monotonicMs()
    const most = Math.min(maxCount, messages)
    let count = 0
    while (count < most && this.#startsMs[(this.#next + count) % messages]! + perMs <= nowMs) count += 1
    if (count === 0) this.#waitUntil(this.#startsMs[this.#next]! + perMs)
    return count
  }

  /** Until when nothing may be started; `undefined` when something may. */
  get heldUntilMs(): number | undefined {
    const freeMs = this.#startsMs[this.#next]! + this.#limit.perMs
    return freeMs > this.#clock.monotonicMs() ? freeMs : undefined
  }

  /** So many messages are started now. */
  take(count: number): void {
    const nowMs = this.#clock.monotonicMs()
    for (let i = 0; i < count; i++) {
      this.#startsMs[this.#next] = nowMs
      this.#next = (this.#next + 1) % this.#limit.messages
    }
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #waitUntil(dueMs: number): void {
    this.#timer ??= this.#clock.setTimer(dueMs - this.#clock.monotonicMs(), () => {
      this.#timer = undefined
      this.#onPermitted()
    })
  }
}
