/**
 * The public face of sending (RocketMQ `DefaultMQProducer`). `send(message)` is on the way of every message: it checks,
 * takes the next queue of a route that is known, and hands out the engine's own promise.
 */
import { checkRecallHandle, type Delay } from '../model/delay.ts'
import { type DelayedSendRequest, delayVerbsOf } from '../model/delay-verbs.ts'
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError, type WriteOutcome } from '../model/errors.ts'
import type { Message, MessageView } from '../model/message.ts'
import type { MessageIdGenerator } from '../model/message-id.ts'
import { queueKey } from '../model/message-queue.ts'
import type { OutboxReceipt } from '../model/outbox.ts'
import { type OutgoingMessage, prepareMessage } from '../model/outgoing-message.ts'
import type { PropertyEntries } from '../model/properties.ts'
import type { SendReceipt } from '../model/results.ts'
import { deferMicrotask } from '../model/system-clock.ts'
import { checkTopicName } from '../model/topic.ts'
import type { HalfReceipt } from '../model/transaction-verbs.ts'
import { isTyped } from '../model/typed-body.ts'
import type { Destination } from '../model/typed-message.ts'
import { OnewaySends } from './oneway-sends.ts'
import { isBatch, prepareBatch, readMessages } from './outgoing-batch.ts'
import { enlisting, type PlannedSend, withOwnBodies } from './planned-send.ts'
import type { ProducerHost, ProducerStats } from './producer-host.ts'
import {
  type CompleteProducerOptions,
  type ProducerOptions,
  parseProducerOptions,
} from './producer-options.ts'
import { type PublishRoute, PublishRoutes } from './publish-routes.ts'
import { type RequestOptions, readRequest } from './request-options.ts'
import { Requests } from './requests.ts'
import { prepareOnce } from './send-once.ts'
import {
  checkHalf,
  checkSignal,
  chooserOf,
  type OutboxSendOptions,
  type ReadSendOptions,
  readOnewayOptions,
  readSendOptions,
  routing,
  type SendOptions,
} from './send-options.ts'
import { sendingEngine } from './sending-engine.ts'
import type { Transaction } from './transaction.ts'
import { type LocalTransaction, type TransactionReceipt, Transactions } from './transactions.ts'
import { isAnyTyped, TypedSends } from './typed-sends.ts'
import { WatchedEngine } from './watched-engine.ts'

/**
 * Sends messages. Made by `mq.createProducer`, ready when you get it, ended by `close()` or `await using`.
 *
 * @example
 * ```ts
 * import { PocketMQ, selectByHash } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const producer = await mq.createProducer({ group: 'order-service' })
 * const receipt = await producer.send({ topic: 'orders', body: 'hello', tag: 'paid', keys: ['o-42'] })
 * console.log(receipt.messageId, receipt.queue.queueId, receipt.queueOffset)
 * await producer.send({ topic: 'orders', body: 'after it' }, { selector: selectByHash, arg: 'o-42' })
 * await producer.close()
 * ```
 */
export class Producer {
  /** The group that it was made for. */
  readonly group: string
  /** The name of this one producer, unique in its group. */
  readonly clientId: string
  readonly #host: ProducerHost
  readonly #watched: WatchedEngine
  readonly #ids: MessageIdGenerator
  readonly #timeoutMs: number
  readonly #routes: PublishRoutes
  readonly #transactions: Transactions
  readonly #requests: Requests
  readonly #oneways: OnewaySends
  readonly #typed: TypedSends
  readonly #unwatch: () => void

  #closing: Promise<void> | undefined
  #turnTimestamp: number | undefined

  private constructor(host: ProducerHost, options: CompleteProducerOptions) {
    this.group = options.group
    this.clientId = options.clientId ?? host.nextClientId()
    this.#host = host
    this.#watched = new WatchedEngine(sendingEngine(host, options, this.clientId), this, host.tracing)
    this.#ids = host.ids
    this.#timeoutMs = options.sendMsgTimeoutMs
    this.#routes = new PublishRoutes(host.engine)
    this.#transactions = new Transactions({
      watched: this.#watched,
      group: this.group,
      clientId: this.clientId,
      checker: options.transactionChecker,
      emit: host.emit,
      tracing: host.tracing,
    })
    this.#oneways = new OnewaySends(host, options)
    this.#typed = new TypedSends(host)
    this.#requests = new Requests({
      engine: host.engine,
      ids: host.ids,
      clientId: this.clientId,
      keepAlive: host.keepAlive,
    })
    this.#unwatch = host.engine.watch((event) => {
      if (event.type === 'route-changed') this.#routes.forget(event.topic)
    })
  }

  /** Starts a producer; applications call `mq.createProducer`. */
  static async start(host: ProducerHost, options: ProducerOptions): Promise<Producer> {
    const producer = new Producer(host, parseProducerOptions(options))
    await host.engine.registerProducer(producer.group, producer.clientId)
    producer.#transactions.startAnswering()
    return producer
  }

  /** What became of its one-way sends and its requests so far; a new object each time. */
  get stats(): ProducerStats {
    return {
      onewayOutstandingCount: this.#oneways.outstandingCount,
      onewayFailedCount: this.#oneways.failedCount,
      requestOutstandingCount: this.#requests.outstandingCount,
      droppedReplyCount: this.#requests.droppedCount,
    }
  }

  /**
   * Puts a message, or an array of them, into a chained batch of your own database: it is sent when the batch is written, and never when it is
   * not. Resolves when it lies in the batch, so await it before you write. Rejects as below, and with `INVALID_PARAMETER` without
   * `database` in `PocketMQ.open`, for a batch of another database or one that was written or closed, and in a transaction.
   */
  send<A, const To extends Destination = string>(
    message: Message<To> | readonly Message<To>[],
    options: OutboxSendOptions<A>,
  ): Promise<OutboxReceipt>
  /**
   * Sends a message, or an array of messages for one topic as a batch that is stored in one queue, together or not at all.
   *
   * Resolves when it is stored as safely as the `flushDiskType` says; the receipt repeats it. Sends that are not awaited
   * are stored in the order of the calls, queue by queue. A rejection with `outcome: 'not-attempted'` may be sent again
   * without risk of a duplicate.
   *
   * For what `defineTopic` answered the body is a value: it is checked and stored as JSON. Schemas that answer later are all asked at
   * once, and what they let pass is sent in the order of the calls, topic by topic; a send by name does not wait for them.
   *
   * Rejects with `SCHEMA_MISMATCH` for a value that its topic refuses, `MESSAGE_ILLEGAL` or `INVALID_PARAMETER` for what is wrong with the arguments, `TOPIC_NOT_EXIST`,
   * `NO_PERMISSION`, `SEND_TIMEOUT`, `SYSTEM_BUSY`, `DISK_FULL`, `ABORTED`, `CLOSED` and the store's failures; `UNSUPPORTED` for a
   * `messageId` without `deduplicationWindowMs`, `ILLEGAL_OPERATION` for a second message of a transaction (RocketMQ
   * `DefaultMQProducer#send`).
   */
  send<A, const To extends Destination = string>(
    message: Message<To> | readonly Message<To>[],
    options?: SendOptions<A>,
  ): Promise<SendReceipt>
  send<A>(
    message: Message<Destination> | readonly Message<Destination>[],
    options?: SendOptions<A>,
  ): Promise<SendReceipt | OutboxReceipt> {
    try {
      if (options === undefined && !isBatch(message) && !isTyped(message))
        return this.#sendNext(message as Message)
      return this.#sendPlanned(message, readSendOptions(options))
    } catch (error) {
      return Promise.reject(MQError.from(error))
    }
  }

  /**
   * Sends and forgets. What is wrong with the arguments is thrown at once; a later failure is counted in `stats` and
   * told by an `error` event. `close()` waits for what is on its way (RocketMQ `DefaultMQProducer#sendOneway`).
   */
  sendOneway<A, const To extends Destination = string>(
    message: Message<To> | readonly Message<To>[],
    options?: SendOptions<A>,
  ): void {
    this.#oneways.add(this.#sendPlanned(message, readOnewayOptions(options), { isOneway: true }))
  }

  /**
   * Takes a delayed message back that was sent with a `deliveryTimestamp` and is not delivered yet; answers its id. Rejects with
   * `ILLEGAL_OPERATION` when it was delivered, taken back or moved, for what is no handle of a message of this topic, and without one:
   * what was delivered at once has none in its receipt (RocketMQ 5 `Producer#recallMessage`).
   */
  async recall(topic: string, recallHandle: string | undefined): Promise<string> {
    this.#checkOpen()
    checkTopicName(topic)
    checkRecallHandle(recallHandle)
    return delayVerbsOf(this.#engine).recallMessage(topic, recallHandle)
  }

  /**
   * Begins a transaction: send one message with `{ transaction }`, do your own work, then call `commit` or `rollback`. Throws
   * `INVALID_PARAMETER` without a `transactionChecker`, and `CLOSED` (RocketMQ 5 `Producer#beginTransaction`).
   */
  beginTransaction(): Transaction {
    this.#checkOpen()
    return this.#transactions.begin()
  }

  /**
   * Stores the half of a transaction, runs the local one, and ends it as that answers: `UNKNOWN`, nothing, or an exception leave it to
   * the `transactionChecker`. Rejects as `send` does when the half is not stored; then nothing was run (RocketMQ
   * `TransactionMQProducer#sendMessageInTransaction`).
   */
  async sendInTransaction<const To extends Destination = string>(
    message: Message<To>,
    localTransaction: LocalTransaction<To>,
  ): Promise<TransactionReceipt> {
    if (typeof localTransaction !== 'function')
      throw invalidParameter('sendInTransaction needs a function that runs the local transaction.')
    this.#checkOpen()
    const sendHalf = (transaction: Transaction) => this.send(message, { transaction }) as Promise<HalfReceipt>
    return this.#transactions.run(message, localTransaction, sendHalf)
  }

  /**
   * Sends a message and waits for the reply that a consumer gives by `message.reply`: the first one, if several consumers reply.
   * Nothing else is needed to receive it. The request is a message as any other: it is stored, and consumed also when nobody waits for
   * the reply any more.
   *
   * Rejects with `REQUEST_TIMEOUT` when no reply came in time, `ABORTED` when its signal fires, `CLOSED` when the producer closes
   * meanwhile, `UNSUPPORTED` when the engine passes no replies on, `MESSAGE_ILLEGAL` for a batch or a delayed message, and as `send`
   * does when the request is not stored (RocketMQ `DefaultMQProducer#request`).
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * await mq.createPushConsumer({
   *   group: 'prices',
   *   subscriptions: { 'price-requests': '*' },
   *   listener: async (message) => void (await message.reply(`${message.text()}: 12 EUR`)),
   * })
   * const producer = await mq.createProducer({ group: 'shop' })
   * const reply = await producer.request({ topic: 'price-requests', body: 'apples' }, { timeoutMs: 3000 })
   * console.log(reply.text())
   * ```
   */
  async request<A, const To extends Destination = string>(
    message: Message<To>,
    options: RequestOptions<A> = {},
  ): Promise<MessageView> {
    this.#checkOpen()
    const { read, wish } = readRequest(message, options)
    const { timeoutMs = this.#timeoutMs, signal } = wish
    const topic = isTyped(read) ? read.topic.name : (read.topic as string)
    return this.#requests.run({ topic, timeoutMs, signal }, (added) =>
      this.#sendPlanned(read, wish, { added }),
    )
  }

  /**
   * Refuses further sends with `CLOSED`, rejects requests that wait for their replies with it, waits up to
   * `closeTimeoutMs` for one-way sends on their way, and leaves the group.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #engine(): Engine {
    return this.#watched.engine
  }

  #sendNext(message: Message): Promise<SendReceipt> {
    this.#checkOpen()
    const now = this.#timeOfTurn()
    const messages = prepareMessage(message, this.#ids.next(now), now)
    const { topic } = messages
    const timeoutMs = this.#timeoutMs
    const route = this.#routes.get(topic)
    if (route instanceof Promise) {
      const chooseQueue = chooserOf(message)
      return this.#sendLater(route, { topic, messages, timeoutMs, signal: undefined, chooseQueue })
    }
    const request = { producerGroup: this.group, queue: route.queueFor(message), messages, timeoutMs }
    return messages.delay === undefined
      ? this.#engine.sendMessage(request)
      : this.#sendDelayed(request, messages.delay)
  }

  /** The time at which this turn began to send: reading the clock for each of a thousand messages shows in the rate. */
  #timeOfTurn(): number {
    if (this.#turnTimestamp === undefined) {
      this.#turnTimestamp = this.#engine.clock.now()
      deferMicrotask(this.#forgetTurn)
    }
    return this.#turnTimestamp
  }

  readonly #forgetTurn = (): void => {
    this.#turnTimestamp = undefined
  }

  /** By the long way: what has options, is a batch, or is for a typed topic. */
  #sendPlanned<A>(
    message: Message<Destination> | readonly Message<Destination>[],
    options: ReadSendOptions<A>,
    { added, isOneway }: { readonly added?: PropertyEntries; readonly isOneway?: boolean } = {},
  ): Promise<SendReceipt> {
    const read = readMessages(message)
    const plan = (plain: Message | readonly Message[]) => this.#plan(plain, options, added)
    if (isAnyTyped(read)) return this.#typed.send(read, plan, (planned) => this.#send(planned), isOneway)
    return this.#send(plan(read as Message | readonly Message[]))
  }

  #plan<A>(
    message: Message | readonly Message[],
    options: ReadSendOptions<A>,
    added: PropertyEntries | undefined,
  ): PlannedSend {
    this.#checkOpen()
    const { transaction } = options
    if (transaction !== undefined) this.#transactions.checkOwn(transaction)
    const messages =
      options.messageId === undefined
        ? this.#prepare(message, added)
        : prepareOnce(message, options, this.#engine)
    if (transaction !== undefined) checkHalf(message, options)
    const topic = 'topic' in messages ? messages.topic : messages[0]!.topic
    if (options.queue !== undefined && options.queue.topic !== topic) {
      throw invalidParameter(`The message is for '${topic}', but the queue is ${queueKey(options.queue)}.`)
    }
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs
    const { signal } = options
    const routed = routing(message, options, this.#engine.random)
    const plan = { topic, messages, timeoutMs, signal, transaction, ...routed }
    const { outbox, tracing } = this.#host
    return enlisting(plan, options, { outbox, tracing, group: this.group, clientId: this.clientId })
  }

  #prepare(
    message: Message | readonly Message[],
    added?: PropertyEntries,
  ): OutgoingMessage | readonly OutgoingMessage[] {
    if (isBatch(message)) return prepareBatch(message, this.#ids, this.#engine.clock)
    const now = this.#timeOfTurn()
    return prepareMessage(message, this.#ids.next(now), now, added)
  }

  #send(plan: PlannedSend): Promise<SendReceipt> {
    const route = this.#routes.get(plan.topic)
    return route instanceof Promise ? this.#sendLater(route, plan) : this.#sendBy(route, plan)
  }

  #sendLater(route: Promise<PublishRoute>, plan: PlannedSend): Promise<SendReceipt> {
    const kept = withOwnBodies(plan)
    return route.then((known) => {
      if (plan.signal !== undefined) checkSignal(plan.signal)
      return this.#sendBy(known, kept)
    })
  }

  #sendBy(
    route: PublishRoute,
    { messages, timeoutMs, signal, chooseQueue, checkRoute, transaction, enlist }: PlannedSend,
  ): Promise<SendReceipt> {
    route.check(checkRoute)
    // Only `send` lets a batch through, and says what it answers then.
    if (enlist !== undefined) return Promise.resolve(enlist(route) as SendReceipt)
    const request = { producerGroup: this.group, queue: chooseQueue(route), timeoutMs, signal }
    if ('topic' in messages) {
      if (transaction !== undefined) return this.#transactions.sendHalf(transaction, { ...request, messages })
      if (messages.delay !== undefined) return this.#sendDelayed({ ...request, messages }, messages.delay)
    }
    return this.#engine.sendMessage({ ...request, messages })
  }

  #sendDelayed(request: DelayedSendRequest, delay: Delay): Promise<SendReceipt> {
    return delayVerbsOf(this.#engine).sendDelayedMessage(request, delay)
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw this.#closed()
  }

  #closed(outcome?: WriteOutcome): MQError {
    const text = `The producer of '${this.group}' is closed.`
    return new MQError('CLOSED', text, { ...(outcome && { outcome }) })
  }

  async #close(): Promise<void> {
    await this.#typed.refuse(this.#closed('not-attempted'), { isOnewayToo: false })
    this.#requests.close(this.#closed())
    await this.#oneways.done()
    await this.#typed.refuse(this.#closed('not-attempted'), { isOnewayToo: true })
    this.#unwatch()
    this.#transactions.stopAnswering()
    this.#host.onClosed(this)
    await this.#engine.unregisterProducer(this.group, this.clientId)
  }
}
