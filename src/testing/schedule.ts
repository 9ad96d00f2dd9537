/**
 * Legal but nasty orders of what happens, made from a seed: everything here may happen on a cluster too, and none of it loses
 * a message, breaks the order of a queue that is consumed in order, or delivers before the time.
 */
import type { TestLayer } from './layer.ts'
import { ScheduleDice } from './schedule/dice.ts'
import { lateAnswers } from './schedule/late-answers.ts'
import { lateDeliveries } from './schedule/late-deliveries.ts'
import { lostLeases } from './schedule/lost-leases.ts'
import { passingMembers } from './schedule/passing-members.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { VirtualClock } from './virtual-clock.ts'

export class NastySchedule {
  readonly #dice: ScheduleDice

  constructor(clock: VirtualClock, random: SeededRandom) {
    this.#dice = new ScheduleDice(clock, random)
    const order = random.branch()
    clock.shuffle(() => order.next())
  }

  /** What it did that an application may notice, oldest first. */
  get notes(): readonly string[] {
    return this.#dice.notes
  }

  layers(): readonly TestLayer[] {
    const dice = this.#dice
    return [lateDeliveries(dice), lostLeases(dice), lateAnswers(dice), passingMembers(dice)]
  }
}
