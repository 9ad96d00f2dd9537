/** Applications that send requests and wait for the replies. */
import type { MessageView } from '../../../src/model/message.ts'
import type { Producer } from '../../../src/producer/producer.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { SendCall } from '../events.ts'
import { TAGS } from '../model/profile.ts'
import { propertiesOf } from '../model/sql-condition.ts'
import type { FoundReply, RequestCall } from '../request-events.ts'
import { bodyOf } from '../world/copies.ts'
import type { Life } from '../world/life.ts'
import { refusalOf } from '../world/refusal.ts'
import type { World } from '../world/world.ts'
import { replyIn } from './repliers.ts'
import { stumble } from './stumble.ts'

const GROUP = 'askers'
const TIMEOUTS_MS = [50, 700, 3000, 20_000]
/** Nobody knows it before it is on its way, but its length is known. */
const SOME_ID = '0'.repeat(34)
/** What says nothing of whether the request was sent. */
const SAYS_NOTHING: ReadonlySet<string | undefined> = new Set(['REQUEST_TIMEOUT', 'CLOSED'])

interface Asker {
  readonly name: string
  readonly producer: Producer
}

export class Requesters {
  readonly #world: World
  readonly #random: WorkloadRandom
  #askers: Asker[] = []
  readonly #borne = new Set<string>()
  /** Requests of this life that have not ended, by number. */
  readonly #pending = new Map<number, RequestCall>()

  constructor(world: World) {
    this.#world = world
    this.#random = world.requestRandom
  }

  get pending(): Iterable<RequestCall> {
    return this.#pending.values()
  }

  /** After each opening. */
  begin(): void {
    this.#askers = []
    this.#borne.clear()
    this.#pending.clear()
    for (const name of this.#names()) if (this.#random.chance(0.8)) this.#come(name)
  }

  act(): void {
    if (this.#askers.length === 0 || this.#random.chance(0.1)) this.#comeOrGo()
    else this.#askAny(this.#random.pick(this.#world.profile.topics).name)
  }

  probe(topic: string): void {
    this.#askAny(topic)
  }

  #names(): string[] {
    return Array.from({ length: this.#world.profile.requests.producerCount }, (_, index) => `asker-${index}`)
  }

  #comeOrGo(): void {
    const names = this.#names()
    if (names.length === 0) return
    const name = this.#random.pick(names)
    const asker = this.#askers.find((each) => each.name === name)
    if (asker !== undefined) this.#go(asker)
    else if (!this.#borne.has(name)) this.#come(name)
  }

  #come(name: string): void {
    const { life } = this.#world
    this.#borne.add(name)
    life.mq.createProducer({ group: GROUP, clientId: name }).then(
      (producer) => {
        if (!life.isOver) this.#askers.push({ name, producer })
      },
      () => {
        if (!life.isOver) this.#borne.delete(name)
      },
    )
  }

  #go({ name, producer }: Asker): void {
    const { life } = this.#world
    this.#askers = this.#askers.filter((each) => each.name !== name)
    life.tell({ type: 'requester-leaving', producer: name })
    const gone = (): void => {
      if (!life.isOver) this.#borne.delete(name)
    }
    producer.close().then(gone, gone)
  }

  #askAny(topic: string): void {
    const { life } = this.#world
    if (this.#askers.length === 0 || life.isOver) return
    void this.#ask(life, this.#random.pick(this.#askers), topic)
  }

  async #ask(life: Life, { name, producer }: Asker, topic: string): Promise<void> {
    const number = this.#world.nextId()
    const timeoutMs = this.#random.pick(TIMEOUTS_MS)
    const request: RequestCall = { number, producer: name, timeoutMs }
    const send: SendCall = {
      id: this.#world.nextId(),
      producer: name,
      topic,
      numbers: [number],
      queueId: undefined,
      shardingKey: undefined,
    }
    const message = this.#message(number, topic, { REPLY_TO_CLIENT: name, TTL: String(timeoutMs) })
    this.#pending.set(number, request)
    life.tell({ type: 'sending', send })
    life.tell({ type: 'requesting', request })
    try {
      const replying = producer.request(message, { timeoutMs })
      stumble(this.#world, this.#random)
      const reply = foundReply(await replying)
      life.tell({ type: 'request-answered', request, reply })
    } catch (error) {
      const refusal = refusalOf(error)
      if (!this.#isOnItsWay(send) && !SAYS_NOTHING.has(refusal.code))
        life.tell({ type: 'refused', send, refusal })
      life.tell({ type: 'request-failed', request, refusal })
    }
    if (!life.isOver) this.#pending.delete(number)
  }

  /** The store was asked; then it knows best. */
  #isOnItsWay({ id, numbers }: SendCall): boolean {
    const { model } = this.#world.history
    const { CORRELATION_ID } = model.message(numbers[0]!)?.properties ?? {}
    return CORRELATION_ID !== SOME_ID || model.sends.get(id).state !== 'pending'
  }

  #message(number: number, topic: string, said: Readonly<Record<string, string>>) {
    const { profile, history, clock } = this.#world
    const body = bodyOf(number, this.#random.between(1, profile.bodyBytes))
    const keys = this.#random.chance(0.3) ? [`k${number % 7}`, `n${number}`] : []
    const tag = this.#random.chance(0.25) ? undefined : this.#random.pick(TAGS)
    const properties = propertiesOf(number)
    const sent = { number, topic, body, tag, keys, messageGroup: undefined, bornTimestamp: clock.now() }
    const added = { CORRELATION_ID: SOME_ID, ...said }
    history.model.sends.messages.set(number, { ...sent, properties: { ...properties, ...added } })
    return { topic, body, keys, properties, ...(tag !== undefined && { tag }) }
  }
}

function foundReply(view: MessageView): FoundReply {
  return { ...replyIn(view.text()), correlationId: view.properties.CORRELATION_ID }
}
