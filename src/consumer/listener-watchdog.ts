/** Finds listener calls that run for too long: one timer per consumer, set for the oldest call, not one per message. */
import type { Clock, Timer } from '../model/clock.ts'
import type { Delivery } from './delivery.ts'

export class ListenerWatchdog {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #deliveries: () => Iterable<Delivery>
  readonly #onExpired: (delivery: Delivery) => void

  #timer: Timer | undefined

  /** `deliveries` gives all that may be running; `onExpired` is called for each that ran `timeoutMs` or longer. */
  constructor(
    clock: Clock,
    timeoutMs: number,
    deliveries: () => Iterable<Delivery>,
    onExpired: (delivery: Delivery) => void,
  ) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#deliveries = deliveries
    this.#onExpired = onExpired
  }

  /** A delivery started. An armed timer is due no later than it must be for this one. */
  onStarted(): void {
    this.#timer ??= this.#clock.setTimer(this.#timeoutMs, this.#onTimer)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    const nowMs = this.#clock.monotonicMs()
    const running = [...this.#deliveries()].filter(({ isRunning, isOverdue }) => isRunning && !isOverdue)
    const expired = running.filter(({ startedMs }) => nowMs - startedMs >= this.#timeoutMs)
    const oldestMs = Math.min(
      ...running.filter((delivery) => !expired.includes(delivery)).map(({ startedMs }) => startedMs),
    )
    if (oldestMs !== Infinity) {
      this.#timer = this.#clock.setTimer(oldestMs + this.#timeoutMs - nowMs, this.#onTimer)
    }
    for (const delivery of expired) this.#onExpired(delivery)
  }
}
