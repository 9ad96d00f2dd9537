/** Merges small record batches of one queue that follow each other, so that the commit log has few, large values. */
import { crc32 } from 'node:zlib'
import { writeUInt16, writeUInt32 } from './bytes.ts'
import { Batch, Rec, TIME_DELTA_MAX } from './record-format.ts'
import { type BatchHeader, readBatchHeader } from './record-reader.ts'

/** A batch of this size stands alone: copying it would cost more than a row. */
const MERGE_MAX_BYTES = 32 * 1024

/** Batches of one queue on their way to one row. */
export interface MergingBatch {
  /** The sequence number of the first one: the key of the row. */
  readonly seq: number
  readonly header: BatchHeader
  readonly parts: { readonly bytes: Buffer; readonly header: BatchHeader }[]
  bytes: number
}

export function beginMerge(seq: number, bytes: Buffer): MergingBatch {
  const header = readBatchHeader(bytes)
  return { seq, header, parts: [{ bytes, header }], bytes: bytes.length }
}

/** Adds the batch that follows, if it may be merged; a pure function of the batches, so that a replay merges alike. */
export function tryMerge(merging: MergingBatch, bytes: Buffer): boolean {
  const header = readBatchHeader(bytes)
  const first = merging.header
  const isSmall =
    bytes.length <= MERGE_MAX_BYTES && merging.parts.length > 0 && merging.bytes <= MERGE_MAX_BYTES * 4
  const isAlike =
    header.attributes === first.attributes && header.storeTimestamp - first.storeTimestamp <= TIME_DELTA_MAX
  if (!isSmall || !isAlike) return false
  merging.parts.push({ bytes, header })
  merging.bytes += bytes.length - Batch.HEADER_BYTES
  return true
}

/** The merged batch; a single part stays as it is. */
export function finishMerge({ parts, bytes, header }: MergingBatch): Buffer {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only.bytes
  const merged = Buffer.allocUnsafe(bytes)
  let position: number = Batch.HEADER_BYTES
  let count = 0
  for (const part of parts) {
    part.bytes.copy(merged, position, Batch.HEADER_BYTES)
    const delta = part.header.storeTimestamp - header.storeTimestamp
    for (let i = 0; i < part.header.count; i++) {
      writeUInt16(merged, position + Rec.TIME_DELTA, delta)
      position += merged.readUInt32BE(position)
    }
    count += part.header.count
  }
  ;(parts[0] as { bytes: Buffer }).bytes.copy(merged, 0, 0, Batch.HEADER_BYTES)
  writeUInt32(merged, Batch.COUNT, count)
  writeUInt32(merged, Batch.BYTES, bytes)
  writeUInt32(merged, Batch.CRC, crc32(merged.subarray(Batch.VERSION)))
  return merged
}
