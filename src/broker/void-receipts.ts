/** Remembers handles that became void before their time was over, as long as that would have lasted. */
import type { Clock } from '../model/clock.ts'
import type { Receipt } from './receipt-handle.ts'

type Delivery = Pick<Receipt, 'alarmId' | 'queueOffset' | 'dueTimestamp'>

/** Below this many it is not worth looking which ones are over. */
const SWEEP_MIN_COUNT = 1024

export class VoidReceipts {
  readonly #clock: Clock
  /** Due timestamps. */
  readonly #due = new Map<string, number>()
  #sweepCount = SWEEP_MIN_COUNT

  constructor(clock: Clock) {
    this.#clock = clock
  }

  has(delivery: Delivery): boolean {
    return this.#due.size > 0 && this.#due.has(keyOf(delivery))
  }

  add(delivery: Delivery): void {
    this.#due.set(keyOf(delivery), delivery.dueTimestamp)
    if (this.#due.size >= this.#sweepCount) this.#sweep()
  }

  /** It is valid again. */
  delete(delivery: Delivery): void {
    this.#due.delete(keyOf(delivery))
  }

  /** Each sweep goes through at most twice as many as were added since the last one. */
  #sweep(): void {
    const now = this.#clock.now()
    for (const [key, dueTimestamp] of this.#due) if (dueTimestamp <= now) this.#due.delete(key)
    this.#sweepCount = Math.max(SWEEP_MIN_COUNT, 2 * this.#due.size)
  }
}

function keyOf({ alarmId, queueOffset }: Delivery): string {
  return `${alarmId}.${queueOffset}`
}
