/**
 * 11. Retry count: each failed attempt makes one retry, whose count is one higher; nothing is attempted after the
 * limit, and only what failed or took too long is sent back. What stays in its place when it fails, and what simple consumers
 * receive, is counted beside.
 *
 * Allowed: a failed delivery may be sent back twice when nobody learned that the first time worked; each of the two
 * makes a retry (delivery is at least once).
 */
import { retryTopicOf } from '../../../src/model/topic.ts'
import { type Copy, placeOf, type Scan, type SendBackCall, type SimEvent, type Stamp } from '../events.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { InPlaceCount } from './in-place-count.ts'
import { PopCount } from './pop-count.ts'

/** The last delivery of a copy to a group. */
interface LastDelivery {
  readonly callId: number
  readonly startedMs: number
  readonly timeoutMs: number
  /** `undefined` while it runs. */
  hasSucceeded?: boolean
}

export class RetryCount implements Checker {
  readonly #host: CheckerHost
  readonly #inPlace: InPlaceCount
  readonly #popped: PopCount
  readonly #deliveries = new Map<string, LastDelivery>()
  /** Retries that may have been made, by group, number and count. */
  readonly #requested = new Map<string, number>()

  constructor(host: CheckerHost) {
    this.#host = host
    this.#inPlace = new InPlaceCount(host)
    this.#popped = new PopCount(host)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    const { elapsedMs } = stamp
    this.#inPlace.observe(event, stamp)
    this.#popped.observe(event)
    switch (event.type) {
      case 'calling':
        for (const copy of event.call.copies) {
          const { id: callId, timeoutMs, group } = event.call
          this.#deliveries.set(placeKey(group, copy), { callId, startedMs: elapsedMs, timeoutMs })
          if (this.#host.model.groups.get(group)?.kind === 'concurrent') this.#checkDelivery(group, copy)
        }
        return
      case 'answered':
        event.call.copies.forEach((copy, index) => {
          const delivery = this.#deliveries.get(placeKey(event.call.group, copy))
          if (delivery?.callId === event.call.id) delivery.hasSucceeded = index < event.succeededCount
        })
        return
      case 'sending-back':
        this.#checkSendBack(event.back, elapsedMs)
        this.#count(event.back, 1)
        return
      case 'sent-back':
        this.#checkResult(event)
        if (event.outcome === 'dead-letter') this.#count(event.back, -1)
        return
      case 'send-back-failed':
        if (event.refusal.outcome === 'not-attempted') this.#count(event.back, -1)
        return
      case 'scanned':
        this.#checkScan(event.scan)
    }
  }

  #checkDelivery(group: string, copy: Copy): void {
    const { number, reconsumeTimes, deliveryAttempt } = copy
    const what = `message ${number} at ${placeOf(copy)}`
    if (deliveryAttempt !== reconsumeTimes + 1)
      this.#host.violate(11, `${what} failed ${reconsumeTimes} times and is attempt ${deliveryAttempt}`)
    const limit = this.#host.model.groups.get(group)?.maxReconsumeTimes ?? 0
    if (reconsumeTimes > limit)
      this.#host.violate(11, `${what} is retry ${reconsumeTimes} for ${group}, which wants at most ${limit}`)
    if (copy.queue.topic === copy.topic) {
      if (reconsumeTimes !== 0) this.#host.violate(11, `${what} was never tried and counts ${reconsumeTimes}`)
    } else if ((this.#requested.get(countKey(group, number, reconsumeTimes)) ?? 0) === 0) {
      this.#host.violate(
        11,
        `${what} is retry ${reconsumeTimes} for ${group}, but no attempt before it was sent back`,
      )
    }
  }

  #checkSendBack({ group, copy }: SendBackCall, nowMs: number): void {
    const delivery = this.#deliveries.get(placeKey(group, copy))
    const what = `message ${copy.number} at ${placeOf(copy)}`
    if (delivery === undefined)
      this.#host.violate(11, `${what} was sent back by ${group}, which never got it`)
    else if (delivery.hasSucceeded === true && nowMs - delivery.startedMs < delivery.timeoutMs)
      this.#host.violate(11, `${what} was sent back by ${group}, which consumed it`)
    else if (delivery.hasSucceeded === undefined && nowMs - delivery.startedMs < delivery.timeoutMs)
      this.#host.violate(11, `${what} was sent back by ${group} while it is at work on it`)
  }

  #checkResult({ back, reconsumeTimes }: Extract<SimEvent, { type: 'sent-back' }>): void {
    const { copy } = back
    if (reconsumeTimes !== copy.reconsumeTimes + 1)
      this.#host.violate(
        11,
        `message ${copy.number} failed at ${copy.reconsumeTimes} and now counts ${reconsumeTimes}`,
      )
  }

  #checkScan({ queues }: Scan): void {
    const counts = new Map<string, number>()
    for (const { name } of this.#host.profile.groups) {
      const topic = retryTopicOf(name)
      for (const copy of queues
        .filter(({ queue }) => queue.topic === topic)
        .flatMap(({ copies }) => copies)) {
        const key = countKey(name, copy.number, copy.reconsumeTimes)
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    }
    for (const [key, count] of counts) {
      const requested = this.#requested.get(key) ?? 0
      if (count > requested)
        this.#host.violate(
          11,
          `of ${key} there are ${count} retries, although ${requested} attempts were sent back`,
        )
    }
  }

  #count({ group, copy }: SendBackCall, by: number): void {
    const key = countKey(group, copy.number, copy.reconsumeTimes + 1)
    this.#requested.set(key, (this.#requested.get(key) ?? 0) + by)
  }
}

function placeKey(group: string, { label, offset }: Copy): string {
  return `${group}@${label}:${offset}`
}

function countKey(group: string, number: number, reconsumeTimes: number): string {
  return `${group} message ${number} retry ${reconsumeTimes}`
}
