/** The settings of a simple consumer, and of one receive (RocketMQ 5 `SimpleConsumerBuilder`, semantics section 8.7). */
import { z } from 'zod'
import { invalidParameter } from '../model/errors.ts'
import { INVISIBLE_MAX_MS, POP_MAX_COUNT, SAFE_INTEGER_MAX } from '../model/limits.ts'
import { parseOptions } from '../model/parse-options.ts'
import type { MessageFilter } from '../model/subscription.ts'
import { isPopRetryTopicOfGroup } from '../model/topic.ts'
import type { TopicList } from '../model/typed-message.ts'
import { checkKnown, checkSignal } from './consumer-arguments.ts'
import {
  checkConsumerGroup,
  memberShape,
  parseConsumed,
  type Subscribing,
  type Typing,
} from './consumer-options.ts'
import type { TopicValues } from './topic-values.ts'

/** What `createSimpleConsumer` takes. */
export interface SimpleConsumerOptions extends Subscribing, SimpleConsumerSettings {}

/** What `createSimpleConsumer` takes for typed topics: from these, and from what is subscribed to, follows what is received. */
export interface TypedSimpleConsumerOptions<Topics extends TopicList, Names extends string = never>
  extends Typing<Topics>,
    Partial<Subscribing<Names>>,
    SimpleConsumerSettings {}

interface SimpleConsumerSettings {
  /**
   * The name of the consumers that share the messages, up to 120 letters, digits, `%`, `|`, `_` or `-` (RocketMQ
   * `setConsumerGroup`). A group of simple consumers should have no other members.
   */
  readonly group: string
  /**
   * How long a receive waits that does not say so itself, in milliseconds. Default 20 seconds, the longest wait of a
   * RocketMQ proxy.
   */
  readonly awaitDurationMs?: number | undefined
  /**
   * Whether the group must be FIFO: as long as somebody has unacknowledged messages of a queue, nobody gets more of it, and
   * those whose time is over come again in order. It is a setting of the group: its first member decides, later ones may leave
   * it out. Default: as the group is; a new one is not FIFO.
   */
  readonly consumeMessageOrderly?: boolean | undefined
  /** Closes the consumer when it fires. */
  readonly signal?: AbortSignal | undefined
  /** The name of this one member, unique in its group. Default: made from the process and a counter. */
  readonly clientId?: string | undefined
}

/** How to receive once. */
export interface ReceiveOptions {
  /** Most messages, 1 to 32. Default 16. */
  readonly maxMessages?: number | undefined
  /**
   * For how long nobody else gets the messages, in milliseconds, 1 to 12 hours. Default 60 seconds. What is not acknowledged by
   * then is delivered again; with less, a slow receiver repeats messages, with more, those of a crashed one wait.
   */
  readonly invisibleDurationMs?: number | undefined
  /** How long to wait when there is nothing, in milliseconds; 0 answers at once. Default: `awaitDurationMs` of the consumer. */
  readonly awaitDurationMs?: number | undefined
  /** Ends the wait; the receive then rejects with `ABORTED`. */
  readonly signal?: AbortSignal | undefined
}

/** What may be said when a message is given back. */
export interface NackOptions {
  /**
   * Why it could not be consumed: for the `retry` event, and for the `DLQ_REASON` of a dead letter, which keeps up to 1024 characters.
   * It lasts as long as the process. Default: `'It was given back.'`
   */
  readonly reason?: string | undefined
}

const DEFAULT_AWAIT_DURATION_MS = 20_000
/** As in RocketMQ's samples; there it has no default. */
const DEFAULT_MAX_MESSAGES = 16
/** RocketMQ `ProxyConfig#defaultInvisibleTimeMills`. */
const DEFAULT_INVISIBLE_DURATION_MS = 60_000

const schema = z.strictObject({
  group: memberShape.group,
  signal: memberShape.signal,
  clientId: memberShape.clientId,
  topics: memberShape.topics,
  subscriptions: z.record(z.string(), z.unknown()).optional(),
  awaitDurationMs: z.int().min(0).max(SAFE_INTEGER_MAX).default(DEFAULT_AWAIT_DURATION_MS),
  consumeMessageOrderly: z.boolean().optional(),
})

/** The settings of a simple consumer, checked and complete. */
export interface CompleteSimpleConsumerOptions
  extends Readonly<Omit<z.output<typeof schema>, 'topics' | 'subscriptions'>> {
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
  /** Absent without typed topics. */
  readonly values: TopicValues | undefined
}

/** Checks and completes; throws `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED` that names the option. */
export function parseSimpleConsumerOptions(options: SimpleConsumerOptions): CompleteSimpleConsumerOptions {
  const { topics, subscriptions, ...rest } = parseOptions('SimpleConsumerOptions', schema, options)
  checkConsumerGroup(rest.group)
  const { filters, values } = parseConsumed(topics, subscriptions)
  for (const topic of filters.keys()) checkReceivable(rest.group, topic)
  return Object.freeze({ ...rest, values, subscriptions: filters })
}

/** Refuses the topics that the group receives its own retries from. */
export function checkReceivable(group: string, topic: string): void {
  if (isPopRetryTopicOfGroup(topic, group))
    throw invalidParameter(`subscriptions: '${topic}' has retries of the group, which it receives anyway.`)
}

/** A complete {@link ReceiveOptions}. */
export interface CompleteReceiveOptions {
  readonly maxMessages: number
  readonly invisibleDurationMs: number
  readonly awaitDurationMs: number
  readonly signal: AbortSignal | undefined
}

/** By hand, since it is done for every few messages. */
export function parseReceiveOptions(
  options: ReceiveOptions,
  awaitDurationMs: number,
): CompleteReceiveOptions {
  checkKnown(options, 'maxMessages', 'invisibleDurationMs', 'awaitDurationMs', 'signal')
  const complete = {
    maxMessages: options.maxMessages ?? DEFAULT_MAX_MESSAGES,
    invisibleDurationMs: options.invisibleDurationMs ?? DEFAULT_INVISIBLE_DURATION_MS,
    awaitDurationMs: options.awaitDurationMs ?? awaitDurationMs,
    signal: options.signal,
  }
  checkRange('maxMessages', complete.maxMessages, 1, POP_MAX_COUNT)
  checkRange('invisibleDurationMs', complete.invisibleDurationMs, 1, INVISIBLE_MAX_MS)
  checkRange('awaitDurationMs', complete.awaitDurationMs, 0, SAFE_INTEGER_MAX)
  checkSignal(complete.signal)
  return complete
}

/** Throws `INVALID_PARAMETER` for what is no reason. */
export function parseNackOptions(options: NackOptions): NackOptions {
  if (typeof options === 'string') throw invalidParameter('nack: give the reason as { reason }.')
  checkKnown(options, 'reason')
  const { reason } = options
  if (reason !== undefined && (typeof reason !== 'string' || reason.trim() === ''))
    throw invalidParameter('reason must be a text that is not empty.')
  return { reason }
}

/** Refuses what is no duration that a message may be invisible for; 0 makes it visible at once. */
export function checkInvisibleDuration(value: unknown): asserts value is number {
  checkRange('invisibleDurationMs', value, 0, INVISIBLE_MAX_MS)
}

function checkRange(name: string, value: unknown, lowest: number, highest: number): void {
  if (Number.isInteger(value) && (value as number) >= lowest && (value as number) <= highest) return
  throw invalidParameter(`${name} must be a whole number from ${lowest} to ${highest}, not ${String(value)}.`)
}
