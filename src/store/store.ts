/**
 * The store: one journal, two databases, one writer, one applier, seen as queues, offsets, alarms and a catalog.
 *
 * A commit goes: staged by the writer, written to the journal as one frame, announced here (memory views change, readers
 * are woken, promises resolve), applied to the databases behind it. ARCHITECTURE.md follows a message through it.
 */
import type { CheckReport } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent, StoreState } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { Durability, SendReceipt } from '../model/results.ts'
import { AlarmTable } from './alarm-table.ts'
import { announceFrame, loadViews } from './announce.ts'
import type { AppliedState } from './applied-state.ts'
import { Applier } from './applier.ts'
import { BlockPool } from './block-pool.ts'
import { Catalog, type TopicEntry } from './catalog.ts'
import { type Change, planFacts, unplanFacts } from './change.ts'
import { checkStore } from './check.ts'
import { Flusher } from './flusher.ts'
import { type Frame, FrameBuilder } from './frame.ts'
import { healDatabases } from './heal.ts'
import { Janitor } from './janitor.ts'
import { OffsetTable } from './offset-table.ts'
import { markClean, type OpenedStore, openStore } from './open-store.ts'
import { loadPage } from './page-loader.ts'
import { ParkedViews } from './parked-views.ts'
import { Parking } from './parking.ts'
import { type QuerySource, queryById, queryByKey, readMessage } from './queries.ts'
import type { LoadPage, QueueLog } from './queue-log.ts'
import { ReadCache } from './read-cache.ts'
import { frameStartOf, type RecoveryReport } from './recovery.ts'
import { aborted, topicDeleted } from './refusals.ts'
import { generationRule } from './retention.ts'
import { SendGate } from './send-gate.ts'
import type { Slice } from './slice.ts'
import { storeErrorFrom } from './store-error.ts'
import type { StoreOptions } from './store-options.ts'
import { StoreStatus } from './store-status.ts'
import { copyBodies, sizeOf } from './waiting-send.ts'
import { Writer } from './writer.ts'

/** Sends wait while a group of this size is staged behind a flush: larger frames would hold the event loop. */
const STAGED_MAX_BYTES = 8 * 1024 * 1024
const READ_CACHE_BYTES = 16 * 1024 * 1024
/** Memory kept for the next frames. */
const POOL_BYTES = 4 * 1024 * 1024

export class Store {
  readonly #options: StoreOptions
  readonly #opened: OpenedStore
  readonly #writer: Writer
  readonly #applier: Applier
  readonly #flusher: Flusher
  readonly #janitor: Janitor
  readonly #gate: SendGate
  readonly catalog: Catalog
  readonly offsets = new OffsetTable()
  readonly alarms = new AlarmTable()
  readonly parked = new ParkedViews()
  readonly parking: Parking

  readonly #status = new StoreStatus((name, event) => this.onEvent(name, event))
  #closing: Promise<void> | undefined
  /** Resolves when the databases can be read again. */
  #healed: Promise<void> = Promise.resolve()

  /** Called for each queue that got messages, in the turn of the commit and before its promises resolve. */
  onAppended: (log: QueueLog) => void = () => undefined
  /** Called for events that nobody waits for. */
  onEvent: EmitEvent = () => undefined

  /** Opens a store; throws `STORE_LOCKED`, `STORE_FOREIGN`, `STORE_CORRUPTED` or `VERSION_NOT_SUPPORTED`. */
  static async open(options: StoreOptions): Promise<Store> {
    const store = new Store(options, await openStore(options))
    await store.parking.window.open(store.#applier.state.parkedCount)
    store.#janitor.start()
    return store
  }

  private constructor(options: StoreOptions, opened: OpenedStore) {
    const { state } = opened.recovered
    const { clock, limits } = options
    this.#options = options
    this.#opened = opened
    const pool = new BlockPool(POOL_BYTES)
    const load: LoadPage = (log, offset) => this.read(() => loadPage(opened.databases, log, offset))
    this.catalog = new Catalog(options.brokerName, { cache: new ReadCache(READ_CACHE_BYTES), load, pool })
    loadViews(this, state)
    const rule = generationRule(options.retention)
    const frames = new FrameBuilder(clock, rule, pool, frameStartOf(opened.recovered))
    this.#writer = new Writer({
      clock,
      journal: opened.journal,
      syncFlush: options.flushDiskType === 'SYNC_FLUSH' && opened.journal !== undefined,
      syncFlushTimeoutMs: options.syncFlushTimeoutMs,
      durability: this.durability,
      frames,
      pool,
      announce: (frame) => this.#announce(frame),
      onTakenBack: () => this.#gate.admit(),
      fail: (error) => this.#fail(error),
      warnSlowWrite: (durationMs) => this.#warnSlowDisk(durationMs),
    })
    this.#applier = new Applier(
      {
        limitSeq: () => this.#limitSeq(),
        closeSlice: () => frames.closeSlice(),
        onApplied: (slice) => this.#onApplied(slice),
        heal: (error, untilSeq) => this.#heal(error, untilSeq),
        fail: (error) => this.#fail(error),
      },
      opened.databases,
      state,
    )
    this.#flusher = new Flusher(clock, opened.journal, options.flushIntervalMs, {
      onFlushed: () => this.#applier.wake(),
      onFailed: (error) => this.#fail(error),
    })
    this.#gate = new SendGate(clock, () => this.#hasRoom(), limits.maxPendingSendBytes)
    this.parking = new Parking({
      clock,
      views: this,
      databases: opened.databases,
      pool,
      gate: this.#gate,
      writer: this.#writer,
      refusalOf: (log, signal) => this.#refusalOf(log, signal),
      status: this.#status,
      parkedAheadMs: options.parkedAheadMs,
      applied: () => this.#applyAll(),
      read: (work) => this.read(work),
      report: (error) => this.onEvent('error', error),
    })
    this.#janitor = new Janitor({
      options,
      files: opened.medium.files,
      databases: opened.databases,
      views: this,
      appliedState: () => this.#applier.state,
      trim: async (fact) => void (await this.#writer.commit({ facts: [fact], appends: [] })),
      applied: () => this.#applyAll(),
      exclusively: (work) => this.#applier.pauseWhile(work),
      maintain: (work) => this.#applier.maintain(work),
      setDiskFull: (isFull) => this.#status.setDiskFull(isFull),
      purgeParked: () => this.parking.purge((work) => this.#applier.maintain(work)),
      emit: (name, event) => this.onEvent(name, event),
    })
  }

  get state(): StoreState {
    return this.#status.state
  }

  get durability(): Durability {
    return this.#opened.journal === undefined ? 'MEMORY' : this.#options.flushDiskType
  }

  /** What opening found and did. */
  get recovery(): RecoveryReport {
    return this.#opened.recovered.report
  }

  /**
   * Appends one message, or a batch of them as a whole, to a queue. Bodies are copied before this returns. Waits for room
   * up to `timeoutMs`; rejects with `SEND_TIMEOUT`, `SYSTEM_BUSY`, `ABORTED`, `DISK_FULL`, `WRITE_FAILED`, `CLOSED` or,
   * where it cannot be known whether it is stored, `STORE_FAILED`.
   */
  append(
    log: QueueLog,
    messages: OutgoingMessage | readonly OutgoingMessage[],
    wait: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<SendReceipt> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusalOf(log, wait.signal)
      if (refusal !== undefined) return reject(refusal)
      if (this.#gate.isOpen) return this.#writer.append(log, messages, resolve, reject)
      const copies = copyBodies(messages)
      const enter = (): void => {
        if (log.isClosed) reject(topicDeleted(log))
        else this.#writer.append(log, copies, resolve, reject)
      }
      this.#gate.wait(sizeOf(messages), wait.timeoutMs, wait.signal, enter, reject)
    })
  }

  /** Commits everything in a change, or nothing of it. Not held up by back-pressure, nor by a full disk. */
  async commit(change: Change): Promise<void> {
    if (this.#status.isOver) throw this.#status.refusal()
    const appends = change.appends ?? []
    for (const { log } of appends) if (log.isClosed) throw topicDeleted(log)
    const facts = planFacts(change, this)
    if (facts.length === 0 && appends.length === 0) return
    const closing = (change.topicsDeleted ?? []).flatMap(({ logs }) => logs)
    for (const log of closing) log.isClosed = true
    try {
      await this.#writer.commit({ facts, appends })
    } catch (error) {
      for (const log of closing) log.isClosed = false
      unplanFacts(facts, this)
      throw error
    }
  }

  /** All stored copies of a message, oldest first. */
  async queryById(messageId: string): Promise<readonly MessageView[]> {
    return queryById(await this.#querySource(), messageId)
  }

  /** Messages of a topic with a key, stored from `begin` to `end`, newest first. */
  async queryByKey(topic: TopicEntry, key: string, begin: number, end: number, maxCount: number) {
    return queryByKey(await this.#querySource(), topic, key, begin, end, maxCount)
  }

  /** The message at an address, or `undefined` when it is gone or never was. */
  async readRecord(queueUid: number, queueOffset: number): Promise<MessageView | undefined> {
    return readMessage(this, queueUid, queueOffset)
  }

  /** Resolves when everything committed before this call survives a power cut. */
  async flush(): Promise<void> {
    if (this.#status.isOver) throw this.#status.refusal()
    await this.#writer.drain()
    await this.#flusher.flush()
  }

  /** Compares everything with everything: checksums, offsets, indexes, alarms. Writes nothing. */
  async check(): Promise<CheckReport> {
    const { databases } = await this.#querySource()
    return this.#applier.pauseWhile(() => checkStore({ databases, views: this, state: this.#applier.state }))
  }

  /** Applies the retention rule now. */
  async trim(): Promise<void> {
    await this.#janitor.run()
  }

  /** Looks now whether the disk has room, not only when the next duties are due. */
  async watchDisk(): Promise<void> {
    await this.#janitor.watchDisk()
  }

  /** Writes and applies what is staged, flushes, and gives the place back. Refuses everything that comes later. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = new MQError('CLOSED', 'The store is closed.', { outcome: 'not-attempted' })
    this.#status.beginClose()
    this.#gate.refuse(closed)
    await Promise.all([this.#janitor.stop(), this.parking.window.close()])
    if (this.#status.failure === undefined) await this.#writer.drain()
    this.#status.close()
    this.#writer.stop(closed)
    this.#flusher.stop()
    try {
      await (this.#status.failure === undefined ? this.#finish() : this.#abandon())
    } finally {
      await this.#opened.medium.release().catch((error) => {
        throw MQError.from(error)
      })
    }
  }

  /** Everything into the databases and onto the disk; then the marker may say so. */
  async #finish(): Promise<void> {
    const { journal, databases, medium, marker } = this.#opened
    try {
      await journal?.flush()
      this.#applier.wake()
      await this.#applier.stop()
      if (this.#applier.tailBytes > 0)
        throw new MQError('STORE_FAILED', 'The databases could not be brought up to date.')
      await databases.barrier()
      await journal?.close()
    } catch (error) {
      await this.#abandon()
      throw MQError.from(error, 'STORE_FAILED')
    }
    try {
      await databases.close()
      await medium.checkClaim()
      if (medium.files !== undefined && marker !== undefined)
        await markClean(medium.files, marker, this.#applier.appliedSeq)
    } catch (error) {
      throw MQError.from(error, 'STORE_FAILED')
    }
  }

  /** After a failure: close what is open; the next open recovers. */
  async #abandon(): Promise<void> {
    await this.#applier.stop()
    await this.#opened.journal?.abandon()
    await this.#opened.databases.close().catch(() => undefined)
  }

  #announce(frame: Frame): void {
    announceFrame(this, this.parking.window, frame)
    this.#applier.enqueue(frame)
    if (this.#opened.journal === undefined) this.#applier.wake()
    else this.#flusher.noteWritten()
    for (const { log } of frame.appends) this.onAppended(log)
    this.#gate.admit()
  }

  /** The write-ahead rule: databases take only what the journal durably holds. */
  #limitSeq(): number {
    return this.#opened.journal?.flushedSeq ?? Number.POSITIVE_INFINITY
  }

  #hasRoom(): boolean {
    const { stagedBytes } = this.#writer
    if (stagedBytes >= STAGED_MAX_BYTES) return false
    return this.#applier.tailBytes + stagedBytes < this.#options.limits.maxUnappliedBytes
  }

  #onApplied(slice: Slice): void {
    this.parked.settle(slice)
    this.#gate.admit()
    this.#janitor.noteApplied(this.#opened.journal, this.#applier.appliedSeq)
  }

  /** Applies everything written so far, so that the databases alone can answer. */
  async #applyAll(): Promise<void> {
    await this.#writer.drain()
    const seq = this.#applier.enqueuedSeq
    while (this.#applier.appliedSeq < seq && this.#status.failure === undefined) {
      await this.#flusher.flush()
      await this.#applier.advance()
    }
  }

  /** What the databases hold by now. */
  get applied(): QuerySource {
    return { databases: this.#opened.databases, catalog: this.catalog, state: this.#applier.state }
  }

  async #querySource() {
    if (this.#status.isOver) throw this.#status.refusal()
    await this.#applyAll()
    await this.#healed
    if (this.#status.isOver) throw this.#status.refusal()
    return this.applied
  }

  /** Reads from the databases; what healing interrupts is read again behind it. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const healed = this.#healed
      await healed
      try {
        return await work()
      } catch (error) {
        if (healed === this.#healed) throw storeErrorFrom(error)
      }
    }
  }

  async #heal(error: MQError, untilSeq: number): Promise<AppliedState> {
    const { journal, medium, databases } = this.#opened
    if (journal === undefined || medium.files === undefined) {
      throw new MQError('STORE_FAILED', 'The database in memory failed; nothing can heal it.', {
        cause: error,
      })
    }
    this.#status.setHealing(error)
    const { files } = medium
    const { clock } = this.#options
    const givenUp = (): boolean => this.#status.isOver
    const healing = healDatabases({ databases, files, clock, untilSeq, givenUp })
    this.#healed = healing.then(
      () => undefined,
      () => undefined,
    )
    const state = await healing
    this.#status.setHealed()
    return state
  }

  #fail(error: MQError): void {
    if (!this.#status.fail(error)) return
    this.#writer.stop(this.#status.refusal())
    this.#gate.refuse(this.#status.refusal())
    this.#flusher.stop()
    this.onEvent('error', error)
  }

  #refusalOf(log: QueueLog, signal: AbortSignal | undefined): MQError | undefined {
    if (log.isClosed && !this.#status.isOver) return topicDeleted(log)
    return this.#status.refuseSend() ?? (signal?.aborted === true ? aborted(signal) : undefined)
  }

  #warnSlowDisk(durationMs: number): void {
    const message = `A journal write took ${Math.round(durationMs)} ms; writes leave the main thread for a while.`
    this.onEvent('warning', { code: 'SLOW_DISK', message })
  }
}
