/**
 * Every bound of the public surface in one place, with its reason. Offsets, sequence numbers and sizes are
 * plain numbers below 2^53: at a million messages a second that lasts 285 years, and numbers are
 * several times faster than `bigint` on the hot path.
 */

/** Longest topic name in characters (RocketMQ `Validators#TOPIC_MAX_LENGTH`). */
export const TOPIC_MAX_LENGTH = 127
/** Longest retry or dead-letter topic name: prefix and group must fit (RocketMQ `TopicValidator`). */
export const DERIVED_TOPIC_MAX_LENGTH = 255
/** Longest group name in characters (RocketMQ `Validators#CHARACTER_MAX_LENGTH` for groups). */
export const GROUP_MAX_LENGTH = 120
/** Most bytes of one message, and of all messages of one batch: topic, properties, body and 20 bytes each. */
export const MESSAGE_MAX_BYTES = 4 * 1024 * 1024
/** A larger batch is stored, but a `warning` event advises against it. */
export const BATCH_ADVISED_BYTES = 1024 * 1024
/** Bytes of log data that the size formula adds to each message. */
export const MESSAGE_LOG_OVERHEAD_BYTES = 20
/** Most bytes of encoded properties, tag and keys included (RocketMQ: a signed 16-bit length). */
export const PROPERTIES_MAX_BYTES = 32_767
/** Most UTF-8 bytes of a message group (RocketMQ's validator refuses 64 and more). */
export const MESSAGE_GROUP_MAX_BYTES = 63
/** The longest delay: a hundred years, since the store keeps times in 48 bits. */
export const DELAY_MAX_MS = 36_500 * 86_400_000
/** How far ahead a delivery time may lie (RocketMQ `timerMaxDelaySec`: 3 days). */
export const DEFAULT_TIMER_MAX_DELAY_MS = 3 * 86_400_000
/** Most messages of one batch. */
export const BATCH_MAX_COUNT = 65_535
/** Most queues of one topic. */
export const TOPIC_MAX_QUEUES = 65_536
/** Queues of a topic created by its first send. */
export const DEFAULT_TOPIC_QUEUES = 4
/** Most characters of a filter expression. */
export const EXPRESSION_MAX_LENGTH = 4096
/** Largest offset, timestamp or duration accepted from outside. */
export const SAFE_INTEGER_MAX = Number.MAX_SAFE_INTEGER
/** Retries before a message becomes a dead letter (RocketMQ `maxReconsumeTimes`). */
export const DEFAULT_MAX_RECONSUME_TIMES = 16
/** A lease on a queue is renewed this often while it lasts, so that a renewal may fail (RocketMQ: every 20 s of 60 s). */
export const LEASE_RENEWALS = 3
/** The shortest lease: a member that is busy for a while must not lose its queues. */
export const LOCK_LEASE_MIN_MS = 40_000
/** Most messages that one pull may ask for. */
export const PULL_MAX_COUNT = 1024
/** Messages that one pull looks at before it answers, when a filter lets few pass (RocketMQ: 800 entries). */
export const PULL_SCAN_COUNT = 800
/** Bytes of bodies after which a pull answers although more was asked for (RocketMQ: 256 KiB). */
export const PULL_MAX_BYTES = 256 * 1024
/** Most messages that one receive may ask for (RocketMQ `PopMessageProcessor`). */
export const POP_MAX_COUNT = 32
/** The longest time for which received messages may be invisible (RocketMQ `ProxyConfig#maxInvisibleTimeMills`). */
export const INVISIBLE_MAX_MS = 12 * 3_600_000

/** The highest priority of a message (semantics section 1.7). */
export const PRIORITY_MAX = 9
/** How long a schema may take for what somebody asked for, in milliseconds: as long as a send with one may, by default. */
export const SCHEMA_TIMEOUT_MS = 3000
