/**
 * One call of the listener while it runs. Deliveries are used again and again: their handlers are made once, so that
 * a delivery costs no closure. One whose answer no longer counts is abandoned and never used again.
 */
import { DeliveryContext } from './consume-context.ts'
import type { WatchedCall } from './delivery-watch.ts'
import type { LaneTurn } from './lane.ts'
import type { ProcessQueue } from './process-queue.ts'

/** What becomes of the listener's answer. */
export interface DeliveryEnd {
  answered(delivery: Delivery, answer: unknown): void
  threw(delivery: Delivery, error: unknown): void
}

export class Delivery {
  /** The handlers of the listener's promise. */
  readonly onAnswer: (answer: unknown) => void
  readonly onError: (error: unknown) => void

  queue!: ProcessQueue
  context!: DeliveryContext
  /** Sequence number of the first message; the others follow, unless they are listed. */
  firstSequence = 0
  count = 0
  #sequences: readonly number[] | undefined
  /** Where order matters: whose turn it is. */
  turn: LaneTurn | undefined
  /** Monotonic time. */
  startedMs = 0
  /** Whether the answer still counts. */
  isRunning = false
  /** Whether the listener had its time; where order matters, its answer counts all the same. */
  isOverdue = false
  /** What was told before the call; absent where nobody wanted to know. */
  watched: WatchedCall | undefined

  constructor(end: DeliveryEnd) {
    this.onAnswer = (answer) => end.answered(this, answer)
    this.onError = (error) => end.threw(this, error)
  }

  start(
    queue: ProcessQueue,
    firstSequence: number,
    count: number,
    context: DeliveryContext,
    nowMs: number,
    turn?: LaneTurn,
  ): void {
    this.queue = queue
    this.firstSequence = firstSequence
    this.count = count
    this.context = context
    this.startedMs = nowMs
    this.turn = turn
    this.#sequences = turn?.sequences
    this.isRunning = true
    this.isOverdue = false
    this.watched = undefined
  }

  /** Goes on with some of its messages only; the listener is not called yet. */
  keep(sequences: readonly number[]): void {
    this.#sequences = sequences
    this.count = sequences.length
    if (sequences[0] === undefined) return
    this.firstSequence = sequences[0]
    this.context = new DeliveryContext(this.queue.queue, this.queue.messageAt(sequences[0]))
    if (this.turn !== undefined) this.turn = { lane: this.turn.lane, sequences }
  }

  /** Whether the listener has written that its messages are done. */
  get isCommitted(): boolean {
    return this.context.isCommitted
  }

  /** The sequence number of one of its messages, from 0 to `count - 1`. */
  sequenceAt(index: number): number {
    return this.#sequences?.[index] ?? this.firstSequence + index
  }
}
