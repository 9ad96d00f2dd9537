/**
 * Attempts of messages that stay in their place: each failure counts one more, and those that were stored count on after a
 * hand-over, a restart or a crash, until the offset has passed the message or was reset.
 *
 * Allowed: what only a member knew is forgotten when the queue changes hands; so is what a power cut took. An answer that
 * comes after the queue was reset, changed hands, or its member closed without it, counts no more. A message whose dead letter
 * could not be stored is attempted once more, and so is what lay behind it.
 */
import {
  type Call,
  type Copy,
  nameOf,
  ownerOf,
  placeOf,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { type Moment, mayTakeBack } from '../model/life-book.ts'
import type { CheckerHost } from './checker.ts'

/** A number of failures that must be known when the message is delivered next. */
interface Known {
  readonly group: string
  readonly owner: string
  readonly label: string
  readonly offset: number
  readonly count: number
  readonly at: Moment
  /** The member that knows it; `undefined`: it is stored. */
  readonly member: string | undefined
}

interface Attempt {
  readonly copy: Copy
  readonly call: Call
  readonly startedMs: number
  /** The queue was taken from the member meanwhile, or was reset: nobody waits for the answer any more. */
  isOver: boolean
}

export class InPlaceCount {
  readonly #host: CheckerHost
  /** By owner and place. */
  readonly #stored = new Map<string, Known>()
  readonly #remembered = new Map<string, Known>()
  /** How often it can have failed. */
  readonly #failures = new Map<string, number>()
  readonly #attempts = new Map<string, Attempt>()
  /** Queues with messages that could not be given up, by owner and label. */
  readonly #kept = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { elapsedMs }: Stamp): void {
    switch (event.type) {
      case 'calling':
        if (this.#isInPlace(event.call.group)) this.#checkCall(event.call, elapsedMs)
        return
      case 'answered':
        if (this.#isInPlace(event.call.group)) this.#noteAnswer(event)
        return
      case 'verb-failed':
        // Whoever could not give a queue back may have to take it anew.
        if (/lock/i.test(event.verb)) this.#forgetGroup(event.group)
        if (event.group !== undefined && event.copy !== undefined)
          this.#kept.add(`${event.group}@${event.copy.label}`)
        return
      case 'send-back-failed':
        this.#kept.add(`${event.back.group}@${event.back.copy.label}`)
        return
      case 'counted-attempts':
        this.#noteStored(event)
        return
      case 'committed':
        this.#forgetPassed(event)
        return
      case 'reset':
        this.#forgetReset(event)
        return
      case 'unlocked':
        for (const queue of event.queues) this.#forgetMember(event.member, nameOf(queue))
        return
      case 'locked': {
        const granted = new Set(event.granted.map(nameOf))
        for (const name of event.asked.map(nameOf))
          if (!granted.has(name)) this.#forgetMember(event.member, name)
        return
      }
      case 'leaving':
      case 'joining':
        this.#forgetMember(event.member)
        return
      case 'opened':
        this.#remembered.clear()
        return
      case 'scanned':
        this.#forgetCut()
    }
  }

  #isInPlace(group: string): boolean {
    const profile = this.#host.model.groups.get(group)
    return profile?.kind === 'broadcasting' || profile?.kind === 'orderly'
  }

  #checkCall(call: Call, nowMs: number): void {
    const { group, copies } = call
    const owner = this.#host.model.ownerOf(call)
    const limit = this.#host.model.groups.get(group)?.maxReconsumeTimes ?? 0
    for (const copy of copies) {
      const { number, reconsumeTimes: count, deliveryAttempt } = copy
      const key = keyOf(owner, copy)
      const what = `message ${number} at ${placeOf(copy)} for ${owner}`
      this.#noteTimeout(key, nowMs)
      this.#attempts.set(key, { copy, call, startedMs: nowMs, isOver: false })
      if (deliveryAttempt !== count + 1)
        this.#host.violate(11, `${what} failed ${count} times and is attempt ${deliveryAttempt}`)
      if (count > limit && !this.#kept.has(`${owner}@${copy.label}`))
        this.#host.violate(11, `${what} is attempted after ${count} failures of ${limit}`)
      const most = this.#failures.get(key) ?? 0
      if (count > most) this.#host.violate(11, `${what} failed ${most} times, and counts ${count}`)
      const known = Math.max(this.#stored.get(key)?.count ?? 0, this.#remembered.get(key)?.count ?? 0)
      if (count < known) this.#host.violate(11, `${what} failed ${known} times, and counts only ${count}`)
    }
  }

  /** A listener that had its time failed, whether it answers or not. */
  #noteTimeout(key: string, nowMs: number): void {
    const attempt = this.#attempts.get(key)
    if (attempt !== undefined && nowMs - attempt.startedMs >= attempt.call.timeoutMs)
      this.#noteFailure(key, attempt.copy.reconsumeTimes + 1)
  }

  #noteAnswer({ call, succeededCount }: SimEventOf<'answered'>): void {
    const { group, member } = call
    const { model } = this.#host
    const owner = model.ownerOf(call)
    for (const copy of call.copies.slice(succeededCount)) {
      const key = keyOf(owner, copy)
      const { label, offset } = copy
      const count = copy.reconsumeTimes + 1
      this.#noteFailure(key, count)
      const attempt = this.#attempts.get(key)
      if (attempt?.copy !== copy) continue
      this.#remembered.delete(key)
      const isOrderly = model.groups.get(group)?.isOrderly === true
      const known = { group, owner, label, offset, count, at: model.queues.now, member }
      if (isOrderly && !attempt.isOver) this.#remembered.set(key, known)
    }
  }

  #noteFailure(key: string, count: number): void {
    this.#failures.set(key, Math.max(count, this.#failures.get(key) ?? 0))
  }

  #noteStored({ attempts }: SimEventOf<'counted-attempts'>): void {
    const { group, member, queue, offset, reconsumeTimes: count } = attempts
    const { model } = this.#host
    const label = model.queues.current(queue)?.label
    if (label === undefined) return
    if (offset < (model.offsets.get(group, queue, member)?.stored ?? 0)) return
    const owner = ownerOf({ group, member })
    const known = { group, owner, label, offset, count, at: model.queues.now, member: undefined }
    this.#stored.set(keyOf(owner, { label, offset }), known)
  }

  #forgetPassed({ group, member, queue, offset }: SimEventOf<'committed'>): void {
    const label = this.#host.model.queues.current(queue)?.label
    const owner = ownerOf({ group, member })
    for (const [key, known] of this.#stored)
      if (known.owner === owner && known.label === label && known.offset < offset) this.#stored.delete(key)
  }

  #forgetReset({ group, topic }: SimEventOf<'reset'>): void {
    for (const counts of [this.#stored, this.#remembered])
      for (const [key, known] of counts) {
        const isOfTopic = this.#host.model.queues.byLabel(known.label)?.name.topic === topic
        if (known.group === group && isOfTopic) counts.delete(key)
      }
    this.#endAttempts((call) => call.group === group && call.queue.topic === topic)
  }

  #forgetGroup(group: string | undefined): void {
    this.#endAttempts((call) => call.group === group)
    for (const [key, known] of this.#remembered) if (known.group === group) this.#remembered.delete(key)
  }

  #forgetMember(member: string, queue?: string): void {
    this.#endAttempts(
      (call) => call.member === member && (queue ?? nameOf(call.queue)) === nameOf(call.queue),
    )
    for (const [key, known] of this.#remembered) {
      const name = this.#host.model.queues.byLabel(known.label)?.name
      if (known.member !== member || name === undefined) continue
      if (queue === undefined || nameOf(name) === queue) this.#remembered.delete(key)
    }
  }

  /** What is answered to these from now on is no news to anybody. */
  #endAttempts(isOver: (call: Call) => boolean): void {
    for (const attempt of this.#attempts.values()) attempt.isOver ||= isOver(attempt.call)
  }

  #forgetCut(): void {
    const cutLife = this.#host.model.comparison?.cutLife
    if (cutLife === undefined) return
    for (const [key, { at }] of this.#stored) if (mayTakeBack(cutLife, at)) this.#stored.delete(key)
  }
}

function keyOf(owner: string, { label, offset }: Pick<Copy, 'label' | 'offset'>): string {
  return `${owner}@${label}:${offset}`
}
