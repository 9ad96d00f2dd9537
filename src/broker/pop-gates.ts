/**
 * One receive at a time is inside a queue of a group, from reading until what it took is committed (RocketMQ `QueueLockManager`).
 * So each reads on from where the one before it has surely ended; a commit that fails leaves nothing behind that a later
 * one was built on.
 */
import type { GroupEntry } from '../store/catalog.ts'
import { groupQueueKey } from '../store/group-queue-key.ts'
import type { QueueLog } from '../store/queue-log.ts'

export class PopGates {
  /** By group and queue: who waits for the one inside to leave. */
  readonly #inside = new Map<string, (() => void)[]>()

  /** Whether the queue was free; then it is not any more. */
  enter(group: GroupEntry, log: QueueLog): boolean {
    const key = groupQueueKey(group.uid, log.uid)
    if (this.#inside.has(key)) return false
    this.#inside.set(key, [])
    return true
  }

  leave(group: GroupEntry, logs: readonly QueueLog[]): void {
    for (const log of logs) {
      const key = groupQueueKey(group.uid, log.uid)
      const waiting = this.#inside.get(key) ?? []
      this.#inside.delete(key)
      for (const resolve of waiting) resolve()
    }
  }

  /** Resolves when whoever is inside one of the queues has left. */
  async left(group: GroupEntry, logs: readonly QueueLog[]): Promise<void> {
    await Promise.all(logs.map((log) => this.#leftQueue(groupQueueKey(group.uid, log.uid))))
  }

  #leftQueue(key: string): Promise<void> | undefined {
    const waiting = this.#inside.get(key)
    return waiting === undefined ? undefined : new Promise((resolve) => waiting.push(resolve))
  }
}
