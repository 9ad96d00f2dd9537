/** What a store needs to be opened; complete, since the door has filled in every default. */
import type { Clock, RandomSource } from '../model/clock.ts'
import type { Logger } from '../model/logger.ts'
import type { Medium } from './medium.ts'

/** What may be removed when it is old or when there is too much. */
export interface RetentionOptions {
  /** Messages older than this are removed, a generation at a time. */
  readonly maxAgeMs: number
  /** When the log holds more bytes than this, the oldest generations are removed. */
  readonly maxBytes: number
  /** How often the rule is applied. */
  readonly intervalMs: number
}

export interface StoreLimits {
  /** Bytes that are acknowledged but not yet in LevelDB; beyond it sends wait. */
  readonly maxUnappliedBytes: number
  /** Bytes of sends that may wait for room; beyond it they are refused with `SYSTEM_BUSY`. */
  readonly maxPendingSendBytes: number
  /** Sends are refused while the disk has less free space than this. */
  readonly minFreeDiskBytes: number
}

export interface StoreOptions {
  /** The directory; absent in memory. */
  readonly path?: string | undefined
  readonly storage: 'disk' | 'memory'
  /** `false` refuses a path that holds no store. Default true. */
  readonly createIfMissing?: boolean
  readonly flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH'
  /** In `ASYNC_FLUSH`, the longest time between two flushes of the journal: what a power cut can take. */
  readonly flushIntervalMs: number
  /** In `SYNC_FLUSH`, after this long a send is answered with `FLUSH_DISK_TIMEOUT` though it is stored. */
  readonly syncFlushTimeoutMs: number
  readonly retention: RetentionOptions
  readonly limits: StoreLimits
  /** How far ahead parked messages are held in memory; by default until the end of the bucket of time behind this one. */
  readonly parkedAheadMs?: number | undefined
  readonly brokerName: string
  readonly clock: Clock
  readonly random: RandomSource
  readonly logger: Logger
  /** Where bytes go; made from `storage` and `path` unless a test brings its own. */
  readonly medium?: Medium
}

/** Defaults of everything that has one. */
export const DEFAULT_STORE_OPTIONS = {
  flushDiskType: 'ASYNC_FLUSH',
  flushIntervalMs: 500,
  syncFlushTimeoutMs: 5000,
  retention: { maxAgeMs: 72 * 3_600_000, maxBytes: 16 * 1024 ** 3, intervalMs: 10_000 },
  limits: {
    maxUnappliedBytes: 64 * 1024 ** 2,
    maxPendingSendBytes: 100 * 1024 ** 2,
    minFreeDiskBytes: 256 * 1024 ** 2,
  },
} as const
