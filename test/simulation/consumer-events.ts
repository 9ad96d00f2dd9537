/** Events of those who receive and acknowledge single messages, who poll, and who keep the order of their queues. */
import type { Copy, QueueName, Refusal } from './events.ts'

/** One delivery of one message, as the engine hands it out. */
export interface PoppedCopy {
  readonly copy: Copy
  readonly handle: string
  /** 1 is the first. */
  readonly attempt: number
  readonly visibleTimestamp: number
}

/** What is asked of deliveries. */
export interface SettleCall {
  readonly id: number
  readonly group: string
  readonly how: 'ack' | 'change' | 'nack'
  /** More than one for an acknowledgement of many. */
  readonly handles: readonly string[]
  /** Of a change. */
  readonly invisibleMs: number
}

/** A commit of a lite pull consumer that its application asked for. */
export interface ManualCommit {
  readonly id: number
  readonly group: string
  readonly member: string
  /** `undefined`: all that was handed out. */
  readonly offset: { readonly queue: QueueName; readonly offset: number } | undefined
}

/** Where a lite pull consumer is sent to. */
export interface SeekCall {
  readonly id: number
  readonly group: string
  readonly member: string
  readonly queue: QueueName
  readonly to: 'begin' | 'end' | 'timestamp' | 'offset'
  /** The offset, or the time. */
  readonly at: number
}

/** How often a message failed that stays in its place; 0 when it is done, and something before it is not. */
export interface AttemptsCall {
  readonly id: number
  readonly group: string
  /** The broadcasting member that keeps it for itself. */
  readonly member?: string | undefined
  readonly queue: QueueName
  readonly offset: number
  readonly reconsumeTimes: number
}

export type ConsumerEvent =
  /** An application got messages by a receive or a poll. */
  | {
      readonly type: 'handed'
      readonly group: string
      readonly member: string
      readonly copies: readonly Copy[]
    }
  // ---- simple consumers, as the engine sees them ----
  | { readonly type: 'popping'; readonly id: number; readonly group: string; readonly invisibleMs: number }
  | {
      readonly type: 'popped'
      readonly id: number
      readonly group: string
      readonly popped: readonly PoppedCopy[]
    }
  | { readonly type: 'pop-failed'; readonly id: number; readonly group: string; readonly refusal: Refusal }
  | { readonly type: 'settling'; readonly settle: SettleCall }
  | {
      readonly type: 'settled'
      readonly settle: SettleCall
      /** Handles that were refused. */
      readonly refused: readonly string[]
      /** What a change or a nack answered. */
      readonly receipt: { readonly handle: string; readonly visibleTimestamp: number } | undefined
    }
  | { readonly type: 'settle-failed'; readonly settle: SettleCall; readonly refusal: Refusal }
  // ---- lite pull consumers, as their applications see them ----
  /** What was handed out before counts as consumed. */
  | { readonly type: 'came-back'; readonly group: string; readonly member: string }
  | { readonly type: 'manual-committing'; readonly commit: ManualCommit }
  | { readonly type: 'manual-committed'; readonly commit: ManualCommit }
  | { readonly type: 'manual-commit-failed'; readonly commit: ManualCommit }
  | { readonly type: 'seeking'; readonly seek: SeekCall }
  /** With the position that the consumer says it has now. */
  | { readonly type: 'sought'; readonly seek: SeekCall; readonly offset: number }
  | { readonly type: 'seek-failed'; readonly seek: SeekCall }
  // ---- attempts of orderly groups, as the engine sees them ----
  | { readonly type: 'counting-attempts'; readonly attempts: AttemptsCall }
  | { readonly type: 'counted-attempts'; readonly attempts: AttemptsCall }
  | { readonly type: 'count-failed'; readonly attempts: AttemptsCall; readonly refusal: Refusal }
  // ---- broadcasting ----
  /** A member gave a message up. */
  | {
      readonly type: 'dropped'
      readonly group: string
      readonly member: string
      readonly queue: QueueName
      readonly offset: number
      readonly reconsumeTimes: number
    }
