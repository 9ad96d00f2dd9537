/**
 * What is told of a message on its way, to whoever listens (RocketMQ `TraceContext`, semantics section 12.2). The shapes are those of the
 * events on `node:diagnostics_channel`; docs/tracing.md says on which channel each comes.
 *
 * The parts that send and deliver ask first whether anybody listens, and make none of this as long as nobody does.
 */
import type { MessageView } from './message.ts'
import type { MessageQueue } from './message-queue.ts'
import type { SendReceipt } from './results.ts'

/** What kind of message is sent (RocketMQ 5 `MessageType`). */
export type TracedMessageType = 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION'

/** A client of an instance. */
export interface TracedClient {
  readonly group: string
  readonly clientId: string
}

/** A message on its way to the store. */
export interface TracedMessage {
  /** The id that it is stored under. */
  readonly messageId: string
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly messageGroup: string | undefined
  /** User properties, and those that requests and transactions add. */
  readonly properties: Readonly<Record<string, string>>
  readonly bodyBytes: number
}

/** One attempt to store a message or a batch: `pocketmq:send`. */
export interface SendTrace extends TracedClient {
  readonly type: TracedMessageType
  /** The queue that was chosen. A repeated send finds its message where the first one was stored: `result.queue`. */
  readonly queue: MessageQueue
  /** One message, or those of a batch. */
  readonly messages: readonly TracedMessage[]
  /** When it began, in milliseconds since 1970. */
  readonly timestamp: number
  /** Set when it has ended: how long it took, in milliseconds. */
  durationMs?: number
  /** Set when it is stored; with `isDuplicate` it was before. */
  result?: SendReceipt
  /** Set when it failed. */
  error?: unknown
  /**
   * Adds a property to every message that has none of this name: context that travels with it, such as `traceparent`. Only while `start` is
   * told; what is reserved, illegal or too large is left out, since whoever watches must not make a send fail.
   */
  setProperty(name: string, value: string): void
}

/** One call of a listener: `pocketmq:deliver`. */
export interface DeliveryTrace extends TracedClient {
  /** The queue that the messages lie in; for retries, a queue of the retry topic. */
  readonly queue: MessageQueue
  /** What the listener gets: one message, or those of a batch. */
  readonly messages: readonly MessageView[]
  /** When it began, in milliseconds since 1970. */
  readonly timestamp: number
  /** Set when it has ended; what the words mean is said at `ConsumeHookOutcome`. */
  status?: 'SUCCESS' | 'FAILED' | 'EXCEPTION' | 'TIME_OUT'
  /** Set when it has ended: how long it took, in milliseconds. */
  durationMs?: number
  /** Set when it failed: why, in words. */
  error?: string
}

/** Messages that an application asked for and got: `pocketmq:receive`. */
export interface ReceiveTrace extends TracedClient {
  readonly messages: readonly MessageView[]
  readonly timestamp: number
}

/** What an application says of a message that it received from a simple consumer: `pocketmq:settle`. */
export interface SettleTrace extends TracedClient {
  readonly messages: readonly MessageView[]
  readonly timestamp: number
  /** `ACK`: it is consumed. `NACK`: it is not, and comes again. */
  readonly settlement: 'ACK' | 'NACK'
  /** Of a `NACK`: why, in words, if the application said so. */
  readonly reason?: string | undefined
}

/** A transaction ended as its producer said: `pocketmq:end-transaction`. */
export interface EndTransactionTrace extends TracedClient {
  readonly messageId: string
  readonly resolution: 'COMMIT' | 'ROLLBACK'
  /** Whether the producer was asked (RocketMQ `fromTransactionCheck`). What it answers may still come too late. */
  readonly isFromCheck: boolean
  readonly timestamp: number
}

/** A delayed message was taken back: `pocketmq:recall`. */
export interface RecallTrace extends TracedClient {
  readonly topic: string
  readonly messageId: string
  readonly timestamp: number
}

/** Where producers and consumers tell what they do. */
export interface Tracing {
  /** Whether anybody wants to know of sends, recalls and ends of transactions. */
  readonly watchesSends: boolean
  /** Whether anybody wants to know of calls of listeners. */
  readonly watchesDeliveries: boolean
  /** Whether anybody wants to know what applications receive and settle. */
  readonly watchesReceipts: boolean
  /** A send is prepared that happens later, perhaps in another process: whoever traces may let the context of its sender travel with it. */
  carry(setProperty: SendTrace['setProperty']): void
  /** Stands around a send. */
  send<T extends SendReceipt>(trace: SendTrace, send: () => Promise<T>): Promise<T>
  transactionEnded(trace: EndTransactionTrace): void
  recalled(trace: RecallTrace): void
  /** Stands around the call of a listener. */
  deliver<T>(trace: DeliveryTrace, call: () => T): T
  /** That call has ended, or its answer no longer counts. */
  delivered(trace: DeliveryTrace): void
  received(trace: ReceiveTrace): void
  settled(trace: SettleTrace): void
}
