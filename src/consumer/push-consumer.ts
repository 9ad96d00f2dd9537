/**
 * The public face of receiving by listener (RocketMQ `DefaultMQPushConsumer`). It puts the parts together: the rebalancer
 * decides which queues, a pull loop per queue fetches, the dispatcher runs the listener, the send-back takes failures.
 */
import type { ConsumerRegistration, Engine, EngineEvent } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { ConcurrentDispatcher } from './dispatcher-concurrent.ts'
import type { ConsumerInspection } from './inspection.ts'
import { PullLoop } from './pull-loop.ts'
import {
  type CompletePushConsumerOptions,
  type PushConsumerOptions,
  parsePushConsumerOptions,
} from './push-consumer-options.ts'
import { Rebalancer } from './rebalancer.ts'
import { SendBack } from './send-back.ts'

/** Before the consumer was made: the default start for `consumeFromWhere: 'TIMESTAMP'` (RocketMQ). */
const DEFAULT_CONSUME_AGE_MS = 30 * 60_000

/** What an instance lends to its consumers. */
export interface ConsumerHost {
  readonly engine: Engine
  readonly emit: EmitEvent
  /** A name that no other client has. */
  nextClientId(): string
  /** The consumer has closed. */
  onClosed(consumer: PushConsumer): void
}

/** What was left when a consumer, or an instance with all its consumers, closed. */
export interface CloseReport {
  /** Whether every listener that had started settled in time. */
  readonly drained: boolean
  /** Messages whose listeners had started and did not settle; they will be delivered again. */
  readonly unfinishedCount: number
}

/** What a consumer does and has done since it was started. */
export interface PushConsumerStats {
  /** Queues that this member consumes, those of the retry topic included. */
  readonly queues: readonly MessageQueue[]
  /** Calls of the listener that have not settled. */
  readonly runningCount: number
  /** Messages that are fetched and not finished. */
  readonly unfinishedCount: number
  /** Messages consumed. */
  readonly succeededCount: number
  /** Messages that failed and were sent back. */
  readonly failedCount: number
  /** Messages whose listener took longer than `consumeTimeoutMs`. */
  readonly timedOutCount: number
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
  readonly #sendBack: SendBack
  readonly #dispatcher: ConcurrentDispatcher
  readonly #rebalancer: Rebalancer
  readonly #unwatch: () => void

  #closing: Promise<CloseReport> | undefined
  #abandonedCount = 0

  private constructor(host: ConsumerHost, options: CompletePushConsumerOptions) {
    this.group = options.group
    this.clientId = options.clientId ?? host.nextClientId()
    this.#host = host
    this.#engine = host.engine
    this.#options = options
    const { clock } = host.engine
    const onError = (error: MQError): void => this.#onError(error)
    const shared = { ...options, engine: host.engine, clock, onError }
    this.#sendBack = new SendBack({ ...shared, redeliver: (due) => this.#dispatcher.redeliver(due) })
    this.#dispatcher = new ConcurrentDispatcher({
      ...shared,
      sendBack: (queue, sequence, level, reason) => void this.#sendBack.send(queue, sequence, level, reason),
      onWarning: (event) => host.emit('warning', event),
    })
    const loopHost = {
      ...shared,
      dispatcher: this.#dispatcher,
      startWish: {
        consumeFromWhere: options.consumeFromWhere,
        consumeTimestamp: options.consumeTimestamp ?? clock.now() - DEFAULT_CONSUME_AGE_MS,
      },
      limits: {
        maxCount: options.pullThresholdForQueue,
        maxBytes: options.pullThresholdSizeForQueueBytes,
        maxSpan: options.consumeConcurrentlyMaxSpan,
      },
    }
    this.#rebalancer = new Rebalancer({
      ...shared,
      clientId: this.clientId,
      createLoop: (queue, filter) => new PullLoop(loopHost, queue, filter),
    })
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
    signal?.addEventListener('abort', consumer.#onAbort, { once: true })
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
      ...this.#dispatcher.counts,
    }
  }

  /**
   * What it does with a queue right now, down to single messages. For tests and diagnosis: what it answers may change with
   * every release, `stats` stays.
   */
  inspect(queue: MessageQueue): ConsumerInspection {
    const { concurrency, maxReconsumeTimes, allocateStrategy } = this.#options
    const found = this.#rebalancer.find(queue)
    return {
      isPaused: this.#dispatcher.isPaused,
      runningCount: this.#dispatcher.runningCount,
      concurrency,
      maxReconsumeTimes,
      allocateStrategy,
      queue: found?.loop.inspect(),
      isLeaving: found?.isLeaving === true,
      redeliveryMs: (offset) => this.#sendBack.redeliveryMs(queue, offset),
    }
  }

  /** Calls the listener for nothing more until `resume`; what runs goes on, and queues are kept. */
  pause(): void {
    this.#checkOpen()
    this.#dispatcher.pause()
  }

  /** Goes on after `pause`. */
  resume(): void {
    this.#checkOpen()
    this.#dispatcher.resume()
    for (const loop of this.#rebalancer.loops) loop.wake()
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
    const registration: ConsumerRegistration = {
      group: this.group,
      clientId: this.clientId,
      messageModel: this.#options.messageModel,
      consumeType: 'push',
      subscriptions: this.#options.subscriptions,
    }
    try {
      await this.#engine.registerConsumer(registration)
    } catch (error) {
      this.#unwatch()
      throw error
    }
    await this.#rebalancer.trigger()
  }

  async #close(): Promise<CloseReport> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    const timer = this.#engine.clock.setTimer(this.#options.closeTimeoutMs, () => this.#abandon())
    await this.#rebalancer.close()
    timer.cancel()
    this.#dispatcher.abandonAll(new MQError('CLOSED', `The consumer of '${this.group}' is closed.`))
    this.#sendBack.stop()
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
    switch (event.type) {
      case 'route-changed':
        if (this.#options.subscriptions.has(event.topic)) void this.#rebalancer.trigger()
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

  #onError(error: MQError): void {
    this.#engine.logger.warn(`The consumer of '${this.group}': ${error.message}`, error)
    this.#host.emit('error', error)
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MQError('CLOSED', `The consumer of '${this.group}' is closed.`)
  }
}
