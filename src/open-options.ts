/** The settings of an instance. Behind {@link parseOpenOptions} they are complete; the parts get theirs from there. */
import { z } from 'zod'
import { parseTopicSettings, type TopicSettings } from './admin/admin-arguments.ts'
import { type BrokerOptions, brokerOptionsShape } from './broker/broker-options.ts'
import type { ApplicationDatabase } from './model/chained-batch.ts'
import type { Clock, RandomSource } from './model/clock.ts'
import { invalidParameter } from './model/errors.ts'
import { SAFE_INTEGER_MAX } from './model/limits.ts'
import { guardLogger, type Logger, silentLogger } from './model/logger.ts'
import { parseOptions } from './model/parse-options.ts'
import { systemClock, systemRandom } from './model/system-clock.ts'
import { Permission, type TopicConfig } from './model/topic.ts'
import { DEFAULT_STORE_OPTIONS, type StoreOptions } from './store/store-options.ts'

/** What `PocketMQ.open` takes; everything is optional but a place: a `path`, or `storage: 'memory'`. */
export interface OpenOptions {
  // ---- behaviour ----
  /** The directory of the store; made if it is missing. One process at a time may have it open. */
  readonly path?: string | undefined
  /** `'disk'`, the default with a path, or `'memory'`: nothing is written, and nothing is left after `close`. */
  readonly storage?: 'disk' | 'memory' | undefined
  /**
   * When a send is acknowledged. `'ASYNC_FLUSH'`, the default: when the operating system has it, so it survives a killed
   * process; a power cut can take the last `flushIntervalMs`. `'SYNC_FLUSH'`: when it is on the disk; then nothing that is
   * acknowledged is lost, and a single send takes as long as the disk (RocketMQ `flushDiskType`).
   */
  readonly flushDiskType?: 'ASYNC_FLUSH' | 'SYNC_FLUSH' | undefined
  /** What may be removed, consumed or not. Infinity switches a rule off, and then nothing bounds the disk. */
  readonly retention?: RetentionSettings | undefined
  /** Topics to create unless they exist; an existing one keeps its settings. */
  readonly topics?: readonly TopicSettings[] | undefined
  /**
   * Whether the first send to an unknown topic creates it. Default true. With false a mistyped topic is refused with
   * `TOPIC_NOT_EXIST` instead of collecting messages that nobody reads.
   */
  readonly autoCreateTopicEnable?: boolean | undefined
  /** Queues of a topic that its first send creates. Default 4: what bounds how many consumers of a group share it. */
  readonly defaultTopicQueueNums?: number | undefined
  /** What applications may do with dead-letter topics made from now on. Default `'none'`: queries only. */
  readonly deadLetterPermission?: keyof typeof PERMISSIONS | undefined
  /** Delays of levels 1, 2, 3 and so on; a first retry waits as level 3 says. Default `1s 5s 10s 30s 1m ... 2h`. */
  readonly messageDelayLevel?: string | undefined
  /** How far ahead a `deliveryTimestamp` may lie, in milliseconds. Default 3 days, at most a hundred years. */
  readonly timerMaxDelayMs?: number | undefined
  /** How old a transaction is when its producer group is first asked how it ended, in milliseconds. Default 6000. */
  readonly transactionTimeOutMs?: number | undefined
  /** How long until the group is asked again, in milliseconds. Default 30,000. */
  readonly transactionCheckIntervalMs?: number | undefined
  /** How often it is asked before the message is put aside and delivered to nobody. Default 15. */
  readonly transactionCheckMax?: number | undefined
  /**
   * Whether what happens to messages is written down, for `admin.trace`: sends, deliveries, acknowledgements, each with client, time and
   * outcome, in `RMQ_SYS_TRACE_TOPIC`. Default false: it costs a record for each (RocketMQ `enableMsgTrace`, `traceTopicEnable`).
   */
  readonly trace?: boolean | undefined
  /**
   * For how long after a message was stored another send with its `messageId` and topic stores nothing, in milliseconds. Default 0: a
   * `messageId` is refused. It finds what is still stored: retention should keep messages for longer, and a
   * `warning` event says so where `retention.maxAgeMs` does not.
   */
  readonly deduplicationWindowMs?: number | undefined
  /** How long `close` waits for running listeners, in milliseconds. Default 10 seconds; a consumer may set its own. */
  readonly closeTimeoutMs?: number | undefined
  /** Whether an open consumer keeps the process running, as a server would. Default true. */
  readonly keepAlive?: boolean | undefined
  /** The name that every queue carries. Default `localhost`. Applications may keep it with offsets, so choose it once. */
  readonly brokerName?: string | undefined

  /**
   * Your own database, of any kind that implements `abstract-level` (`level`, `classic-level`, `memory-level`), or a sublevel of it. With
   * it `producer.send(message, { batch })` and `context.commit(batch)` join its chained batches. Open it before the instance, and close
   * it behind it. It gets two sublevels, `pocketmq.outbox` and `pocketmq.inbox`; with several instances give each a sublevel of its own.
   */
  readonly database?: ApplicationDatabase | undefined

  // ---- tuning ----
  /**
   * With `'ASYNC_FLUSH'`, the longest time between two flushes, in milliseconds: what a power cut can take. Default 500.
   * Less costs more flushes, which compete with reading for the disk; more keeps more in memory, since LevelDB takes only
   * what is flushed.
   */
  readonly flushIntervalMs?: number | undefined
  /** With `'SYNC_FLUSH'`, after this long a send answers `FLUSH_DISK_TIMEOUT` though it is stored. Default 5000. */
  readonly syncFlushTimeoutMs?: number | undefined
  /** Bounds on memory and disk. */
  readonly limits?: LimitSettings | undefined
  /**
   * How long a member's lease on a queue lasts unless renewed, in milliseconds. Default 60,000, at least 40,000: members
   * renew three times as often, so that a renewal may fail. Shorter hands the queues of a stuck member over sooner.
   */
  readonly lockLeaseMs?: number | undefined

  // ---- injected ----
  /** Where warnings go; pino, console and most others fit. Default: nowhere. */
  readonly logger?: Logger | undefined
  /** Time and turns. Default: those of the machine. */
  readonly clock?: Clock | undefined
  /** Randomness. Default: that of the machine. */
  readonly random?: RandomSource | undefined
}

/** How long messages are kept. */
export interface RetentionSettings {
  /**
   * In milliseconds since they were stored. Default 72 hours (RocketMQ `fileReservedTime`). More lets groups stay away
   * longer and costs disk. Messages that wait for a retry are kept until it is delivered, whatever their age.
   */
  readonly maxAgeMs?: number | undefined
  /**
   * In bytes of all messages together, of all topics. Default 16 GiB. More costs disk; a group that falls further behind
   * than this loses messages, which a `message-lost` event tells. Leave room besides: the journal and the indexes come on top.
   */
  readonly maxBytes?: number | undefined
  /**
   * How often the rule is applied and the free disk space looked at, in milliseconds. Default 10 seconds. Less follows the
   * bounds more closely, more bothers an idle disk less; a fast sender exceeds `maxBytes` by what it sends in between.
   */
  readonly intervalMs?: number | undefined
}

/** Bounds on memory and disk. */
export interface LimitSettings {
  /**
   * Bytes acknowledged but not yet in LevelDB, above which sends wait. Default 64 MiB. More absorbs longer bursts at full
   * speed; it costs as much memory, as much journal on the disk, and a longer recovery after a crash.
   */
  readonly maxUnappliedBytes?: number | undefined
  /**
   * Bytes of sends that may wait for room, and of each producer for schemas; beyond it they are refused with `SYSTEM_BUSY`. Default
   * 100 MiB.
   */
  readonly maxPendingSendBytes?: number | undefined
  /** Sends are refused with `DISK_FULL` while the disk has less free space than this. Default 256 MiB. */
  readonly minFreeDiskBytes?: number | undefined
}

/** The settings of an instance with every default filled in, sorted by who needs them. */
export interface CompleteOpenOptions {
  readonly store: StoreOptions
  readonly broker: BrokerOptions
  readonly topics: readonly TopicConfig[]
  readonly database: ApplicationDatabase | undefined
  readonly trace: boolean
  readonly closeTimeoutMs: number
  readonly keepAlive: boolean
}

const PERMISSIONS = {
  none: Permission.NONE,
  read: Permission.READ,
  write: Permission.WRITE,
  'read-write': Permission.READ_WRITE,
} as const

const milliseconds = z.int().min(1).max(SAFE_INTEGER_MAX)
const bytes = z.int().min(0).max(SAFE_INTEGER_MAX)
const unbounded = z.literal(Number.POSITIVE_INFINITY)
const { retention, limits } = DEFAULT_STORE_OPTIONS

const retentionSchema = z.strictObject({
  maxAgeMs: z.union([milliseconds, unbounded]).default(retention.maxAgeMs),
  maxBytes: z.union([bytes, unbounded]).default(retention.maxBytes),
  intervalMs: milliseconds.default(retention.intervalMs),
})
const limitsSchema = z.strictObject({
  maxUnappliedBytes: bytes.min(1).default(limits.maxUnappliedBytes),
  maxPendingSendBytes: bytes.default(limits.maxPendingSendBytes),
  minFreeDiskBytes: bytes.default(limits.minFreeDiskBytes),
})
const schema = z.strictObject({
  ...brokerOptionsShape,
  path: z.string().min(1).optional(),
  storage: z.enum(['disk', 'memory']).optional(),
  flushDiskType: z.enum(['ASYNC_FLUSH', 'SYNC_FLUSH']).default(DEFAULT_STORE_OPTIONS.flushDiskType),
  flushIntervalMs: milliseconds.default(DEFAULT_STORE_OPTIONS.flushIntervalMs),
  syncFlushTimeoutMs: milliseconds.default(DEFAULT_STORE_OPTIONS.syncFlushTimeoutMs),
  retention: retentionSchema.prefault({}),
  limits: limitsSchema.prefault({}),
  topics: z.array(z.custom<TopicSettings>()).default([]),
  deadLetterPermission: z.enum(['none', 'read', 'write', 'read-write']).default('none'),
  trace: z.boolean().default(false),
  closeTimeoutMs: milliseconds.default(10_000),
  database: z
    .custom<ApplicationDatabase>(
      has('batch', 'sublevel', 'get', 'on', 'off'),
      'must have batch, sublevel, get, on and off, as a database of abstract-level',
    )
    .optional(),
  keepAlive: z.boolean().default(true),
  logger: z
    .custom<Logger>(has('debug', 'info', 'warn', 'error'), 'must have debug, info, warn and error')
    .default(silentLogger),
  clock: z
    .custom<Clock>(has('now', 'monotonicMs', 'setTimer', 'defer'), 'must be a clock')
    .default(systemClock),
  random: z.custom<RandomSource>(has('next'), 'must have next').default(systemRandom),
})

/** The names of all settings. */
export const OPEN_OPTION_NAMES: readonly string[] = Object.freeze(Object.keys(schema.shape))

type ParsedOptions = Readonly<z.output<typeof schema>>

/** Checks and completes; throws `INVALID_PARAMETER` that names the option. */
export function parseOpenOptions(options: OpenOptions): CompleteOpenOptions {
  const parsed = parseOptions('OpenOptions', schema, options)
  const storage = storageOf(parsed.path, parsed.storage)
  return Object.freeze({
    store: storeOptionsOf(parsed, storage),
    broker: brokerOptionsOf(parsed),
    topics: parsed.topics.map((topic) => parseTopicSettings(topic)),
    database: parsed.database,
    trace: parsed.trace,
    closeTimeoutMs: parsed.closeTimeoutMs,
    keepAlive: parsed.keepAlive,
  })
}

function storeOptionsOf(parsed: ParsedOptions, storage: 'disk' | 'memory'): StoreOptions {
  const { path, flushDiskType, flushIntervalMs, syncFlushTimeoutMs, retention, limits } = parsed
  const { brokerName, clock, random } = parsed
  const logger = guardLogger(parsed.logger)
  const durability = { path, storage, flushDiskType, flushIntervalMs, syncFlushTimeoutMs }
  return { ...durability, retention, limits, brokerName, clock, random, logger }
}

function brokerOptionsOf(parsed: ParsedOptions): BrokerOptions {
  const { brokerName, autoCreateTopicEnable, defaultTopicQueueNums, lockLeaseMs } = parsed
  const { messageDelayLevel, timerMaxDelayMs, deduplicationWindowMs } = parsed
  const { transactionTimeOutMs, transactionCheckIntervalMs, transactionCheckMax } = parsed
  const deadLetterPermission = PERMISSIONS[parsed.deadLetterPermission]
  const topics = { autoCreateTopicEnable, defaultTopicQueueNums, deadLetterPermission }
  const transactions = { transactionTimeOutMs, transactionCheckIntervalMs, transactionCheckMax }
  const delays = { messageDelayLevel, timerMaxDelayMs }
  return { brokerName, ...topics, ...delays, ...transactions, deduplicationWindowMs, lockLeaseMs }
}

function storageOf(path: string | undefined, storage: 'disk' | 'memory' | undefined): 'disk' | 'memory' {
  if (path !== undefined && storage === 'memory') {
    throw invalidParameter("OpenOptions: with storage 'memory' nothing is on disk; leave the path out.")
  }
  if (path === undefined && storage !== 'memory') {
    throw invalidParameter("OpenOptions: give a path, or storage: 'memory' to keep nothing.")
  }
  return storage ?? 'disk'
}

function has(...methods: readonly string[]): (value: unknown) => boolean {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    methods.every((method) => method in value && typeof value[method as keyof typeof value] === 'function')
}
