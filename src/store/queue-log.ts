/**
 * One queue: its offsets, the batches that are committed but not yet in the databases (the tail), and pages read from
 * the databases. Readers see the three as one. Offsets are dense: what lies between min and max is there, or reading
 * it is an error that says so.
 */
import type { MessageQueue } from '../model/message-queue.ts'
import type { BlockPool } from './block-pool.ts'
import type { StagedAppend } from './commit-group.ts'
import type { ReadCache, ReadPage } from './read-cache.ts'
import type { StoredBatch } from './record-reader.ts'
import { RecordWriter } from './record-writer.ts'

/** Reads the page that begins with the batch that holds an offset. */
export type LoadPage = (log: QueueLog, offset: number) => Promise<ReadPage>

/** What all queues of a store share. */
export interface QueueParts {
  readonly cache: ReadCache
  readonly load: LoadPage
  readonly pool: BlockPool
}

/** Which log a queue object stands for: one of a deleted topic is another object than that of its successor. */
const logs = new WeakMap<MessageQueue, QueueLog>()

/** The log that this very object was made for; `undefined` for a copy of its fields. */
export function logMadeFor(queue: MessageQueue): QueueLog | undefined {
  return logs.get(queue)
}

/** Entries taken from the front of the tail before it is moved together. */
const TAIL_COMPACT_COUNT = 1024

export class QueueLog {
  readonly uid: number
  readonly queue: MessageQueue
  readonly #cache: ReadCache
  readonly #load: LoadPage

  /** The first offset that is still there. */
  minOffset: number
  /** The offset that the next message gets: what is before it is committed and visible. */
  maxOffset: number
  /** As `maxOffset`, but counts groups that are written and not yet announced. */
  writtenOffset: number
  lastStoreTimestamp: number | undefined
  /** Its topic is being deleted, or was: nothing may be appended any more. */
  isClosed = false
  /** The records that the open commit group has for this queue, and who waits for them; the writer's. */
  readonly records: RecordWriter
  staged: StagedAppend | undefined
  /** Batches not yet in the databases; those before `#tailStart` are applied and let go. */
  #tail: (StoredBatch | undefined)[] = []
  #tailStart = 0
  #pages: ReadPage[] = []
  readonly #loading = new Map<number, Promise<ReadPage>>()

  constructor(uid: number, queue: MessageQueue, minOffset: number, maxOffset: number, parts: QueueParts) {
    this.uid = uid
    this.queue = queue
    this.minOffset = minOffset
    this.maxOffset = maxOffset
    this.writtenOffset = maxOffset
    logs.set(queue, this)
    this.#cache = parts.cache
    this.#load = parts.load
    this.records = new RecordWriter(parts.pool)
  }

  /**
   * The stored batch that holds an offset between min and max. At once when it is in memory, else a promise, and the
   * page behind is read ahead. Rejects with `STORE_CORRUPTED` naming queue and range.
   */
  batchAt(offset: number): StoredBatch | Promise<StoredBatch> {
    const recent = this.#inTail(offset) ?? this.#inPages(offset)
    if (recent !== undefined) return recent
    return this.#pageAt(offset).then((page) => findBatch(page.batches, 0, offset))
  }

  /** Takes a committed batch. */
  append(batch: StoredBatch): void {
    this.#tail.push(batch)
    this.maxOffset = batch.nextOffset
    this.lastStoreTimestamp = batch.storeTimestamp
  }

  /** Lets go of the oldest batch of the tail: it is in the databases now. */
  dropApplied(): void {
    this.#tail[this.#tailStart] = undefined
    this.#tailStart += 1
    if (this.#tailStart < TAIL_COMPACT_COUNT && this.#tailStart < this.#tail.length) return
    this.#tail = this.#tail.slice(this.#tailStart)
    this.#tailStart = 0
  }

  /** The first offset that is not yet in the databases. */
  get appliedOffset(): number {
    return this.#tail[this.#tailStart]?.baseOffset ?? this.maxOffset
  }

  /** Forgets a page; called by the cache when it needs room. */
  dropPage(page: ReadPage): void {
    const index = this.#pages.indexOf(page)
    if (index >= 0) this.#pages.splice(index, 1)
  }

  #inTail(offset: number): StoredBatch | undefined {
    const first = this.#tail[this.#tailStart]
    if (first === undefined || offset < first.baseOffset) return undefined
    const batch = findBatch(this.#tail, this.#tailStart, offset)
    batch.share()
    return batch
  }

  #inPages(offset: number): StoredBatch | undefined {
    for (const page of this.#pages) {
      if (offset < page.firstOffset || offset >= page.nextOffset) continue
      if (offset >= page.readAheadOffset) this.#readAhead(page)
      return findBatch(page.batches, 0, offset)
    }
    return undefined
  }

  /** Reads the next page while this one is being consumed. A failure shows when the page is asked for. */
  #readAhead(page: ReadPage): void {
    page.readAheadOffset = page.nextOffset
    const next = page.nextOffset
    if (
      next >= this.appliedOffset ||
      this.#pages.some((other) => next >= other.firstOffset && next < other.nextOffset)
    )
      return
    this.#pageAt(next).catch(() => undefined)
  }

  #pageAt(offset: number): Promise<ReadPage> {
    const loading = this.#loading.get(offset)
    if (loading !== undefined) return loading
    const started = this.#load(this, offset)
      .then((page) => {
        this.#pages.push(page)
        this.#cache.admit(this, page)
        return page
      })
      .finally(() => this.#loading.delete(offset))
    this.#loading.set(offset, started)
    return started
  }
}

/** The batch that holds an offset, in batches that follow each other without a gap. */
function findBatch(batches: readonly (StoredBatch | undefined)[], from: number, offset: number): StoredBatch {
  let low = from
  let high = batches.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((batches[middle] as StoredBatch).nextOffset <= offset) low = middle + 1
    else high = middle
  }
  return batches[low] as StoredBatch
}
