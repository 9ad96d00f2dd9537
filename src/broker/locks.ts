/**
 * Leases of members on queues (RocketMQ `RebalanceLockManager`, which has them for orderly consumers only): at most one
 * client of a group holds a queue, so a hand-over repeats nothing.
 * A lease ends when it is given back, when its client leaves, or when it is not renewed in time; whoever waits is told.
 */
import type { Clock } from '../model/clock.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import type { Announcer } from './announcer.ts'
import { Deadlines } from './deadlines.ts'

interface Lease {
  readonly group: string
  readonly queue: MessageQueue
  readonly clientId: string
}

/** A lease as others see it. */
export interface QueueLease {
  readonly clientId: string
  readonly endsMs: number
}

export class Locks {
  readonly #leaseMs: number
  readonly #announcer: Announcer
  readonly #deadlines: Deadlines<Lease>

  readonly #leases = new Map<string, Lease>()

  constructor(leaseMs: number, announcer: Announcer, clock: Clock) {
    this.#leaseMs = leaseMs
    this.#announcer = announcer
    this.#deadlines = new Deadlines(clock, (lease) => this.#end(lease))
  }

  /** Takes or renews what is free or the client's own; answers the queues that it now holds. */
  lock(group: string, clientId: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    return queues.filter((queue) => {
      const lease = this.#leases.get(leaseKey(group, queue)) ?? this.#grant({ group, queue, clientId })
      if (lease.clientId !== clientId) return false
      this.#deadlines.add(lease, this.#leaseMs)
      return true
    })
  }

  /** Who holds a queue, and when the lease ends unless it is renewed, in monotonic time. */
  leaseOf(group: string, queue: MessageQueue): QueueLease | undefined {
    const lease = this.#leases.get(leaseKey(group, queue))
    if (lease === undefined) return undefined
    return { clientId: lease.clientId, endsMs: this.#deadlines.dueMs(lease, this.#leaseMs) ?? 0 }
  }

  /** Gives back those of the queues that the client holds. */
  unlock(group: string, clientId: string, queues: readonly MessageQueue[]): void {
    for (const queue of queues) {
      const lease = this.#leases.get(leaseKey(group, queue))
      if (lease?.clientId === clientId) this.#end(lease)
    }
  }

  /** Gives back all that a client of the group holds. */
  unlockAll(group: string, clientId: string): void {
    // A copy: who hears of it may take a lease again at once, which must not be given back in turn.
    for (const lease of [...this.#leases.values()]) {
      if (lease.group === group && lease.clientId === clientId) this.#end(lease)
    }
  }

  /** Stops the clock; nobody is told. */
  close(): void {
    this.#deadlines.close()
  }

  #grant(lease: Lease): Lease {
    this.#leases.set(leaseKey(lease.group, lease.queue), lease)
    return lease
  }

  #end(lease: Lease): void {
    const { group, queue } = lease
    this.#leases.delete(leaseKey(group, queue))
    this.#deadlines.delete(lease, this.#leaseMs)
    this.#announcer.tell({ type: 'queue-unlocked', group, queue })
  }
}

function leaseKey(group: string, queue: MessageQueue): string {
  return `${group}@${queueKey(queue)}`
}
