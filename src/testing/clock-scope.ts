/** What one engine and its clients see of a virtual clock, so that all that they scheduled can be ended at once. */
import type { Clock, Timer } from '../model/clock.ts'
import type { VirtualClock } from './virtual-clock.ts'

export class ClockScope implements Clock {
  /** Whether {@link VirtualClock.nextScheduled} knows the timers that are set here. */
  readonly isScheduled: boolean
  readonly #clock: VirtualClock
  #isEnded = false

  constructor(clock: VirtualClock, isScheduled: boolean) {
    this.#clock = clock
    this.isScheduled = isScheduled
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  now(): number {
    return this.#clock.now()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.#clock.schedule(this, delayMs, callback)
  }

  onJump(listener: () => void): () => void {
    return this.#clock.onJump(() => {
      if (!this.#isEnded) listener()
    })
  }

  defer(callback: () => void): void {
    this.#clock.deferIn(this, callback)
  }

  /** Nothing that was scheduled here happens any more. */
  end(): void {
    this.#isEnded = true
  }
}
