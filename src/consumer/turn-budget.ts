/**
 * Keeps a loop that lives on microtasks from starving the event loop: so much work, then the next turn. Promises that
 * resolve at once would otherwise never let timers, sockets and the disk have their chance.
 *
 * Reading the clock costs as much as a quick step, so while steps are quick it is read only every few of them.
 */
import type { Clock } from '../model/clock.ts'

/** Steps of one turn, when they are quick. */
const STEPS_PER_TURN = 1024
/** Milliseconds of one turn, when steps are slow. */
const TURN_MS = 10
/** Steps between two looks at the clock, when they take less than this together. */
const LONGEST_STRIDE = 8
const QUICK_STRIDE_MS = 0.25
/** Exact times that a turn gives; when there are more, the turn is so busy that the last look says enough. */
const READS_PER_TURN = 16

export class TurnBudget {
  readonly #clock: Clock
  readonly #onNextTurn: () => void

  #isArmed = false
  #isRefused = false
  #stepsLeft = 0
  #endMs = 0
  #nowMs = 0
  #stride = 1
  #stepsToLook = 0
  #readsLeft = 0
  #readMs = 0

  /** `onNextTurn` is called in the next turn after a refused step. */
  constructor(clock: Clock, onNextTurn: () => void) {
    this.#clock = clock
    this.#onNextTurn = onNextTurn
  }

  /** Monotonic time when a step was last asked for, or a few quick steps before. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Monotonic time for measuring: exact for the first of a turn, as of the last look or reading for the others. */
  readMs(): number {
    if (!this.#isArmed) this.#arm()
    else if (this.#readsLeft > 0) {
      this.#readsLeft -= 1
      this.#readMs = this.#clock.monotonicMs()
    }
    return Math.max(this.#readMs, this.#nowMs)
  }

  /** Asks for one step; refused when this turn has had enough. */
  take(): boolean {
    if (!this.#isArmed) this.#arm()
    else if (--this.#stepsToLook <= 0) this.#look()
    if (this.#stepsLeft === 0 || this.#nowMs >= this.#endMs) {
      this.#isRefused = true
      return false
    }
    this.#stepsLeft -= 1
    return true
  }

  #arm(): void {
    this.#isArmed = true
    this.#nowMs = this.#clock.monotonicMs()
    this.#endMs = this.#nowMs + TURN_MS
    this.#stepsLeft = STEPS_PER_TURN
    this.#stepsToLook = this.#stride
    this.#readsLeft = READS_PER_TURN
    this.#clock.defer(this.#turn)
  }

  #look(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#stride = nowMs - this.#nowMs < QUICK_STRIDE_MS ? Math.min(LONGEST_STRIDE, this.#stride * 2) : 1
    this.#nowMs = nowMs
    this.#stepsToLook = this.#stride
  }

  readonly #turn = (): void => {
    this.#isArmed = false
    if (!this.#isRefused) return
    this.#isRefused = false
    this.#onNextTurn()
  }
}
