/** What is delivered one after another: the messages of a queue, or those of one message group in it. */
import type { ProcessQueue } from './process-queue.ts'
import type { Suspension } from './suspension.ts'

/** A lane with something to do. It outlives resets of the offset of its queue. */
export interface Lane {
  /** What is fetched now; after a reset that is another one than what a listener may still be busy with. */
  queue: ProcessQueue
  /** Whether a listener runs, or its failure is being dealt with. */
  isBusy: boolean
  /** Whether it is in line to be started. */
  isReady: boolean
  suspension: Suspension | undefined
  /** Messages that may be started. */
  readonly waitingCount: number
  /** What it is, as the beginning of a sentence. */
  readonly title: string
  /** Starts the next messages; answers their sequence numbers, none when the queue is on its way out. */
  take(maxCount: number): readonly number[]
  /** Messages that were started are not started after all: they are next again. */
  putBack(queue: ProcessQueue, sequences: readonly number[]): void
}

/** Messages of a lane that a listener is called for together. */
export interface LaneTurn {
  readonly lane: Lane
  readonly sequences: readonly number[]
}
