/**
 * Flushes the journal some time after it was written to, sooner when much was written. This is the bound on what a power
 * cut can take in ASYNC_FLUSH, and what lets the applier go on.
 */
import type { Clock, Timer } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { Journal } from './journal.ts'

/** Flushes early when this much waits, so that the tail in memory stays small. */
const FLUSH_BYTES = 8 * 1024 * 1024

interface FlusherHost {
  onFlushed(): void
  onFailed(error: MQError): void
}

export class Flusher {
  readonly #clock: Clock
  readonly #journal: Journal | undefined
  readonly #intervalMs: number
  readonly #host: FlusherHost
  #timer: Timer | undefined
  #flushing: Promise<void> | undefined
  #stopped = false

  constructor(clock: Clock, journal: Journal | undefined, intervalMs: number, host: FlusherHost) {
    this.#clock = clock
    this.#journal = journal
    this.#intervalMs = intervalMs
    this.#host = host
  }

  /** The journal was written to. */
  noteWritten(): void {
    if (this.#stopped || this.#journal === undefined) return
    if (this.#journal.writtenSinceFlushBytes >= FLUSH_BYTES) this.#begin()
    else this.#timer ??= this.#clock.setTimer(this.#intervalMs, () => this.#begin())
  }

  /** Flushes everything written so far. */
  async flush(): Promise<void> {
    const { writtenSeq } = this.#journal ?? { writtenSeq: 0 }
    while (this.#journal !== undefined && this.#journal.flushedSeq < writtenSeq) {
      if (this.#stopped) throw new MQError('SERVICE_NOT_AVAILABLE', 'The store is not open any more.')
      this.#begin()
      await this.#flushing
    }
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #begin(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#flushing ??= this.#run().finally(() => {
      this.#flushing = undefined
      if (this.#journal !== undefined && this.#journal.flushedSeq < this.#journal.writtenSeq)
        this.noteWritten()
    })
  }

  async #run(): Promise<void> {
    try {
      await this.#journal?.flush()
    } catch (cause) {
      this.stop()
      this.#host.onFailed(
        new MQError(
          'STORE_FAILED',
          'The journal could not be flushed; reopen the store to learn what is stored.',
          { cause, outcome: 'unknown' },
        ),
      )
      return
    }
    this.#host.onFlushed()
  }
}
