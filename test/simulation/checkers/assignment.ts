/**
 * 19. Assignment: a queue of a group has one owner at a time, who alone is at work on it; in the end every queue has one;
 * and handing it over repeats nothing without a reason.
 *
 * Allowed: a member that cannot reach the engine to renew its lease goes on until it learns that it lost it. Simple
 * consumers and broadcasting members own no queues; what polls repeat at a hand-over is another checker's affair.
 */
import { retryTopicOf } from '../../../src/model/topic.ts'
import {
  type Call,
  nameOf,
  placeOf,
  type QueueName,
  type Scan,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import { CallBook } from '../model/calls.ts'
import { hasRetryTopic, sharesQueues } from '../model/group-profile.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { Repeats } from './repeats.ts'

interface Lease {
  readonly member: string
  readonly queue: string
  readonly endsMs: number
}

export class Assignment implements Checker {
  readonly #host: CheckerHost
  readonly #calls: CallBook
  readonly #repeats: Repeats
  #leases = new Map<string, Lease>()
  /** Groups whose members could not reach the engine in this life. */
  readonly #cutOff = new Set<string>()
  #isDrained = false

  constructor(host: CheckerHost) {
    this.#host = host
    this.#calls = new CallBook(host.profile)
    this.#repeats = new Repeats(host)
  }

  observe(event: SimEvent, stamp: Stamp): void {
    this.#repeats.observe(event, stamp)
    switch (event.type) {
      case 'locked':
        this.#lock(event, stamp.elapsedMs)
        break
      case 'unlocked':
        for (const queue of event.queues) this.#unlock(event.group, event.member, queue)
        break
      case 'unregistered':
        for (const [key, { member, queue }] of this.#leases)
          if (member === event.member) this.#endLease(key, event.group, queue)
        break
      case 'verb-failed':
        if (event.group !== undefined) this.#cutOff.add(event.group)
        break
      case 'opened':
        this.#leases = new Map()
        this.#cutOff.clear()
        break
      case 'calling':
        if (!this.#isShared(event.call.group)) break
        this.#checkOwner(event.call, stamp.elapsedMs)
        this.#checkAlone(event.call, stamp.elapsedMs)
        this.#checkRepeat(event.call, stamp.elapsedMs)
        break
      case 'handed':
        if (this.#isShared(event.group))
          for (const { queue } of event.copies) this.#checkOwner({ ...event, queue }, stamp.elapsedMs)
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

  #isShared(group: string): boolean {
    const profile = this.#host.model.groups.get(group)
    return profile !== undefined && sharesQueues(profile)
  }

  #endLease(key: string, group: string, queue: string): void {
    this.#leases.delete(key)
    this.#repeats.endLease(group, queue)
  }

  #lock({ group, member, granted }: SimEventOf<'locked'>, nowMs: number): void {
    for (const queue of granted) {
      const key = keyOf(group, queue)
      const lease = this.#leases.get(key)
      if (lease !== undefined && lease.member !== member && lease.endsMs > nowMs)
        this.#host.violate(19, `${nameOf(queue)} of ${group} goes to ${member} while ${lease.member} has it`)
      this.#leases.set(key, { member, queue: nameOf(queue), endsMs: nowMs + this.#host.profile.lockLeaseMs })
    }
  }

  #unlock(group: string, member: string, queue: QueueName): void {
    const key = keyOf(group, queue)
    if (this.#leases.get(key)?.member === member) this.#endLease(key, group, nameOf(queue))
  }

  #checkOwner({ group, member, queue }: Pick<Call, 'group' | 'member' | 'queue'>, nowMs: number): void {
    if (this.#cutOff.has(group)) return
    const lease = this.#leases.get(keyOf(group, queue))
    if (lease?.member !== member || lease.endsMs <= nowMs)
      this.#host.violate(
        19,
        `${member} works on ${nameOf(queue)} of ${group}, which ${lease?.member ?? 'nobody'} has`,
      )
  }

  #checkAlone({ group, member, queue }: Call, nowMs: number): void {
    if (this.#cutOff.has(group)) return
    for (const other of this.#calls.alive(group, nowMs)) {
      if (other.member === member || nameOf(other.queue) !== nameOf(queue)) continue
      this.#host.violate(
        19,
        `${member} and ${other.member} work on ${nameOf(queue)} of ${group} at the same time`,
      )
    }
  }

  #checkRepeat(call: Call, nowMs: number): void {
    for (const copy of this.#repeats.find(call, nowMs))
      this.#host.violate(
        19,
        `message ${copy.number} at ${placeOf(copy)} comes to ${call.group} again without a reason`,
      )
  }

  #checkAllOwned(scan: Scan, nowMs: number): void {
    for (const group of this.#host.profile.groups.filter(sharesQueues)) {
      const { name, subscriptions } = group
      for (const { topic, readQueueNums } of scan.topics) {
        const isRetryTopic = hasRetryTopic(group) && topic === retryTopicOf(name)
        if (!subscriptions.has(topic) && !isRetryTopic) continue
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
