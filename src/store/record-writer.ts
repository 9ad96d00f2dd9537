/** Writes records into a growing buffer, one per queue and commit group; see `record-format.ts` for the layout. */
import { crc32 } from 'node:zlib'
import { writeMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { PropertyEntries } from '../model/properties.ts'
import type { Block, BlockPool } from './block-pool.ts'
import { writeText, writeUInt16, writeUInt32, writeUInt48 } from './bytes.ts'
import { FACT_HEADER_BYTES, writeAppendHeader } from './fact-format.ts'
import { Batch, BatchAttribute, RECONSUME_TIMES_MAX, RECORD_BATCH_VERSION, Rec } from './record-format.ts'

const NOTHING = Buffer.alloc(0)
/** A larger buffer goes back to the pool after each group: every queue has a writer, and few are busy. */
const KEPT_BYTES = 32 * 1024
/** Where the records of a batch begin. */
const START = FACT_HEADER_BYTES + Batch.HEADER_BYTES
/** The largest UTF-8 size of a text of that many UTF-16 units. */
const BYTES_PER_UNIT = 3

/** What a writer begins with when nothing says how much will come. */
const SMALLEST_CAPACITY_BYTES = 512

/**
 * The record batch that a queue has in the making; it begins anew with each commit group. In front of it the header of its
 * fact has its place, so that the journal takes both as they are.
 */
export class RecordWriter {
  readonly #pool: BlockPool
  #block: Block | undefined
  #buffer: Buffer = NOTHING
  #position = START
  #count = 0
  #attributes = 0
  /** Bytes of the last batch: what to make ready for the next. */
  #usualBytes = SMALLEST_CAPACITY_BYTES

  constructor(pool: BlockPool) {
    this.#pool = pool
  }

  get count(): number {
    return this.#count
  }

  /** Bytes of the batch so far, its header included. */
  get batchBytes(): number {
    return this.#position - FACT_HEADER_BYTES
  }

  /** Bytes of the fact so far. */
  get factBytes(): number {
    return this.#position
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

  /** Appends the one record of a parked batch as it is. */
  appendParked(batch: Buffer): void {
    const bytes = batch.length - Batch.HEADER_BYTES
    this.#reserve(bytes)
    batch.copy(this.#buffer, this.#position, Batch.HEADER_BYTES)
    this.#position += bytes
    this.#count += 1
    this.#attributes |= (batch[Batch.ATTRIBUTES] ?? 0) & BatchAttribute.HAS_KEYS
  }

  /** Completes the headers of fact and batch. */
  finish(queueUid: number, baseOffset: number, storeTimestamp: number): void {
    const buffer = this.#buffer
    const start = FACT_HEADER_BYTES
    writeAppendHeader(buffer, this.batchBytes)
    this.#writeBatchHeader(queueUid, baseOffset, storeTimestamp)
    writeUInt32(buffer, start + Batch.CRC, crc32(buffer.subarray(start + Batch.VERSION, this.#position)))
  }

  /** Completes the header of a batch that lies in a row or a frame with a checksum of its own, and so needs none. */
  finishParked(queueUid: number, storeTimestamp: number): void {
    this.#writeBatchHeader(queueUid, 0, storeTimestamp)
    writeUInt32(this.#buffer, FACT_HEADER_BYTES + Batch.CRC, 0)
  }

  #writeBatchHeader(queueUid: number, baseOffset: number, storeTimestamp: number): void {
    const buffer = this.#buffer
    const start = FACT_HEADER_BYTES
    buffer[start + Batch.VERSION] = RECORD_BATCH_VERSION
    buffer[start + Batch.ATTRIBUTES] = this.#attributes
    writeUInt48(buffer, start + Batch.QUEUE_UID, queueUid)
    writeUInt48(buffer, start + Batch.BASE_OFFSET, baseOffset)
    writeUInt48(buffer, start + Batch.STORE_TIMESTAMP, storeTimestamp)
    writeUInt32(buffer, start + Batch.COUNT, this.#count)
    writeUInt32(buffer, start + Batch.BYTES, this.batchBytes)
  }

  /** Copies the finished fact; for small ones. */
  copyTo(target: Buffer, position: number): void {
    this.#buffer.copy(target, position, 0, this.#position)
  }

  /** Copies the finished batch without the header of a fact. */
  copyBatchTo(target: Buffer, position: number): void {
    this.#buffer.copy(target, position, FACT_HEADER_BYTES, this.#position)
  }

  /** The memory of the finished fact. */
  get block(): Block {
    this.#block ??= this.#pool.take(SMALLEST_CAPACITY_BYTES)
    return this.#block
  }

  /** Leaves the memory of the finished fact to whoever took it; for large ones. */
  detach(): void {
    this.#block = undefined
    this.#buffer = NOTHING
  }

  /** Begins the next batch. */
  reset(): void {
    if (this.#buffer.length > KEPT_BYTES) {
      this.#block?.release()
      this.detach()
    }
    this.#usualBytes = Math.max(SMALLEST_CAPACITY_BYTES, this.#position)
    this.#position = START
    this.#count = 0
    this.#attributes = 0
  }

  #reserve(bytes: number): void {
    const needed = this.#position + bytes
    if (needed <= this.#buffer.length) return
    const grown = this.#pool.take(Math.max(needed, this.#buffer.length * 2, this.#usualBytes))
    this.#buffer.copy(grown.buffer, 0, 0, this.#buffer === NOTHING ? 0 : this.#position)
    this.#block?.release()
    this.#block = grown
    this.#buffer = grown.buffer
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
