/**
 * Those who decide about messages before their time: they take them back, give them another time, or have them delivered now. In time
 * or too late, twice, at the same time as another one, with handles from long ago and with some that were never given for that.
 */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { Decision, FoundWaiting } from '../delay-events.ts'
import type { Delayed } from '../model/delays.ts'
import { copyOf } from '../world/copies.ts'
import { refusalOf } from '../world/refusal.ts'
import type { World } from '../world/world.ts'
import type { Senders } from './senders.ts'

/** Who decides mostly decides about what was sent lately. */
const RECENT_COUNT = 12
/** What is further away when troubles are over would make the end long. */
const NEAR_MS = 1_200_000

export class Recallers {
  readonly #world: World
  readonly #senders: Senders
  readonly #random: WorkloadRandom
  /** Decisions of this life that nobody was told the end of. */
  readonly #pending = new Map<number, Decision>()

  constructor(world: World, senders: Senders) {
    this.#world = world
    this.#senders = senders
    this.#random = world.delayRandom.fork()
  }

  get pending(): Iterable<Decision> {
    return this.#pending.values()
  }

  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  /** After each opening. */
  begin(): void {
    this.#pending.clear()
  }

  /** One of the things that are decided. */
  act(): void {
    const known = [...this.#world.history.model.delays.all].filter(({ handle }) => handle !== undefined)
    if (known.length === 0 || this.#random.chance(0.2)) {
      this.#list()
      return
    }
    const delayed = this.#random.pick(this.#random.chance(0.8) ? known.slice(-RECENT_COUNT) : known)
    this.#decideAbout(delayed)
    // Twice at once: one of both is too late.
    if (this.#random.chance(0.2)) this.#decideAbout(delayed)
  }

  /** When troubles are over nothing waits for days. */
  calm(): Promise<void> {
    return this.#forEachWaiting(({ copy, recallHandle, deliveryTimestamp }) => {
      if (deliveryTimestamp < this.#world.clock.now() + NEAR_MS) return
      const { topic, number } = copy
      this.#decide({ how: this.#how(), number, topic, handle: recallHandle, isForeign: false })
    })
  }

  #decideAbout({ number, send, handle = '', voidHandles }: Readonly<Delayed>): void {
    const { topic } = send.call
    const dice = this.#random.next()
    const how = this.#how()
    if (dice < 0.05) this.#decide({ how, number, topic, handle: this.#forged(handle), isForeign: true })
    else if (dice < 0.1) this.#decide({ how, number, topic: `${topic}-too`, handle, isForeign: true })
    else if (dice < 0.2 && voidHandles.size > 0)
      this.#decide({ how, number, topic, handle: this.#random.pick([...voidHandles]), isForeign: false })
    else this.#decide({ how, number, topic, handle, isForeign: false })
  }

  /** Operators decide about what they see, also about what was sent with a level. */
  #list(): void {
    void this.#forEachWaiting(({ copy: { topic, number }, recallHandle: handle }) => {
      if (this.#random.chance(0.2))
        this.#decide({ how: this.#how(), number, topic, handle, isForeign: false })
    })
  }

  async #forEachWaiting(visit: (waiting: FoundWaiting) => void): Promise<void> {
    const { life, profile } = this.#world
    if (profile.delays.delayedWeight === 0) return
    for (const { name } of profile.topics) {
      const waiting = await life.mq.admin.delayedMessages(name).catch(() => [])
      if (life.isOver) return
      for (const { message, deliveryTimestamp, recallHandle } of waiting)
        visit({ copy: copyOf(message), deliveryTimestamp, recallHandle })
    }
  }

  #how(): Decision['how'] {
    return this.#random.pick(['recall', 'recall', 'move', 'fire'])
  }

  #forged(handle: string): string {
    return this.#random.chance(0.5) ? 'no handle' : `${handle.slice(0, -4)}AAAA`
  }

  #decide(about: Omit<Decision, 'id' | 'deliveryTimestamp'>): void {
    const { life, clock } = this.#world
    const producer = this.#senders.producer
    if (life.isOver || producer === undefined) return
    const deliveryTimestamp = clock.now() + this.#random.below(this.#random.pick([10, 5000, 60_000])) - 5
    const id = this.#world.nextId()
    const decision = { id, ...about, ...(about.how === 'move' && { deliveryTimestamp }) }
    this.#pending.set(id, decision)
    life.tell({ type: 'deciding', decision })
    const { how, topic, handle } = decision
    const { admin } = life.mq
    const asked = {
      recall: () => producer.recall(topic, handle),
      fire: () => admin.deliverMessageNow(topic, handle),
      move: () => admin.rescheduleMessage(topic, handle, deliveryTimestamp),
    }
    void this.#told(decision, asked[how]())
  }

  async #told(decision: Decision, asked: Promise<string>): Promise<void> {
    const { life } = this.#world
    try {
      const answer = await asked
      const [messageId, handle] = decision.how === 'move' ? [undefined, answer] : [answer, undefined]
      life.tell({ type: 'decided', decision, messageId, handle })
    } catch (error) {
      life.tell({ type: 'decision-refused', decision, refusal: refusalOf(error) })
    }
    if (!life.isOver) this.#pending.delete(decision.id)
  }
}
