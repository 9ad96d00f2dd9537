/**
 * The public face of receiving by listener (RocketMQ `DefaultMQPushConsumer`). It puts the parts together: the rebalancer
 * decides which queues, a pull loop per queue fetches, the dispatcher runs the listener and sees to what fails.
 */
import type { ConsumerRegistration, Engine, EngineEvent } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { OwnContext } from '../model/own-context.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import { type MessageFilter, parseExpression, type SubscriptionExpression } from '../model/subscription.ts'
import { checkTopicName } from '../model/topic.ts'
import { ConsumeCounts, type ConsumeCountValues } from './consume-counts.ts'
import { checkQueue } from './consumer-arguments.ts'
import type { ConsumerHost } from './consumer-host.ts'
import { createDispatcher } from './create-dispatcher.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { ConsumerInspection } from './inspection.ts'
import { PriorityTopics } from './priority-topics.ts'
import { PullLoop } from './pull-loop.ts'
import {
  type CompletePushConsumerOptions,
  checkNotOwnRetryTopic,
  type PushConsumerOptions,
  parsePushConsumerOptions,
} from './push-consumer-options.ts'
import { pushLoopHost } from './push-loop-host.ts'
import { Rebalancer } from './rebalancer.ts'
import { SubscriptionChanges } from './subscription-changes.ts'

/** What was left when a consumer, or an instance with all its consumers, closed. */
export interface CloseReport {
  /** Whether every listener that had started settled in time. */
  readonly drained: boolean
  /** Messages whose listeners had started and did not settle; they will be delivered again. */
  readonly unfinishedCount: number
}

/** What a consumer does and has done since it was started. */
export interface PushConsumerStats extends ConsumeCountValues {
  /** Queues that this member consumes, those of the retry topic included. */
  readonly queues: readonly MessageQueue[]
  /** Calls of the listener that have not settled. */
  readonly runningCount: number
  /** Messages that are fetched and not finished. */
  readonly unfinishedCount: number
}

/**
 * Calls a listener for each message. Made by `mq.createPushConsumer`, started when you get it, ended by `close()` or
 * `await using`. Delivery is at least once: a message is done when the listener says so, and comes again otherwise.
 *
 * @example
 * ```ts
 * import { ConsumeResult, PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const consumer = await mq.createPushConsumer({
 *   group: 'billing',
 *   subscriptions: { orders: 'paid || refunded' },
 *   listener: async (message, context) => {
 *     console.log(message.text(), context.deliveryAttempt)
 *     return ConsumeResult.SUCCESS
 *   },
 * })
 * await consumer.close()
 * ```
 */
export class PushConsumer {
  /** The group that it is a member of. */
  readonly group: string
  /** The name of this one member, unique in its group. */
  readonly clientId: string
  readonly #host: ConsumerHost
  readonly #engine: Engine
  readonly #options: CompletePushConsumerOptions
  readonly #context = new OwnContext()
  readonly #counts = new ConsumeCounts()
  readonly #priorityTopics = new PriorityTopics()
  readonly #dispatcher: Dispatcher
  readonly #rebalancer: Rebalancer<PullLoop>
  readonly #unwatch: () => void

  readonly #subscriptions: SubscriptionChanges
  #hasJoined = false
  #closing: Promise<CloseReport> | undefined
  #abandonedCount = 0

  private constructor(host: ConsumerHost, options: CompletePushConsumerOptions) {
    this.group = options.group
    this.clientId = options.clientId ?? host.nextClientId(options.group)
    this.#host = host
    this.#engine = host.engine
    this.#options = options
    this.#subscriptions = new SubscriptionChanges(options.subscriptions)
    const { engine, emit, inbox, tracing } = host
    const { clientId } = this
    const own = { clientId, counts: this.#counts, priorityTopics: this.#priorityTopics }
    const owner = { engine, ...own, emit, inbox, tracing, onError: this.#onError }
    this.#dispatcher = createDispatcher(options, owner)
    this.#rebalancer = this.#createRebalancer()
    this.#unwatch = host.engine.watch((event) => this.#onEngineEvent(event))
  }

  /** Joins the group and starts to consume; applications call `mq.createPushConsumer`. */
  static async start(host: ConsumerHost, options: PushConsumerOptions): Promise<PushConsumer> {
    const complete = parsePushConsumerOptions(options)
    const { signal } = complete
    if (signal?.aborted)
      throw new MQError('ABORTED', 'The signal has fired already.', { cause: signal.reason })
    const consumer = new PushConsumer(host, complete)
    await consumer.#start()
    listen(signal, consumer.#onAbort)
    if (signal?.aborted) void consumer.close()
    return consumer
  }

  /** What this consumer does now and has done so far. */
  get stats(): PushConsumerStats {
    const loops = [...this.#rebalancer.loops]
    return {
      queues: loops.map(({ queue }) => queue),
      runningCount: this.#dispatcher.runningCount,
      unfinishedCount: loops.reduce((sum, { unfinishedCount }) => sum + unfinishedCount, 0),
      ...this.#counts.snapshot(),
    }
  }

  /**
   * What it does with a queue right now, down to single messages. For tests and diagnosis: what it answers may change with
   * every release, `stats` stays.
   */
  inspectQueue(queue: MessageQueue): ConsumerInspection {
    checkQueue(queue)
    const { concurrency, maxReconsumeTimes, allocateStrategy, mode } = this.#options
    const orderOf = this.#options.enableFifoConsumeAccelerator ? 'message group' : 'queue'
    const found = this.#rebalancer.find(queue)
    return {
      isPaused: this.#dispatcher.isPaused,
      runningCount: this.#dispatcher.runningCount,
      concurrency,
      maxReconsumeTimes,
      orderOf: mode === 'orderly' ? orderOf : undefined,
      allocateStrategy,
      heldUntilMs: this.#dispatcher.heldUntilMs,
      queue: found?.loop.inspect(),
      isLeaving: found?.isLeaving === true,
      redeliveryMs: (offset) => this.#dispatcher.redeliveryMs(queue, offset),
      blockerOf: (offset) => this.#dispatcher.blockerOf(queue, offset),
    }
  }

  /** Calls the listener for nothing more until `resume`; what runs goes on, and queues are kept (RocketMQ `suspend`). */
  pause(): void {
    this.#checkOpen()
    this.#dispatcher.pause()
  }

  /** Goes on after `pause`. */
  resume(): void {
    this.#checkOpen()
    this.#context.run(() => this.#dispatcher.resume())
    this.#wakeLoops()
  }

  /**
   * Subscribes to one more topic, or to a topic by another expression; messages that are fetched already stay. Resolves when
   * this consumer has begun with the queues of the topic. All members of a group must subscribe to the same, so
   * change them all. Rejects with `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED` for wrong arguments, and with `CLOSED`.
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * const consumer = await mq.createPushConsumer({
   *   group: 'billing',
   *   subscriptions: { orders: '*' },
   *   listener: (message) => console.log(message.text()),
   * })
   * await consumer.subscribe('refunds', 'approved')
   * await consumer.unsubscribe('orders')
   * ```
   */
  async subscribe(topic: string, expression: SubscriptionExpression): Promise<void> {
    this.#checkOpen()
    checkTopicName(topic)
    checkNotOwnRetryTopic(this.group, topic)
    this.#options.values?.checkKnown(topic)
    const filter = parseExpression(expression)
    await this.#resubscribe((filters) => filters.set(topic, filter))
  }

  /**
   * Consumes a topic no longer. Running listeners finish, and their offsets are stored; retries of its messages still come.
   * Does nothing when the topic is not subscribed to.
   */
  async unsubscribe(topic: string): Promise<void> {
    this.#checkOpen()
    checkTopicName(topic)
    checkNotOwnRetryTopic(this.group, topic)
    await this.#resubscribe((filters) => filters.delete(topic))
  }

  /**
   * Starts nothing more, waits for running listeners up to `closeTimeoutMs`, commits the offsets and leaves the group.
   * Listeners that are not done by then have their signals fired, and their messages are delivered again to the group.
   * A listener must not wait for it, since it waits for the listener.
   */
  close(): Promise<CloseReport> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #start(): Promise<void> {
    try {
      await this.#engine.registerConsumer(this.#registration())
    } catch (error) {
      this.#unwatch()
      throw error
    }
    this.#hasJoined = true
    await this.#rebalance()
  }

  /** Takes and gives back queues; resolves when it is known where each is consumed from. */
  async #rebalance(): Promise<void> {
    await this.#rebalancer.trigger()
    await Promise.all([...this.#rebalancer.loops].map(({ positioned }) => positioned))
  }

  #registration(): ConsumerRegistration {
    const { messageModel, mode, allocateStrategy, clientId } = this.#options
    return {
      group: this.group,
      clientId: this.clientId,
      messageModel,
      consumeType: 'push',
      mode,
      allocateStrategy: allocateStrategy.name,
      isNamed: clientId !== undefined,
      subscriptions: this.#subscriptions.current,
    }
  }

  async #resubscribe(change: (filters: Map<string, MessageFilter>) => unknown): Promise<void> {
    await this.#subscriptions.change(change, {
      check: () => this.#checkOpen(),
      apply: () => this.#engine.registerConsumer(this.#registration()),
    })
    await this.#rebalance()
  }

  async #close(): Promise<CloseReport> {
    unlisten(this.#options.signal, this.#onAbort)
    const timer = this.#engine.clock.setTimer(this.#options.closeTimeoutMs, () => this.#abandon())
    await this.#rebalancer.close()
    // A registration that is under way must not come after the farewell.
    await this.#subscriptions.settled
    timer.cancel()
    this.#dispatcher.abandonAll(new MQError('CLOSED', `The consumer of '${this.group}' is closed.`))
    this.#unwatch()
    try {
      await this.#engine.unregisterConsumer(this.group, this.clientId)
    } catch (error) {
      this.#onError(MQError.from(error))
    }
    this.#host.onClosed(this)
    return { drained: this.#abandonedCount === 0, unfinishedCount: this.#abandonedCount }
  }

  /** Running listeners had their time. */
  #abandon(): void {
    const text = `The consumer of '${this.group}' closed although listeners had not settled in ${this.#options.closeTimeoutMs} ms.`
    this.#dispatcher.abandonAll(new MQError('CLOSED', text))
    this.#abandonedCount = this.#rebalancer.giveUp()
    this.#host.emit('warning', { code: 'CLOSE_TIMEOUT', message: text })
  }

  readonly #onAbort = (): void => {
    void this.close()
  }

  #onEngineEvent(event: EngineEvent): void {
    // Whoever consumed before it has joined would commit offsets that nobody keeps.
    if (!this.#hasJoined) return
    switch (event.type) {
      case 'route-changed':
        if (this.#subscriptions.current.has(event.topic)) void this.#rebalancer.trigger()
        return
      case 'consumer-ids-changed':
        if (event.group === this.group) void this.#rebalancer.trigger()
        return
      case 'queue-unlocked':
        if (event.group === this.group) this.#rebalancer.onUnlocked(event.queue)
        return
      case 'offset-reset':
        if (event.group === this.group) this.#rebalancer.restart(event.topic)
    }
  }

  readonly #onError = (error: MQError): void => {
    this.#engine.logger.warn(`The consumer of '${this.group}': ${error.message}`, error)
    this.#host.emit('error', error)
  }

  #createRebalancer(): Rebalancer<PullLoop> {
    const { group, allocateStrategy, messageModel } = this.#options
    const { pullThresholdForTopic, pullThresholdSizeForTopicBytes } = this.#options
    const hasShares = (pullThresholdForTopic ?? pullThresholdSizeForTopicBytes) !== undefined
    const current = (): ReadonlyMap<string, MessageFilter> => this.#subscriptions.current
    const shared = { engine: this.#engine, group, clientId: this.clientId, onError: this.#onError }
    const loopHost = pushLoopHost(this.#options, {
      ...shared,
      counts: this.#counts,
      dispatcher: this.#dispatcher,
      emit: this.#host.emit,
      inbox: this.#host.inbox,
      queueCount: () => this.#rebalancer.queueCount,
    })
    return new Rebalancer({
      ...shared,
      emit: this.#host.emit,
      allocateStrategy,
      sharesQueues: messageModel === 'clustering',
      get subscriptions() {
        return current()
      },
      onRoute: this.#priorityTopics.note,
      createLoop: (queue, filter, isNewQueue) => new PullLoop(loopHost, queue, filter, isNewQueue),
      onChanged: () => {
        // Each queue may have a larger share now.
        if (hasShares) this.#wakeLoops()
      },
    })
  }

  #wakeLoops(): void {
    for (const loop of this.#rebalancer.loops) loop.wake()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MQError('CLOSED', `The consumer of '${this.group}' is closed.`)
  }
}
