/**
 * The contract between clients (producers, consumers, admin) and whatever stores and hands out messages: the embedded
 * broker, a cluster of brokers in one process, a bridge to a RocketMQ cluster. Nouns and verbs are RocketMQ's.
 *
 * - Clients check and complete every argument; an engine relies on it. What depends on the engine's own state
 *   (does the topic exist, may it be written) the engine checks.
 * - Every verb may reject with an {@link MQError}; nothing is half-done when it does.
 * - What an engine does not offer is absent, and `supports` says so; nobody asks for the class of an engine.
 */
import type { Clock, RandomSource } from './clock.ts'
import type { DelayVerbs } from './delay-verbs.ts'
import type { MQError } from './errors.ts'
import type { Logger } from './logger.ts'
import type { MessageView } from './message.ts'
import type { MessageQueue } from './message-queue.ts'
import type { OutgoingMessage } from './outgoing-message.ts'
import type { RequestVerbs } from './request-verbs.ts'
import type {
  ConsumerProgress,
  PullResult,
  QueueStatus,
  SendBackResult,
  SendReceipt,
  TopicRoute,
} from './results.ts'
import type { MessageFilter } from './subscription.ts'
import type { GroupConfig, TopicConfig } from './topic.ts'
import type { TraceVerbs } from './trace-verbs.ts'
import type { TransactionVerbs } from './transaction-verbs.ts'

/** Which optional parts an engine offers. */
export interface EngineSupports {
  /** What is acknowledged survives the process. */
  readonly durable: boolean
  /** The engine answers `engine.pop`. */
  readonly pop: boolean
  /** The engine answers `engine.transactions`. */
  readonly transactions: boolean
  /** The engine answers `engine.delay`. */
  readonly delay: boolean
  /** The engine answers `engine.requests`. */
  readonly requests: boolean
  /** The engine answers `engine.traces`. */
  readonly traces: boolean
  /** Messages that are marked `isSentOnce` are stored once within a window, if the engine was opened with one. */
  readonly deduplication: boolean
  /** Queues of one topic may lie on several brokers, so that a failed send can go elsewhere. */
  readonly severalBrokers: boolean
}

/** A set of messages for one queue, stored together or not at all. */
export interface SendRequest {
  readonly producerGroup: string
  readonly queue: MessageQueue
  /** One message, or a batch of at least one. */
  readonly messages: OutgoingMessage | readonly OutgoingMessage[]
  /** How long the send may wait for room, in milliseconds. */
  readonly timeoutMs: number
  /** Takes the send back as long as it waits for room. */
  readonly signal?: AbortSignal | undefined
}

export interface PullRequest {
  readonly group: string
  readonly queue: MessageQueue
  readonly offset: number
  readonly maxCount: number
  readonly filter: MessageFilter
  /** How long to wait when there is nothing new; 0 answers at once. */
  readonly suspendMs: number
  /** Ends the wait with `NO_NEW_MSG`. */
  readonly signal?: AbortSignal | undefined
}

/** A failed delivery that goes to the retry or the dead-letter topic (RocketMQ `CONSUMER_SEND_MSG_BACK`). */
export interface SendBackRequest {
  readonly group: string
  readonly message: MessageView
  /** 0: by the number of earlier retries; above: that level; below: dead letter at once. */
  readonly delayLevel: number
  readonly maxReconsumeTimes: number
  /** Why it failed, for events and the dead letter. */
  readonly reason: string
}

/** Who consumes, and what (RocketMQ heartbeat data). */
export interface ConsumerRegistration {
  readonly group: string
  readonly clientId: string
  readonly messageModel: 'clustering' | 'broadcasting'
  /** `pop`: it receives without owning queues, and takes part in no allocation. */
  readonly consumeType: 'push' | 'pull' | 'pop'
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
  /** Whether the group must be FIFO; it is made so if this is its first member. */
  readonly consumeMessageOrderly?: boolean | undefined
  /** Whether it keeps the order of each queue. Left out by who does not say. */
  readonly mode?: 'concurrent' | 'orderly' | undefined
  /** The name of its allocation strategy. Left out by who has none. */
  readonly allocateStrategy?: string | undefined
  /**
   * Of a broadcasting member: whether it comes back under its client id, so that its offsets are stored. Those of another
   * one end with it. Default false.
   */
  readonly isNamed?: boolean | undefined
}

/** How often a message failed that stays in its place: its order demands it, or it is for a broadcasting member alone. */
export interface FailedAttempts {
  readonly queueOffset: number
  /** 0: it is done, while messages before it are not; whoever goes on there must not deliver it again. */
  readonly reconsumeTimes: number
}

/** What an engine tells its clients. Told in the same turn in which it happens. */
export type EngineEvent =
  /** Members of the group came, went or changed their subscriptions: rebalance. */
  | { readonly type: 'consumer-ids-changed'; readonly group: string }
  /** Queues or permissions of the topic changed: fetch the route again. */
  | { readonly type: 'route-changed'; readonly topic: string }
  /** A lease on a queue of the group ended: whoever waits may lock it. */
  | { readonly type: 'queue-unlocked'; readonly group: string; readonly queue: MessageQueue }
  /** Offsets of the group were set from outside: drop what is cached and start there. */
  | { readonly type: 'offset-reset'; readonly group: string; readonly topic: string }
  /** A group is gone with its offsets: what one of its name consumes later begins anew. */
  | { readonly type: 'group-deleted'; readonly group: string }
  /** The engine is gone although its clients are not: every verb rejects with this from now on, and nothing more is told. */
  | { readonly type: 'closed'; readonly error: MQError }

export interface Engine {
  /** Which optional parts this engine offers. */
  readonly supports: EngineSupports
  readonly clock: Clock
  readonly random: RandomSource
  readonly logger: Logger
  /** How long a lease on a queue lasts unless it is renewed, in milliseconds. */
  readonly lockLeaseMs: number

  // ---- routes ----
  /** The route of an existing topic; `TOPIC_NOT_EXIST` otherwise. */
  queryRoute(topic: string): Promise<TopicRoute>
  /** The route to send by; creates the topic if the settings allow it. Answers from memory where it can. */
  publishRoute(topic: string): TopicRoute | Promise<TopicRoute>

  // ---- sending ----
  sendMessage(request: SendRequest): Promise<SendReceipt>

  // ---- receiving ----
  pullMessage(request: PullRequest): Promise<PullResult>
  /** Schedules a retry or makes a dead letter; resolves when that is stored. */
  sendMessageBack(request: SendBackRequest): Promise<SendBackResult>

  // ---- offsets ----
  /**
   * The next offset to consume, or `undefined` when the group has none for this queue. With a client id: that of this
   * broadcasting member alone.
   */
  queryConsumerOffset(group: string, queue: MessageQueue, clientId?: string): Promise<number | undefined>
  /**
   * Stores the next offset to consume. A lower offset than the stored one is ignored, unless the application asked for it
   * itself and `mayGoBack` says so.
   */
  updateConsumerOffset(
    group: string,
    queue: MessageQueue,
    offset: number,
    mayGoBack?: boolean,
    clientId?: string,
  ): Promise<void>
  /**
   * How often messages of the group's queue failed that stay in their place, and which are done behind them, by ascending
   * offsets. With a client id: those of this broadcasting member.
   */
  queryAttempts(group: string, queue: MessageQueue, clientId?: string): Promise<readonly FailedAttempts[]>
  /**
   * Remembers how often some of them failed, all or none, until the offset of the group or the member has passed the message,
   * or is set from outside. Of a member whose offsets are not stored nothing is remembered.
   */
  updateAttempts(
    group: string,
    queue: MessageQueue,
    attempts: readonly FailedAttempts[],
    clientId?: string,
  ): Promise<void>
  /** Sets offsets from outside, forward or back, those of broadcasting members too, and tells the members. */
  resetConsumerOffset(group: string, topic: string, offsets: ReadonlyMap<number, number>): Promise<void>
  minOffset(queue: MessageQueue): Promise<number>
  maxOffset(queue: MessageQueue): Promise<number>
  /** RocketMQ's `searchOffset`, lower boundary: the first message stored at or after the time (semantics 4.7). */
  searchOffset(queue: MessageQueue, timestamp: number): Promise<number>

  // ---- groups ----
  /** Makes the group with its default settings if there is none: for who consumes without being a member. */
  ensureGroup(group: string): Promise<void>
  /** Joins a group; joining again with the same client id replaces the subscriptions. */
  registerConsumer(registration: ConsumerRegistration): Promise<void>
  unregisterConsumer(group: string, clientId: string): Promise<void>
  /** Forgets the offsets of a broadcasting member that will not come back. */
  forgetConsumer(group: string, clientId: string): Promise<void>
  registerProducer(group: string, clientId: string): Promise<void>
  unregisterProducer(group: string, clientId: string): Promise<void>
  /** Client ids of the members that share the group's queues, sorted. */
  queryConsumerIds(group: string): Promise<readonly string[]>
  /** Takes leases on queues; answers those that the client now holds (RocketMQ `LOCK_BATCH_MQ`). */
  lockQueues(
    group: string,
    clientId: string,
    queues: readonly MessageQueue[],
  ): Promise<readonly MessageQueue[]>
  /** Gives leases back (RocketMQ `UNLOCK_BATCH_MQ`). */
  unlockQueues(group: string, clientId: string, queues: readonly MessageQueue[]): Promise<void>
  /** Listens to events until the returned function is called. */
  watch(listener: (event: EngineEvent) => void): () => void

  // ---- queries ----
  /** The message at an offset; `NO_MESSAGE` when there is none. */
  viewMessage(queue: MessageQueue, offset: number): Promise<MessageView>
  /** The message with this offset message id; `NO_MESSAGE` when there is none. */
  viewMessageByOffsetId(offsetMessageId: string): Promise<MessageView>
  /** All stored copies of a message, oldest first: the sent one, retries, the dead letter. */
  queryMessagesById(messageId: string): Promise<readonly MessageView[]>
  queryMessagesByKey(query: KeyQuery): Promise<readonly MessageView[]>

  // ---- operations ----
  createTopic(config: TopicConfig): Promise<void>
  updateTopic(config: TopicConfig): Promise<void>
  deleteTopic(topic: string): Promise<void>
  queryTopics(): Promise<readonly TopicConfig[]>
  queryTopicStatus(topic: string): Promise<readonly QueueStatus[]>
  createGroup(config: GroupConfig): Promise<void>
  deleteGroup(group: string): Promise<void>
  queryGroups(): Promise<readonly GroupConfig[]>
  consumerProgress(group: string): Promise<ConsumerProgress>
  /** Resolves when all that was acknowledged so far is flushed to the disk. */
  flush(): Promise<void>
  /** Checks the whole store. */
  check(): Promise<CheckReport>

  // ---- optional parts ----
  readonly pop?: PopVerbs
  readonly transactions?: TransactionVerbs
  readonly delay?: DelayVerbs
  readonly requests?: RequestVerbs
  readonly traces?: TraceVerbs
}

export interface KeyQuery {
  readonly topic: string
  readonly key: string
  /** Stored at or after, in milliseconds since 1970. */
  readonly begin: number
  /** Stored at or before. */
  readonly end: number
  readonly maxCount: number
}

/** Receiving without queue ownership (RocketMQ POP, semantics sections 8.3 to 8.7). */
export interface PopVerbs {
  /**
   * Takes messages that no other member gets as long as they are invisible; waits when there are none, and answers nothing
   * when there are still none at the end of the wait. In a FIFO group they come in the order of their queues.
   */
  popMessage(request: PopRequest): Promise<readonly PoppedMessage[]>
  /**
   * The group has consumed the message. Rejects with `INVALID_RECEIPT_HANDLE` when the handle is not valid any more. Once
   * more for the same handle, while its time lasts, changes nothing and succeeds.
   */
  ackMessage(group: string, receiptHandle: string): Promise<void>
  /** The same for many at once, each for itself; answers those that were refused. */
  ackMessages(group: string, receiptHandles: readonly string[]): Promise<readonly RefusedReceipt[]>
  /** The message becomes visible so long from now. Answers the new handle; the old one is void. */
  changeInvisibleDuration(
    group: string,
    receiptHandle: string,
    invisibleDurationMs: number,
  ): Promise<PopReceipt>
  /**
   * The message could not be consumed: it becomes visible after as long as the retry policy of the group says; after the
   * last attempt it becomes a dead letter at once. The reason is for the events and the dead letter.
   */
  nackMessage(group: string, receiptHandle: string, reason?: string): Promise<PopReceipt>
}

export interface PopRequest {
  readonly group: string
  /** The member that receives; what it gets belongs to its group, of which any member may settle it. */
  readonly clientId: string
  /**
   * What to take, by topic, looked at in this order: one answer has messages of one topic. A topic that does not exist is
   * waited for.
   */
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
  /** At most 32. */
  readonly maxCount: number
  readonly invisibleDurationMs: number
  /** How long to wait when there is nothing; 0 answers at once. */
  readonly awaitDurationMs: number
  /** In a FIFO group the same id gets what it got last once more, as an answer may have been lost. */
  readonly attemptId?: string | undefined
  /** Ends the wait with an empty answer. */
  readonly signal?: AbortSignal | undefined
}

/** The right to settle one delivery of one message. */
export interface PopReceipt {
  readonly receiptHandle: string
  /** When the message becomes visible again, in milliseconds since 1970. */
  readonly nextVisibleTimestamp: number
}

export interface PoppedMessage extends PopReceipt {
  readonly message: MessageView
  /** 1 at the first delivery. In a FIFO group the message itself does not count its deliveries. */
  readonly deliveryAttempt: number
}

/** A handle that was of no use, and why. */
export interface RefusedReceipt {
  readonly receiptHandle: string
  readonly error: MQError
}

/** What a whole-store check found. */
export interface CheckReport {
  readonly ok: boolean
  readonly messageCount: number
  readonly queueCount: number
  readonly problems: readonly CheckProblem[]
}

export interface CheckProblem {
  /** What kind of damage: `checksum`, `gap`, `index`, `offset`, `alarm`, `journal`. */
  readonly kind: 'checksum' | 'gap' | 'index' | 'offset' | 'alarm' | 'journal'
  /** Where, and what is wrong, in words. */
  readonly message: string
}
