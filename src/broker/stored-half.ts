/** The proof that the half of a transaction is stored. It has no place in its queue yet. */
import { inspect } from 'node:util'
import type { MessageQueue } from '../model/message-queue.ts'
import type { Durability, SendStatus } from '../model/results.ts'
import type { HalfReceipt } from '../model/transaction-verbs.ts'
import type { ParkedAlarm } from '../store/parking.ts'
import { NO_OFFSET } from '../store/stored-message.ts'

export class StoredHalf implements HalfReceipt {
  readonly messageId: string
  readonly queue: MessageQueue
  readonly storeTimestamp: number
  readonly queueOffset = NO_OFFSET
  readonly offsetMessageId = ''
  readonly messageCount = 1
  readonly #parked: ParkedAlarm

  constructor(messageId: string, parked: ParkedAlarm, queue: MessageQueue, storeTimestamp: number) {
    this.messageId = messageId
    this.#parked = parked
    this.queue = queue
    this.storeTimestamp = storeTimestamp
  }

  get status(): SendStatus {
    return this.#parked.status
  }

  get durability(): Durability {
    return this.#parked.durability
  }

  get transactionId(): string {
    return this.messageId
  }

  get messageIds(): readonly string[] {
    return [this.messageId]
  }

  /** What `console.log`, `JSON.stringify` and test runners show; some fields are getters. */
  toJSON(): HalfReceipt {
    const { status, durability, messageId, messageIds, transactionId } = this
    const { offsetMessageId, queue, queueOffset, messageCount, storeTimestamp } = this
    const ids = { messageId, offsetMessageId, messageIds, transactionId }
    return { status, durability, ...ids, queue, queueOffset, messageCount, storeTimestamp }
  }

  [inspect.custom](): HalfReceipt {
    return this.toJSON()
  }
}
