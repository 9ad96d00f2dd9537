/**
 * Sends what producers put into batches of the application's own database, once these are written.
 *
 * A batch takes the message as a row, an intent, so that state and message are written together or not at all. The intent is sent when the
 * batch was written, or at the next opening, under the id that it has had from the beginning; then its row is deleted. *Crash between
 * both: the row is there, and the message is found by its id, so it is not sent again.* Whoever takes messages away waits until
 * their rows are gone (`settling-engine.ts`).
 *
 * What fails is tried again, and what has to come behind it waits. What is refused for itself, as by a queue that is gone, would only
 * be refused again: it is told and set aside, and lets all others pass.
 */

import type { ChainedBatch } from '../model/chained-batch.ts'
import type { Clock, Timer } from '../model/clock.ts'
import { delayVerbsOf } from '../model/delay-verbs.ts'
import type { Engine } from '../model/engine.ts'
import { MQError, type MQErrorCode } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Intent, IntentTaker } from '../model/outbox.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { OwnContext } from '../model/own-context.ts'
import type { Tracing } from '../model/tracing.ts'
import {
  decodeIntent,
  encodeIntent,
  intentKey,
  isIntentKey,
  isOrderedLine,
  lineOf,
  numberOf,
} from './intent.ts'
import { IntentSender } from './intent-sender.ts'
import type { ApplicationRows } from './rows.ts'
import { SpentRows } from './spent-rows.ts'

/** Messages of one line that are sent at the same time, where their order does not matter. */
const PARALLEL_COUNT = 64
/** How long an intent rests that could not be sent: at first, and at most. */
const REST_MS = 1000
const REST_MAX_MS = 60_000
/** Failures that `drainOutbox` names. */
const NAMED_MAX = 10
/** What is wrong with the intent itself, and not with its topic, the disk or the moment. */
const REFUSALS: ReadonlySet<MQErrorCode> = new Set([
  'MESSAGE_ILLEGAL',
  'INVALID_PARAMETER',
  'UNSUPPORTED',
  'STORE_CORRUPTED',
  'VERSION_NOT_SUPPORTED',
])

/** What an outbox needs of its instance. */
export interface OutboxHost {
  readonly engine: Engine
  readonly emit: EmitEvent
  /** Whether an id that a sender gives is looked for; without that it cannot be sent. */
  readonly hasWindow: boolean
}

/** An intent that is to be sent. */
interface Entry {
  readonly key: string
  /** It may have been sent before: by an earlier life, or by an attempt whose outcome nobody knows. */
  isDoubtful: boolean
  failureCount: number
  lastError: MQError | undefined
  /** What of the last failure was told. */
  toldText: string
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
  /** What is tried again and again goes on in it, whoever wrote the batch. */
  readonly #context = new OwnContext()

  readonly #lines = new Map<string, Line>()
  /** Those that failed and let others pass. */
  readonly #resting = new Map<Entry, Timer>()
  /** Those that were refused: nobody tries them again but `drain`, and the next opening. */
  readonly #refused = new Set<Entry>()
  /** What is being sent. */
  readonly #underWay = new Set<Promise<unknown>>()
  #busyCount = 0
  #onIdle: (() => void)[] = []

  readonly #spent: SpentRows
  /** Rows that are there, as far as anybody has heard, by their keys: each is taken once. */
  readonly #known = new Set<string>()
  /** What was found or heard of before `start`. */
  #found: Set<string> | undefined = new Set()
  /** Who opens the instance cannot listen yet: what fails meanwhile is told when it fails again. */
  #isOpening = true
  #isStopped = false

  private constructor(rows: ApplicationRows, host: OutboxHost) {
    this.#host = host
    this.#clock = host.engine.clock
    this.#rows = rows
    this.#sender = new IntentSender(host.engine)
    this.#spent = new SpentRows(rows, host, (key) => this.#known.delete(key))
    this.#unwatch = rows.watchOutbox((keys) => this.#hear(keys.filter(isIntentKey)))
  }

  /** Looks for what an earlier life has left. Nothing is sent before `start`. */
  static async open(rows: ApplicationRows, host: OutboxHost): Promise<Outbox> {
    const outbox = new Outbox(rows, host)
    const left = await outbox.#keysThere()
    for (const key of left) rows.noteNumber(numberOf(key))
    outbox.#found = new Set([...left, ...(outbox.#found ?? [])])
    return outbox
  }

  /** Begins to send, and tells of it as a producer does. */
  start(tracing: Tracing): void {
    const found = [...(this.#found ?? [])]
    this.#found = undefined
    this.#sender.tracing = tracing
    this.#isOpening = found.length > 0
    this.#context.run(() => this.#take(found, true))
  }

  add(batch: ChainedBatch, intent: Intent): void {
    if (this.#isStopped) throw closed()
    const { messages } = intent
    if ('topic' in messages) this.#check(messages)
    const key = intentKey(this.#rows.nextNumber(), intent)
    this.#rows.put(batch, this.#rows.outbox, [[key, encodeIntent(intent)]])
  }

  /** What would be refused at each attempt is refused now, when its sender hears of it. */
  #check({ delay, isSentOnce }: OutgoingMessage): void {
    if (delay !== undefined) delayVerbsOf(this.#host.engine).checkDelay(delay)
    if (isSentOnce !== true || this.#host.hasWindow) return
    const text = 'Nothing looks for duplicates: open with deduplicationWindowMs, or leave messageId out.'
    throw new MQError('UNSUPPORTED', text, { outcome: 'not-attempted' })
  }

  /** Resolves when everything known so far has been tried. */
  async tried(): Promise<void> {
    if (this.#busyCount > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  /** Tries what rests or was refused once more, now; resolves when all is stored, and rejects with what is not. */
  async drain(): Promise<void> {
    if (this.#isStopped) throw closed()
    // Nobody tells of a batch that was made when nobody listened: before the instance was opened.
    this.#take(await this.#keysThere(), true)
    this.#wake([...this.#resting.keys(), ...this.#refused])
    for (const line of this.#lines.values()) this.#endRest(line)
    await this.tried()
    const resting = [...this.#lines.values()].flatMap(({ rest, waiting }) =>
      rest ? waiting.slice(0, 1) : [],
    )
    const left = [...this.#resting.keys(), ...this.#refused, ...resting]
    if (left.length > 0) throw failureOf(left.sort(byKey))
  }

  /**
   * Resolves when no row is left of anything that is stored. Who takes a message away comes behind it: a row whose message is not
   * to be found sends it, after a crash. Rejects when rows cannot be deleted.
   */
  async settle(): Promise<void> {
    // What became of these nobody knows: perhaps they are stored.
    const doubtful = [...this.#resting.keys()].filter((entry) => entry.isDoubtful)
    for (const entry of doubtful) this.#endRestOf(entry)
    if (doubtful.length > 0) void this.#busy(async () => this.#restAll(await this.#tryAll(doubtful), false))
    for (const line of this.#lines.values()) if (line.waiting[0]?.isDoubtful === true) this.#endRest(line)
    await Promise.all(this.#underWay)
    await this.#spent.deleteNow()
  }

  /** Sends what is on its way, and leaves what cannot be sent to the next life. */
  async close(): Promise<void> {
    this.stop()
    await this.tried()
    await this.#spent.deleteIfPossible()
  }

  /** Begins nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#unwatch()
    this.#sender.stop()
    this.#spent.stop()
    for (const timer of this.#resting.values()) timer.cancel()
    for (const { rest } of this.#lines.values()) rest?.cancel()
  }

  async #keysThere(): Promise<readonly string[]> {
    return (await this.#rows.outbox.keys().all()).filter(isIntentKey)
  }

  /** Batches were written. */
  #hear(keys: readonly string[]): void {
    if (this.#found === undefined) this.#context.run(() => this.#take(keys, false))
    else for (const key of keys) this.#found.add(key)
  }

  #take(keys: readonly string[], isDoubtful: boolean): void {
    const touched = new Map<string, Line>()
    for (const key of keys) {
      if (this.#known.has(key)) continue
      this.#known.add(key)
      const entry = { key, isDoubtful, failureCount: 0, lastError: undefined, toldText: '' }
      const line = this.#lineOf(entry)
      line.waiting.push(entry)
      touched.set(lineOf(key), line)
    }
    for (const [name, line] of touched) this.#goOn(name, line)
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
    else void this.#busy(() => this.#work(name, line))
  }

  async #work(name: string, line: Line): Promise<void> {
    line.isBusy = true
    while (line.waiting.length > 0 && line.rest === undefined) {
      const failed = await this.#tryAll(line.waiting.splice(0, line.isOrdered ? 1 : PARALLEL_COUNT))
      if (failed.length > 0) this.#rest(line, failed)
    }
    line.isBusy = false
    this.#goOn(name, line)
  }

  /** Nothing is idle before this work has ended. It never rejects. */
  async #busy(work: () => Promise<void>): Promise<void> {
    this.#busyCount += 1
    await work()
    this.#busyCount -= 1
    if (this.#busyCount > 0) return
    this.#isOpening = false
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  async #tryAll(entries: readonly Entry[]): Promise<readonly Entry[]> {
    const sending = this.#sendAll(entries)
    this.#underWay.add(sending)
    const failed = await sending
    this.#underWay.delete(sending)
    return failed
  }

  /** Answers those that are to be tried again. Their rows are read together, and sent in the order of their keys. */
  async #sendAll(entries: readonly Entry[]): Promise<readonly Entry[]> {
    try {
      const rows = await this.#rows.outbox.getMany(entries.map(({ key }) => key))
      const failed = await Promise.all(entries.map((entry, i) => this.#send(entry, rows[i])))
      return failed.flatMap((entry) => entry ?? [])
    } catch (error) {
      return entries.map((entry) => this.#failed(entry, error))
    }
  }

  /** Answers the entry when it is not sent. One without a row was deleted by the application. */
  async #send(entry: Entry, row: Buffer | undefined): Promise<Entry | undefined> {
    if (row === undefined) {
      this.#known.delete(entry.key)
      return undefined
    }
    try {
      const intent = decodeIntent(entry.key, row)
      if (!entry.isDoubtful || !(await this.#sender.isStored(intent))) await this.#sender.send(intent)
    } catch (error) {
      return this.#failed(entry, error)
    }
    this.#spent.add(entry.key)
    return undefined
  }

  /** Tells of it, unless it was told. */
  #failed(entry: Entry, caught: unknown): Entry {
    const error = MQError.from(caught)
    entry.isDoubtful ||= error.outcome !== 'not-attempted'
    entry.lastError = error
    entry.failureCount += 1
    if (entry.toldText === error.message || this.#isStopped) return entry
    if (!this.#isOpening) entry.toldText = error.message
    const fate = isRefused(entry)
      ? 'is refused, and tried again only by drainOutbox and at the next opening'
      : 'cannot be sent now, and is tried again'
    const text = `The outbox row ${entry.key} ${fate}: ${error.message}`
    this.#host.emit('error', new MQError(error.code, text, { cause: error }))
    return entry
  }

  /** What keeps an order holds its line up, unless it is refused; all else lets others pass. */
  #rest(line: Line, failed: readonly Entry[]): void {
    const [first, ...others] = line.isOrdered ? failed.filter((entry) => !isRefused(entry)) : []
    if (first !== undefined) {
      line.waiting.unshift(first, ...others)
      line.rest = this.#restTimer(first, () => this.#endRest(line))
    }
    this.#restAll(failed, line.isOrdered)
  }

  /** Who is refused is set aside, once somebody can hear of it; others rest, unless their line does. */
  #restAll(failed: readonly Entry[], isLineResting: boolean): void {
    for (const entry of failed) {
      if (isRefused(entry) && !this.#isOpening) this.#refused.add(entry)
      else if (isRefused(entry) || !isLineResting)
        this.#resting.set(
          entry,
          this.#restTimer(entry, () => this.#wake([entry])),
        )
    }
  }

  #restTimer({ failureCount }: Entry, callback: () => void): Timer {
    if (this.#isStopped) return { cancel: () => undefined }
    return this.#clock.setTimer(Math.min(REST_MAX_MS, REST_MS * 2 ** (failureCount - 1)), callback)
  }

  /** They go before what waits, in their order. */
  #wake(entries: Entry[]): void {
    for (const entry of entries.sort(byKey).reverse()) {
      this.#endRestOf(entry)
      this.#lineOf(entry).waiting.unshift(entry)
    }
    for (const entry of entries) this.#goOn(lineOf(entry.key), this.#lineOf(entry))
  }

  #endRestOf(entry: Entry): void {
    this.#resting.get(entry)?.cancel()
    this.#resting.delete(entry)
    this.#refused.delete(entry)
  }

  #endRest(line: Line): void {
    line.rest?.cancel()
    line.rest = undefined
    const [first] = line.waiting
    if (first !== undefined) this.#goOn(lineOf(first.key), line)
  }
}

function isRefused({ lastError }: Entry): boolean {
  return lastError !== undefined && REFUSALS.has(lastError.code)
}

function byKey(a: Entry, b: Entry): number {
  return a.key < b.key ? -1 : 1
}

/** One error that names what is not sent, oldest first. */
function failureOf(entries: readonly Entry[]): MQError {
  const named = entries
    .slice(0, NAMED_MAX)
    .map(({ key, lastError }) => `${key}: ${lastError?.message ?? 'it was not tried'}`)
  if (entries.length > NAMED_MAX) named.push(`and ${entries.length - NAMED_MAX} more`)
  const cause = entries[0]?.lastError
  const text = `What is in these outbox rows cannot be sent. ${named.join(' ')}`
  return new MQError(cause?.code ?? 'SYSTEM_ERROR', text, { cause })
}

function closed(): MQError {
  return new MQError('CLOSED', 'The instance is closed; open it again.')
}
