/**
 * 15. Transactions: a half is never seen before somebody asked for its commit; what was committed is there once and never
 * goes back; what was rolled back is never there; each ends once, and as the application's own database says. Whom nobody
 * ended is asked about: not too early, not too often, one producer of its group, also after a restart; and after the
 * last check in vain it lies where nobody gets it.
 *
 * Allowed: with its topic a transaction is lost. A power cut may take a half, or the end of one, which is asked about again.
 */

import { TRANSACTION_CHECK_TOPIC } from '../../../src/model/topic.ts'
import {
  type Copy,
  deliveryIn,
  type FoundQueue,
  nameOf,
  placeOf,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { mayBeGivenUp, type TransactionFound, type TransactionRecord } from '../model/transactions.ts'
import type { CheckCall, End } from '../transaction-events.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { Punctuality } from './punctuality.ts'

/** A producer that has closed, and a transaction that has ended, may be asked about still while the disk is slow. */
const STRAGGLER_MS = 60_000
/** Without troubles an answer has had its effect by then. */
const EFFECT_MS = 1000

export class Transactions implements Checker {
  readonly #host: CheckerHost
  /** When producers were last there, by name. */
  readonly #lastThereMs = new Map<string, number>()
  /** Since when nothing has gone wrong. */
  #soundSinceMs = 0
  #faults = 0
  #calmedMs = 0
  readonly #punctuality: Punctuality
  #isDrained = false
  /** As they were last found. */
  #queues: readonly FoundQueue[] = []

  constructor(host: CheckerHost) {
    this.#host = host
    this.#punctuality = new Punctuality(host)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    const copies = event.type === 'popped' ? event.popped.map(({ copy }) => copy) : deliveryIn(event)?.copies
    for (const copy of copies ?? []) this.#checkSeen(copy)
    this.#watchTroubles(event, stamp)
    const late = this.#punctuality.observe(event, stamp)
    if (late !== undefined) this.#violate(late.number, late.story)
    switch (event.type) {
      case 'silent':
        this.#lastThereMs.set(event.producer, stamp.elapsedMs)
        return
      case 'half-refused':
        if (event.refusal.code === undefined)
          this.#violate(event.transaction.number, `its half failed without a code: ${event.refusal.text}`)
        return
      case 'ended':
        this.#checkEnded(event, stamp)
        return
      case 'end-failed':
        this.#checkRefused(event, stamp)
        return
      case 'checking':
        this.#checkAsked(event.check, stamp)
        return
      case 'overdue':
        this.#checkForgotten(stamp)
        return
      case 'drained':
        this.#isDrained = true
        return
      case 'scanned':
        this.#queues = event.scan.queues
        for (const found of this.#host.model.transactions.found) this.#checkFound(found, stamp)
        for (const { copy } of event.scan.waiting)
          if (this.#host.model.transactions.get(copy.number) !== undefined)
            this.#violate(copy.number, 'it is found among the delayed messages')
    }
  }

  /** Whoever gets it, or looks at it. */
  #checkSeen(copy: Copy): void {
    const record = this.#host.model.transactions.get(copy.number)
    if (record === undefined) return
    const place = placeOf(copy)
    const { asked, ended, state } = record
    if (state === 'absent') this.#violate(copy.number, `its half was refused, and it is at ${place}`)
    if (asked.COMMIT === 0)
      this.#violate(copy.number, `it is at ${place} before anybody asked for its commit`)
    if (ended?.end === 'ROLLBACK') this.#violate(copy.number, `it was rolled back, and is at ${place}`)
    if (record.isParked) this.#violate(copy.number, `it was given up, and is at ${place}`)
    if (copy.queue.topic !== record.call.topic) return
    if (record.floor !== undefined && record.floor.label === copy.label && copy.offset < record.floor.offset)
      this.#violate(
        copy.number,
        `it is at ${place}, and its queue had come to ${record.floor.offset} by then`,
      )
    if (record.place !== undefined && record.place !== `${copy.label} ${place}`)
      this.#violate(copy.number, `it is at ${place} and was at ${record.place}`)
  }

  #checkEnded({ ending: { number, end } }: SimEventOf<'ended'>, { elapsedMs, life }: Stamp): void {
    const record = this.#host.model.transactions.get(number)!
    if (record.ended?.end !== end)
      this.#violate(number, `it was ended by ${record.ended?.end} and then by ${end}`)
    if (end === 'ROLLBACK' && record.place !== undefined)
      this.#violate(number, `it was rolled back although it was at ${record.place}`)
    const { answered } = record
    if (answered === undefined || answered.end === end || answered.stamp.life !== life) return
    // What a check said had every chance to be stored by then.
    const isDone =
      elapsedMs - answered.stamp.elapsedMs > EFFECT_MS && this.#soundSinceMs < answered.stamp.elapsedMs
    if (isDone && this.#faults === 0)
      this.#violate(number, `a check had ended it by ${answered.end}, and it was ended by ${end} then`)
  }

  /** Too late is only what came behind another end. */
  #checkRefused({ ending: { number, end }, refusal }: SimEventOf<'end-failed'>, { wallMs }: Stamp): void {
    const record = this.#host.model.transactions.get(number)!
    if (refusal.code === undefined) this.#violate(number, `${end} failed without a code: ${refusal.text}`)
    if (refusal.code !== 'ILLEGAL_OPERATION' || this.#mayBeGivenUp(record, wallMs)) return
    if (record.asked[otherThan(end)] === 0)
      this.#violate(number, `${end} was refused although nobody had asked for another end: ${refusal.text}`)
  }

  #checkAsked(
    { producer, producerGroup, transactionId, copy }: CheckCall,
    { elapsedMs, wallMs }: Stamp,
  ): void {
    const { model } = this.#host
    const record = model.transactions.get(copy.number)
    if (record === undefined) {
      this.#violate(copy.number, `${producer} is asked about it, which is no transaction`)
      return
    }
    const { call, half, ended, checks } = record
    if (call.producerGroup !== producerGroup)
      this.#violate(
        call.number,
        `it is of ${call.producerGroup}, and ${producer} of ${producerGroup} is asked`,
      )
    const goneMs = elapsedMs - (this.#lastThereMs.get(producer) ?? -Infinity)
    if (!model.transactions.isAnswering(producerGroup, producer) && goneMs > STRAGGLER_MS)
      this.#violate(call.number, `${producer} is asked about it, who is not there`)
    if (transactionId !== copy.messageId || (half !== undefined && half.messageId !== transactionId))
      this.#violate(call.number, `it is ${half?.messageId}, and is asked about as ${transactionId}`)
    if (copy.body !== model.message(copy.number)?.body)
      this.#violate(call.number, `it is asked about with another body`)
    const endedMs = ended === undefined ? 0 : elapsedMs - ended.elapsedMs
    if (endedMs > STRAGGLER_MS)
      this.#violate(call.number, `it is asked about ${endedMs} ms after it was ended by ${ended?.end}`)
    this.#checkTime(record, checks.length, Math.max(wallMs, record.latestMs))
    if (checks.length > this.#host.profile.transactions.transactionCheckMax)
      this.#violate(call.number, `it is asked about ${checks.length} times`)
  }

  /** The first so long behind the half, and each further one an interval behind the last. */
  #checkTime({ call, sentMs }: TransactionRecord, checkCount: number, latestMs: number): void {
    const { transactionTimeOutMs, transactionCheckIntervalMs } = this.#host.profile.transactions
    if (checkCount === 0) return
    const dueMs = sentMs + transactionTimeOutMs + (checkCount - 1) * transactionCheckIntervalMs
    if (latestMs < dueMs)
      this.#violate(call.number, `its check ${checkCount} comes ${dueMs - latestMs} ms too early`)
  }

  #checkFound(found: TransactionFound, stamp: Stamp): void {
    const { before, half, queued, parked } = found
    const { number } = before.call
    for (const copy of queued) this.#checkSeen(copy)
    const places = [...(half === undefined ? [] : ['open']), ...[...queued, ...parked].map(placeOf)]
    if (places.length > 1) this.#violate(number, `it is in several places: ${places.join(', ')}`)
    if (half !== undefined) this.#checkOpen(found, half.checkCount, stamp)
    if (parked.length > 0) this.#checkParked(found, parked[0]!, stamp)
    if (places.length === 0) this.#checkNowhere(found, stamp)
  }

  #checkOpen({ record, before }: TransactionFound, checkCount: number, { wallMs }: Stamp): void {
    const { number, producerGroup } = record.call
    if (before.state === 'absent') this.#violate(number, `its half was refused, and is there`)
    // What a power cut took back is forgotten by now.
    if (record.ended !== undefined) this.#violate(number, `it was ended by ${record.ended.end}, and is open`)
    if (record.checks.length > checkCount)
      this.#violate(
        number,
        `${producerGroup} was asked ${record.checks.length} times, ${checkCount} are counted`,
      )
    this.#checkTime(record, checkCount, Math.max(wallMs, record.latestMs))
    if (this.#isDrained) this.#violate(number, `it was never ended, and is not asked about any more`)
  }

  /** When troubles are over, whoever is left to ask about is asked. */
  #checkForgotten({ elapsedMs }: Stamp): void {
    const { transactionTimeOutMs, transactionCheckIntervalMs } = this.#host.profile.transactions
    const { isCalmed, transactions } = this.#host.model
    for (const { half, record } of isCalmed ? transactions.found : []) {
      const { call, lastCheckMs = 0, asked } = record
      const forMs = elapsedMs - Math.max(lastCheckMs, this.#calmedMs)
      if (half === undefined || asked.COMMIT + asked.ROLLBACK > 0) continue
      if (forMs > transactionTimeOutMs + 2 * transactionCheckIntervalMs)
        this.#violate(call.number, `nobody is asked about it for ${forMs} ms`)
    }
  }

  #checkParked({ record }: TransactionFound, copy: Copy, { wallMs }: Stamp): void {
    const { transactionCheckMax } = this.#host.profile.transactions
    const { number } = record.call
    const times = copy.properties.TRANSACTION_CHECK_TIMES
    if (times !== String(transactionCheckMax)) this.#violate(number, `it was given up after ${times} checks`)
    if (record.ended !== undefined)
      this.#violate(number, `it was ended by ${record.ended.end}, and given up besides`)
    this.#checkTime(record, transactionCheckMax + 1, Math.max(wallMs, record.latestMs))
  }

  /** It has been rolled back, or retention took it, or its topic is gone, or a power cut took it. */
  #checkNowhere({ record, before, mayBeCut }: TransactionFound, { wallMs }: Stamp): void {
    const { number, topic } = record.call
    const { state, half, asked, ended, place } = before
    if (mayBeCut && !this.#isPromised(record)) return
    if (state !== 'stored' || half === undefined || before.isVeiled) return
    if (ended === undefined ? asked.ROLLBACK > 0 : ended.end === 'ROLLBACK') return
    if (this.#mayBeGivenUp(record, wallMs) && this.#isTrimmed(TRANSACTION_CHECK_TOPIC)) return
    if (asked.COMMIT > 0 && place !== undefined) return
    if (asked.COMMIT > 0 && (this.#isTrimmed(topic) || this.#host.model.isHidden(half.queue))) return
    const what = asked.COMMIT > 0 ? 'was committed' : 'is not ended'
    this.#violate(number, `it ${what}, and is neither open nor in ${nameOf(half.queue)}`)
  }

  /** In SYNC_FLUSH a half that was answered with SEND_OK is flushed. */
  #isPromised({ half }: TransactionRecord): boolean {
    return this.#host.profile.flushDiskType === 'SYNC_FLUSH' && half?.status === 'SEND_OK'
  }

  /** Retention has removed something of this topic. */
  #isTrimmed(topic: string): boolean {
    return this.#queues.some(({ queue, minOffset }) => queue.topic === topic && minOffset > 0)
  }

  #mayBeGivenUp(record: TransactionRecord, wallMs: number): boolean {
    const { profile, model } = this.#host
    return mayBeGivenUp(record, profile.transactions, wallMs) || model.limbo.has(record.call.topic)
  }

  #watchTroubles(event: SimEvent, { elapsedMs }: Stamp): void {
    switch (event.type) {
      case 'opened':
        this.#faults = 0
        this.#soundSinceMs = elapsedMs
        return
      case 'fault':
        this.#faults += event.what.startsWith('end of') ? -1 : 1
        this.#soundSinceMs = elapsedMs
        return
      case 'calmed':
        this.#calmedMs = elapsedMs
        return
      case 'state':
      case 'topic-changing':
        this.#soundSinceMs = elapsedMs
    }
  }

  #violate(number: number, story: string): void {
    this.#host.violate(15, `the transaction of message ${number}: ${story}`)
  }
}

function otherThan(end: End): End {
  return end === 'COMMIT' ? 'ROLLBACK' : 'COMMIT'
}
