/** Consumers that reply to what they are asked: in time, late, twice or never; now and then to what is no question. */
import type { MessageView } from '../../../src/model/message.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { ReplyCall } from '../request-events.ts'
import { copyOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import { refusalOf } from '../world/refusal.ts'
import type { World } from '../world/world.ts'
import { stumble } from './stumble.ts'

/** Some of them behind every timeout. */
const LATE_MS = [10, 500, 2999, 40_000]
const NO_REQUEST_SHARE = 0.02

/** Who has got the messages. */
interface Receiver {
  readonly name: string
  readonly group: { readonly name: string }
  readonly life: Life
}

export class Repliers {
  readonly #world: World
  readonly #random: WorkloadRandom
  #isCalm = false

  constructor(world: World) {
    this.#world = world
    this.#random = world.requestRandom
  }

  calm(): void {
    this.#isCalm = true
  }

  hear(receiver: Receiver, messages: readonly MessageView[]): void {
    if (this.#world.profile.requests.weight === 0) return
    for (const message of messages) {
      if (message.isRequest) this.#answer(receiver, message)
      else if (!this.#isCalm && this.#random.chance(NO_REQUEST_SHARE)) void this.#reply(receiver, message)
    }
  }

  #answer(receiver: Receiver, message: MessageView): void {
    const { clumsiness } = this.#world.profile.requests
    const dice = this.#isCalm || !this.#random.chance(clumsiness) ? 1 : this.#random.next()
    if (dice < 0.3) return
    if (dice < 0.7) this.#late(receiver, message)
    else void this.#reply(receiver, message)
    if (dice < 0.5 || (dice > 0.85 && dice < 1)) void this.#reply(receiver, message)
  }

  #late(receiver: Receiver, message: MessageView): void {
    receiver.life.scope.setTimer(this.#random.pick(LATE_MS), () => void this.#reply(receiver, message))
  }

  async #reply({ life, name, group }: Receiver, message: MessageView): Promise<void> {
    if (life.isOver) return
    const { number } = copyOf(message)
    const { CORRELATION_ID: correlationId, REPLY_TO_CLIENT: replyTo } = message.properties
    const { isRequest } = message
    const id = this.#world.nextId()
    const reply: ReplyCall = {
      id,
      group: group.name,
      member: name,
      number,
      isRequest,
      correlationId,
      replyTo,
    }
    life.tell({ type: 'replying', reply })
    try {
      const replying = message.reply({ body: `reply ${id} to ${number}`, tag: 'reply', keys: [`r${id}`] })
      stumble(this.#world, this.#random)
      const { status } = await replying
      life.tell({ type: 'replied', reply, status })
    } catch (error) {
      life.tell({ type: 'reply-failed', reply, refusal: refusalOf(error) })
    }
  }
}

/** What a reply says of itself. */
export function replyIn(text: string): { readonly id: number; readonly number: number } {
  const [, id = -1, number = -1] = /^reply (\d+) to (\d+)$/.exec(text) ?? []
  return { id: Number(id), number: Number(number) }
}
