/**
 * 14. Delays: a delayed message comes not before its time, by the clock of the broker; where nothing goes wrong not much later; once, and
 * what was acknowledged waits or has come, whatever crashes. Who takes it back, moves it or has it delivered is told the truth: what was
 * taken back does not come, what was refused as too late has come or comes, what was moved comes at its new time.
 *
 * A clock that is set forward makes messages due, one that is set back does not make them undone, and who waits then waits until
 * the clock says so again (docs/semantics.md). With a deleted topic goes what waits for it. A power cut takes back what it takes back of
 * everything: sends, deliveries, and decisions.
 */
import type { Decision, SendDelay } from '../delay-events.ts'
import {
  placeOf,
  nameOf as queueNameOf,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import type { ClockSpan } from '../model/clock-spans.ts'
import {
  type Arrival,
  type Delayed,
  type DelayedFound,
  expectedDue,
  isUncertain,
  isUnderWay,
  LEVELS_MS,
  queueOf,
} from '../model/delays.ts'
import type { Checker, CheckerHost } from './checker.ts'

/** A broker that has nothing in its way delivers within this. */
const LATE_MS = 250
/** When troubles are over: what waits for a store that was in trouble rests for some time. */
const SETTLE_MS = 120_000
/** How far ahead a time may lie. */
const MOST_AHEAD_MS = 3 * 86_400_000

export class Delays implements Checker {
  readonly #host: CheckerHost
  /** Since when nothing is in the way of what is due. */
  #healthyMs = Infinity
  /** That waited, as was told since a topic began to be changed. */
  #lostCount = 0

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, stamp: Stamp): void {
    this.#noteHealth(event, stamp)
    for (const arrival of this.#host.model.delays.arrivals) this.#checkArrival(arrival)
    switch (event.type) {
      case 'stored':
        this.#checkReceipt(event)
        return
      case 'decided':
        this.#checkDone(event)
        return
      case 'decision-refused':
        this.#checkRefused(event)
        return
      case 'message-lost':
        this.#lostCount += event.delayedCount ?? 0
        return
      case 'topic-changing':
        this.#lostCount = 0
        return
      case 'topic-changed':
        if (event.change === 'delete') this.#checkLost(event.topic)
        return
      case 'scanned':
        for (const found of this.#host.model.delays.found) this.#checkFound(found, stamp)
        this.#checkOrder(event.scan)
        this.#checkList(event.scan)
    }
  }

  #noteHealth(event: SimEvent, { elapsedMs }: Stamp): void {
    const { troubles } = this.#host.profile
    const isQuiet = troubles.diskFaults + troubles.slowDisk + troubles.fullDisk === 0
    if (event.type === 'calmed') this.#healthyMs = elapsedMs + (isQuiet ? 0 : SETTLE_MS)
    if (event.type !== 'opened' && event.type !== 'jumping') return
    this.#healthyMs = isQuiet || this.#host.model.isCalmed ? elapsedMs : Infinity
  }

  /** The time that a receipt names is the one that was asked for. */
  #checkReceipt({ send, receipt }: SimEventOf<'stored'>): void {
    const delayed = this.#host.model.delays.get(send.numbers[0] ?? -1)
    if (delayed === undefined) {
      if (receipt.wait !== undefined) this.#violate(`send ${send.id} was not delayed, and waits`)
      return
    }
    if (receipt.wait === undefined) return
    const { deliveryTimestamp } = receipt.wait
    if (isIllegal(send.delay, delayed.span))
      this.#violate(`send ${send.id} was delayed by more than is allowed`)
    const { from, to } = expectedDue(delayed.send, delayed.span)
    if (deliveryTimestamp >= from && deliveryTimestamp <= to) return
    this.#violate(`${nameOf(delayed)} is to come at ${deliveryTimestamp} instead of ${range({ from, to })}`)
  }

  #checkArrival({ delayed, copy, formerPlace, wasSeen }: Arrival): void {
    const place = placeOf(copy)
    if (formerPlace !== undefined)
      this.#violate(`${nameOf(delayed)} came twice: at ${place}, and at ${formerPlace} before`)
    if (wasSeen) return
    if (delayed.recalled === 'yes') this.#violate(`${nameOf(delayed)} was taken back and came, at ${place}`)
    if (delayed.deletedAt !== undefined)
      this.#violate(`${nameOf(delayed)} came at ${place} although its topic was deleted meanwhile`)
    if (!this.#host.model.delays.mayHaveCome(delayed))
      this.#violate(
        `${nameOf(delayed)} came at ${place} when it was ${delayed.latestMs}, before ${duesOf(delayed)}`,
      )
    this.#checkTime(delayed, copy.storeTimestamp, place)
  }

  #checkTime(delayed: Arrival['delayed'], storedMs: number, place: string): void {
    const { dues, fired, deciding, number, span, wasDueEarlier } = delayed
    const isDecided = fired !== 'no' || deciding.size > 0
    if (isDecided || dues.length === 0) return
    const first = Math.min(...dues.map(({ from }) => from))
    // It may have been due before its send was stored.
    const last = Math.max(span.to, ...dues.map(({ to }) => to))
    if (storedMs < first && !wasDueEarlier)
      this.#violate(`message ${number} at ${place} was stored ${first - storedMs} ms early`)
    if (this.#host.profile.isCalm && storedMs > last + LATE_MS)
      this.#violate(`message ${number} at ${place} was stored ${storedMs - last} ms late`)
  }

  #checkDone({ decision, messageId }: SimEventOf<'decided'>): void {
    const { how, number, isForeign, handle } = decision
    const delayed = this.#host.model.delays.get(number)
    const receipt = delayed?.send.receipt
    const what = `decision ${decision.id} (${how}) about message ${number}`
    if (isForeign) this.#violate(`${what} was done with a handle that nobody gave`)
    if (isForeign || delayed === undefined) return
    if (delayed.voidHandles.has(handle) && how !== 'move')
      this.#violate(`${what} was done with a handle from before a move`)
    if (messageId !== undefined && receipt !== undefined && messageId !== receipt.messageIds[0])
      this.#violate(`${what} answered the id ${messageId} instead of ${receipt.messageIds[0]}`)
    const doneBefore = delayed.done.find((done) => done.decision !== decision && isFinal(done.decision))
    if (doneBefore !== undefined)
      this.#violate(`${what} was done, and ${doneBefore.decision.how} ${doneBefore.decision.id} as well`)
    if (how !== 'fire' && delayed.place !== undefined)
      this.#violate(`${what} was done although it had come, to ${delayed.place}`)
  }

  /** Too late is only who comes too late. */
  #checkRefused({ decision, refusal }: SimEventOf<'decision-refused'>): void {
    const { how, number, isForeign, handle } = decision
    if (refusal.code === undefined)
      this.#violate(`decision ${decision.id} (${how}) failed without a code: ${refusal.text}`)
    const delayed = this.#host.model.delays.get(number)
    if (delayed === undefined || isForeign || isUncertain(refusal) || refusal.code !== 'ILLEGAL_OPERATION')
      return
    if (delayed.voidHandles.has(handle) || delayed.handle !== handle || this.#isOpen(delayed)) return
    if (this.#host.model.delays.mayHaveCome(delayed)) return
    this.#violate(
      `decision ${decision.id} (${how}) was refused although message ${number} waits: ${refusal.text}`,
    )
  }

  /** Something else was or is decided about it, or it may be gone for another reason. */
  #isOpen({ recalled, deciding, done, isVeiled, send, dues }: Readonly<Delayed>): boolean {
    const isSettled = recalled === 'no' && deciding.size === 0 && done.length === 0 && dues.length === 1
    return !isSettled || isVeiled || send.state !== 'stored'
  }

  #checkFound({ before, waiting, isInQueue }: DelayedFound, { elapsedMs, wallMs }: Stamp): void {
    if (waiting === undefined) {
      if (!isInQueue) this.#checkNowhere(before)
      return
    }
    const { deliveryTimestamp } = waiting
    const what = nameOf(before)
    if (isInQueue) this.#violate(`${what} came, and waits for ${deliveryTimestamp} on`)
    if (before.send.state === 'absent') this.#violate(`${what} waits although its send was refused`)
    if (before.recalled === 'yes') this.#violate(`${what} was taken back, and waits`)
    if (before.fired === 'yes') this.#violate(`${what} was delivered at once, as was said, and waits`)
    const dues = before.dues.length > 0 ? before.dues : [expectedDue(before.send, before.span)]
    if (!dues.some(({ from, to }) => from <= deliveryTimestamp && deliveryTimestamp <= to))
      this.#violate(`${what} waits for ${deliveryTimestamp} instead of ${duesOf(before)}`)
    const isKnown = before.handle !== undefined && before.deciding.size === 0 && before.dues.length === 1
    if (isKnown && before.handle !== waiting.recallHandle)
      this.#violate(`${what} has the handle ${waiting.recallHandle} instead of ${before.handle}`)
    const dueForMs = Math.min(wallMs - deliveryTimestamp, elapsedMs - this.#healthyMs)
    if (dueForMs > LATE_MS) this.#violate(`${what} waits although it has been due for ${dueForMs} ms`)
  }

  /** What was acknowledged waits, lies in its queue, or is gone for a reason. */
  #checkNowhere(before: Readonly<Delayed>): void {
    const { send, recalled, deciding, isVeiled, place } = before
    const { model } = this.#host
    if (send.state !== 'stored' || isVeiled) return
    if (recalled !== 'no' || isUnderWay(deciding, 'recall')) return
    if (model.delays.mayHaveCome(before) && model.mayBeUnseen(queueOf(before))) return
    const known = place === undefined ? '' : `, it came to ${place}`
    this.#violate(`${nameOf(before)} is gone: it was due at ${duesOf(before)}${known}`)
  }

  /** With a topic goes what waits for it, and who listens is told of each. */
  #checkLost(topic: string): void {
    const { delays, queues } = this.#host.model
    const lost = [...delays.all].filter(
      (delayed) =>
        delayed.send.call.topic === topic &&
        delayed.deletedAt === queues.now &&
        delayed.recalled === 'no' &&
        delayed.send.receipt?.wait !== undefined &&
        !delays.mayHaveCome(delayed),
    )
    if (lost.length > this.#lostCount)
      this.#violate(
        `${lost.length} messages waited for ${topic}, and ${this.#lostCount} were told to be lost`,
      )
  }

  /** What is due earlier comes earlier, and of one time what one producer sent earlier; when nothing holds one of both up. */
  #checkOrder({ queues }: Scan): void {
    const { troubles, delays } = this.#host.profile
    const { diskFaults, slowDisk, fullDisk, verbFaults, jumps } = troubles
    // When the clock was set back, what is sent later may be due earlier.
    const isSmooth = diskFaults + slowDisk + fullDisk + verbFaults + jumps === 0
    if (!isSmooth || delays.decisionWeight > 0) return
    for (const { queue, copies } of queues) {
      let former: Delayed | undefined
      for (const { number } of copies) {
        const delayed = this.#host.model.delays.get(number)
        // Retries and dead letters have an order of their own.
        if (delayed?.send.receipt?.wait === undefined || delayed.send.call.topic !== queue.topic) continue
        if (former !== undefined && overtakes(former, delayed))
          this.#violate(`in ${queueNameOf(queue)} ${nameOf(former)} came before ${nameOf(delayed)}`)
        former = delayed
      }
    }
  }

  /** Earliest first. */
  #checkList({ waiting }: Scan): void {
    waiting.forEach(({ copy, deliveryTimestamp }, index) => {
      const next = waiting[index + 1]
      if (next?.copy.topic === copy.topic && next.deliveryTimestamp < deliveryTimestamp)
        this.#violate(`of ${copy.topic} message ${copy.number} is listed before ${next.copy.number}`)
    })
  }

  #violate(story: string): void {
    this.#host.violate(14, story)
  }
}

function nameOf({ number }: Pick<Delayed, 'number'>): string {
  return `the delayed message ${number}`
}

function duesOf({ dues, send, span }: Readonly<Delayed>): string {
  return (dues.length > 0 ? dues : [expectedDue(send, span)]).map(range).join(' or ')
}

function range({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}..${to}`
}

/** Whether the first came although the other one was due before, or at the same time and sent before, and was waiting by then. */
function overtakes(first: Delayed, other: Delayed): boolean {
  if (isDecided(first) || isDecided(other)) return false
  const [dueOfFirst, dueOfOther] = [first.dues[0]?.from ?? 0, other.dues[0]?.from ?? 0]
  if (dueOfOther < dueOfFirst) return other.span.to < dueOfFirst
  const isSameProducer = first.send.call.producer === other.send.call.producer
  return dueOfOther === dueOfFirst && isSameProducer && other.send.call.id < first.send.call.id
}

function isDecided({ done, deciding, fired }: Delayed): boolean {
  return done.length > 0 || deciding.size > 0 || fired !== 'no'
}

/** Further ahead than the store allows, whatever its clock showed. */
function isIllegal(delay: SendDelay | undefined, { to }: ClockSpan): boolean {
  if (delay?.delayTimeLevel !== undefined) return LEVELS_MS[delay.delayTimeLevel] === undefined
  return (delay?.deliveryTimestamp ?? 0) > to + MOST_AHEAD_MS
}

/** Behind it nothing can be decided any more. */
function isFinal({ how }: Decision): boolean {
  return how !== 'move'
}
