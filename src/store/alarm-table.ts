/** All alarms that are set, ordered by due time and, within one, by the order they were set in. */
import TinyQueue from 'tinyqueue'
import type { Alarm } from './fact.ts'

export class AlarmTable {
  /** Cleared alarms stay in the heap until they come to its top. */
  readonly #heap = new TinyQueue<Alarm>([], byDue)
  readonly #pending = new Map<number, Alarm>()
  readonly #countByGroup = new Map<number, number>()

  /** Called when the earliest due time may have changed. */
  onChanged: () => void = () => undefined

  get size(): number {
    return this.#pending.size
  }

  /** Whether the alarm is still pending. */
  has(id: number): boolean {
    return this.#pending.has(id)
  }

  nextDueTimestamp(): number | undefined {
    return this.#top()?.dueTimestamp
  }

  /** Alarms that are due at `now`, in order; they stay until a change clears them. */
  due(now: number, maxCount: number): readonly Alarm[] {
    const found: Alarm[] = []
    for (
      let top = this.#top();
      top !== undefined && top.dueTimestamp <= now && found.length < maxCount;
      top = this.#top()
    ) {
      found.push(top)
      this.#heap.pop()
    }
    for (const alarm of found) this.#heap.push(alarm)
    return found
  }

  pendingCount(groupUid: number): number {
    return this.#countByGroup.get(groupUid) ?? 0
  }

  *pending(groupUid: number): Iterable<Alarm> {
    for (const alarm of this.#pending.values()) if (alarm.groupUid === groupUid) yield alarm
  }

  values(): Iterable<Alarm> {
    return this.#pending.values()
  }

  set(alarm: Alarm): void {
    this.#pending.set(alarm.id, alarm)
    this.#heap.push(alarm)
    this.#count(alarm.groupUid, 1)
    this.onChanged()
  }

  clear(id: number): void {
    const alarm = this.#pending.get(id)
    if (alarm === undefined) return
    this.#pending.delete(id)
    this.#count(alarm.groupUid, -1)
    this.onChanged()
  }

  #top(): Alarm | undefined {
    for (;;) {
      const top = this.#heap.peek()
      if (top === undefined || this.#pending.has(top.id)) return top
      this.#heap.pop()
    }
  }

  #count(groupUid: number, change: number): void {
    const count = this.pendingCount(groupUid) + change
    if (count === 0) this.#countByGroup.delete(groupUid)
    else this.#countByGroup.set(groupUid, count)
  }
}

function byDue(a: Alarm, b: Alarm): number {
  return a.dueTimestamp - b.dueTimestamp || a.id - b.id
}
