/** The settings of a pull consumer (RocketMQ `DefaultMQPullConsumer`, semantics section 8.2). */
import { z } from 'zod'
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { DEFAULT_MAX_RECONSUME_TIMES, SAFE_INTEGER_MAX } from '../model/limits.ts'
import { parseOptions } from '../model/parse-options.ts'
import type { TopicList } from '../model/typed-message.ts'
import { checkConsumerGroup, memberShape, type Typing } from './consumer-options.ts'
import { TopicValues } from './topic-values.ts'

/** What `createPullConsumer` takes. */
export interface PullConsumerOptions {
  /**
   * The group under which offsets are kept and to which failed messages go back, up to 120 letters, digits, `%`, `|`, `_` or
   * `-` (RocketMQ `consumerGroup`).
   */
  readonly group: string
  /** How long a pull may take, in milliseconds. Default 10 seconds (RocketMQ `consumerPullTimeoutMillis`). */
  readonly consumerPullTimeoutMs?: number | undefined
  /** How long `pullBlockIfNotFound` waits, in milliseconds. Default 20 seconds (RocketMQ `brokerSuspendMaxTimeMillis`). */
  readonly suspendMs?: number | undefined
  /** Retries before a message that is sent back becomes a dead letter. Default 16; 0 means none. */
  readonly maxReconsumeTimes?: number | undefined
  /** Which member gets which queues, for `fetchMessageQueuesInBalance`. Default `allocateAveragely`. */
  readonly allocateStrategy?: AllocateStrategy | undefined
  /** Closes the consumer when it fires. */
  readonly signal?: AbortSignal | undefined
  /** The name of this one consumer, unique in its group. Default: made from the process and a counter. */
  readonly clientId?: string | undefined
}

/** What `createPullConsumer` takes for typed topics: no others may be pulled then. */
export interface TypedPullConsumerOptions<Topics extends TopicList>
  extends Typing<Topics>,
    PullConsumerOptions {}

const milliseconds = z.int().min(1).max(SAFE_INTEGER_MAX)

const schema = z.strictObject({
  ...memberShape,
  consumerPullTimeoutMs: milliseconds.default(10_000),
  suspendMs: milliseconds.default(20_000),
  maxReconsumeTimes: z.int().min(0).max(65_535).default(DEFAULT_MAX_RECONSUME_TIMES),
})

/** The settings of a pull consumer with every default filled in. */
export interface CompletePullConsumerOptions extends Readonly<Omit<z.output<typeof schema>, 'topics'>> {
  /** Absent without typed topics. */
  readonly values: TopicValues | undefined
}

/** Checks and completes; throws `INVALID_PARAMETER` that names the option. */
export function parsePullConsumerOptions(options: PullConsumerOptions): CompletePullConsumerOptions {
  const { topics, ...rest } = parseOptions('PullConsumerOptions', schema, options)
  checkConsumerGroup(rest.group)
  return { ...rest, values: TopicValues.of(topics, []) }
}
