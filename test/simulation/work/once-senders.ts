/**
 * Applications that give their messages ids, and send them again: after an answer, without one, after a crash, to another queue and
 * to another topic, within the window and behind it.
 */
import { messageIdFor } from '../../../src/model/message-id-for.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { World } from '../world/world.ts'
import type { Senders } from './senders.ts'

interface Sent {
  readonly topic: string
  readonly messageId: string
}

/** Most repetitions follow soon. */
const RECENT_COUNT = 3

export class OnceSenders {
  readonly #world: World
  readonly #senders: Senders
  readonly #random: WorkloadRandom
  readonly #sent: Sent[] = []
  /** Not answered yet, in this life or when it ended. */
  readonly #open = new Set<Sent>()

  constructor(world: World, senders: Senders) {
    this.#world = world
    this.#senders = senders
    this.#random = world.delayRandom.fork()
  }

  act(): void {
    const repeated = this.#choose()
    const topic = this.#random.pick(this.#world.profile.topics).name
    if (repeated === undefined) this.#send({ topic, messageId: messageIdFor(`k${this.#world.nextId()}`) })
    else if (this.#random.chance(0.1)) this.#send({ ...repeated, topic })
    else this.#send(repeated)
    // At the same time as the first.
    if (this.#random.chance(0.3)) this.#send(this.#sent.at(-1)!)
  }

  #choose(): Sent | undefined {
    const open = [...this.#open]
    if (open.length > 0 && this.#random.chance(0.5)) return this.#random.pick(open)
    if (this.#sent.length === 0 || this.#random.chance(0.4)) return undefined
    return this.#random.pick(this.#random.chance(0.7) ? this.#sent.slice(-RECENT_COUNT) : this.#sent)
  }

  #send(sent: Sent): void {
    const { life } = this.#world
    this.#sent.push(sent)
    this.#open.add(sent)
    const sending = this.#senders.sendOne(sent.topic, { messageId: sent.messageId })
    void sending?.then(() => {
      if (!life.isOver) this.#open.delete(sent)
    })
  }
}
