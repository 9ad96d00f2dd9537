/** What a send needs that cannot enter at once: bodies of its own, and a size to count. */
import { copyOf } from '../model/body-bytes.ts'
import { checkBodySize, type OutgoingMessage } from '../model/outgoing-message.ts'

type Messages = OutgoingMessage | readonly OutgoingMessage[]

/** A send that waits may outlive the buffer that its caller gave. Throws as `checkBodySize` does. */
export function copyBodies(messages: Messages): Messages {
  return 'topic' in messages ? copyBody(messages) : messages.map(copyBody)
}

export function sizeOf(messages: Messages): number {
  return 'topic' in messages
    ? messages.sizeBytes
    : messages.reduce((sum, message) => sum + message.sizeBytes, 0)
}

function copyBody(message: OutgoingMessage): OutgoingMessage {
  if (typeof message.body === 'string') return message
  checkBodySize(message)
  return { ...message, body: copyOf(message.body) }
}
