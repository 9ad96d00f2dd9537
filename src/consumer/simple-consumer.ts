/**
 * The public face of receiving and acknowledging single messages (RocketMQ 5 `SimpleConsumer`, semantics section 8.7). It keeps
 * nothing but its subscriptions: what is received, by whom and for how long, is the engine's affair.
 */
import type { PopRequest, PopVerbs, RefusedReceipt } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import { type MessageFilter, parseExpression, type SubscriptionExpression } from '../model/subscription.ts'
import { checkTopicName } from '../model/topic.ts'
import type { ConsumerHost } from './consumer-host.ts'
import { PendingCalls } from './pending-calls.ts'
import { traceReceived, traceSettled } from './receipt-trace.ts'
import { ReceivedMessage } from './received-message.ts'
import {
  type CompleteReceiveOptions,
  type CompleteSimpleConsumerOptions,
  checkInvisibleDuration,
  checkReceivable,
  type NackOptions,
  parseNackOptions,
  parseReceiveOptions,
  parseSimpleConsumerOptions,
  type ReceiveOptions,
  type SimpleConsumerOptions,
} from './simple-consumer-options.ts'
import { SubscriptionChanges } from './subscription-changes.ts'
import { ValueReader } from './value-reader.ts'

/**
 * Messages when the application asks for them, each acknowledged for itself. Made by `mq.createSimpleConsumer`, started when
 * you get it, ended by `close()` or `await using`. Members of a group own no queues: each gets what nobody else has.
 *
 * A received message is invisible to the others for a while. If it is not acknowledged by then, because it failed or its
 * receiver crashed, it is delivered again, up to 16 times (`retryMaxTimes` of the group), 17 in all, and then becomes a dead letter.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * await using consumer = await mq.createSimpleConsumer({ group: 'billing', subscriptions: { orders: '*' } })
 * for (const message of await consumer.receive({ maxMessages: 16, invisibleDurationMs: 30_000 })) {
 *   console.log(message.text(), message.deliveryAttempt)
 *   await consumer.ack(message)
 * }
 * ```
 */
export class SimpleConsumer<Received extends ReceivedMessage = ReceivedMessage> {
  /** The group that it is a member of. */
  readonly group: string
  /** The name of this one member, unique in its group. */
  readonly clientId: string
  readonly #host: ConsumerHost
  readonly #pop: PopVerbs
  readonly #options: CompleteSimpleConsumerOptions
  readonly #calls = new PendingCalls()
  readonly #reader: ValueReader
  readonly #subscriptions: SubscriptionChanges

  #receiveCount = 0
  #closing: Promise<void> | undefined

  private constructor(host: ConsumerHost, pop: PopVerbs, options: CompleteSimpleConsumerOptions) {
    this.group = options.group
    this.clientId = options.clientId ?? host.nextClientId(options.group)
    this.#host = host
    this.#pop = pop
    this.#options = options
    this.#subscriptions = new SubscriptionChanges(options.subscriptions)
    this.#reader = new ValueReader(options.values, host.engine.clock)
  }

  /** Joins the group; applications call `mq.createSimpleConsumer`. */
  static async start<Received extends ReceivedMessage>(
    host: ConsumerHost,
    options: SimpleConsumerOptions,
  ): Promise<SimpleConsumer<Received>> {
    const complete = parseSimpleConsumerOptions(options)
    const { signal } = complete
    if (signal?.aborted) throw aborted(signal)
    const { pop } = host.engine
    if (pop === undefined)
      throw new MQError('UNSUPPORTED', 'This engine offers no simple consumers; use a push consumer.')
    const consumer = new SimpleConsumer<Received>(host, pop, complete)
    await consumer.#register()
    listen(signal, consumer.#onAbort)
    if (signal?.aborted) void consumer.close()
    return consumer
  }

  /** What it receives: topic to expression. */
  get subscriptions(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#subscriptions.current].map(([topic, { expression }]) => [topic, expression]),
    )
  }

  /**
   * Receives messages of one topic, the topics taking turns; waits when there are none. Answers an empty list when none came
   * in time, or when the consumer was closed meanwhile. Any number of receives may run at a time.
   *
   * Rejects with `INVALID_PARAMETER` for options out of range, or when nothing is subscribed to, with `ABORTED` when the
   * signal fires first, and with `NO_PERMISSION`, `STORE_CORRUPTED`, `CLOSED` and the failures of the store: then nothing was
   * received.
   */
  async receive(options: ReceiveOptions = {}): Promise<readonly Received[]> {
    const complete = parseReceiveOptions(options, this.#options.awaitDurationMs)
    const { signal } = complete
    this.#checkOpen()
    if (signal?.aborted) throw aborted(signal)
    const request = this.#request(complete)
    const popped = await this.#calls.wait(signal, (ending) =>
      this.#pop.popMessage({ ...request, signal: ending }),
    )
    if (popped.length === 0 && signal?.aborted) throw aborted(signal)
    const received = await this.#reader.received(popped)
    traceReceived(this.#host, this, received)
    return received as readonly Received[]
  }

  /**
   * The group has consumed this message, or each of these; resolves when that is stored. Acknowledging twice changes nothing.
   *
   * Rejects with `INVALID_RECEIPT_HANDLE` when the time of a message was over or it was settled otherwise; it has no effect
   * on that message then, and others of the list are acknowledged all the same. Rejects with `TOPIC_NOT_EXIST` when the topic
   * was deleted, `INVALID_PARAMETER` for what `receive` did not answer, with `CLOSED`, and with the failures of the store.
   */
  async ack(messages: ReceivedMessage | readonly ReceivedMessage[]): Promise<void> {
    this.#checkOpen()
    const list: readonly ReceivedMessage[] = Array.isArray(messages) ? messages : [messages]
    const handles = list.map(ReceivedMessage.handleOf)
    const refused = await this.#calls.track(this.#pop.ackMessages(this.group, handles))
    this.#traceAck(list, handles, refused)
    const [first] = refused
    if (first === undefined) return
    if (handles.length === 1) throw first.error
    const text = `${refused.length} of ${handles.length} messages were not acknowledged; the others were. ${first.error.message}`
    throw new MQError(first.error.code, text, { cause: first.error })
  }

  /**
   * Keeps the message for so long from now, 0 to 12 hours, instead of for what is left of its time; with 0 it is delivered
   * again at once. Rejects as `ack` does.
   */
  async changeInvisibleDuration(message: ReceivedMessage, invisibleDurationMs: number): Promise<void> {
    this.#checkOpen()
    const handle = ReceivedMessage.handleOf(message)
    checkInvisibleDuration(invisibleDurationMs)
    const receipt = await this.#calls.track(
      this.#pop.changeInvisibleDuration(this.group, handle, invisibleDurationMs),
    )
    ReceivedMessage.renew(message, receipt)
  }

  /**
   * The message could not be consumed: it is delivered again after as long as the group's retry policy says, 10 seconds after
   * the first attempt up to 2 hours after the 16th. After the last attempt it becomes a dead letter at once. This delivery is
   * settled by that: `ack`, `nack` and `changeInvisibleDuration` refuse the message from then on. Rejects as `ack` does.
   */
  async nack(message: ReceivedMessage, options: NackOptions = {}): Promise<void> {
    this.#checkOpen()
    const handle = ReceivedMessage.handleOf(message)
    const { reason } = parseNackOptions(options)
    const receipt = await this.#calls.track(this.#pop.nackMessage(this.group, handle, reason))
    ReceivedMessage.release(message, receipt)
    traceSettled(this.#host, this, [message], { settlement: 'NACK', reason })
  }

  /** Receives from this topic too, or with another expression, from the next receive on. Rejects with `CLOSED`, among others. */
  async subscribe(topic: string, expression: SubscriptionExpression): Promise<void> {
    this.#checkOpen()
    checkTopicName(topic)
    checkReceivable(this.group, topic)
    this.#options.values?.checkKnown(topic)
    const filter = parseExpression(expression)
    await this.#resubscribe((filters) => filters.set(topic, filter))
  }

  /** Receives nothing of this topic from the next receive on; retries of its messages wait until somebody subscribes to it. */
  async unsubscribe(topic: string): Promise<void> {
    this.#checkOpen()
    checkTopicName(topic)
    await this.#resubscribe((filters) => filters.delete(topic))
  }

  /**
   * Ends receives that wait, with an empty list, lets acknowledgements under way end, and leaves the group. Messages that
   * were not acknowledged stay invisible until their time is over; another member of the group can still settle them.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #request({ maxMessages, invisibleDurationMs, awaitDurationMs }: CompleteReceiveOptions): PopRequest {
    const { group, clientId } = this
    const subscriptions = this.#inTurn()
    return { group, clientId, subscriptions, maxCount: maxMessages, invisibleDurationMs, awaitDurationMs }
  }

  /** The subscriptions, each receive beginning with the next one. */
  #inTurn(): ReadonlyMap<string, MessageFilter> {
    const filters = this.#subscriptions.current
    if (filters.size === 0)
      throw invalidParameter(`The consumer of '${this.group}' subscribes to nothing; subscribe first.`)
    const first = this.#receiveCount++ % filters.size
    if (first === 0) return filters
    const all = [...filters]
    return new Map([...all.slice(first), ...all.slice(0, first)])
  }

  #resubscribe(change: (filters: Map<string, MessageFilter>) => unknown): Promise<void> {
    const check = (): void => this.#checkOpen()
    return this.#subscriptions.change(change, { check, apply: () => this.#register() })
  }

  #register(): Promise<void> {
    return this.#host.engine.registerConsumer({
      group: this.group,
      clientId: this.clientId,
      messageModel: 'clustering',
      consumeType: 'pop',
      subscriptions: this.#subscriptions.current,
      consumeMessageOrderly: this.#options.consumeMessageOrderly,
    })
  }

  #traceAck(
    messages: readonly ReceivedMessage[],
    handles: readonly string[],
    refused: readonly RefusedReceipt[],
  ): void {
    const isRefused = new Set(refused.map(({ receiptHandle }) => receiptHandle))
    const acknowledged = messages.filter((_, i) => !isRefused.has(handles[i] ?? ''))
    traceSettled(this.#host, this, acknowledged, { settlement: 'ACK' })
  }

  async #close(): Promise<void> {
    unlisten(this.#options.signal, this.#onAbort)
    this.#reader.end()
    await this.#calls.end()
    await this.#subscriptions.settled
    try {
      await this.#host.engine.unregisterConsumer(this.group, this.clientId)
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
    }
    this.#host.onClosed(this)
  }

  readonly #onAbort = (): void => {
    void this.close()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new MQError('CLOSED', `The consumer of '${this.group}' is closed.`)
  }
}

function aborted(signal: AbortSignal): MQError {
  return new MQError('ABORTED', 'The signal fired before anything was received.', { cause: signal.reason })
}
