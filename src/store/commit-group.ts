/** What waits to be committed together: one journal frame, all of it or nothing. */

import type { MQError } from '../model/errors.ts'
import type { MessageId } from '../model/message-id.ts'
import { MESSAGE_ID_BYTES, writeMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { SendReceipt } from '../model/results.ts'
import type { BlockPool } from './block-pool.ts'
import type { Fact } from './fact.ts'
import { FACT_HEADER_BYTES } from './fact-format.ts'
import type { QueueLog } from './queue-log.ts'
import { RecordWriter } from './record-writer.ts'

/** A send that waits for its group. */
export interface PendingSend {
  /** The ids of its messages, in order. */
  readonly ids: MessageId | readonly MessageId[]
  /** Its place in the record batch. */
  readonly index: number
  readonly resolve: (receipt: SendReceipt) => void
  readonly reject: (error: MQError) => void
}

/** Messages of one queue in a group. */
export interface StagedAppend {
  readonly log: QueueLog
  readonly records: RecordWriter
  readonly sends: PendingSend[]
}

/** A commit of other facts that waits for its group. */
export interface PendingCommit {
  readonly resolve: () => void
  readonly reject: (error: MQError) => void
}

/** The ascending ids of one group; see `id-run` in `fact-format.ts`. */
interface Run {
  readonly first: MessageId
  last: MessageId
}

/** Bytes made ready for a queue's first message of a group; grows with the last group of that queue. */
const SMALLEST_CAPACITY_BYTES = 256

/** Remembers the last id over all groups: a run never reaches back behind an earlier one. */
export interface IdOrder {
  last: MessageId | undefined
}

export class CommitGroup {
  readonly #idOrder: IdOrder
  readonly #pool: BlockPool
  readonly appends: StagedAppend[] = []
  readonly facts: Fact[] = []
  readonly commits: PendingCommit[] = []
  readonly #byLog = new Map<QueueLog, StagedAppend>()
  #recent: StagedAppend | undefined
  #run: Run | undefined
  #bytes = 0

  constructor(idOrder: IdOrder, pool: BlockPool) {
    this.#idOrder = idOrder
    this.#pool = pool
  }

  get isEmpty(): boolean {
    return this.appends.length === 0 && this.facts.length === 0 && this.commits.length === 0
  }

  /** Bytes of the messages staged so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Stages messages for a queue; answers where they stand, for the receipt. */
  append(log: QueueLog, messages: OutgoingMessage | readonly OutgoingMessage[]): StagedAppend {
    const staged = this.#recent?.log === log ? this.#recent : this.#stagedFor(log)
    this.#recent = staged
    const { records } = staged
    const before = records.bytes
    if (isBatch(messages)) for (const message of messages) this.#appendOne(records, message)
    else this.#appendOne(records, messages)
    this.#bytes += records.bytes - before
    return staged
  }

  /** The fact that lets the ids of this group be found without a row for each. */
  idRun(): Fact | undefined {
    if (this.#run === undefined) return undefined
    return { type: 'id-run', first: idBytes(this.#run.first), last: idBytes(this.#run.last) }
  }

  #appendOne(records: RecordWriter, message: OutgoingMessage): void {
    if (!this.#joinsRun(message.messageId)) records.markExplicitIds()
    records.append(message)
  }

  #stagedFor(log: QueueLog): StagedAppend {
    let staged = this.#byLog.get(log)
    if (staged === undefined) {
      const capacity = Math.max(SMALLEST_CAPACITY_BYTES, log.usualGroupBytes)
      staged = { log, records: new RecordWriter(FACT_HEADER_BYTES, capacity, this.#pool), sends: [] }
      this.#byLog.set(log, staged)
      this.appends.push(staged)
    }
    return staged
  }

  /** A run is ids of one generator, each above all before it, over all groups: then a seek finds the one run that can hold an id. */
  #joinsRun(id: MessageId): boolean {
    const { last } = this.#idOrder
    if (last !== undefined && id.prefix === last.prefix && !isAbove(id, last)) return false
    if (this.#run === undefined) this.#run = { first: id, last: id }
    else if (this.#run.first.prefix !== id.prefix) return false
    this.#run.last = id
    this.#idOrder.last = id
    return true
  }
}

export function isBatch(
  messages: OutgoingMessage | readonly OutgoingMessage[],
): messages is readonly OutgoingMessage[] {
  return Array.isArray(messages)
}

function isAbove(id: MessageId, other: MessageId): boolean {
  return id.seconds > other.seconds || (id.seconds === other.seconds && id.sequence > other.sequence)
}

function idBytes(id: MessageId): Buffer {
  const bytes = Buffer.allocUnsafe(MESSAGE_ID_BYTES)
  writeMessageId(id, bytes, 0)
  return bytes
}
