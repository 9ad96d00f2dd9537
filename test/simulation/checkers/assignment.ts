/**
 * 19. Assignment: a queue of a group has one owner at a time, who alone is at work on it; in the end every queue has one;
 * and handing it over repeats nothing.
 *
 * Allowed: a member that cannot reach the engine to renew its lease goes on until it learns that it lost it. Repeats have
 * a reason: a crash, a restart, a reset, a commit that failed, a member that was given up, and a send-back that failed, for
 * until its message is delivered again, all that came after it is not committed either.
 */
import { retryTopicOf } from '../../../src/model/topic.ts'
import {
  type Call,
  type Copy,
  nameOf,
  placeOf,
  type QueueName,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { CallBook } from '../model/calls.ts'
import type { Checker, CheckerHost } from './checker.ts'

interface Lease {
  readonly member: string
  readonly endsMs: number
}

export class Assignment implements Checker {
  readonly #host: CheckerHost
  readonly #calls: CallBook
  #leases = new Map<string, Lease>()
  /** Deliveries: by group and copy, how many reasons for a repeat there were at that time. */
  readonly #delivered = new Map<string, number>()
  readonly #reasons = new Map<string, number>()
  /** By group and queue: the highest message of which a send-back failed, until the offset has passed it. */
  readonly #stuck = new Map<string, number>()
  /** Groups whose members could not reach the engine in this life. */
  readonly #cutOff = new Set<string>()
  readonly #leaving = new Map<string, { group: string; sinceMs: number; timeoutMs: number }>()
  #isDrained = false

  constructor(host: CheckerHost) {
    this.#host = host
    this.#calls = new CallBook(host.profile)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    this.#noteReasons(event, stamp)
    switch (event.type) {
      case 'locked':
        this.#lock(event, stamp.elapsedMs)
        break
      case 'unlocked':
        for (const queue of event.queues) this.#unlock(event.group, event.member, queue)
        break
      case 'unregistered':
        for (const [key, { member }] of this.#leases)
          if (member === event.member) this.#endLease(key, event.group)
        break
      case 'committed':
        this.#noteCommitted(event)
        break
      case 'opened':
        this.#leases = new Map()
        this.#cutOff.clear()
        this.#stuck.clear()
        this.#leaving.clear()
        break
      case 'calling':
        this.#checkOwner(event.call, stamp.elapsedMs)
        this.#checkRepeat(event.call, stamp.elapsedMs)
        break
      case 'drained':
        this.#isDrained = true
        break
      case 'scanned':
        if (this.#isDrained) this.#checkAllOwned(event.scan, stamp.elapsedMs)
        this.#isDrained = false
    }
    this.#calls.observe(event, stamp)
  }

  #noteReasons(event: SimEvent, { elapsedMs: sinceMs }: Stamp): void {
    switch (event.type) {
      case 'opened':
      case 'closing':
        for (const { name } of this.#host.profile.groups) this.#addReason(name)
        return
      case 'left':
        if (event.drained) this.#leaving.delete(event.member)
        return
      case 'leaving':
        this.#leaving.set(event.member, { group: event.group, sinceMs, timeoutMs: event.timeoutMs })
        return
      case 'resetting':
      case 'reset':
      case 'commit-failed':
        this.#addReason(event.group)
        return
      case 'send-back-failed':
        this.#noteStuck(event.back.group, event.back.copy)
        return
      case 'verb-failed':
        if (event.group === undefined) return
        if (event.copy !== undefined) this.#noteStuck(event.group, event.copy)
        this.#addReason(event.group)
        this.#cutOff.add(event.group)
    }
  }

  #addReason(group: string): void {
    this.#reasons.set(group, (this.#reasons.get(group) ?? 0) + 1)
  }

  #noteStuck(group: string, { queue, offset }: Copy): void {
    this.#addReason(group)
    const key = keyOf(group, queue)
    this.#stuck.set(key, Math.max(this.#stuck.get(key) ?? 0, offset))
  }

  #noteCommitted({ group, queue, offset }: SimEventOf<'committed'>): void {
    const key = keyOf(group, queue)
    if (offset > (this.#stuck.get(key) ?? Infinity)) this.#stuck.delete(key)
  }

  /** Who gets the queue next begins again at a message that is stuck. */
  #endLease(key: string, group: string): void {
    this.#leases.delete(key)
    if (this.#stuck.delete(key)) this.#addReason(group)
  }

  #lock({ group, member, granted }: SimEventOf<'locked'>, nowMs: number): void {
    for (const queue of granted) {
      const key = keyOf(group, queue)
      const lease = this.#leases.get(key)
      if (lease !== undefined && lease.member !== member && lease.endsMs > nowMs)
        this.#host.violate(19, `${nameOf(queue)} of ${group} goes to ${member} while ${lease.member} has it`)
      this.#leases.set(key, { member, endsMs: nowMs + this.#host.profile.lockLeaseMs })
    }
  }

  #unlock(group: string, member: string, queue: QueueName): void {
    const key = keyOf(group, queue)
    if (this.#leases.get(key)?.member === member) this.#endLease(key, group)
  }

  #checkOwner({ group, member, queue }: Call, nowMs: number): void {
    if (this.#cutOff.has(group)) return
    const lease = this.#leases.get(keyOf(group, queue))
    if (lease?.member !== member || lease.endsMs <= nowMs)
      this.#host.violate(
        19,
        `${member} works on ${nameOf(queue)} of ${group}, which ${lease?.member ?? 'nobody'} has`,
      )
    for (const other of this.#calls.alive(group, nowMs)) {
      if (other.member === member || nameOf(other.queue) !== nameOf(queue)) continue
      this.#host.violate(
        19,
        `${member} and ${other.member} work on ${nameOf(queue)} of ${group} at the same time`,
      )
    }
  }

  #checkRepeat({ group, copies }: Call, nowMs: number): void {
    this.#noteGivenUp(nowMs)
    const reasons = this.#reasons.get(group) ?? 0
    for (const copy of copies) {
      const key = `${group}@${copy.label}:${copy.offset}`
      if (this.#delivered.get(key) === reasons)
        this.#host.violate(
          19,
          `message ${copy.number} at ${placeOf(copy)} comes to ${group} again without a reason`,
        )
      this.#delivered.set(key, reasons)
    }
  }

  /** What the listeners of a member were at work on when its time to leave was over comes again. */
  #noteGivenUp(nowMs: number): void {
    for (const [member, { group, sinceMs, timeoutMs }] of this.#leaving) {
      if (nowMs - sinceMs < timeoutMs) continue
      this.#leaving.delete(member)
      this.#addReason(group)
    }
  }

  #checkAllOwned(scan: Scan, nowMs: number): void {
    for (const { name, subscriptions } of this.#host.profile.groups) {
      for (const { topic, readQueueNums } of scan.topics) {
        if (!subscriptions.has(topic) && topic !== retryTopicOf(name)) continue
        for (let queueId = 0; queueId < readQueueNums; queueId++) {
          const lease = this.#leases.get(keyOf(name, { topic, queueId }))
          if (lease === undefined || lease.endsMs <= nowMs)
            this.#host.violate(19, `nobody in ${name} has ${topic}/${queueId}`)
        }
      }
    }
  }
}

function keyOf(group: string, queue: QueueName): string {
  return `${group}@${nameOf(queue)}`
}
