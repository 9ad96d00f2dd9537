/**
 * The single writer. Whatever is staged in one turn becomes one frame of the journal: written, perhaps flushed, then
 * announced. One frame is on its way at a time, so frames reach the journal in the order of their numbers.
 *
 * - ASYNC_FLUSH: the frame is written at the end of the turn by a synchronous call, which costs about a microsecond and
 *   survives the death of the process. When such a call was slow (the kernel throttles dirty pages), frames go through
 *   asynchronous calls for a while, so that the host's event loop stays free.
 * - SYNC_FLUSH: frames are written and flushed off the main thread; what arrives meanwhile shares the next flush.
 * - In memory there is no journal: a frame is announced as soon as it is built.
 *
 * Crash windows: before the write nothing is stored and nobody was told. Between write and announcement the frame is
 * stored and the sender does not know: it comes back after reopening. After the announcement it is stored, in
 * SYNC_FLUSH also on the disk.
 */
import type { Clock } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { MessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { OwnContext } from '../model/own-context.ts'
import type { Durability, SendReceipt, SendStatus } from '../model/results.ts'
import { deferMicrotask } from '../model/system-clock.ts'
import type { BlockPool } from './block-pool.ts'
import { CommitGroup, type IdOrder, isBatch, type PendingPark, type PendingSend } from './commit-group.ts'
import type { Fact } from './fact.ts'
import type { Frame, FrameBuilder } from './frame.ts'
import type { Journal } from './journal.ts'
import { ParkedFacts } from './parked-facts.ts'
import type { QueueLog } from './queue-log.ts'
import { StoredReceipt } from './receipt.ts'
import type { RecordWriter } from './record-writer.ts'

/** A group is written at once when it holds this much, also in the middle of a turn. */
const GROUP_MAX_BYTES = 1024 * 1024
/** Without a turn of the event loop for this long, the next frame waits for one: or input and timers would starve. */
const TURN_MAX_MS = 4
/** A synchronous write that takes longer makes the following ones asynchronous. */
const SLOW_WRITE_MS = 50
const OFFLOAD_MS = 1000

const NOBODY: readonly PendingSend[] = Object.freeze([])

/** What the writer needs of its store. */
export interface WriterHost {
  readonly clock: Clock
  readonly journal: Journal | undefined
  readonly syncFlush: boolean
  readonly syncFlushTimeoutMs: number
  readonly durability: Durability
  readonly frames: FrameBuilder
  readonly pool: BlockPool
  /** Makes a written frame visible. */
  announce(frame: Frame): void
  /** A group was refused and takes no room any more. */
  onTakenBack(): void
  /** A flush failed: what was written last may be lost. */
  fail(error: MQError): void
  warnSlowWrite(durationMs: number): void
}

/** A set of facts and appends that is committed together. */
export interface StagedChange {
  readonly facts: readonly Fact[]
  readonly appends: readonly {
    readonly log: QueueLog
    readonly messages: OutgoingMessage | readonly OutgoingMessage[]
  }[]
  /** A parked message that goes to its queue as it is. */
  readonly delivered?: { readonly log: QueueLog; readonly batch: Buffer } | undefined
}

export class Writer {
  readonly #host: WriterHost
  /** The pump may run as long as somebody sends: in nobody's context but its own. */
  readonly #context = new OwnContext()
  readonly #idOrder: IdOrder = { last: undefined, ownPrefix: undefined }
  #open: CommitGroup
  #scheduled = false
  #pumping: Promise<void> | undefined
  #failure: MQError | undefined
  #turnedAt: number
  #turnAwaited = false
  #offloadUntil = 0

  constructor(host: WriterHost) {
    this.#host = host
    this.#open = new CommitGroup(this.#idOrder)
    this.#turnedAt = host.clock.monotonicMs()
  }

  /** What an acknowledgement rests on. */
  get durability(): Durability {
    return this.#host.durability
  }

  /** Bytes that are staged and not yet written. */
  get stagedBytes(): number {
    return this.#open.bytes
  }

  /** Stages one message or an atomic batch; the promise settles when its group does. */
  append(
    log: QueueLog,
    messages: OutgoingMessage | readonly OutgoingMessage[],
    resolve: (receipt: SendReceipt) => void,
    reject: (error: MQError) => void,
  ): void {
    if (this.#failure !== undefined) {
      reject(this.#failure)
      return
    }
    const { sends } = this.#open.append(log, messages)
    const ids = isBatch(messages) ? messages.map((message) => message.messageId) : messages.messageId
    const count = isBatch(messages) ? messages.length : 1
    sends.push({ ids, index: log.records.count - count, resolve, reject })
    this.#schedule()
  }

  /** Stages facts and appends that must be stored together; answers how safely they are. */
  commit(change: StagedChange): Promise<SendStatus> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      for (const { log, messages } of change.appends) this.#open.appendCopies(log, messages)
      if (change.delivered !== undefined)
        this.#open.appendParked(change.delivered.log, change.delivered.batch)
      this.#open.addFacts(change.facts)
      this.#open.commits.push({ resolve, reject })
      this.#schedule()
    })
  }

  /** Stages a new message of this instance to be parked: the one record that a writer has finished. */
  park({ prefix }: MessageId, records: RecordWriter, pending: PendingPark): void {
    if (this.#failure !== undefined) {
      pending.reject(this.#failure)
      return
    }
    this.#idOrder.ownPrefix = prefix
    this.#open.park(this.#open.parked ?? new ParkedFacts(this.#host.pool), records, pending)
    this.#schedule()
  }

  /** Resolves when everything staged before this call is written, or was rejected; whatever is staged meanwhile. */
  async drain(): Promise<void> {
    if (this.#open.isEmpty && this.#pumping === undefined) return
    // A commit of nothing settles with the group that is open now.
    await this.commit({ facts: [], appends: [] }).catch(() => undefined)
  }

  /** Refuses everything from now on, with this error. */
  stop(error: MQError): void {
    this.#failure ??= error
    const group = this.#takeGroup()
    group.discard()
    rejectGroup(group, this.#failure)
  }

  #schedule(): void {
    if (this.#open.bytes >= GROUP_MAX_BYTES && !this.#mustPump()) this.#flush()
    if (this.#scheduled || this.#open.isEmpty) return
    this.#scheduled = true
    const { clock } = this.#host
    if (clock.monotonicMs() - this.#turnedAt < TURN_MAX_MS) deferMicrotask(this.#flush)
    else clock.defer(this.#flush)
    this.#noteNextTurn()
  }

  #noteNextTurn(): void {
    if (this.#turnAwaited) return
    this.#turnAwaited = true
    this.#host.clock.defer(() => {
      this.#turnAwaited = false
      this.#turnedAt = this.#host.clock.monotonicMs()
    })
  }

  #mustPump(): boolean {
    if (this.#pumping !== undefined || this.#host.syncFlush) return true
    return this.#offloadUntil > 0 && this.#host.clock.monotonicMs() < this.#offloadUntil
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    if (this.#open.isEmpty || this.#pumping !== undefined) return
    if (this.#mustPump()) {
      this.#pumping = this.#context
        .run(() => this.#pump())
        .finally(() => {
          this.#pumping = undefined
        })
      return
    }
    const group = this.#takeGroup()
    try {
      this.#commitDirectly(group)
    } catch (error) {
      this.#crash(group, error)
    }
  }

  #commitDirectly(group: CommitGroup): void {
    if (this.#settleEmpty(group)) return
    const frame = this.#build(group)
    if (this.#writeDirectly(group, frame)) this.#announce(group, frame, 'SEND_OK')
  }

  /** A group that has nothing to write waits for those before it, which have ended. */
  #settleEmpty(group: CommitGroup): boolean {
    if (group.hasContent) return false
    for (const { resolve } of group.commits) resolve('SEND_OK')
    return true
  }

  /** A mistake of ours: nobody can say what became of the group, so the store must not go on. */
  #crash(group: CommitGroup, cause: unknown): void {
    const text = 'A commit failed inside the store; reopen it to learn what is stored.'
    const error = new MQError('STORE_FAILED', text, { cause, outcome: 'unknown' })
    group.discard()
    rejectGroup(group, error)
    this.#host.fail(error)
  }

  #writeDirectly(group: CommitGroup, frame: Frame): boolean {
    const { journal, clock } = this.#host
    if (journal === undefined) return true
    const startedAt = clock.monotonicMs()
    try {
      journal.writeSync(frame.parts(), frame.bytes, frame.lastSeq)
    } catch (error) {
      this.#reject(group, frame, error)
      return false
    }
    const durationMs = clock.monotonicMs() - startedAt
    if (durationMs > SLOW_WRITE_MS) {
      this.#offloadUntil = clock.monotonicMs() + OFFLOAD_MS
      this.#host.warnSlowWrite(durationMs)
    }
    return true
  }

  /** Writes group after group off the main thread, until nothing is staged. */
  async #pump(): Promise<void> {
    // What is staged in the turn that starts the pump joins its first group.
    await undefined
    while (!this.#open.isEmpty && this.#failure === undefined) {
      const group = this.#takeGroup()
      try {
        await this.#commitBehind(group)
      } catch (error) {
        this.#crash(group, error)
      }
    }
  }

  async #commitBehind(group: CommitGroup): Promise<void> {
    if (this.#settleEmpty(group)) return
    // The applier may end a slice while this frame is on its way, so it can only be the first of the next one.
    this.#host.frames.closeSlice()
    const frame = this.#build(group)
    if (!(await this.#writeBehind(group, frame))) return
    if (!this.#host.syncFlush) this.#announce(group, frame, 'SEND_OK')
    else await this.#flushAndAnnounce(group, frame)
  }

  async #writeBehind(group: CommitGroup, frame: Frame): Promise<boolean> {
    const { journal } = this.#host
    if (journal === undefined) return true
    try {
      await journal.write(frame.parts(), frame.bytes, frame.lastSeq)
      return true
    } catch (error) {
      this.#reject(group, frame, error)
      return false
    }
  }

  /** Announces when the flush is done or, with a weaker status, when it takes too long; waits for its end either way. */
  async #flushAndAnnounce(group: CommitGroup, frame: Frame): Promise<void> {
    const { journal, clock, syncFlushTimeoutMs } = this.#host
    let announced = false
    const timer = clock.setTimer(syncFlushTimeoutMs, () => {
      announced = true
      this.#announce(group, frame, 'FLUSH_DISK_TIMEOUT')
    })
    try {
      await journal?.flush()
    } catch (cause) {
      const error = new MQError(
        'STORE_FAILED',
        'The journal could not be flushed; reopen the store to learn what is stored.',
        {
          cause,
          outcome: 'unknown',
        },
      )
      if (!announced) rejectGroup(group, error)
      this.#host.fail(error)
      return
    } finally {
      timer.cancel()
    }
    if (!announced) this.#announce(group, frame, 'SEND_OK')
  }

  #announce(group: CommitGroup, frame: Frame, status: SendStatus): void {
    this.#host.announce(frame)
    const { durability } = this.#host
    for (const append of frame.appends) {
      const { log, batch, sends } = append
      // The frame lives on until it is applied; its senders need not.
      append.sends = NOBODY
      for (const { ids, index, resolve } of sends) {
        resolve(
          new StoredReceipt(log, ids, batch.baseOffset + index, batch.storeTimestamp, status, durability),
        )
      }
    }
    for (const { alarm, resolve } of group.parks) resolve(alarm, status)
    for (const { resolve } of group.commits) resolve(status)
  }

  /** A write that was cut back leaves no trace: its numbers are used again, by the next frame. */
  #reject(group: CommitGroup, frame: Frame, caught: unknown): void {
    const error = caught instanceof MQError ? caught : notWritten(caught)
    this.#host.frames.takeBack(frame)
    rejectGroup(group, error)
    if (error.outcome === 'unknown') this.#host.fail(error)
    else this.#host.onTakenBack()
  }

  #build(group: CommitGroup): Frame {
    return this.#host.frames.build(group, this.#host.journal?.flushedSeq ?? 0)
  }

  #takeGroup(): CommitGroup {
    const group = this.#open
    this.#open = new CommitGroup(this.#idOrder)
    return group
  }
}

/** Whatever else fails, fails before the frame is written. */
function notWritten(cause: unknown): MQError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  const text = `The journal could not go on, nothing of this send is stored: ${detail}.`
  return new MQError('WRITE_FAILED', text, { cause, outcome: 'not-attempted' })
}

function rejectGroup(group: CommitGroup, error: MQError): void {
  for (const { sends } of group.appends) for (const { reject } of sends) reject(error)
  for (const { reject } of group.parks) reject(error)
  for (const { reject } of group.commits) reject(error)
}
