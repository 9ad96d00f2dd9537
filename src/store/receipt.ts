/** The proof of a stored send; texts are made when they are asked for, since most senders never do. */
import { formatMessageId, type MessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { formatOffsetMessageId } from '../model/offset-message-id.ts'
import type { Durability, SendReceipt, SendStatus } from '../model/results.ts'
import type { QueueLog } from './queue-log.ts'

export class StoredReceipt implements SendReceipt {
  readonly status: SendStatus
  readonly durability: Durability
  readonly queueOffset: number
  readonly storeTimestamp: number
  readonly #log: QueueLog
  readonly #ids: MessageId | readonly MessageId[]

  constructor(
    log: QueueLog,
    ids: MessageId | readonly MessageId[],
    queueOffset: number,
    storeTimestamp: number,
    status: SendStatus,
    durability: Durability,
  ) {
    this.#log = log
    this.#ids = ids
    this.queueOffset = queueOffset
    this.storeTimestamp = storeTimestamp
    this.status = status
    this.durability = durability
  }

  get queue(): MessageQueue {
    return this.#log.queue
  }

  get messageId(): string {
    return this.messageIds[0] ?? ''
  }

  get offsetMessageId(): string {
    return formatOffsetMessageId(this.#log.uid, this.queueOffset)
  }

  get messageIds(): readonly string[] {
    return isList(this.#ids) ? this.#ids.map(formatMessageId) : [formatMessageId(this.#ids)]
  }

  get messageCount(): number {
    return isList(this.#ids) ? this.#ids.length : 1
  }

  /** What `console.log`, `JSON.stringify` and test runners show; most fields are getters. */
  toJSON(): SendReceipt {
    const {
      status,
      durability,
      messageId,
      offsetMessageId,
      messageIds,
      queue,
      queueOffset,
      messageCount,
      storeTimestamp,
    } = this
    return {
      status,
      durability,
      messageId,
      offsetMessageId,
      messageIds,
      queue,
      queueOffset,
      messageCount,
      storeTimestamp,
    }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): SendReceipt {
    return this.toJSON()
  }
}

function isList(ids: MessageId | readonly MessageId[]): ids is readonly MessageId[] {
  return Array.isArray(ids)
}
