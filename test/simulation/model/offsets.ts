/** The progress of groups as far as anybody was told: which offset must be stored, and which ones may be. */
import { nameOf, type QueueName } from '../events.ts'

export interface OffsetEntry {
  readonly group: string
  readonly queue: QueueName
  /** What is stored for sure. */
  stored: number | undefined
  /** When that was acknowledged. */
  storedMs: number
  /** All that the group asked for since the store was opened, and what was stored then. */
  readonly asked: Set<number>
  /** What lies before need not be delivered: a reset went past it. */
  skippedBelow: number
  /** Deliveries that began earlier do not count: a reset asked for all from `skippedBelow` on again. */
  againSinceMs: number
  /** Resets by id that may or may not have taken effect. */
  readonly resetting: Map<number, number>
  /** Whether there was a reset since the store was opened. */
  isReset: boolean
}

export class OffsetBook {
  readonly #entries = new Map<string, OffsetEntry>()

  get all(): Iterable<OffsetEntry> {
    return this.#entries.values()
  }

  get(group: string, queue: QueueName): OffsetEntry | undefined {
    return this.#entries.get(keyOf(group, queue))
  }

  at(group: string, queue: QueueName): OffsetEntry {
    const known = this.get(group, queue)
    if (known !== undefined) return known
    const entry = newEntry(group, queue)
    this.#entries.set(keyOf(group, queue), entry)
    return entry
  }

  committing(group: string, queue: QueueName, offset: number): void {
    this.at(group, queue).asked.add(offset)
  }

  committed(group: string, queue: QueueName, offset: number, nowMs: number): void {
    const entry = this.at(group, queue)
    // While a reset is on its way, what members commit is ignored.
    if (entry.resetting.size > 0 || offset < (entry.stored ?? 0)) return
    entry.stored = offset
    entry.storedMs = nowMs
  }

  resetting(id: number, group: string, queue: QueueName, offset: number): void {
    const entry = this.at(group, queue)
    entry.resetting.set(id, offset)
    entry.asked.add(offset)
    entry.isReset = true
  }

  reset(id: number, group: string, queue: QueueName, offset: number, nowMs: number): void {
    const entry = this.at(group, queue)
    // They happen one after the other.
    for (const other of entry.resetting.keys()) if (other <= id) entry.resetting.delete(other)
    entry.stored = offset
    entry.storedMs = nowMs
    entry.skippedBelow = offset
    entry.againSinceMs = nowMs
  }

  /** It was refused, and changed nothing. */
  refused(id: number): void {
    for (const { resetting } of this.#entries.values()) resetting.delete(id)
  }

  /** It was looked at; the last life may have lost something to a power cut. */
  found(
    group: string,
    queue: QueueName,
    offset: number | undefined,
    when: { readonly nowMs: number; readonly isOpening: boolean; readonly isCut: boolean },
  ): void {
    const entry = this.at(group, queue)
    if (entry.stored !== offset) entry.storedMs = when.nowMs
    entry.stored = offset
    if (!when.isOpening) return
    entry.skippedBelow = Math.max(entry.skippedBelow, ...entry.resetting.values())
    if (when.isCut && entry.isReset) entry.againSinceMs = 0
    entry.resetting.clear()
    entry.isReset = false
    entry.asked.clear()
    if (offset !== undefined) entry.asked.add(offset)
  }

  endTopic(topic: string): void {
    for (const [key, { queue }] of this.#entries) if (queue.topic === topic) this.#entries.delete(key)
  }
}

function newEntry(group: string, queue: QueueName): OffsetEntry {
  return {
    group,
    queue,
    stored: undefined,
    storedMs: 0,
    asked: new Set(),
    skippedBelow: 0,
    againSinceMs: 0,
    resetting: new Map(),
    isReset: false,
  }
}

function keyOf(group: string, queue: QueueName): string {
  return `${group}@${nameOf(queue)}`
}
