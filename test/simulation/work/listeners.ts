/** What listeners do with what they get, good and bad. */
import type { ConsumeContext } from '../../../src/consumer/consume-context.ts'
import { ConsumeResult } from '../../../src/consumer/message-listener.ts'
import type { MessageView } from '../../../src/model/message.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { Call } from '../events.ts'
import { copyOf, queueNameOf } from '../world/copies.ts'
import type { World } from '../world/world.ts'
import type { Member } from './member.ts'
import type { Repliers } from './repliers.ts'

type Answer = ConsumeResult | undefined | Promise<ConsumeResult | undefined>

/** Never a whole second, so that a listener never ends in the very moment of its timeout. */
const SLOW_MS = [1, 7, 49, 301, 1501, 4999]
const LEVELS = [-1, 1, 1, 2, 3, 6, 18]

export class Listeners {
  readonly #world: World
  readonly #random: WorkloadRandom
  readonly #repliers: Repliers
  #isCalm = false
  /** What each group has refused since it was told to refuse some. */
  #refused: Map<string, Set<number>> | undefined

  constructor(world: World, repliers: Repliers) {
    this.#world = world
    this.#repliers = repliers
    this.#random = world.random.fork()
  }

  calm(): void {
    this.#isCalm = true
  }

  refuseSome(): void {
    this.#refused = new Map()
  }

  /** Whether this message is one of those, for the first time. */
  refuses(owner: string, number: number): boolean {
    if (this.#refused === undefined || number % 7 !== 0) return false
    const refused = this.#refused.get(owner) ?? new Set()
    this.#refused.set(owner, refused)
    if (refused.has(number)) return false
    refused.add(number)
    return true
  }

  hear(member: Member, messages: readonly MessageView[], context: ConsumeContext): Answer {
    const { life, group, name } = member
    if (life.isOver) return new Promise(() => undefined)
    const call: Call = {
      id: this.#world.nextId(),
      group: group.name,
      member: name,
      queue: queueNameOf(context.queue),
      copies: messages.map(copyOf),
      // In orderly mode the queue waits for a late answer, which counts.
      timeoutMs: group.isOrderly ? Infinity : group.consumeTimeoutMs,
    }
    life.tell({ type: 'calling', call })
    this.#repliers.hear(member, messages)
    return this.#isCalm ? this.#behaveWell(member, call) : this.#behave(member, call, context)
  }

  #behaveWell(member: Member, call: Call): Answer {
    return this.#answer(member, call, this.#isRefused(call) ? 0 : call.copies.length)
  }

  #isRefused(call: Call): boolean {
    const owner = this.#world.history.model.ownerOf(call)
    return call.copies.filter(({ number }) => this.refuses(owner, number)).length > 0
  }

  #behave(member: Member, call: Call, context: ConsumeContext): Answer {
    const { habits } = member.group
    const count = call.copies.length
    let dice = this.#random.next()
    const comes = (share: number): boolean => {
      dice -= share
      return dice < 0
    }
    if (comes(habits.hangs))
      return member.group.isOrderly ? this.#late(member, call) : new Promise(() => undefined)
    if (comes(habits.throws)) return this.#throw(member, call)
    if (comes(habits.nonsense)) return this.#answer(member, call, 0, 'whatever' as ConsumeResult)
    if (comes(habits.fails)) return this.#later(() => this.#answer(member, call, 0), member)
    if (comes(habits.level)) {
      const delayLevel = this.#random.pick(LEVELS)
      context.delayLevelWhenNextConsume = delayLevel
      return this.#answer(member, call, 0, undefined, delayLevel)
    }
    if (count > 1 && habits.fails > 0 && this.#random.chance(0.3)) {
      context.ackIndex = this.#random.between(-1, count - 1)
      return this.#answer(member, call, context.ackIndex + 1, ConsumeResult.SUCCESS)
    }
    return this.#later(() => this.#answer(member, call, count), member)
  }

  /** At once, or after a while. */
  #later(answer: () => Answer, { group, life }: Member): Answer {
    if (!this.#random.chance(group.habits.slow)) return this.#random.chance(0.5) ? answer() : inTurn(answer)
    const delayMs = this.#random.pick(SLOW_MS)
    return new Promise((resolve) => {
      life.scope.setTimer(delayMs, () => resolve(answer()))
    })
  }

  /** Nothing of an orderly queue goes on before its listener settles, so it does, long after its time. */
  #late(member: Member, call: Call): Answer {
    const { life, group } = member
    const delayMs = Math.ceil(group.consumeTimeoutMs * (0.5 + 2 * this.#random.next()))
    return new Promise((resolve) => {
      life.scope.setTimer(delayMs, () => resolve(this.#answer(member, call, call.copies.length)))
    })
  }

  #throw(member: Member, call: Call): Answer {
    void this.#answer(member, call, 0)
    const error = new Error(`no ${call.copies[0]?.number}`)
    if (this.#random.chance(0.5)) throw error
    return Promise.reject(error)
  }

  #answer(
    member: Member,
    call: Call,
    succeededCount: number,
    result?: ConsumeResult,
    delayLevel = 0,
  ): Answer {
    const { life } = member
    if (life.isOver) return new Promise(() => undefined)
    life.tell({ type: 'answered', call, succeededCount, delayLevel })
    if (result !== undefined) return result
    if (succeededCount === 0) return ConsumeResult.FAILURE
    return this.#random.chance(0.5) ? ConsumeResult.SUCCESS : undefined
  }
}

async function inTurn(answer: () => Answer): Promise<ConsumeResult | undefined> {
  return answer()
}
