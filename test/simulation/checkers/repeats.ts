/**
 * Deliveries of the same copy to the same owner need a reason each: a crash, a restart, a reset, a commit that failed, a
 * member that was given up, a failed attempt of what stays in its place, and a send-back that failed, for until its message
 * is delivered again, all that came after it is not committed either.
 */
import {
  type Call,
  type Copy,
  nameOf,
  ownerOf,
  type QueueName,
  type SimEvent,
  type SimEventOf,
  type Stamp,
} from '../events.ts'
import type { CheckerHost } from './checker.ts'

interface Delivered {
  /** How many reasons for a repeat there were at that time. */
  readonly reasons: number
  readonly owner: string
  readonly call: Call
  readonly startedMs: number
  state: 'running' | 'failed' | 'done'
}

export class Repeats {
  readonly #host: CheckerHost
  /** By owner and copy. */
  readonly #delivered = new Map<string, Delivered>()
  /** By group. */
  readonly #reasons = new Map<string, number>()
  /** By group and queue: the highest message of which a send-back failed, until the offset has passed it. */
  readonly #stuck = new Map<string, number>()
  readonly #leaving = new Map<string, { group: string; sinceMs: number; timeoutMs: number }>()

  constructor(host: CheckerHost) {
    this.#host = host
  }

  observe(event: SimEvent, { elapsedMs: sinceMs }: Stamp): void {
    switch (event.type) {
      case 'opened':
        this.#stuck.clear()
        this.#leaving.clear()
        this.#addReasons()
        return
      case 'closing':
        this.#addReasons()
        return
      case 'left':
        if (event.drained) this.#leaving.delete(event.member)
        return
      case 'leaving':
        this.#leaving.set(event.member, { group: event.group, sinceMs, timeoutMs: event.timeoutMs })
        return
      case 'answered':
        this.#noteAnswer(event)
        return
      case 'dropped':
        this.#noteDropped(event)
        return
      case 'resetting':
      case 'reset':
      case 'commit-failed':
        this.#addReason(event.group)
        return
      case 'count-failed':
        this.#addReason(event.attempts.group)
        return
      case 'committed':
        this.#noteCommitted(event)
        return
      case 'send-back-failed':
        this.#noteStuck(event.back.group, event.back.copy)
        return
      case 'verb-failed':
        if (event.group === undefined) return
        if (event.copy !== undefined) this.#noteStuck(event.group, event.copy)
        this.#addReason(event.group)
    }
  }

  /** The copies of a call that come again without a reason. */
  find(call: Call, nowMs: number): Copy[] {
    this.#noteGivenUp(nowMs)
    const owner = this.#host.model.ownerOf(call)
    const reasons = this.#reasons.get(call.group) ?? 0
    return call.copies.filter((copy) => {
      const key = copyKey(owner, copy)
      const before = this.#delivered.get(key)
      this.#delivered.set(key, { reasons, owner, call, startedMs: nowMs, state: 'running' })
      return before?.reasons === reasons && before.state !== 'failed' && !this.#isTimedOut(before, nowMs)
    })
  }

  /** Who gets the queue next begins again at a message that is stuck. */
  endLease(group: string, queue: string): void {
    if (this.#stuck.delete(`${group}@${queue}`)) this.#addReason(group)
  }

  /** In a broadcasting group what took too long stays in its place, as what failed. */
  #isTimedOut({ call, startedMs }: Delivered, nowMs: number): boolean {
    const group = this.#host.model.groups.get(call.group)
    return group?.kind === 'broadcasting' && !group.dropsFailures && nowMs - startedMs >= call.timeoutMs
  }

  #noteAnswer({ call, succeededCount }: SimEventOf<'answered'>): void {
    const group = this.#host.model.groups.get(call.group)
    const staysInPlace = group?.kind === 'broadcasting' ? !group.dropsFailures : group?.isOrderly === true
    const owner = this.#host.model.ownerOf(call)
    for (const [index, copy] of call.copies.entries()) {
      const delivered = this.#delivered.get(copyKey(owner, copy))
      if (delivered?.call.id !== call.id) continue
      delivered.state = index >= succeededCount && staysInPlace ? 'failed' : 'done'
    }
  }

  #noteDropped({ group, member, queue, offset }: SimEventOf<'dropped'>): void {
    const label = this.#host.model.queues.current(queue)?.label ?? ''
    const delivered = this.#delivered.get(copyKey(ownerOf({ group, member }), { label, offset }))
    if (delivered !== undefined) delivered.state = 'done'
  }

  #addReasons(): void {
    for (const { name } of this.#host.profile.groups) this.#addReason(name)
  }

  #addReason(group: string): void {
    this.#reasons.set(group, (this.#reasons.get(group) ?? 0) + 1)
  }

  #noteStuck(group: string, { queue, offset }: Copy): void {
    this.#addReason(group)
    const key = queueKey(group, queue)
    this.#stuck.set(key, Math.max(this.#stuck.get(key) ?? 0, offset))
  }

  #noteCommitted({ group, queue, offset }: SimEventOf<'committed'>): void {
    const key = queueKey(group, queue)
    if (offset > (this.#stuck.get(key) ?? Infinity)) this.#stuck.delete(key)
  }

  /** What the listeners of a member were at work on when its time to leave was over comes again. */
  #noteGivenUp(nowMs: number): void {
    for (const [member, { group, sinceMs, timeoutMs }] of this.#leaving) {
      if (nowMs - sinceMs < timeoutMs) continue
      this.#leaving.delete(member)
      this.#addReason(group)
    }
  }
}

function queueKey(group: string, queue: QueueName): string {
  return `${group}@${nameOf(queue)}`
}

function copyKey(owner: string, { label, offset }: Pick<Copy, 'label' | 'offset'>): string {
  return `${owner}@${label}:${offset}`
}
