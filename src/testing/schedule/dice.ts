/** What the parts of a schedule share: chance, pauses, and a record of what they did. */

import type { ClockScope } from '../clock-scope.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { VirtualClock } from '../virtual-clock.ts'

export class ScheduleDice {
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #scope: ClockScope
  readonly #notes: string[] = []

  constructor(clock: VirtualClock, random: SeededRandom) {
    this.#clock = clock
    this.#random = random
    this.#scope = clock.scope()
  }

  /** What was done that an application may notice, oldest first. */
  get notes(): readonly string[] {
    return this.#notes
  }

  chance(share: number): boolean {
    return this.#random.chance(share)
  }

  /** Lets at most so many turns of the event loop pass. Time does not move meanwhile. */
  async pause(maxTurns: number): Promise<void> {
    for (let turns = this.#random.below(maxTurns + 1); turns > 0; turns--)
      await new Promise<void>((resolve) => this.#scope.defer(resolve))
  }

  note(what: string): void {
    this.#notes.push(`${new Date(this.#clock.now()).toISOString()} ${what}`)
  }
}
