import type { RandomSource } from '../model/clock.ts'
import { randomBelow } from '../model/clock.ts'

/** Randomness that can be replayed (mulberry32). */
export class SeededRandom implements RandomSource {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    return randomBelow(this, bound)
  }

  /** True as often as this share says. */
  chance(share: number): boolean {
    return this.next() < share
  }

  /** Randomness of its own: how much of it is used changes nothing here. */
  branch(): SeededRandom {
    return new SeededRandom(this.below(2 ** 32))
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[this.below(values.length)]!
  }
}
