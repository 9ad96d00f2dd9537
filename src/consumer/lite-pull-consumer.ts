/**
 * The public face of receiving by polls (RocketMQ `DefaultLitePullConsumer`, semantics section 8.1). The assignment decides which
 * queues, a loop per queue fetches ahead, and polls take what is fetched, in the order in which they came.
 */
import type { EngineEvent } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { compareQueues, type MessageQueue, queueKey } from '../model/message-queue.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import { parseExpression, type SubscriptionExpression } from '../model/subscription.ts'
import { checkTopicName } from '../model/topic.ts'
import { Confirmations, finishAll } from './confirmations.ts'
import {
  aborted,
  checkNaturalNumber,
  checkOffsets,
  checkQueue,
  checkQueues,
  checkSeek,
} from './consumer-arguments.ts'
import type { ConsumerHost } from './consumer-host.ts'
import { startWishOf } from './consumer-options.ts'
import { LiteAssignment } from './lite-assignment.ts'
import {
  type CompleteLitePullConsumerOptions,
  type LitePullConsumerOptions,
  parseLitePullConsumerOptions,
} from './lite-pull-consumer-options.ts'
import { type Handout, LiteQueue, type LiteQueueHost } from './lite-queue.ts'
import { liteQueueHost } from './lite-queue-host.ts'
import { MessageLoop } from './message-loop.ts'
import { PollLine } from './poll-line.ts'
import {
  type MessagesOptions,
  type PollOptions,
  parseMessagesOptions,
  parsePollOptions,
} from './poll-options.ts'
import { findStart, type StartWish } from './start-offset.ts'
import { type QueuesChangedListener, TopicWatch } from './topic-watch.ts'
import { ValueReader } from './value-reader.ts'

/**
 * Messages when the application asks for them. Made by `mq.createLitePullConsumer`, started when you get it, ended by `close()`
 * or `await using`. Delivery is at least once: what was handed out counts as consumed when the application comes back, with
 * the next poll, the next round of its loop, or `commit`. There are no retries and no dead letters.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const consumer = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
 * for (const message of await consumer.poll({ timeoutMs: 1000 })) console.log(message.text())
 * await consumer.commit()
 * for await (const message of consumer.messages({ signal: AbortSignal.timeout(1000) })) {
 *   console.log(message.text())
 * }
 * await consumer.close()
 * ```
 */
export class LitePullConsumer<Received extends MessageView = MessageView>
  implements AsyncIterable<Received, undefined>
{
  /** The group under which its progress is kept. */
  readonly group: string
  /** The name of this one consumer, unique in its group. */
  readonly clientId: string
  readonly #host: ConsumerHost
  readonly #options: CompleteLitePullConsumerOptions
  readonly #startWish: StartWish
  readonly #assignment: LiteAssignment
  readonly #line: PollLine
  readonly #confirmations: Confirmations
  readonly #topicWatch: TopicWatch
  readonly #unwatch: () => void
  readonly #loops = new Set<MessageLoop>()
  readonly #reader: ValueReader
  #isClosing = false
  #closing: Promise<void> | undefined

  private constructor(host: ConsumerHost, options: CompleteLitePullConsumerOptions) {
    const { engine } = host
    this.group = options.group
    this.clientId = options.clientId ?? host.nextClientId(options.group)
    this.#host = host
    this.#options = options
    const offsetOwner = options.messageModel === 'broadcasting' ? this.clientId : undefined
    this.#startWish = { ...startWishOf(options, engine.clock), offsetOwner }
    this.#line = new PollLine(engine.clock)
    this.#reader = new ValueReader(options.values, engine.clock)
    const onError = (error: MQError): void => this.#onError(error)
    this.#topicWatch = new TopicWatch(engine, onError)
    const queueHost = this.#queueHost(onError)
    this.#assignment = new LiteAssignment({
      ...options,
      ...host,
      clientId: this.clientId,
      isNamed: options.clientId !== undefined,
      createQueue: (queue, filter, isNewQueue) => new LiteQueue(queueHost, queue, filter, isNewQueue),
      checkOpen: () => this.#checkOpen(),
      onError,
    })
    this.#confirmations = new Confirmations({
      ...options,
      clock: engine.clock,
      commitProgress: () => {
        for (const queue of this.#assignment.live) queue.commitProgress()
      },
    })
    this.#unwatch = engine.watch((event) => this.#onEngineEvent(event))
  }

  /** Joins the group and starts to fetch; applications call `mq.createLitePullConsumer`. */
  static async start<Received extends MessageView>(
    host: ConsumerHost,
    options: LitePullConsumerOptions,
  ): Promise<LitePullConsumer<Received>> {
    const complete = parseLitePullConsumerOptions(options)
    const { signal } = complete
    if (signal?.aborted) throw aborted(signal)
    const consumer = new LitePullConsumer<Received>(host, complete)
    try {
      await consumer.#assignment.start()
    } catch (error) {
      consumer.#unwatch()
      throw error
    }
    listen(signal, consumer.#onAbort)
    if (signal?.aborted) void consumer.close()
    return consumer
  }

  // ---- receiving ----

  /**
   * The messages of one pull from one queue, up to `pullBatchSize`; none when nothing came in time. What earlier polls returned
   * counts as consumed from now on, and is committed if `autoCommit` says so and the last time is `autoCommitIntervalMs` ago.
   *
   * Polls that run at a time are served in their order; then set `autoCommit` to false, since each confirms what the
   * others returned before. A poll that waits when the consumer closes answers nothing. Rejects with `INVALID_PARAMETER` for
   * a negative time, with `ABORTED` when its signal fires, and with `CLOSED`.
   */
  async poll(options: PollOptions = {}): Promise<readonly Received[]> {
    const { timeoutMs, signal } = parsePollOptions(options, this.#options.pollTimeoutMs)
    this.#checkOpen()
    if (signal?.aborted) throw aborted(signal)
    this.#confirmations.confirm()
    const handout = await this.#line.read({ maxCount: this.#options.pullBatchSize, timeoutMs, signal })
    if (handout === undefined && signal?.aborted) throw aborted(signal)
    if (handout === undefined) return []
    this.#confirmations.add(handout)
    return this.#reader.give(handout.messages)
  }

  /**
   * The messages one by one, for `for await`. A message counts as consumed when the loop comes back for the next one, and is
   * committed then if `autoCommit` says so; while its body is busy nothing more is fetched than the thresholds allow. The loop
   * ends when the consumer closes or the signal fires. A message that it left with `break` counts as one that a poll returned.
   */
  messages(options: MessagesOptions = {}): AsyncIterableIterator<Received, undefined> {
    const host = {
      line: this.#line,
      onBegun: (loop: MessageLoop): void => {
        this.#confirmations.confirm()
        this.#loops.add(loop)
      },
      finish: finishAll,
      reader: this.#reader,
      onEnded: (loop: MessageLoop, left: readonly Handout[]): void => {
        this.#loops.delete(loop)
        this.#confirmations.add(...left)
      },
    }
    return new MessageLoop<Received>(host, parseMessagesOptions(options).signal)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Received, undefined> {
    return this.messages()
  }

  // ---- queues ----

  /**
   * Subscribes to one more topic, or to a topic by another expression; messages that are fetched already stay. Resolves when
   * this consumer has begun with the queues of the topic. All members of a group must subscribe to the same, so change them
   * all. Rejects with `INVALID_PARAMETER`, also when the consumer assigns, with `SUBSCRIPTION_PARSE_FAILED`, and with `CLOSED`.
   */
  async subscribe(topic: string, expression: SubscriptionExpression): Promise<void> {
    this.#checkOpen()
    checkTopicName(topic)
    this.#options.values?.checkKnown(topic)
    await this.#assignment.subscribe(topic, parseExpression(expression))
  }

  /**
   * Consumes a topic no longer: what is fetched of it is dropped, and its queues are given away as soon as the application
   * comes back from what it took of them. Does nothing when the topic is not subscribed to.
   */
  async unsubscribe(topic: string): Promise<void> {
    this.#checkOpen()
    checkTopicName(topic)
    await this.#assignment.unsubscribe(topic)
  }

  /**
   * Consumes these queues, instead of those assigned before; a queue that does not exist yet as soon as it does. Nothing is shared
   * with others: who else assigns or subscribes to the same queues gets the same messages. Rejects with
   * `INVALID_PARAMETER` when there are no queues or the consumer subscribes to topics, and with `CLOSED`.
   */
  async assign(queues: readonly MessageQueue[]): Promise<void> {
    for (const { topic } of checkQueues(queues)) this.#options.values?.checkKnown(topic)
    this.#checkOpen()
    await this.#assignment.assign(queues)
  }

  /** The queues that it consumes now, sorted. */
  assignment(): readonly MessageQueue[] {
    return [...this.#assignment.held].map(({ queue }) => queue).sort(compareQueues)
  }

  /** Fetches these queues no more until `resume`; polls still return what was fetched. `INVALID_PARAMETER` if it has one of them not. */
  pause(queues: readonly MessageQueue[]): void {
    for (const queue of this.#ownQueues(queues)) queue.pause()
  }

  /** Fetches these queues again. */
  resume(queues: readonly MessageQueue[]): void {
    for (const queue of this.#ownQueues(queues)) queue.resume()
  }

  /** The queues of a topic that can be read, sorted; rejects with `TOPIC_NOT_EXIST`. */
  async fetchMessageQueues(topic: string): Promise<readonly MessageQueue[]> {
    checkTopicName(topic)
    this.#checkOpen()
    return (await this.#host.engine.queryRoute(topic)).readQueues.toSorted(compareQueues)
  }

  /**
   * Calls the listener when the queues of a topic change, also when it is created or deleted, until the function that this
   * answers is called (RocketMQ `registerTopicMessageQueueChangeListener`). What the listener throws becomes an `error` event.
   */
  onQueuesChanged(topic: string, listener: QueuesChangedListener): () => void {
    checkTopicName(topic)
    if (typeof listener !== 'function') throw invalidParameter('The listener must be a function.')
    this.#checkOpen()
    return this.#topicWatch.add(topic, listener)
  }

  // ---- offsets ----

  /**
   * Commits, and resolves when that is stored. Without offsets: everything that was handed out so far, also by a loop that is
   * busy with it. With offsets, as a map or as pairs: where the group goes on in these queues, forward or back.
   * Rejects with `INVALID_PARAMETER` for a queue that it does not have or an offset beyond its end, and with `CLOSED`.
   */
  async commit(offsets?: Iterable<readonly [queue: MessageQueue, offset: number]>): Promise<void> {
    this.#checkOpen()
    const commits =
      offsets === undefined
        ? [...this.#assignment.live].map((queue) => queue.commit())
        : checkOffsets(offsets)
            .map(([queue, offset]) => [this.#ownQueue(queue), offset] as const)
            .map(([queue, offset]) => queue.commit(offset))
    const failed = (await Promise.allSettled(commits)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  /** The offset where the group goes on after a restart; `undefined` when it has committed none. */
  async committed(queue: MessageQueue): Promise<number | undefined> {
    checkQueue(queue)
    this.#checkOpen()
    return this.#host.engine.queryConsumerOffset(this.group, queue, this.#startWish.offsetOwner)
  }

  /** The offset of the next message that a poll returns from this queue. */
  async position(queue: MessageQueue): Promise<number> {
    const held = this.#ownQueue(queue)
    if (held.offset !== undefined) return held.offset
    const { engine } = this.#host
    const start = await findStart(engine, this.group, held.queue, this.#startWish)
    return held.offset ?? start.offset
  }

  /**
   * Goes on at this offset, forward or back; what was fetched of the queue is dropped. Nothing is committed by that, but the
   * next commit may go back. Rejects with `INVALID_PARAMETER` when the consumer does not have the queue, or when the offset is
   * not from its oldest message to its end.
   */
  async seek(queue: MessageQueue, offset: number): Promise<void> {
    checkNaturalNumber('offset', offset)
    const held = this.#ownQueue(queue)
    const { engine } = this.#host
    const [min, max] = await Promise.all([engine.minOffset(held.queue), engine.maxOffset(held.queue)])
    checkSeek(offset, min, max)
    // It may have changed hands meanwhile, or the consumer closed.
    this.#ownQueue(queue).seek(offset)
  }

  /** Goes on at the oldest message of the queue. */
  async seekToBegin(queue: MessageQueue): Promise<void> {
    const offset = await this.#host.engine.minOffset(this.#ownQueue(queue).queue)
    this.#ownQueue(queue).seek(offset)
  }

  /** Goes on behind the newest message of the queue. */
  async seekToEnd(queue: MessageQueue): Promise<void> {
    const offset = await this.#host.engine.maxOffset(this.#ownQueue(queue).queue)
    this.#ownQueue(queue).seek(offset)
  }

  /** Goes on at the first message stored at or after a time, in milliseconds since 1970. */
  async seekToTimestamp(queue: MessageQueue, timestamp: number): Promise<void> {
    checkNaturalNumber('timestamp', timestamp)
    const offset = await this.#host.engine.searchOffset(this.#ownQueue(queue).queue, timestamp)
    this.#ownQueue(queue).seek(offset)
  }

  /** The offset of the first message stored at or after a time, in milliseconds since 1970; the end of the queue if there is none. */
  async offsetForTimestamp(queue: MessageQueue, timestamp: number): Promise<number> {
    checkQueue(queue)
    checkNaturalNumber('timestamp', timestamp)
    this.#checkOpen()
    return this.#host.engine.searchOffset(queue, timestamp)
  }

  /**
   * Ends polls and loops that wait, commits what the application came back from, if `autoCommit` says so, and leaves the group.
   * It waits for no loop: what a body is busy with, and what the last poll returned, comes again unless `commit` was called.
   */
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
    this.#line.end()
    this.#reader.end()
    this.#topicWatch.close()
    await this.#assignment.close()
    this.#unwatch()
    this.#host.onClosed(this)
  }

  #queueHost(onError: (error: MQError) => void): LiteQueueHost {
    const { engine, emit } = this.#host
    return liteQueueHost(this.#options, {
      engine,
      emit,
      clientId: this.clientId,
      startWish: this.#startWish,
      isLooping: () => this.#loops.size > 0,
      isClosing: () => this.#isClosing,
      offer: (queue) => this.#line.offer(queue),
      onPolled: (polled) => this.#host.onPolled?.(polled),
      onEnded: (queue) => this.#assignment.onEnded(queue),
      onRoom: () => {
        for (const queue of this.#assignment.held) queue.wake()
      },
      onError,
    })
  }

  #ownQueues(queues: readonly MessageQueue[]): LiteQueue[] {
    return checkQueues(queues).map((queue) => this.#ownQueue(queue))
  }

  #ownQueue(queue: MessageQueue): LiteQueue {
    checkQueue(queue)
    this.#checkOpen()
    const held = this.#assignment.find(queue)
    if (held !== undefined) return held
    const reason = this.#assignment.isShared ? '; it may be changing hands' : ''
    throw invalidParameter(`The message queue is not in the assigned list: ${queueKey(queue)}${reason}.`)
  }

  readonly #onAbort = (): void => void this.close()

  #onEngineEvent(event: EngineEvent): void {
    if (event.type === 'closed') this.#line.end(event.error)
    this.#assignment.onEngineEvent(event)
    if (event.type === 'route-changed') this.#topicWatch.onRouteChanged(event.topic)
  }

  #onError(error: MQError): void {
    // The engine is gone, and with it everything that a poll could wait for.
    if (error.code === 'CLOSED') this.#line.end(error)
    this.#host.engine.logger.warn(`The consumer of '${this.group}': ${error.message}`, error)
    this.#host.emit('error', error)
  }

  #checkOpen(): void {
    if (this.#isClosing) throw new MQError('CLOSED', `The consumer of '${this.group}' is closed.`)
  }
}
