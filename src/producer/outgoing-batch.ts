/** Turns what an application sends into what the engine takes, and checks it on the way (semantics section 2.8). */
import { copyOf } from '../model/body-bytes.ts'
import type { Clock } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import { BATCH_MAX_COUNT, MESSAGE_MAX_BYTES } from '../model/limits.ts'
import type { Message } from '../model/message.ts'
import type { MessageIdGenerator } from '../model/message-id.ts'
import { type OutgoingMessage, prepareMessage, readMessage } from '../model/outgoing-message.ts'
import { isRetryTopic } from '../model/topic.ts'
import type { Destination } from '../model/typed-message.ts'

/** Whether an application sends several messages together. */
export function isBatch<To extends Destination>(
  message: Message<To> | readonly Message<To>[],
): message is readonly Message<To>[] {
  return Array.isArray(message)
}

/** Reads each message once, so that all who look at it see the same; throws `MESSAGE_ILLEGAL` as `readMessage` does, and for too many. */
export function readMessages<To extends Destination>(
  message: Message<To> | readonly Message<To>[],
): Message<To> | readonly Message<To>[] {
  if (!isBatch(message)) return readMessage(message)
  if (message.length > BATCH_MAX_COUNT) {
    throw illegal(
      `The batch has ${message.length} messages; at most ${BATCH_MAX_COUNT} are allowed. Use splitIntoBatches.`,
    )
  }
  return Array.from(message, readMessage)
}

/** Checks and completes a batch that was read; throws `MESSAGE_ILLEGAL` when it is empty, too large, or for several topics. */
export function prepareBatch(
  batch: readonly Message[],
  ids: MessageIdGenerator,
  clock: Clock,
): readonly OutgoingMessage[] {
  const now = clock.now()
  const messages = batch.map((message) => prepareMessage(message, ids.next(now), now))
  if (messages.some(({ delay }) => delay !== undefined))
    throw illegal('The batch has a delayed message; send delayed messages one by one.')
  const [first] = batch
  const topic = first?.topic
  if (topic === undefined) throw illegal('The batch is empty; it needs at least one message.')
  if (isRetryTopic(topic))
    throw illegal(`The batch is for the retry topic '${topic}', which takes no batches.`)
  let sizeBytes = 0
  for (const message of messages) {
    if (message.topic !== topic) {
      throw illegal(`The batch has messages for '${topic}' and '${message.topic}'; a batch is for one topic.`)
    }
    sizeBytes += message.sizeBytes
  }
  if (batch.some(({ messageGroup }) => messageGroup !== first?.messageGroup))
    throw illegal('The batch has messages of several messageGroups; all must have the same one, or none.')
  if (sizeBytes > MESSAGE_MAX_BYTES) {
    throw illegal(
      `The batch takes ${sizeBytes} bytes; at most ${MESSAGE_MAX_BYTES} are allowed. Use splitIntoBatches.`,
    )
  }
  return messages
}

/** The same message with a body of its own, for a send that has to wait: the caller may change its buffer meanwhile. */
export function withOwnBody(message: OutgoingMessage): OutgoingMessage {
  return typeof message.body === 'string' ? message : { ...message, body: copyOf(message.body) }
}

function illegal(text: string): MQError {
  return new MQError('MESSAGE_ILLEGAL', text)
}
