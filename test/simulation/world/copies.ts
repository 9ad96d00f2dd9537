/** Views of messages as values that stay what they are, and bodies that say which message they belong to. */
import type { MessageView } from '../../../src/model/message.ts'
import type { MessageQueue } from '../../../src/model/message-queue.ts'
import type { Copy, QueueName } from '../events.ts'

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

export function labelOf(offsetMessageId: string): string {
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
  }
}
