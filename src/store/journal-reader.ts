/**
 * Reads the journal at open and when LevelDB is healed. A torn tail is the normal end; a bad entry that a later frame
 * knows to be flushed is corruption, and what is missing is said (docs/recovery.md, steps 4 and 5).
 */
import type { Fact } from './fact.ts'
import { decodeFacts } from './fact-format.ts'
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  parseSegmentName,
  SEGMENT_HEADER_BYTES,
  segmentName,
} from './journal-format.ts'
import type { Files } from './medium.ts'

/** How a frame begins; where it is not looked at as a number. */
const MAGIC_BYTES = Buffer.alloc(4)
MAGIC_BYTES.writeUInt32BE(FRAME_MAGIC)

/** A commit group as it stands in the journal. */
export interface JournalFrame {
  readonly seq: number
  readonly startsSlice: boolean
  readonly facts: readonly Fact[]
}

/** A segment with what is sound in it. */
export interface ScannedSegment {
  readonly number: number
  /** The last sequence number in it or, when it holds no frame, before it. */
  readonly lastSeq: number
  /** Where the sound part ends. */
  readonly endPosition: number
  readonly bytes: number
}

/** A place from which on frames are missing. */
export interface JournalBreak {
  readonly segment: number
  readonly position: number
  /** The first sequence number that is missing. */
  readonly missingSeq: number
  /** The next sound frame behind it, if any. */
  readonly resumesAtSeq: number | undefined
  /** The last sequence number that a frame behind the break knows to be flushed; 0 when there is none. */
  readonly flushedSeq: number
  /** Bytes behind the break, sound or not. */
  readonly bytes: number
}

export interface JournalScan {
  readonly segments: readonly ScannedSegment[]
  /** Frames before the first break, oldest first. */
  readonly frames: readonly JournalFrame[]
  readonly broken: JournalBreak | undefined
  /** Sound frames behind the break. */
  readonly framesBehindBreak: readonly JournalFrame[]
  /** The sequence number before the first frame; `undefined` when the journal is empty. */
  readonly startsAfterSeq: number | undefined
  readonly storeId: bigint | undefined
  /** A segment was written by a newer release. */
  readonly unknownVersion: number | undefined
}

export async function listSegments(files: Files): Promise<number[]> {
  const names = await files.list('journal')
  return names
    .map(parseSegmentName)
    .filter((number) => number !== undefined)
    .sort((a, b) => a - b)
}

/** Reads the segments from a number on. */
export async function scanJournal(
  files: Files,
  supportedVersion: number,
  firstSegment = 0,
): Promise<JournalScan> {
  const scanner = new JournalScanner(supportedVersion)
  for (const number of await listSegments(files)) {
    if (number >= firstSegment) scanner.scan(number, await files.read(segmentName(number)))
  }
  return scanner.result()
}

/** Walks segments in order; after the first break it only looks for what is still sound. */
class JournalScanner {
  readonly #supportedVersion: number
  readonly #segments: ScannedSegment[] = []
  readonly #frames: JournalFrame[] = []
  readonly #framesBehindBreak: JournalFrame[] = []
  #expectedSeq: number | undefined
  #startsAfterSeq: number | undefined
  #storeId: bigint | undefined
  #unknownVersion: number | undefined
  #break: { segment: number; position: number; missingSeq: number } | undefined
  #resumesAtSeq: number | undefined
  #flushedSeq = 0
  #bytesBehindBreak = 0

  constructor(supportedVersion: number) {
    this.#supportedVersion = supportedVersion
  }

  scan(number: number, segment: Buffer): void {
    const header = decodeSegmentHeader(segment)
    if (header === undefined) {
      this.#breakAt(number, 0)
      this.#salvage(segment, 0)
    } else {
      this.#storeId ??= header.storeId
      if (header.version > this.#supportedVersion) this.#unknownVersion = header.version
      if (this.#expectedSeq === undefined) this.#startsAfterSeq = header.previousSeq
      else if (header.previousSeq !== this.#expectedSeq - 1) this.#breakAt(number, 0)
      if (this.#break === undefined) this.#expectedSeq = header.firstSeq
      this.#scanFrames(number, segment)
    }
    const endPosition =
      this.#break === undefined ? segment.length : this.#break.segment === number ? this.#break.position : 0
    this.#segments.push({ number, lastSeq: (this.#expectedSeq ?? 1) - 1, endPosition, bytes: segment.length })
  }

  result(): JournalScan {
    const broken = this.#break && {
      ...this.#break,
      resumesAtSeq: this.#resumesAtSeq,
      flushedSeq: this.#flushedSeq,
      bytes: this.#bytesBehindBreak,
    }
    return {
      segments: this.#segments,
      frames: this.#frames,
      broken,
      framesBehindBreak: this.#framesBehindBreak,
      startsAfterSeq: this.#startsAfterSeq,
      storeId: this.#storeId,
      unknownVersion: this.#unknownVersion,
    }
  }

  #scanFrames(number: number, segment: Buffer): void {
    let position = SEGMENT_HEADER_BYTES
    while (this.#break === undefined && position < segment.length) {
      const frame = decodeFrameHeader(segment, position)
      if (frame === undefined || frame.seq !== this.#expectedSeq) {
        this.#breakAt(number, position)
        break
      }
      this.#frames.push(readFrame(segment, position, frame))
      this.#expectedSeq = frame.seq + frame.factCount
      position += frame.bytes
    }
    if (this.#break !== undefined) this.#salvage(segment, position)
  }

  #breakAt(segment: number, position: number): void {
    this.#break ??= { segment, position, missingSeq: this.#expectedSeq ?? 0 }
  }

  /** Finds sound frames behind a break, wherever they begin. */
  #salvage(segment: Buffer, from: number): void {
    this.#bytesBehindBreak += segment.length - from
    let position = segment.indexOf(MAGIC_BYTES, from)
    while (position >= 0) {
      const frame = decodeFrameHeader(segment, position)
      const isSound = frame !== undefined && frame.seq >= (this.#break?.missingSeq ?? 0)
      if (isSound) {
        this.#resumesAtSeq ??= frame.seq
        this.#flushedSeq = Math.max(this.#flushedSeq, frame.flushedSeq)
        this.#framesBehindBreak.push(readFrame(segment, position, frame))
      }
      position = segment.indexOf(MAGIC_BYTES, position + (isSound ? frame.bytes : 1))
    }
  }
}

function readFrame(
  segment: Buffer,
  position: number,
  { bytes, seq, startsSlice }: FrameHeader,
): JournalFrame {
  return {
    seq,
    startsSlice,
    facts: decodeFacts(segment.subarray(position + FRAME_HEADER_BYTES, position + bytes)),
  }
}

/** The last sequence number of a frame. */
export function lastSeqOf(frame: JournalFrame): number {
  return frame.seq + frame.facts.length - 1
}
