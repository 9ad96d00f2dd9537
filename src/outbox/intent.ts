/**
 * How an intent lies in its row:
 *
 *   | header bytes u32 | header: JSON | bodies, one behind the other |
 *
 * The key says where it stands and what it has to wait for, so that nobody reads a body to learn that:
 *
 *   <16 hex digits, ascending>/<topic>       may overtake, as messages do that take turns through the queues
 *   <16 hex digits, ascending>/<topic>/o     keeps the order: it has a message group, or its sender chose the queue
 */
import { MQError } from '../model/errors.ts'
import { formatMessageId, parseMessageId } from '../model/message-id.ts'
import type { Intent } from '../model/outbox.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { PropertyName } from '../model/properties.ts'

const VERSION = 1
const LENGTH_BYTES = 4
const NUMBER_DIGITS = 16
const ORDERED = '/o'
/** A number has 53 bits at most. */
const INTENT_KEY = /^00[01][\da-f]{13}\/[^/]+(?:\/o)?$/

/** All of a message but its body, and the id as text. */
type StoredMessage = Omit<OutgoingMessage, 'messageId' | 'body' | 'uncompressed'> & {
  readonly messageId: string
}
type StoredIntent = Omit<Intent, 'messages'> & {
  readonly version: number
  readonly isBatch: boolean
  readonly messages: readonly StoredMessage[]
}

/** The key of an intent. */
export function intentKey(number: number, intent: Intent): string {
  const { topic } = messagesOf(intent)[0]!
  return `${number.toString(16).padStart(NUMBER_DIGITS, '0')}/${topic}${isOrdered(intent) ? ORDERED : ''}`
}

/** Whether it is the key of an intent. Others may have rows beside ours; these are left alone. */
export function isIntentKey(key: string): boolean {
  return INTENT_KEY.test(key)
}

/** The number in a key. */
export function numberOf(key: string): number {
  return Number.parseInt(key.slice(0, NUMBER_DIGITS), 16)
}

/** What intents share that are sent one behind the other: all but the number. */
export function lineOf(key: string): string {
  return key.slice(NUMBER_DIGITS + 1)
}

/** Whether the intents of a line must not overtake each other. */
export function isOrderedLine(line: string): boolean {
  return line.endsWith(ORDERED)
}

/** The messages, be it one or a batch. */
export function messagesOf({ messages }: Intent): readonly OutgoingMessage[] {
  return 'topic' in messages ? [messages] : messages
}

/** The message group, which the properties hold. */
export function messageGroupOf(intent: Intent): string | undefined {
  return propertyOf(intent, PropertyName.MESSAGE_GROUP)
}

/** The priority, likewise. */
export function priorityOf(intent: Intent): number | undefined {
  const priority = propertyOf(intent, PropertyName.PRIORITY)
  return priority === undefined ? undefined : Number(priority)
}

/** The row of an intent; what is the sender's is copied. */
export function encodeIntent(intent: Intent): Buffer {
  const messages = messagesOf(intent)
  const header: StoredIntent = {
    ...intent,
    version: VERSION,
    isBatch: !('topic' in intent.messages),
    messages: messages.map(toStored),
  }
  const headerBytes = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(headerBytes.length)
  return Buffer.concat([length, headerBytes, ...messages.map(bodyOf)])
}

/** Reads a row; rejects what is none with `STORE_CORRUPTED`, and that of a later release with `VERSION_NOT_SUPPORTED`. */
export function decodeIntent(key: string, row: Buffer): Intent {
  const header = parseHeader(key, row)
  if (header.version !== VERSION)
    throw new MQError('VERSION_NOT_SUPPORTED', `The outbox row ${key} was written by a later release.`)
  let position = LENGTH_BYTES + row.readUInt32BE(0)
  const messages = header.messages.map((stored): OutgoingMessage => {
    const body = row.subarray(position, position + stored.bodyBytes)
    position += stored.bodyBytes
    return { ...stored, messageId: parseMessageId(stored.messageId), body }
  })
  if (position !== row.length || messages.length === 0) throw damaged(key)
  const { producerGroup, clientId, queue, timeoutMs, isBatch } = header
  return { producerGroup, clientId, queue, timeoutMs, messages: isBatch ? messages : messages[0]! }
}

function parseHeader(key: string, row: Buffer): StoredIntent {
  try {
    const text = row.subarray(LENGTH_BYTES, LENGTH_BYTES + row.readUInt32BE(0)).toString()
    return JSON.parse(text) as StoredIntent
  } catch (cause) {
    throw damaged(key, cause)
  }
}

function toStored({ body: _body, uncompressed: _uncompressed, ...rest }: OutgoingMessage): StoredMessage {
  return { ...rest, messageId: formatMessageId(rest.messageId) }
}

function bodyOf({ body }: OutgoingMessage): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}

function propertyOf(intent: Intent, wanted: string): string | undefined {
  return messagesOf(intent)[0]!.properties.find(([name]) => name === wanted)?.[1]
}

function isOrdered(intent: Intent): boolean {
  return intent.queue !== undefined || messageGroupOf(intent) !== undefined
}

function damaged(key: string, cause?: unknown): MQError {
  return new MQError('STORE_CORRUPTED', `The outbox row ${key} in your database is damaged.`, { cause })
}
