/**
 * Transactions (semantics section 11). The half of a transaction is parked with an alarm, in no queue. Its end is one commit: the
 * message is appended to its queue and the alarm cleared, or the alarm is cleared. When the alarm is due first, one commit counts the
 * check and sets the next alarm, and only then a producer is asked.
 *
 * Crash before an end is written: the half is still there, and the group is asked. Crash after it: the transaction has ended,
 * whatever its producer was told. Crash between counting and asking: a check was counted that nobody answered.
 *
 * Stricter than RocketMQ: a transaction ends once. Ending it again in the same way changes nothing; RocketMQ appends a second copy. Ending it
 * in the other way is refused; RocketMQ commits what was rolled back.
 */
import type { Clock } from '../model/clock.ts'
import type { EngineEvent } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { formatMessageId } from '../model/message-id.ts'
import { PropertyName } from '../model/properties.ts'
import { Permission, TRANSACTION_CHECK_TOPIC } from '../model/topic.ts'
import type { TransactionEnd, TransactionResolution } from '../model/transaction.ts'
import type {
  HalfReceipt,
  HalfSendRequest,
  TransactionCheck,
  TransactionVerbs,
} from '../model/transaction-verbs.ts'
import { type Alarm, type AlarmSpec, NO_GROUP } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { AlarmClaims } from './alarm-claims.ts'
import type { Announcer } from './announcer.ts'
import { copyParked } from './copy-message.ts'
import { type OpenTransaction, OpenTransactions, type TransactionFate } from './open-transactions.ts'
import type { Publish } from './publish.ts'
import { readParked } from './read-parked.ts'
import { StoredHalf } from './stored-half.ts'
import type { AlarmPlan } from './timekeeper.ts'
import type { Topics } from './topics.ts'
import { TransactionChecks } from './transaction-checks.ts'

/** What transactions are made with. */
export interface TransactionParts {
  readonly store: Store
  readonly publish: Publish
  readonly topics: Topics
  readonly claims: AlarmClaims
  readonly announcer: Announcer
  readonly clock: Clock
  readonly transactionTimeOutMs: number
  readonly transactionCheckIntervalMs: number
  readonly transactionCheckMax: number
}

const PREPARED = [PropertyName.TRANSACTION_PREPARED, 'true'] as const
const DONE: Promise<void> = Promise.resolve()
const NOTHING: AlarmPlan = Object.freeze({})
/** What says nothing new of an end that a check asked for: it came too late. */
const TOO_LATE: ReadonlySet<string> = new Set(['ILLEGAL_OPERATION', 'TOPIC_NOT_EXIST', 'CLOSED'])

export class Transactions implements TransactionVerbs {
  readonly #parts: TransactionParts
  readonly #open = new OpenTransactions()
  readonly #checks = new TransactionChecks((transactionId, check) => this.#ask(transactionId, check))
  #closed = false

  constructor(parts: TransactionParts) {
    this.#parts = parts
    parts.announcer.watch((event) => this.#onChange(event))
  }

  /** How many are kept in memory; nothing is kept of what has ended. */
  get openCount(): number {
    return this.#open.size
  }

  sendHalfMessage(request: HalfSendRequest): Promise<HalfReceipt> {
    const { store, publish, clock, transactionTimeOutMs } = this.#parts
    const { producerGroup, messages: message } = request
    try {
      const log = publish.check(request)
      const storeTimestamp = clock.now()
      const spec = transactionAlarm(log, storeTimestamp + transactionTimeOutMs)
      const half = { ...message, properties: [...message.properties, PREPARED, groupProperty(producerGroup)] }
      return store.parking.park(log, spec, half, request).then((parked) => {
        const messageId = formatMessageId(message.messageId)
        this.#open.know(messageId, producerGroup, parked.alarm)
        // Deleted in the same commit: what is told of the deletion came too early for this one.
        if (log.isClosed) this.#open.end(messageId, 'LOST')
        return new StoredHalf(messageId, parked, log.queue, storeTimestamp)
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  endTransaction(
    transactionId: string,
    producerGroup: string,
    resolution: TransactionResolution,
  ): Promise<void> {
    try {
      if (resolution === 'UNKNOWN') return DONE
      if (this.#closed) throw closed()
      const open = this.#open.get(transactionId)
      if (open === undefined) {
        this.#open.checkEnded(transactionId, resolution)
        return DONE
      }
      if (open.producerGroup !== producerGroup) throw otherGroup(open, producerGroup)
      if (open.ending === undefined) return this.#begin(open, resolution)
      const again = (): Promise<void> => this.endTransaction(transactionId, producerGroup, resolution)
      return open.ending.then(again, again)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  answerChecks(producerGroup: string, _clientId: string, check: TransactionCheck): () => void {
    return this.#checks.join(producerGroup, check)
  }

  /** Refuses further ends with `CLOSED`: what has not ended is asked about when the store is opened again. */
  close(): void {
    this.#closed = true
  }

  /** Plans what happens when a transaction was not ended in time: a check, or after the last one its end without delivery. */
  async planCheck(alarm: Alarm): Promise<AlarmPlan> {
    const { store, transactionCheckMax } = this.#parts
    const log = store.catalog.log(alarm.queueUid)
    // Its topic is gone, and the loss was told when it was deleted.
    if (log === undefined) return NOTHING
    const message = await readParked(store, alarm)
    // It ended meanwhile; to know it again would be to end it twice.
    if (!store.alarms.has(alarm.id)) return NOTHING
    if (message === undefined) return this.#planLoss(alarm)
    const producerGroup = message.properties[PropertyName.PRODUCER_GROUP] ?? ''
    const open = this.#open.know(message.messageId, producerGroup, alarm)
    return alarm.attempt >= transactionCheckMax
      ? this.#planGiveUp(open, message)
      : this.#planNext(open, message)
  }

  #begin(open: OpenTransaction, end: TransactionEnd): Promise<void> {
    open.ending = this.#end(open, end)
    return open.ending
  }

  #end(open: OpenTransaction, end: TransactionEnd): Promise<void> {
    const { claims } = this.#parts
    const { alarm } = open
    // Behind a check that is being counted there is another alarm.
    if (!claims.claim(alarm.id)) return claims.released(alarm.id).then(() => this.#end(open, end))
    return this.#write(open, end).then(
      () => {
        open.ending = undefined
        claims.release(alarm.id)
        this.#forget(open, end)
      },
      (error) => {
        open.ending = undefined
        claims.release(alarm.id)
        throw error
      },
    )
  }

  #write({ alarm, transactionId }: OpenTransaction, end: TransactionEnd): Promise<unknown> {
    const { store } = this.#parts
    const log = store.catalog.log(alarm.queueUid)
    if (log !== undefined && store.alarms.has(alarm.id))
      return store.parking.end(alarm, end === 'COMMIT' ? log : undefined)
    return this.#checkGone(transactionId, log, end)
  }

  /** It was given up, or deleted, while its end waited. */
  async #checkGone(transactionId: string, log: QueueLog | undefined, end: TransactionEnd): Promise<void> {
    if (log === undefined) this.#open.end(transactionId, 'LOST')
    this.#open.checkEnded(transactionId, end)
  }

  async #planNext(open: OpenTransaction, message: MessageView): Promise<AlarmPlan> {
    const { store, clock, transactionCheckIntervalMs } = this.#parts
    const bytes = await store.parking.bytes(open.alarm)
    if (bytes === undefined) return NOTHING
    const next = {
      ...open.alarm,
      id: store.alarms.takeId(),
      dueTimestamp: clock.now() + transactionCheckIntervalMs,
      attempt: open.alarm.attempt + 1,
    }
    const announce = (): void => {
      open.alarm = next
      this.#checks.ask(open.producerGroup, message.messageId)
    }
    return { parked: [{ alarm: next, bytes }], announce }
  }

  /** The message goes where it can be looked at, and is delivered to nobody. */
  async #planGiveUp(open: OpenTransaction, message: MessageView): Promise<AlarmPlan> {
    const { topics } = this.#parts
    const topic = TRANSACTION_CHECK_TOPIC
    await topics.ensure({ topic, readQueueNums: 1, writeQueueNums: 1, permission: Permission.NONE })
    const copy = copyParked(message)
    const place: [string, string][] = [
      [PropertyName.REAL_TOPIC, message.topic],
      [PropertyName.REAL_QUEUE_ID, String(message.queue.queueId)],
      [PropertyName.TRANSACTION_CHECK_TIMES, String(open.alarm.attempt)],
    ]
    const messages = { ...copy, topic, properties: [...copy.properties, ...place] }
    const announce = (): void => {
      this.#forget(open, 'GIVEN_UP')
      this.#warn(open, message)
    }
    return { appends: [{ log: topics.logOfId(topic, 0), messages }], announce }
  }

  /** What is damaged can neither be delivered nor asked about. */
  #planLoss(alarm: Alarm): AlarmPlan {
    const { store, announcer } = this.#parts
    const queue = store.catalog.log(alarm.queueUid)?.queue
    const announce = (): void => {
      for (const open of this.#open.filter(({ id }) => id === alarm.id)) this.#forget(open, 'LOST')
      if (queue === undefined) return
      const event = { reason: 'corruption', queue, fromOffset: 0, toOffset: 0, delayedCount: 1 } as const
      announcer.emit('message-lost', event)
    }
    return { announce }
  }

  /** The answer ends the transaction whenever it comes. A failure to ask is repaired by the next check. */
  async #ask(transactionId: string, check: TransactionCheck): Promise<void> {
    const open = this.#open.get(transactionId)
    const message = open && (await readParked(this.#parts.store, open.alarm).catch(() => undefined))
    if (open === undefined || message === undefined || this.#closed) return
    this.#takeAnswer(open, askSafely(check, message)).catch((error) => this.#report(error))
  }

  async #takeAnswer(open: OpenTransaction, answer: Promise<TransactionResolution>): Promise<void> {
    await this.endTransaction(open.transactionId, open.producerGroup, await answer)
  }

  #onChange(event: EngineEvent): void {
    const { catalog } = this.#parts.store
    if (event.type !== 'route-changed' || catalog.topic(event.topic) !== undefined) return
    const lost = this.#open.filter(({ queueUid }) => catalog.log(queueUid) === undefined)
    for (const open of lost) this.#forget(open, 'LOST')
  }

  #forget({ transactionId, producerGroup }: OpenTransaction, fate: TransactionFate): void {
    this.#open.end(transactionId, fate)
    this.#checks.drop(producerGroup, transactionId)
  }

  /** An answer that comes too late is of no concern to anybody. */
  #report(caught: unknown): void {
    const error = MQError.from(caught)
    if (!TOO_LATE.has(error.code)) this.#parts.announcer.emit('error', error)
  }

  #warn({ producerGroup, alarm }: OpenTransaction, { topic, messageId }: MessageView): void {
    const message = `Nobody in '${producerGroup}' knew how the transaction of message ${messageId} for '${topic}' ended, after ${alarm.attempt} checks; it lies in '${TRANSACTION_CHECK_TOPIC}'.`
    this.#parts.announcer.emit('warning', { code: 'TRANSACTION_GIVEN_UP', message })
  }
}

/** A check that fails is one that nobody answered. */
async function askSafely(check: TransactionCheck, message: MessageView): Promise<TransactionResolution> {
  try {
    return await check(message, message.messageId)
  } catch {
    return 'UNKNOWN'
  }
}

function transactionAlarm(log: QueueLog, dueTimestamp: number): AlarmSpec {
  return {
    kind: 'transaction',
    dueTimestamp,
    groupUid: NO_GROUP,
    queueUid: log.uid,
    queueOffset: 0,
    attempt: 0,
  }
}

function groupProperty(producerGroup: string): readonly [string, string] {
  return [PropertyName.PRODUCER_GROUP, producerGroup]
}

function closed(): MQError {
  return new MQError('CLOSED', 'The instance is closed; the transaction is checked when it is opened again.')
}

function otherGroup({ transactionId, producerGroup }: OpenTransaction, group: string): MQError {
  const text = `The transaction ${transactionId} belongs to the producer group '${producerGroup}', not to '${group}'.`
  return new MQError('ILLEGAL_OPERATION', text)
}
