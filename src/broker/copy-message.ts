/** Makes the copy of a stored message that a retry or a dead letter is (semantics section 9.2, steps 4 and 7). */
import { javaHashCode } from '../model/java-hash.ts'
import { MESSAGE_LOG_OVERHEAD_BYTES } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import { parseMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { PropertyName } from '../model/properties.ts'

/** What a copy has that its original does not. */
export interface CopyChanges {
  /** The topic that the copy goes to. */
  readonly topic: string
  readonly reconsumeTimes: number
  /** Further properties. */
  readonly properties?: Readonly<Record<string, string>>
}

/** Same id, body, tag, keys, message group and born time; the properties say which topic and which record it comes from. */
export function copyMessage(message: MessageView, changes: CopyChanges): OutgoingMessage {
  const { body, bornTimestamp, tag = '', messageGroup } = message
  const keys = message.keys.join(' ')
  const properties = Object.entries({
    ...(messageGroup !== undefined && { [PropertyName.MESSAGE_GROUP]: messageGroup }),
    [PropertyName.ORIGIN_MESSAGE_ID]: message.offsetMessageId,
    ...message.properties,
    [PropertyName.RETRY_TOPIC]: message.topic,
    ...changes.properties,
  })
  let sizeBytes = changes.topic.length + body.length + MESSAGE_LOG_OVERHEAD_BYTES
  for (const [name, value] of properties) sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  return {
    topic: changes.topic,
    messageId: parseMessageId(message.messageId),
    body,
    bodyBytes: body.length,
    tag,
    tagHash: tag === '' ? 0 : javaHashCode(tag),
    keys,
    properties,
    bornTimestamp,
    reconsumeTimes: changes.reconsumeTimes,
    sizeBytes,
  }
}
