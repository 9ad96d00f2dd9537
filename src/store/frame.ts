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
  /** As staged, to answer its sends; absent when the frame was read back from the journal. */
  readonly staged?: StagedAppend
}

/** A commit group ready to be written. */
export interface Frame {
  readonly seq: number
  readonly lastSeq: number
  readonly facts: readonly Fact[]
  readonly appends: readonly FramedAppend[]
  /** The facts as bytes, in order. */
  readonly buffers: readonly Buffer[]
  /** Bytes of the whole frame. */
  readonly bytes: number
}

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

  build(group: CommitGroup): Frame {
    const seq = this.#nextSeq
    // Store times never fall, also when the clock does: searching by time relies on it.
    this.#timestamp = Math.max(this.#timestamp, this.#clock.now())
    const facts: Fact[] = []
    const buffers: Buffer[] = []
    if (group.appends.length > 0 && this.#needsGeneration()) this.#startGeneration(facts, buffers)
    const firstAppendSeq = seq + facts.length
    const appends = group.appends.map((staged) => this.#frameAppend(staged, facts, buffers))
    const run = group.idRun(firstAppendSeq, appends.length)
    for (const fact of run === undefined ? group.facts : [...group.facts, run]) {
      facts.push(fact)
      buffers.push(encodeFact(fact))
    }
    this.#nextSeq = seq + facts.length
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, FRAME_HEADER_BYTES)
    return { seq, lastSeq: this.#nextSeq - 1, facts, appends, buffers, bytes }
  }

  /** Takes back the numbers of a frame that is not in the journal. */
  takeBack(frame: Frame): void {
    this.#nextSeq = frame.seq
    if (frame.facts.some((fact) => fact.type === 'generation')) this.#generationStartedAt = Number.NEGATIVE_INFINITY
    for (const { log, batch } of frame.appends) {
      log.writtenOffset = batch.baseOffset
      this.#logBytes -= batch.bytes.length
    }
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
    return this.#logBytes - this.#generationLogBytes >= this.#rule.maxBytes || this.#timestamp - this.#generationStartedAt >= this.#rule.maxAgeMs
  }

  #startGeneration(facts: Fact[], buffers: Buffer[]): void {
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
    facts.push(fact)
    buffers.push(encodeFact(fact))
  }
}
