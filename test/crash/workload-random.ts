/** Seeded randomness with the shapes that workloads and faults need besides. */
import { SeededRandom } from '../../src/testing/seeded-random.ts'

export class WorkloadRandom extends SeededRandom {
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  /** Another source, for a part that must not disturb the numbers of this one. */
  fork(): WorkloadRandom {
    return new WorkloadRandom(this.below(2 ** 32))
  }
}
