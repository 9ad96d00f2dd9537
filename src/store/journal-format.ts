/**
 * The journal: plain segment files, `journal/` + ten digits + `.journal`, appended to and never changed. Big-endian.
 *
 *   segment header (32 bytes)                    frame: one commit group
 *   0  u32  magic "PMQJ"                         0  u32  magic "PMQF"
 *   4  u32  CRC-32 of bytes 8 to 32              4  u32  CRC-32 of bytes 8 to the end
 *   8  u16  format version (1), u16 reserved     8  u32  bytes of the frame
 *   12 u64  store id                            12  u32  count of facts
 *   20 u48  first sequence number               16  u48  sequence number of the first fact
 *   26 u48  last sequence number before it      22  u48  last sequence number known to be flushed
 *                                               28  u32  flags: bit 0, a slice begins here
 *                                               32       facts (`fact-format.ts`)
 *
 * The flushed number tells a torn tail from corruption: bytes that no later frame knows to be flushed may be missing
 * after a power cut, in any order; bytes that one does know must be there.
 *
 * Frames from one that begins a slice up to the next such frame are applied together. Recovery applies the same slices
 * again, so it makes the same rows (`apply.ts`).
 */
import { crc32 } from 'node:zlib'
import { writeUInt32, writeUInt48 } from './bytes.ts'

export const JOURNAL_VERSION = 1
export const SEGMENT_HEADER_BYTES = 32
export const FRAME_HEADER_BYTES = 32
export const FRAME_MAGIC = 0x504d5146
const SEGMENT_MAGIC = 0x504d514a
const CRC_POSITION = 4
const CHECKED_FROM = 8
const FLAGS_POSITION = 28
const STARTS_SLICE = 1

export interface SegmentHeader {
  readonly version: number
  readonly storeId: bigint
  readonly firstSeq: number
  /** The last sequence number before this segment; between the two there may be a gap, never a frame. */
  readonly previousSeq: number
}

export interface FrameHeader {
  readonly bytes: number
  readonly factCount: number
  readonly seq: number
  readonly flushedSeq: number
  readonly startsSlice: boolean
}

export function segmentName(number: number): string {
  return `journal/${String(number).padStart(10, '0')}.journal`
}

/** The number in a segment's name, or `undefined` for other files. */
export function parseSegmentName(name: string): number | undefined {
  const match = /^(\d{10})\.journal$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES)
  bytes.writeUInt32BE(SEGMENT_MAGIC, 0)
  bytes.writeUInt16BE(header.version, 8)
  bytes.writeBigUInt64BE(header.storeId, 12)
  bytes.writeUIntBE(header.firstSeq, 20, 6)
  bytes.writeUIntBE(header.previousSeq, 26, 6)
  bytes.writeUInt32BE(crc32(bytes.subarray(CHECKED_FROM)), CRC_POSITION)
  return bytes
}

/** Reads a segment header, or `undefined` when these bytes are none. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.readUInt32BE(0) !== SEGMENT_MAGIC) return undefined
  const checked = bytes.subarray(CHECKED_FROM, SEGMENT_HEADER_BYTES)
  if (bytes.readUInt32BE(CRC_POSITION) !== crc32(checked)) return undefined
  return {
    version: bytes.readUInt16BE(8),
    storeId: bytes.readBigUInt64BE(12),
    firstSeq: bytes.readUIntBE(20, 6),
    previousSeq: bytes.readUIntBE(26, 6),
  }
}

/** Writes a frame's header into the room kept free at the beginning of its first part. */
export function writeFrameHeader(parts: readonly Buffer[], frame: FrameHeader): void {
  const [first, ...others] = parts
  if (first === undefined) return
  writeUInt32(first, 0, FRAME_MAGIC)
  writeUInt32(first, 8, frame.bytes)
  writeUInt32(first, 12, frame.factCount)
  writeUInt48(first, 16, frame.seq)
  writeUInt48(first, 22, frame.flushedSeq)
  writeUInt32(first, FLAGS_POSITION, frame.startsSlice ? STARTS_SLICE : 0)
  let checksum = crc32(first.subarray(CHECKED_FROM))
  for (const part of others) checksum = crc32(part, checksum)
  writeUInt32(first, CRC_POSITION, checksum)
}

/** Reads the frame at a position, or `undefined` when there is no sound one. Never throws, whatever the bytes. */
export function decodeFrameHeader(segment: Buffer, position: number): FrameHeader | undefined {
  if (position + FRAME_HEADER_BYTES > segment.length || segment.readUInt32BE(position) !== FRAME_MAGIC)
    return undefined
  const bytes = segment.readUInt32BE(position + 8)
  // The segment bounds a frame, nothing else may: a frame that was written must be read again, however large its group.
  if (bytes < FRAME_HEADER_BYTES || position + bytes > segment.length) return undefined
  const checked = segment.subarray(position + CHECKED_FROM, position + bytes)
  if (segment.readUInt32BE(position + CRC_POSITION) !== crc32(checked)) return undefined
  return {
    bytes,
    factCount: segment.readUInt32BE(position + 12),
    seq: segment.readUIntBE(position + 16, 6),
    flushedSeq: segment.readUIntBE(position + 22, 6),
    startsSlice: (segment.readUInt32BE(position + FLAGS_POSITION) & STARTS_SLICE) !== 0,
  }
}
