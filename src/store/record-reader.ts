/** Reads record batches; see `record-format.ts` for the layout. What fails its checksum is never handed out. */
import { crc32 } from 'node:zlib'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { Block } from './block-pool.ts'
import { readInt32, readUInt16, readUInt32 } from './bytes.ts'
import { Batch, RECORD_BATCH_VERSION, Rec } from './record-format.ts'
import { NO_OFFSET, StoredMessage } from './stored-message.ts'

const SPACE = 0x20

/** The fields of a batch header. */
export interface BatchHeader {
  readonly attributes: number
  readonly queueUid: number
  readonly baseOffset: number
  readonly storeTimestamp: number
  readonly count: number
}

/** Reads the header only; the caller knows that the bytes are sound. */
export function readBatchHeader(bytes: Buffer): BatchHeader {
  return {
    attributes: bytes[Batch.ATTRIBUTES] ?? 0,
    queueUid: bytes.readUIntBE(Batch.QUEUE_UID, 6),
    baseOffset: bytes.readUIntBE(Batch.BASE_OFFSET, 6),
    storeTimestamp: bytes.readUIntBE(Batch.STORE_TIMESTAMP, 6),
    count: bytes.readUInt32BE(Batch.COUNT),
  }
}

/** Why these bytes are not a sound batch, or `undefined` when they are. Never throws, whatever the bytes. */
export function findBatchDamage(bytes: Buffer): string | undefined {
  const found = examineBatch(bytes)
  return typeof found === 'string' ? found : undefined
}

/** Where the records of a sound batch begin, or why it is not sound. */
function examineBatch(bytes: Buffer): Int32Array | string {
  if (bytes.length < Batch.HEADER_BYTES) return `a record batch of ${bytes.length} bytes is too short`
  if (bytes.readUInt32BE(Batch.CRC) !== crc32(bytes.subarray(Batch.VERSION)))
    return 'a record batch fails its checksum'
  if (bytes[Batch.VERSION] !== RECORD_BATCH_VERSION)
    return `a record batch has the unknown version ${bytes[Batch.VERSION]}`
  if (bytes.readUInt32BE(Batch.BYTES) !== bytes.length)
    return 'a record batch has another length than it says'
  return examineRecords(bytes)
}

function examineRecords(bytes: Buffer): Int32Array | string {
  const count = bytes.readUInt32BE(Batch.COUNT)
  if (Batch.HEADER_BYTES + count * Rec.HEADER_BYTES > bytes.length) return 'a record ends behind its batch'
  const positions = new Int32Array(count)
  let position: number = Batch.HEADER_BYTES
  for (let i = 0; i < count; i++) {
    if (position + Rec.HEADER_BYTES > bytes.length) return 'a record ends behind its batch'
    positions[i] = position
    const recordBytes = readUInt32(bytes, position)
    const content =
      readUInt16(bytes, position + Rec.TAG_BYTES) +
      readUInt16(bytes, position + Rec.KEYS_BYTES) +
      readUInt16(bytes, position + Rec.PROPERTIES_BYTES) +
      readUInt32(bytes, position + Rec.BODY_BYTES)
    if (recordBytes !== Rec.HEADER_BYTES + content) return 'a record has another length than it says'
    position += recordBytes
  }
  return position === bytes.length ? positions : 'a record batch has bytes behind its last record'
}

/** Where a batch lies and what its header says. */
export interface BatchPlace {
  /** What holds the batch, perhaps with others. */
  readonly bytes: Buffer
  /** Where in `bytes` it begins. */
  readonly start: number
  readonly byteLength: number
  readonly queue: MessageQueue
  readonly queueUid: number
  readonly baseOffset: number
  /** When the first message was stored. */
  readonly storeTimestamp: number
  readonly count: number
  /** Memory that is used again, unless a reader has seen it. */
  readonly block?: Block
  /** Where the records begin, if that is known. */
  readonly positions?: Int32Array
}

/** A batch of stored messages; messages are decoded one by one, when they are asked for. */
export class StoredBatch {
  readonly bytes: Buffer
  readonly byteLength: number
  readonly queue: MessageQueue
  readonly queueUid: number
  readonly baseOffset: number
  readonly storeTimestamp: number
  readonly count: number
  readonly #start: number
  readonly #block: Block | undefined
  #positions: Int32Array | undefined

  constructor(place: BatchPlace) {
    this.bytes = place.bytes
    this.byteLength = place.byteLength
    this.queue = place.queue
    this.queueUid = place.queueUid
    this.baseOffset = place.baseOffset
    this.storeTimestamp = place.storeTimestamp
    this.count = place.count
    this.#start = place.start
    this.#block = place.block
    this.#positions = place.positions
  }

  /** A reader gets to see it. */
  share(): void {
    if (this.#block !== undefined) this.#block.isShared = true
  }

  /** The offset behind the last message. */
  get nextOffset(): number {
    return this.baseOffset + this.count
  }

  tagHash(index: number): number {
    return readInt32(this.bytes, this.positionOf(index) + Rec.TAG_HASH)
  }

  storeTimestampAt(index: number): number {
    return this.storeTimestamp + this.bytes.readUInt16BE(this.positionOf(index) + Rec.TIME_DELTA)
  }

  tag(index: number): string {
    const position = this.positionOf(index)
    const length = this.bytes.readUInt16BE(position + Rec.TAG_BYTES)
    return this.bytes.toString('utf8', position + Rec.HEADER_BYTES, position + Rec.HEADER_BYTES + length)
  }

  bodyBytes(index: number): number {
    return this.bytes.readUInt32BE(this.positionOf(index) + Rec.BODY_BYTES)
  }

  message(index: number): MessageView {
    return new StoredMessage(this, this.positionOf(index), this.baseOffset + index)
  }

  /** The message of a batch that belongs to no queue: it has no place in one yet. */
  unqueuedMessage(): MessageView {
    return new StoredMessage(this, this.positionOf(0), NO_OFFSET)
  }

  /** Where the record with this index begins. */
  positionOf(index: number): number {
    this.#positions ??= findPositions(this.bytes, this.#start, this.count)
    return this.#positions[index] ?? 0
  }
}

/** Checks and opens a stored batch; throws `STORE_CORRUPTED` that says where. */
export function readStoredBatch(bytes: Buffer, queue: MessageQueue, where: string): StoredBatch {
  const positions = examineBatch(bytes)
  if (typeof positions === 'string') throw new MQError('STORE_CORRUPTED', `${where}: ${positions}.`)
  return openStoredBatch(bytes, queue, positions)
}

/** Opens a batch whose bytes are known to be sound. */
export function openStoredBatch(bytes: Buffer, queue: MessageQueue, positions?: Int32Array): StoredBatch {
  const { queueUid, baseOffset, storeTimestamp, count } = readBatchHeader(bytes)
  return new StoredBatch({
    bytes,
    start: 0,
    byteLength: bytes.length,
    queue,
    queueUid,
    baseOffset,
    storeTimestamp,
    count,
    ...(positions && { positions }),
  })
}

function findPositions(bytes: Buffer, start: number, count: number): Int32Array {
  const positions = new Int32Array(count)
  let position = start + Batch.HEADER_BYTES
  for (let i = 0; i < count; i++) {
    positions[i] = position
    position += readUInt32(bytes, position)
  }
  return positions
}

/** The keys of a record as bytes; they are stored joined by spaces, and no key holds one. */
export function keysOf(bytes: Buffer, position: number): Buffer[] {
  const length = bytes.readUInt16BE(position + Rec.KEYS_BYTES)
  if (length === 0) return []
  const start = position + Rec.HEADER_BYTES + bytes.readUInt16BE(position + Rec.TAG_BYTES)
  const found: Buffer[] = []
  let from = start
  for (let at = start; at <= start + length; at++) {
    if (at === start + length || bytes[at] === SPACE) {
      found.push(bytes.subarray(from, at))
      from = at + 1
    }
  }
  return found
}
