/** All who work with an instance, and what they do next. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { Troubles } from '../model/profile.ts'
import type { World } from '../world/world.ts'
import { DelayedSenders } from './delayed-senders.ts'
import { Members } from './members.ts'
import { OnceSenders } from './once-senders.ts'
import { Operators } from './operators.ts'
import { Recallers } from './recallers.ts'
import { Requesters } from './requesters.ts'
import { Senders } from './senders.ts'
import { Transactors } from './transactors.ts'
import { Troublemaker } from './troublemaker.ts'

interface Action {
  readonly weight: number
  readonly run: (step: number) => void | Promise<void>
}

export class Workload {
  readonly senders: Senders
  readonly members: Members
  readonly operators: Operators
  readonly delayedSenders: DelayedSenders
  readonly onceSenders: OnceSenders
  readonly recallers: Recallers
  readonly transactors: Transactors
  readonly requesters: Requesters
  readonly #world: World
  readonly #random: WorkloadRandom
  readonly #troublemaker: Troublemaker
  readonly #actions: readonly Action[]

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork()
    this.senders = new Senders(world)
    this.members = new Members(world)
    this.operators = new Operators(world)
    this.delayedSenders = new DelayedSenders(world, this.senders)
    this.onceSenders = new OnceSenders(world, this.senders)
    this.recallers = new Recallers(world, this.senders)
    this.transactors = new Transactors(world)
    this.requesters = new Requesters(world)
    this.#troublemaker = new Troublemaker(world)
    this.#actions = this.#listActions(world.profile.troubles)
  }

  /** After each opening. */
  begin(): void {
    this.#troublemaker.begin()
    this.operators.begin()
    this.senders.begin()
    this.recallers.begin()
    this.transactors.begin()
    this.requesters.begin()
    this.members.begin()
  }

  /** Something happens, then time moves a little. */
  async step(step: number): Promise<void> {
    this.#troublemaker.step(step)
    await this.#choose().run(step)
    await this.#pass()
    await this.#recover()
  }

  /** A machine that stopped starts again; a store that failed is opened again, sooner or later. */
  async #recover(): Promise<void> {
    if (await this.#world.restartIfStopped()) return this.begin()
    if (this.#world.life.mq.state === 'failed' && this.#random.chance(0.3)) await this.#restart()
  }

  /** Machines like to stop in the middle of work. */
  #crash(): void {
    if (this.#random.chance(0.5)) this.senders.act()
    this.#troublemaker.crash()
    if (this.#random.chance(0.5)) this.senders.act()
  }

  async #restart(): Promise<void> {
    if (await this.#world.close()) await this.#world.reopen(this.#random.chance(0.4))
    else await this.#world.restartIfStopped()
    this.begin()
  }

  async #pass(): Promise<void> {
    const { clock, profile } = this.#world
    const dice = this.#random.next()
    if (dice < 0.15) return
    if (dice < 0.3) return clock.rest()
    if (dice < 0.98 || this.#troublemaker.isBusy) return clock.advance(this.#random.below(profile.paceMs))
    // Now and then nothing happens for long, or for very long.
    return clock.advance(this.#random.below(this.#random.chance(0.2) ? 1_800_000 : 120_000))
  }

  #choose(): Action {
    const total = this.#actions.reduce((sum, { weight }) => sum + weight, 0)
    let left = this.#random.next() * total
    const chosen = this.#actions.find(({ weight }) => {
      left -= weight
      return left < 0
    })
    return chosen ?? this.#actions[0]!
  }

  #listActions(troubles: Troubles): Action[] {
    const trouble = this.#troublemaker
    const { delayedWeight, decisionWeight, onceWeight } = this.#world.profile.delays
    return [
      { weight: 60, run: () => this.senders.act() },
      { weight: 20, run: () => this.members.act() },
      { weight: delayedWeight, run: () => this.delayedSenders.act() },
      { weight: decisionWeight, run: () => this.recallers.act() },
      { weight: onceWeight, run: () => this.onceSenders.act() },
      { weight: this.#world.profile.transactions.weight, run: () => this.transactors.act() },
      { weight: this.#world.profile.requests.weight, run: () => this.requesters.act() },
      { weight: 2, run: async () => void (await this.#world.look()) },
      { weight: troubles.crashes / 2, run: () => this.#crash() },
      { weight: troubles.restarts / 2, run: () => this.#restart() },
      { weight: troubles.jumps, run: () => trouble.jump() },
      { weight: troubles.diskFaults, run: (step) => trouble.failDisk(step) },
      { weight: troubles.slowDisk, run: (step) => trouble.slowDisk(step) },
      { weight: troubles.fullDisk, run: (step) => trouble.fillDisk(step) },
      { weight: troubles.verbFaults, run: (step) => trouble.failVerbs(step) },
      { weight: troubles.topics, run: () => this.operators.changeTopic() },
      { weight: troubles.resets, run: () => this.operators.reset() },
    ]
  }
}
