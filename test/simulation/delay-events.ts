/** Events of messages that come later: sent with a delay, and taken back, moved or delivered now before their time. */
import type { Copy, Refusal } from './events.ts'

/** What a message was delayed by: a level, or a time in milliseconds since 1970. */
export type SendDelay =
  | { readonly delayTimeLevel: number; readonly deliveryTimestamp?: undefined }
  | { readonly deliveryTimestamp: number; readonly delayTimeLevel?: undefined }

/** What the receipt of a message says that does not lie in its queue yet. */
export interface Wait {
  readonly deliveryTimestamp: number
  /** Absent where a level was given. */
  readonly recallHandle: string | undefined
}

/** Somebody decides about a message before its time. */
export interface Decision {
  readonly id: number
  readonly how: 'recall' | 'move' | 'fire'
  /** The message that the handle was given for. */
  readonly number: number
  /** As it is told to the store. */
  readonly topic: string
  readonly handle: string
  /** Topic and handle do not belong together, or nobody gave the handle. */
  readonly isForeign: boolean
  /** Of a move. */
  readonly deliveryTimestamp?: number
}

/** A message that a look at the store found to be waiting. */
export interface FoundWaiting {
  readonly copy: Copy
  readonly deliveryTimestamp: number
  readonly recallHandle: string
}

export type DelayEvent =
  | { readonly type: 'deciding'; readonly decision: Decision }
  | {
      readonly type: 'decided'
      readonly decision: Decision
      /** Of the message, as the answer says; of a move there is none. */
      readonly messageId: string | undefined
      /** The new one of a move. */
      readonly handle: string | undefined
    }
  | { readonly type: 'decision-refused'; readonly decision: Decision; readonly refusal: Refusal }
