/** The settings of a push consumer (RocketMQ `DefaultMQPushConsumer`, semantics section 6.1). */
import { z } from 'zod'
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { allocateAveragely } from '../allocate/averagely.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { DEFAULT_MAX_RECONSUME_TIMES, PULL_MAX_COUNT, SAFE_INTEGER_MAX } from '../model/limits.ts'
import { parseOptions } from '../model/parse-options.ts'
import {
  type MessageFilter,
  matchAll,
  parseExpression,
  type SubscriptionExpression,
} from '../model/subscription.ts'
import { checkGroupName, checkTopicName, retryTopicOf } from '../model/topic.ts'
import type { Listener } from './dispatcher-concurrent.ts'
import type { BatchMessageListener, MessageListener } from './message-listener.ts'
import type { ConsumeFromWhere } from './start-offset.ts'

interface CommonOptions {
  /**
   * The name of the consumers that share the work, up to 120 letters, digits, `%`, `|`, `_` or `-`. Every message goes
   * to one member of each group (RocketMQ `consumerGroup`).
   */
  readonly group: string
  /**
   * What to consume: topic to tag expression, `'*'` for everything or tags such as `'paid || refunded'`, or `sql("...")`. A topic that
   * does not exist yet is consumed as soon as it does. Retries of the group arrive by themselves. All members of a group
   * must subscribe to the same.
   */
  readonly subscriptions: Readonly<Record<string, SubscriptionExpression>>
  /** `'concurrent'`, the default, or `'orderly'` (RocketMQ `MessageListenerConcurrently`, `MessageListenerOrderly`). */
  readonly mode?: 'concurrent' | 'orderly' | undefined
  /** `'clustering'`, the default: members share the messages; or `'broadcasting'`: each gets all. */
  readonly messageModel?: 'clustering' | 'broadcasting' | undefined
  /**
   * Where a group without an offset starts on a queue that has lost its oldest messages already; a younger queue is
   * always read from its beginning. Default `'LAST_OFFSET'` (RocketMQ `consumeFromWhere`).
   */
  readonly consumeFromWhere?: ConsumeFromWhere | undefined
  /** For `'TIMESTAMP'`: the first store time to consume, in milliseconds since 1970. Default: 30 minutes ago. */
  readonly consumeTimestamp?: number | undefined
  /**
   * Calls of the listener that may run at a time, over all queues. Default 20. More helps listeners that wait for
   * others, and repeats more messages after a crash (RocketMQ `consumeThreadMax`).
   */
  readonly concurrency?: number | undefined
  /** Retries before a message becomes a dead letter. Default 16; 0 means none. */
  readonly maxReconsumeTimes?: number | undefined
  /**
   * How long the listener may take, in milliseconds. Then the message is retried, the signal of its context fires and
   * the late answer is ignored. Default 15 minutes (RocketMQ `consumeTimeout`).
   */
  readonly consumeTimeoutMs?: number | undefined
  /** Most messages of one pull, 1 to 1024. Default 32. */
  readonly pullBatchSize?: number | undefined
  /** How long a pull waits for new messages before it asks again, in milliseconds. Default 15 seconds. */
  readonly suspendMs?: number | undefined
  /**
   * Unfinished messages of a queue above which pulling pauses, 1 to 65,535. Default 1000. More keeps a fast listener from
   * waiting for pulls; it costs memory for each queue (RocketMQ `pullThresholdForQueue`).
   */
  readonly pullThresholdForQueue?: number | undefined
  /** Unfinished bytes of a queue above which pulling pauses. Default 100 MiB (RocketMQ `pullThresholdSizeForQueue`). */
  readonly pullThresholdSizeForQueueBytes?: number | undefined
  /**
   * Fetched messages of a queue between the first unfinished and the last, above which pulling pauses: what one stuck
   * message can cause to be repeated after a crash. Default 2000.
   */
  readonly consumeConcurrentlyMaxSpan?: number | undefined
  /** Which member gets which queues; the same for all members of the group. Default `allocateAveragely`. */
  readonly allocateStrategy?: AllocateStrategy | undefined
  /** How long `close` waits for running listeners, in milliseconds. Default: as the instance, which has 10 seconds. */
  readonly closeTimeoutMs?: number | undefined
  /** Closes the consumer when it fires. */
  readonly signal?: AbortSignal | undefined
  /** The name of this one member, unique in its group. Default: made from the process and a counter. */
  readonly clientId?: string | undefined
}

interface SingleListenerOptions extends CommonOptions {
  /** Called with one message at a time. */
  readonly listener: MessageListener
  readonly consumeMessageBatchMaxSize?: undefined
}

interface BatchListenerOptions extends CommonOptions {
  /** Called with an array of messages of one queue. */
  readonly listener: BatchMessageListener
  /** Most messages of one call, 1 to 1024. When it is given, the listener takes arrays, also for 1. */
  readonly consumeMessageBatchMaxSize: number
}

/** What `createPushConsumer` takes. */
export type PushConsumerOptions = SingleListenerOptions | BatchListenerOptions

/** RocketMQ refuses this group, since two applications that left the name out would become one group. */
const DEFAULT_GROUP = 'DEFAULT_CONSUMER'
const MiB = 1024 ** 2

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isStrategy = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'allocate' in value &&
  isFunction(value.allocate) &&
  'name' in value

const schema = z.strictObject({
  group: z.string(),
  subscriptions: z.record(z.string(), z.unknown()),
  listener: z.custom<MessageListener & BatchMessageListener>(isFunction, 'must be a function'),
  consumeMessageBatchMaxSize: z.int().min(1).max(1024).optional(),
  mode: z.enum(['concurrent', 'orderly']).default('concurrent'),
  messageModel: z.enum(['clustering', 'broadcasting']).default('clustering'),
  consumeFromWhere: z.enum(['LAST_OFFSET', 'FIRST_OFFSET', 'TIMESTAMP']).default('LAST_OFFSET'),
  consumeTimestamp: z.int().min(0).max(SAFE_INTEGER_MAX).optional(),
  concurrency: z.int().min(1).max(65_535).default(20),
  maxReconsumeTimes: z.int().min(0).max(65_535).default(DEFAULT_MAX_RECONSUME_TIMES),
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
  consumeConcurrentlyMaxSpan: z.int().min(1).max(65_535).default(2000),
  allocateStrategy: z
    .custom<AllocateStrategy>(isStrategy, 'must have a name and allocate()')
    .default(allocateAveragely),
  closeTimeoutMs: z.int().min(1).max(SAFE_INTEGER_MAX).default(10_000),
  signal: z.instanceof(AbortSignal).optional(),
  clientId: z.string().trim().min(1).max(255).optional(),
})

/** The settings of a push consumer, checked and complete. */
export interface CompletePushConsumerOptions
  extends Readonly<
    Omit<z.output<typeof schema>, 'listener' | 'subscriptions' | 'consumeMessageBatchMaxSize'>
  > {
  readonly listener: Listener
  /** The group's retry topic included. */
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
}

/** Checks and completes; throws `INVALID_PARAMETER`, `SUBSCRIPTION_PARSE_FAILED` or `UNSUPPORTED` that names the option. */
export function parsePushConsumerOptions(options: PushConsumerOptions): CompletePushConsumerOptions {
  const { listener, subscriptions, consumeMessageBatchMaxSize, ...rest } = parseOptions(
    'PushConsumerOptions',
    schema,
    options,
  )
  checkGroupName(rest.group)
  if (rest.group === DEFAULT_GROUP)
    throw invalidParameter(`The group '${DEFAULT_GROUP}' is reserved; choose another name.`)
  if (rest.mode === 'orderly') throw unsupported("mode 'orderly'", "'concurrent'")
  if (rest.messageModel === 'broadcasting') throw unsupported("messageModel 'broadcasting'", "'clustering'")
  return Object.freeze({
    ...rest,
    listener: toListener(listener, consumeMessageBatchMaxSize),
    subscriptions: parseSubscriptions(rest.group, subscriptions),
  })
}

function toListener(listen: MessageListener & BatchMessageListener, maxCount: number | undefined): Listener {
  return maxCount === undefined ? { kind: 'single', listen } : { kind: 'batch', listen, maxCount }
}

function parseSubscriptions(
  group: string,
  subscriptions: Record<string, unknown>,
): ReadonlyMap<string, MessageFilter> {
  const retryTopic = retryTopicOf(group)
  const filters = new Map<string, MessageFilter>()
  for (const [topic, expression] of Object.entries(subscriptions)) {
    checkTopicName(topic)
    if (topic === retryTopic)
      throw invalidParameter(
        `subscriptions: '${topic}' is the group's own retry topic, which it consumes anyway.`,
      )
    filters.set(topic, parseExpression(expression))
  }
  if (filters.size === 0)
    throw invalidParameter("subscriptions: name at least one topic, such as { orders: '*' }.")
  return filters.set(retryTopic, matchAll)
}

function unsupported(what: string, instead: string): MQError {
  return new MQError('UNSUPPORTED', `${what} is not available yet; leave it out or use ${instead}.`)
}
