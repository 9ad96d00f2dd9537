/**
 * Messages that lie with an alarm until it is due: delayed ones, and halves of transactions. They are in no queue: no
 * reader finds them, and retention does not come near them.
 *
 * Alarm and message are set, and cleared, in one commit. Those that are due soon have their alarm in the table of alarms
 * (`parked-window.ts`); of the others only the index knows (`parked-page.ts`).
 */
import type { Clock } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { checkBodySize, type OutgoingMessage } from '../model/outgoing-message.ts'
import type { Durability, SendStatus } from '../model/results.ts'
import type { Views } from './announce.ts'
import type { BlockPool } from './block-pool.ts'
import type { PendingPark } from './commit-group.ts'
import type { Databases } from './databases.ts'
import { type Alarm, type AlarmSpec, type Fact, isParking } from './fact.ts'
import { U48_MAX } from './keyspace.ts'
import { ParkedIndex, type ParkedName } from './parked-index.ts'
import { BUCKET_MS, bucketOf, entriesOf, type ParkedEntry } from './parked-page.ts'
import { purgeParked } from './parked-purge.ts'
import { ParkedWindow } from './parked-window.ts'
import type { QueueLog } from './queue-log.ts'
import { openStoredBatch } from './record-reader.ts'
import { RecordWriter } from './record-writer.ts'
import { checkU48, topicDeleted } from './refusals.ts'
import type { SendGate } from './send-gate.ts'
import type { StoreStatus } from './store-status.ts'
import { copyBodies } from './waiting-send.ts'
import type { StagedChange, Writer } from './writer.ts'

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

interface PendingQuery {
  readonly begin?: number
  readonly end?: number
  readonly isDamagePassedOver?: boolean
}

/** Some messages of a bucket of time. */
interface ParkedPage {
  readonly bucket: number
  readonly entries: readonly ParkedEntry[]
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
  /** How far ahead parked messages are held in memory. */
  readonly parkedAheadMs: number | undefined
  /** Resolves when everything committed so far is in the databases. */
  applied(): Promise<void>
  report(error: MQError): void
  /** Reads from the databases; what healing interrupts is read again behind it. */
  read<T>(work: () => Promise<T>): Promise<T>
}

const NO_APPENDS: readonly never[] = Object.freeze([])

export class Parking {
  readonly #host: ParkingHost
  readonly #index: ParkedIndex
  readonly window: ParkedWindow
  readonly #records: RecordWriter

  constructor(host: ParkingHost) {
    this.#host = host
    this.#index = new ParkedIndex(host.databases)
    this.window = new ParkedWindow({
      ...host,
      ...host.views,
      index: this.#index,
      aheadMs: host.parkedAheadMs ?? BUCKET_MS,
    })
    this.#records = new RecordWriter(host.pool)
  }

  /**
   * Keeps a message until its alarm is due. Its body is copied before this returns. Waits for room, and rejects, as
   * `Store.append` does.
   */
  park(log: QueueLog, spec: AlarmSpec, message: OutgoingMessage, wait: Wait): Promise<ParkedAlarm> {
    return new Promise((resolve, reject) => {
      const { gate, refusalOf } = this.#host
      checkU48('due timestamp', spec.dueTimestamp)
      const refusal = refusalOf(log, wait.signal)
      if (refusal !== undefined) throw refusal
      const { durability } = this.#host.writer
      const settle = (alarm: Alarm, status: SendStatus): void => resolve({ alarm, status, durability })
      if (gate.isOpen) return this.#stage(log, spec, message, settle, reject)
      const copy = copyBodies(message) as OutgoingMessage
      const enter = (): void => {
        const late = refusalOf(log, undefined)
        if (late === undefined) this.#stage(log, spec, copy, settle, reject)
        else reject(late)
      }
      gate.wait(message.sizeBytes, wait.timeoutMs, wait.signal, enter, reject)
    })
  }

  /** The message that lies with an alarm; `undefined` when it is gone, or the topic that it is for. */
  async message(alarm: Alarm): Promise<MessageView | undefined> {
    const isWanted = this.#host.views.catalog.log(alarm.queueUid) !== undefined
    const bytes = isWanted ? await this.bytes(alarm) : undefined
    return bytes && this.view({ alarm, bytes })
  }

  /** The message in these bytes; `undefined` when its topic is gone. */
  view({ alarm, bytes }: ParkedEntry): MessageView | undefined {
    const log = this.#host.views.catalog.log(alarm.queueUid)
    return log && openStoredBatch(bytes, log.queue).unqueuedMessage()
  }

  /** Its bytes, to park it anew. */
  bytes(alarm: Alarm): Promise<Buffer | undefined> {
    const { views, read } = this.#host
    return read(async () => {
      const bytes = views.parked.unapplied(alarm.id)
      if (bytes !== undefined) return bytes
      const page = views.parked.pageOf(alarm.id)
      if (page !== undefined) return this.#index.read(alarm, page)
      return this.isPending(alarm) ? (await this.#findFar(alarm))?.bytes : undefined
    })
  }

  /** A message that waits, whether its alarm is in memory or not. */
  async find(name: ParkedName): Promise<ParkedEntry | undefined> {
    const { alarms, parked } = this.#host.views
    const alarm = alarms.get(name.id)
    if (alarm !== undefined) {
      const isIts = isParking(alarm) && alarm.dueTimestamp === name.dueTimestamp
      const bytes = isIts ? await this.bytes(alarm) : undefined
      return bytes && { alarm, bytes }
    }
    if (bucketOf(name.dueTimestamp) < this.window.farBucket || parked.isCleared(name.id)) return undefined
    return this.#host.read(() => this.#findFar(name))
  }

  /** Whether it waits still, as far as memory tells: of one that is not there only that nobody has just cleared it. */
  isPending({ id, dueTimestamp }: ParkedName): boolean {
    const { alarms, parked } = this.#host.views
    return alarms.has(id) || (bucketOf(dueTimestamp) >= this.window.farBucket && !parked.isCleared(id))
  }

  /**
   * All that wait for a time from `begin` to `end`, a page after the other, bucket of time after bucket. Rejects with `STORE_CORRUPTED` at
   * a damaged page, unless that is passed over.
   */
  async *pending({
    begin = 0,
    end = U48_MAX,
    isDamagePassedOver = false,
  }: PendingQuery): AsyncGenerator<ParkedPage> {
    await this.#host.applied()
    if (this.#host.status.isOver) throw this.#host.status.refusal()
    if (begin > U48_MAX) return
    const passOver = (error: MQError): void => {
      if (!isDamagePassedOver) throw error
    }
    let current: number | undefined
    let cleared = new Set<number>()
    const last = Math.min(end, U48_MAX)
    for await (const rows of this.#index.pages(bucketOf(Math.max(0, begin)), bucketOf(last) + BUCKET_MS)) {
      for (const { bucket, page } of rows) {
        if (page instanceof MQError) {
          passOver(page)
          continue
        }
        if (bucket !== current) cleared = await this.#index.clearedIn(bucket, passOver)
        current = bucket
        const isWanted = ({ alarm }: ParkedEntry): boolean =>
          alarm.dueTimestamp >= begin &&
          alarm.dueTimestamp <= end &&
          !cleared.has(alarm.id) &&
          this.isPending(alarm)
        yield { bucket, entries: [...entriesOf(page)].filter(isWanted) }
      }
    }
  }

  /** Removes the rows of what has gone on, when nothing waits beside them. */
  async purge(maintain: (work: () => Promise<void>) => Promise<void>): Promise<void> {
    const { databases, views, clock } = this.#host
    const firstNeeded = (): number => {
      let first = Math.min(bucketOf(clock.now()), this.window.farBucket)
      for (const alarm of views.alarms.values())
        if (isParking(alarm) && alarm.dueTimestamp < first) first = bucketOf(alarm.dueTimestamp)
      return first
    }
    await purgeParked({ databases, firstNeeded }, maintain)
  }

  /**
   * Ends what is parked: clears the alarm and, with a log, appends its message to that queue, both in one commit. Not held up by
   * back-pressure, nor by a full disk. Rejects with `STORE_CORRUPTED` for a damaged message that is to be delivered.
   */
  end(alarm: Alarm, log?: QueueLog): Promise<SendStatus> {
    const refusal = this.#refusalOfEnd(log)
    if (refusal !== undefined) return Promise.reject(refusal)
    if (log === undefined) return this.#commitEnd(alarm)
    const batch = this.#host.views.parked.unapplied(alarm.id)
    return batch === undefined ? this.#endStored(alarm, log) : this.#commitEnd(alarm, { log, batch })
  }

  /** A message as it is parked. The body is copied here, into memory that small messages share. */
  encode(message: OutgoingMessage, log: QueueLog): Buffer {
    const records = this.#encode(message, log, this.#host.clock.now())
    const bytes = Buffer.allocUnsafe(records.batchBytes)
    records.copyBatchTo(bytes, 0)
    records.reset()
    return bytes
  }

  #encode(message: OutgoingMessage, log: QueueLog, storeTimestamp: number): RecordWriter {
    const records = this.#records
    checkBodySize(message)
    records.append(message)
    records.finishParked(log.uid, storeTimestamp)
    return records
  }

  async #findFar(name: ParkedName): Promise<ParkedEntry | undefined> {
    const { views, applied } = this.#host
    let found = await this.#index.find(name)
    if (found === undefined) {
      await applied()
      found = await this.#index.find(name)
    }
    if (found?.alarm.dueTimestamp !== name.dueTimestamp || (await this.#index.isCleared(name)))
      return undefined
    return views.parked.isCleared(name.id) ? undefined : found
  }

  #commitEnd({ id, dueTimestamp }: Alarm, delivered?: StagedChange['delivered']): Promise<SendStatus> {
    const { views, writer } = this.#host
    const facts: Fact[] = views.parked.beginClear(id) ? [{ type: 'parked-clear', id, dueTimestamp }] : []
    const committing = writer.commit({ facts, appends: NO_APPENDS, delivered })
    if (facts.length > 0) committing.catch(() => views.parked.cancelClear(id))
    return committing
  }

  async #endStored(alarm: Alarm, log: QueueLog): Promise<SendStatus> {
    const batch = await this.bytes(alarm)
    const refusal = this.#refusalOfEnd(log)
    if (refusal !== undefined) throw refusal
    // Only who has claimed the alarm ends it, but its topic may have been deleted, made anew or not.
    if (batch === undefined) throw topicDeleted(log)
    return this.#commitEnd(alarm, { log, batch })
  }

  #refusalOfEnd(log: QueueLog | undefined): MQError | undefined {
    const { status } = this.#host
    if (status.isOver) return status.refusal()
    return log?.isClosed === true ? topicDeleted(log) : undefined
  }

  #stage(
    log: QueueLog,
    spec: AlarmSpec,
    message: OutgoingMessage,
    resolve: PendingPark['resolve'],
    reject: PendingPark['reject'],
  ): void {
    const { views, writer } = this.#host
    const { dueTimestamp, kind, groupUid, queueUid, queueOffset, attempt } = spec
    const id = views.alarms.takeId()
    // Laid out as those that are read.
    const alarm: Alarm = { id, dueTimestamp, kind, groupUid, queueUid, queueOffset, attempt }
    // The time comes with its frame, as that of any message.
    const records = this.#encode(message, log, 0)
    writer.park(message.messageId, records, { alarm, resolve, reject })
    records.reset()
  }
}
