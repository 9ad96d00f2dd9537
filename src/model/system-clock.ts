/** The one file that touches global time and randomness; everything else receives a {@link Clock}. */
import type { Clock, RandomSource, Timer } from './clock.ts'

/** `setTimeout` clips longer delays to one millisecond, so they are taken in steps. */
const LONGEST_TIMEOUT_MS = 2_000_000_000

class SystemTimer implements Timer {
  #handle: NodeJS.Timeout | undefined

  constructor(delayMs: number, callback: () => void) {
    this.#arm(Math.max(0, delayMs), callback)
  }

  cancel(): void {
    clearTimeout(this.#handle)
    this.#handle = undefined
  }

  #arm(delayMs: number, callback: () => void): void {
    const step = Math.min(delayMs, LONGEST_TIMEOUT_MS)
    // Rounded up: a timer that fires a fraction early would find nothing due and be set again at once.
    this.#handle = setTimeout(() => {
      if (delayMs > step) this.#arm(delayMs - step, callback)
      else callback()
    }, Math.ceil(step))
    this.#handle.unref()
  }
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (delayMs, callback) => new SystemTimer(delayMs, callback),
  defer: (callback) => {
    setImmediate(callback)
  },
}

/** The randomness of the machine. */
export const systemRandom: RandomSource = { next: () => Math.random() }
