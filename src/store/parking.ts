/**
 * Messages that lie with an alarm until it is due: delayed ones, and halves of transactions. Each has a row of its own beside
 * the alarms, in the order in which they fall due, so that what falls due together is read together. They are in no queue: no
 * reader finds them, and retention does not come near them.
 *
 * Alarm and message are set, and cleared, in one commit. Between commit and applying the bytes are held here; afterwards only
 * the index has them.
 */
import type { Clock } from '../model/clock.ts'
import type { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { Durability, SendStatus } from '../model/results.ts'
import type { Views } from './announce.ts'
import type { BlockPool } from './block-pool.ts'
import type { Databases } from './databases.ts'
import type { Alarm, AlarmSpec, Fact } from './fact.ts'
import { ParkedReader } from './parked-reader.ts'
import type { QueueLog } from './queue-log.ts'
import { readStoredBatch } from './record-reader.ts'
import { RecordWriter } from './record-writer.ts'
import { checkU48, topicDeleted } from './refusals.ts'
import type { SendGate } from './send-gate.ts'
import type { StoreStatus } from './store-status.ts'
import type { Writer } from './writer.ts'

/** An alarm that is to be set, and the message that lies with it. */
export interface ParkedChange {
  /** With an id when that was taken beforehand. */
  readonly alarm: AlarmSpec & { readonly id?: number }
  /** What was parked before. */
  readonly bytes: Buffer
}

/** A message that was parked: its alarm, and how safely both are stored. */
export interface ParkedAlarm {
  readonly alarm: Alarm
  readonly status: SendStatus
  readonly durability: Durability
}

/** How long a send may wait for room. */
interface Wait {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** What parking needs of its store. */
export interface ParkingHost {
  readonly clock: Clock
  readonly views: Views
  readonly databases: Databases
  readonly pool: BlockPool
  readonly gate: SendGate
  readonly writer: Writer
  /** Why nothing may be sent to this queue now. */
  refusalOf(log: QueueLog, signal: AbortSignal | undefined): MQError | undefined
  readonly status: StoreStatus
  /** Reads from the databases; what healing interrupts is read again behind it. */
  read<T>(work: () => Promise<T>): Promise<T>
}

const NO_APPENDS: readonly never[] = Object.freeze([])

export class Parking {
  readonly #host: ParkingHost
  readonly #reader: ParkedReader
  readonly #records: RecordWriter

  constructor(host: ParkingHost) {
    this.#host = host
    this.#reader = new ParkedReader(host.databases)
    this.#records = new RecordWriter(host.pool)
  }

  /**
   * Keeps a message until its alarm is due. Its body is copied before this returns. Waits for room, and rejects, as
   * `Store.append` does.
   */
  park(log: QueueLog, spec: AlarmSpec, message: OutgoingMessage, wait: Wait): Promise<ParkedAlarm> {
    const { gate, refusalOf } = this.#host
    try {
      checkU48('due timestamp', spec.dueTimestamp)
      const refusal = refusalOf(log, wait.signal)
      if (refusal !== undefined) throw refusal
      this.#host.writer.noteParked(message.messageId)
      const bytes = this.encode(message, log)
      if (gate.isOpen) return this.#commit(spec, bytes)
      return new Promise((resolve, reject) => {
        const enter = (): void => {
          const late = refusalOf(log, undefined)
          if (late === undefined) this.#commit(spec, bytes).then(resolve, reject)
          else reject(late)
        }
        gate.wait(message.sizeBytes, wait.timeoutMs, wait.signal, enter, reject)
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The message that lies with an alarm; `undefined` when it is gone, or the topic that it is for. */
  async message(alarm: Alarm): Promise<MessageView | undefined> {
    const log = this.#host.views.catalog.log(alarm.queueUid)
    const bytes = log && (await this.bytes(alarm))
    if (log === undefined || bytes === undefined) return undefined
    return readStoredBatch(bytes, log.queue, `The parked message ${alarm.id}`).unqueuedMessage()
  }

  /** Its bytes, to park it anew. */
  bytes(alarm: Alarm): Promise<Buffer | undefined> {
    return this.#host.read(async () => this.#host.views.unapplied.bytes(alarm.id) ?? this.#reader.read(alarm))
  }

  /**
   * Ends what is parked: clears the alarm and, with a log, appends its message to that queue, both in one commit. Not held up by
   * back-pressure, nor by a full disk. Rejects with `STORE_CORRUPTED` for a damaged message that is to be delivered.
   */
  end(alarm: Alarm, log?: QueueLog): Promise<SendStatus> {
    const refusal = this.#refusalOfEnd(log)
    if (refusal !== undefined) return Promise.reject(refusal)
    const { id, dueTimestamp } = alarm
    const facts: Fact[] = [{ type: 'parked-clear', id, dueTimestamp }]
    if (log === undefined) return this.#host.writer.commit({ facts, appends: NO_APPENDS })
    const batch = this.#host.views.unapplied.bytes(id)
    if (batch === undefined) return this.#endStored(alarm, log, facts)
    return this.#host.writer.commit({ facts, appends: NO_APPENDS, delivered: { log, batch } })
  }

  /** A message as it is parked. The body is copied here, into memory that small messages share. */
  encode(message: OutgoingMessage, log: QueueLog): Buffer {
    const records = this.#records
    records.append(message)
    records.finish(log.uid, 0, this.#host.clock.now())
    const bytes = Buffer.allocUnsafe(records.batchBytes)
    records.copyBatchTo(bytes, 0)
    records.reset()
    return bytes
  }

  async #endStored(alarm: Alarm, log: QueueLog, facts: Fact[]): Promise<SendStatus> {
    const batch = await this.bytes(alarm)
    const refusal = this.#refusalOfEnd(log)
    if (refusal !== undefined) throw refusal
    // Only who has claimed the alarm ends it, but its topic may have been deleted, made anew or not.
    if (batch === undefined) throw topicDeleted(log)
    readStoredBatch(batch, log.queue, `The parked message ${alarm.id}`)
    return this.#host.writer.commit({ facts, appends: NO_APPENDS, delivered: { log, batch } })
  }

  #refusalOfEnd(log: QueueLog | undefined): MQError | undefined {
    const { status } = this.#host
    if (status.isOver) return status.refusal()
    return log?.isClosed === true ? topicDeleted(log) : undefined
  }

  #commit(spec: AlarmSpec, bytes: Buffer): Promise<ParkedAlarm> {
    const { views, writer } = this.#host
    const { dueTimestamp, kind, groupUid, queueUid, queueOffset, attempt } = spec
    const id = views.alarms.takeId()
    // Laid out as those that are read: there may be a million of them.
    const alarm: Alarm = { id, dueTimestamp, kind, groupUid, queueUid, queueOffset, attempt }
    const { durability } = writer
    return writer
      .commit({ facts: [{ type: 'parked-put', alarm, bytes }], appends: NO_APPENDS })
      .then((status) => ({ alarm, status, durability }))
  }
}

/** Parked messages that are committed and not in the index yet. */
export class UnappliedMessages {
  readonly #bytes = new Map<number, Buffer>()

  hold(id: number, bytes: Buffer): void {
    this.#bytes.set(id, bytes)
  }

  /** Its row is in the index, or nobody wants it any more. */
  release(id: number): void {
    this.#bytes.delete(id)
  }

  bytes(id: number): Buffer | undefined {
    return this.#bytes.get(id)
  }
}
