/**
 * The write-ahead journal in front of the databases: appends frames, flushes, and lets segments go that both databases
 * durably hold. A write that fails is cut back; a flush that fails is never tried again, since the kernel may have
 * dropped the pages (reliability: fail-stop).
 */
import { MQError } from '../model/errors.ts'
import { encodeSegmentHeader, JOURNAL_VERSION, SEGMENT_HEADER_BYTES, segmentName } from './journal-format.ts'
import type { Files, JournalFile } from './medium.ts'

/** A segment is closed when it is longer than this and the next one is ready. */
const SEGMENT_BYTES = 16 * 1024 * 1024

interface Segment {
  readonly number: number
  readonly file: JournalFile
  bytes: number
  /** The last sequence number in it. */
  lastSeq: number
}

/** What a journal continues from. */
export interface JournalStart {
  readonly storeId: bigint
  /** The number of the first new segment. */
  readonly segmentNumber: number
  /** The last sequence number before it. */
  readonly previousSeq: number
  /** The first sequence number to use. */
  readonly firstSeq: number
}

export class Journal {
  readonly #files: Files
  readonly #storeId: bigint
  /** Closed segments, oldest first. */
  readonly #closed: { readonly number: number; readonly lastSeq: number }[] = []
  /** Segments with bytes that are not flushed; the last one is open for writing. */
  #dirty: Segment[] = []
  #current: Segment
  #next: Segment | undefined
  #preparing: Promise<void> | undefined
  #flushing: Promise<void> | undefined
  /** Why a flush failed: it is never tried again, for the kernel may have dropped the pages. */
  #failure: unknown
  #writtenSeq: number
  #flushedSeq: number
  #writtenSinceFlushBytes = 0

  private constructor(files: Files, start: JournalStart, current: Segment) {
    this.#files = files
    this.#storeId = start.storeId
    this.#current = current
    this.#writtenSeq = start.firstSeq - 1
    this.#flushedSeq = start.firstSeq - 1
  }

  /** Begins a new segment behind what recovery found; everything before it is flushed. */
  static async open(files: Files, start: JournalStart): Promise<Journal> {
    const number = start.segmentNumber
    const current: Segment = {
      number,
      file: await files.createJournalFile(segmentName(number)),
      bytes: 0,
      lastSeq: start.previousSeq,
    }
    const journal = new Journal(files, start, current)
    journal.#writeHeader(current, start.firstSeq, start.previousSeq)
    await current.file.datasync()
    return journal
  }

  /** The last sequence number that was written. */
  get writtenSeq(): number {
    return this.#writtenSeq
  }

  /** The last sequence number that survives a power cut. */
  get flushedSeq(): number {
    return this.#flushedSeq
  }

  get writtenSinceFlushBytes(): number {
    return this.#writtenSinceFlushBytes
  }

  /** Segments that still hold something, the open one included. */
  get segmentCount(): number {
    return this.#closed.length + this.#dirty.filter((segment) => segment !== this.#current).length + 1
  }

  /** Appends a frame whose last fact has this number; on failure nothing of it stays in the file. */
  writeSync(buffers: readonly Buffer[], bytes: number, lastSeq: number): void {
    const segment = this.#segmentFor(lastSeq)
    let written: number
    try {
      written = segment.file.writeSync(buffers, segment.bytes)
    } catch (cause) {
      throw this.#cutBack(segment, cause)
    }
    this.#wrote(segment, written, bytes, lastSeq)
  }

  /** The same off the main thread; one write may be in flight at a time. */
  async write(buffers: readonly Buffer[], bytes: number, lastSeq: number): Promise<void> {
    const segment = this.#segmentFor(lastSeq)
    let written: number
    try {
      written = await segment.file.write(buffers, segment.bytes)
    } catch (cause) {
      throw this.#cutBack(segment, cause)
    }
    this.#wrote(segment, written, bytes, lastSeq)
  }

  /** Makes everything written before this call survive a power cut. Throws once and for all when a flush fails. */
  async flush(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    if (this.#failure !== undefined) throw this.#failure
    if (this.#dirty.length === 0) return
    this.#flushing = this.#flushDirty()
    try {
      await this.#flushing
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#flushing = undefined
    }
  }

  /** Removes segments that hold nothing behind `durableSeq`. */
  async retire(durableSeq: number): Promise<void> {
    for (;;) {
      const oldest = this.#closed[0]
      if (oldest === undefined || oldest.lastSeq > durableSeq) return
      // In order, and durably: a gap between the segments that are left would be taken for damage.
      await this.#files.remove(segmentName(oldest.number))
      this.#closed.shift()
    }
  }

  /** Flushes and closes the files; the segments stay. */
  async close(): Promise<void> {
    await this.#preparing
    await this.flush()
    await this.#current.file.close()
    await this.#next?.file.close()
  }

  /** Closes files without flushing, after a failure. */
  async abandon(): Promise<void> {
    const segments = new Set([this.#current, ...this.#dirty])
    if (this.#next !== undefined) segments.add(this.#next)
    await Promise.allSettled([...segments].map((segment) => segment.file.close()))
  }

  async #flushDirty(): Promise<void> {
    const segments = this.#dirty
    const seq = this.#writtenSeq
    this.#dirty = []
    this.#writtenSinceFlushBytes = 0
    for (const segment of segments) await segment.file.datasync()
    this.#flushedSeq = Math.max(this.#flushedSeq, seq)
    for (const segment of segments) {
      // Written to, or left for the next one, since this flush began: the next flush sees to it.
      if (segment === this.#current || this.#dirty.includes(segment)) continue
      this.#closed.push({ number: segment.number, lastSeq: segment.lastSeq })
      await segment.file.close()
    }
  }

  #wrote(segment: Segment, written: number, bytes: number, lastSeq: number): void {
    if (written !== bytes)
      throw this.#cutBack(segment, new Error(`${written} of ${bytes} bytes were written`))
    segment.bytes += bytes
    segment.lastSeq = lastSeq
    this.#writtenSeq = lastSeq
    this.#writtenSinceFlushBytes += bytes
    this.#markDirty(segment)
    if (segment.bytes > SEGMENT_BYTES / 2) this.#prepareNext()
  }

  #markDirty(segment: Segment): void {
    if (this.#dirty.at(-1) !== segment && !this.#dirty.includes(segment)) this.#dirty.push(segment)
  }

  /** The segment that takes a frame. The limit is soft: while the next one is not ready, the current one goes on. */
  #segmentFor(lastSeq: number): Segment {
    if (this.#current.bytes < SEGMENT_BYTES || this.#next === undefined) return this.#current
    const next = this.#next
    this.#writeHeader(next, this.#writtenSeq + 1, this.#writtenSeq)
    next.lastSeq = lastSeq
    // The full segment leaves by the next flush, which closes it; one that is flushed already must pass there too.
    this.#markDirty(this.#current)
    this.#current = next
    this.#next = undefined
    return next
  }

  #writeHeader(segment: Segment, firstSeq: number, previousSeq: number): void {
    const header = encodeSegmentHeader({
      version: JOURNAL_VERSION,
      storeId: this.#storeId,
      firstSeq,
      previousSeq,
    })
    if (segment.file.writeSync([header], 0) !== SEGMENT_HEADER_BYTES)
      throw new Error('a journal header was not written whole')
    segment.bytes = SEGMENT_HEADER_BYTES
  }

  /** A failure to prepare is no failure yet: the current segment goes on and the next write tries again. */
  #prepareNext(): void {
    if (this.#next !== undefined || this.#preparing !== undefined) return
    const number = this.#current.number + 1
    this.#preparing = this.#files
      .createJournalFile(segmentName(number))
      .then(
        (file) => {
          this.#next = { number, file, bytes: 0, lastSeq: 0 }
        },
        () => undefined,
      )
      .finally(() => {
        this.#preparing = undefined
      })
  }

  #cutBack(segment: Segment, cause: unknown): MQError {
    try {
      segment.file.truncateSync(segment.bytes)
    } catch (second) {
      return new MQError(
        'STORE_FAILED',
        'A journal write failed and could not be cut back; reopen the store.',
        {
          cause: new AggregateError([cause, second]),
          outcome: 'unknown',
        },
      )
    }
    const detail = cause instanceof Error ? cause.message : String(cause)
    return new MQError(
      'WRITE_FAILED',
      `The journal could not be written, nothing of this send is stored: ${detail}.`,
      {
        cause,
        outcome: 'not-attempted',
      },
    )
  }
}
