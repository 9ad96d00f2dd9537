/**
 * A simple consumer and the application around it: it receives, and acknowledges in time, late, twice or never, gives back,
 * and keeps longer. What it forgets somebody may find again, also in a later life, and try to settle.
 */
import type { ReceivedMessage } from '../../../src/consumer/received-message.ts'
import type { SimpleConsumer } from '../../../src/consumer/simple-consumer.ts'
import { MQError } from '../../../src/model/errors.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import { expressionOf } from '../model/wishes.ts'
import { copyOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import { type Member, type MemberHost, sleep } from './member.ts'

const INVISIBLE_MS = [400, 3000, 10_000, 60_000, 600_000]
const AWAIT_MS = [0, 700, 20_000]
/** Of who found nothing: looking again and again is as telling as waiting, and slower. */
const LONG_AWAIT_MS = 300_000
const SLOW_MS = [1, 7, 49, 301, 1501, 4999, 20_003]
const ERROR_REST_MS = 1000
const REST_MS = 500
/** Receives that one member makes at a time. */
const MOST_RECEIVERS = 2
const MOST_HELD = 50

export class SimpleMember implements Member {
  readonly name: string
  readonly group: GroupProfile
  readonly life: Life
  readonly #host: MemberHost
  readonly #random: WorkloadRandom
  #consumer: SimpleConsumer | undefined
  #isPaused = false
  #isLeaving = false
  #onResume: (() => void)[] = []

  constructor(host: MemberHost, life: Life, group: GroupProfile, name: string) {
    this.#host = host
    this.#random = host.random.fork()
    this.life = life
    this.group = group
    this.name = name
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused
    if (!isPaused) for (const resolve of this.#onResume.splice(0)) resolve()
  }

  async join(): Promise<void> {
    const { mq } = this.life
    const { name: group, maxReconsumeTimes: retryMaxTimes, isOrderly } = this.group
    // The settings of a group are its operators' affair; whoever comes first sees to them.
    await mq.admin.createGroup({ group, retryMaxTimes, consumeMessageOrderly: isOrderly })
    const expressions = [...this.group.subscriptions].map(([topic, wish]) => [topic, expressionOf(wish)])
    this.#consumer = await mq.createSimpleConsumer({
      group,
      clientId: this.name,
      subscriptions: Object.fromEntries(expressions),
      ...(this.#random.chance(0.5) && { consumeMessageOrderly: isOrderly }),
    })
  }

  begin(): void {
    const count = this.#random.between(1, MOST_RECEIVERS)
    for (let i = 0; i < count; i++) void this.#work()
  }

  async leave(): Promise<{ readonly drained: boolean }> {
    this.#isLeaving = true
    this.isPaused = false
    await this.#consumer!.close()
    return { drained: true }
  }

  pause(): void {}

  resume(): void {}

  async #work(): Promise<void> {
    let hadNothing = false
    while (!this.#isLeaving && !this.life.isOver) {
      if (this.#isPaused) await new Promise<void>((resolve) => this.#onResume.push(resolve))
      try {
        const messages = await this.#receive(hadNothing)
        hadNothing = messages.length === 0
        await this.#consume(messages)
      } catch (error) {
        if (MQError.from(error).code === 'CLOSED') return
        await sleep(this.#host, this.life, ERROR_REST_MS)
      }
    }
  }

  async #receive(hadNothing: boolean): Promise<readonly ReceivedMessage[]> {
    const isCalm = this.#host.isCalm()
    const invisibleDurationMs = isCalm ? 60_000 : this.#random.pick(INVISIBLE_MS)
    const awaitDurationMs = isCalm || hadNothing ? LONG_AWAIT_MS : this.#random.pick(AWAIT_MS)
    const maxMessages = this.#random.pick([1, 3, 16, 32])
    const messages = await this.#consumer!.receive({ maxMessages, invisibleDurationMs, awaitDurationMs })
    const { name: group } = this.group
    const copies = messages.map(copyOf)
    if (copies.length > 0) this.life.tell({ type: 'handed', group, member: this.name, copies })
    this.#host.repliers.hear(this, messages)
    if (copies.length === 0 && awaitDurationMs === 0) await sleep(this.#host, this.life, REST_MS)
    return messages
  }

  async #consume(messages: readonly ReceivedMessage[]): Promise<void> {
    if (this.#host.isCalm()) {
      await Promise.all(messages.map((message) => this.#behaveWell(message)))
      return
    }
    if (this.#random.chance(0.1)) void this.#findAgain()
    if (this.#random.chance(0.3)) await this.#try(() => this.#consumer!.ack(messages))
    else await Promise.all(messages.map((message) => this.#behave(message)))
    if (this.#random.chance(this.group.habits.slow))
      await sleep(this.#host, this.life, this.#random.pick(SLOW_MS))
  }

  async #behaveWell(message: ReceivedMessage): Promise<void> {
    const consumer = this.#consumer!
    // What a FIFO group gives back holds its queue.
    const isRefused = !this.group.isOrderly && this.#host.refuses(this.group.name, copyOf(message).number)
    await this.#try(() => (isRefused ? consumer.nack(message) : consumer.ack(message)))
  }

  async #behave(message: ReceivedMessage): Promise<void> {
    const consumer = this.#consumer!
    const { habits } = this.group
    let dice = this.#random.next()
    const comes = (share: number): boolean => {
      dice -= share
      return dice < 0
    }
    if (comes(habits.fails)) return this.#try(() => consumer.nack(message))
    if (comes(habits.throws + habits.hangs)) return this.#forget(message)
    if (comes(habits.nonsense)) return this.#settleTwice(message)
    if (comes(habits.level)) return this.#keepLonger(message)
    if (this.#random.chance(habits.slow)) {
      void this.#ackLater(message)
      return
    }
    await this.#try(() => consumer.ack(message))
  }

  async #ackLater(message: ReceivedMessage): Promise<void> {
    await sleep(this.#host, this.life, this.#random.pick(SLOW_MS))
    await this.#try(() => this.#consumer!.ack(message))
  }

  async #settleTwice(message: ReceivedMessage): Promise<void> {
    const consumer = this.#consumer!
    const second = this.#random.pick(['ack', 'nack', 'change'])
    const settle = (): Promise<void> => {
      if (second === 'ack') return consumer.ack(message)
      return second === 'nack' ? consumer.nack(message) : consumer.changeInvisibleDuration(message, 3000)
    }
    const acking = this.#try(() => consumer.ack(message))
    if (this.#random.chance(0.5)) await acking
    await Promise.all([acking, this.#try(settle)])
  }

  async #keepLonger(message: ReceivedMessage): Promise<void> {
    const consumer = this.#consumer!
    const durationMs = this.#random.pick([0, 1, ...INVISIBLE_MS])
    await this.#try(() => consumer.changeInvisibleDuration(message, durationMs))
    if (this.#random.chance(0.5)) await this.#ackLater(message)
    else this.#forget(message)
  }

  #forget(message: ReceivedMessage): void {
    const { held } = this.#host
    held.push({ group: this.group.name, message })
    if (held.length > MOST_HELD) held.splice(this.#random.below(held.length), 1)
  }

  /** Somebody comes back to what was forgotten. */
  async #findAgain(): Promise<void> {
    const { held } = this.#host
    const own = held.filter(({ group }) => group === this.group.name)
    if (own.length === 0) return
    const found = this.#random.pick(own)
    const { message } = found
    const consumer = this.#consumer!
    const dice = this.#random.next()
    if (dice < 0.5) await this.#try(() => consumer.ack(message))
    else if (dice < 0.75) await this.#try(() => consumer.nack(message))
    else await this.#try(() => consumer.changeInvisibleDuration(message, this.#random.pick(INVISIBLE_MS)))
  }

  /** What became of it is told by the verbs. */
  async #try(settle: () => Promise<void>): Promise<void> {
    await settle().catch(() => undefined)
  }
}
