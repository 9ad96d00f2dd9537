/** Views of messages as values that stay what they are, and bodies that say which message they belong to. */
import type { MessageView } from '../../../src/model/message.ts'
import type { MessageQueue } from '../../../src/model/message-queue.ts'
import type { SendReceipt } from '../../../src/model/results.ts'
import type { Copy, QueueName, Receipt } from '../events.ts'

/** Hex digits of an offset message id that name the queue. */
const LABEL_LENGTH = 16

/** The body of a message: its number, and text that only this message has. */
export function bodyOf(number: number, bytes: number): string {
  const word = ((number * 2654435761) >>> 0).toString(36)
  return `${number}:${word.repeat(Math.ceil(bytes / word.length)).slice(0, bytes)}`
}

function numberOf(body: string): number {
  const number = Number.parseInt(body, 10)
  return Number.isSafeInteger(number) ? number : -1
}

function labelOf(offsetMessageId: string): string {
  return offsetMessageId.slice(0, LABEL_LENGTH)
}

export function queueNameOf({ topic, queueId }: MessageQueue): QueueName {
  return { topic, queueId }
}

export function copyOf(view: MessageView): Copy {
  const body = view.text()
  return {
    queue: queueNameOf(view.queue),
    label: labelOf(view.offsetMessageId),
    offset: view.queueOffset,
    number: numberOf(body),
    messageId: view.messageId,
    topic: view.topic,
    tag: view.tag,
    keys: view.keys,
    messageGroup: view.messageGroup,
    properties: view.properties,
    body,
    bornTimestamp: view.bornTimestamp,
    storeTimestamp: view.storeTimestamp,
    reconsumeTimes: view.reconsumeTimes,
    deliveryAttempt: view.deliveryAttempt,
    storeSize: view.storeSize,
    ...delayOf(view),
  }
}

function delayOf({ delayTimeLevel, deliveryTimestamp }: MessageView): Pick<Copy, 'delay'> {
  if (delayTimeLevel !== undefined) return { delay: { delayTimeLevel } }
  return deliveryTimestamp === undefined ? {} : { delay: { deliveryTimestamp } }
}

export function receiptOf(receipt: SendReceipt): Receipt {
  const { status, queue, offsetMessageId, queueOffset, messageCount, messageIds, storeTimestamp } = receipt
  const { deliveryTimestamp, recallHandle, isDuplicate } = receipt
  return {
    status,
    queue: queueNameOf(queue),
    label: labelOf(offsetMessageId),
    offset: queueOffset,
    count: messageCount,
    messageIds,
    storeTimestamp,
    ...(deliveryTimestamp !== undefined && { wait: { deliveryTimestamp, recallHandle } }),
    ...(isDuplicate !== undefined && { isDuplicate }),
  }
}
