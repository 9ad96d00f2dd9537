/**
 * Ends waits at their time. Waits of equal length end in the order in which they began, so they share one lane and one
 * timer, whatever their number; adding and removing one costs no timer. Time is monotonic: a clock jump moves nothing.
 */
import type { Clock, Timer } from '../model/clock.ts'

interface Lane<Item> {
  /** Due times in the order of addition, which is ascending. */
  readonly dueMs: Map<Item, number>
  timer: Timer
}

export class Deadlines<Item> {
  readonly #clock: Clock
  readonly #onDue: (item: Item) => void

  readonly #lanes = new Map<number, Lane<Item>>()

  constructor(clock: Clock, onDue: (item: Item) => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  /** Starts a wait; an item that already waits this long starts anew. */
  add(item: Item, waitMs: number): void {
    const lane = this.#lanes.get(waitMs) ?? this.#openLane(waitMs)
    lane.dueMs.delete(item)
    lane.dueMs.set(item, this.#clock.monotonicMs() + waitMs)
  }

  /** When a wait ends, in monotonic time. */
  dueMs(item: Item, waitMs: number): number | undefined {
    return this.#lanes.get(waitMs)?.dueMs.get(item)
  }

  /** Ends a wait early. The lane's timer stays: it costs less to let it fire once than to move it each time. */
  delete(item: Item, waitMs: number): void {
    this.#lanes.get(waitMs)?.dueMs.delete(item)
  }

  /** Ends all waits without telling. */
  close(): void {
    for (const lane of this.#lanes.values()) lane.timer.cancel()
    this.#lanes.clear()
  }

  #openLane(waitMs: number): Lane<Item> {
    const lane = { dueMs: new Map<Item, number>(), timer: this.#timer(waitMs, waitMs) }
    this.#lanes.set(waitMs, lane)
    return lane
  }

  #timer(waitMs: number, delayMs: number): Timer {
    return this.#clock.setTimer(delayMs, () => this.#expire(waitMs))
  }

  #expire(waitMs: number): void {
    const lane = this.#lanes.get(waitMs)
    if (lane === undefined) return
    const nowMs = this.#clock.monotonicMs()
    for (const [item, dueMs] of lane.dueMs) {
      if (dueMs > nowMs) {
        lane.timer = this.#timer(waitMs, dueMs - nowMs)
        return
      }
      lane.dueMs.delete(item)
      this.#onDue(item)
    }
    this.#lanes.delete(waitMs)
  }
}
