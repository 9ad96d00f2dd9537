/**
 * Keeps a loop that lives on microtasks from starving the event loop: so much work, then the next turn. Promises that
 * resolve at once would otherwise never let timers, sockets and the disk have their chance.
 */
import type { Clock } from '../model/clock.ts'

/** Steps of one turn, when they are quick. */
const STEPS_PER_TURN = 1024
/** Milliseconds of one turn, when steps are slow. */
const TURN_MS = 10

export class TurnBudget {
  readonly #clock: Clock
  readonly #onNextTurn: () => void

  #armed = false
  #refused = false
  #stepsLeft = 0
  #endMs = 0

  /** `onNextTurn` is called in the next turn after a refused step. */
  constructor(clock: Clock, onNextTurn: () => void) {
    this.#clock = clock
    this.#onNextTurn = onNextTurn
  }

  /** Asks for one step at monotonic time `nowMs`; refused when this turn has had enough. */
  take(nowMs: number): boolean {
    if (!this.#armed) {
      this.#armed = true
      this.#stepsLeft = STEPS_PER_TURN
      this.#endMs = nowMs + TURN_MS
      this.#clock.defer(this.#turn)
    }
    if (this.#stepsLeft === 0 || nowMs >= this.#endMs) {
      this.#stepsLeft = 0
      this.#refused = true
      return false
    }
    this.#stepsLeft -= 1
    return true
  }

  readonly #turn = (): void => {
    this.#armed = false
    if (!this.#refused) return
    this.#refused = false
    this.#onNextTurn()
  }
}
