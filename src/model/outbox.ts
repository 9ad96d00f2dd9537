/** What producers need of an outbox: somebody who takes messages that are to be sent when a batch of the application is written. */
import type { ChainedBatch } from './chained-batch.ts'
import type { MessageQueue } from './message-queue.ts'
import type { OutgoingMessage } from './outgoing-message.ts'

/** A checked send that is to happen as soon as the batch is written that it lies in. */
export interface Intent {
  readonly producerGroup: string
  readonly clientId: string
  /** The queue, if the sender chose it. */
  readonly queue?: MessageQueue | undefined
  /** How long each attempt to send may wait for room, in milliseconds. */
  readonly timeoutMs: number
  readonly messages: OutgoingMessage | readonly OutgoingMessage[]
}

export interface IntentTaker {
  /** Puts it into the batch at once; throws `INVALID_PARAMETER` for a batch that cannot take it. */
  add(batch: ChainedBatch, intent: Intent): void
}

/** What `send` answers for a message that lies in a batch of the application: it is stored when the batch is written. */
export interface OutboxReceipt {
  /** The id that the message will be stored under; of an array, of its first message. */
  readonly messageId: string
  /** The ids of all messages, in order. */
  readonly messageIds: readonly string[]
  readonly messageCount: number
}
