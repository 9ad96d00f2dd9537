/** The settings of a lite pull consumer (RocketMQ `DefaultLitePullConsumer`, semantics section 8.1). */
import { z } from 'zod'
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { invalidParameter } from '../model/errors.ts'
import { PULL_MAX_COUNT, SAFE_INTEGER_MAX } from '../model/limits.ts'
import { parseOptions } from '../model/parse-options.ts'
import type { MessageFilter, SubscriptionExpression } from '../model/subscription.ts'
import type { TopicList } from '../model/typed-message.ts'
import {
  checkConsumerGroup,
  checkStart,
  memberShape,
  parseSubscriptions,
  startShape,
  type Typing,
} from './consumer-options.ts'
import type { ConsumeFromWhere } from './start-offset.ts'
import { TopicValues } from './topic-values.ts'

/** What `createLitePullConsumer` takes. */
export interface LitePullConsumerOptions<Names extends string = string> {
  /**
   * The name of the consumers that share the work, up to 120 letters, digits, `%`, `|`, `_` or `-`; how far they are is
   * kept under it (RocketMQ `consumerGroup`).
   */
  readonly group: string
  /**
   * What to consume: topic to tag expression, `'*'` for everything or tags such as `'paid || refunded'`, or `sql("...")`. The
   * members of the group share the queues. Leave it out to `subscribe` later, or to choose queues yourself with `assign`.
   */
  readonly subscriptions?: Readonly<Record<Names, SubscriptionExpression>> | undefined
  /**
   * `'clustering'`, the default: members share the messages; or `'broadcasting'`: each gets all. A broadcasting member has
   * offsets of its own; they are kept, and continued after a restart, if it names itself by `clientId`.
   */
  readonly messageModel?: 'clustering' | 'broadcasting' | undefined
  /**
   * For `assign`: topic to expression, for topics of which not everything is wanted (RocketMQ `setSubExpressionForAssign`).
   */
  readonly subExpressionForAssign?: Readonly<Record<string, SubscriptionExpression>> | undefined
  /**
   * Whether a poll commits what earlier polls returned. Default true; with false only `commit` commits, and so it should be
   * when several polls run at a time.
   */
  readonly autoCommit?: boolean | undefined
  /** The least time between two such commits, in milliseconds. Default 5000 (RocketMQ `autoCommitIntervalMillis`). */
  readonly autoCommitIntervalMs?: number | undefined
  /** How long a poll waits that does not say so itself, in milliseconds. Default 5000 (RocketMQ `pollTimeoutMillis`). */
  readonly pollTimeoutMs?: number | undefined
  /** Most messages of one pull, and so of one poll, 1 to 1024. Default 10. */
  readonly pullBatchSize?: number | undefined
  /** How long a pull waits for new messages before it asks again, in milliseconds. Default 20 seconds. */
  readonly suspendMs?: number | undefined
  /** Fetched messages of all queues above which fetching pauses. Default 10,000 (RocketMQ `pullThresholdForAll`). */
  readonly pullThresholdForAll?: number | undefined
  /** Fetched messages of a queue above which fetching it pauses, 1 to 65,535. Default 1000. */
  readonly pullThresholdForQueue?: number | undefined
  /** Fetched bytes of a queue above which fetching it pauses. Default 100 MiB (RocketMQ `pullThresholdSizeForQueue`). */
  readonly pullThresholdSizeForQueueBytes?: number | undefined
  /** Messages of a queue between the first unfinished and the last fetched, above which fetching it pauses. Default 2000. */
  readonly consumeMaxSpan?: number | undefined
  /**
   * Where a group without an offset starts on a queue that has lost its oldest messages already; a younger queue is
   * always read from its beginning. A broadcasting member without offsets starts there on every queue, but for queues
   * that come into being while it is there. Default `'LAST_OFFSET'` (RocketMQ `consumeFromWhere`).
   */
  readonly consumeFromWhere?: ConsumeFromWhere | undefined
  /** Only for `'TIMESTAMP'`: the first store time to consume, in milliseconds since 1970. Default: 30 minutes ago. */
  readonly consumeTimestamp?: number | undefined
  /**
   * How long a queue that goes to another member waits for this one to be done with the messages that it took, in
   * milliseconds: until its next poll or commit. After that they are delivered again. Default 20 seconds, which is how long
   * RocketMQ can take to rebalance.
   */
  readonly handOverTimeoutMs?: number | undefined
  /** Which member gets which queues; the same for all members of the group. Default `allocateAveragely`. */
  readonly allocateStrategy?: AllocateStrategy | undefined
  /** Closes the consumer when it fires. */
  readonly signal?: AbortSignal | undefined
  /**
   * The name of this one member, unique in its group. Default: made from the process and a counter. A broadcasting member
   * goes on after a restart only under a name of its own.
   */
  readonly clientId?: string | undefined
}

/** What `createLitePullConsumer` takes for typed topics. Unlike other consumers it subscribes to nothing by itself. */
export interface TypedLitePullConsumerOptions<Topics extends TopicList, Names extends string = never>
  extends Typing<Topics>,
    LitePullConsumerOptions<Names> {}

const MiB = 1024 ** 2
const PULL_THRESHOLD_MAX_COUNT = 6_553_500

const milliseconds = z.int().min(1).max(SAFE_INTEGER_MAX)
const queueCount = z.int().min(1).max(65_535)
const expressions = z.record(z.string(), z.unknown()).optional()

const schema = z.strictObject({
  ...memberShape,
  ...startShape,
  subscriptions: expressions,
  subExpressionForAssign: expressions,
  messageModel: z.enum(['clustering', 'broadcasting']).default('clustering'),
  autoCommit: z.boolean().default(true),
  autoCommitIntervalMs: milliseconds.default(5000),
  pollTimeoutMs: z.int().min(0).max(SAFE_INTEGER_MAX).default(5000),
  pullBatchSize: z.int().min(1).max(PULL_MAX_COUNT).default(10),
  suspendMs: milliseconds.default(20_000),
  pullThresholdForAll: z.int().min(1).max(PULL_THRESHOLD_MAX_COUNT).default(10_000),
  pullThresholdForQueue: queueCount.default(1000),
  pullThresholdSizeForQueueBytes: z
    .int()
    .min(1)
    .max(1024 * MiB)
    .default(100 * MiB),
  consumeMaxSpan: queueCount.default(2000),
  handOverTimeoutMs: milliseconds.default(20_000),
})

/** The settings of a lite pull consumer, checked and complete. */
export interface CompleteLitePullConsumerOptions
  extends Readonly<Omit<z.output<typeof schema>, 'topics' | 'subscriptions' | 'subExpressionForAssign'>> {
  /** Absent when queues are assigned by hand. */
  readonly subscriptions: ReadonlyMap<string, MessageFilter> | undefined
  readonly assignFilters: ReadonlyMap<string, MessageFilter>
  /** Absent without typed topics. */
  readonly values: TopicValues | undefined
}

/** Checks and completes; throws `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED` that names the option. */
export function parseLitePullConsumerOptions(
  options: LitePullConsumerOptions,
): CompleteLitePullConsumerOptions {
  const { topics, subscriptions, subExpressionForAssign, ...rest } = parseOptions(
    'LitePullConsumerOptions',
    schema,
    options,
  )
  checkConsumerGroup(rest.group)
  checkStart(rest)
  if (subscriptions !== undefined && subExpressionForAssign !== undefined)
    throw invalidParameter('subscriptions and subExpressionForAssign are mutually exclusive.')
  if (rest.messageModel === 'broadcasting' && subExpressionForAssign !== undefined)
    throw invalidParameter(
      "messageModel 'broadcasting' is for subscriptions; assigned queues are not shared anyway.",
    )
  return Object.freeze({
    ...rest,
    values: TopicValues.of(topics, Object.keys(subscriptions ?? {})),
    subscriptions: subscriptions && parseSubscriptions(subscriptions),
    assignFilters: subExpressionForAssign ? parseSubscriptions(subExpressionForAssign) : new Map(),
  })
}
