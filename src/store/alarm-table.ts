/** All alarms that are set, ordered by due time and, within one, by the order they were set in. */
import TinyQueue from 'tinyqueue'
import { AlarmCounts } from './alarm-counts.ts'
import { AlarmsByQueue } from './alarms-by-queue.ts'
import type { Alarm } from './fact.ts'
import { NEVER } from './invisible-run.ts'

/** Cleared alarms that the heap may hold besides as many as are pending. */
const HEAP_SLACK = 64

export class AlarmTable {
  /** Cleared alarms stay in the heap until they come to its top, or until it holds more of them than of others. */
  #heap = new TinyQueue<Alarm>([], byDue)
  readonly #pending = new Map<number, Alarm>()
  readonly #counts = new AlarmCounts()
  /** Those of FIFO groups. */
  readonly #orderly = new AlarmsByQueue()
  /** How often messages failed that stay in their place. */
  readonly #attempts = new AlarmsByQueue()
  #nextId = 1
  /** What is due from this time on waits: not all that is due then is known. */
  horizon = Number.POSITIVE_INFINITY

  /** Called when the earliest due time may have changed. */
  onChanged: () => void = () => undefined

  get size(): number {
    return this.#pending.size
  }

  /** The number that the next alarm gets. */
  get nextId(): number {
    return this.#nextId
  }

  /** A number that no alarm has had, also none whose commit failed. */
  takeId(): number {
    return this.#nextId++
  }

  /** Starts the numbering behind what was ever given. */
  reserveIds(nextId: number): void {
    this.#nextId = Math.max(this.#nextId, nextId)
  }

  /** Whether the alarm is still pending. */
  has(id: number): boolean {
    return this.#pending.has(id)
  }

  get(id: number): Alarm | undefined {
    return this.#pending.get(id)
  }

  nextDueTimestamp(): number | undefined {
    const due = this.#top()?.dueTimestamp
    return due === undefined || due >= this.horizon ? undefined : due
  }

  /** Whether so many are due, and wait still. */
  isOverdue(now: number, count: number): boolean {
    const { data } = this.#heap
    let found = 0
    const places = [0]
    for (let place = places.pop(); place !== undefined && found < count; place = places.pop()) {
      const alarm = data[place]
      if (alarm === undefined || alarm.dueTimestamp > now) continue
      if (this.#pending.has(alarm.id)) found += 1
      places.push(2 * place + 1, 2 * place + 2)
    }
    return found === count
  }

  /** Alarms that are due at `now`, in order; they stay until a change clears them. */
  due(now: number, maxCount: number): readonly Alarm[] {
    const found: Alarm[] = []
    if (this.#top() === undefined) return found
    // The heap is walked from its top, the earliest place first, and stays as it is.
    const { data } = this.#heap
    const places = new TinyQueue<number>([0], (a, b) => byDue(data[a]!, data[b]!))
    for (let place = places.pop(); place !== undefined && found.length < maxCount; place = places.pop()) {
      const alarm = data[place]!
      if (alarm.dueTimestamp > now || alarm.dueTimestamp >= this.horizon) break
      for (const child of [2 * place + 1, 2 * place + 2]) if (child < data.length) places.push(child)
      const pending = this.#pending.get(alarm.id)
      if (pending !== undefined) found.push(pending)
    }
    return found
  }

  /** How many alarms of a group wait, but for those of messages that it has received. */
  pendingCount(groupUid: number): number {
    return this.#counts.waiting(groupUid)
  }

  /** How many messages a group has received and not acknowledged. */
  invisibleCount(groupUid: number): number {
    return this.#counts.invisible(groupUid)
  }

  *pending(groupUid: number): Iterable<Alarm> {
    for (const alarm of this.#pending.values()) if (alarm.groupUid === groupUid) yield alarm
  }

  /** What a FIFO group has received of a queue, by offset. */
  orderly(groupUid: number, queueUid: number): ReadonlyMap<number, Alarm> {
    return this.#orderly.of(groupUid, queueUid)
  }

  /** How often messages of a queue failed that stay in their place for a group, by offset. */
  attempts(groupUid: number, queueUid: number): ReadonlyMap<number, Alarm> {
    return this.#attempts.of(groupUid, queueUid)
  }

  values(): Iterable<Alarm> {
    return this.#pending.values()
  }

  /** Adds an alarm, or replaces the one with its number, whose due time must be the same. */
  set(alarm: Alarm): void {
    const before = this.#pending.get(alarm.id)
    if (before !== undefined) this.#forget(before)
    else if (alarm.dueTimestamp !== NEVER) this.#heap.push(alarm)
    this.#pending.set(alarm.id, alarm)
    this.#counts.add(alarm)
    this.#byQueue(alarm)?.add(alarm)
    this.onChanged()
  }

  clear(id: number): void {
    const alarm = this.#pending.get(id)
    if (alarm === undefined) return
    this.#pending.delete(id)
    this.#forget(alarm)
    if (this.#heap.length > HEAP_SLACK + 2 * this.#pending.size) this.#rebuildHeap()
    this.onChanged()
  }

  #top(): Alarm | undefined {
    for (;;) {
      const top = this.#heap.peek()
      if (top === undefined || this.#pending.has(top.id)) return top
      this.#heap.pop()
    }
  }

  #rebuildHeap(): void {
    const timed = [...this.#pending.values()].filter(({ dueTimestamp }) => dueTimestamp !== NEVER)
    this.#heap = new TinyQueue(timed, byDue)
  }

  #forget(alarm: Alarm): void {
    this.#counts.remove(alarm)
    this.#byQueue(alarm)?.remove(alarm)
  }

  #byQueue({ kind }: Alarm): AlarmsByQueue | undefined {
    if (kind === 'pop-orderly') return this.#orderly
    return kind === 'attempts' ? this.#attempts : undefined
  }
}

function byDue(a: Alarm, b: Alarm): number {
  return a.dueTimestamp - b.dueTimestamp || a.id - b.id
}
