/** Bounds the bytes of pages that were read from the databases, over all queues: the oldest page leaves first. */
import type { QueueLog } from './queue-log.ts'
import type { StoredBatch } from './record-reader.ts'

/** Batches of one queue that follow each other without a gap, read together. */
export interface ReadPage {
  readonly batches: readonly StoredBatch[]
  readonly firstOffset: number
  readonly nextOffset: number
  readonly bytes: number
  /** A reader that comes this far wants the next page soon. */
  readAheadOffset: number
}

export class ReadCache {
  readonly #maxBytes: number
  readonly #admitted: { readonly log: QueueLog; readonly page: ReadPage }[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Takes a page in; the newest always stays, however large it is. */
  admit(log: QueueLog, page: ReadPage): void {
    this.#admitted.push({ log, page })
    this.#bytes += page.bytes
    while (this.#bytes > this.#maxBytes && this.#admitted.length > 1) {
      const oldest = this.#admitted.shift()
      if (oldest === undefined) return
      this.#bytes -= oldest.page.bytes
      oldest.log.dropPage(oldest.page)
    }
  }
}
