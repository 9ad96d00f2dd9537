/** Deletes the rows of intents whose messages are stored: many together, behind one flush. */
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { ApplicationRows } from './rows.ts'

/** How long rows stay behind their messages. */
const DELAY_MS = 500

interface SpentRowsHost {
  readonly engine: Engine
  readonly emit: EmitEvent
}

export class SpentRows {
  readonly #rows: ApplicationRows
  readonly #host: SpentRowsHost
  readonly #onDeleted: (key: string) => void
  #keys: string[] = []
  #timer: Timer | undefined
  #deleted: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(rows: ApplicationRows, host: SpentRowsHost, onDeleted: (key: string) => void) {
    this.#rows = rows
    this.#host = host
    this.#onDeleted = onDeleted
  }

  /** The message of this row is stored. */
  add(key: string): void {
    this.#keys.push(key)
    if (!this.#isStopped)
      this.#timer ??= this.#host.engine.clock.setTimer(DELAY_MS, () => void this.deleteIfPossible())
  }

  /** Deletes them, one time behind the other. */
  deleteNow(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    const deleting = this.#deleted.then(() => this.#delete())
    this.#deleted = deleting.catch(() => undefined)
    return deleting
  }

  /** What cannot be deleted stays until there is more, or until the next opening, where its message is found. */
  async deleteIfPossible(): Promise<void> {
    try {
      await this.deleteNow()
    } catch (error) {
      this.#host.emit('error', MQError.from(error))
    }
  }

  /** Deletes nothing any more by itself. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** A row may go when its message is on the disk: a power cut must not take both. */
  async #delete(): Promise<void> {
    const keys = this.#keys.splice(0)
    if (keys.length === 0) return
    try {
      await this.#host.engine.flush()
      await this.#rows.outbox.batch(keys.map((key) => ({ type: 'del', key })))
    } catch (error) {
      this.#keys.unshift(...keys)
      throw MQError.from(error)
    }
    for (const key of keys) this.#onDeleted(key)
  }
}
