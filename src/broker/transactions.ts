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
import type { HalfReceipt, HalfSendRequest, TransactionCheck, TransactionVerbs } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { formatMessageId } from '../model/message-id.ts'
import { PropertyName } from '../model/properties.ts'
import { Permission, TRANSACTION_CHECK_TOPIC } from '../model/topic.ts'
import type { TransactionEnd, TransactionResolution } from '../model/transaction.ts'
import type { Alarm } from '../store/fact.ts'
import type { Store } from '../store/store.ts'
import { NO_OFFSET } from '../store/stored-message.ts'
import type { AlarmClaims } from './alarm-claims.ts'
import type { Announcer } from './announcer.ts'
import { copyParked } from './copy-message.ts'
import type { Publish } from './publish.ts'
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

/** A transaction that has not ended. */
interface OpenTransaction {
  readonly transactionId: string
  readonly producerGroup: string
  /** The next check; each check sets another one. */
  alarm: Alarm
  /** Its end is being written. */
  ending: Promise<void> | undefined
}

/** Transactions belong to no consumer group. */
const NO_GROUP = 0
/** How many ends are remembered, so that a repeated one is told from one that comes too late. */
const ENDED_MAX_COUNT = 10_000
const NOTHING: AlarmPlan = Object.freeze({})

export class Transactions implements TransactionVerbs {
  readonly #parts: TransactionParts
  readonly #checks = new TransactionChecks()
  /** Those of this run, and older ones that a check was counted of. */
  readonly #open = new Map<string, OpenTransaction>()
  readonly #ended = new Map<string, TransactionEnd>()

  constructor(parts: TransactionParts) {
    this.#parts = parts
  }

  async sendHalfMessage(request: HalfSendRequest): Promise<HalfReceipt> {
    const { store, publish, clock, transactionTimeOutMs } = this.#parts
    const { producerGroup, messages: message } = request
    const log = publish.check(request)
    const storeTimestamp = clock.now()
    const spec = {
      kind: 'transaction',
      dueTimestamp: storeTimestamp + transactionTimeOutMs,
      groupUid: NO_GROUP,
      queueUid: log.uid,
      queueOffset: 0,
      attempt: 0,
    } as const
    const half = { ...message, properties: [...message.properties, ...transactionProperties(producerGroup)] }
    const { alarm, status, durability } = await store.parking.park(log, spec, half, request)
    const messageId = formatMessageId(message.messageId)
    this.#know(messageId, producerGroup, alarm)
    return {
      status,
      durability,
      messageId,
      offsetMessageId: '',
      messageIds: [messageId],
      queue: log.queue,
      queueOffset: NO_OFFSET,
      messageCount: 1,
      storeTimestamp,
      transactionId: messageId,
    }
  }

  async endTransaction(
    transactionId: string,
    producerGroup: string,
    resolution: TransactionResolution,
  ): Promise<void> {
    if (resolution === 'UNKNOWN') return
    for (;;) {
      const open = this.#open.get(transactionId)
      if (open === undefined) return this.#checkEnded(transactionId, resolution)
      if (open.producerGroup !== producerGroup) throw otherGroup(open, producerGroup)
      if (open.ending === undefined) return this.#begin(open, resolution)
      await open.ending.catch(() => undefined)
    }
  }

  answerChecks(producerGroup: string, clientId: string, check: TransactionCheck): () => void {
    return this.#checks.join(producerGroup, clientId, check)
  }

  /** Plans what happens when a transaction was not ended in time: a check, or after the last one its end without delivery. */
  async planCheck(alarm: Alarm): Promise<AlarmPlan> {
    const { store, transactionCheckMax } = this.#parts
    const message = await store.parking.message(alarm)
    // Without the message its topic is gone, and the loss was told when it was deleted.
    if (message === undefined) return NOTHING
    const producerGroup = message.properties[PropertyName.PRODUCER_GROUP] ?? ''
    const open = this.#know(message.messageId, producerGroup, alarm)
    return alarm.attempt >= transactionCheckMax
      ? this.#planGiveUp(open, message)
      : this.#planNext(open, message)
  }

  #know(transactionId: string, producerGroup: string, alarm: Alarm): OpenTransaction {
    const known = this.#open.get(transactionId)
    if (known !== undefined) return known
    const open = { transactionId, producerGroup, alarm, ending: undefined }
    this.#open.set(transactionId, open)
    return open
  }

  #begin(open: OpenTransaction, end: TransactionEnd): Promise<void> {
    const ending = this.#end(open, end).finally(() => {
      open.ending = undefined
    })
    open.ending = ending
    return ending
  }

  async #end(open: OpenTransaction, end: TransactionEnd): Promise<void> {
    const { store, claims } = this.#parts
    while (!claims.claim(open.alarm.id)) await claims.released(open.alarm.id)
    const { alarm } = open
    try {
      // It may have been given up while its end waited.
      if (!this.#open.has(open.transactionId)) return this.#checkEnded(open.transactionId, end)
      const appends = end === 'COMMIT' ? [await this.#append(open)] : []
      await store.commit({ appends, alarmsCleared: [alarm] })
      this.#forget(open, end)
    } finally {
      claims.release(alarm.id)
    }
  }

  async #append(open: OpenTransaction) {
    const { store } = this.#parts
    const log = store.catalog.log(open.alarm.queueUid)
    const message = await store.parking.message(open.alarm)
    if (log === undefined || message === undefined) {
      this.#open.delete(open.transactionId)
      const text = `The topic of the transaction ${open.transactionId} was deleted, and its message with it.`
      throw new MQError('TOPIC_NOT_EXIST', text)
    }
    return { log, messages: copyParked(message) }
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
      this.#ask(open, message)
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
    ]
    const messages = { ...copy, topic, properties: [...copy.properties, ...place] }
    const announce = (): void => {
      this.#open.delete(open.transactionId)
      this.#checks.drop(open.producerGroup, open.transactionId)
      this.#warn(open, message)
    }
    return { appends: [{ log: topics.logOfId(topic, 0), messages }], announce }
  }

  #ask(open: OpenTransaction, message: MessageView): void {
    const { transactionId, producerGroup } = open
    const ask = (check: TransactionCheck): Promise<TransactionResolution> =>
      check(message, transactionId).catch(() => 'UNKNOWN' as const)
    this.#checks.ask(producerGroup, transactionId, ask, (resolution) => {
      this.endTransaction(transactionId, producerGroup, resolution).catch((error) => this.#report(error))
    })
  }

  #forget({ transactionId, producerGroup }: OpenTransaction, end: TransactionEnd): void {
    this.#open.delete(transactionId)
    this.#checks.drop(producerGroup, transactionId)
    this.#ended.set(transactionId, end)
    const oldest = this.#ended.size > ENDED_MAX_COUNT ? this.#ended.keys().next().value : undefined
    if (oldest !== undefined) this.#ended.delete(oldest)
  }

  #checkEnded(transactionId: string, end: TransactionEnd): void {
    const ended = this.#ended.get(transactionId)
    if (ended === end) return
    const how = ended === undefined ? 'it ended before, or was given up' : `it ended with ${ended}`
    throw new MQError('ILLEGAL_OPERATION', `The transaction ${transactionId} is not open: ${how}.`)
  }

  /** An answer that comes too late is of no concern to anybody. */
  #report(caught: unknown): void {
    const error = MQError.from(caught)
    if (error.code !== 'ILLEGAL_OPERATION' && error.code !== 'CLOSED')
      this.#parts.announcer.emit('error', error)
  }

  #warn({ producerGroup, alarm }: OpenTransaction, { topic, messageId }: MessageView): void {
    const message = `Nobody in '${producerGroup}' knew how the transaction of message ${messageId} for '${topic}' ended, after ${alarm.attempt} checks; it lies in '${TRANSACTION_CHECK_TOPIC}'.`
    this.#parts.announcer.emit('warning', { code: 'TRANSACTION_GIVEN_UP', message })
  }
}

function transactionProperties(producerGroup: string): [string, string][] {
  return [
    [PropertyName.TRANSACTION_PREPARED, 'true'],
    [PropertyName.PRODUCER_GROUP, producerGroup],
  ]
}

function otherGroup({ transactionId, producerGroup }: OpenTransaction, group: string): MQError {
  const text = `The transaction ${transactionId} belongs to the producer group '${producerGroup}', not to '${group}'.`
  return new MQError('ILLEGAL_OPERATION', text)
}
