/** Applications that send: one at a time and awaited, in bursts that nobody awaits, in batches, to chosen queues. */
import type { Message } from '../../../src/model/message.ts'
import type { Producer } from '../../../src/producer/producer.ts'
import { type HashArgument, selectByHash } from '../../../src/producer/queue-selector.ts'
import type { SendOptions } from '../../../src/producer/send-options.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { SendDelay } from '../delay-events.ts'
import type { SendCall } from '../events.ts'
import { TAGS } from '../model/profile.ts'
import { propertiesOf } from '../model/sql-condition.ts'
import { bodyOf, receiptOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import { refusalOf } from '../world/refusal.ts'
import type { World } from '../world/world.ts'

const BROKER_NAME = 'localhost'
/** Large enough to be stored apart from what is small. */
const LARGE_BODY_BYTES = 20_000

/** What is special about a send. */
export interface SendWish {
  readonly queueId?: number
  readonly tag?: string
  readonly delay?: SendDelay
  readonly messageId?: string
}

interface Sender {
  readonly name: string
  readonly producer: Producer
}

/** A message, and the number that its body carries. */
interface Ware {
  readonly number: number
  readonly message: Message
}

/** Where a send goes. */
interface Choice {
  readonly options: SendOptions<HashArgument> | undefined
  readonly queueId: number | undefined
  readonly shardingKey: string | undefined
}

export class Senders {
  readonly #world: World
  readonly #random: WorkloadRandom
  #senders: Sender[] = []
  /** Sends of this life that nobody has been told about. */
  readonly #pending = new Map<number, SendCall>()

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork()
  }

  get pending(): Iterable<SendCall> {
    return this.#pending.values()
  }

  /** After each opening. */
  begin(): void {
    const { profile } = this.#world
    this.#senders = []
    this.#pending.clear()
    for (let i = 0; i < profile.producerCount; i++) this.#start(`p${i}`)
  }

  /** One of the things that senders do. */
  act(): void {
    const { topics } = this.#world.profile
    if (this.#senders.length === 0) return
    const sender = this.#random.pick(this.#senders)
    const topic = this.#random.pick(topics).name
    const dice = this.#random.next()
    if (dice < 0.45) this.#burst(sender, topic, this.#random.between(1, 6))
    else if (dice < 0.65) void this.#send(sender, topic, this.#random.between(2, 12))
    else this.#chain(sender, topic, this.#random.between(1, 6))
  }

  get isWaiting(): boolean {
    return this.#pending.size > 0
  }

  /** Messages of every kind to each queue. */
  probe(topic: string, queueNums: number): void {
    const [sender] = this.#senders
    if (sender === undefined) return
    // The first queue gets every kind, so that each group wants something of each topic.
    for (const tag of TAGS) void this.#send(sender, topic, 1, { queueId: 0, tag })
    for (let queueId = 1; queueId < queueNums; queueId++)
      void this.#send(sender, topic, 1, { queueId, tag: this.#random.pick(TAGS) })
  }

  /** One message that is special; `undefined` when nobody can send. */
  sendOne(topic: string, wish: SendWish): Promise<void> | undefined {
    if (this.#senders.length === 0) return undefined
    return this.#send(this.#random.pick(this.#senders), topic, 1, wish)
  }

  /** Somebody who can send, if there is anybody. */
  get producer(): Producer | undefined {
    return this.#senders[0]?.producer
  }

  /** Sends that nobody waits for. */
  #burst(sender: Sender, topic: string, count: number): void {
    for (let i = 0; i < count; i++) void this.#send(sender, topic, 1)
  }

  /** Each send waits for the one before. */
  #chain(sender: Sender, topic: string, count: number): void {
    const sent = this.#send(sender, topic, 1)
    if (count > 1) void sent.then(() => this.#chain(sender, topic, count - 1))
  }

  #start(name: string): void {
    const { life } = this.#world
    const starting = life.mq.createProducer({ group: `group-of-${name}`, clientId: name })
    void starting.then((producer) => {
      if (!life.isOver) this.#senders.push({ name, producer })
    }, ignore)
  }

  /** Resolves when the send was answered. */
  #send({ name, producer }: Sender, topic: string, count: number, wish: SendWish = {}): Promise<void> {
    const { life } = this.#world
    if (life.isOver) return new Promise(ignore)
    const messages = Array.from({ length: count }, () => this.#message(topic, wish.tag, wish.delay))
    const choice = this.#chooseFor(messages, topic, wish)
    const call: SendCall = {
      id: this.#world.nextId(),
      producer: name,
      topic,
      numbers: messages.map(({ number }) => number),
      queueId: choice.queueId,
      shardingKey: choice.shardingKey,
      ...(wish.delay && { delay: wish.delay }),
      ...(wish.messageId !== undefined && { messageId: wish.messageId }),
    }
    this.#pending.set(call.id, call)
    life.tell({ type: 'sending', send: call })
    const wares = messages.map(({ message }) => message)
    return this.#told(
      life,
      call,
      producer.send<HashArgument>(count === 1 ? wares[0]! : wares, choice.options),
    )
  }

  async #told(life: Life, call: SendCall, sending: ReturnType<Producer['send']>): Promise<void> {
    try {
      const receipt = receiptOf(await sending)
      life.tell({ type: 'stored', send: call, receipt })
    } catch (error) {
      life.tell({ type: 'refused', send: call, refusal: refusalOf(error) })
    }
    if (!life.isOver) this.#pending.delete(call.id)
  }

  #message(topic: string, tag = this.#tag(), delay?: SendDelay): Ware {
    const number = this.#world.nextId()
    const bytes = this.#random.chance(0.01) ? LARGE_BODY_BYTES : this.#world.profile.bodyBytes
    const body = bodyOf(number, this.#random.between(1, bytes))
    const keys = this.#random.chance(0.3) ? [`k${number % 7}`, `n${number}`] : []
    const odd = this.#random.chance(0.3) ? { 'a b': 'ü', once: `c${number}` } : {}
    const properties = { ...propertiesOf(number), ...odd }
    const bornTimestamp = this.#world.clock.now()
    const { messages } = this.#world.history.model.sends
    messages.set(number, {
      number,
      topic,
      body,
      tag,
      keys,
      messageGroup: undefined,
      properties,
      bornTimestamp,
      ...(delay && { delay }),
    })
    const special = { ...(tag !== undefined && { tag }), ...delay }
    return { number, message: { topic, body, keys, properties, ...special } }
  }

  #chooseFor(messages: readonly Ware[], topic: string, { queueId, delay, messageId }: SendWish): Choice {
    const choice = this.#choose(topic, queueId)
    // A message group keeps its order, so nothing in it is delayed.
    if (delay !== undefined) return choice
    const grouped = this.#grouped(messages, choice)
    if (messageId === undefined) return grouped
    return { ...grouped, options: { ...grouped.options, messageId } }
  }

  /** Where somebody consumes by message groups, some messages have one, which chooses the queue. */
  #grouped(messages: readonly Ware[], choice: Choice): Choice {
    const { groups } = this.#world.profile
    const [first] = messages
    if (first === undefined || choice.options !== undefined) return choice
    if (first.number % 4 === 0 || !groups.some(({ byMessageGroup }) => byMessageGroup)) return choice
    const messageGroup = `order ${first.number % 3}`
    for (const { number, message } of messages) {
      Object.assign(message, { messageGroup })
      Object.assign(this.#world.history.model.message(number)!, { messageGroup })
    }
    return { ...choice, shardingKey: `message group ${messageGroup}` }
  }

  #tag(): string | undefined {
    return this.#random.chance(0.25) ? undefined : this.#random.pick(TAGS)
  }

  #choose(topic: string, wishedQueueId: number | undefined): Choice {
    const dice = wishedQueueId === undefined ? this.#random.next() : 1
    if (dice < 0.5) return { options: undefined, queueId: undefined, shardingKey: undefined }
    if (dice < 0.75) {
      const shardingKey = `s${this.#random.below(5)}`
      return { options: { selector: selectByHash, arg: shardingKey }, queueId: undefined, shardingKey }
    }
    const queueId = wishedQueueId ?? this.#random.below(3)
    const queue = { topic, brokerName: BROKER_NAME, queueId }
    const timeoutMs = this.#random.pick([10, 3000, 60_000])
    return { options: { queue, timeoutMs }, queueId, shardingKey: undefined }
  }
}

function ignore(): void {}
