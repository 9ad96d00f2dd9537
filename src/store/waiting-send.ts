/** What a send needs that cannot enter at once: bodies of its own, and a size to count. */
import type { OutgoingMessage } from '../model/outgoing-message.ts'

type Messages = OutgoingMessage | readonly OutgoingMessage[]

/** A send that waits may outlive the buffer that its caller gave. */
export function copyBodies(messages: Messages): Messages {
  return 'topic' in messages ? copyBody(messages) : messages.map(copyBody)
}

export function sizeOf(messages: Messages): number {
  return 'topic' in messages
    ? messages.sizeBytes
    : messages.reduce((sum, message) => sum + message.sizeBytes, 0)
}

function copyBody(message: OutgoingMessage): OutgoingMessage {
  return typeof message.body === 'string' ? message : { ...message, body: Buffer.from(message.body) }
}
