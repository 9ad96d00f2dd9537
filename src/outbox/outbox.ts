/**
 * Sends what producers put into batches of the application's own database, once these are written.
 *
 * A batch takes the message as a row, an intent, so that state and message are written together or not at all. The intent is sent when the
 * batch was written, or at the next opening, under the id that it has had from the beginning; then its row is deleted. *Crash between
 * both: the row is there, and the message is found by its id, so it is not sent again.*
 */

import type { ChainedBatch } from '../model/chained-batch.ts'
import type { Clock, Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Intent, IntentTaker } from '../model/outbox.ts'
import { decodeIntent, encodeIntent, intentKey, isOrderedLine, lineOf, numberOf } from './intent.ts'
import { IntentSender } from './intent-sender.ts'
import type { ApplicationRows } from './rows.ts'

/** Messages of one line that are sent at the same time, where their order does not matter. */
const PARALLEL_COUNT = 64
/** How long an intent rests that could not be sent: at first, and at most. */
const REST_MS = 1000
const REST_MAX_MS = 60_000
/** How long rows stay behind their messages: they are deleted together, behind one flush. */
const CLEAN_DELAY_MS = 500

/** What an outbox needs of its instance. */
export interface OutboxHost {
  readonly engine: Engine
  readonly emit: EmitEvent
}

/** An intent that is to be sent. */
interface Entry {
  readonly key: string
  /** It may have been sent before: by an earlier life, or by an attempt whose outcome nobody knows. */
  isDoubtful: boolean
  failureCount: number
  lastErrorText: string
}

/** Intents that are sent one behind the other. */
interface Line {
  readonly isOrdered: boolean
  waiting: Entry[]
  isBusy: boolean
  /** While the first of an ordered line rests, all of it does. */
  rest: Timer | undefined
}

export class Outbox implements IntentTaker {
  readonly #host: OutboxHost
  readonly #clock: Clock
  readonly #rows: ApplicationRows
  readonly #sender: IntentSender
  readonly #unwatch: () => void

  readonly #lines = new Map<string, Line>()
  /** Those that failed and let others pass. */
  readonly #resting = new Map<Entry, Timer>()
  #busyCount = 0
  #onIdle: (() => void)[] = []
  #lastError: MQError | undefined

  #sentKeys: string[] = []
  #cleaning: Timer | undefined
  #lastNumber = 0
  /** Who opens the instance cannot listen yet: what fails meanwhile is told when it fails again. */
  #isOpening = true
  #isStopped = false

  private constructor(rows: ApplicationRows, host: OutboxHost) {
    this.#host = host
    this.#clock = host.engine.clock
    this.#rows = rows
    this.#sender = new IntentSender(host.engine)
    this.#unwatch = rows.watchOutbox((keys) => this.#take(keys, false))
  }

  /** Looks for what an earlier life has left, and begins to send it. */
  static async open(rows: ApplicationRows, host: OutboxHost): Promise<Outbox> {
    const outbox = new Outbox(rows, host)
    const left = await rows.outbox.keys().all()
    outbox.#lastNumber = left.reduce((highest, key) => Math.max(highest, numberOf(key)), 0)
    outbox.#isOpening = left.length > 0
    outbox.#take(left, true)
    return outbox
  }

  add(batch: ChainedBatch, intent: Intent): void {
    if (this.#isStopped) throw closed()
    this.#lastNumber += 1
    this.#rows.put(batch, this.#rows.outbox, [[intentKey(this.#lastNumber, intent), encodeIntent(intent)]])
  }

  /** Resolves when everything known so far has been tried. */
  async tried(): Promise<void> {
    if (this.#busyCount > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  /** Tries what rests once more, now; resolves when all is stored, and rejects with the failure of what is not. */
  async drain(): Promise<void> {
    if (this.#isStopped) throw closed()
    for (const entry of [...this.#resting.keys()]) this.#wake(entry)
    for (const line of this.#lines.values()) this.#endRest(line)
    await this.tried()
    const isLeft = this.#resting.size > 0 || [...this.#lines.values()].some(({ rest }) => rest !== undefined)
    if (isLeft && this.#lastError !== undefined) throw this.#lastError
  }

  /** Sends what is on its way, and leaves what cannot be sent to the next life. */
  async close(): Promise<void> {
    this.stop()
    await this.tried()
    await this.#clean()
  }

  /** Begins nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#unwatch()
    this.#sender.stop()
    this.#cleaning?.cancel()
    for (const timer of this.#resting.values()) timer.cancel()
    for (const { rest } of this.#lines.values()) rest?.cancel()
  }

  #take(keys: readonly string[], isDoubtful: boolean): void {
    for (const key of keys) {
      const entry = { key, isDoubtful, failureCount: 0, lastErrorText: '' }
      this.#lineOf(entry).waiting.push(entry)
    }
    for (const [name, line] of this.#lines) this.#goOn(name, line)
  }

  #lineOf({ key }: Entry): Line {
    const name = lineOf(key)
    let line = this.#lines.get(name)
    if (line === undefined) {
      line = { isOrdered: isOrderedLine(name), waiting: [], isBusy: false, rest: undefined }
      this.#lines.set(name, line)
    }
    return line
  }

  #goOn(name: string, line: Line): void {
    if (line.isBusy || line.rest !== undefined) return
    if (line.waiting.length === 0) this.#lines.delete(name)
    else void this.#work(name, line)
  }

  async #work(name: string, line: Line): Promise<void> {
    line.isBusy = true
    this.#busyCount += 1
    while (line.waiting.length > 0 && line.rest === undefined) {
      const entries = line.waiting.splice(0, line.isOrdered ? 1 : PARALLEL_COUNT)
      const failed = await this.#sendAll(entries)
      if (failed.length > 0) this.#rest(line, failed)
    }
    line.isBusy = false
    this.#busyCount -= 1
    this.#goOn(name, line)
    if (this.#busyCount > 0) return
    this.#isOpening = false
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  /** Answers those that are to be tried again. Their rows are read together, and sent in the order of their keys. */
  async #sendAll(entries: readonly Entry[]): Promise<readonly Entry[]> {
    try {
      const rows = await this.#rows.outbox.getMany(entries.map(({ key }) => key))
      const failed = await Promise.all(entries.map((entry, i) => this.#send(entry, rows[i])))
      return failed.flatMap((entry) => entry ?? [])
    } catch (error) {
      for (const entry of entries) this.#tell(entry, MQError.from(error))
      return entries
    }
  }

  /** Answers the entry when it is to be tried again. One without a row was deleted by the application. */
  async #send(entry: Entry, row: Buffer | undefined): Promise<Entry | undefined> {
    if (row === undefined) return undefined
    try {
      const intent = decodeIntent(entry.key, row)
      if (!entry.isDoubtful || !(await this.#sender.isStored(intent))) await this.#sender.send(intent)
    } catch (error) {
      entry.isDoubtful = true
      this.#tell(entry, MQError.from(error))
      return entry
    }
    this.#sentKeys.push(entry.key)
    if (!this.#isStopped) this.#cleaning ??= this.#clock.setTimer(CLEAN_DELAY_MS, () => void this.#clean())
    return undefined
  }

  #tell(entry: Entry, error: MQError): void {
    this.#lastError = error
    entry.failureCount += 1
    if (entry.lastErrorText === error.message || this.#isStopped) return
    if (!this.#isOpening) entry.lastErrorText = error.message
    const text = `The outbox row ${entry.key} cannot be sent now, and is tried again: ${error.message}`
    this.#host.emit('error', new MQError(error.code, text, { cause: error }))
  }

  /** What keeps an order holds its line up; all else lets others pass. */
  #rest(line: Line, failed: readonly Entry[]): void {
    if (line.isOrdered) {
      line.waiting.unshift(...failed)
      const [first] = failed
      line.rest = this.#restTimer(first!, () => this.#endRest(line))
      return
    }
    for (const entry of failed)
      this.#resting.set(
        entry,
        this.#restTimer(entry, () => this.#wake(entry)),
      )
  }

  #restTimer({ failureCount }: Entry, callback: () => void): Timer {
    if (this.#isStopped) return { cancel: () => undefined }
    return this.#clock.setTimer(Math.min(REST_MAX_MS, REST_MS * 2 ** (failureCount - 1)), callback)
  }

  #wake(entry: Entry): void {
    this.#resting.get(entry)?.cancel()
    this.#resting.delete(entry)
    const line = this.#lineOf(entry)
    line.waiting.push(entry)
    this.#goOn(lineOf(entry.key), line)
  }

  #endRest(line: Line): void {
    line.rest?.cancel()
    line.rest = undefined
    const [first] = line.waiting
    if (first !== undefined) this.#goOn(lineOf(first.key), line)
  }

  /** A row may go when its message is on the disk: a power cut must not take both. */
  async #clean(): Promise<void> {
    const keys = this.#sentKeys
    this.#cleaning = undefined
    this.#sentKeys = []
    if (keys.length === 0) return
    try {
      await this.#host.engine.flush()
      await this.#rows.outbox.batch(keys.map((key) => ({ type: 'del', key })))
    } catch (error) {
      // They stay until the next opening, where their messages are found.
      this.#host.emit('error', MQError.from(error))
    }
  }
}

function closed(): MQError {
  return new MQError('CLOSED', 'The instance is closed; open it again.')
}
