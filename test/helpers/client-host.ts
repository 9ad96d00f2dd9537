/**
 * What an instance lends to its clients, over a real broker with a store in memory, on a clock that the test moves. Any verb of the engine
 * can be replaced by one that fails or waits, so that a test shows how clients bear it.
 */
import { onTestFinished } from 'vitest'
import type { AdminHost } from '../../src/admin/admin.ts'
import { Broker } from '../../src/broker/broker.ts'
import { parseBrokerOptions } from '../../src/broker/broker-options.ts'
import type { ConsumerHost } from '../../src/consumer/consumer-host.ts'
import { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.ts'
import type { LitePullConsumerOptions } from '../../src/consumer/lite-pull-consumer-options.ts'
import { PullConsumer } from '../../src/consumer/pull-consumer.ts'
import type { PullConsumerOptions } from '../../src/consumer/pull-consumer-options.ts'
import { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { RandomSource } from '../../src/model/clock.ts'
import type { Engine } from '../../src/model/engine.ts'
import type { MQEvents } from '../../src/model/events.ts'
import { silentLogger } from '../../src/model/logger.ts'
import type { Message } from '../../src/model/message.ts'
import { MessageIdGenerator } from '../../src/model/message-id.ts'
import type { MessageQueue } from '../../src/model/message-queue.ts'
import { Permission } from '../../src/model/topic.ts'
import { Producer } from '../../src/producer/producer.ts'
import type { ProducerHost } from '../../src/producer/producer-host.ts'
import type { ProducerOptions } from '../../src/producer/producer-options.ts'
import { Store } from '../../src/store/store.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from '../../src/store/store-options.ts'
import { ManualClock } from './manual-clock.ts'

type EventOf<Name extends keyof MQEvents> = Parameters<MQEvents[Name]>[0]

/** Options of which only the listener is needed; spread over the union, so that a listener's parameters are inferred. */
type ConsumerOverrides<Options> = Options extends PushConsumerOptions
  ? Partial<Options> & Pick<Options, 'listener' | 'consumeMessageBatchMaxSize'>
  : never

const BROKER_NAME = 'localhost'

export class ClientHost implements ProducerHost, ConsumerHost, AdminHost {
  readonly clock: ManualClock
  readonly store: Store
  readonly broker: Broker
  /** The broker, or for verbs that a test replaced, what it replaced them by. */
  readonly engine: Engine
  readonly ids: MessageIdGenerator
  readonly closedClients: object[] = []
  /** The next random numbers; the middle when it is empty. */
  readonly randoms: number[] = []
  readonly #emitted: (readonly [name: keyof MQEvents, event: unknown])[] = []
  readonly #replaced: Partial<Engine> = {}
  #clientCount = 0

  constructor(clock: ManualClock, store: Store, settings: object, random: RandomSource) {
    this.clock = clock
    this.store = store
    const source = { next: () => this.randoms.shift() ?? random.next() }
    this.broker = new Broker(store, parseBrokerOptions(settings), {
      clock,
      random: source,
      logger: silentLogger,
      emit: this.emit,
      durable: false,
    })
    this.engine = new Proxy(this.broker, { get: (broker, verb) => this.#verb(broker, verb) })
    this.ids = new MessageIdGenerator(clock, random)
  }

  readonly emit = <Name extends keyof MQEvents>(name: Name, event: EventOf<Name>): void => {
    this.#emitted.push([name, event])
  }

  nextClientId(): string {
    this.#clientCount += 1
    return `client-${this.#clientCount}`
  }

  checkOpen(): void {}

  onClosed(client: object): void {
    this.closedClients.push(client)
  }

  /** Puts verbs in the place of the broker's. */
  replace(verbs: Partial<Engine>): void {
    Object.assign(this.#replaced, verbs)
  }

  /** Gives the broker's verbs their place back. */
  restore(...verbs: (keyof Engine)[]): void {
    for (const verb of verbs) delete this.#replaced[verb]
  }

  /** The events of one name, in order. */
  events<Name extends keyof MQEvents>(name: Name): EventOf<Name>[] {
    return this.#emitted.filter(([emitted]) => emitted === name).map(([, event]) => event as EventOf<Name>)
  }

  queue(topic = 'orders', queueId = 0): MessageQueue {
    return { topic, brokerName: BROKER_NAME, queueId }
  }

  createTopic(
    topic = 'orders',
    queueNums = 1,
    permission: Permission = Permission.READ_WRITE,
  ): Promise<void> {
    return this.broker.createTopic({ topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission })
  }

  producer(options: Partial<ProducerOptions> = {}): Promise<Producer> {
    return Producer.start(this, { group: 'shop', ...options })
  }

  /** A consumer of the topic `orders` in the group `billing`, unless the options say otherwise. */
  consumer(options: ConsumerOverrides<PushConsumerOptions>): Promise<PushConsumer> {
    return PushConsumer.start(this, {
      group: 'billing',
      subscriptions: { orders: '*' },
      ...options,
    } as PushConsumerOptions)
  }

  /** A lite pull consumer of the topic `orders` in the group `billing`, unless the options say otherwise. */
  lite(options: Partial<LitePullConsumerOptions> = {}): Promise<LitePullConsumer> {
    return LitePullConsumer.start(this, { group: 'billing', subscriptions: { orders: '*' }, ...options })
  }

  /** A pull consumer of the group `billing`, unless the options say otherwise. */
  puller(options: Partial<PullConsumerOptions> = {}): Promise<PullConsumer> {
    return PullConsumer.start(this, { group: 'billing', ...options })
  }

  /** Sends messages with these bodies to one queue of `orders`, as one batch. */
  async send(bodies: readonly string[], message: Partial<Message> = {}, queueId = 0): Promise<void> {
    const producer = await this.producer()
    const messages = bodies.map((body) => ({ topic: 'orders', body, ...message }))
    await producer.send(messages, { queue: this.queue(messages[0]?.topic, queueId) })
    await producer.close()
  }

  /** The offset that the group has stored. */
  offset(queueId = 0, group = 'billing', topic = 'orders'): Promise<number | undefined> {
    return this.broker.queryConsumerOffset(group, this.queue(topic, queueId))
  }

  #verb(broker: Broker, verb: string | symbol): unknown {
    const found = Reflect.get(verb in this.#replaced ? this.#replaced : broker, verb, broker)
    return typeof found === 'function' ? found.bind(broker) : found
  }
}

/** Settings of the broker, and what tests change of the store. */
export interface ClientHostSettings {
  readonly broker?: object
  readonly store?: Partial<StoreOptions>
  readonly random?: RandomSource
}

/** A host without topics and groups. It closes itself. */
export async function openHost({
  broker = {},
  store = {},
  random,
}: ClientHostSettings = {}): Promise<ClientHost> {
  const clock = new ManualClock()
  const middle = random ?? { next: () => 0.5 }
  const opened = await Store.open({
    ...DEFAULT_STORE_OPTIONS,
    storage: 'memory',
    brokerName: BROKER_NAME,
    clock,
    random: middle,
    logger: silentLogger,
    ...store,
  })
  const host = new ClientHost(clock, opened, broker, middle)
  onTestFinished(async () => {
    await host.broker.close()
    await opened.close()
  })
  return host
}

/** A host with the topic `orders`. */
export async function openShop(queueNums = 1, settings: ClientHostSettings = {}): Promise<ClientHost> {
  const host = await openHost(settings)
  await host.createTopic('orders', queueNums)
  return host
}
