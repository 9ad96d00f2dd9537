/** The settings of a broker. Behind {@link parseBrokerOptions} they are complete; nothing else knows a default. */
import { z } from 'zod'
import { DEFAULT_MESSAGE_DELAY_LEVEL, parseDelayLevels } from '../model/delay-levels.ts'
import {
  DEFAULT_TIMER_MAX_DELAY_MS,
  DEFAULT_TOPIC_QUEUES,
  DELAY_MAX_MS,
  LOCK_LEASE_MIN_MS,
  SAFE_INTEGER_MAX,
  TOPIC_MAX_QUEUES,
} from '../model/limits.ts'
import { parseOptions } from '../model/parse-options.ts'
import { Permission } from '../model/topic.ts'

/** Checks are counted in a field of 32 bits; nobody needs more than this. */
const TRANSACTION_CHECK_LIMIT = 1_000_000
/** RocketMQ brokers are named after their host; an embedded one has no other. */
const DEFAULT_BROKER_NAME = 'localhost'
const BROKER_NAME_PATTERN = /^(?=.{1,127}$)[a-zA-Z0-9._-]+(@[a-zA-Z0-9._-]+)?$/
/** RocketMQ `RebalanceLockManager#REBALANCE_LOCK_MAX_LIVE_TIME`. */
const DEFAULT_LOCK_LEASE_MS = 60_000

/** The fields of a broker's settings, for a schema that takes them among others. */
export const brokerOptionsShape = {
  /**
   * The name that every queue carries; letters, digits, `.`, `_` and `-`, or two such names as `room@broker`, for
   * `allocateByMachineRoom`. Default `localhost`. Choose another before the first message is stored, since applications
   * may keep it with offsets (RocketMQ `BrokerIdentity#brokerName`).
   */
  brokerName: z
    .string()
    .regex(
      BROKER_NAME_PATTERN,
      'must be 1 to 127 letters, digits, dots, hyphens or underscores, or room@broker',
    )
    .default(DEFAULT_BROKER_NAME),
  /**
   * Whether the first send to an unknown topic creates it. Default true. With false a mistyped topic is refused with
   * `TOPIC_NOT_EXIST` instead of collecting messages that nobody reads (RocketMQ `BrokerConfig#autoCreateTopicEnable`).
   */
  autoCreateTopicEnable: z.boolean().default(true),
  /**
   * Queues of a topic that its first send creates. Default 4. More queues let more consumers share a topic, fewer keep
   * more messages in order (RocketMQ `DefaultMQProducer#defaultTopicQueueNums`).
   */
  defaultTopicQueueNums: z.int().min(1).max(TOPIC_MAX_QUEUES).default(DEFAULT_TOPIC_QUEUES),
  /**
   * What applications may do with a dead-letter topic when it is created. Default `Permission.NONE`: it can be looked at
   * by queries only. An existing topic keeps its permission; `updateTopic` changes it.
   */
  deadLetterPermission: z
    .union([
      z.literal(Permission.NONE),
      z.literal(Permission.WRITE),
      z.literal(Permission.READ),
      z.literal(Permission.READ_WRITE),
    ])
    .default(Permission.NONE),
  /**
   * The delays of levels 1, 2, 3 and so on, as RocketMQ writes them: `1s 5s 10s 30s 1m ...`. The first retry waits as
   * long as level 3 says, each further one a level more. Read anew at each start: what is scheduled keeps its time
   * (RocketMQ `MessageStoreConfig#messageDelayLevel`).
   */
  messageDelayLevel: z.string().default(DEFAULT_MESSAGE_DELAY_LEVEL).transform(parseDelayLevels),
  /**
   * How far ahead a `deliveryTimestamp` may lie, in milliseconds. Default 3 days, at most a hundred years. Here a longer one costs
   * nothing but the place of what waits; a RocketMQ cluster refuses more than its own setting (RocketMQ
   * `MessageStoreConfig#timerMaxDelaySec`).
   */
  timerMaxDelayMs: z.int().min(1).max(DELAY_MAX_MS).default(DEFAULT_TIMER_MAX_DELAY_MS),
  /**
   * How old a transaction is that was neither committed nor rolled back when its producer group is first asked, in milliseconds.
   * Default 6000. Less asks about local transactions that are still under way (RocketMQ `BrokerConfig#transactionTimeOut`).
   */
  transactionTimeOutMs: z.int().min(1).max(DELAY_MAX_MS).default(6000),
  /** How long until it is asked again, in milliseconds. Default 30,000 (RocketMQ `BrokerConfig#transactionCheckInterval`). */
  transactionCheckIntervalMs: z.int().min(1).max(DELAY_MAX_MS).default(30_000),
  /**
   * How often it is asked. Default 15: then nobody gets the message; it lies in `TRANS_CHECK_MAX_TIME_TOPIC`, and a `warning` event
   * tells (RocketMQ `BrokerConfig#transactionCheckMax`).
   */
  transactionCheckMax: z.int().min(1).max(TRANSACTION_CHECK_LIMIT).default(15),
  /**
   * For how long after a message was stored another send with its `messageId` and topic stores nothing, in milliseconds. Default 0: a
   * `messageId` is refused. RocketMQ has nothing like it.
   */
  deduplicationWindowMs: z.int().min(0).max(DELAY_MAX_MS).default(0),
  /**
   * How long a member's lease on a queue lasts unless it is renewed, in milliseconds. Default 60,000, at least 40,000:
   * consumers renew every 20 seconds, and one renewal may fail. Shorter hands the queues of a stuck consumer over sooner
   * (RocketMQ `RebalanceLockManager`).
   */
  lockLeaseMs: z.int().min(LOCK_LEASE_MIN_MS).max(SAFE_INTEGER_MAX).default(DEFAULT_LOCK_LEASE_MS),
}

const schema = z.strictObject(brokerOptionsShape)

/** Complete settings of a broker. */
export type BrokerOptions = Readonly<z.output<typeof schema>>

/** Completes and checks settings; throws `INVALID_PARAMETER` that names what is wrong. */
export function parseBrokerOptions(value: unknown = {}): BrokerOptions {
  return parseOptions('Broker options', schema, value)
}
