/**
 * 8. One in flight: of a queue, or a message group in it, whose order is kept one call is at work at a time, in its group or for a broadcasting
 * member, whoever has the queue; and of a queue of a FIFO group nobody receives while somebody still has messages of it.
 *
 * Allowed: a member that was given up when it closed, and one that cannot reach the engine and so does not know that it
 * lost its lease, may still be at work.
 */
import type { PoppedCopy } from '../consumer-events.ts'
import { type Call, nameOf, placeOf, type SimEvent, type Stamp } from '../events.ts'
import { CallBook } from '../model/calls.ts'
import type { Delivery } from '../model/deliveries.ts'
import type { Checker, CheckerHost } from './checker.ts'

export class OneInFlight implements Checker {
  readonly #host: CheckerHost
  readonly #calls: CallBook
  readonly #cutOff = new Set<string>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#calls = new CallBook(host.profile)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    switch (event.type) {
      case 'calling':
        if (this.#isOrderly(event.call.group)) this.#checkCall(event.call, stamp.elapsedMs)
        break
      case 'popped':
        if (this.#isOrderly(event.group)) this.#checkPopped(event.group, event.popped, stamp.wallMs)
        break
      case 'verb-failed':
        if (event.group !== undefined) this.#cutOff.add(event.group)
        break
      case 'opened':
        this.#cutOff.clear()
    }
    this.#calls.observe(event, stamp)
  }

  #isOrderly(group: string): boolean {
    return this.#host.model.groups.get(group)?.isOrderly === true
  }

  #checkCall(call: Call, nowMs: number): void {
    const owner = this.#host.model.ownerOf(call)
    for (const other of this.#calls.alive(call.group, nowMs)) {
      if (this.#laneOf(other) !== this.#laneOf(call) || this.#host.model.ownerOf(other) !== owner) continue
      if (other.member !== call.member && this.#cutOff.has(call.group)) continue
      this.#host.violate(
        8,
        `${call.member} gets ${placeOf(call.copies[0]!)} of ${owner} while ${other.member} is at work on ${placeOf(other.copies[0]!)}`,
      )
    }
  }

  /** What a call has to be alone in: a queue, or a message group in it. */
  #laneOf({ group, copies: [first] }: Call): string {
    return first === undefined ? '' : `${first.label} ${this.#host.model.laneOf(group, first.number)}`
  }

  #checkPopped(group: string, popped: readonly PoppedCopy[], wallMs: number): void {
    const handles = new Set(popped.map(({ handle }) => handle))
    const labels = new Set(popped.map(({ copy }) => copy.label))
    const { deliveries } = this.#host.model
    for (const other of deliveries.ofGroup(group)) {
      if (!labels.has(other.label) || handles.has(other.handle) || this.#isOver(other, wallMs)) continue
      this.#host.violate(
        8,
        `${group} receives of ${nameOf(other.queue)} while somebody has message ${other.number} at ${other.offset}`,
      )
    }
  }

  #isOver(delivery: Delivery, wallMs: number): boolean {
    const { deliveries } = this.#host.model
    const { isAcked, isUnclear, voidAt } = delivery
    if (isAcked || isUnclear || voidAt !== undefined) return true
    return deliveries.isDue(delivery, wallMs) || deliveries.isSettling(delivery)
  }
}
