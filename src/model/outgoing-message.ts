/**
 * A checked message on its way to the engine. Everything that can be wrong with a message is refused here, before
 * anything is written; behind this door code relies on it (semantics sections 1.1, 2.1 and 2.6).
 */
import { lengthOf } from './body-bytes.ts'
import type { Delay } from './delay.ts'
import { MQError } from './errors.ts'
import { inWords } from './in-words.ts'
import { javaHashCode } from './java-hash.ts'
import {
  MESSAGE_GROUP_MAX_BYTES,
  MESSAGE_LOG_OVERHEAD_BYTES,
  MESSAGE_MAX_BYTES,
  PRIORITY_MAX,
  PROPERTIES_MAX_BYTES,
} from './limits.ts'
import type { Message } from './message.ts'
import type { MessageId } from './message-id.ts'
import { isReservedProperty, type PropertyEntries, PropertyName } from './properties.ts'
import { checkTopicName } from './topic.ts'
import type { Destination } from './typed-message.ts'

const NO_PROPERTIES: PropertyEntries = Object.freeze([])
const FIELDS: ReadonlySet<string> = new Set(
  'topic body tag keys properties messageGroup delayTimeLevel deliveryTimestamp priority'.split(' '),
)
/** Control characters: RocketMQ separates properties by 1 and 2 and does not escape them. */
const CONTROL_CHARACTERS = /\p{Cc}/u
/** RocketMQ counts a separator behind each name and each value. */
const PROPERTY_SEPARATOR_BYTES = 2
const TAGS_NAME_BYTES = 4
const KEYS_NAME_BYTES = 4

/** The value of the property `COMPRESSION` of a body in the format of zlib (RFC 1950). */
export const COMPRESSION_ZLIB = 'ZLIB'

/** What the store needs of a message, in the form that it is written in. */
export interface OutgoingMessage {
  readonly topic: string
  readonly messageId: MessageId
  readonly body: string | Uint8Array
  readonly bodyBytes: number
  /** Empty when the message has no tag. */
  readonly tag: string
  readonly tagHash: number
  /** Keys joined by one space, as RocketMQ stores them; empty when there are none. */
  readonly keys: string
  /** The message group among them, as RocketMQ stores it. */
  readonly properties: PropertyEntries
  /** The sender gave the id: it is stored unless one with this id is there within the window (`engine.supports.deduplication`). */
  readonly isSentOnce?: boolean | undefined
  /** What was sent, when `body` is compressed: for those who look at messages on their way. */
  readonly uncompressed?: OutgoingMessage | undefined
  /** When it becomes visible; absent for at once. */
  readonly delay?: Delay | undefined
  readonly bornTimestamp: number
  readonly reconsumeTimes: number
  /** Topic, properties and body plus 20 bytes: the size that limits speak of. */
  readonly sizeBytes: number
}

/** Checks a message and completes it, with properties that we add; throws `MESSAGE_ILLEGAL` or `INVALID_PARAMETER` with what to do. */
export function prepareMessage(
  message: Message,
  messageId: MessageId,
  bornTimestamp: number,
  added: PropertyEntries = NO_PROPERTIES,
): OutgoingMessage {
  try {
    return prepare(message, messageId, bornTimestamp, added)
  } catch (error) {
    throw MQError.from(error, 'MESSAGE_ILLEGAL')
  }
}

/**
 * The fields of a message, each read once, whoever has them: fields may be inherited, or computed by a class. Throws `MESSAGE_ILLEGAL` for
 * what is no message and for one that cannot be read; nothing else is checked.
 */
export function readMessage<To extends Destination>(message: Message<To>): Message<To> {
  try {
    checkFields(message)
    const { topic, body, tag, keys, properties } = message
    const { messageGroup, delayTimeLevel, deliveryTimestamp, priority } = message
    const read: { -readonly [Field in keyof Message<To>]: Message<To>[Field] } = { topic, body }
    if (tag !== undefined) read.tag = tag
    if (keys !== undefined) read.keys = keys
    if (properties !== undefined) read.properties = properties
    if (messageGroup !== undefined) read.messageGroup = messageGroup
    if (delayTimeLevel !== undefined) read.delayTimeLevel = delayTimeLevel
    if (deliveryTimestamp !== undefined) read.deliveryTimestamp = deliveryTimestamp
    if (priority !== undefined) read.priority = priority
    return read
  } catch (error) {
    throw MQError.from(error, 'MESSAGE_ILLEGAL')
  }
}

function prepare(
  message: Message,
  messageId: MessageId,
  bornTimestamp: number,
  added: PropertyEntries,
): OutgoingMessage {
  checkFields(message)
  const { topic, body } = message
  checkTopicName(topic)
  const tag = message.tag === undefined ? '' : checkTag(message.tag)
  const keys = message.keys === undefined ? '' : checkKeys(message.keys)
  const own = message.properties === undefined ? NO_PROPERTIES : checkProperties(message.properties)
  const grouped = message.messageGroup === undefined ? own : withMessageGroup(message.messageGroup, own)
  const delay = delayOf(message)
  const timed = delay === undefined ? grouped : withDelay(delay, grouped)
  const given = message.priority === undefined ? timed : withPriority(message, delay, timed)
  const properties = added.length === 0 ? given : [...added, ...given]
  const propertiesBytes = sizeOfProperties(tag, keys, properties)
  // Behind everything that the application may have a say in: its getters could change the size of a buffer.
  const bodyBytes = checkBody(body)
  const sizeBytes = topic.length + propertiesBytes + bodyBytes + MESSAGE_LOG_OVERHEAD_BYTES
  if (sizeBytes > MESSAGE_MAX_BYTES) throw tooLarge(sizeBytes)
  const tagHash = tag === '' ? 0 : javaHashCode(tag)
  return {
    topic,
    messageId,
    body,
    bodyBytes,
    tag,
    tagHash,
    keys,
    properties,
    delay,
    bornTimestamp,
    reconsumeTimes: 0,
    sizeBytes,
  }
}

/** The message with one property more; throws `MESSAGE_ILLEGAL` when it may not have it, or becomes too large. */
export function withProperty(message: OutgoingMessage, name: string, value: string): OutgoingMessage {
  checkProperty(name, value)
  const { tag, keys } = message
  const properties = [...message.properties, [name, value] as const]
  const addedBytes = sizeOfProperties(tag, keys, properties) - sizeOfProperties(tag, keys, message.properties)
  const sizeBytes = message.sizeBytes + addedBytes
  if (sizeBytes > MESSAGE_MAX_BYTES) throw tooLarge(sizeBytes)
  return { ...message, properties, sizeBytes }
}

/** The size of a message by RocketMQ's formula; checks the message on the way. */
export function sizeOfMessage(message: Message): number {
  return prepareMessage(message, NO_ID, 0).sizeBytes
}

const NO_ID: MessageId = { prefix: new Uint8Array(8), seconds: 0, sequence: 0 }

function checkFields(message: Message<Destination>): void {
  if (typeof message !== 'object' || message === null)
    throw illegal('A message must be an object with topic and body.')
  for (const field in message) {
    if (!FIELDS.has(field))
      throw illegal(`A message has no field '${field}'; known are ${[...FIELDS].join(', ')}.`)
  }
}

function checkBody(body: unknown): number {
  if (typeof body === 'string') {
    if (body === '') throw illegal('The body is empty; a message needs at least one byte.')
    if (!body.isWellFormed())
      throw illegal('The body holds a lone surrogate, which UTF-8 cannot express; send bytes instead.')
    return Buffer.byteLength(body)
  }
  const bytes = body instanceof Uint8Array ? bytesOf(body) : undefined
  if (bytes === undefined)
    throw illegal('The body must be a string or a Uint8Array; encode other values first.')
  if (bytes === 0) throw illegal('The body is empty; a message needs at least one byte.')
  return bytes
}

/** `undefined` for what is no array of bytes but by its prototype, or a proxy of one. */
function bytesOf(body: Uint8Array): number | undefined {
  try {
    return lengthOf(body)
  } catch {
    return undefined
  }
}

/**
 * Throws `MESSAGE_ILLEGAL` when a body has not the size any more that it was checked with: its buffer was resized or transferred meanwhile.
 * Asked right before bodies are copied, since nobody but their owner knows when that happens.
 */
export function checkBodySize({ body, bodyBytes }: OutgoingMessage): void {
  if (typeof body === 'string') return
  const bytes = lengthOf(body)
  if (bytes === bodyBytes) return
  throw illegal(
    `The body had ${bodyBytes} bytes when it was sent and has ${bytes} now: its buffer was resized or transferred.`,
  )
}

function checkTag(tag: unknown): string {
  if (typeof tag !== 'string' || tag.trim() === '')
    throw illegal('The tag must be a string that is not blank, or be left out.')
  if (tag !== tag.trim() || tag.includes('|') || CONTROL_CHARACTERS.test(tag) || !tag.isWellFormed()) {
    throw illegal(`The tag '${tag}' must hold no '|', no control characters and no white space around it.`)
  }
  if (tag === '*')
    throw illegal("The tag '*' means every tag in a subscription and cannot be the tag of a message.")
  return tag
}

function checkKeys(keys: unknown): string {
  if (typeof keys === 'string') return checkKey(keys)
  if (!Array.isArray(keys)) throw illegal('The keys must be a string or an array of strings.')
  let joined = ''
  for (const key of keys) joined += joined === '' ? checkKey(key) : ` ${checkKey(key)}`
  return joined
}

function checkKey(key: unknown): string {
  if (typeof key !== 'string' || key === '') throw illegal('A key must be a string that is not empty.')
  if (/\s/.test(key) || CONTROL_CHARACTERS.test(key) || !key.isWellFormed()) {
    throw illegal(
      `The key '${key}' holds white space or control characters; RocketMQ separates keys by spaces.`,
    )
  }
  return key
}

function withMessageGroup(group: unknown, properties: PropertyEntries): PropertyEntries {
  if (typeof group !== 'string' || group.trim() === '')
    throw illegal('The messageGroup must be a string that is not blank, or be left out.')
  if (CONTROL_CHARACTERS.test(group) || !group.isWellFormed())
    throw illegal('The messageGroup holds control characters or a lone surrogate.')
  const bytes = Buffer.byteLength(group)
  if (bytes > MESSAGE_GROUP_MAX_BYTES)
    throw illegal(`The messageGroup takes ${bytes} bytes; at most ${MESSAGE_GROUP_MAX_BYTES} are allowed.`)
  return [[PropertyName.MESSAGE_GROUP, group], ...properties]
}

function delayOf({ delayTimeLevel, deliveryTimestamp, messageGroup }: Message): Delay | undefined {
  if (delayTimeLevel === undefined && deliveryTimestamp === undefined) return undefined
  if (delayTimeLevel !== undefined && deliveryTimestamp !== undefined)
    throw illegal('A message has either a delayTimeLevel or a deliveryTimestamp, not both.')
  if (messageGroup !== undefined)
    throw illegal('A message with a messageGroup cannot be delayed: it would lose its place in the order.')
  const [name, value] =
    delayTimeLevel === undefined
      ? ['deliveryTimestamp', deliveryTimestamp]
      : ['delayTimeLevel', delayTimeLevel]
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw illegal(`The ${name} must be a whole number from 0 up, not ${inWords(value)}.`)
  if (deliveryTimestamp !== undefined) return { deliveryTimestamp }
  return delayTimeLevel === 0 || delayTimeLevel === undefined ? undefined : { delayTimeLevel }
}

/** RocketMQ's client refuses the same combinations: each of them is a type of message (semantics section 1.7). */
function withPriority(
  { priority, messageGroup }: Message,
  delay: Delay | undefined,
  properties: PropertyEntries,
): PropertyEntries {
  if (!Number.isInteger(priority) || priority! < 0 || priority! > PRIORITY_MAX)
    throw illegal(`The priority must be a whole number from 0 to ${PRIORITY_MAX}, not ${inWords(priority)}.`)
  if (messageGroup !== undefined)
    throw illegal('A message with a messageGroup has no priority: it keeps its place.')
  if (delay !== undefined) throw illegal('A delayed message has no priority: it has a time.')
  return [[PropertyName.PRIORITY, String(priority)], ...properties]
}

/** The names and values by which RocketMQ stores a delay. */
function withDelay(delay: Delay, properties: PropertyEntries): PropertyEntries {
  if ('delayTimeLevel' in delay)
    return [[PropertyName.DELAY_TIME_LEVEL, String(delay.delayTimeLevel)], ...properties]
  return [[PropertyName.TIMER_DELIVER_MS, String(delay.deliveryTimestamp)], ...properties]
}

function checkProperties(properties: unknown): PropertyEntries {
  // Arrays, maps and sets are objects too, but their content is not in their fields and would be lost.
  if (typeof properties !== 'object' || properties === null || Symbol.iterator in properties) {
    throw illegal('The properties must be an object of strings.')
  }
  const entries = Object.entries(properties)
  for (const [name, value] of entries) checkProperty(name, value)
  return entries
}

function checkProperty(name: string, value: unknown): void {
  if (name.trim() === '') throw illegal('A property name must not be blank.')
  if (isReservedProperty(name))
    throw illegal(`The property '${name}' is reserved by RocketMQ; choose another name.`)
  if (typeof value !== 'string')
    throw illegal(`The property '${name}' must be a string, not ${typeof value}.`)
  if (value.trim() === '')
    throw illegal(`The property '${name}' is blank; RocketMQ drops such values, so leave it out.`)
  if (
    CONTROL_CHARACTERS.test(name) ||
    CONTROL_CHARACTERS.test(value) ||
    !name.isWellFormed() ||
    !value.isWellFormed()
  ) {
    throw illegal(`The property '${name}' holds control characters or a lone surrogate.`)
  }
}

function sizeOfProperties(tag: string, keys: string, properties: PropertyEntries): number {
  if (tag === '' && keys === '' && properties.length === 0) return 0
  let content = 0
  let separators = 0
  if (tag !== '') content += TAGS_NAME_BYTES + Buffer.byteLength(tag)
  if (keys !== '') content += KEYS_NAME_BYTES + Buffer.byteLength(keys)
  for (const [name, value] of properties) content += Buffer.byteLength(name) + Buffer.byteLength(value)
  separators = PROPERTY_SEPARATOR_BYTES * (properties.length + 2)
  if (content + separators > PROPERTIES_MAX_BYTES) {
    throw illegal(
      `The properties take ${content + separators} bytes; at most ${PROPERTIES_MAX_BYTES} are allowed.`,
    )
  }
  return content
}

function tooLarge(sizeBytes: number): MQError {
  return illegal(
    `The message takes ${sizeBytes} bytes; topic, properties, body and 20 bytes of log data may take ${MESSAGE_MAX_BYTES}.`,
  )
}

function illegal(text: string): MQError {
  return new MQError('MESSAGE_ILLEGAL', text)
}
