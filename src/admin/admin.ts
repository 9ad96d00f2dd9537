/** The public face of looking and operating (RocketMQ `MQAdmin`, `mqadmin`, semantics section 12). Reads change nothing. */
import { checkRecallHandle } from '../model/delay.ts'
import { delayVerbsOf } from '../model/delay-verbs.ts'
import type { CheckReport, Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageIdGenerator } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { isOffsetMessageId } from '../model/offset-message-id.ts'
import type { ConsumerProgress, DelayedMessage, QueueStatus, SendReceipt } from '../model/results.ts'
import { checkGroupName, checkTopicName, type GroupConfig, type TopicConfig } from '../model/topic.ts'
import type { TypedTopic } from '../model/typed-topic.ts'
import {
  type CloneOffsetOptions,
  checkMessageId,
  checkNaturalNumber,
  checkQueue,
  type DelayedRange,
  type GroupSettings,
  type OffsetRange,
  parseDelayedRange,
  parseGroupSettings,
  parseKeyRange,
  parseOffsetRange,
  parseSkipMessages,
  parseTimeRange,
  parseTopicSettings,
  type ResetOffsetOptions,
  type SkipMessagesOptions,
  type TimeRange,
  type TopicSettings,
} from './admin-arguments.ts'
import { cloneGroupOffset } from './clone-group-offset.ts'
import { type ResendReport, readDeadLetters, resend, resendAll, viewDeadLetter } from './dead-letters.ts'
import { readQueue, readTimes, readTopic } from './read-messages.ts'
import { type QueueOffset, resetOffset } from './reset-offset.ts'
import { type MessageTrace, traceMessage } from './trace-message.ts'
import { type TopicVerification, type VerifyTopicOptions, verifyTopic } from './verify-topic.ts'

/** What an instance lends to its admin. */
export interface AdminHost {
  readonly engine: Engine
  readonly ids: MessageIdGenerator
  /** Throws `CLOSED` once the engine is closed. */
  checkOpen(): void
  /** Resolves when everything that was traced is written. Absent where nothing is. */
  flushTraces?(): Promise<void>
}

/**
 * Queries and operations, at `mq.admin`. Every method rejects with `INVALID_PARAMETER` for wrong arguments,
 * `TOPIC_NOT_EXIST` or `SUBSCRIPTION_GROUP_NOT_EXIST` for unknown names, and `CLOSED` after `mq.close()`.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * await mq.admin.createTopic({ topic: 'orders', queues: 8 })
 * const { lag } = await mq.admin.consumerProgress('billing')
 * for (const letter of await mq.admin.deadLetters('billing')) {
 *   console.log(lag, letter.messageId, letter.properties.DLQ_REASON)
 *   await mq.admin.resendDeadLetter('billing', letter)
 * }
 * ```
 */
export class Admin {
  readonly #host: AdminHost

  constructor(host: AdminHost) {
    this.#host = host
  }

  get #engine(): Engine {
    this.#host.checkOpen()
    return this.#host.engine
  }

  // ---- topics and groups ----

  /** Creates a topic; does nothing if it exists with these settings, else rejects with `TOPIC_EXIST_ALREADY`. */
  async createTopic(settings: TopicSettings): Promise<void> {
    await this.#engine.createTopic(parseTopicSettings(settings))
  }

  /** Changes an existing topic; what is left out stays as it is. */
  async updateTopic(settings: TopicSettings): Promise<void> {
    const { topic } = parseTopicSettings(settings)
    const existing = (await this.#engine.queryTopics()).find((config) => config.topic === topic)
    if (existing === undefined)
      throw new MQError('TOPIC_NOT_EXIST', `The topic '${topic}' does not exist; create it first.`)
    await this.#engine.updateTopic(parseTopicSettings(settings, existing))
  }

  /** Deletes a topic with its messages and with the offsets of all groups for it. */
  async deleteTopic(topic: string): Promise<void> {
    checkTopicName(topic)
    await this.#engine.deleteTopic(topic)
  }

  /** The settings of all topics, retry and dead-letter topics included. */
  async topics(): Promise<readonly TopicConfig[]> {
    return this.#engine.queryTopics()
  }

  /** The offsets of each queue of a topic and when its last message was stored. */
  async topicStatus(topic: string): Promise<readonly QueueStatus[]> {
    checkTopicName(topic)
    return this.#engine.queryTopicStatus(topic)
  }

  /** Creates a group, or changes one; what is left out stays as it is. A group is also made by its first consumer. */
  async createGroup(settings: GroupSettings): Promise<void> {
    const { group } = parseGroupSettings(settings)
    const existing = (await this.#engine.queryGroups()).find((config) => config.group === group)
    await this.#engine.createGroup(parseGroupSettings(settings, existing))
  }

  /** Deletes a group with its offsets and the retries that wait. Its dead letters stay. */
  async deleteGroup(group: string): Promise<void> {
    checkGroupName(group)
    await this.#engine.deleteGroup(group)
  }

  /** The settings of all groups. */
  async groups(): Promise<readonly GroupConfig[]> {
    return this.#engine.queryGroups()
  }

  // ---- messages ----

  /**
   * The message with this message id, in its first stored copy, or the stored copy with this offset message id. Rejects
   * with `NO_MESSAGE` when there is none.
   */
  async queryMessageById(id: string): Promise<MessageView> {
    if (isOffsetMessageId(id)) return this.#engine.viewMessageByOffsetId(id)
    const [first] = await this.queryMessagesById(id)
    if (first === undefined) throw new MQError('NO_MESSAGE', `No message has the id ${id}.`)
    return first
  }

  /** All stored copies of a message, oldest first: as it was sent, each retry, the dead letter. */
  async queryMessagesById(messageId: string): Promise<readonly MessageView[]> {
    checkMessageId(messageId)
    return this.#engine.queryMessagesById(messageId)
  }

  /**
   * The life of a message as a timeline, oldest first: what is stored of it and what waits for it. With `trace: true` also what was written
   * down: who sent it, each delivery with its consumer, duration and outcome, recalls, ends of transactions.
   *
   * Rejects with `NO_MESSAGE` when nothing is known of it. A message that waits for its time, or for the end of its transaction, is looked
   * for among all that wait, which takes as long as there are many (RocketMQ `queryMsgTraceById`).
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory', trace: true })
   * const producer = await mq.createProducer({ group: 'shop' })
   * const { messageId } = await producer.send({ topic: 'orders', body: 'hello' })
   * for (const { timestamp, type, group, durationMs, outcome } of (await mq.admin.trace(messageId)).entries)
   *   console.log(timestamp, type, group, durationMs, outcome)
   * ```
   */
  async trace(messageId: string): Promise<MessageTrace> {
    checkMessageId(messageId)
    const engine = this.#engine
    await this.#host.flushTraces?.()
    return traceMessage(engine, messageId)
  }

  /** Messages of a topic with this key, newest first; 64 unless `max` says otherwise. */
  async queryMessagesByKey(
    topic: string,
    key: string,
    range: TimeRange = {},
  ): Promise<readonly MessageView[]> {
    checkTopicName(topic)
    if (typeof key !== 'string' || key === '')
      throw invalidParameter('The key must be a string that is not empty.')
    const { begin, end, max } = parseKeyRange(range)
    return this.#engine.queryMessagesByKey({ topic, key, begin, end, maxCount: max })
  }

  /** Messages of a topic stored in a span of time, oldest first; 1024 unless `max` says otherwise. */
  async queryMessagesByTime(topic: string, range: TimeRange): Promise<readonly MessageView[]> {
    checkTopicName(topic)
    return readTimes(this.#engine, topic, parseTimeRange(range))
  }

  /** The message at an offset of a queue; rejects with `NO_MESSAGE` when there is none. */
  async queryMessageByOffset(queue: MessageQueue, offset: number): Promise<MessageView> {
    checkNaturalNumber('offset', offset)
    return this.#engine.viewMessage(checkQueue(queue), offset)
  }

  /** Looks at a queue from an offset on, or at the oldest messages of a topic in the order they were stored. */
  async browse(place: MessageQueue | string, range: OffsetRange = {}): Promise<readonly MessageView[]> {
    const parsed = parseOffsetRange(range)
    if (typeof place !== 'string') return readQueue(this.#engine, checkQueue(place), parsed)
    checkTopicName(place)
    if (parsed.offset !== undefined)
      throw invalidParameter('To browse from an offset, give a queue instead of a topic.')
    return readTopic(this.#engine, place, parsed.max)
  }

  // ---- offsets ----

  /** The offset of the oldest message of a queue. */
  async minOffset(queue: MessageQueue): Promise<number> {
    return this.#engine.minOffset(checkQueue(queue))
  }

  /** The offset that the next message of a queue will get. */
  async maxOffset(queue: MessageQueue): Promise<number> {
    return this.#engine.maxOffset(checkQueue(queue))
  }

  /** The offset of the first message stored at or after a time, in milliseconds since 1970. */
  async searchOffset(queue: MessageQueue, timestamp: number): Promise<number> {
    checkNaturalNumber('timestamp', timestamp)
    return this.#engine.searchOffset(checkQueue(queue), timestamp)
  }

  /** How far a group is in each queue, and how far behind. */
  async consumerProgress(group: string): Promise<ConsumerProgress> {
    checkGroupName(group)
    return this.#engine.consumerProgress(group)
  }

  /**
   * Makes a group go on elsewhere, forward or back, and answers where. Its consumers notice at once; what they have
   * fetched is dropped, what they are busy with is finished. Each broadcasting member of the group goes on there, also
   * one that is away (RocketMQ `resetOffsetByTime`).
   */
  async resetOffset(options: ResetOffsetOptions): Promise<readonly QueueOffset[]> {
    return resetOffset(this.#engine, options)
  }

  /**
   * Makes a group go on where another one is, for one topic or for all that the other consumes, and answers where. Its
   * consumers notice at once. A group that does not exist yet is made, so that it begins there (RocketMQ `cloneGroupOffset`).
   * Where the other group has no offset nothing changes, and the answer is empty if it has none at all; offsets of broadcasting
   * members are their own, and are not copied.
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * await mq.admin.cloneGroupOffset({ srcGroup: 'billing', destGroup: 'billing-v2', topic: 'orders' })
   * ```
   */
  async cloneGroupOffset(options: CloneOffsetOptions): Promise<readonly QueueOffset[]> {
    return cloneGroupOffset(this.#engine, options)
  }

  /**
   * Makes a group skip everything of a topic that it has not consumed yet, and answers where it goes on. Retries that wait
   * still come (RocketMQ `skipAccumulatedMessage`).
   */
  async skipAccumulatedMessage(options: SkipMessagesOptions): Promise<readonly QueueOffset[]> {
    return resetOffset(this.#engine, { ...parseSkipMessages(options), offset: 'max' })
  }

  /**
   * Forgets the offsets of a broadcasting member that named itself and will not come back. Rejects with
   * `INVALID_PARAMETER` when the group knows no such member, or when it is online.
   */
  async forgetConsumer(group: string, clientId: string): Promise<void> {
    checkGroupName(group)
    if (typeof clientId !== 'string' || clientId === '')
      throw invalidParameter('The clientId must be a name.')
    await this.#engine.forgetConsumer(group, clientId)
  }

  // ---- dead letters ----

  /**
   * The dead letters of a group, oldest first, whatever the permission of their topic. Their `topic` is the dead-letter topic, as in
   * RocketMQ; the property `RETRY_TOPIC` names the one that the message was sent to, and `DLQ_REASON` why it failed.
   */
  async deadLetters(group: string, range: OffsetRange = {}): Promise<readonly MessageView[]> {
    checkGroupName(group)
    return readDeadLetters(this.#engine, group, parseOffsetRange(range))
  }

  /**
   * Sends a dead letter again, given as a message or as its offset: a new message with the same content, to the topic that
   * it was first sent to, for all groups. The dead letter stays.
   */
  async resendDeadLetter(group: string, letter: MessageView | number): Promise<SendReceipt> {
    checkGroupName(group)
    if (typeof letter === 'number') checkNaturalNumber('offset', letter)
    const message = typeof letter === 'number' ? await viewDeadLetter(this.#engine, group, letter) : letter
    return resend(this.#engine, this.#host.ids, group, message)
  }

  /** Sends dead letters again from an offset on, oldest first; answers where to go on next time. */
  async resendDeadLetters(group: string, range: OffsetRange = {}): Promise<ResendReport> {
    checkGroupName(group)
    return resendAll(this.#engine, this.#host.ids, group, parseOffsetRange(range))
  }

  // ---- delayed messages ----

  /**
   * Messages of a topic that wait for their time, earliest first, those that were sent with a level too; 1024 unless `max`
   * says otherwise. Each has a handle that names it to `producer.recall`, `rescheduleMessage` and `deliverMessageNow`. RocketMQ
   * cannot list them.
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * const inAnHour = Date.now() + 3_600_000
   * for (const { message, deliveryTimestamp } of await mq.admin.delayedMessages('reminders', { end: inAnHour })) {
   *   console.log(message.messageId, new Date(deliveryTimestamp).toISOString())
   * }
   * ```
   */
  async delayedMessages(topic: string, range: DelayedRange = {}): Promise<readonly DelayedMessage[]> {
    checkTopicName(topic)
    const { begin, end, max } = parseDelayedRange(range)
    return delayVerbsOf(this.#engine).queryDelayedMessages({ topic, begin, end, maxCount: max })
  }

  /**
   * Gives a waiting message another time, in milliseconds since 1970, and answers its new handle; the old one is void. A time
   * that is over delivers it at once. Of several messages of one time it is delivered last. Rejects with `ILLEGAL_OPERATION` when it
   * was delivered, recalled or moved before, and with `MESSAGE_ILLEGAL` for a time further ahead than `timerMaxDelayMs`.
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * for (const { recallHandle, deliveryTimestamp } of await mq.admin.delayedMessages('reminders'))
   *   await mq.admin.rescheduleMessage('reminders', recallHandle, deliveryTimestamp + 60_000)
   * ```
   */
  async rescheduleMessage(topic: string, recallHandle: string, deliveryTimestamp: number): Promise<string> {
    checkTopicName(topic)
    checkRecallHandle(recallHandle)
    checkNaturalNumber('deliveryTimestamp', deliveryTimestamp)
    return delayVerbsOf(this.#engine).rescheduleMessage(topic, recallHandle, deliveryTimestamp)
  }

  /**
   * Delivers a waiting message now, and answers its id; when this resolves, it is in its queue. Rejects with
   * `ILLEGAL_OPERATION` when it was delivered, recalled or moved before.
   *
   * @example
   * ```ts
   * import { PocketMQ } from 'pocketmq'
   * const mq = await PocketMQ.open({ storage: 'memory' })
   * const [next] = await mq.admin.delayedMessages('reminders', { max: 1 })
   * if (next !== undefined) await mq.admin.deliverMessageNow('reminders', next.recallHandle)
   * ```
   */
  async deliverMessageNow(topic: string, recallHandle: string): Promise<string> {
    checkTopicName(topic)
    checkRecallHandle(recallHandle)
    return delayVerbsOf(this.#engine).deliverMessageNow(topic, recallHandle)
  }

  // ---- typed topics ----

  /**
   * Asks a schema about the messages that a topic holds: before a consumer with a new schema makes dead letters of them. Waiting
   * retries count with the message that failed, messages that wait for their time not. Reads one message after the other, leaves
   * turns to others, and changes nothing. Rejects with `ABORTED` when the signal fires.
   *
   * @example
   * ```ts
   * import { defineTopic, PocketMQ } from 'pocketmq'
   * import { z } from 'zod'
   * const mq = await PocketMQ.open({ storage: 'memory', topics: [{ topic: 'orders' }] })
   * const next = defineTopic({ name: 'orders', schema: z.object({ id: z.string(), currency: z.string() }) })
   * const { verifiedCount, failedCount, failures } = await mq.admin.verifyTopic(next)
   * console.log(`${failedCount} of ${verifiedCount}`)
   * for (const { message, error } of failures) console.log(message.messageId, error.issues)
   * ```
   */
  async verifyTopic(topic: TypedTopic, options: VerifyTopicOptions = {}): Promise<TopicVerification> {
    return verifyTopic(this.#engine, topic, options)
  }

  // ---- the store ----

  /** Checks the whole store: checksums, gaps, indexes, offsets. */
  async check(): Promise<CheckReport> {
    return this.#engine.check()
  }

  /** Resolves when all that was acknowledged so far is flushed to the disk. */
  async flush(): Promise<void> {
    await this.#engine.flush()
  }
}
