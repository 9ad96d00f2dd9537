/**
 * Index values: each ends with a CRC-32 of its key and its content, because LevelDB hands out flipped bits as good values.
 */
import { crc32 } from 'node:zlib'
import { MQError } from '../model/errors.ts'
import { writeUInt32 } from './bytes.ts'

const CRC_BYTES = 4
const U48 = 6
const EMPTY = Buffer.alloc(0)

/** Where the batch of a queue row lies, and what it holds. */
export interface QueueRow {
  readonly seq: number
  readonly count: number
  readonly storeTimestamp: number
  readonly bytes: number
}

/** The ends of a queue, as far as they are applied. */
export interface QueueState {
  readonly minOffset: number
  readonly maxOffset: number
  readonly lastStoreTimestamp: number
}

/** A value with its checksum. */
export function sealRow(key: Buffer, content: Buffer = EMPTY): Buffer {
  const value = Buffer.allocUnsafe(content.length + CRC_BYTES)
  value.set(content)
  writeUInt32(value, content.length, crc32(content, crc32(key)))
  return value
}

/** The content of a value; throws `STORE_CORRUPTED` when key or value changed since they were written. */
export function openRow(key: Buffer, value: Buffer): Buffer {
  const content = value.subarray(0, Math.max(0, value.length - CRC_BYTES))
  if (value.length < CRC_BYTES || value.readUInt32BE(content.length) !== crc32(content, crc32(key))) {
    throw new MQError('STORE_CORRUPTED', `The index row ${key.toString('hex')} fails its checksum.`)
  }
  return content
}

export function encodeQueueRow(row: QueueRow): Buffer {
  const bytes = Buffer.allocUnsafe(2 * U48 + 8)
  bytes.writeUIntBE(row.seq, 0, U48)
  bytes.writeUInt32BE(row.count, 6)
  bytes.writeUIntBE(row.storeTimestamp, 10, U48)
  bytes.writeUInt32BE(row.bytes, 16)
  return bytes
}

export function decodeQueueRow(bytes: Buffer): QueueRow {
  return {
    seq: bytes.readUIntBE(0, U48),
    count: bytes.readUInt32BE(6),
    storeTimestamp: bytes.readUIntBE(10, U48),
    bytes: bytes.readUInt32BE(16),
  }
}

export function encodeQueueState(state: QueueState): Buffer {
  return Buffer.concat([
    encodeU48(state.minOffset),
    encodeU48(state.maxOffset),
    encodeU48(state.lastStoreTimestamp),
  ])
}

export function decodeQueueState(bytes: Buffer): QueueState {
  return {
    minOffset: bytes.readUIntBE(0, U48),
    maxOffset: bytes.readUIntBE(U48, U48),
    lastStoreTimestamp: bytes.readUIntBE(2 * U48, U48),
  }
}

/** Where a generation begins; the generation itself stands in the key. */
export interface GenerationRow {
  readonly firstSeq: number
  readonly timestamp: number
  readonly logBytes: number
}

export function encodeGeneration(row: GenerationRow): Buffer {
  return Buffer.concat([encodeU48(row.firstSeq), encodeU48(row.timestamp), encodeU48(row.logBytes)])
}

export function decodeGeneration(bytes: Buffer): GenerationRow {
  return {
    firstSeq: bytes.readUIntBE(0, U48),
    timestamp: bytes.readUIntBE(U48, U48),
    logBytes: bytes.readUIntBE(2 * U48, U48),
  }
}

/** The log rows that hold the ids from `first` to the one in the key lie from `firstSeq` to `lastSeq`. */
export interface IdRunRow {
  readonly first: Buffer
  readonly firstSeq: number
  readonly lastSeq: number
}

export function encodeIdRun(row: IdRunRow): Buffer {
  return Buffer.concat([row.first, encodeU48(row.firstSeq), encodeU48(row.lastSeq)])
}

export function decodeIdRun(bytes: Buffer): IdRunRow {
  return {
    first: bytes.subarray(0, 16),
    firstSeq: bytes.readUIntBE(16, U48),
    lastSeq: bytes.readUIntBE(16 + U48, U48),
  }
}

export function encodeU48(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(U48)
  bytes.writeUIntBE(value, 0, U48)
  return bytes
}
