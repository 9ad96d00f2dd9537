/**
 * 22. The shape of a power cut: what survives is a prefix of what was acknowledged. In SYNC_FLUSH nothing is missing
 * that was answered with SEND_OK, which is answered only behind a flush; in ASYNC_FLUSH only what was acknowledged
 * within the flush interval and the time of a flush may be missing (docs/recovery.md).
 */
import { nameOf, type OffsetCommit, ownerOf, type SimEvent, type SimEventOf, type Stamp } from '../events.ts'
import type { LifeRecord } from '../model/life-book.ts'
import type { Model } from '../model/model.ts'
import type { Send } from '../model/sends.ts'
import { mayBeGivenUp } from '../model/transactions.ts'
import type { End, EndCall } from '../transaction-events.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** Something that was acknowledged. */
interface Fact {
  readonly what: string
  readonly ackedMs: number
  /** The disk flushed between the question and the answer. */
  readonly isFlushed: boolean
  readonly send?: Send
  readonly commit?: OffsetCommit
  /** Of the half, or of its end. */
  readonly transaction?: { readonly number: number; readonly end: End | undefined }
  /** The same offset was committed before: that it is there says nothing about this one. */
  readonly isRepeated?: boolean
}

export class PowerCut implements Checker {
  readonly #host: CheckerHost
  /** Of the life that runs. */
  #facts: Fact[] = []
  /** Of the life before, until the store is looked at. */
  #former: Fact[] = []
  readonly #committing = new Map<number, number>()
  /** Topics that were deleted in the life that runs: a power cut may bring back the old one, with its offsets. */
  readonly #deleted = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { elapsedMs }: Stamp): void {
    switch (event.type) {
      case 'opened':
        this.#former = this.#facts
        this.#facts = []
        this.#deleted.clear()
        return
      case 'stored':
        this.#noteStored(event, elapsedMs)
        return
      case 'half-stored':
        this.#noteHalf(event, elapsedMs)
        return
      case 'ended':
        this.#noteEnded(event.ending, elapsedMs)
        return
      case 'committing':
        this.#committing.set(event.id, this.#host.model.lives.flushCount)
        return
      case 'committed':
        this.#noteCommitted(event, elapsedMs)
        return
      case 'topic-changing':
        if (event.change === 'delete') this.#forgetOffsets(event.topic)
        return
      case 'scanned':
        this.#checkCut()
        this.#former = []
    }
  }

  #noteStored({ send: { id }, receipt }: SimEventOf<'stored'>, ackedMs: number): void {
    const { model, profile } = this.#host
    // Nothing is stored for a repetition: what it names was acknowledged before.
    if (receipt.isDuplicate === true) return
    const send = model.sends.get(id)
    const isFlushed = this.#isFlushedSince(send.flushesBefore)
    const isPromised = profile.flushDiskType === 'SYNC_FLUSH' && receipt.status === 'SEND_OK'
    if (isPromised && !isFlushed)
      this.#host.violate(22, `send ${id} was answered with SEND_OK before it was flushed`)
    this.#facts.push({ what: `send ${id}`, ackedMs, isFlushed: isPromised, send })
  }

  #noteCommitted(commit: SimEventOf<'committed'>, ackedMs: number): void {
    const { id, queue, offset } = commit
    if (this.#deleted.has(queue.topic)) return
    const isSync = this.#host.profile.flushDiskType === 'SYNC_FLUSH'
    const isFlushed = isSync && this.#isFlushedSince(this.#committing.get(id) ?? Infinity)
    const what = `offset ${offset} of ${ownerOf(commit)} in ${nameOf(queue)}`
    const isRepeated = this.#facts.some(
      (fact) =>
        fact.commit !== undefined &&
        fact.commit.offset === offset &&
        ownerOf(fact.commit) === ownerOf(commit) &&
        nameOf(fact.commit.queue) === nameOf(queue),
    )
    this.#facts.push({ what, ackedMs, isFlushed, commit, isRepeated })
  }

  #noteHalf({ transaction: { number }, half }: SimEventOf<'half-stored'>, ackedMs: number): void {
    const isFlushed = this.#isFlushedSince(this.#host.model.transactions.get(number)!.flushesBefore)
    const isPromised = this.#host.profile.flushDiskType === 'SYNC_FLUSH' && half.status === 'SEND_OK'
    if (isPromised && !isFlushed)
      this.#host.violate(22, `the half of ${number} was answered with SEND_OK before it was flushed`)
    const transaction = { number, end: undefined }
    this.#facts.push({ what: `the half of ${number}`, ackedMs, isFlushed: isPromised, transaction })
  }

  /** Only the first answer says when it was done; and none says whether it was flushed. */
  #noteEnded({ number, end }: EndCall, ackedMs: number): void {
    if (this.#facts.some(({ transaction }) => transaction?.number === number && transaction.end === end))
      return
    const transaction = { number, end }
    this.#facts.push({ what: `the ${end} of ${number}`, ackedMs, isFlushed: false, transaction })
  }

  /** Offsets go with their topic, and nobody can tell those of its successor from them. */
  #forgetOffsets(topic: string): void {
    this.#deleted.add(topic)
    this.#facts = this.#facts.filter(({ commit }) => commit?.queue.topic !== topic)
  }

  #isFlushedSince(flush: number): boolean {
    const { flushes } = this.#host.model.lives.current
    return flushes.some((span) => span.flush > flush && span.endedMs !== undefined)
  }

  #checkCut(): void {
    const cutLife = this.#host.model.comparison?.cutLife
    if (cutLife === undefined) return
    const lost = this.#former.filter((fact) => this.#isLost(fact))
    const oldestAllowedMs = (cutLife.endedMs ?? 0) - this.#windowMs(cutLife)
    for (const { what, ackedMs, isFlushed } of lost) {
      if (isFlushed) this.#host.violate(22, `the power cut took ${what}, which was flushed`)
      const isAsync = this.#host.profile.flushDiskType === 'ASYNC_FLUSH'
      if (isAsync && ackedMs < oldestAllowedMs)
        this.#host.violate(22, `the power cut took ${what}, ${oldestAllowedMs - ackedMs} ms too old`)
    }
    this.#checkPrefix(lost)
  }

  /** How far back a power cut may reach: the longest wait for a flush, and the flush. */
  #windowMs({ flushes, endedMs = 0 }: LifeRecord): number {
    const longestMs = Math.max(0, ...flushes.map((span) => (span.endedMs ?? endedMs) - span.beganMs))
    return Math.max(this.#host.profile.flushIntervalMs, longestMs) + longestMs
  }

  #checkPrefix(lost: readonly Fact[]): void {
    // Answers that the test made late say nothing about the order.
    if (this.#host.profile.troubles.verbFaults > 0 || lost.length === 0) return
    const firstLostMs = Math.min(...lost.map(({ ackedMs }) => ackedMs))
    const isGone = new Set(lost)
    const survivor = this.#former.find(
      (fact) =>
        fact.ackedMs > firstLostMs && fact.isRepeated !== true && !isGone.has(fact) && this.#isThere(fact),
    )
    if (survivor !== undefined)
      this.#host.violate(
        22,
        `the power cut took ${lost[0]?.what} and left ${survivor.what}, which came later`,
      )
    const sends = this.#former.filter(({ send }) => send !== undefined)
    const firstLost = sends.findIndex((fact) => isGone.has(fact))
    const later = sends
      .slice(firstLost + 1)
      .find((fact) => firstLost >= 0 && !isGone.has(fact) && this.#isThere(fact))
    if (later !== undefined)
      this.#host.violate(
        22,
        `the power cut took ${sends[firstLost]?.what} and left ${later.what}, which came later`,
      )
  }

  #isLost(fact: Fact): boolean {
    if (fact.send !== undefined) return fact.send.state === 'cut'
    if (fact.transaction !== undefined) return isTransactionLost(this.#host.model, fact.transaction)
    const found = this.#foundOffset(fact)
    return found !== 'unclear' && found < fact.commit!.offset
  }

  #isThere(fact: Fact): boolean {
    // An end may have been stored long before its answer: that it is there says nothing.
    if (fact.transaction !== undefined)
      return fact.transaction.end === undefined && isOpen(this.#host.model, fact.transaction.number)
    if (fact.send?.receipt?.wait !== undefined) return this.#isWaiting(fact.send)
    if (fact.send !== undefined) {
      const queue = this.#host.model.queues.byLabel(fact.send.receipt?.label ?? '')
      // What became of messages of a deleted topic, or of a hidden queue, nobody can tell.
      return fact.send.state === 'stored' && queue?.isDeleted === false && !queue.isUnclear
    }
    const found = this.#foundOffset(fact)
    return found !== 'unclear' && found >= fact.commit!.offset
  }

  /** What has come, or was taken back, need not be there any more. */
  #isWaiting({ call }: Send): boolean {
    const [number] = call.numbers
    return this.#host.model.delays.found.some(
      ({ before, waiting }) => before.number === number && waiting !== undefined,
    )
  }

  /** Where the group stands now; unclear after a reset, and when the topic was deleted. */
  #foundOffset({ commit }: Fact): number | 'unclear' {
    const found = this.#host.model.comparison?.offsets.find(
      ({ before }) =>
        commit !== undefined &&
        ownerOf(before) === ownerOf(commit) &&
        nameOf(before.queue) === nameOf(commit.queue),
    )
    return found === undefined || found.before.isReset ? 'unclear' : (found.found ?? -1)
  }
}

function isOpen({ transactions }: Model, number: number): boolean {
  return transactions.found.some(({ record, half }) => record.call.number === number && half !== undefined)
}

/** A half that is nowhere, though nobody ended it; an end of which the half is open again. */
function isTransactionLost(
  { transactions, profile }: Model,
  { number, end }: NonNullable<Fact['transaction']>,
): boolean {
  const found = transactions.found.find(({ record }) => record.call.number === number)
  if (found === undefined || found.before.isVeiled) return false
  const { before, half, queued, parked } = found
  if (end !== undefined) return half !== undefined
  // What was given up may have been removed since.
  const isEnded =
    before.asked.COMMIT + before.asked.ROLLBACK > 0 || mayBeGivenUp(found.record, profile.transactions)
  return !isEnded && half === undefined && queued.length + parked.length === 0
}
