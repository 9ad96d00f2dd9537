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

/** Real time for those who wait for real work, whatever a test framework has put in the place of the globals since. */
const { setImmediate: realImmediate, setTimeout: realTimeout, queueMicrotask: realMicrotask } = globalThis
const realNow = performance.now.bind(performance)

/** Calls back when what runs now has ended. Test frameworks replace the global one too, and nothing would be written. */
export const deferMicrotask = realMicrotask

export const realTime = {
  /** Monotonic milliseconds. */
  nowMs: (): number => realNow(),
  /** Milliseconds of processor time that the process has used: what waits costs none. */
  processorMs: (): number => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  },
  /** Calls back in the next turn of the event loop. */
  defer: (callback: () => void): void => {
    realImmediate(callback)
  },
  /** Resolves in the next turn of the event loop. */
  turn: (): Promise<void> => new Promise((resolve) => realImmediate(resolve)),
  sleep: (delayMs: number): Promise<void> => new Promise((resolve) => realTimeout(resolve, delayMs)),
}
