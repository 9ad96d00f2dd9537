/** Writes records into a growing buffer, one per queue and commit group; see `record-format.ts` for the layout. */
import { crc32 } from 'node:zlib'
import { writeMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { PropertyEntries } from '../model/properties.ts'
import type { BlockPool } from './block-pool.ts'
import { writeText, writeUInt16, writeUInt32, writeUInt48 } from './bytes.ts'
import { Batch, BatchAttribute, RECONSUME_TIMES_MAX, RECORD_BATCH_VERSION, Rec } from './record-format.ts'

/** The largest UTF-8 size of a text of that many UTF-16 units. */
const BYTES_PER_UNIT = 3

/**
 * A record batch in the making. `lead` bytes are kept free in front, so that the journal can put the header of its fact
 * there and write both with one call.
 */
export class RecordWriter {
  readonly #lead: number
  readonly #pool: BlockPool
  #buffer: Buffer
  #position: number
  #count = 0
  #attributes = 0

  constructor(lead: number, capacityBytes: number, pool: BlockPool) {
    this.#lead = lead
    this.#pool = pool
    this.#buffer = pool.take(lead + Batch.HEADER_BYTES + capacityBytes)
    this.#position = lead + Batch.HEADER_BYTES
  }

  get count(): number {
    return this.#count
  }

  /** Bytes written so far, header included. */
  get bytes(): number {
    return this.#position - this.#lead
  }

  /** Says that ids of this batch are not part of the frame's run. */
  markExplicitIds(): void {
    this.#attributes |= BatchAttribute.EXPLICIT_IDS
  }

  /** Appends one record. The body is copied here, so the sender may reuse its buffer. */
  append(message: OutgoingMessage): void {
    const { tag, keys, properties } = message
    this.#reserve(boundOf(message))
    const buffer = this.#buffer
    const start = this.#position
    let position = start + Rec.HEADER_BYTES
    const tagBytes = tag === '' ? 0 : writeText(buffer, position, tag)
    position += tagBytes
    const keysBytes = keys === '' ? 0 : writeText(buffer, position, keys)
    position += keysBytes
    const propertiesBytes = properties.length === 0 ? 0 : writeProperties(buffer, position, properties)
    position += propertiesBytes
    position += writeBody(buffer, position, message)
    writeUInt32(buffer, start + Rec.BYTES, position - start)
    writeUInt16(buffer, start + Rec.TIME_DELTA, 0)
    writeUInt16(buffer, start + Rec.RECONSUME_TIMES, Math.min(message.reconsumeTimes, RECONSUME_TIMES_MAX))
    writeUInt32(buffer, start + Rec.TAG_HASH, message.tagHash)
    writeUInt48(buffer, start + Rec.BORN_TIMESTAMP, message.bornTimestamp)
    writeMessageId(message.messageId, buffer, start + Rec.MESSAGE_ID)
    writeUInt16(buffer, start + Rec.TAG_BYTES, tagBytes)
    writeUInt16(buffer, start + Rec.KEYS_BYTES, keysBytes)
    writeUInt16(buffer, start + Rec.PROPERTIES_BYTES, propertiesBytes)
    writeUInt32(buffer, start + Rec.BODY_BYTES, message.bodyBytes)
    this.#position = position
    this.#count += 1
    if (keysBytes > 0) this.#attributes |= BatchAttribute.HAS_KEYS
  }

  /** Completes the header; answers the lead and the batch. May be called again with another offset or time. */
  finish(queueUid: number, baseOffset: number, storeTimestamp: number): Buffer {
    const buffer = this.#buffer
    const start = this.#lead
    buffer[start + Batch.VERSION] = RECORD_BATCH_VERSION
    buffer[start + Batch.ATTRIBUTES] = this.#attributes
    writeUInt48(buffer, start + Batch.QUEUE_UID, queueUid)
    writeUInt48(buffer, start + Batch.BASE_OFFSET, baseOffset)
    writeUInt48(buffer, start + Batch.STORE_TIMESTAMP, storeTimestamp)
    writeUInt32(buffer, start + Batch.COUNT, this.#count)
    writeUInt32(buffer, start + Batch.BYTES, this.bytes)
    const whole = buffer.subarray(0, this.#position)
    writeUInt32(buffer, start + Batch.CRC, crc32(whole.subarray(start + Batch.VERSION)))
    return whole
  }

  /** Gives the buffer back, when nobody will read the batch again. */
  release(): void {
    this.#pool.give(this.#buffer)
  }

  #reserve(bytes: number): void {
    const needed = this.#position + bytes
    if (needed <= this.#buffer.length) return
    const grown = this.#pool.take(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(grown, 0, 0, this.#position)
    this.#pool.give(this.#buffer)
    this.#buffer = grown
  }
}

function boundOf(message: OutgoingMessage): number {
  let bytes =
    Rec.HEADER_BYTES + message.bodyBytes + BYTES_PER_UNIT * (message.tag.length + message.keys.length)
  for (const [name, value] of message.properties) bytes += 4 + BYTES_PER_UNIT * (name.length + value.length)
  return bytes
}

function writeBody(buffer: Buffer, position: number, message: OutgoingMessage): number {
  const { body, bodyBytes } = message
  if (typeof body === 'string') writeText(buffer, position, body)
  else buffer.set(body, position)
  return bodyBytes
}

function writeProperties(buffer: Buffer, start: number, properties: PropertyEntries): number {
  let position = start
  for (const [name, value] of properties) {
    position = writePropertyText(buffer, position, name)
    position = writePropertyText(buffer, position, value)
  }
  return position - start
}

function writePropertyText(buffer: Buffer, position: number, text: string): number {
  const bytes = writeText(buffer, position + 2, text)
  writeUInt16(buffer, position, bytes)
  return position + 2 + bytes
}
