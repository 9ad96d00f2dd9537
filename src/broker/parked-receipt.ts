/** The proof of a delayed send; texts are made when they are asked for, since most senders never do. */
import { inspect } from 'node:util'
import type { Delay } from '../model/delay.ts'
import { formatMessageId, type MessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { DelayedReceipt, Durability, SendStatus } from '../model/results.ts'
import type { ParkedAlarm } from '../store/parking.ts'
import type { QueueLog } from '../store/queue-log.ts'
import { recallHandleOf } from './recall-handle.ts'

/** What a receipt tells of the send itself. */
interface DelayedSend {
  readonly log: QueueLog
  readonly messageId: MessageId
  readonly storeTimestamp: number
  readonly delay: Delay
}

export class ParkedReceipt implements DelayedReceipt {
  readonly queueOffset: -1 = -1
  readonly offsetMessageId = ''
  readonly messageCount = 1
  readonly #parked: ParkedAlarm
  readonly #sent: DelayedSend

  constructor(parked: ParkedAlarm, sent: DelayedSend) {
    this.#parked = parked
    this.#sent = sent
  }

  get status(): SendStatus {
    return this.#parked.status
  }

  get durability(): Durability {
    return this.#parked.durability
  }

  get messageId(): string {
    return formatMessageId(this.#sent.messageId)
  }

  get messageIds(): readonly string[] {
    return [this.messageId]
  }

  get queue(): MessageQueue {
    return this.#sent.log.queue
  }

  get storeTimestamp(): number {
    return this.#sent.storeTimestamp
  }

  get deliveryTimestamp(): number {
    return this.#parked.alarm.dueTimestamp
  }

  get recallHandle(): string | undefined {
    const { delay, log } = this.#sent
    return 'deliveryTimestamp' in delay ? recallHandleOf(this.#parked.alarm, log, this.messageId) : undefined
  }

  /** What `console.log`, `JSON.stringify` and test runners show; most fields are getters. */
  toJSON(): DelayedReceipt {
    const { status, durability, messageId, offsetMessageId, messageIds, queue, queueOffset } = this
    const { messageCount, storeTimestamp, deliveryTimestamp, recallHandle } = this
    const ids = { messageId, offsetMessageId, messageIds }
    const times = { storeTimestamp, deliveryTimestamp }
    return { status, durability, ...ids, queue, queueOffset, messageCount, ...times, recallHandle }
  }

  [inspect.custom](): DelayedReceipt {
    return this.toJSON()
  }
}
