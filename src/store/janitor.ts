/**
 * Periodic duties: let journal segments go, apply the retention rule, watch the free disk space. Nothing here is urgent
 * and everything may be cut short; one duty runs at a time.
 */
import type { Clock, Timer } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent, MessageLostEvent } from '../model/events.ts'
import { parseOffsetOwner } from '../model/offset-owner.ts'
import type { Views } from './announce.ts'
import type { AppliedState } from './applied-state.ts'
import type { Databases } from './databases.ts'
import type { Fact, QueueMinimum } from './fact.ts'
import type { Journal } from './journal.ts'
import type { Files } from './medium.ts'
import { clearRemoved, hasDeletedTopics, planTrim, type RetentionSource } from './retention.ts'
import type { StoreOptions } from './store-options.ts'

/** Segments kept before the databases are flushed to let them go: fewer means more flushes, more a longer recovery. */
const SEGMENTS_KEPT = 2

interface JanitorHost {
  readonly options: StoreOptions
  readonly files: Files | undefined
  readonly databases: Databases
  readonly views: Views
  appliedState(): Readonly<AppliedState>
  trim(fact: Fact): Promise<void>
  /** Resolves when everything written is applied. */
  applied(): Promise<void>
  /** Runs work between two slices. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  /** The same for work that writes to the databases: when it fails they are healed. */
  maintain(work: () => Promise<void>): Promise<void>
  /** Removes rows of messages that were parked and have gone on. */
  purgeParked(): Promise<void>
  setDiskFull(full: boolean): void
  readonly emit: EmitEvent
}

export class Janitor {
  readonly #host: JanitorHost
  readonly #clock: Clock
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  #retiring: Promise<void> | undefined
  /** The first look at the disk, right after opening. */
  #looking: Promise<void> | undefined
  #stopped = false
  #isFirstRun = true
  #isDiskFull = false

  constructor(host: JanitorHost) {
    this.#host = host
    this.#clock = host.options.clock
  }

  start(): void {
    this.#looking = this.watchDisk()
    this.#setTimer()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#looking
    await this.#running?.catch(() => undefined)
    await this.#retiring
  }

  /** Applies the retention rule and looks at the disk, now. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Frames were applied: when enough segments wait, flush the databases and let the segments go. */
  noteApplied(journal: Journal | undefined, appliedSeq: number): void {
    if (journal === undefined || this.#retiring !== undefined || journal.segmentCount <= SEGMENTS_KEPT) return
    this.#retiring = this.#retire(journal, appliedSeq).finally(() => {
      this.#retiring = undefined
    })
  }

  #setTimer(): void {
    this.#timer = this.#clock.setTimer(this.#host.options.retention.intervalMs, () => {
      this.run()
        .catch((error) => this.#host.emit('error', MQError.from(error)))
        .finally(() => {
          if (!this.#stopped) this.#setTimer()
        })
    })
  }

  /** A flush of LevelDB that fails is healed as a failed write is: the journal keeps the segments, and is replayed. */
  async #retire(journal: Journal, appliedSeq: number): Promise<void> {
    try {
      await this.#host.maintain(() => this.#host.databases.barrier())
      await journal.retire(appliedSeq)
    } catch (error) {
      this.#host.options.logger.warn('Journal segments could not be let go.', error)
    }
  }

  async #run(): Promise<void> {
    await this.watchDisk()
    if (this.#stopped) return
    await this.#host.purgeParked()
    if (this.#stopped) return
    const { retention } = this.#host.options
    // Between two slices: while one is applied, the state is ahead of the rows.
    const trim = await this.#host.exclusively(() => planTrim(this.#source(), retention, this.#clock.now()))
    if (this.#stopped) return
    if (trim !== undefined) {
      const losses = this.#findLosses(trim.minimums)
      await this.#host.trim(trim)
      for (const loss of losses) this.#host.emit('message-lost', loss)
    }
    // The first run clears again what an earlier process may have left halfway.
    const isDue = trim !== undefined || this.#isFirstRun || (await hasDeletedTopics(this.#host.databases))
    if (!isDue) return
    await this.#host.applied()
    await clearRemoved(this.#source(), (work) => this.#host.maintain(work))
    this.#isFirstRun = false
  }

  #source(): RetentionSource {
    const { databases, views } = this.#host
    return { databases, ...views, state: this.#host.appliedState() }
  }

  /** What groups that had not come so far will never get. */
  #findLosses(minimums: readonly QueueMinimum[]): MessageLostEvent[] {
    const losses: MessageLostEvent[] = []
    const { catalog, offsets } = this.#host.views
    const moved = new Map(minimums.map(({ queueUid, minOffset }) => [queueUid, minOffset]))
    for (const [groupUid, queueUid, offset] of offsets.entries()) {
      const toOffset = moved.get(queueUid)
      const log = catalog.log(queueUid)
      const group = catalog.groupByUid(groupUid)?.config.group
      if (toOffset === undefined || log === undefined || group === undefined || offset >= toOffset) continue
      const fromOffset = Math.max(offset, log.minOffset)
      losses.push({ reason: 'retention', queue: log.queue, fromOffset, toOffset, ...parseOffsetOwner(group) })
    }
    return losses
  }

  /** Events tell when it became full and when there is room again, not at every look. */
  async watchDisk(): Promise<void> {
    const { files, options } = this.#host
    const freeBytes = await files?.freeBytes().catch(() => undefined)
    if (freeBytes === undefined) return
    const isFull = freeBytes < options.limits.minFreeDiskBytes
    if (isFull && !this.#isDiskFull) {
      const message = `Only ${freeBytes} bytes are free; sends are refused.`
      this.#host.emit('warning', { code: 'DISK_LOW', message })
    }
    this.#isDiskFull = isFull
    this.#host.setDiskFull(isFull)
  }
}
