/** Names, permissions and settings of topics and groups (RocketMQ `TopicValidator`, `Validators`, `PermName`). */
import { invalidParameter, MQError } from './errors.ts'
import { DERIVED_TOPIC_MAX_LENGTH, GROUP_MAX_LENGTH, TOPIC_MAX_LENGTH } from './limits.ts'

const NAME_PATTERN = /^[%|a-zA-Z0-9_-]+$/
const RETRY_PREFIX = '%RETRY%'
const DEAD_LETTER_PREFIX = '%DLQ%'

/** Topics that RocketMQ keeps for itself; an application may neither create nor send to them. */
const SYSTEM_TOPICS: ReadonlySet<string> = new Set([
  'TBW102',
  'SELF_TEST_TOPIC',
  'BenchmarkTest',
  'DefaultCluster',
  'OFFSET_MOVED_EVENT',
  'SCHEDULE_TOPIC_XXXX',
  'RMQ_SYS_TRACE_TOPIC',
  'DefaultCluster_REPLY_TOPIC',
  'RMQ_SYS_TRANS_HALF_TOPIC',
  'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  'TRANS_CHECK_MAX_TIME_TOPIC',
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
}

/** The settings that a group gets when its first member appears. */
export function defaultGroupConfig(group: string): GroupConfig {
  return { group, consumeEnable: true, consumeBroadcastEnable: true, retryQueueNums: 1 }
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
  if (!NAME_PATTERN.test(name)) {
    throw invalidParameter(
      `The ${what} '${name}' has illegal characters; allowed are letters, digits and % | _ -.`,
    )
  }
}

function describe(value: unknown): string {
  return typeof value === 'string' ? 'a blank string' : value === null ? 'null' : typeof value
}
