/** The messages that a commit group parks, as the facts that they are in the journal: encoded once, into memory they share. */
import type { Block, BlockPool } from './block-pool.ts'
import { readUInt32, writeUInt48 } from './bytes.ts'
import type { Alarm } from './fact.ts'
import { PARKED_HEADER_BYTES, writeParkedHeader } from './fact-format.ts'
import { Batch } from './record-format.ts'
import type { RecordWriter } from './record-writer.ts'

const FIRST_BYTES = 8 * 1024

export class ParkedFacts {
  readonly #pool: BlockPool
  #block: Block
  #bytes = 0
  /** In the order of their facts. */
  readonly alarms: Alarm[] = []

  constructor(pool: BlockPool) {
    this.#pool = pool
    this.#block = pool.take(FIRST_BYTES)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds the one record that a writer has finished; answers the bytes it takes. */
  add(alarm: Alarm, records: RecordWriter): number {
    const { batchBytes } = records
    const bytes = PARKED_HEADER_BYTES + batchBytes
    this.#reserve(bytes)
    const { buffer } = this.#block
    writeParkedHeader(buffer, this.#bytes, alarm, batchBytes)
    records.copyBatchTo(buffer, this.#bytes + PARKED_HEADER_BYTES)
    this.#bytes += bytes
    return bytes
  }

  /** Gives all of them the time at which they are stored. */
  stamp(storeTimestamp: number): void {
    const { buffer } = this.#block
    for (let position = PARKED_HEADER_BYTES; position < this.#bytes; ) {
      writeUInt48(buffer, position + Batch.STORE_TIMESTAMP, storeTimestamp)
      position += readUInt32(buffer, position + Batch.BYTES) + PARKED_HEADER_BYTES
    }
  }

  /** Copies all facts; answers where they end. For a few. */
  copyTo(target: Buffer, position: number): number {
    this.#block.buffer.copy(target, position, 0, this.#bytes)
    return position + this.#bytes
  }

  /** The memory of the facts, for whoever keeps it. */
  get block(): Block {
    return this.#block
  }

  /** Nobody needs the memory. */
  discard(): void {
    this.#block.release()
  }

  #reserve(bytes: number): void {
    const needed = this.#bytes + bytes
    if (needed <= this.#block.buffer.length) return
    const grown = this.#pool.take(Math.max(needed, 2 * this.#block.buffer.length))
    this.#block.buffer.copy(grown.buffer, 0, 0, this.#bytes)
    this.#block.release()
    this.#block = grown
  }
}

/** The messages of a frame that are parked by it, where they lie until it is announced. */
export interface FramedParked {
  readonly alarms: readonly Alarm[]
  readonly buffer: Buffer
  readonly start: number
}

/** Visits each with a view of its message, which is good for the turn. */
export function visitParked(
  { alarms, buffer, start }: FramedParked,
  isWanted: (alarm: Alarm) => boolean,
  visit: (alarm: Alarm, bytes: Buffer) => void,
): void {
  let position = start
  for (const alarm of alarms) {
    const from = position + PARKED_HEADER_BYTES
    position = from + readUInt32(buffer, from + Batch.BYTES)
    if (isWanted(alarm)) visit(alarm, buffer.subarray(from, position))
  }
}
