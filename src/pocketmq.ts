/**
 * An instance: one store, one engine over it, and the producers and consumers that were made from it. It owns them: what
 * it opened it closes, in the order in which nothing is lost.
 */
import { EventEmitter } from 'eventemitter3'
import { Admin } from './admin/admin.ts'
import type { ConsumerHost, PolledMessages } from './consumer/consumer-host.ts'
import { LitePullConsumer } from './consumer/lite-pull-consumer.ts'
import type {
  LitePullConsumerOptions,
  TypedLitePullConsumerOptions,
} from './consumer/lite-pull-consumer-options.ts'
import { PullConsumer } from './consumer/pull-consumer.ts'
import type { PullConsumerOptions, TypedPullConsumerOptions } from './consumer/pull-consumer-options.ts'
import { type CloseReport, PushConsumer } from './consumer/push-consumer.ts'
import type { PushConsumerOptions, TypedPushConsumerOptions } from './consumer/push-consumer-options.ts'
import { traceReceived } from './consumer/receipt-trace.ts'
import type { ReceivedMessage } from './consumer/received-message.ts'
import { replyingEngine } from './consumer/replying-engine.ts'
import { SimpleConsumer } from './consumer/simple-consumer.ts'
import type { SimpleConsumerOptions, TypedSimpleConsumerOptions } from './consumer/simple-consumer-options.ts'
import { KeepAlive } from './keep-alive.ts'
import { invalidParameter, MQError } from './model/errors.ts'
import type { MQEvents, StoreState } from './model/events.ts'
import { MessageIdGenerator } from './model/message-id.ts'
import { OwnContext } from './model/own-context.ts'
import type { ConsumedMessage, TopicList } from './model/typed-message.ts'
import { type OpenedEngine, openEngine } from './open.ts'
import { type CompleteOpenOptions, type OpenOptions, parseOpenOptions } from './open-options.ts'
import { Producer } from './producer/producer.ts'
import type { ProducerHost } from './producer/producer-host.ts'
import type { ProducerOptions } from './producer/producer-options.ts'
import { publishEvent } from './tracing/channels.ts'
import { setTracerOf } from './tracing/instance-tracers.ts'
import { TraceRecorder } from './tracing/recorder.ts'
import { Tracer } from './tracing/tracer.ts'

type Puller = LitePullConsumer | PullConsumer | SimpleConsumer

/**
 * An embedded message queue with the semantics of Apache RocketMQ.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * await using mq = await PocketMQ.open({ storage: 'memory' })
 * await mq.createPushConsumer({
 *   group: 'greeters',
 *   subscriptions: { greetings: '*' },
 *   listener: async (message) => console.log(message.text()),
 * })
 * const producer = await mq.createProducer({ group: 'senders' })
 * await producer.send({ topic: 'greetings', body: 'hello' })
 * ```
 */
export class PocketMQ extends EventEmitter<MQEvents> {
  /** Queries and operations. */
  readonly admin: Admin
  readonly #opened: OpenedEngine
  readonly #options: CompleteOpenOptions
  readonly #host: ProducerHost
  readonly #consumerHost: ConsumerHost
  readonly #keepAlive: KeepAlive
  /** Listeners of events run in it, whoever caused the event. */
  readonly #context = new OwnContext()
  readonly #tracer: Tracer
  readonly #recorder: TraceRecorder | undefined
  readonly #clientIds: () => string

  readonly #producers = new Set<Producer>()
  readonly #consumers = new Set<PushConsumer>()
  /** Consumers that the application asks for messages. */
  readonly #pullers = new Set<Puller>()
  /** Names of clients that are being started. */
  readonly #starting = new Set<string>()
  #closing: Promise<CloseReport> | undefined
  #isEngineClosed = false

  /** Takes over what was opened; applications call {@link PocketMQ.open}. */
  protected constructor(opened: OpenedEngine, options: CompleteOpenOptions) {
    super()
    const { engine } = opened
    opened.onEvent = (name, event) => this.#announce(name, event)
    const ids = new MessageIdGenerator(engine.clock, engine.random)
    this.#opened = opened
    this.#options = options
    this.#keepAlive = new KeepAlive(options.keepAlive)
    this.#clientIds = clientIdSource(engine.random.next())
    this.#tracer = new Tracer(engine.clock)
    setTracerOf(this, this.#tracer)
    if (options.trace) this.#recorder = this.#startRecorder(ids)
    this.#host = {
      engine,
      tracing: this.#tracer,
      ids,
      maxPendingSendBytes: options.store.limits.maxPendingSendBytes,
      outbox: opened.boxes?.outbox,
      emit: (name, event) => this.#announce(name, event),
      keepAlive: this.#keepAlive,
      nextClientId: (group?: string) => this.nextClientId(group),
      onClosed: (client) => this.#forget(client),
    }
    this.#consumerHost = {
      ...this.#host,
      engine: replyingEngine(engine, ids),
      inbox: opened.boxes?.inbox,
      onPolled: (polled) => {
        this.onPolled(polled)
        traceReceived(this.#consumerHost, polled, polled.messages)
      },
    }
    opened.boxes?.outbox.start(this.#tracer)
    this.admin = new Admin({
      engine,
      ids,
      checkOpen: () => this.#checkEngineOpen(),
      flushTraces: async () => this.#recorder?.flush(),
    })
  }

  /**
   * Opens a store on disk or in memory. Rejects with `INVALID_PARAMETER` for wrong options, and with `STORE_LOCKED`,
   * `STORE_FOREIGN`, `STORE_CORRUPTED` or `VERSION_NOT_SUPPORTED` when the directory cannot be opened.
   */
  static async open(options: OpenOptions): Promise<PocketMQ>
  static async open(path: string, options?: Omit<OpenOptions, 'path'>): Promise<PocketMQ>
  static async open(place: string | OpenOptions, more: Omit<OpenOptions, 'path'> = {}): Promise<PocketMQ> {
    if (typeof place === 'string' && 'path' in more)
      throw invalidParameter('Name the path once: as the first argument, or in the options.')
    const options = parseOpenOptions(typeof place === 'string' ? { ...more, path: place } : place)
    const opened = await openEngine(options)
    const mq = new PocketMQ(opened, options)
    await opened.boxes?.outbox.tried()
    return mq
  }

  /** What the store does now. */
  get state(): StoreState {
    return this.#opened.state()
  }

  /**
   * Starts a producer. Rejects with `INVALID_PARAMETER` for wrong options and a `clientId` that another producer of the group has, and
   * with `CLOSED` when the instance is closed or closing.
   */
  async createProducer(options: ProducerOptions): Promise<Producer> {
    this.#checkOpen()
    const start = (): Promise<Producer> => Producer.start(this.#host, options)
    const producer = await this.#underOwnName(options, start, this.#producers)
    this.#producers.add(producer)
    await this.#closeIfLate(producer)
    return producer
  }

  /** As below, for typed topics: the types of the messages follow from `topics`, and from what is subscribed to. */
  async createPushConsumer<const Topics extends TopicList, const Names extends string = never>(
    options: TypedPushConsumerOptions<Topics, Names>,
  ): Promise<PushConsumer>
  /**
   * Starts a consumer that calls a listener for each message. As long as it is open it keeps the process running, unless
   * `keepAlive` is false.
   *
   * Rejects with `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED` for wrong options, `NO_PERMISSION` when the group does not
   * permit broadcasting, `ABORTED` when the signal has fired already, `CLOSED` when the instance is closed or closing, and
   * with the store's failures, since the first consumer of a group stores the group.
   */
  async createPushConsumer(options: PushConsumerOptions): Promise<PushConsumer>
  async createPushConsumer(options: object): Promise<PushConsumer> {
    return this.startPushConsumer(options as PushConsumerOptions)
  }

  /** As below, for typed topics: the types of the messages follow from `topics`, and from what is subscribed to. */
  async createLitePullConsumer<const Topics extends TopicList, const Names extends string = never>(
    options: TypedLitePullConsumerOptions<Topics, Names>,
  ): Promise<LitePullConsumer<ConsumedMessage<Topics, Names>>>
  /**
   * Starts a consumer that the application polls. As long as it is open it keeps the process running, unless `keepAlive` is
   * false.
   *
   * Rejects with `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED` for wrong options, `ABORTED` when the signal has fired
   * already, `CLOSED` when the instance is closed or closing, and with the store's failures, since the first consumer of a
   * group stores the group.
   */
  async createLitePullConsumer(options: LitePullConsumerOptions): Promise<LitePullConsumer>
  async createLitePullConsumer(options: object): Promise<LitePullConsumer> {
    return this.startLitePullConsumer(options as LitePullConsumerOptions)
  }

  /** As below, for typed topics: the types of the messages follow from `topics`, and from what is subscribed to. */
  async createPullConsumer<const Topics extends TopicList>(
    options: TypedPullConsumerOptions<Topics>,
  ): Promise<PullConsumer<ConsumedMessage<Topics>>>
  /** Starts a consumer whose application names queue and offset for each pull. Rejects as `createLitePullConsumer` does. */
  async createPullConsumer(options: PullConsumerOptions): Promise<PullConsumer>
  async createPullConsumer(options: PullConsumerOptions): Promise<PullConsumer> {
    this.#checkOpen()
    return this.#adoptPuller(
      await this.#underOwnName(options, () => PullConsumer.start(this.#consumerHost, options)),
    )
  }

  /** As below, for typed topics: the types of the messages follow from `topics`, and from what is subscribed to. */
  async createSimpleConsumer<const Topics extends TopicList, const Names extends string = never>(
    options: TypedSimpleConsumerOptions<Topics, Names>,
  ): Promise<SimpleConsumer<ReceivedMessage & ConsumedMessage<Topics, Names>>>
  /**
   * Starts a consumer that receives when the application asks, and acknowledges each message for itself. As long as it is
   * open it keeps the process running, unless `keepAlive` is false. Rejects as `createLitePullConsumer` does.
   */
  async createSimpleConsumer(options: SimpleConsumerOptions): Promise<SimpleConsumer>
  async createSimpleConsumer(options: object): Promise<SimpleConsumer> {
    this.#checkOpen()
    const given = options as SimpleConsumerOptions
    return this.#adoptPuller(
      await this.#underOwnName(given, () => SimpleConsumer.start(this.#consumerHost, given)),
    )
  }

  /**
   * Sends at once what waits in batches of your database that were written, also what failed before and rests; resolves when all of it
   * is stored. Nobody has to call it, as written batches are noticed.
   *
   * Rejects with the failure of what still cannot be sent, which stays: the message names the rows. Rejects with `INVALID_PARAMETER`
   * without `database`, and with `CLOSED`.
   */
  async drainOutbox(): Promise<void> {
    this.#checkOpen()
    const { boxes } = this.#opened
    if (boxes === undefined) throw invalidParameter('There is no outbox: PocketMQ.open(path, { database }).')
    await boxes.outbox.drain()
  }

  /**
   * Closes everything: takes no new clients, lets running listeners finish while their producers still work, closes the
   * producers, writes and flushes what was sent, and gives the directory back. Calling it again answers the same.
   * A listener must not wait for it, since it waits for the listener.
   */
  close(): Promise<CloseReport> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What `createPushConsumer` does, whatever the types of its messages. */
  protected async startPushConsumer(options: PushConsumerOptions): Promise<PushConsumer> {
    this.#checkOpen()
    const closeTimeoutMs = options?.closeTimeoutMs ?? this.#options.closeTimeoutMs
    const consumer = await this.#underOwnName(options, () =>
      PushConsumer.start(this.#consumerHost, { ...options, closeTimeoutMs }),
    )
    this.#consumers.add(consumer)
    this.#keepAlive.hold(consumer)
    await this.#closeIfLate(consumer)
    return consumer
  }

  /** What `createLitePullConsumer` does, whatever the types of its messages. */
  protected async startLitePullConsumer(options: LitePullConsumerOptions): Promise<LitePullConsumer> {
    this.#checkOpen()
    return this.#adoptPuller(
      await this.#underOwnName(options, () => LitePullConsumer.start(this.#consumerHost, options)),
    )
  }

  /** A name for a client that has none of its own: a consumer of this group, or a producer. */
  protected nextClientId(_group?: string): string {
    return this.#clientIds()
  }

  /** A lite pull consumer handed messages to the application. */
  protected onPolled(_polled: PolledMessages): void {}

  async #close(): Promise<CloseReport> {
    try {
      const [reports] = await Promise.all([
        Promise.all([...this.#consumers].map((consumer) => consumer.close())),
        Promise.all([...this.#pullers].map((puller) => puller.close())),
      ])
      await Promise.all([...this.#producers].map((producer) => producer.close()))
      await this.#writeTraces()
      return {
        drained: reports.every(({ drained }) => drained),
        unfinishedCount: reports.reduce((sum, { unfinishedCount }) => sum + unfinishedCount, 0),
      }
    } finally {
      this.#isEngineClosed = true
      await this.#opened.close()
    }
  }

  /** Two members of one name would be one to the group: both would get every message, and one's end would end both. Producers have groups of their own. */
  async #underOwnName<Client>(
    options: { readonly group: string; readonly clientId?: string | undefined },
    start: () => Promise<Client>,
    others?: ReadonlySet<Producer>,
  ): Promise<Client> {
    const { group, clientId: given } = options ?? {}
    // What is no name at all is refused when the options are parsed, which also trims it.
    if (typeof group !== 'string' || typeof given !== 'string') return start()
    const clientId = given.trim()
    const name = `${others === undefined ? '' : 'producer '}${group}@${clientId}`
    const members = others === undefined ? [...this.#consumers, ...this.#pullers] : [...others]
    const isTaken = members.some((each) => each.group === group && each.clientId === clientId)
    if (isTaken || this.#starting.has(name)) {
      throw invalidParameter(
        `The group '${group}' already has a member '${clientId}'; leave clientId out to get one of your own.`,
      )
    }
    this.#starting.add(name)
    try {
      return await start()
    } finally {
      this.#starting.delete(name)
    }
  }

  /** Tells the application. What a listener throws must not reach the part that has something to tell. */
  #announce<N extends keyof MQEvents>(name: N, event: Parameters<MQEvents[N]>[0]): void {
    this.#context.run(() => this.#tell(name, event))
  }

  #tell<N extends keyof MQEvents>(name: N, event: Parameters<MQEvents[N]>[0]): void {
    publishEvent(name, event)
    try {
      Reflect.apply(this.emit, this, [name, event])
    } catch (error) {
      this.#options.store.logger.error(`A listener of '${name}' threw.`, error)
      if (name === 'error') return
      this.#tell('error', MQError.from(error))
    }
  }

  /** What was sent and is not stored yet is traced too. */
  async #writeTraces(): Promise<void> {
    if (this.#recorder === undefined) return
    await this.#tracer.sendsEnded()
    await this.#recorder.flush()
  }

  #startRecorder(ids: MessageIdGenerator): TraceRecorder {
    const recorder = new TraceRecorder(this.#opened.engine, ids)
    this.#tracer.observe(recorder)
    return recorder
  }

  async #adoptPuller<Consumer extends Puller>(consumer: Consumer): Promise<Consumer> {
    this.#pullers.add(consumer)
    this.#keepAlive.hold(consumer)
    await this.#closeIfLate(consumer)
    return consumer
  }

  #forget(client: object): void {
    this.#keepAlive.release(client)
    if (client instanceof Producer) this.#producers.delete(client)
    else if (client instanceof PushConsumer) this.#consumers.delete(client)
    else this.#pullers.delete(client as Puller)
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closed()
  }

  /** Listeners that finish while the instance closes may still look and operate. */
  #checkEngineOpen(): void {
    if (this.#isEngineClosed) throw closed()
  }

  /** The instance was closed while the client started. */
  async #closeIfLate(client: { close(): Promise<unknown> }): Promise<void> {
    if (this.#closing === undefined) return
    await client.close()
    throw closed()
  }
}

function closed(): MQError {
  return new MQError('CLOSED', 'The instance is closed; open it again.')
}

/** Names like RocketMQ's `ip@pid#nanoTime`, in the order in which the clients are made. */
function clientIdSource(seed: number): () => string {
  const instance = Math.floor(seed * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
  let count = 0
  return () => `${process.pid}@${instance}#${String(++count).padStart(6, '0')}`
}
