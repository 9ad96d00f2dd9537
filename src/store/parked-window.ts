/**
 * Which parked messages are in memory: those of buckets that begin within a short time. A bucket with messages that were far when they were
 * parked is read when it comes near. Until it is read as a whole, nothing of it, nor of what is later, is due: so all comes in order.
 *
 * Reading a bucket: from its begin on new messages of it go into the table directly, and what is cleared is noted. Then everything
 * committed before is applied, so the rows tell all the rest.
 */
import type { Clock, Timer } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { AlarmTable } from './alarm-table.ts'
import type { Alarm } from './fact.ts'
import type { ParkedIndex } from './parked-index.ts'
import { alarmsOf, BUCKET_MS, bucketOf } from './parked-page.ts'
import type { ParkedViews } from './parked-views.ts'

export interface ParkedWindowHost {
  readonly clock: Clock
  readonly alarms: AlarmTable
  readonly parked: ParkedViews
  readonly index: ParkedIndex
  /** How far ahead messages are held in memory. */
  readonly aheadMs: number
  /** Resolves when everything committed so far is in the databases. */
  applied(): Promise<void>
  read<T>(work: () => Promise<T>): Promise<T>
  report(error: MQError): void
}

/** An alarm, and the page of its message. */
interface FoundAlarm {
  readonly alarm: Alarm
  readonly firstId: number
}

/** When so many of a bucket that has passed wait still, the next one is read later: after a long rest millions may be due. */
const OVERDUE_MAX_COUNT = 50_000
/** How long to wait then. */
const OVERDUE_PAUSE_MS = 50
/** The longest sleep where clocks do not tell of jumps: how late it may be noticed that one was set forward. */
const LONGEST_SLEEP_MS = 60_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000
/** Messages that are read before a store is open; if more fall due soon, they are read behind. */
const OPEN_MAX_COUNT = 10_000
/** Messages that come into memory in one turn. */
const TURN_COUNT = 2000

export class ParkedWindow {
  readonly #host: ParkedWindowHost
  /** Messages due before this time are near. */
  #nearUntil = 0
  /** The first bucket that may hold messages which are not in memory. */
  #farBucket: number | undefined
  /** The first bucket of those that got messages while one was read. */
  #farMeanwhile = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #unwatchClock: (() => void) | undefined
  #running: Promise<void> | undefined
  #closed = false
  #pauseMs = 0

  constructor(host: ParkedWindowHost) {
    this.#host = host
  }

  /** Looks for what was parked before. What is near already is read first, unless it is much: that, or what fails, is read behind. */
  async open(parkedCount: number): Promise<void> {
    const { clock, aheadMs } = this.#host
    this.advance()
    this.#unwatchClock = clock.onJump?.(() => this.#wake())
    if (parkedCount > 0) this.#setFar(0)
    await this.#readDue(aheadMs === Number.POSITIVE_INFINITY ? undefined : OPEN_MAX_COUNT).catch(
      () => undefined,
    )
    this.#setTimer()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#unwatchClock?.()
    await this.#running
  }

  /** Before it is asked about what was parked: time has gone on. */
  advance(): void {
    this.#nearUntil = Math.max(this.#nearUntil, this.#horizon())
  }

  /** A message was parked: whether it belongs into memory. Halves do, since their end may come at any moment. */
  takes({ dueTimestamp, kind }: Alarm): boolean {
    if (kind === 'transaction' || dueTimestamp < this.#nearUntil) return true
    if (dueTimestamp < this.#farMeanwhile) this.#farMeanwhile = bucketOf(dueTimestamp)
    if (this.#farBucket === undefined || dueTimestamp < this.#farBucket) {
      this.#setFar(bucketOf(dueTimestamp))
      if (this.#running === undefined) this.#setTimer()
    }
    return false
  }

  /** All messages of earlier buckets are in memory. */
  get farBucket(): number {
    return this.#farBucket ?? Number.POSITIVE_INFINITY
  }

  #horizon(): number {
    const { clock, aheadMs } = this.#host
    return bucketOf(clock.now()) + BUCKET_MS + aheadMs
  }

  #setFar(bucket: number | undefined): void {
    this.#farBucket = bucket
    this.#host.alarms.horizon = bucket ?? Number.POSITIVE_INFINITY
  }

  #setTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#closed || this.#farBucket === undefined) return
    const { clock, aheadMs } = this.#host
    const sleepMs = this.#farBucket - aheadMs - clock.now()
    const longestMs = this.#unwatchClock === undefined ? LONGEST_SLEEP_MS : Number.POSITIVE_INFINITY
    const pauseMs = this.#isBehind() ? OVERDUE_PAUSE_MS : 0
    this.#timer = clock.setTimer(Math.max(0, Math.min(sleepMs, longestMs), pauseMs, this.#pauseMs), () =>
      this.#wake(),
    )
  }

  #wake(): void {
    if (this.#closed || this.#running !== undefined) return
    this.#running = this.#readDue()
      .then(() => {
        this.#pauseMs = 0
      })
      .catch((error: unknown) => {
        this.#pauseMs = Math.min(Math.max(FIRST_PAUSE_MS, 2 * this.#pauseMs), LONGEST_PAUSE_MS)
        if (!this.#closed) this.#host.report(MQError.from(error))
      })
      .finally(() => {
        this.#running = undefined
        this.#setTimer()
      })
  }

  /** Reads the buckets that have come near, in order; with a limit, none that would exceed it. */
  async #readDue(maxCount = Number.POSITIVE_INFINITY): Promise<void> {
    while (!this.#closed && !this.#isBehind()) {
      const bucket = this.#farBucket
      if (bucket === undefined || bucket > this.#host.clock.now() + this.#host.aheadMs) return
      if (!(await this.#readBucket(bucket, maxCount - this.#host.alarms.size))) return
    }
  }

  /** Whether enough of what is due is in memory already. */
  #isBehind(): boolean {
    const { alarms, clock } = this.#host
    return alarms.size >= OVERDUE_MAX_COUNT && alarms.isOverdue(clock.now(), OVERDUE_MAX_COUNT)
  }

  /** Whether it was read; it is not when it holds more than that. */
  async #readBucket(bucket: number, maxCount: number): Promise<boolean> {
    const { parked, alarms, index, applied, read } = this.#host
    const end = bucket + BUCKET_MS
    this.#nearUntil = Math.max(this.#nearUntil, end)
    this.#farMeanwhile = Number.POSITIVE_INFINITY
    const gone = parked.record()
    try {
      await applied()
      const found = await read(() => this.#findIn(bucket, maxCount))
      if (found === undefined) return false
      const next = (await read(() => index.firstBucket(end))) ?? Number.POSITIVE_INFINITY
      await this.#show(found, gone)
      // What was parked far away meanwhile may not be in the index yet.
      const first = Math.min(next, this.#farMeanwhile)
      this.#setFar(first === Number.POSITIVE_INFINITY ? undefined : first)
    } finally {
      parked.endRecord()
    }
    alarms.onChanged()
    return true
  }

  /** What the index says to wait in a bucket; `undefined` when that is more than asked for. A damaged page is reported, and passed over. */
  async #findIn(bucket: number, maxCount: number): Promise<readonly FoundAlarm[] | undefined> {
    const { index, report } = this.#host
    const cleared = await index.clearedIn(bucket, report)
    const found: FoundAlarm[] = []
    for await (const rows of index.pages(bucket, bucket + 1)) {
      for (const { page, firstId } of rows) {
        if (page instanceof MQError) report(page)
        else for (const alarm of alarmsOf(page)) if (!cleared.has(alarm.id)) found.push({ alarm, firstId })
      }
      if (found.length > maxCount) return undefined
    }
    return found
  }

  /** Takes them into memory, but for those that are there, and those that have gone on while they were read. */
  async #show(found: readonly FoundAlarm[], gone: ReadonlySet<number>): Promise<void> {
    const { alarms, parked, clock } = this.#host
    for (const [i, { alarm, firstId }] of found.entries()) {
      if (i % TURN_COUNT === TURN_COUNT - 1) await new Promise<void>((resolve) => clock.defer(resolve))
      if (gone.has(alarm.id) || alarms.has(alarm.id)) continue
      parked.place(alarm.id, firstId)
      alarms.set(alarm)
    }
  }
}
