/**
 * The public face of receiving by single pulls (RocketMQ `DefaultMQPullConsumer`, semantics section 8.2): the application says
 * which queue, from which offset, and keeps the offsets.
 */
import { GIVE_UP_LEVEL } from '../model/delay-levels.ts'
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { PULL_MAX_COUNT } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import { compareQueues, type MessageQueue } from '../model/message-queue.ts'
import type { PullResult, SendBackResult } from '../model/results.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import { type MessageFilter, parseExpression, type SubscriptionExpression } from '../model/subscription.ts'
import { checkTopicName } from '../model/topic.ts'
import {
  checkKnown,
  checkNaturalNumber,
  checkPulledMessage,
  checkQueue,
  checkSignal,
} from './consumer-arguments.ts'
import type { ConsumerHost } from './consumer-host.ts'
import { PullCalls } from './pull-calls.ts'
import {
  type CompletePullConsumerOptions,
  type PullConsumerOptions,
  parsePullConsumerOptions,
} from './pull-consumer-options.ts'
import { QueueShare } from './queue-share.ts'
import { traceReceived } from './receipt-trace.ts'
import { ValueReader } from './value-reader.ts'

/** How one pull waits. */
export interface PullOptions {
  /**
   * For `pull`: how long it may take, in milliseconds, by default `consumerPullTimeoutMs`. For `pullBlockIfNotFound`: how long it
   * waits for a message, by default `suspendMs`.
   */
  readonly timeoutMs?: number | undefined
  /** Ends the pull, which then rejects with `ABORTED`. */
  readonly signal?: AbortSignal | undefined
}

/** How a message is sent back. */
export interface SendMessageBackOptions {
  /**
   * When to deliver it again: 0, the default, by the number of earlier retries; 1 to 18 that delay level, and a higher one
   * counts as the last, as in RocketMQ; -1 makes it a dead letter at once.
   */
  readonly delayLevel?: number | undefined
  /** Why, for the events and the dead letter. */
  readonly reason?: string | undefined
}

const DEFAULT_REASON = 'A pull consumer sent it back.'

/**
 * Messages from the queue and the offset that the application names. Made by `mq.createPullConsumer`, ended by `close()` or
 * `await using`.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory', topics: [{ topic: 'orders' }] })
 * const consumer = await mq.createPullConsumer({ group: 'billing' })
 * for (const queue of await consumer.fetchSubscribeMessageQueues('orders')) {
 *   const offset = (await consumer.fetchConsumeOffset(queue)) ?? 0
 *   const { status, messages, nextBeginOffset } = await consumer.pull(queue, 'paid', offset, 32)
 *   if (status === 'FOUND') for (const message of messages) console.log(message.text())
 *   await consumer.updateConsumeOffset(queue, nextBeginOffset)
 * }
 * await consumer.close()
 * ```
 */
export class PullConsumer<Received extends MessageView = MessageView> {
  /** The group under which offsets are kept. */
  readonly group: string
  /** The name of this one consumer, unique in its group. */
  readonly clientId: string
  readonly #host: ConsumerHost
  readonly #engine: Engine
  readonly #options: CompletePullConsumerOptions
  readonly #calls: PullCalls
  readonly #reader: ValueReader
  readonly #share: QueueShare
  readonly #unwatch: () => void

  /** The last expression: who pulls pulls with the same one again and again. */
  #expression: SubscriptionExpression | undefined
  #filter: MessageFilter | undefined
  #isClosing = false
  #closing: Promise<void> | undefined

  private constructor(host: ConsumerHost, options: CompletePullConsumerOptions) {
    const { engine } = host
    this.group = options.group
    this.clientId = options.clientId ?? host.nextClientId(options.group)
    this.#host = host
    this.#engine = engine
    this.#options = options
    this.#calls = new PullCalls({ engine, group: this.group })
    this.#reader = new ValueReader(options.values, engine.clock)
    this.#share = new QueueShare({
      engine,
      group: this.group,
      clientId: this.clientId,
      allocateStrategy: options.allocateStrategy,
      emit: host.emit,
      onError: (error) => this.#onError(error),
    })
    this.#unwatch = engine.watch((event) => this.#share.onEngineEvent(event))
  }

  /** Makes the group if there is none; applications call `mq.createPullConsumer`. */
  static async start<Received extends MessageView>(
    host: ConsumerHost,
    options: PullConsumerOptions,
  ): Promise<PullConsumer<Received>> {
    const complete = parsePullConsumerOptions(options)
    const { signal } = complete
    if (signal?.aborted)
      throw new MQError('ABORTED', 'The signal has fired already.', { cause: signal.reason })
    await host.engine.ensureGroup(complete.group)
    const consumer = new PullConsumer<Received>(host, complete)
    listen(signal, consumer.#onAbort)
    if (signal?.aborted) void consumer.close()
    return consumer
  }

  // ---- pulling ----

  /**
   * Up to `maxCount` messages from `offset` on, at most 1024 and as many as 256 KiB hold; answers at once.
   *
   * `FOUND`: some passed the expression. `NO_NEW_MSG`: the offset is the end of the queue. `NO_MATCHED_MSG`: there are
   * messages, but none of those looked at passed. `OFFSET_ILLEGAL`: the offset is before the oldest message or behind the end.
   * In every case the next pull goes on at `nextBeginOffset`. Nothing is committed by it.
   *
   * Rejects with `INVALID_PARAMETER` for an offset below 0, a count below 1 or an unknown queue, `SUBSCRIPTION_PARSE_FAILED`,
   * `TOPIC_NOT_EXIST`, `NO_PERMISSION`, `PULL_TIMEOUT` when the disk took longer than `timeoutMs`, `ABORTED` and `CLOSED`.
   */
  async pull(
    queue: MessageQueue,
    expression: SubscriptionExpression,
    offset: number,
    maxCount: number,
    options: PullOptions = {},
  ): Promise<PullResult<Received>> {
    const { timeoutMs = this.#options.consumerPullTimeoutMs, signal } = checkPullOptions(options, 1)
    const request = this.#request(queue, expression, offset, maxCount)
    return this.#traced(await this.#calls.run({ ...request, suspendMs: 0 }, timeoutMs, signal, this.#give))
  }

  /** As `pull`, but when there is nothing new it waits up to `timeoutMs` for something, and answers `NO_NEW_MSG` then. */
  async pullBlockIfNotFound(
    queue: MessageQueue,
    expression: SubscriptionExpression,
    offset: number,
    maxCount: number,
    options: PullOptions = {},
  ): Promise<PullResult<Received>> {
    const { timeoutMs: suspendMs = this.#options.suspendMs, signal } = checkPullOptions(options, 0)
    const request = this.#request(queue, expression, offset, maxCount)
    const limitMs = suspendMs + this.#options.consumerPullTimeoutMs
    return this.#traced(await this.#calls.run({ ...request, suspendMs }, limitMs, signal, this.#give))
  }

  /** Gives a message that could not be consumed to the retries of the group, as a push consumer does with a failed one. */
  async sendMessageBack(message: MessageView, options: SendMessageBackOptions = {}): Promise<SendBackResult> {
    const { delayLevel = 0, reason = DEFAULT_REASON } = checkKnown(options, 'delayLevel', 'reason')
    checkPulledMessage(message)
    if (!Number.isInteger(delayLevel) || delayLevel < GIVE_UP_LEVEL)
      throw invalidParameter(`The delayLevel must be -1, 0 or a delay level, not ${String(delayLevel)}.`)
    if (typeof reason !== 'string') throw invalidParameter('The reason must be a string.')
    this.#checkOpen()
    const { group, maxReconsumeTimes } = this.#options
    return this.#engine.sendMessageBack({ group, message, delayLevel, maxReconsumeTimes, reason })
  }

  // ---- queues ----

  /** The queues of a topic that can be read, sorted; rejects with `TOPIC_NOT_EXIST`. */
  async fetchSubscribeMessageQueues(topic: string): Promise<readonly MessageQueue[]> {
    checkTopicName(topic)
    this.#checkOpen()
    return (await this.#engine.queryRoute(topic)).readQueues.toSorted(compareQueues)
  }

  /**
   * The queues of a topic that fall to this consumer as a member of its group, sorted; the first call for a topic makes it a
   * member. A queue appears when the member that had it is done with it; ask again before each round of pulls, since queues
   * change hands when members come and go.
   */
  async fetchMessageQueuesInBalance(topic: string): Promise<readonly MessageQueue[]> {
    checkTopicName(topic)
    this.#checkOpen()
    const queues = await this.#share.of(topic)
    this.#checkOpen()
    return queues
  }

  // ---- offsets ----

  /** Stores where the group goes on in a queue, forward or back. Rejects with `INVALID_PARAMETER` for an offset beyond its end. */
  async updateConsumeOffset(queue: MessageQueue, offset: number): Promise<void> {
    checkQueue(queue)
    checkNaturalNumber('offset', offset)
    this.#checkOpen()
    await this.#engine.updateConsumerOffset(this.group, queue, offset, true)
  }

  /** Where the group goes on in a queue; `undefined` when it has no offset stored. */
  async fetchConsumeOffset(queue: MessageQueue): Promise<number | undefined> {
    checkQueue(queue)
    this.#checkOpen()
    return this.#engine.queryConsumerOffset(this.group, queue)
  }

  /** The offset of the oldest message of a queue. */
  async minOffset(queue: MessageQueue): Promise<number> {
    checkQueue(queue)
    this.#checkOpen()
    return this.#engine.minOffset(queue)
  }

  /** The offset that the next message of a queue will get. */
  async maxOffset(queue: MessageQueue): Promise<number> {
    checkQueue(queue)
    this.#checkOpen()
    return this.#engine.maxOffset(queue)
  }

  /** The offset of the first message stored at or after a time, in milliseconds since 1970; the end of the queue if there is none. */
  async searchOffset(queue: MessageQueue, timestamp: number): Promise<number> {
    checkQueue(queue)
    checkNaturalNumber('timestamp', timestamp)
    this.#checkOpen()
    return this.#engine.searchOffset(queue, timestamp)
  }

  /** When the oldest message of a queue was stored, in milliseconds since 1970; `undefined` when the queue is empty. */
  async earliestMsgStoreTime(queue: MessageQueue): Promise<number | undefined> {
    for (;;) {
      const minOffset = await this.minOffset(queue)
      if (minOffset === (await this.maxOffset(queue))) return undefined
      const message = await this.#viewIfThere(queue, minOffset)
      if (message !== undefined) return message.storeTimestamp
    }
  }

  // ---- end ----

  /** Rejects pulls that wait with `CLOSED`, and leaves the group if it is a member. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#isClosing = true
    unlisten(this.#options.signal, this.#onAbort)
    this.#calls.cutAll(this.#closed())
    await this.#share.close()
    this.#unwatch()
    this.#host.onClosed(this)
  }

  #request(queue: MessageQueue, expression: SubscriptionExpression, offset: number, maxCount: number) {
    checkQueue(queue)
    this.#options.values?.checkKnown(queue.topic)
    checkNaturalNumber('offset', offset)
    if (!Number.isSafeInteger(maxCount) || maxCount < 1)
      throw invalidParameter(`The maxCount must be a whole number from 1 on, not ${String(maxCount)}.`)
    this.#checkOpen()
    return { queue, offset, filter: this.#filterOf(expression), maxCount: Math.min(maxCount, PULL_MAX_COUNT) }
  }

  /** As the type of the consumer says: with values, if it has typed topics. */
  readonly #give = async (result: PullResult): Promise<PullResult<Received>> => {
    return { ...result, messages: await this.#reader.give<Received>(result.messages) }
  }

  #traced(result: PullResult<Received>): PullResult<Received> {
    traceReceived(this.#host, this, result.messages)
    return result
  }

  #filterOf(expression: SubscriptionExpression): MessageFilter {
    if (this.#filter === undefined || expression !== this.#expression) {
      this.#filter = parseExpression(expression)
      this.#expression = expression
    }
    return this.#filter
  }

  /** Retention may be faster. */
  async #viewIfThere(queue: MessageQueue, offset: number): Promise<MessageView | undefined> {
    try {
      return await this.#engine.viewMessage(queue, offset)
    } catch (error) {
      if (error instanceof MQError && error.code === 'NO_MESSAGE') return undefined
      throw error
    }
  }

  readonly #onAbort = (): void => {
    void this.close()
  }

  #onError(error: MQError): void {
    this.#engine.logger.warn(`The consumer of '${this.group}': ${error.message}`, error)
    this.#host.emit('error', error)
  }

  #checkOpen(): void {
    if (this.#isClosing) throw this.#closed()
  }

  #closed(): MQError {
    return new MQError('CLOSED', `The consumer of '${this.group}' is closed.`)
  }
}

function checkPullOptions(options: PullOptions, shortestMs: number): PullOptions {
  const { timeoutMs, signal } = checkKnown(options, 'timeoutMs', 'signal')
  checkSignal(signal)
  if (timeoutMs === undefined || (Number.isSafeInteger(timeoutMs) && timeoutMs >= shortestMs)) return options
  throw invalidParameter(`timeoutMs must be a whole number from ${shortestMs} on, not ${String(timeoutMs)}.`)
}
