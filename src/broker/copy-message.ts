/** Makes messages to append from stored ones: a retry, a dead letter (semantics section 9.2, steps 4 and 7), one whose time has come. */
import { javaHashCode } from '../model/java-hash.ts'
import { MESSAGE_LOG_OVERHEAD_BYTES } from '../model/limits.ts'
import type { MessageView } from '../model/message.ts'
import { parseMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { fieldProperties, type PropertyEntries, PropertyName } from '../model/properties.ts'
import { StoredMessage } from '../store/stored-message.ts'

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
  const properties = Object.entries({
    ...Object.fromEntries(fieldProperties(message)),
    [PropertyName.ORIGIN_MESSAGE_ID]: message.offsetMessageId,
    ...message.properties,
    [PropertyName.RETRY_TOPIC]: message.topic,
    ...changes.properties,
  })
  return outgoing(message, changes.topic, properties, changes.reconsumeTimes)
}

/** A parked message as it was sent. */
export function copyParked(message: MessageView): OutgoingMessage {
  const properties = [...fieldProperties(message), ...Object.entries(message.properties)]
  return outgoing(message, message.topic, properties, 0)
}

/** A parked message for another time, which it shows instead of the time or the level that it was sent with. */
export function copyMoved(message: MessageView, deliveryTimestamp: number): OutgoingMessage {
  const { messageGroup, priority } = message
  const fields = fieldProperties({ messageGroup, priority, deliveryTimestamp })
  return outgoing(message, message.topic, [...fields, ...Object.entries(message.properties)], 0)
}

/** A copy of what is stored has its compressed body; what comes from elsewhere is copied as it is read. */
function storedBodyOf(message: MessageView): {
  readonly body: Buffer
  readonly compression?: string | undefined
} {
  if (!(message instanceof StoredMessage)) return { body: message.body }
  return { body: message.storedBody, compression: message.compression }
}

function outgoing(
  message: MessageView,
  topic: string,
  given: PropertyEntries,
  reconsumeTimes: number,
): OutgoingMessage {
  const { bornTimestamp, tag = '' } = message
  const { body, compression } = storedBodyOf(message)
  const properties =
    compression === undefined ? given : [[PropertyName.COMPRESSION, compression] as const, ...given]
  let sizeBytes = topic.length + body.length + MESSAGE_LOG_OVERHEAD_BYTES
  for (const [name, value] of properties) sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  return {
    topic,
    messageId: parseMessageId(message.messageId),
    body,
    bodyBytes: body.length,
    tag,
    tagHash: tag === '' ? 0 : javaHashCode(tag),
    keys: message.keys.join(' '),
    properties,
    bornTimestamp,
    reconsumeTimes,
    sizeBytes,
  }
}
