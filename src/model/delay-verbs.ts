/** The part of an engine that delays messages (semantics section 10). */
import type { Delay } from './delay.ts'
import type { Engine, SendRequest } from './engine.ts'
import { MQError } from './errors.ts'
import type { OutgoingMessage } from './outgoing-message.ts'
import type { DelayedMessage, SendReceipt } from './results.ts'

/** Messages that appear later (semantics section 10). */
export interface DelayVerbs {
  /** Throws `MESSAGE_ILLEGAL` for a delay that `sendDelayedMessage` would refuse now: a level or a time that is too high. */
  checkDelay(delay: Delay): void
  /** Keeps one message until its time; one whose time is over is stored like any other. */
  sendDelayedMessage(request: DelayedSendRequest, delay: Delay): Promise<SendReceipt>
  /**
   * Takes a message back that was not delivered yet; answers its id. Rejects with `ILLEGAL_OPERATION` when it was delivered,
   * recalled or moved, and for what is no handle of this topic.
   */
  recallMessage(topic: string, recallHandle: string): Promise<string>
  /** What waits for its time, earliest first. */
  queryDelayedMessages(query: DelayedQuery): Promise<readonly DelayedMessage[]>
  /**
   * Gives a waiting message another time; one that is over delivers it at once. Answers its new handle, the old one is void.
   * Rejects as `recallMessage` does.
   */
  rescheduleMessage(topic: string, recallHandle: string, deliveryTimestamp: number): Promise<string>
  /** Delivers a waiting message before its time; answers its id. Rejects as `recallMessage` does. */
  deliverMessageNow(topic: string, recallHandle: string): Promise<string>
}

/** A send of one message. */
export type DelayedSendRequest = SendRequest & { readonly messages: OutgoingMessage }

export interface DelayedQuery {
  readonly topic: string
  /** Due at or after, in milliseconds since 1970. */
  readonly begin: number
  /** Due at or before. */
  readonly end: number
  readonly maxCount: number
  /** Only these messages, however many others there are. Default: all. */
  readonly messageIds?: ReadonlySet<string> | undefined
}

/** What an engine delays messages by; throws `UNSUPPORTED` where it does not. */
export function delayVerbsOf({ delay }: Engine): DelayVerbs {
  if (delay === undefined) throw new MQError('UNSUPPORTED', 'This engine does not delay messages.')
  return delay
}
