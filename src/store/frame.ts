/**
 * A commit group as one frame of the journal. Sequence numbers, offsets and times are given here, in the order in which
 * groups are written.
 *
 * A frame's small parts lie back to back in a shared slab: header, facts, small batches, id run. Large batches stay
 * where they were encoded and follow as they are. Facts are decoded from these bytes when they are applied, as they are
 * at recovery; so a frame that waits is a few objects, however many facts it has.
 */
import type { Clock } from '../model/clock.ts'
import type { Block, BlockPool } from './block-pool.ts'
import type { CommitGroup, PendingSend, StagedAppend } from './commit-group.ts'
import type { Fact } from './fact.ts'
import { encodedBytes, FACT_HEADER_BYTES, ID_RUN_BYTES, writeFact, writeIdRun } from './fact-format.ts'
import { FRAME_HEADER_BYTES, writeFrameHeader } from './journal-format.ts'
import type { FramedParked, ParkedFacts } from './parked-facts.ts'
import type { QueueLog } from './queue-log.ts'
import { StoredBatch } from './record-reader.ts'

/** Messages of one queue, in their final bytes. */
export interface FramedAppend {
  readonly log: QueueLog
  readonly batch: StoredBatch
  /** Who waits for it; nobody once they are answered. */
  sends: readonly PendingSend[]
}

/** A large batch, which stays where it was encoded. */
interface LargePart {
  readonly block: Block
  readonly bytes: number
}

/** A commit group ready to be written. Thousands may wait to be applied, so a frame is small and makes its views anew. */
export class Frame {
  readonly seq: number
  readonly lastSeq: number
  /** It is applied apart from the frame before it. */
  readonly startsSlice: boolean
  /** Bytes of the whole frame. */
  readonly bytes: number
  readonly appends: readonly FramedAppend[]
  /** Facts other than appends. */
  readonly facts: readonly Fact[]
  /** Messages that it parks; nobody needs them once it is announced. */
  parked: FramedParked | undefined
  readonly #slab: Block
  readonly #start: number
  readonly #end: number
  readonly #large: readonly LargePart[]

  constructor(
    numbers: FrameNumbers,
    place: FramePlace,
    appends: readonly FramedAppend[],
    facts: readonly Fact[],
  ) {
    this.seq = numbers.seq
    this.lastSeq = numbers.seq + numbers.factCount - 1
    this.startsSlice = numbers.startsSlice
    this.bytes = numbers.bytes
    this.appends = appends
    this.facts = facts
    this.#slab = place.slab
    this.#start = place.start
    this.#end = place.end
    this.#large = place.large
  }

  /** The frame as it is written, part by part; the first one begins with its header. */
  parts(): Buffer[] {
    const parts = [this.#slab.buffer.subarray(this.#start, this.#end)]
    for (const { block, bytes } of this.#large) parts.push(block.buffer.subarray(0, bytes))
    return parts
  }

  /** The facts as they are written, part by part. */
  factParts(): Buffer[] {
    const parts = this.parts()
    parts[0] = this.#slab.buffer.subarray(this.#start + FRAME_HEADER_BYTES, this.#end)
    return parts
  }

  /** Its memory may be used again. */
  release(): void {
    this.#slab.release()
    for (const { block } of this.#large) block.release()
  }
}

interface FrameNumbers {
  readonly seq: number
  readonly factCount: number
  readonly startsSlice: boolean
  readonly bytes: number
}

/** Where the parts of a frame lie. */
interface FramePlace {
  readonly slab: Block
  readonly start: number
  readonly end: number
  readonly large: readonly LargePart[]
}

const NO_FACTS: readonly Fact[] = Object.freeze([])

/** A slice is as large as keeps the event loop free while it is applied. */
const SLICE_MAX_BYTES = 1024 * 1024
const SLICE_MAX_FRAMES = 1500
/** Batches of this size are not copied. */
const LARGE_BATCH_BYTES = 16 * 1024
const SLAB_BYTES = 256 * 1024

/** When a new generation begins. */
export interface GenerationRule {
  readonly maxBytes: number
  readonly maxAgeMs: number
}

/** What numbering continues from. */
export interface FrameStart {
  readonly nextSeq: number
  /** The newest generation. */
  readonly generation: number
  /** Bytes of all record batches so far. */
  readonly logBytes: number
  /** The latest store time so far. */
  readonly lastTimestamp: number
}

/** Builds frames one after the other. One that could not be written is taken back before the next is built. */
export class FrameBuilder {
  readonly #clock: Clock
  readonly #rule: GenerationRule
  readonly #pool: BlockPool
  #slab: Block
  #slabPosition = 0
  #nextSeq: number
  #timestamp: number
  #generation: number
  #generationStartedAt: number
  #logBytes: number
  #generationLogBytes = 0
  #sliceBytes = Number.POSITIVE_INFINITY
  #sliceFrameCount = 0

  constructor(clock: Clock, rule: GenerationRule, pool: BlockPool, start: FrameStart) {
    this.#clock = clock
    this.#rule = rule
    this.#pool = pool
    this.#slab = pool.take(SLAB_BYTES)
    this.#nextSeq = start.nextSeq
    this.#generation = start.generation
    this.#logBytes = start.logBytes
    this.#timestamp = start.lastTimestamp
    this.#generationStartedAt = Number.NEGATIVE_INFINITY
  }

  /** The next frame begins a slice: those before it may be applied now. */
  closeSlice(): void {
    this.#sliceBytes = Number.POSITIVE_INFINITY
  }

  /** Builds the frame of a group and empties the queues' writers. `flushedSeq` is what the journal is known to hold. */
  build(group: CommitGroup, flushedSeq: number): Frame {
    // Store times never fall, also when the clock does: searching by time relies on it.
    this.#timestamp = Math.max(this.#timestamp, this.#clock.now())
    group.parked?.stamp(this.#timestamp)
    const facts = this.#factsOf(group)
    const appends: FramedAppend[] = []
    const start = this.#reserve(group, facts)
    const end = this.#frameSmallParts(group, facts, start, appends)
    const large = this.#frameLargeParts(group, appends)
    const parked = this.#frameParked(group, end, large)
    this.#slab.retain()
    this.#slabPosition = end

    const bytes = large.reduce((sum, part) => sum + part.bytes, end - start)
    const factCount =
      group.appends.length + facts.length + (group.idRun === undefined ? 0 : 1) + (parked?.alarms.length ?? 0)
    const numbers = { seq: this.#nextSeq, factCount, startsSlice: this.#countIntoSlice(bytes), bytes }
    const frame = new Frame(numbers, { slab: this.#slab, start, end, large }, appends, facts)
    frame.parked = parked
    writeFrameHeader(frame.parts(), { ...numbers, flushedSeq })
    this.#nextSeq += factCount
    return frame
  }

  /** Takes back the numbers of a frame that is not in the journal. */
  takeBack(frame: Frame): void {
    this.#nextSeq = frame.seq
    this.closeSlice()
    if (frame.facts.some(isGeneration)) this.#generationStartedAt = Number.NEGATIVE_INFINITY
    for (const { log, batch } of frame.appends) {
      log.writtenOffset = batch.baseOffset
      this.#logBytes -= batch.byteLength
    }
    frame.release()
  }

  /** The facts of a group besides its appends; a generation comes before what belongs to it. */
  #factsOf(group: CommitGroup): readonly Fact[] {
    if (group.appends.length > 0 && this.#needsGeneration()) return [this.#startGeneration(), ...group.facts]
    return group.facts.length === 0 ? NO_FACTS : group.facts
  }

  /** Makes room in the slab for the header and all small parts; answers where they begin. */
  #reserve(group: CommitGroup, facts: readonly Fact[]): number {
    let bytes = FRAME_HEADER_BYTES + ID_RUN_BYTES
    for (const { log } of group.appends) if (isSmall(log)) bytes += log.records.factBytes
    for (const fact of facts) bytes += encodedBytes(fact)
    if (isSmallPark(group.parked)) bytes += group.parked.bytes
    if (this.#slabPosition + bytes > this.#slab.buffer.length) {
      this.#slab.release()
      this.#slab = this.#pool.take(Math.max(SLAB_BYTES, bytes))
      this.#slabPosition = 0
    }
    return this.#slabPosition
  }

  #frameSmallParts(
    group: CommitGroup,
    facts: readonly Fact[],
    start: number,
    appends: FramedAppend[],
  ): number {
    const { buffer } = this.#slab
    let position = start + FRAME_HEADER_BYTES
    for (const fact of facts) position = writeFact(fact, buffer, position)
    for (const staged of group.appends)
      if (isSmall(staged.log)) position = this.#frameSmall(staged, position, appends)
    if (group.idRun !== undefined) {
      writeIdRun(buffer, position, group.idRun.first, group.idRun.last)
      position += ID_RUN_BYTES
    }
    return isSmallPark(group.parked) ? group.parked.copyTo(buffer, position) : position
  }

  #frameLargeParts(group: CommitGroup, appends: FramedAppend[]): LargePart[] {
    if (appends.length === group.appends.length) return []
    const large = group.appends.filter(({ log }) => log.staged !== undefined)
    return large.map((staged) => this.#frameLarge(staged, appends))
  }

  /** What a group parks is the last of its frame: at the end of the small parts, or a large part of its own. */
  #frameParked({ parked }: CommitGroup, end: number, large: LargePart[]): FramedParked | undefined {
    if (parked === undefined) return undefined
    const { alarms, block, bytes } = parked
    if (isSmallPark(parked)) {
      parked.discard()
      return { alarms, buffer: this.#slab.buffer, start: end - bytes }
    }
    large.push({ block, bytes })
    return { alarms, buffer: block.buffer, start: 0 }
  }

  #frameSmall({ log, sends }: StagedAppend, position: number, appends: FramedAppend[]): number {
    const { records } = log
    const end = position + records.factBytes
    const batch = this.#finish(log, this.#slab, position)
    records.copyTo(this.#slab.buffer, position)
    records.reset()
    appends.push({ log, batch, sends })
    return end
  }

  #frameLarge({ log, sends }: StagedAppend, appends: FramedAppend[]): LargePart {
    const { records } = log
    const { block, factBytes: bytes } = records
    appends.push({ log, batch: this.#finish(log, block, 0), sends })
    records.detach()
    records.reset()
    return { block, bytes }
  }

  /** Completes the batch that a queue's writer holds; its fact begins at `position` of the block. */
  #finish(log: QueueLog, block: Block, position: number): StoredBatch {
    const { records, queue } = log
    const baseOffset = log.writtenOffset
    records.finish(log.uid, baseOffset, this.#timestamp)
    log.staged = undefined
    log.writtenOffset += records.count
    this.#logBytes += records.batchBytes
    return new StoredBatch({
      bytes: block.buffer,
      start: position + FACT_HEADER_BYTES,
      byteLength: records.batchBytes,
      queue,
      queueUid: log.uid,
      baseOffset,
      storeTimestamp: this.#timestamp,
      count: records.count,
      block,
    })
  }

  #countIntoSlice(bytes: number): boolean {
    const starts = this.#sliceBytes + bytes > SLICE_MAX_BYTES || this.#sliceFrameCount >= SLICE_MAX_FRAMES
    this.#sliceBytes = starts ? bytes : this.#sliceBytes + bytes
    this.#sliceFrameCount = starts ? 1 : this.#sliceFrameCount + 1
    return starts
  }

  #needsGeneration(): boolean {
    return (
      this.#logBytes - this.#generationLogBytes >= this.#rule.maxBytes ||
      this.#timestamp - this.#generationStartedAt >= this.#rule.maxAgeMs
    )
  }

  #startGeneration(): Fact {
    this.#generation += 1
    this.#generationStartedAt = this.#timestamp
    this.#generationLogBytes = this.#logBytes
    const [generation, firstSeq, timestamp, logBytes] = [
      this.#generation,
      this.#nextSeq,
      this.#timestamp,
      this.#logBytes,
    ]
    return { type: 'generation', generation, firstSeq, timestamp, logBytes }
  }
}

function isSmall(log: QueueLog): boolean {
  return log.records.factBytes < LARGE_BATCH_BYTES
}

function isSmallPark(parked: ParkedFacts | undefined): parked is ParkedFacts {
  return parked !== undefined && parked.bytes < LARGE_BATCH_BYTES
}

function isGeneration(fact: Fact): boolean {
  return fact.type === 'generation'
}
