/** A message as an application writes it and as it reads it back. */
import type { MessageQueue } from './message-queue.ts'
import type { Reply, ReplyReceipt } from './reply.ts'
import type { BodyFor, Destination } from './typed-message.ts'

/**
 * A message to send.
 *
 * The body is copied when `send` is called, so a buffer may be used again at once.
 */
export interface Message<To extends Destination = string> {
  /** Where to: 1 to 127 letters, digits, `%`, `|`, `_` or `-`; or what `defineTopic` answered. */
  readonly topic: To
  /** The content: at least one byte; a string is stored as UTF-8. For a typed topic: the value, which is stored as JSON. */
  readonly body: BodyFor<To>
  /** The one tag of the message, for filtering. No `|`, no white space around it. */
  readonly tag?: string | undefined
  /** Business keys to find the message by; no white space within a key. */
  readonly keys?: string | readonly string[] | undefined
  /** User properties; RocketMQ's own names (`KEYS`, `TAGS`, `DELAY`, ...) are reserved. */
  readonly properties?: Readonly<Record<string, string>> | undefined
  /**
   * What this message belongs to, such as an order: messages of one group go to one queue, in the order in which they are
   * sent, as long as the topic has the same number of queues. Not blank, up to 63 bytes of UTF-8, no control characters
   * (RocketMQ 5 `messageGroup`).
   */
  readonly messageGroup?: string | undefined
  /**
   * Delivers it after the delay of this level: 1 to 18 by default, 1 s to 2 h (`messageDelayLevel`). 0 delivers it at once. Not
   * together with `deliveryTimestamp`, `messageGroup`, a batch or a transaction (RocketMQ `Message#setDelayTimeLevel`).
   */
  readonly delayTimeLevel?: number | undefined
  /**
   * Delivers it at this time, in milliseconds since 1970: never earlier, and at most `timerMaxDelayMs` ahead. A time that is
   * over delivers it at once. Not together with `delayTimeLevel`, `messageGroup`, a batch or a transaction (RocketMQ 5
   * `deliveryTimestamp`).
   */
  readonly deliveryTimestamp?: number | undefined
  /**
   * How urgent it is: 0 to 9, 9 most. In a priority topic it chooses the queue, and consumers begin with the most urgent; none counts
   * as 0 there. In any other topic it is kept and shown, and **changes no order**. Not together with `messageGroup`, a delay or a
   * transaction (RocketMQ 5 `priority`).
   */
  readonly priority?: number | undefined
}

/** A stored message as a consumer or a query sees it. Fields are decoded when they are first read. */
export interface MessageView {
  /** 34 hex characters, given by the sender; the same through all retries up to the dead letter. */
  readonly messageId: string
  /** 32 hex characters that address this stored copy. */
  readonly offsetMessageId: string
  /**
   * The topic that the message was sent to, also when it is delivered as a retry. Of a dead letter it is the dead-letter topic, as in
   * RocketMQ; there the property `RETRY_TOPIC` names the one that it was sent to.
   */
  readonly topic: string
  readonly tag: string | undefined
  readonly keys: readonly string[]
  /** What the sender says that it belongs to; the same through all retries up to the dead letter. */
  readonly messageGroup: string | undefined
  /** The level that it was delayed by, if it was. */
  readonly delayTimeLevel: number | undefined
  /** The time that it was to be delivered at, if it was sent with one or moved to one, in milliseconds since 1970. */
  readonly deliveryTimestamp: number | undefined
  /** How urgent its sender says that it is, 0 to 9; the same through all retries up to the dead letter. */
  readonly priority: number | undefined
  /** The content. It is a view of shared memory: copy it before changing it. */
  readonly body: Buffer
  /** User properties, and those that retries add (`RETRY_TOPIC`, `ORIGIN_MESSAGE_ID`, ...). */
  readonly properties: Readonly<Record<string, string>>
  /** The queue that this copy lies in; for a retry that is a queue of the retry topic. */
  readonly queue: MessageQueue
  readonly queueOffset: number
  /** When the sender made the message, in milliseconds since 1970. */
  readonly bornTimestamp: number
  /** When this copy was stored, in milliseconds since 1970. */
  readonly storeTimestamp: number
  /** How often the group failed to consume it so far: 0 at the first delivery. */
  readonly reconsumeTimes: number
  /** 1 at the first delivery, one more at each retry. */
  readonly deliveryAttempt: number
  /** Bytes of the stored record. */
  readonly storeSize: number
  /** Whether somebody waits, or waited, for a reply: it was sent by `producer.request`. */
  readonly isRequest: boolean
  /** The body as UTF-8 text. */
  text(): string
  /** The body parsed as JSON. */
  json<T = unknown>(): T
  /**
   * Replies to a request that a consumer was given, of whatever kind. The first reply counts; later ones, and those that come after the
   * requester's timeout, answer `DROPPED`.
   *
   * Rejects with `CREATE_REPLY_MESSAGE` for what is no request, or was looked up; `REQUESTER_NOT_ONLINE` when the producer that asked
   * is closed, or its process has ended; `MESSAGE_ILLEGAL` for what is wrong with the reply; and `CLOSED` (RocketMQ
   * `MessageUtil#createReplyMessage`).
   */
  reply(reply: string | Uint8Array | Reply): Promise<ReplyReceipt>
}
