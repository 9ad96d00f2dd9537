/**
 * Delayed messages (semantics section 10). Until its time a message is parked with an alarm, in no queue; when the alarm is due,
 * one commit appends it to its queue and clears the alarm, so it is delivered exactly once, whatever crashes.
 *
 * It keeps id, born time and properties, and gets a store time and its place in the queue when it is delivered. Messages of one
 * time come in the order in which they were sent. RocketMQ's precision is a second, or the 100 ms of its levels; here it is
 * that of the clock, and never early.
 */
import type { Clock } from '../model/clock.ts'
import type { Delay } from '../model/delay.ts'
import { type DelayLevels, delayOfLevel } from '../model/delay-levels.ts'
import type { DelayedQuery, DelayedSendRequest, DelayVerbs } from '../model/delay-verbs.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { DelayedMessage, SendReceipt } from '../model/results.ts'
import { type Alarm, NO_GROUP } from '../store/fact.ts'
import { U48_MAX } from '../store/keyspace.ts'
import type { ParkedEntry } from '../store/parked-page.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { AlarmClaims } from './alarm-claims.ts'
import type { Announcer } from './announcer.ts'
import { copyMoved, copyParked } from './copy-message.ts'
import { ParkedReceipt } from './parked-receipt.ts'
import type { Publish } from './publish.ts'
import { readParked } from './read-parked.ts'
import { parseRecallHandle, type RecallHandle, recallHandleOf } from './recall-handle.ts'
import type { AlarmPlan } from './timekeeper.ts'
import type { Topics } from './topics.ts'

/** What delaying is done with. */
export interface DelayedParts {
  readonly store: Store
  readonly topics: Topics
  readonly publish: Publish
  readonly claims: AlarmClaims
  readonly announcer: Announcer
  readonly clock: Clock
  readonly delayLevels: DelayLevels
  readonly timerMaxDelayMs: number
}

/** A message that waits: with what, and for which queue. */
interface Waiting {
  readonly alarm: Alarm
  readonly log: QueueLog
  readonly message: MessageView
}

const NOTHING: AlarmPlan = Object.freeze({})

export class DelayedMessages implements DelayVerbs {
  readonly #parts: DelayedParts

  constructor(parts: DelayedParts) {
    this.#parts = parts
  }

  checkDelay(delay: Delay): void {
    this.#dueTimestamp(delay, this.#parts.clock.now())
  }

  sendDelayedMessage(request: DelayedSendRequest, delay: Delay): Promise<SendReceipt> {
    const { store, publish, clock } = this.#parts
    try {
      const now = clock.now()
      const dueTimestamp = this.#dueTimestamp(delay, now)
      if (dueTimestamp <= now) return publish.send(request)
      const log = publish.check(request)
      const { messages } = request
      const sent = { log, messageId: messages.messageId, storeTimestamp: now, delay }
      return store.parking
        .park(log, delayAlarm(log, dueTimestamp), messages, request)
        .then((parked) => new ParkedReceipt(parked, sent))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  recallMessage(topic: string, recallHandle: string): Promise<string> {
    return this.#decide(topic, recallHandle, async ({ alarm, message }) => {
      await this.#parts.store.commit({ alarmsCleared: [alarm] })
      return message.messageId
    })
  }

  deliverMessageNow(topic: string, recallHandle: string): Promise<string> {
    return this.#decide(topic, recallHandle, async ({ alarm, log, message }) => {
      const appends = [{ log, messages: copyParked(message) }]
      await this.#parts.store.commit({ appends, alarmsCleared: [alarm] })
      return message.messageId
    })
  }

  async rescheduleMessage(topic: string, recallHandle: string, deliveryTimestamp: number): Promise<string> {
    const { store, clock } = this.#parts
    const now = clock.now()
    const dueTimestamp = Math.max(now, this.#dueTimestamp({ deliveryTimestamp }, now))
    return this.#decide(topic, recallHandle, async ({ alarm, log, message }) => {
      const bytes = store.parking.encode(copyMoved(message, dueTimestamp), log)
      const moved = { ...delayAlarm(log, dueTimestamp), id: store.alarms.takeId() }
      await store.commit({ parked: [{ alarm: moved, bytes }], alarmsCleared: [alarm] })
      return recallHandleOf(moved, log, message.messageId)
    })
  }

  async queryDelayedMessages({
    topic,
    begin,
    end,
    maxCount,
    messageIds,
  }: DelayedQuery): Promise<readonly DelayedMessage[]> {
    const { store, topics } = this.#parts
    const queueUids = new Set(topics.entry(topic).logs.map(({ uid }) => uid))
    const isWanted = (entry: ParkedEntry): boolean =>
      entry.alarm.kind === 'delay' &&
      queueUids.has(entry.alarm.queueUid) &&
      (messageIds === undefined || messageIds.has(this.#idOf(entry) ?? ''))
    const found: ParkedEntry[] = []
    let current: number | undefined
    // What is damaged is none that anybody asks for: it cannot be delivered.
    const pages = store.parking.pending({ begin, end, isDamagePassedOver: messageIds !== undefined })
    for await (const { bucket, entries } of pages) {
      if (bucket !== current && found.length >= maxCount) break
      current = bucket
      found.push(...entries.filter(isWanted))
    }
    const first = found.sort(byDue).slice(0, maxCount)
    return first.map((entry) => this.#show(entry)).filter((each) => each !== undefined)
  }

  #idOf(entry: ParkedEntry): string | undefined {
    try {
      return this.#parts.store.parking.view(entry)?.messageId
    } catch {
      return undefined
    }
  }

  /** Plans the delivery of a message whose time has come. */
  async planDelivery(alarm: Alarm): Promise<AlarmPlan> {
    const { store } = this.#parts
    const log = store.catalog.log(alarm.queueUid)
    // Without the queue its topic is gone, and the loss was told when it was deleted.
    if (log === undefined) return NOTHING
    const message = await readParked(store, alarm)
    if (message === undefined) return this.#planLoss(log)
    return { appends: [{ log, messages: copyParked(message) }] }
  }

  /** The time at which a message is due; `MESSAGE_ILLEGAL` when it is too far ahead, or no level. */
  #dueTimestamp(delay: Delay, now: number): number {
    const { delayLevels, timerMaxDelayMs } = this.#parts
    if ('deliveryTimestamp' in delay) {
      const aheadMs = delay.deliveryTimestamp - now
      if (aheadMs <= timerMaxDelayMs) return delay.deliveryTimestamp
      const text = `The deliveryTimestamp lies ${aheadMs} ms ahead; timerMaxDelayMs allows ${timerMaxDelayMs}.`
      throw new MQError('MESSAGE_ILLEGAL', text, { outcome: 'not-attempted' })
    }
    if (delay.delayTimeLevel <= delayLevels.length)
      return now + delayOfLevel(delayLevels, delay.delayTimeLevel)
    const text = `There is no delay level ${delay.delayTimeLevel}; messageDelayLevel has 1 to ${delayLevels.length}.`
    throw new MQError('MESSAGE_ILLEGAL', text, { outcome: 'not-attempted' })
  }

  /** Commits something about a waiting message, unless it is being delivered, recalled or moved at the moment. */
  async #decide<T>(topic: string, text: string, commit: (waiting: Waiting) => Promise<T>): Promise<T> {
    const { claims, store } = this.#parts
    const handle = parseRecallHandle(text)
    const { alarmId: id, deliveryTimestamp: dueTimestamp, messageId } = handle
    if (handle.topic !== topic) {
      const topics = `'${handle.topic}', not for '${topic}'`
      throw new MQError('ILLEGAL_OPERATION', `The handle is for the topic ${topics}.`)
    }
    if (!isTimestamp(dueTimestamp) || !store.parking.isPending({ id, dueTimestamp })) throw tooLate(messageId)
    if (!claims.claim(id)) {
      const busy = `The message ${messageId} is being delivered, recalled or moved at this moment.`
      throw new MQError('ILLEGAL_OPERATION', busy)
    }
    try {
      return await commit(await this.#find(handle))
    } finally {
      claims.release(id)
    }
  }

  /** Alarm and time alone do not tell: a store that began anew gives the same numbers again. */
  async #find({
    topic,
    brokerName,
    messageId,
    alarmId: id,
    deliveryTimestamp,
  }: RecallHandle): Promise<Waiting> {
    const { catalog, parking } = this.#parts.store
    const entry = await parking.find({ id, dueTimestamp: deliveryTimestamp })
    const log = entry?.alarm.kind === 'delay' ? catalog.log(entry.alarm.queueUid) : undefined
    const isItsQueue = log?.queue.topic === topic && log.queue.brokerName === brokerName
    // Its topic may have been deleted meanwhile.
    if (entry === undefined || log === undefined || !isItsQueue || log.isClosed) throw tooLate(messageId)
    const message = parking.view(entry)
    if (message?.messageId !== messageId || !parking.isPending(entry.alarm)) throw tooLate(messageId)
    return { alarm: entry.alarm, log, message }
  }

  #show(entry: ParkedEntry): DelayedMessage | undefined {
    const { store } = this.#parts
    const { alarm } = entry
    const log = store.catalog.log(alarm.queueUid)
    const message = store.parking.view(entry)
    // It was delivered or recalled meanwhile.
    if (log === undefined || message === undefined || !store.parking.isPending(alarm)) return undefined
    const recallHandle = recallHandleOf(alarm, log, message.messageId)
    return { message, deliveryTimestamp: alarm.dueTimestamp, recallHandle }
  }

  #planLoss(log: QueueLog): AlarmPlan {
    const event = {
      reason: 'corruption',
      queue: log.queue,
      fromOffset: 0,
      toOffset: 0,
      delayedCount: 1,
    } as const
    return { announce: () => this.#parts.announcer.emit('message-lost', event) }
  }
}

function delayAlarm(log: QueueLog, dueTimestamp: number) {
  return {
    kind: 'delay',
    groupUid: NO_GROUP,
    queueUid: log.uid,
    queueOffset: 0,
    attempt: 0,
    dueTimestamp,
  } as const
}

function byDue(a: ParkedEntry, b: ParkedEntry): number {
  return a.alarm.dueTimestamp - b.alarm.dueTimestamp || a.alarm.id - b.alarm.id
}

/** Whether anything can be due then: a handle may say what it likes. */
function isTimestamp(value: number): boolean {
  return value >= 0 && value <= U48_MAX
}

function tooLate(messageId: string): MQError {
  const text = `The message ${messageId} does not wait any more: it was delivered, recalled or moved.`
  return new MQError('ILLEGAL_OPERATION', text)
}
