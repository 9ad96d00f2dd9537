/** What a push consumer does right now, for whoever asks why a message does not arrive. Looking changes nothing. */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import type { ProcessQueueLimits } from './process-queue.ts'

/**
 * How far a member has got with an offset of a queue. `unfetched`: no pull has come to it. `waiting`: fetched. `started`: given
 * to the listener, and neither consumed nor stored as a failure. `passed`: behind it, whether consumed, filtered or skipped.
 */
export type FetchState = 'unfetched' | 'waiting' | 'started' | 'passed'

/** A queue as the member that pulls from it sees it. */
export interface QueueInspection {
  /** Where the next pull goes on; `undefined` as long as the start is being looked up. */
  readonly nextOffset: number | undefined
  /** The lowest unfinished offset: what the member would commit. */
  readonly committableOffset: number | undefined
  /** What is fetched and not finished: messages, bytes, and from the first such message to the last one fetched. */
  readonly unfinishedCount: number
  readonly unfinishedBytes: number
  readonly span: number
  readonly limits: ProcessQueueLimits
  /** After a failed pull: the failure, and when the next one follows, in monotonic milliseconds. */
  readonly failure: { readonly text: string; readonly retryMs: number } | undefined
  stateOf(offset: number): FetchState
}

/** A member, and what it has to do with one queue. */
export interface ConsumerInspection {
  readonly isPaused: boolean
  /** Calls of the listener that have not settled, and how many may run. */
  readonly runningCount: number
  readonly concurrency: number
  readonly maxReconsumeTimes: number
  /** Whose order it keeps: a message that is not done holds back what lies behind it there. */
  readonly orderOf: 'queue' | 'message group' | undefined
  readonly allocateStrategy: AllocateStrategy
  /** `undefined` when the member has nothing to do with the queue. */
  readonly queue: QueueInspection | undefined
  /** The queue was taken away, and is handed over as soon as running listeners have settled. */
  readonly isLeaving: boolean
  /** Until when the rate limit lets no call start, in monotonic milliseconds; `undefined` when it holds nothing back. */
  readonly heldUntilMs: number | undefined
  /**
   * When a message that failed and stays where it is is delivered again, in monotonic milliseconds: where order or
   * broadcasting demands it, or its failure could not be stored. `undefined` for every other message.
   */
  redeliveryMs(offset: number): number | undefined
  /** The offset that a fetched message waits for, since the order of its queue or of its message group demands it. */
  blockerOf(offset: number): number | undefined
}
