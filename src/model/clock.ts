/**
 * The only sources of time, turns and randomness. They are injected, so that a test can move two hours in a
 * millisecond and replay a run from its seed. `system-clock.ts` is the one file that touches the globals.
 */

/** A timer that may be cancelled. It never keeps the process alive. */
export interface Timer {
  cancel(): void
}

/** Time and turns of the event loop. */
export interface Clock {
  /** Wall time in milliseconds since 1970. It may jump. */
  now(): number
  /** Milliseconds that never run backwards, from an arbitrary start, with a fraction. */
  monotonicMs(): number
  /** Calls back once, not before `delayMs` have passed. */
  setTimer(delayMs: number, callback: () => void): Timer
  /**
   * Calls back when wall time jumped, until the answered function is called. Absent where nobody tells: then whoever waits
   * for a wall time has to look now and then.
   */
  onJump?(listener: () => void): () => void
  /** Calls back in the next turn of the event loop, after pending input and output had their chance. */
  defer(callback: () => void): void
}

/** Randomness: a number in [0, 1), as `Math.random`. */
export interface RandomSource {
  next(): number
}

/** A random whole number from 0 to `bound - 1`. */
export function randomBelow(random: RandomSource, bound: number): number {
  return Math.floor(random.next() * bound)
}
