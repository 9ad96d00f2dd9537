/** A commit group with its numbers: sequence, offsets and time are given here, in the order groups are written. */
import type { Clock } from '../model/clock.ts'
import type { CommitGroup, StagedAppend } from './commit-group.ts'
import type { Fact } from './fact.ts'
import { encodeFact, FACT_HEADER_BYTES, writeAppendHeader } from './fact-format.ts'
import { FRAME_HEADER_BYTES } from './journal-format.ts'
import type { QueueLog } from './queue-log.ts'
import { StoredBatch } from './record-reader.ts'

/** Messages of one queue, in their final bytes. */
export interface FramedAppend {
  readonly log: QueueLog
  readonly batch: StoredBatch
  readonly staged: StagedAppend
}

/** A commit group ready to be written. */
export interface Frame {
  readonly seq: number
  readonly lastSeq: number
  /** It is applied apart from the frame before it. */
  readonly startsSlice: boolean
  readonly facts: readonly Fact[]
  readonly appends: readonly FramedAppend[]
  /** The facts as bytes, in order. */
  readonly buffers: readonly Buffer[]
  /** Bytes of the whole frame. */
  readonly bytes: number
}

/** A slice is as large as keeps the event loop free while it is applied. */
const SLICE_MAX_BYTES = 1024 * 1024
const SLICE_MAX_FRAMES = 1500

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

/** Numbers frames. A frame that could not be written is taken back before the next is built. */
export class FrameBuilder {
  readonly #clock: Clock
  readonly #rule: GenerationRule
  #nextSeq: number
  #timestamp: number
  #generation: number
  #generationStartedAt: number
  #logBytes: number
  #generationLogBytes = 0
  #sliceBytes = Number.POSITIVE_INFINITY
  #sliceFrameCount = 0

  constructor(clock: Clock, rule: GenerationRule, start: FrameStart) {
    this.#clock = clock
    this.#rule = rule
    this.#nextSeq = start.nextSeq
    this.#generation = start.generation
    this.#logBytes = start.logBytes
    this.#timestamp = start.lastTimestamp
    this.#generationStartedAt = Number.NEGATIVE_INFINITY
  }

  get nextSeq(): number {
    return this.#nextSeq
  }

  /** The next frame begins a slice: those before it may be applied now. */
  closeSlice(): void {
    this.#sliceBytes = Number.POSITIVE_INFINITY
  }

  build(group: CommitGroup): Frame {
    const seq = this.#nextSeq
    // Store times never fall, also when the clock does: searching by time relies on it.
    this.#timestamp = Math.max(this.#timestamp, this.#clock.now())
    const facts: Fact[] = []
    const buffers: Buffer[] = []
    if (group.appends.length > 0 && this.#needsGeneration()) this.#startGeneration(facts, buffers)
    const appends = group.appends.map((staged) => this.#frameAppend(staged, facts, buffers))
    for (const fact of group.facts) addFact(fact, facts, buffers)
    const run = group.idRun()
    if (run !== undefined) addFact(run, facts, buffers)
    this.#nextSeq = seq + facts.length
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, FRAME_HEADER_BYTES)
    return {
      seq,
      lastSeq: this.#nextSeq - 1,
      startsSlice: this.#countIntoSlice(bytes),
      facts,
      appends,
      buffers,
      bytes,
    }
  }

  /** Takes back the numbers of a frame that is not in the journal. */
  takeBack(frame: Frame): void {
    this.#nextSeq = frame.seq
    this.closeSlice()
    if (frame.facts.some((fact) => fact.type === 'generation'))
      this.#generationStartedAt = Number.NEGATIVE_INFINITY
    for (const { log, batch } of frame.appends) {
      log.writtenOffset = batch.baseOffset
      this.#logBytes -= batch.bytes.length
    }
  }

  #countIntoSlice(bytes: number): boolean {
    const starts = this.#sliceBytes + bytes > SLICE_MAX_BYTES || this.#sliceFrameCount >= SLICE_MAX_FRAMES
    this.#sliceBytes = starts ? bytes : this.#sliceBytes + bytes
    this.#sliceFrameCount = starts ? 1 : this.#sliceFrameCount + 1
    return starts
  }

  #frameAppend(staged: StagedAppend, facts: Fact[], buffers: Buffer[]): FramedAppend {
    const { log, records } = staged
    const whole = records.finish(log.uid, log.writtenOffset, this.#timestamp)
    writeAppendHeader(whole)
    const bytes = whole.subarray(FACT_HEADER_BYTES)
    log.writtenOffset += records.count
    this.#logBytes += bytes.length
    log.usualGroupBytes = bytes.length
    facts.push({ type: 'append', bytes })
    buffers.push(whole)
    return { log, batch: new StoredBatch(bytes, log.queue), staged }
  }

  #needsGeneration(): boolean {
    return (
      this.#logBytes - this.#generationLogBytes >= this.#rule.maxBytes ||
      this.#timestamp - this.#generationStartedAt >= this.#rule.maxAgeMs
    )
  }

  #startGeneration(facts: Fact[], buffers: Buffer[]): void {
    // A merged batch, or a run of ids, lies in one generation, with which it goes.
    this.closeSlice()
    this.#generation += 1
    this.#generationStartedAt = this.#timestamp
    this.#generationLogBytes = this.#logBytes
    const fact: Fact = {
      type: 'generation',
      generation: this.#generation,
      firstSeq: this.#nextSeq,
      timestamp: this.#timestamp,
      logBytes: this.#logBytes,
    }
    addFact(fact, facts, buffers)
  }
}

function addFact(fact: Fact, facts: Fact[], buffers: Buffer[]): void {
  facts.push(fact)
  buffers.push(encodeFact(fact))
}
