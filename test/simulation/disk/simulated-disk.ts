/** A disk of a run: it can be slow, full or faulty, and stop at any call. */
import type { Clock } from '../../../src/model/clock.ts'
import type { Medium } from '../../../src/store/medium.ts'

export interface DiskFaults {
  /** How long each call takes that is not synchronous, on the clock. */
  delayMs: number
  /** Nothing is free. */
  isFull: boolean
  /** Which calls fail. */
  fails: (kind: string) => boolean
}

export interface SimulatedDisk {
  readonly medium: Medium
  readonly faults: DiskFaults
  /** Nothing reaches it any more, and nobody hears of it. */
  readonly isStopped: boolean
  /** What the stop was. */
  readonly stoppedHow: 'kill' | 'power'
  /** Called when it stops. */
  onStop: () => void
  /** Stops at the call with this number from now, somewhere around its effect. */
  stopAt(calls: number, how: 'kill' | 'power'): void
  /** It goes on after all. */
  cancelStop(): void
  stop(how: 'kill' | 'power'): void
  /** What the next start finds; of a stopped disk. */
  next(clock: Clock): SimulatedDisk
}

export function noFaults(): DiskFaults {
  return { delayMs: 0, isFull: false, fails: () => false }
}

/** Counts calls down to the one at which everything stops. */
export class Countdown {
  #left = Number.POSITIVE_INFINITY
  how: 'kill' | 'power' = 'kill'

  set(calls: number, how: 'kill' | 'power'): void {
    this.#left = calls
    this.how = how
  }

  cancel(): void {
    this.#left = Number.POSITIVE_INFINITY
  }

  /** A call comes; answers whether it is the last. */
  isOver(): boolean {
    this.#left -= 1
    return this.#left <= 0
  }
}
