/** Applications that send messages for later: by levels and by times, some of which are over, most near and some far away. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { SendDelay } from '../delay-events.ts'
import { LEVELS_MS } from '../model/delays.ts'
import type { World } from '../world/world.ts'
import type { Senders } from './senders.ts'

/** Now and then a message is for another day; somebody has it delivered before the end of the run. */
const FAR_MS = 2 * 86_400_000
const MOST_AT_ONCE = 5
/** What a probe is delayed by: one that is refused has to come again while the probe goes on. */
const PROBE_MS = 200

export class DelayedSenders {
  readonly #world: World
  readonly #senders: Senders
  readonly #random: WorkloadRandom

  constructor(world: World, senders: Senders) {
    this.#world = world
    this.#senders = senders
    this.#random = world.delayRandom.fork()
  }

  /** A few messages, some of them for the same time. */
  act(): void {
    const topic = this.#random.pick(this.#world.profile.topics).name
    const shared = this.#random.chance(0.3) ? this.#delay() : undefined
    const count = this.#random.between(1, MOST_AT_ONCE)
    for (let i = 0; i < count; i++) void this.#senders.sendOne(topic, { delay: shared ?? this.#delay() })
  }

  /** One message that must come soon. */
  probe(topic: string): void {
    if (this.#world.profile.delays.delayedWeight === 0) return
    const deliveryTimestamp = this.#world.clock.now() + PROBE_MS
    void this.#senders.sendOne(topic, { queueId: 0, delay: { deliveryTimestamp } })
  }

  #delay(): SendDelay {
    if (this.#random.chance(0.02)) return this.#illegal()
    if (this.#random.chance(0.35))
      return { delayTimeLevel: Number(this.#random.pick(Object.keys(LEVELS_MS))) }
    return { deliveryTimestamp: this.#world.clock.now() + this.#aheadMs() }
  }

  /** More than a store allows. */
  #illegal(): SendDelay {
    if (this.#random.chance(0.5)) return { delayTimeLevel: 19 }
    return { deliveryTimestamp: this.#world.clock.now() + 30 * 86_400_000 }
  }

  #aheadMs(): number {
    const dice = this.#random.next()
    if (dice < 0.1) return -this.#random.below(2000)
    if (dice < 0.15) return this.#random.below(FAR_MS)
    if (dice < 0.4) return this.#random.below(50)
    return this.#random.below(this.#world.profile.delays.reachMs)
  }
}
