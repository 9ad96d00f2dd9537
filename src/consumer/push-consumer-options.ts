/** The settings of a push consumer (RocketMQ `DefaultMQPushConsumer`, semantics section 6.1). */
import { z } from 'zod'
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { isHook } from '../model/call-hook.ts'
import { invalidParameter } from '../model/errors.ts'
import { DEFAULT_MAX_RECONSUME_TIMES, PULL_MAX_COUNT, SAFE_INTEGER_MAX } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import { parseOptions } from '../model/parse-options.ts'
import { type MessageFilter, matchAll } from '../model/subscription.ts'
import { retryTopicOf } from '../model/topic.ts'
import type { ConsumedMessage, TopicList } from '../model/typed-message.ts'
import type { ConsumeHook } from './consume-hooks.ts'
import {
  checkConsumerGroup,
  checkStart,
  memberShape,
  parseConsumed,
  type Subscribing,
  startShape,
  type Typing,
} from './consumer-options.ts'
import type { Listener } from './dispatcher.ts'
import type { BatchMessageListener, MessageListener } from './message-listener.ts'
import type { RateLimit } from './rate-limiter.ts'
import type { ConsumeFromWhere } from './start-offset.ts'
import { SUSPEND_MAX_MS, SUSPEND_MIN_MS } from './suspension.ts'
import type { TopicValues } from './topic-values.ts'

interface CommonOptions {
  /**
   * The name of the consumers that share the work, up to 120 letters, digits, `%`, `|`, `_` or `-`. Every message goes
   * to one member of each group (RocketMQ `consumerGroup`).
   */
  readonly group: string
  /**
   * `'concurrent'`, the default: messages in any order; or `'orderly'`: those of a queue one after another, and a message that
   * fails is delivered again before anything behind it (RocketMQ `MessageListenerConcurrently`, `MessageListenerOrderly`).
   */
  readonly mode?: 'concurrent' | 'orderly' | undefined
  /**
   * `'clustering'`, the default: members share the messages; or `'broadcasting'`: each gets all. A broadcasting member has
   * offsets of its own; they are kept, and continued after a restart, if it names itself by `clientId`.
   */
  readonly messageModel?: 'clustering' | 'broadcasting' | undefined
  /**
   * Where a group without an offset starts on a queue that has lost its oldest messages already; a younger queue is
   * always read from its beginning. A broadcasting member without offsets starts there on every queue, but for queues
   * that come into being while it runs. Default `'LAST_OFFSET'` (RocketMQ `consumeFromWhere`).
   */
  readonly consumeFromWhere?: ConsumeFromWhere | undefined
  /** Only for `'TIMESTAMP'`: the first store time to consume, in milliseconds since 1970. Default: 30 minutes ago. */
  readonly consumeTimestamp?: number | undefined
  /**
   * Calls of the listener that may run at a time, over all queues. Default 20. More helps listeners that wait for
   * others, and repeats more messages after a crash (RocketMQ `consumeThreadMax`).
   */
  readonly concurrency?: number | undefined
  /**
   * Retries before a message becomes a dead letter, up to 65,535; 0 means none. Default 16; in orderly mode without end
   * (RocketMQ). When broadcasting: retries before it is dropped, if `broadcastFailure` is `'retry'`.
   */
  readonly maxReconsumeTimes?: number | undefined
  /**
   * Only in orderly mode: how long a queue rests when a message failed, 10 to 30,000 milliseconds. Default 1000 (RocketMQ
   * `suspendCurrentQueueTimeMillis`).
   */
  readonly suspendCurrentQueueTimeMs?: number | undefined
  /**
   * In orderly mode: `true` keeps the order of each message group instead of that of the whole queue. Groups of one queue
   * are worked on at the same time, and a message that fails holds back its group only; messages without a group count
   * as one. Default false. It pays when a queue carries many groups; in return a crash repeats what other groups had done behind
   * the first unfinished message, at most `consumeConcurrentlyMaxSpan` messages (RocketMQ 5 `enableFifoConsumeAccelerator`).
   */
  readonly enableFifoConsumeAccelerator?: boolean | undefined
  /**
   * What becomes of a message that a broadcasting member fails to consume. `'drop'`: a `message-dropped` event tells of it, and
   * it is not delivered again; the default in concurrent mode. `'retry'`: it is delivered again to this member, after 5
   * seconds or, in orderly mode, after `suspendCurrentQueueTimeMs`, up to `maxReconsumeTimes`, and then dropped; the
   * default in orderly mode. So does RocketMQ, but for the event.
   */
  readonly broadcastFailure?: 'drop' | 'retry' | undefined
  /**
   * How long the listener may take, in milliseconds. Then the signal of its context fires, the message is retried and the
   * late answer is ignored; in orderly mode the queue waits on for the answer. Default 15 minutes (RocketMQ `consumeTimeout`).
   */
  readonly consumeTimeoutMs?: number | undefined
  /** Most messages of one pull, 1 to 1024. Default 32. */
  readonly pullBatchSize?: number | undefined
  /** How long a pull waits for new messages before it asks again, in milliseconds. Default 15 seconds. */
  readonly suspendMs?: number | undefined
  /** Least time between a pull that found messages and the next of its queue, 0 to 65,535 milliseconds. Default 0. */
  readonly pullIntervalMs?: number | undefined
  /**
   * Unfinished messages of a queue above which pulling pauses, 1 to 65,535. Default 1000. More keeps a fast listener from
   * waiting for pulls; it costs memory for each queue (RocketMQ `pullThresholdForQueue`).
   */
  readonly pullThresholdForQueue?: number | undefined
  /** Unfinished bytes of a queue above which pulling pauses. Default 100 MiB (RocketMQ `pullThresholdSizeForQueue`). */
  readonly pullThresholdSizeForQueueBytes?: number | undefined
  /**
   * Unfinished messages of all queues together, 1 to 6,553,500: each of the queues that this member has at the time gets
   * an equal share, at least 1, in the place of `pullThresholdForQueue`. Default: not set (RocketMQ `pullThresholdForTopic`,
   * which counts the queues of all topics as well).
   */
  readonly pullThresholdForTopic?: number | undefined
  /** The same in bytes, up to 100 GiB, in the place of `pullThresholdSizeForQueueBytes` (RocketMQ `pullThresholdSizeForTopic`). */
  readonly pullThresholdSizeForTopicBytes?: number | undefined
  /**
   * Fetched messages of a queue between the first unfinished and the last, above which pulling pauses: what one stuck
   * message can cause to be repeated after a crash. Default 2000; without meaning where the order of the queue is kept.
   */
  readonly consumeConcurrentlyMaxSpan?: number | undefined
  /**
   * Bounds how fast this member consumes: in no span of `perMs` milliseconds more than `messages`, up to 100,000, are handed
   * to the listener. Default: no bound.
   */
  readonly rateLimit?: RateLimit | undefined
  /** Called around every call of the listener, in this order (RocketMQ `ConsumeMessageHook`). Default: none. */
  readonly consumeHooks?: readonly ConsumeHook[] | undefined
  /** Which member gets which queues; the same for all members of the group. Default `allocateAveragely`. */
  readonly allocateStrategy?: AllocateStrategy | undefined
  /** How long `close` waits for running listeners, in milliseconds. Default: as the instance, which has 10 seconds. */
  readonly closeTimeoutMs?: number | undefined
  /** Closes the consumer when it fires. */
  readonly signal?: AbortSignal | undefined
  /**
   * The name of this one member, unique in its group. Default: made from the process and a counter. A broadcasting member
   * goes on after a restart only under a name of its own.
   */
  readonly clientId?: string | undefined
}

interface SingleListenerOptions<Received extends MessageView> extends CommonOptions {
  /** Called with one message at a time. */
  readonly listener: MessageListener<Received>
  readonly consumeMessageBatchMaxSize?: undefined
}

interface BatchListenerOptions<Received extends MessageView> extends CommonOptions {
  /** Called with an array of messages of one queue. */
  readonly listener: BatchMessageListener<Received>
  /** Most messages of one call, 1 to 1024. When it is given, the listener takes arrays, also for 1. */
  readonly consumeMessageBatchMaxSize: number
}

type ListenerOptions<Received extends MessageView> =
  | SingleListenerOptions<Received>
  | BatchListenerOptions<Received>

/** What `createPushConsumer` takes. */
export type PushConsumerOptions = Subscribing & ListenerOptions<MessageView>

/** What `createPushConsumer` takes for typed topics: from these, and from what is subscribed to, follows what the listener gets. */
export type TypedPushConsumerOptions<
  Topics extends TopicList,
  Names extends string = never,
> = Typing<Topics> & Partial<Subscribing<Names>> & ListenerOptions<ConsumedMessage<Topics, Names>>

const MiB = 1024 ** 2
/** RocketMQ `suspendCurrentQueueTimeMillis`. */
const DEFAULT_SUSPEND_MS = 1000
/** A rate limiter remembers as many times as it lets messages pass. */
const RATE_MAX_COUNT = 100_000

const isFunction = (value: unknown): boolean => typeof value === 'function'
const schema = z.strictObject({
  ...memberShape,
  ...startShape,
  subscriptions: z.record(z.string(), z.unknown()).optional(),
  listener: z.custom<MessageListener & BatchMessageListener>(isFunction, 'must be a function'),
  consumeMessageBatchMaxSize: z.int().min(1).max(1024).optional(),
  mode: z.enum(['concurrent', 'orderly']).default('concurrent'),
  messageModel: z.enum(['clustering', 'broadcasting']).default('clustering'),
  concurrency: z.int().min(1).max(65_535).default(20),
  maxReconsumeTimes: z.int().min(0).max(65_535).optional(),
  suspendCurrentQueueTimeMs: z.int().min(SUSPEND_MIN_MS).max(SUSPEND_MAX_MS).optional(),
  enableFifoConsumeAccelerator: z.boolean().default(false),
  broadcastFailure: z.enum(['drop', 'retry']).optional(),
  consumeTimeoutMs: z
    .int()
    .min(1)
    .max(SAFE_INTEGER_MAX)
    .default(15 * 60_000),
  pullBatchSize: z.int().min(1).max(PULL_MAX_COUNT).default(32),
  suspendMs: z.int().min(1).max(SAFE_INTEGER_MAX).default(15_000),
  pullThresholdForQueue: z.int().min(1).max(65_535).default(1000),
  pullThresholdSizeForQueueBytes: z
    .int()
    .min(1)
    .max(1024 * MiB)
    .default(100 * MiB),
  pullThresholdForTopic: z.int().min(1).max(6_553_500).optional(),
  pullThresholdSizeForTopicBytes: z
    .int()
    .min(1)
    .max(102_400 * MiB)
    .optional(),
  pullIntervalMs: z.int().min(0).max(65_535).default(0),
  rateLimit: z
    .strictObject({
      messages: z.int().min(1).max(RATE_MAX_COUNT),
      perMs: z.int().min(1).max(SAFE_INTEGER_MAX),
    })
    .optional(),
  consumeHooks: z.array(z.custom<ConsumeHook>(isHook, 'must have before() or after()')).default([]),
  consumeConcurrentlyMaxSpan: z.int().min(1).max(65_535).default(2000),
  closeTimeoutMs: z.int().min(1).max(SAFE_INTEGER_MAX).default(10_000),
})

type ParsedOptions = z.output<typeof schema>

/** The settings of a push consumer, checked and complete. */
export interface CompletePushConsumerOptions
  extends Readonly<
    Omit<
      ParsedOptions,
      | 'listener'
      | 'topics'
      | 'subscriptions'
      | 'consumeMessageBatchMaxSize'
      | 'maxReconsumeTimes'
      | 'broadcastFailure'
      | 'suspendCurrentQueueTimeMs'
    >
  > {
  readonly listener: Listener
  /** Retries before a message is given up; 0 when it is dropped at once. */
  readonly maxReconsumeTimes: number
  readonly suspendCurrentQueueTimeMs: number
  /** When clustering, the group's retry topic included. */
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
  /** Absent without typed topics. */
  readonly values: TopicValues | undefined
}

/** Checks and completes; throws `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED` that names the option. */
export function parsePushConsumerOptions(options: PushConsumerOptions): CompletePushConsumerOptions {
  const parsed = parseOptions('PushConsumerOptions', schema, options)
  const { listener, topics, subscriptions, consumeMessageBatchMaxSize, broadcastFailure, ...rest } = parsed
  checkConsumerGroup(rest.group)
  checkStart(rest)
  if (rest.enableFifoConsumeAccelerator && rest.mode !== 'orderly') {
    throw invalidParameter(
      "enableFifoConsumeAccelerator needs mode 'orderly'; concurrent consumers keep no order.",
    )
  }
  if (rest.suspendCurrentQueueTimeMs !== undefined && rest.mode !== 'orderly') {
    throw invalidParameter(
      "suspendCurrentQueueTimeMs needs mode 'orderly'; a concurrent consumer sends back what fails, and goes on.",
    )
  }
  if (broadcastFailure !== undefined && rest.messageModel !== 'broadcasting') {
    throw invalidParameter("broadcastFailure needs messageModel 'broadcasting'; a group retries by itself.")
  }
  const { filters, values } = parseConsumed(topics, subscriptions)
  return Object.freeze({
    ...rest,
    values,
    suspendCurrentQueueTimeMs: rest.suspendCurrentQueueTimeMs ?? DEFAULT_SUSPEND_MS,
    maxReconsumeTimes: maxReconsumeTimesOf(parsed),
    listener: toListener(listener, consumeMessageBatchMaxSize),
    subscriptions: withRetries(rest, filters),
  })
}

function maxReconsumeTimesOf(options: ParsedOptions): number {
  const { mode, messageModel, maxReconsumeTimes } = options
  const isDropped = (options.broadcastFailure ?? (mode === 'orderly' ? 'retry' : 'drop')) === 'drop'
  if (messageModel === 'broadcasting' && isDropped) return 0
  return maxReconsumeTimes ?? (mode === 'orderly' ? Number.POSITIVE_INFINITY : DEFAULT_MAX_RECONSUME_TIMES)
}

function toListener(listen: MessageListener & BatchMessageListener, maxCount: number | undefined): Listener {
  return maxCount === undefined ? { kind: 'single', listen } : { kind: 'batch', listen, maxCount }
}

/** Refuses the retry topic of the group, which its members consume anyway. */
export function checkNotOwnRetryTopic(group: string, topic: string): void {
  if (topic === retryTopicOf(group))
    throw invalidParameter(`'${topic}' is the group's own retry topic, which it consumes anyway.`)
}

function withRetries(
  { group, messageModel }: Pick<ParsedOptions, 'group' | 'messageModel'>,
  filters: Map<string, MessageFilter>,
): Map<string, MessageFilter> {
  for (const topic of filters.keys()) checkNotOwnRetryTopic(group, topic)
  return messageModel === 'broadcasting' ? filters : filters.set(retryTopicOf(group), matchAll)
}
