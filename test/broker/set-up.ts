/** Set-up in one line: a broker over a store in memory, on a clock that the test moves. It closes itself. */
import { onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { parseBrokerOptions } from '../../src/broker/broker-options.ts'
import type { RandomSource } from '../../src/model/clock.ts'
import type { EngineEvent, PullRequest, SendBackRequest } from '../../src/model/engine.ts'
import type { MQEvents } from '../../src/model/events.ts'
import { silentLogger } from '../../src/model/logger.ts'
import type { Message, MessageView } from '../../src/model/message.ts'
import { MessageIdGenerator } from '../../src/model/message-id.ts'
import type { MessageQueue } from '../../src/model/message-queue.ts'
import { type OutgoingMessage, prepareMessage } from '../../src/model/outgoing-message.ts'
import type { PullResult, SendBackResult, SendReceipt } from '../../src/model/results.ts'
import { matchAll, parseTagExpression } from '../../src/model/subscription.ts'
import { Permission } from '../../src/model/topic.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import { Store } from '../../src/store/store.ts'
import { DEFAULT_STORE_OPTIONS } from '../../src/store/store-options.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

type EventOf<Name extends keyof MQEvents> = Parameters<MQEvents[Name]>[0]

/** What a consumer registers, in short. */
interface Joining {
  readonly group?: string
  readonly clientId?: string
  readonly messageModel?: 'clustering' | 'broadcasting'
  readonly topics?: Readonly<Record<string, string>>
}

const BROKER_NAME = 'localhost'
const middle: RandomSource = { next: () => 0.5 }

export class TestBroker {
  readonly clock: ManualClock
  readonly store: Store
  readonly broker: Broker
  /** What clients were told. */
  readonly told: EngineEvent[] = []
  /** What the application was told. */
  readonly emitted: (readonly [name: keyof MQEvents, event: unknown])[] = []
  readonly #ids: MessageIdGenerator

  constructor(clock: ManualClock, store: Store, settings: object) {
    this.clock = clock
    this.store = store
    this.broker = new Broker(store, parseBrokerOptions(settings), {
      clock,
      random: middle,
      logger: silentLogger,
      emit: (name, event) => this.emitted.push([name, event]),
      durable: false,
    })
    this.broker.watch((event) => this.told.push(event))
    this.#ids = new MessageIdGenerator(clock, middle)
  }

  async close(): Promise<void> {
    await this.broker.close()
    await this.store.close()
  }

  /** The events of one name, in order. */
  events<Name extends keyof MQEvents>(name: Name): EventOf<Name>[] {
    return this.emitted.filter(([emitted]) => emitted === name).map(([, event]) => event as EventOf<Name>)
  }

  queue(topic = 'orders', queueId = 0): MessageQueue {
    return { topic, brokerName: BROKER_NAME, queueId }
  }

  log(topic = 'orders', queueId = 0): QueueLog {
    const log = this.store.catalog.topic(topic)?.logs[queueId]
    if (log === undefined) throw new Error(`no log ${topic} ${queueId}`)
    return log
  }

  createTopic(
    topic = 'orders',
    queueNums = 1,
    permission: Permission = Permission.READ_WRITE,
  ): Promise<void> {
    return this.broker.createTopic({ topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission })
  }

  /** A checked message, as the producer hands it to the engine. */
  outgoing(message: Partial<Message> = {}): OutgoingMessage {
    return prepareMessage({ topic: 'orders', body: 'x', ...message }, this.#ids.next(), this.clock.now())
  }

  send(message: Partial<Message> = {}, queueId = 0): Promise<SendReceipt> {
    const outgoing = this.outgoing(message)
    return this.sendTo(this.queue(outgoing.topic, queueId), outgoing)
  }

  sendTo(queue: MessageQueue, messages: OutgoingMessage | readonly OutgoingMessage[]): Promise<SendReceipt> {
    return this.broker.sendMessage({ producerGroup: 'producers', queue, messages, timeoutMs: 3000 })
  }

  /** One message for each tag, all in one batch. */
  sendTags(...tags: (string | undefined)[]): Promise<SendReceipt> {
    return this.sendTo(
      this.queue(),
      tags.map((tag) => this.outgoing({ tag })),
    )
  }

  join({
    group = 'billing',
    clientId = 'c1',
    messageModel = 'clustering',
    topics = { orders: '*' },
  }: Joining = {}) {
    const subscriptions = new Map(
      Object.entries(topics).map(([topic, tags]) => [topic, parseTagExpression(tags)]),
    )
    return this.broker.registerConsumer({ group, clientId, messageModel, consumeType: 'push', subscriptions })
  }

  pull(request: Partial<PullRequest> = {}): Promise<PullResult> {
    return this.broker.pullMessage({
      group: 'billing',
      queue: this.queue(),
      offset: 0,
      maxCount: 32,
      filter: matchAll,
      suspendMs: 0,
      ...request,
    })
  }

  /** The message at an offset. */
  view(topic = 'orders', offset = 0): Promise<MessageView> {
    return this.broker.viewMessage(this.queue(topic), offset)
  }

  fail(message: MessageView, request: Partial<SendBackRequest> = {}): Promise<SendBackResult> {
    return this.broker.sendMessageBack({
      group: 'billing',
      message,
      delayLevel: 0,
      maxReconsumeTimes: 16,
      reason: 'out of order',
      ...request,
    })
  }
}

/** Where a broker keeps its messages; in memory unless a directory is given. */
interface Place {
  readonly path?: string
  readonly clock?: ManualClock
}

/** A broker without topics and groups. */
export async function openBroker(settings: object = {}, place: Place = {}): Promise<TestBroker> {
  const { path, clock = new ManualClock() } = place
  const store = await Store.open({
    ...DEFAULT_STORE_OPTIONS,
    ...(path === undefined ? { storage: 'memory' } : { storage: 'disk', path }),
    brokerName: BROKER_NAME,
    clock,
    random: middle,
    logger: silentLogger,
  })
  const test = new TestBroker(clock, store, settings)
  onTestFinished(() => test.close())
  return test
}

/** A broker with the topic `orders` of one queue and the group `billing`, which subscribes to it. */
export async function openShop(settings: object = {}, place: Place = {}): Promise<TestBroker> {
  const test = await openBroker(settings, place)
  await test.createTopic()
  await test.join()
  return test
}

/** Watches a promise without waiting for it. */
export function watchPromise<Value>(promise: Promise<Value>): { readonly settled: boolean } {
  const watched = { settled: false }
  const settle = (): void => {
    watched.settled = true
  }
  promise.then(settle, settle)
  return watched
}

/** The texts of the bodies of a pull. */
export function bodies(result: PullResult): string[] {
  return result.messages.map((message) => message.text())
}
