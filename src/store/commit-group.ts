/** What waits to be committed together: one journal frame, all of it or nothing. */

import type { MQError } from '../model/errors.ts'
import { isGivenHere, MESSAGE_ID_PREFIX_BYTES, type MessageId } from '../model/message-id.ts'
import { checkBodySize, type OutgoingMessage } from '../model/outgoing-message.ts'
import type { SendReceipt, SendStatus } from '../model/results.ts'
import { readUInt32 } from './bytes.ts'
import type { Alarm, Fact } from './fact.ts'
import type { ParkedFacts } from './parked-facts.ts'
import type { QueueLog } from './queue-log.ts'
import { Batch, Rec } from './record-format.ts'
import type { RecordWriter } from './record-writer.ts'

/** A send that waits for its group. */
export interface PendingSend {
  /** The ids of its messages, in order. */
  readonly ids: MessageId | readonly MessageId[]
  /** Its place in the record batch. */
  readonly index: number
  readonly resolve: (receipt: SendReceipt) => void
  readonly reject: (error: MQError) => void
}

/** Messages of one queue in a group; their records are in the queue's own writer. */
export interface StagedAppend {
  readonly log: QueueLog
  readonly sends: PendingSend[]
}

/** A commit of other facts that waits for its group. */
export interface PendingCommit {
  readonly resolve: (status: SendStatus) => void
  readonly reject: (error: MQError) => void
}

/** A message that is to be parked and waits for its group. */
export interface PendingPark {
  readonly alarm: Alarm
  readonly resolve: (alarm: Alarm, status: SendStatus) => void
  readonly reject: (error: MQError) => void
}

/** The ascending ids of one group; see `id-run` in `fact-format.ts`. */
export interface IdRun {
  readonly first: MessageId
  last: MessageId
}

/** Remembers the last id over all groups: a run never reaches back behind an earlier one. */
export interface IdOrder {
  last: MessageId | undefined
  /** What all ids of this instance begin with, once it has parked a message. */
  ownPrefix: Uint8Array | undefined
}

export class CommitGroup {
  readonly #idOrder: IdOrder
  readonly appends: StagedAppend[] = []
  readonly facts: Fact[] = []
  readonly commits: PendingCommit[] = []
  /** Messages to park; `parks` says who waits for them. */
  parked: ParkedFacts | undefined
  readonly parks: PendingPark[] = []
  idRun: IdRun | undefined
  #bytes = 0

  constructor(idOrder: IdOrder) {
    this.#idOrder = idOrder
  }

  get isEmpty(): boolean {
    return !this.hasContent && this.commits.length === 0
  }

  /** Whether there is anything to write. */
  get hasContent(): boolean {
    return this.appends.length > 0 || this.facts.length > 0 || this.parked !== undefined
  }

  /** Bytes of the messages staged so far. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Stages new messages for a queue; their ids come from the generator of this instance. Throws when a body has changed its size, before
   * anything of them is staged: what lies in a group can not be taken out of it again.
   */
  append(log: QueueLog, messages: OutgoingMessage | readonly OutgoingMessage[]): StagedAppend {
    if (isBatch(messages)) for (const message of messages) checkBodySize(message)
    else checkBodySize(messages)
    const staged = log.staged ?? this.#begin(log)
    const before = log.records.batchBytes
    if (isBatch(messages)) for (const message of messages) this.#appendNew(log, message)
    else this.#appendNew(log, messages)
    this.#bytes += log.records.batchBytes - before
    return staged
  }

  /** Stages copies of stored messages, whose ids are of any age and origin. */
  appendCopies(log: QueueLog, messages: OutgoingMessage | readonly OutgoingMessage[]): void {
    if (log.staged === undefined) this.#begin(log)
    const before = log.records.batchBytes
    log.records.markExplicitIds()
    for (const message of isBatch(messages) ? messages : [messages]) log.records.append(message)
    this.#bytes += log.records.batchBytes - before
  }

  /** Stages a parked message for its queue, as it lies in its batch. */
  appendParked(log: QueueLog, batch: Buffer): void {
    if (log.staged === undefined) this.#begin(log)
    const before = log.records.batchBytes
    const id = this.#ownIdOf(batch)
    if (id === undefined || !this.#joinsRun(id)) log.records.markExplicitIds()
    log.records.appendParked(batch)
    this.#bytes += log.records.batchBytes - before
  }

  /** Stages a message to be parked: the one record that a writer has finished. */
  park(parked: ParkedFacts, records: RecordWriter, pending: PendingPark): void {
    this.parked = parked
    this.parks.push(pending)
    parked.alarms.push(pending.alarm)
    this.#bytes += parked.add(pending.alarm, records)
  }

  /** Stages facts that belong together; messages among them count as those of a queue do. */
  addFacts(facts: readonly Fact[]): void {
    for (const fact of facts) {
      this.facts.push(fact)
      if (fact.type === 'parked-put') this.#bytes += fact.bytes.length
    }
  }

  /** Empties the queues' writers without using what is in them. */
  discard(): void {
    this.parked?.discard()
    this.parked = undefined
    for (const { log } of this.appends) {
      log.staged = undefined
      log.records.reset()
    }
  }

  #begin(log: QueueLog): StagedAppend {
    const staged: StagedAppend = { log, sends: [] }
    log.staged = staged
    this.appends.push(staged)
    return staged
  }

  #appendNew(log: QueueLog, message: OutgoingMessage): void {
    if (!this.#joinsRun(message.messageId)) log.records.markExplicitIds()
    log.records.append(message)
  }

  /** The id of a parked message if it begins as those of this instance: one of another would end the run for all that follow. */
  #ownIdOf(batch: Buffer): MessageId | undefined {
    const { ownPrefix: prefix } = this.#idOrder
    if (prefix === undefined) return undefined
    const position = Batch.HEADER_BYTES + Rec.MESSAGE_ID
    for (let i = 0; i < MESSAGE_ID_PREFIX_BYTES; i++) if (batch[position + i] !== prefix[i]) return undefined
    const seconds = readUInt32(batch, position + MESSAGE_ID_PREFIX_BYTES)
    return { prefix, seconds, sequence: readUInt32(batch, position + MESSAGE_ID_PREFIX_BYTES + 4) }
  }

  /** A run is ids of one generator, each above all before it, over all groups: then a seek finds the one run that can hold an id. */
  #joinsRun(id: MessageId): boolean {
    const { last } = this.#idOrder
    // One from an earlier process must not begin: no id of this one would join, and each would need a row of its own.
    if (last === undefined ? !isGivenHere(id) : id.prefix !== last.prefix || !isAbove(id, last)) return false
    if (this.idRun === undefined) this.idRun = { first: id, last: id }
    else this.idRun.last = id
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
