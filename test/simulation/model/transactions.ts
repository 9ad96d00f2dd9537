/**
 * Transactions, and what is known of each from events alone: whether its half is stored, which ends were asked for and by
 * whom, which one was acknowledged, and who was asked about it. A look at the store says what became of it; how that differs
 * from what was known before is for the checker.
 */
import { TRANSACTION_CHECK_TOPIC } from '../../../src/model/topic.ts'
import {
  type Copy,
  deliveryIn,
  placeOf,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import type { End, FoundHalf, HalfStored, TransactionCall } from '../transaction-events.ts'
import { type LifeRecord, type Moment, mayTakeBack } from './life-book.ts'
import type { QueueBook } from './queues.ts'
import type { SendState } from './sends.ts'
import type { TransactionProfile } from './transaction-profile.ts'

/** An end that took effect, as somebody was told. */
interface Ended {
  readonly end: End
  readonly at: Moment
  readonly elapsedMs: number
}

export interface TransactionRecord {
  readonly call: TransactionCall
  readonly life: number
  /** The count of the disk's flushes when its half was sent. */
  readonly flushesBefore: number
  /** Of its half, as those of sends. */
  state: Exclude<SendState, 'cut'>
  half: HalfStored | undefined
  halfAt: Moment | undefined
  /** Nothing in the clock's way since then: its first check is due so long behind it. */
  sentMs: number
  /** What the application's database says. */
  truth: End | undefined
  /** How often each end was asked for, but for what is known to have had no effect. */
  readonly asked: Record<End, number>
  /** Ends whose answer nobody has yet, by id. */
  readonly ending: Map<number, End>
  ended: Ended | undefined
  /** Who was asked and answered an end last, and when. */
  answered: { readonly end: End; readonly stamp: Stamp } | undefined
  /** When its group was asked, but for what a power cut took back. */
  checks: Moment[]
  lastCheckMs: number | undefined
  /** The latest that the wall clock showed since its half was sent. */
  latestMs: number
  /** Its topic was deleted, perhaps: it may be lost with it. */
  isVeiled: boolean
  /** Where its queue ended when its commit was first asked for: it lies there or behind. */
  floor: { readonly label: string; readonly offset: number } | undefined
  /** Where it was seen in its queue. */
  place: string | undefined
  isParked: boolean
}

/** What a look at the store says of a transaction. */
export interface TransactionFound {
  readonly record: TransactionRecord
  /** As it was known before. */
  readonly before: Readonly<TransactionRecord>
  readonly half: FoundHalf | undefined
  /** Its copies in its topic. */
  readonly queued: readonly Copy[]
  /** Its copies among those that were given up. */
  readonly parked: readonly Copy[]
  /** The power cut may have taken its half. */
  readonly mayBeCut: boolean
}

export class TransactionBook {
  readonly #queues: QueueBook
  readonly #records = new Map<number, TransactionRecord>()
  /** Producers that answer, by group. */
  readonly #answering = new Map<string, Set<string>>()
  /** Of the last look. */
  found: readonly TransactionFound[] = []

  constructor(queues: QueueBook) {
    this.#queues = queues
  }

  get all(): Iterable<TransactionRecord> {
    return this.#records.values()
  }

  get(number: number): TransactionRecord | undefined {
    return this.#records.get(number)
  }

  answererCount(producerGroup: string): number {
    return this.#answering.get(producerGroup)?.size ?? 0
  }

  isAnswering(producerGroup: string, producer: string): boolean {
    return this.#answering.get(producerGroup)?.has(producer) === true
  }

  observe(event: SimEvent, stamp: Stamp, now: Moment): void {
    for (const copy of deliveryIn(event)?.copies ?? []) this.#see(copy)
    switch (event.type) {
      case 'jumping':
        this.#jump(event, stamp)
        return
      case 'half-sending':
        this.#begin(event, stamp, now)
        return
      case 'half-stored':
        this.#noteHalf(event, now)
        return
      case 'half-refused':
        this.#records.get(event.transaction.number)!.state =
          event.refusal.outcome === 'unknown' ? 'unknown' : 'absent'
        return
      case 'settled-locally': {
        const record = this.#records.get(event.number)
        if (record !== undefined) record.truth ??= event.end
        return
      }
      case 'ending':
      case 'ended':
      case 'end-failed':
        this.#observeEnd(event, stamp, now)
        return
      case 'checking':
      case 'checked':
        this.#observeCheck(event, stamp, now)
        return
      case 'answering':
      case 'silent':
        this.#observeAnswerer(event)
        return
      case 'popped':
        for (const { copy } of event.popped) this.#see(copy)
        return
      case 'topic-changing':
        if (event.change === 'delete')
          for (const record of this.all) if (record.call.topic === event.topic) record.isVeiled = true
        return
      case 'crashed':
      case 'opened':
        this.#stop()
    }
  }

  /** What a look at the whole store finds, with the life that a power cut may have taken something from. */
  compare(
    scan: Scan,
    { wallMs }: Stamp,
    cutLife: LifeRecord | undefined,
    mayBeUnseen: (record: TransactionRecord) => boolean,
  ): void {
    const halves = new Map(scan.halves.map((half) => [half.number, half]))
    const queued = new Map<number, Copy[]>()
    const parked = new Map<number, Copy[]>()
    for (const { queue, copies } of scan.queues) {
      const places = queue.topic === TRANSACTION_CHECK_TOPIC ? parked : queued
      for (const copy of copies) {
        const record = this.#records.get(copy.number)
        if (record === undefined || (places === queued && queue.topic !== record.call.topic)) continue
        places.set(copy.number, [...(places.get(copy.number) ?? []), copy])
      }
    }
    this.found = [...this.#records.values()].map((record): TransactionFound => {
      const { number } = record.call
      record.latestMs = Math.max(record.latestMs, wallMs)
      const mayBeCut = cutLife !== undefined && this.#cut(record, cutLife)
      const found: TransactionFound = {
        record,
        before: { ...record, asked: { ...record.asked } },
        half: halves.get(number),
        queued: queued.get(number) ?? [],
        parked: parked.get(number) ?? [],
        mayBeCut,
      }
      this.#believe(found, mayBeUnseen(record))
      return found
    })
  }

  #begin({ transaction: call }: SimEventOf<'half-sending'>, { life, wallMs }: Stamp, now: Moment): void {
    this.#records.set(call.number, {
      call,
      life,
      flushesBefore: now.flushCount,
      state: 'pending',
      half: undefined,
      halfAt: undefined,
      sentMs: wallMs,
      truth: undefined,
      asked: { COMMIT: 0, ROLLBACK: 0 },
      ending: new Map(),
      ended: undefined,
      answered: undefined,
      checks: [],
      lastCheckMs: undefined,
      latestMs: wallMs,
      isVeiled: false,
      floor: undefined,
      place: undefined,
      isParked: false,
    })
  }

  #noteHalf({ transaction, half }: SimEventOf<'half-stored'>, now: Moment): void {
    const record = this.#records.get(transaction.number)!
    record.state = 'stored'
    record.half = half
    record.halfAt = now
    record.sentMs = half.storeTimestamp
  }

  #observeEnd(event: SimEventOf<'ending' | 'ended' | 'end-failed'>, { elapsedMs }: Stamp, now: Moment): void {
    const { id, number, end } = event.ending
    const record = this.#records.get(number)!
    if (event.type === 'ending') {
      this.#noteFloor(record, end)
      record.asked[end] += 1
      record.ending.set(id, end)
      return
    }
    record.ending.delete(id)
    if (event.type === 'ended') record.ended ??= { end, at: now, elapsedMs }
    else if (isVoid(event)) record.asked[end] -= 1
  }

  #observeCheck(event: SimEventOf<'checking' | 'checked'>, stamp: Stamp, now: Moment): void {
    const record = this.#records.get(event.check.copy.number)
    if (record === undefined) return
    if (event.type === 'checking') {
      record.checks.push(now)
      record.lastCheckMs = stamp.elapsedMs
      record.latestMs = Math.max(record.latestMs, stamp.wallMs)
    } else if (event.answer !== 'UNKNOWN') {
      this.#noteFloor(record, event.answer)
      record.asked[event.answer] += 1
      record.answered ??= { end: event.answer, stamp }
    }
  }

  #noteFloor(record: TransactionRecord, end: End): void {
    const queue = record.half && this.#queues.current(record.half.queue)
    if (queue === undefined || end === 'ROLLBACK' || record.asked.COMMIT > 0) return
    record.floor = { label: queue.label, offset: queue.endOffset }
  }

  #observeAnswerer({ type, producerGroup, producer }: SimEventOf<'answering' | 'silent'>): void {
    const producers = this.#answering.get(producerGroup) ?? new Set()
    this.#answering.set(producerGroup, producers)
    if (type === 'answering') producers.add(producer)
    else producers.delete(producer)
  }

  #jump({ byMs }: SimEventOf<'jumping'>, { wallMs }: Stamp): void {
    for (const record of this.all) {
      record.latestMs = Math.max(record.latestMs, wallMs)
      if (record.state === 'pending') record.sentMs = Math.min(record.sentMs, wallMs + byMs)
    }
  }

  /** Nobody of this life is told anything any more. */
  #stop(): void {
    this.#answering.clear()
    for (const record of this.all) {
      if (record.state === 'pending') record.state = 'unknown'
      record.ending.clear()
      record.answered = undefined
    }
  }

  #see(copy: Copy): void {
    const record = this.#records.get(copy.number)
    if (record !== undefined && copy.queue.topic === record.call.topic)
      record.place ??= `${copy.label} ${placeOf(copy)}`
  }

  /** Forgets what a power cut may have taken back; answers whether that may be the half itself. */
  #cut(record: TransactionRecord, cutLife: LifeRecord): boolean {
    record.floor = undefined
    record.checks = record.checks.filter((at) => !mayTakeBack(cutLife, at))
    if (record.ended !== undefined && mayTakeBack(cutLife, record.ended.at)) record.ended = undefined
    return record.halfAt !== undefined && mayTakeBack(cutLife, record.halfAt)
  }

  #believe({ record, half, queued, parked, mayBeCut }: TransactionFound, mayBeUnseen: boolean): void {
    const isSeen = half !== undefined || queued.length + parked.length > 0
    record.isParked = parked.length > 0
    if (half !== undefined || mayBeCut) record.place = undefined
    for (const copy of queued) this.#see(copy)
    if (isSeen) {
      record.isVeiled = false
      if (record.state !== 'pending') record.state = 'stored'
    } else if ((mayBeCut || record.state === 'unknown') && !mayBeUnseen) record.state = 'absent'
  }
}

/** It is known that this call changed nothing. */
function isVoid({ refusal: { code, outcome } }: SimEventOf<'end-failed'>): boolean {
  return code === 'ILLEGAL_OPERATION' || code === 'TOPIC_NOT_EXIST' || outcome === 'not-attempted'
}

/** Whether it may have been asked about for the last time by now, in vain. */
export function mayBeGivenUp(
  { isParked, sentMs, latestMs }: TransactionRecord,
  { transactionTimeOutMs, transactionCheckIntervalMs, transactionCheckMax }: TransactionProfile,
  wallMs = 0,
): boolean {
  const lastMs = sentMs + transactionTimeOutMs + transactionCheckMax * transactionCheckIntervalMs
  return isParked || Math.max(latestMs, wallMs) >= lastMs
}
