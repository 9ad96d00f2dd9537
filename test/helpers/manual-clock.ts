/**
 * A clock that stands still until a test moves it. Timers hang on monotonic time and fire in the order of their due
 * time; deferred callbacks run by themselves in the next real turn of the event loop, so a plain `await` never hangs.
 */
import type { Clock, Timer } from '../../src/model/clock.ts'

interface PendingTimer extends Timer {
  readonly dueMs: number
  readonly callback: () => void
}

/** Real turns without deferred work after which everything is taken to be at rest. */
const QUIET_TURNS = 3

export class ManualClock implements Clock {
  #timers: PendingTimer[] = []
  #wallMs: number
  #monotonicMs = 0
  #deferredCount = 0

  /** Starts at the given wall time; by default a round one in the year 2027. */
  constructor(startMs: number = Date.UTC(2027, 0, 1)) {
    this.#wallMs = startMs
  }

  now(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: PendingTimer = {
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      callback,
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
    const later = this.#timers.findIndex((other) => other.dueMs > timer.dueMs)
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer)
    return timer
  }

  defer(callback: () => void): void {
    this.#deferredCount += 1
    setImmediate(() => {
      this.#deferredCount -= 1
      callback()
    })
  }

  /** How many timers wait; shows that nothing keeps ticking. */
  get timerCount(): number {
    return this.#timers.length
  }

  /** When the earliest timer fires, in milliseconds from now. */
  get nextTimerMs(): number | undefined {
    const [next] = this.#timers
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs
  }

  /** Moves both times; all that becomes due happens in order, each with all its consequences, before this resolves. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms
    await this.settle()
    for (let next = this.#timers[0]; next !== undefined && next.dueMs <= endMs; next = this.#timers[0]) {
      this.#timers.shift()
      this.#moveTo(next.dueMs)
      next.callback()
      await this.settle()
    }
    this.#moveTo(endMs)
    await this.settle()
  }

  /** Sets the wall clock forward or back, as an administrator or a time server does; no timer notices. */
  jump(ms: number): void {
    this.#wallMs += ms
  }

  /** Resolves when microtasks and deferred callbacks, and those that they cause, have run. */
  async settle(): Promise<void> {
    let quietTurns = 0
    while (quietTurns < QUIET_TURNS) {
      await new Promise((resolve) => setImmediate(resolve))
      quietTurns = this.#deferredCount > 0 ? 0 : quietTurns + 1
    }
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
  }
}
