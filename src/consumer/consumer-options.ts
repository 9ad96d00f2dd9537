/** What the options of all consumers have in common. */
import { z } from 'zod'
import type { AllocateStrategy } from '../allocate/allocate.ts'
import { allocateAveragely } from '../allocate/averagely.ts'
import { clientIdSchema } from '../model/client-id.ts'
import type { Clock } from '../model/clock.ts'
import { invalidParameter } from '../model/errors.ts'
import { SAFE_INTEGER_MAX } from '../model/limits.ts'
import {
  type MessageFilter,
  matchAll,
  parseExpression,
  type SubscriptionExpression,
} from '../model/subscription.ts'
import { checkGroupName, checkTopicName } from '../model/topic.ts'
import type { TopicList } from '../model/typed-message.ts'
import type { ConsumeFromWhere, StartWish } from './start-offset.ts'
import { isTopicList, TopicValues } from './topic-values.ts'

/** What a consumer consumes. */
export interface Subscribing<Names extends string = string> {
  /**
   * What to consume: topic to tag expression, `'*'` for everything or tags such as `'paid || refunded'`, or `sql("...")`. A topic
   * that does not exist yet is consumed as soon as it does. Retries of the group arrive by themselves. All members of a
   * group must subscribe to the same. With `topics` it may be left out: then it is everything of these.
   */
  readonly subscriptions: Readonly<Record<Names, SubscriptionExpression>>
}

/** Which of what a consumer consumes has values of a known type. */
export interface Typing<Topics extends TopicList> {
  /**
   * Topics whose messages have a `value`, as `defineTopic` answers them. They are the only topics that may be consumed, but for
   * those that `subscriptions` names from the beginning.
   */
  readonly topics: Topics
}

interface StartOptions {
  readonly consumeFromWhere: ConsumeFromWhere
  readonly consumeTimestamp?: number | undefined
}

/** RocketMQ refuses this group, since two applications that left the name out would become one group. */
const DEFAULT_GROUP = 'DEFAULT_CONSUMER'
/** Before the consumer was made: the default start for `consumeFromWhere: 'TIMESTAMP'` (RocketMQ). */
const DEFAULT_CONSUME_AGE_MS = 30 * 60_000

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isStrategy = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'allocate' in value &&
  isFunction(value.allocate) &&
  'name' in value &&
  typeof value.name === 'string'

/** Fields of every consumer's schema. */
export const memberShape = {
  topics: z.custom<TopicList>(isTopicList, 'must be an array of what defineTopic answered').default([]),
  group: z.string(),
  signal: z.instanceof(AbortSignal).optional(),
  clientId: clientIdSchema.optional(),
  allocateStrategy: z
    .custom<AllocateStrategy>(isStrategy, 'must have a name and allocate()')
    .default(allocateAveragely),
}

/** Fields of the schema of consumers that begin by themselves. */
export const startShape = {
  consumeFromWhere: z.enum(['LAST_OFFSET', 'FIRST_OFFSET', 'TIMESTAMP']).default('LAST_OFFSET'),
  consumeTimestamp: z.int().min(0).max(SAFE_INTEGER_MAX).optional(),
}

/** Refuses what cannot be the group of consumers. */
export function checkConsumerGroup(group: string): void {
  checkGroupName(group)
  if (group === DEFAULT_GROUP)
    throw invalidParameter(`The group '${DEFAULT_GROUP}' is reserved; choose another name.`)
}

/** Topic to filter; throws `INVALID_PARAMETER` or `SUBSCRIPTION_PARSE_FAILED`. */
export function parseSubscriptions(
  subscriptions: Readonly<Record<string, unknown>>,
): Map<string, MessageFilter> {
  const filters = new Map<string, MessageFilter>()
  for (const [topic, expression] of Object.entries(subscriptions)) {
    checkTopicName(topic)
    filters.set(topic, parseExpression(expression))
  }
  if (filters.size === 0)
    throw invalidParameter("subscriptions: name at least one topic, such as { orders: '*' }.")
  return filters
}

/** What is consumed, and what reads the values of it; throws as {@link parseSubscriptions}. */
export function parseConsumed(
  topics: TopicList,
  subscriptions: Readonly<Record<string, unknown>> | undefined,
): { readonly filters: Map<string, MessageFilter>; readonly values: TopicValues | undefined } {
  const everything = (): Map<string, MessageFilter> => new Map(topics.map(({ name }) => [name, matchAll]))
  const filters =
    subscriptions === undefined && topics.length > 0 ? everything() : parseSubscriptions(subscriptions ?? {})
  return { filters, values: TopicValues.of(topics, filters.keys()) }
}

/** Refuses a time that would not be looked at. */
export function checkStart({ consumeFromWhere, consumeTimestamp }: StartOptions): void {
  if (consumeTimestamp !== undefined && consumeFromWhere !== 'TIMESTAMP')
    throw invalidParameter("consumeTimestamp needs consumeFromWhere 'TIMESTAMP'.")
}

/** Where to begin without an offset, with the default time filled in. */
export function startWishOf(options: StartOptions, clock: Clock): StartWish {
  const consumeTimestamp = options.consumeTimestamp ?? clock.now() - DEFAULT_CONSUME_AGE_MS
  return { consumeFromWhere: options.consumeFromWhere, consumeTimestamp }
}
