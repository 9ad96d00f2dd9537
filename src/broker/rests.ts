/**
 * Alarms that could not be done rest, each for itself and longer from failure to failure, so that one that fails for ever
 * keeps no other from its time.
 */
import type { Clock } from '../model/clock.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000

interface Rest {
  readonly pauseMs: number
  /** Monotonic time. */
  readonly endMs: number
}

export class Rests {
  readonly #clock: Clock

  /** By alarm id. One that is over is kept until the alarm succeeds or is gone, since the next one is longer. */
  readonly #rests = new Map<number, Rest>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#rests.size
  }

  has(id: number): boolean {
    const rest = this.#rests.get(id)
    return rest !== undefined && rest.endMs > this.#clock.monotonicMs()
  }

  begin(id: number): void {
    const pauseMs = longerPauseMs(this.#rests.get(id)?.pauseMs ?? 0)
    this.#rests.set(id, { pauseMs, endMs: this.#clock.monotonicMs() + pauseMs })
  }

  /** The alarm is done. */
  delete(id: number): void {
    this.#rests.delete(id)
  }

  /** Forgets alarms that are gone. */
  keepOnly(isPending: (id: number) => boolean): void {
    for (const id of this.#rests.keys()) if (!isPending(id)) this.#rests.delete(id)
  }

  /** How long until a rest ends that has not ended yet; infinity when there is none. */
  nextEndInMs(): number {
    const nowMs = this.#clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const { endMs } of this.#rests.values()) if (endMs > nowMs) nextMs = Math.min(nextMs, endMs - nowMs)
    return nextMs
  }
}

/** The pause after one more failure: from 0.1 to 30 seconds, each twice as long as the one before. */
export function longerPauseMs(pauseMs: number): number {
  return Math.min(Math.max(FIRST_PAUSE_MS, pauseMs * 2), LONGEST_PAUSE_MS)
}
