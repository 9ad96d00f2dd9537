/** The part of an engine that knows the life of a message (semantics section 12.2). */
import type { MessageView } from './message.ts'
import type { MessageQueue } from './message-queue.ts'
import type { OutgoingMessage } from './outgoing-message.ts'

/** Traces, and what a message waits for. */
export interface TraceVerbs {
  /** Stores what was traced in the trace topic, which it makes if there is none. Rejects as a send does. */
  storeTraces(message: OutgoingMessage): Promise<void>
  /**
   * What has not happened yet to a message, of which these copies are stored. With none the message itself may wait, and then all that
   * waits in the store is looked through.
   */
  queryPending(messageId: string, copies: readonly MessageView[]): Promise<readonly PendingMessage[]>
}

/** A message, or a retry of it, that waits. */
export type PendingMessage =
  /** It was sent with a delay and is in no queue yet. */
  | { readonly kind: 'delay'; readonly message: MessageView; readonly dueTimestamp: number }
  /** It is the half of a transaction. */
  | {
      readonly kind: 'transaction'
      readonly message: MessageView
      /** When its group is asked next. */
      readonly dueTimestamp: number
      readonly checkTimes: number
    }
  /** A group failed to consume the copy at this place. */
  | {
      readonly kind: 'retry'
      readonly group: string
      readonly queue: MessageQueue
      readonly queueOffset: number
      readonly reconsumeTimes: number
      readonly dueTimestamp: number
    }
