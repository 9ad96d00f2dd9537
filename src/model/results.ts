/** What the verbs of an engine return. */

import type { MessageView } from './message.ts'
import type { MessageQueue } from './message-queue.ts'

/** How safely a message is stored (RocketMQ `SendStatus`); every status means that it is stored. */
export type SendStatus = 'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

/** When a send is acknowledged (RocketMQ `FlushDiskType`); `MEMORY` says that nothing reaches a disk. */
export type Durability = 'ASYNC_FLUSH' | 'SYNC_FLUSH' | 'MEMORY'

/** The proof that a message, or a batch of them, is stored (RocketMQ `SendResult`). */
export interface SendReceipt {
  readonly status: SendStatus
  /** What the status rests on: the page cache, the disk, or memory. */
  readonly durability: Durability
  /** The id of the message; of a batch, of its first message. */
  readonly messageId: string
  /** The address of the stored record; of a batch, of its first message. */
  readonly offsetMessageId: string
  /** The ids of all messages, in order. */
  readonly messageIds: readonly string[]
  /** The queue that it was stored in. */
  readonly queue: MessageQueue
  /** The offset in the queue; of a batch, of its first message. */
  readonly queueOffset: number
  /** How many messages were stored. */
  readonly messageCount: number
  /** When it was stored, in milliseconds since 1970; never smaller than that of an earlier message of the store. */
  readonly storeTimestamp: number
  /** True when this send was the repetition of an earlier one: nothing was stored, and the receipt is that of the first. */
  readonly isDuplicate?: boolean
  /** Of a delayed message: when it is delivered, in milliseconds since 1970. */
  readonly deliveryTimestamp?: number
  /** Of a message that was sent with a `deliveryTimestamp`: takes it back (`producer.recall`). */
  readonly recallHandle?: string | undefined
}

/**
 * The proof that a delayed message is stored: it has no place in its queue before it is delivered.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const producer = await mq.createProducer({ group: 'shop' })
 * const reminder = { topic: 'reminders', body: 'o-42', deliveryTimestamp: Date.now() + 90_000 }
 * const { recallHandle } = await producer.send(reminder)
 * await producer.recall('reminders', recallHandle) // it is not needed any more
 * ```
 */
export interface DelayedReceipt extends SendReceipt {
  /** -1: it has no offset yet; `offsetMessageId` is empty likewise. */
  readonly queueOffset: -1
  /** When it is delivered, in milliseconds since 1970. */
  readonly deliveryTimestamp: number
  /** Takes it back (`producer.recall`). Absent when it was sent with a level: RocketMQ cannot take such a message back. */
  readonly recallHandle?: string | undefined
}

/** A message that waits for its time. */
export interface DelayedMessage {
  readonly message: MessageView
  /** When it is delivered, in milliseconds since 1970. */
  readonly deliveryTimestamp: number
  /** Names it to `recall`, `rescheduleMessage` and `deliverMessageNow`. */
  readonly recallHandle: string
}

/** The outcome of a pull (RocketMQ `PullStatus`). */
export type PullStatus = 'FOUND' | 'NO_NEW_MSG' | 'NO_MATCHED_MSG' | 'OFFSET_ILLEGAL'

/** What a pull found (RocketMQ `PullResult`). */
export interface PullResult<Received extends MessageView = MessageView> {
  readonly status: PullStatus
  readonly messages: readonly Received[]
  /** Where the next pull goes on; behind what was scanned, also when a filter let nothing pass. */
  readonly nextBeginOffset: number
  readonly minOffset: number
  /** The offset that the next message of the queue will get. */
  readonly maxOffset: number
}

/** What became of a message that a group failed to consume. */
export type SendBackResult =
  | { readonly outcome: 'retry'; readonly reconsumeTimes: number; readonly dueTimestamp: number }
  | { readonly outcome: 'dead-letter'; readonly reconsumeTimes: number }

/** Queues of a topic on one broker (RocketMQ `QueueData`). */
export interface QueueData {
  readonly brokerName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly permission: number
}

/** Where the queues of a topic are (RocketMQ `TopicRouteData`). */
export interface TopicRoute {
  readonly topic: string
  readonly queues: readonly QueueData[]
  /** Queues that take messages, in RocketMQ's order. */
  readonly writeQueues: readonly MessageQueue[]
  /** Queues that give messages, in RocketMQ's order. */
  readonly readQueues: readonly MessageQueue[]
  /**
   * Of an order topic: the queues that message groups and selectors choose from, the same ones whether or not they take
   * messages now; those that do are the very objects of `writeQueues` (RocketMQ `orderTopicConf`).
   */
  readonly orderQueues?: readonly MessageQueue[] | undefined
  /** Whether it is a priority topic: of its queues the last one is the most urgent. Left out: not one. */
  readonly priority?: boolean | undefined
}

/** One queue of a group's progress (RocketMQ `consumerProgress`). */
export interface QueueProgress {
  readonly queue: MessageQueue
  /** The broadcasting member whose progress it is; absent for that of a group that shares its queues. */
  readonly clientId?: string | undefined
  /** The offset that the next message will get. */
  readonly brokerOffset: number
  /** The next offset to consume; 0 when the group has none stored. */
  readonly consumerOffset: number
  /** How many messages lie between and are still there; what retention removed does not count. */
  readonly lag: number
  /** When the last consumed message was stored; `undefined` when there is none. */
  readonly lastTimestamp: number | undefined
}

/**
 * The progress of a group over all its topics. Each broadcasting member has its own, also while it is away, if it named
 * itself; `admin.forgetConsumer` forgets one that will not come back.
 */
export interface ConsumerProgress {
  readonly group: string
  readonly queues: readonly QueueProgress[]
  readonly lag: number
  /** Retries that wait for their time. */
  readonly pendingRetryCount: number
  /**
   * Messages that simple consumers have received and not acknowledged, and whose time is not over. They are behind the
   * offsets, so they do not lag; those of a FIFO group do.
   */
  readonly invisibleCount: number
}

/** Offsets and time of one queue (RocketMQ `topicStatus`). */
export interface QueueStatus {
  readonly queue: MessageQueue
  readonly minOffset: number
  readonly maxOffset: number
  /** When its last message was stored, in milliseconds since 1970; `undefined` when it never had one. */
  readonly lastStoreTimestamp: number | undefined
}
