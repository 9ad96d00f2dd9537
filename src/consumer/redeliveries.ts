/** Messages that failed and stay where they are: set aside now, delivered again after a while, by one timer for all. */
import type { Clock, Timer } from '../model/clock.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import type { ProcessQueue } from './process-queue.ts'

/** How long a message rests until it is delivered again (RocketMQ `submitConsumeRequestLater`). */
export const REDELIVERY_DELAY_MS = 5000

/** A message that waits to be delivered again. */
export interface Redelivery {
  readonly queue: ProcessQueue
  readonly sequence: number
  /** Monotonic time. */
  readonly dueMs: number
}

export class Redeliveries {
  readonly #clock: Clock
  readonly #redeliver: (due: readonly Redelivery[]) => void
  /** In the order of their due times. */
  readonly #resting: Redelivery[] = []
  #timer: Timer | undefined

  constructor(clock: Clock, redeliver: (due: readonly Redelivery[]) => void) {
    this.#clock = clock
    this.#redeliver = redeliver
  }

  /** Sets a running message aside, since now or an earlier time. Of a queue that is on its way out it is left to others. */
  add(queue: ProcessQueue, sequence: number, sinceMs = this.#clock.monotonicMs()): void {
    queue.setAside()
    if (queue.isDropped) return
    const dueMs = sinceMs + REDELIVERY_DELAY_MS
    const index = this.#resting.findLastIndex((resting) => resting.dueMs <= dueMs) + 1
    this.#resting.splice(index, 0, { queue, sequence, dueMs })
    if (index === 0) this.#setTimer()
  }

  /** When a message that rests is delivered again, in monotonic time. */
  dueMs(messageQueue: MessageQueue, offset: number): number | undefined {
    const key = queueKey(messageQueue)
    const found = this.#resting.find(
      ({ queue, sequence }) => queue.key === key && queue.messageAt(sequence)?.queueOffset === offset,
    )
    return found?.dueMs
  }

  /** Nothing is delivered again after this. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#resting.length = 0
  }

  readonly #onTimer = (): void => {
    const nowMs = this.#clock.monotonicMs()
    const dueCount = this.#resting.findIndex(({ dueMs }) => dueMs > nowMs)
    const due = this.#resting.splice(0, dueCount === -1 ? this.#resting.length : dueCount)
    this.#setTimer()
    this.#redeliver(due)
  }

  /** For the first one. */
  #setTimer(): void {
    this.#timer?.cancel()
    const [next] = this.#resting
    this.#timer =
      next && this.#clock.setTimer(Math.max(0, next.dueMs - this.#clock.monotonicMs()), this.#onTimer)
  }
}
