/** What the operations take, and the checks at their door. */
import { z } from 'zod'
import { invalidParameter } from '../model/errors.ts'
import { inWords } from '../model/in-words.ts'
import {
  DEFAULT_TOPIC_QUEUES,
  INVISIBLE_MAX_MS,
  PRIORITY_MAX,
  SAFE_INTEGER_MAX,
  TOPIC_MAX_QUEUES,
} from '../model/limits.ts'
import { isMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { parseOptions } from '../model/parse-options.ts'
import type { GroupRetryPolicy } from '../model/retry-policy.ts'
import {
  checkGroupName,
  checkTopicName,
  defaultGroupConfig,
  type GroupConfig,
  Permission,
  type TopicConfig,
} from '../model/topic.ts'

/** Most messages of one answer, unless `max` says otherwise. */
const DEFAULT_MAX_COUNT = 1024
/** Most messages found by key (RocketMQ `maxMsgsNumBatch`). */
const DEFAULT_KEY_MAX_COUNT = 64

/** Counts of attempts are stored in 16 bits. */
const RECONSUME_TIMES_MAX = 65_534
const DELAYS_MAX_COUNT = 1024
/** RocketMQ `ExponentialRetryPolicy`. */
const EXPONENTIAL_INITIAL_MS = 5_000
const EXPONENTIAL_MAX_MS = 7_200_000
const EXPONENTIAL_MULTIPLIER = 2
const MULTIPLIER_MAX = 1000

/** The settings of a topic to create or change. */
export interface TopicSettings {
  readonly topic: string
  /** Queues for reading and writing. Default 4; 10 of a priority topic, one for each priority. */
  readonly queues?: number | undefined
  /** Queues that consumers see, where it differs. To shrink a topic, lower the write queues first. */
  readonly readQueueNums?: number | undefined
  /** Queues that producers see, where it differs. */
  readonly writeQueueNums?: number | undefined
  /** Default `Permission.READ_WRITE`. */
  readonly permission?: Permission | undefined
  /**
   * `true` makes an order topic: the queues that message groups and selectors choose from are those that the topic has now,
   * also when it gets more or fewer; a send to one that takes no messages is refused. Default false (RocketMQ `order`).
   */
  readonly order?: boolean | undefined
  /**
   * `true` makes a priority topic: a message of priority 3 goes to queue 3, or to the last one if there are fewer, and consumers
   * begin with the highest queue. Default false. Not together with `order` (RocketMQ `message.type` `PRIORITY`).
   */
  readonly priority?: boolean | undefined
}

/** The settings of a group to create or change. */
export interface GroupSettings {
  readonly group: string
  /** `false` stops all consumption of the group. Default true. */
  readonly consumeEnable?: boolean | undefined
  /** `false` refuses broadcasting members. Default true. */
  readonly consumeBroadcastEnable?: boolean | undefined
  /** Queues of the retry topic. Default 1; with 0 a failed message becomes a dead letter at once. */
  readonly retryQueueNums?: number | undefined
  /**
   * `true` makes a FIFO group: what its simple consumers receive of a queue comes in order, and as long as they have
   * some of it, nobody gets more of that queue. Default false. It can be changed while the group has nothing
   * that was received and not acknowledged.
   */
  readonly consumeMessageOrderly?: boolean | undefined
  /**
   * Retries of a message that simple consumers receive. Default 16, so that it is delivered 17 times before it becomes a
   * dead letter. Push consumers have their own `maxReconsumeTimes`.
   */
  readonly retryMaxTimes?: number | undefined
  /** How long `nack` makes a message wait. Default: as `messageDelayLevel` says, 10 s after the first delivery, up to 2 h. */
  readonly groupRetryPolicy?: GroupRetryPolicy | undefined
}

/** A span of store time and a bound; all optional. */
export interface TimeRange {
  /** Stored at or after, in milliseconds since 1970. Default 0. */
  readonly begin?: number | undefined
  /** Stored at or before. Default: no end. */
  readonly end?: number | undefined
  /** Most messages to answer. */
  readonly max?: number | undefined
}

/** Which of the messages that wait for their time; all optional. */
export interface DelayedRange {
  /** Due at or after, in milliseconds since 1970. Default 0. */
  readonly begin?: number | undefined
  /** Due at or before. Default: no end. */
  readonly end?: number | undefined
  /** Most messages to answer. Default 1024. */
  readonly max?: number | undefined
}

/** Where to begin in a queue, and how much to read. */
export interface OffsetRange {
  /** The first offset to read. Default: the oldest message. */
  readonly offset?: number | undefined
  /** Most messages to answer. Default 1024. */
  readonly max?: number | undefined
}

/** Where a group shall go on: either at a time or at an offset. */
export interface ResetOffsetOptions {
  readonly group: string
  readonly topic: string
  /** The first message stored at or after this time, in milliseconds since 1970; -1 behind the last message. */
  readonly timestamp?: number | undefined
  /** The oldest message, behind the last one, or this very offset of the queue `queueId`. */
  readonly offset?: 'min' | 'max' | number | undefined
  /** Only this queue. Default: every queue of the topic. */
  readonly queueId?: number | undefined
}

/** Whose offsets are copied, to whom. */
export interface CloneOffsetOptions {
  readonly srcGroup: string
  readonly destGroup: string
  /** Only this topic. Default: every topic that the source has offsets for, but its retry topic. */
  readonly topic?: string | undefined
}

/** Which backlog is skipped. */
export interface SkipMessagesOptions {
  readonly group: string
  readonly topic: string
}

const naturalNumber = z.int().min(0).max(SAFE_INTEGER_MAX)
const queueNums = z.int().min(1).max(TOPIC_MAX_QUEUES).optional()
const permission = z.union([
  z.literal(Permission.NONE),
  z.literal(Permission.READ),
  z.literal(Permission.WRITE),
  z.literal(Permission.READ_WRITE),
])
const delayMs = z.int().min(0).max(INVISIBLE_MAX_MS)
const maxCount = z.int().min(1).max(SAFE_INTEGER_MAX)
const queueSchema = z.object({ topic: z.string(), brokerName: z.string(), queueId: naturalNumber })
const topicSchema = z.strictObject({
  topic: z.string(),
  queues: queueNums,
  readQueueNums: queueNums,
  writeQueueNums: queueNums,
  permission: permission.optional(),
  order: z.boolean().optional(),
  priority: z.boolean().optional(),
})
const customizedPolicy = z.strictObject({
  type: z.literal('CUSTOMIZED'),
  nextMs: z.array(delayMs).min(1).max(DELAYS_MAX_COUNT),
})
const exponentialPolicy = z.strictObject({
  type: z.literal('EXPONENTIAL'),
  initialMs: delayMs.default(EXPONENTIAL_INITIAL_MS),
  maxMs: delayMs.default(EXPONENTIAL_MAX_MS),
  multiplier: z.number().min(1).max(MULTIPLIER_MAX).default(EXPONENTIAL_MULTIPLIER),
})
const groupSchema = z.strictObject({
  group: z.string(),
  consumeEnable: z.boolean().optional(),
  consumeBroadcastEnable: z.boolean().optional(),
  retryQueueNums: z.int().min(0).max(TOPIC_MAX_QUEUES).optional(),
  consumeMessageOrderly: z.boolean().optional(),
  retryMaxTimes: z.int().min(0).max(RECONSUME_TIMES_MAX).optional(),
  groupRetryPolicy: z.union([customizedPolicy, exponentialPolicy]).optional(),
})
const timeShape = { begin: naturalNumber.default(0), end: naturalNumber.default(SAFE_INTEGER_MAX) }
const timeSchema = z.strictObject({ ...timeShape, max: maxCount.default(DEFAULT_MAX_COUNT) })
const keySchema = z.strictObject({ ...timeShape, max: maxCount.default(DEFAULT_KEY_MAX_COUNT) })
const offsetSchema = z.strictObject({
  offset: naturalNumber.optional(),
  max: maxCount.default(DEFAULT_MAX_COUNT),
})
const resetSchema = z.strictObject({
  group: z.string(),
  topic: z.string(),
  timestamp: z.int().min(-1).max(SAFE_INTEGER_MAX).optional(),
  offset: z.union([z.literal('min'), z.literal('max'), naturalNumber]).optional(),
  queueId: naturalNumber.optional(),
})

const cloneSchema = z.strictObject({
  srcGroup: z.string(),
  destGroup: z.string(),
  topic: z.string().optional(),
})
const skipSchema = z.strictObject({ group: z.string(), topic: z.string() })

/** A complete {@link TimeRange}. */
export type CompleteTimeRange = Readonly<z.output<typeof timeSchema>>
/** A complete {@link OffsetRange}, but for an offset that only the queue can tell. */
export type CompleteOffsetRange = Readonly<z.output<typeof offsetSchema>>

/** Completes the settings of a topic; what is left out stays as it is in `existing`. */
export function parseTopicSettings(settings: TopicSettings, existing?: TopicConfig): TopicConfig {
  const parsed = parseOptions('TopicSettings', topicSchema, settings)
  checkTopicName(parsed.topic)
  const { topic, queues } = parsed
  const order = parsed.order ?? existing?.order
  const priority = parsed.priority ?? existing?.priority
  if (order === true && priority === true)
    throw invalidParameter(
      `The topic '${topic}' cannot be both an order topic and a priority topic: a group keeps its queue, a priority is one.`,
    )
  const defaultQueueNums = priority === true ? PRIORITY_MAX + 1 : DEFAULT_TOPIC_QUEUES
  return Object.freeze({
    topic,
    readQueueNums: parsed.readQueueNums ?? queues ?? existing?.readQueueNums ?? defaultQueueNums,
    writeQueueNums: parsed.writeQueueNums ?? queues ?? existing?.writeQueueNums ?? defaultQueueNums,
    permission: parsed.permission ?? existing?.permission ?? Permission.READ_WRITE,
    ...(order === true && { order }),
    ...(priority === true && { priority }),
  })
}

/** Completes the settings of a group; what is left out stays as it is in `existing`. */
export function parseGroupSettings(settings: GroupSettings, existing?: GroupConfig): GroupConfig {
  const parsed = parseOptions('GroupSettings', groupSchema, settings)
  checkGroupName(parsed.group)
  const before = existing ?? defaultGroupConfig(parsed.group)
  const groupRetryPolicy = parsed.groupRetryPolicy ?? before.groupRetryPolicy
  return Object.freeze({
    group: parsed.group,
    consumeEnable: parsed.consumeEnable ?? before.consumeEnable,
    consumeBroadcastEnable: parsed.consumeBroadcastEnable ?? before.consumeBroadcastEnable,
    retryQueueNums: parsed.retryQueueNums ?? before.retryQueueNums,
    consumeMessageOrderly: parsed.consumeMessageOrderly ?? before.consumeMessageOrderly,
    retryMaxTimes: parsed.retryMaxTimes ?? before.retryMaxTimes,
    ...(groupRetryPolicy && { groupRetryPolicy }),
  })
}

export function parseTimeRange(range: TimeRange): CompleteTimeRange {
  return checkOrder(parseOptions('TimeRange', timeSchema, range))
}

export function parseDelayedRange(range: DelayedRange): CompleteTimeRange {
  return checkOrder(parseOptions('DelayedRange', timeSchema, range))
}

export function parseKeyRange(range: TimeRange): CompleteTimeRange {
  return checkOrder(parseOptions('TimeRange', keySchema, range))
}

export function parseOffsetRange(range: OffsetRange): CompleteOffsetRange {
  return parseOptions('OffsetRange', offsetSchema, range)
}

export function parseResetOffset(options: ResetOffsetOptions): Readonly<z.output<typeof resetSchema>> {
  const parsed = parseOptions('ResetOffsetOptions', resetSchema, options)
  checkGroupName(parsed.group)
  checkTopicName(parsed.topic)
  if (parsed.timestamp !== undefined && parsed.offset !== undefined)
    throw invalidParameter('resetOffset takes a timestamp or an offset, not both.')
  if (parsed.timestamp === undefined && parsed.offset === undefined)
    throw invalidParameter('resetOffset needs a timestamp or an offset: where is the group to go on?')
  if (typeof parsed.offset === 'number' && parsed.queueId === undefined) {
    throw invalidParameter("resetOffset to a number needs a queueId; 'min' and 'max' work for all queues.")
  }
  return parsed
}

export function parseCloneOffset(options: CloneOffsetOptions): Readonly<z.output<typeof cloneSchema>> {
  const parsed = parseOptions('CloneOffsetOptions', cloneSchema, options)
  checkGroupName(parsed.srcGroup)
  checkGroupName(parsed.destGroup)
  if (parsed.topic !== undefined) checkTopicName(parsed.topic)
  return parsed
}

export function parseSkipMessages(options: SkipMessagesOptions): Readonly<z.output<typeof skipSchema>> {
  const parsed = parseOptions('SkipMessagesOptions', skipSchema, options)
  checkGroupName(parsed.group)
  checkTopicName(parsed.topic)
  return parsed
}

export function checkQueue(queue: MessageQueue): MessageQueue {
  const parsed = parseOptions('The queue', queueSchema, queue)
  checkTopicName(parsed.topic)
  return parsed
}

/** Refuses what has not the form of a message id. */
export function checkMessageId(messageId: unknown): asserts messageId is string {
  if (!isMessageId(messageId)) throw invalidParameter(`${inWords(messageId)} is no message id.`)
}

/** Refuses what is no offset and no time. */
export function checkNaturalNumber(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidParameter(`The ${what} must be a whole number from 0 on, not ${inWords(value)}.`)
  }
}

function checkOrder(range: CompleteTimeRange): CompleteTimeRange {
  if (range.begin <= range.end) return range
  throw invalidParameter(`The time range begins at ${range.begin}, after its end ${range.end}.`)
}
