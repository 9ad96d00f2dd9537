/**
 * Answers a pull from the log of a queue, by RocketMQ's table (semantics section 4.6). It stays in the caller's turn as
 * long as the log has the batches in memory.
 *
 * A read that fails behind the first message answers what came before; the next pull, which starts there, gets the error.
 */
import type { PullRequest } from '../model/engine.ts'
import { PULL_MAX_BYTES, PULL_SCAN_COUNT } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import type { PullResult, PullStatus } from '../model/results.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { StoredBatch } from '../store/record-reader.ts'
import { type RecordFilter, recordFilter } from './record-filter.ts'

const NO_MESSAGES: readonly MessageView[] = Object.freeze([])

/** What a reader wants. */
type ReadRequest = Pick<PullRequest, 'filter' | 'maxCount'>

/** Reads from an offset; a promise only when a batch must come from the disk. */
export function readMessages(
  log: QueueLog,
  request: ReadRequest,
  offset: number,
): PullResult | Promise<PullResult> {
  if (offset < log.minOffset) return pullResult('OFFSET_ILLEGAL', log, log.minOffset)
  if (offset > log.maxOffset) return pullResult('OFFSET_ILLEGAL', log, log.maxOffset)
  if (offset === log.maxOffset) return pullResult('NO_NEW_MSG', log, offset)
  return new Scan(log, request, offset).run()
}

export function pullResult(
  status: PullStatus,
  log: QueueLog,
  nextBeginOffset: number,
  messages = NO_MESSAGES,
): PullResult {
  return { status, messages, nextBeginOffset, minOffset: log.minOffset, maxOffset: log.maxOffset }
}

/** One walk over the log, batch by batch, until enough is found or looked at. */
class Scan {
  readonly #log: QueueLog
  readonly #request: ReadRequest
  readonly #startOffset: number
  readonly #endOffset: number
  readonly #passes: RecordFilter

  readonly #messages: MessageView[] = []
  #offset: number
  #bodyBytes = 0
  #full = false

  constructor(log: QueueLog, request: ReadRequest, offset: number) {
    this.#log = log
    this.#request = request
    this.#startOffset = offset
    this.#endOffset = offset + Math.max(PULL_SCAN_COUNT, request.maxCount)
    this.#offset = offset
    this.#passes = recordFilter(request.filter)
  }

  run(): PullResult | Promise<PullResult> {
    while (this.#hasMore()) {
      const batch = this.#log.batchAt(this.#offset)
      if (batch instanceof Promise) return this.#resume(batch)
      this.#take(batch)
    }
    return this.#answer()
  }

  async #resume(reading: Promise<StoredBatch>): Promise<PullResult> {
    try {
      this.#take(await reading)
    } catch (error) {
      // Retention may remove a batch while it is being read: the next pull finds its offset too small.
      if (this.#offset === this.#startOffset && this.#offset >= this.#log.minOffset) throw error
      return this.#answer()
    }
    return this.run()
  }

  #hasMore(): boolean {
    if (this.#full || this.#offset >= this.#endOffset) return false
    return this.#offset < this.#log.maxOffset && this.#offset >= this.#log.minOffset
  }

  /** Takes what passes the filter; stops before a message that would exceed a limit, unless it is the first. */
  #take(batch: StoredBatch): void {
    const { maxCount } = this.#request
    const endIndex = Math.min(batch.count, this.#endOffset - batch.baseOffset)
    let index = this.#offset - batch.baseOffset
    for (; index < endIndex && !this.#full; index++) {
      if (!this.#passes(batch, index)) continue
      this.#bodyBytes += batch.bodyBytes(index)
      this.#full = this.#bodyBytes > PULL_MAX_BYTES
      if (this.#full && this.#messages.length > 0) break
      this.#messages.push(batch.message(index))
      if (this.#messages.length >= maxCount) this.#full = true
    }
    this.#offset = batch.baseOffset + index
  }

  #answer(): PullResult {
    const status = this.#messages.length === 0 ? 'NO_MATCHED_MSG' : 'FOUND'
    return pullResult(status, this.#log, this.#offset, this.#messages)
  }
}
