/** Reserved property names and the encoding of properties (RocketMQ `MessageConst`, semantics section 2.2). */

/** Names that PocketMQ writes itself. */
export const PropertyName = {
  /** The topic that a retried message was first sent to. */
  RETRY_TOPIC: 'RETRY_TOPIC',
  /** The offset message id of the first stored copy. */
  ORIGIN_MESSAGE_ID: 'ORIGIN_MESSAGE_ID',
  /** The message group (RocketMQ `PROPERTY_SHARDING_KEY`). */
  MESSAGE_GROUP: '__SHARDINGKEY',
  /** The delay level of a message that was sent with one (RocketMQ `PROPERTY_DELAY_TIME_LEVEL`). */
  DELAY_TIME_LEVEL: 'DELAY',
  /** When a message is to be delivered that was sent with a time (RocketMQ `PROPERTY_TIMER_DELIVER_MS`). */
  TIMER_DELIVER_MS: 'TIMER_DELIVER_MS',
  /** The priority (RocketMQ `PROPERTY_PRIORITY`). */
  PRIORITY: '_SYS_MSG_PRIORITY_',
  /** On the message of a transaction (RocketMQ `PROPERTY_TRANSACTION_PREPARED`). */
  TRANSACTION_PREPARED: 'TRAN_MSG',
  /** The producer group of a transaction (RocketMQ `PROPERTY_PRODUCER_GROUP`). */
  PRODUCER_GROUP: 'PGROUP',
  /** Where the message of a transaction that was given up was to go. */
  REAL_TOPIC: 'REAL_TOPIC',
  REAL_QUEUE_ID: 'REAL_QID',
  /** How often its producer group was asked in vain. */
  TRANSACTION_CHECK_TIMES: 'TRANSACTION_CHECK_TIMES',
  /** On a request and its reply: which request it is, and the client that waits, for so many milliseconds. */
  CORRELATION_ID: 'CORRELATION_ID',
  REPLY_TO_CLIENT: 'REPLY_TO_CLIENT',
  TTL: 'TTL',
  /** On a reply: what it is, when the engine passed it on, and when it arrived. */
  MESSAGE_TYPE: 'MSG_TYPE',
  PUSH_REPLY_TIME: 'PUSH_REPLY_TIME',
  ARRIVE_TIME: 'ARRIVE_TIME',
  /** How the body is compressed; absent when it is not. Not a RocketMQ name: there it is a flag of the record. */
  COMPRESSION: '__COMPRESSION',
  /** Why the last attempt failed; on dead letters only. Not a RocketMQ name. */
  DEAD_LETTER_REASON: 'DLQ_REASON',
} as const

/** What has a field of its own, or is undone when a body is read, is no property to applications, as tag and keys. */
const FIELDS: ReadonlySet<string> = new Set([
  PropertyName.MESSAGE_GROUP,
  PropertyName.DELAY_TIME_LEVEL,
  PropertyName.TIMER_DELIVER_MS,
  PropertyName.COMPRESSION,
  PropertyName.PRIORITY,
])

/** Whether a message shows this property as a field. */
export function isFieldProperty(name: string): boolean {
  return FIELDS.has(name)
}

/** The properties that stand for fields of a message. */
export function fieldProperties(message: {
  readonly messageGroup?: string | undefined
  readonly delayTimeLevel?: number | undefined
  readonly deliveryTimestamp?: number | undefined
  readonly priority?: number | undefined
}): PropertyEntries {
  const { messageGroup, delayTimeLevel, deliveryTimestamp, priority } = message
  const entries: [string, string][] = []
  if (messageGroup !== undefined) entries.push([PropertyName.MESSAGE_GROUP, messageGroup])
  if (delayTimeLevel !== undefined) entries.push([PropertyName.DELAY_TIME_LEVEL, String(delayTimeLevel)])
  if (deliveryTimestamp !== undefined)
    entries.push([PropertyName.TIMER_DELIVER_MS, String(deliveryTimestamp)])
  if (priority !== undefined) entries.push([PropertyName.PRIORITY, String(priority)])
  return entries
}

const RESERVED = new Set(
  `KEYS TAGS WAIT DELAY RETRY_TOPIC REAL_TOPIC REAL_QID TRAN_MSG PGROUP MIN_OFFSET MAX_OFFSET BUYER_ID ORIGIN_MESSAGE_ID
  TRANSFER_FLAG CORRECTION_FLAG MQ2_FLAG RECONSUME_TIME MAX_RECONSUME_TIMES MSG_REGION TRACE_ON UNIQ_KEY EXTEND_UNIQ_INFO
  CONSUME_START_TIME DUP_INFO TRAN_PREPARED_QUEUE_OFFSET INSTANCE_ID CORRELATION_ID REPLY_TO_CLIENT TTL ARRIVE_TIME
  PUSH_REPLY_TIME CLUSTER MSG_TYPE POP_CK POP_CK_OFFSET 1ST_POP_TIME INNER_MULTI_QUEUE_OFFSET TIMER_DELAY_SEC TIMER_DELAY_MS
  TIMER_DELIVER_MS TIMER_ENQUEUE_MS TIMER_DEQUEUE_MS TIMER_ROLL_TIMES TIMER_OUT_MS TIMER_DEL_UNIQKEY TIMER_DELAY_LEVEL
  __BORNHOST BORN_TIMESTAMP __CRC32# DLQ_ORIGIN_TOPIC DLQ_ORIGIN_MESSAGE_ID DLQ_REASON __SHARDINGKEY __transactionId__
  TRANSACTION_CHECK_TIMES CHECK_IMMUNITY_TIME_IN_SECONDS __COMPRESSION _SYS_MSG_PRIORITY_`.split(/\s+/),
)

/** Whether an application must not set a property of this name. */
export function isReservedProperty(name: string): boolean {
  return RESERVED.has(name)
}

/** Properties as they are stored: pairs of name and value, in the order given. */
export type PropertyEntries = readonly (readonly [name: string, value: string])[]
