/** A stored message as applications see it: a view into its batch that decodes a field when it is first read. */

import type { MessageView } from '../model/message.ts'
import { formatStoredMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { formatOffsetMessageId } from '../model/offset-message-id.ts'
import { isFieldProperty, PropertyName } from '../model/properties.ts'
import { notReplyable, type ReplyReceipt } from '../model/reply.ts'
import { isRetryTopic } from '../model/topic.ts'
import { findProperty } from './find-property.ts'
import { inflateBody } from './inflate-body.ts'
import { Rec } from './record-format.ts'

const NO_KEYS: readonly string[] = Object.freeze([])
const MESSAGE_GROUP_NAME = Buffer.from(PropertyName.MESSAGE_GROUP)
const COMPRESSION_NAME = Buffer.from(PropertyName.COMPRESSION)
const PRIORITY_NAME = Buffer.from(PropertyName.PRIORITY)
const DELAY_TIME_LEVEL_NAME = Buffer.from(PropertyName.DELAY_TIME_LEVEL)
const REPLY_TO_CLIENT_NAME = Buffer.from(PropertyName.REPLY_TO_CLIENT)
const TIMER_DELIVER_MS_NAME = Buffer.from(PropertyName.TIMER_DELIVER_MS)

/** The offset of a message that is in no queue yet: a delayed one, or the half of a transaction. */
export const NO_OFFSET = -1

/** What a view needs of the batch it lies in. */
interface Home {
  readonly bytes: Buffer
  readonly queue: MessageQueue
  readonly queueUid: number
  /** Of the first message; each record adds its own distance. */
  readonly storeTimestamp: number
}

export class StoredMessage implements MessageView {
  readonly queueOffset: number
  readonly #home: Home
  readonly #position: number
  #properties: Readonly<Record<string, string>> | undefined
  #keys: readonly string[] | undefined
  #messageId: string | undefined
  #inflated: Buffer | undefined

  constructor(home: Home, position: number, queueOffset: number) {
    this.#home = home
    this.#position = position
    this.queueOffset = queueOffset
  }

  get queue(): MessageQueue {
    return this.#home.queue
  }

  get topic(): string {
    const { topic } = this.#home.queue
    return isRetryTopic(topic) ? (this.properties[PropertyName.RETRY_TOPIC] ?? topic) : topic
  }

  get messageId(): string {
    this.#messageId ??= formatStoredMessageId(this.#home.bytes, this.#position + Rec.MESSAGE_ID)
    return this.#messageId
  }

  get offsetMessageId(): string {
    return this.queueOffset === NO_OFFSET ? '' : formatOffsetMessageId(this.#home.queueUid, this.queueOffset)
  }

  get delayTimeLevel(): number | undefined {
    return this.#numberProperty(DELAY_TIME_LEVEL_NAME)
  }

  get deliveryTimestamp(): number | undefined {
    return this.#numberProperty(TIMER_DELIVER_MS_NAME)
  }

  get priority(): number | undefined {
    return this.#numberProperty(PRIORITY_NAME)
  }

  get tag(): string | undefined {
    const length = this.#home.bytes.readUInt16BE(this.#position + Rec.TAG_BYTES)
    return length === 0 ? undefined : this.#text(this.#position + Rec.HEADER_BYTES, length)
  }

  get keys(): readonly string[] {
    this.#keys ??= this.#readKeys()
    return this.#keys
  }

  get messageGroup(): string | undefined {
    return findProperty(this.#home.bytes, this.#position, MESSAGE_GROUP_NAME)
  }

  get properties(): Readonly<Record<string, string>> {
    this.#properties ??= this.#readProperties()
    return this.#properties
  }

  get body(): Buffer {
    const { compression } = this
    if (compression === undefined) return this.storedBody
    this.#inflated ??= inflateBody(this.storedBody, compression, this.messageId)
    return this.#inflated
  }

  /** How the stored body is compressed; `undefined` when it is not. */
  get compression(): string | undefined {
    return findProperty(this.#home.bytes, this.#position, COMPRESSION_NAME)
  }

  /** The body as it is stored. */
  get storedBody(): Buffer {
    const end = this.#position + this.storeSize
    return this.#home.bytes.subarray(
      end - this.#home.bytes.readUInt32BE(this.#position + Rec.BODY_BYTES),
      end,
    )
  }

  get bornTimestamp(): number {
    return this.#home.bytes.readUIntBE(this.#position + Rec.BORN_TIMESTAMP, 6)
  }

  get storeTimestamp(): number {
    return this.#home.storeTimestamp + this.#home.bytes.readUInt16BE(this.#position + Rec.TIME_DELTA)
  }

  get reconsumeTimes(): number {
    return this.#home.bytes.readUInt16BE(this.#position + Rec.RECONSUME_TIMES)
  }

  get deliveryAttempt(): number {
    return this.reconsumeTimes + 1
  }

  get storeSize(): number {
    return this.#home.bytes.readUInt32BE(this.#position + Rec.BYTES)
  }

  get isRequest(): boolean {
    return findProperty(this.#home.bytes, this.#position, REPLY_TO_CLIENT_NAME) !== undefined
  }

  text(): string {
    return this.body.toString('utf8')
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text())
  }

  /** What a consumer gives is wrapped where it is a request; nobody waits for the reply to anything else. */
  async reply(): Promise<ReplyReceipt> {
    throw notReplyable(this)
  }

  /** What `JSON.stringify` writes; the fields are getters, which it would not follow. The body is left out. */
  toJSON(): object {
    const { messageId, offsetMessageId, topic, tag, keys, messageGroup, properties, queue, queueOffset } =
      this
    const { delayTimeLevel, deliveryTimestamp, priority } = this
    const { bornTimestamp, storeTimestamp, reconsumeTimes, deliveryAttempt, storeSize } = this
    const wishes = { delayTimeLevel, deliveryTimestamp, priority }
    const sent = { messageId, offsetMessageId, topic, tag, keys, messageGroup, ...wishes, properties }
    const place = { queue, queueOffset }
    return { ...sent, ...place, bornTimestamp, storeTimestamp, reconsumeTimes, deliveryAttempt, storeSize }
  }

  /** What `console.log` and test runners show. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { messageId, topic, tag, keys, messageGroup, queue, queueOffset, reconsumeTimes } = this
    const { compression } = this
    return {
      messageId,
      topic,
      tag,
      keys,
      ...(messageGroup !== undefined && { messageGroup }),
      queueId: queue.queueId,
      queueOffset,
      reconsumeTimes,
      bodyBytes: this.storedBody.length,
      ...(compression !== undefined && { compression }),
    }
  }

  #numberProperty(name: Buffer): number | undefined {
    const value = findProperty(this.#home.bytes, this.#position, name)
    return value === undefined ? undefined : Number(value)
  }

  #readKeys(): readonly string[] {
    const { bytes } = this.#home
    const length = bytes.readUInt16BE(this.#position + Rec.KEYS_BYTES)
    if (length === 0) return NO_KEYS
    const tagBytes = bytes.readUInt16BE(this.#position + Rec.TAG_BYTES)
    return Object.freeze(this.#text(this.#position + Rec.HEADER_BYTES + tagBytes, length).split(' '))
  }

  #readProperties(): Readonly<Record<string, string>> {
    const { bytes } = this.#home
    const properties: Record<string, string> = Object.create(null)
    const tagBytes = bytes.readUInt16BE(this.#position + Rec.TAG_BYTES)
    const keysBytes = bytes.readUInt16BE(this.#position + Rec.KEYS_BYTES)
    let position = this.#position + Rec.HEADER_BYTES + tagBytes + keysBytes
    const end = position + bytes.readUInt16BE(this.#position + Rec.PROPERTIES_BYTES)
    while (position < end) {
      const nameBytes = bytes.readUInt16BE(position)
      const name = this.#text(position + 2, nameBytes)
      position += 2 + nameBytes
      const valueBytes = bytes.readUInt16BE(position)
      if (!isFieldProperty(name)) properties[name] = this.#text(position + 2, valueBytes)
      position += 2 + valueBytes
    }
    return Object.freeze(properties)
  }

  #text(position: number, length: number): string {
    return this.#home.bytes.toString('utf8', position, position + length)
  }
}
