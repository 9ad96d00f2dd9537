/** Names, permissions and settings of topics and groups (RocketMQ `TopicValidator`, `Validators`, `PermName`). */
import { invalidParameter, MQError } from './errors.ts'
import {
  DEFAULT_MAX_RECONSUME_TIMES,
  DERIVED_TOPIC_MAX_LENGTH,
  GROUP_MAX_LENGTH,
  TOPIC_MAX_LENGTH,
} from './limits.ts'
import type { GroupRetryPolicy } from './retry-policy.ts'

const NAME_PATTERN = /^[%|a-zA-Z0-9_-]+$/
/** The retry topic of a group and a topic; no name of either has the sign between them. */
const POP_RETRY_PATTERN = /^%RETRY%[%|a-zA-Z0-9_-]+\+[%|a-zA-Z0-9_-]+$/
const RETRY_PREFIX = '%RETRY%'
const POP_RETRY_SEPARATOR = '+'
const DEAD_LETTER_PREFIX = '%DLQ%'

/** Where messages go of transactions that nobody could end (RocketMQ `TRANS_CHECK_MAX_TIME_TOPIC`). */
export const TRANSACTION_CHECK_TOPIC = 'TRANS_CHECK_MAX_TIME_TOPIC'

/** What was traced of messages (RocketMQ `RMQ_SYS_TRACE_TOPIC`). */
export const TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'

/** The topic that replies say they are of (RocketMQ: that of the cluster); nothing is stored in it. */
export const REPLY_TOPIC = 'DefaultCluster_REPLY_TOPIC'

/** Topics that RocketMQ keeps for itself; an application may neither create nor send to them. */
const SYSTEM_TOPICS: ReadonlySet<string> = new Set([
  'TBW102',
  'SELF_TEST_TOPIC',
  'BenchmarkTest',
  'DefaultCluster',
  'OFFSET_MOVED_EVENT',
  'SCHEDULE_TOPIC_XXXX',
  TRACE_TOPIC,
  REPLY_TOPIC,
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  TRANSACTION_CHECK_TOPIC,
  'CHECKPOINT_TOPIC',
])
const SYSTEM_TOPIC_PREFIX = 'rmq_sys_'

/** Permission bits of a topic (RocketMQ `PermName`). */
export const Permission = { NONE: 0, WRITE: 2, READ: 4, READ_WRITE: 6 } as const
/** Whether a topic may be read, written, both or neither. */
export type Permission = (typeof Permission)[keyof typeof Permission]

/** The settings of a topic (RocketMQ `TopicConfig`). */
export interface TopicConfig {
  readonly topic: string
  /** Consumers see queues 0 to `readQueueNums - 1`. */
  readonly readQueueNums: number
  /** Producers see queues 0 to `writeQueueNums - 1`. */
  readonly writeQueueNums: number
  readonly permission: Permission
  /**
   * `true` makes an order topic: message groups and selectors choose from the same queues for ever, and what belongs to a
   * queue that takes no messages is refused. Left out: not one.
   */
  readonly order?: boolean | undefined
  /** Of an order topic: how many queues these are. Said by the engine, as many as the topic had when it became one. */
  readonly orderQueueNums?: number | undefined
  /**
   * `true` makes a priority topic: the priority of a message is its queue, and consumers begin with the highest one. Left
   * out: not one.
   */
  readonly priority?: boolean | undefined
}

/** The settings of a consumer group (RocketMQ `SubscriptionGroupConfig`). */
export interface GroupConfig {
  readonly group: string
  /** `false` stops all consumption of the group. */
  readonly consumeEnable: boolean
  /** `false` refuses broadcasting members. */
  readonly consumeBroadcastEnable: boolean
  /** Queues of the group's retry topic. */
  readonly retryQueueNums: number
  /** `true` makes a FIFO group: what simple consumers receive of a queue is received in its order, and holds the queue. */
  readonly consumeMessageOrderly: boolean
  /** Retries of a message that simple consumers receive; it becomes a dead letter when the last one was in vain. */
  readonly retryMaxTimes: number
  /** How long `nack` makes a message wait. Left out: as long as the retries of push consumers (`messageDelayLevel`). */
  readonly groupRetryPolicy?: GroupRetryPolicy | undefined
}

/** The settings that a group gets when its first member appears. */
export function defaultGroupConfig(group: string): GroupConfig {
  return {
    group,
    consumeEnable: true,
    consumeBroadcastEnable: true,
    retryQueueNums: 1,
    consumeMessageOrderly: false,
    retryMaxTimes: DEFAULT_MAX_RECONSUME_TIMES,
  }
}

/** Whether the queue of a message is its priority. */
export function isPriorityTopic({ priority }: TopicConfig): boolean {
  return priority === true
}

export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(RETRY_PREFIX)
}

export function isDeadLetterTopic(topic: string): boolean {
  return topic.startsWith(DEAD_LETTER_PREFIX)
}

export function isSystemTopic(topic: string): boolean {
  return SYSTEM_TOPICS.has(topic) || topic.startsWith(SYSTEM_TOPIC_PREFIX)
}

/** The topic that carries a group's retries. */
export function retryTopicOf(group: string): string {
  return RETRY_PREFIX + group
}

/**
 * The topic that carries what members of a group received from a topic and did not acknowledge (RocketMQ
 * `KeyBuilder#buildPopRetryTopicV2`): each topic has its own, so that who receives from one topic never gets messages of another.
 */
export function popRetryTopicOf(group: string, topic: string): string {
  return RETRY_PREFIX + group + POP_RETRY_SEPARATOR + topic
}

/** Whether a topic is the retry topic of this group for any topic. */
export function isPopRetryTopicOfGroup(retryTopic: string, group: string): boolean {
  return retryTopic.startsWith(RETRY_PREFIX + group + POP_RETRY_SEPARATOR)
}

/** The topic that the messages of a topic were received from: of the group's retry topic for a topic, that topic. */
export function popSourceTopicOf(topic: string, group: string): string {
  return isPopRetryTopicOfGroup(topic, group) ? topic.slice(popRetryTopicOf(group, '').length) : topic
}

/** Whether a topic is the retry topic of any group for this topic. */
export function isPopRetryTopicOfTopic(retryTopic: string, topic: string): boolean {
  return isRetryTopic(retryTopic) && retryTopic.endsWith(POP_RETRY_SEPARATOR + topic)
}

/** The group that a retry or dead-letter topic belongs to; `undefined` for any other. */
export function consumerGroupOf(topic: string): string | undefined {
  if (isDeadLetterTopic(topic)) return topic.slice(DEAD_LETTER_PREFIX.length)
  return isRetryTopic(topic) ? topic.slice(RETRY_PREFIX.length).split(POP_RETRY_SEPARATOR)[0] : undefined
}

/** The topic that holds a group's dead letters. */
export function deadLetterTopicOf(group: string): string {
  return DEAD_LETTER_PREFIX + group
}

/** The last name that passed: whoever sends much sends to one topic for a while. */
let lastLegalTopic: string | undefined

/** Refuses an illegal topic name with the reason (RocketMQ `Validators#checkTopic`). */
export function checkTopicName(topic: unknown): asserts topic is string {
  if (topic === lastLegalTopic && topic !== undefined) return
  checkBlank('topic', topic)
  if (topic === '__proto__')
    throw invalidParameter("The topic '__proto__' means something else in JavaScript; choose another name.")
  const longest =
    isRetryTopic(topic) || isDeadLetterTopic(topic) ? DERIVED_TOPIC_MAX_LENGTH : TOPIC_MAX_LENGTH
  checkName('topic', topic, longest)
  lastLegalTopic = topic
}

/** Refuses an illegal group name with the reason (RocketMQ `Validators#checkGroup`). */
export function checkGroupName(group: unknown): asserts group is string {
  checkBlank('group', group)
  checkName('group', group, GROUP_MAX_LENGTH)
}

/** Refuses the names that an application may not send to, create or change. */
export function checkNotSystemTopic(topic: string): void {
  if (isSystemTopic(topic))
    throw new MQError('NO_PERMISSION', `The topic '${topic}' is a system topic; choose another name.`)
}

function checkBlank(what: string, name: unknown): asserts name is string {
  if (typeof name !== 'string' || name.trim() === '')
    throw invalidParameter(`The ${what} must be a name, not ${describe(name)}.`)
}

function checkName(what: string, name: string, longest: number): void {
  if (name.length > longest) {
    throw invalidParameter(
      `The ${what} '${name.slice(0, 32)}...' has ${name.length} characters; at most ${longest} are allowed.`,
    )
  }
  if (!NAME_PATTERN.test(name) && !(what === 'topic' && POP_RETRY_PATTERN.test(name))) {
    throw invalidParameter(
      `The ${what} '${name}' has illegal characters; allowed are letters, digits and % | _ -.`,
    )
  }
}

function describe(value: unknown): string {
  return typeof value === 'string' ? 'a blank string' : value === null ? 'null' : typeof value
}
