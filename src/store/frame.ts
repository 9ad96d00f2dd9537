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
import { encodeFact, FACT_HEADER_BYTES, ID_RUN_BYTES, writeIdRun } from './fact-format.ts'
import { FRAME_HEADER_BYTES, writeFrameHeader } from './journal-format.ts'
import type { QueueLog } from './queue-log.ts'
import { StoredBatch } from './record-reader.ts'

/** Messages of one queue, in their final bytes. */
export interface FramedAppend {
  readonly log: QueueLog
  readonly batch: StoredBatch
  /** Who waits for it; emptied when they are answered. */
  readonly sends: PendingSend[]
}

/** A commit group ready to be written. */
export interface Frame {
  readonly seq: number
  readonly lastSeq: number
  /** It is applied apart from the frame before it. */
  readonly startsSlice: boolean
  /** Bytes of the whole frame. */
  readonly bytes: number
  /** The frame as it is written, part by part. */
  readonly parts: readonly Buffer[]
  readonly appends: readonly FramedAppend[]
  /** Facts other than appends. */
  readonly facts: readonly Fact[]
  /** The memory of the parts, in use until the frame is applied. */
  readonly blocks: readonly Block[]
}

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
    const seq = this.#nextSeq
    // Store times never fall, also when the clock does: searching by time relies on it.
    this.#timestamp = Math.max(this.#timestamp, this.#clock.now())
    const facts = this.#factsOf(group)
    const small = group.appends.filter(({ log }) => log.records.factBytes < LARGE_BATCH_BYTES)
    const large =
      small.length === group.appends.length ? [] : group.appends.filter((each) => !small.includes(each))
    const start = this.#reserve(small, facts, group)
    const appends: FramedAppend[] = []
    const parts: Buffer[] = []
    const blocks: Block[] = [this.#slab]
    this.#slab.retain()

    let position = start + FRAME_HEADER_BYTES
    for (const bytes of facts.encoded) position += bytes.copy(this.#slab.buffer, position)
    for (const staged of small) position = this.#frameSmall(staged, position, appends)
    if (group.idRun !== undefined) {
      writeIdRun(this.#slab.buffer, position, group.idRun.first, group.idRun.last)
      position += ID_RUN_BYTES
    }
    this.#slabPosition = position
    parts.push(this.#slab.buffer.subarray(start, position))
    for (const staged of large) this.#frameLarge(staged, appends, parts, blocks)

    const factCount = group.appends.length + facts.plain.length + (group.idRun === undefined ? 0 : 1)
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    const startsSlice = this.#countIntoSlice(bytes)
    writeFrameHeader(parts, { bytes, seq, factCount, flushedSeq, startsSlice })
    this.#nextSeq = seq + factCount
    return { seq, lastSeq: this.#nextSeq - 1, startsSlice, bytes, parts, appends, facts: facts.plain, blocks }
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
    for (const block of frame.blocks) block.release()
  }

  /** The facts of a group besides its appends; a generation comes before what belongs to it. */
  #factsOf(group: CommitGroup): { readonly plain: readonly Fact[]; readonly encoded: readonly Buffer[] } {
    const plain =
      group.appends.length > 0 && this.#needsGeneration()
        ? [this.#startGeneration(), ...group.facts]
        : group.facts
    return { plain, encoded: plain.map(encodeFact) }
  }

  /** Makes room in the slab for the header and all small parts; answers where they begin. */
  #reserve(
    small: readonly StagedAppend[],
    facts: { readonly encoded: readonly Buffer[] },
    group: CommitGroup,
  ): number {
    let bytes = FRAME_HEADER_BYTES + (group.idRun === undefined ? 0 : ID_RUN_BYTES)
    for (const { log } of small) bytes += log.records.factBytes
    for (const fact of facts.encoded) bytes += fact.length
    if (this.#slabPosition + bytes > this.#slab.buffer.length) {
      this.#slab.release()
      this.#slab = this.#pool.take(Math.max(SLAB_BYTES, bytes))
      this.#slabPosition = 0
    }
    return this.#slabPosition
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

  #frameLarge({ log, sends }: StagedAppend, appends: FramedAppend[], parts: Buffer[], blocks: Block[]): void {
    const { records } = log
    const block = records.block
    const batch = this.#finish(log, block, 0)
    parts.push(block.buffer.subarray(0, records.factBytes))
    records.detach()
    records.reset()
    appends.push({ log, batch, sends })
    blocks.push(block)
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

function isGeneration(fact: Fact): boolean {
  return fact.type === 'generation'
}
