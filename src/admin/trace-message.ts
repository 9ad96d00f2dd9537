/** Puts the life of one message together: stored copies, what waits, and what was written down (semantics section 12). */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { PropertyName } from '../model/properties.ts'
import {
  consumerGroupOf,
  isDeadLetterTopic,
  isRetryTopic,
  TRACE_TOPIC,
  TRANSACTION_CHECK_TOPIC,
} from '../model/topic.ts'
import { decodeTraces, type TraceRecord } from '../model/trace-record.ts'
import type { PendingMessage } from '../model/trace-verbs.ts'

/** The life of one message. */
export interface MessageTrace {
  readonly messageId: string
  /** The topic that it was sent to, as far as it is known. */
  readonly topic: string | undefined
  /**
   * Oldest first; what is still to come is last. What has the same millisecond comes in the order in which it can happen: `sent`, `scheduled` or
   * `prepared`, `committed`, `rolled-back` or `recalled`, `stored`, `delivered`, and so on, attempt after attempt.
   */
  readonly entries: readonly TraceEntry[]
}

/** One thing that happened to a message, or will. Of the fields it has those that are known. */
export interface TraceEntry {
  /**
   * Of what is stored or waits:
   * - `scheduled`: it was sent with a delay, to be delivered at `dueTimestamp`.
   * - `prepared`: it was sent in a transaction; while that is open, its group is asked at `dueTimestamp`.
   * - `stored`: it lies in its queue.
   * - `retry-scheduled`: a group failed to consume the copy at this place, and gets it again at this time.
   * - `retried`: that copy lies in the retry topic of its group.
   * - `dead-lettered`: a group gave it up, for this reason.
   * - `given-up`: nobody knew how its transaction ended; it is delivered to nobody.
   *
   * Of what is written down with `trace: true`, each with group and client:
   * - `sent`: an attempt to store it, with duration and outcome; with `isDuplicate` it was there, and nothing was stored.
   * - `delivered`: a call of a listener, with duration and outcome.
   * - `received`: a consumer that asks got it. `acknowledged`, `returned`: what a simple consumer said of it.
   * - `committed`, `rolled-back`: how its producer ended its transaction, at the time at which it asked for that.
   * - `recalled`: its producer took it back before it was delivered.
   */
  readonly type:
    | TraceRecord['type']
    | 'scheduled'
    | 'prepared'
    | 'stored'
    | 'retry-scheduled'
    | 'retried'
    | 'dead-lettered'
    | 'given-up'
  /** When it happened or began, or will happen, in milliseconds since 1970. */
  readonly timestamp: number
  /** The group of the producer or the consumer. */
  readonly group?: string | undefined
  readonly clientId?: string | undefined
  /** The queue of the copy that it is about. */
  readonly queue?: MessageQueue | undefined
  readonly queueOffset?: number | undefined
  /** How often the group had failed to consume it. */
  readonly reconsumeTimes?: number | undefined
  /** When what waits happens, in milliseconds since 1970. */
  readonly dueTimestamp?: number | undefined
  readonly durationMs?: number | undefined
  /** Of `sent`: it had been stored before under its `messageId`, at this place. */
  readonly isDuplicate?: boolean | undefined
  /** `FAILED`: the listener answered a failure, or a send was refused. `EXCEPTION`: the listener threw. `TIME_OUT`: it took too long. */
  readonly outcome?: 'SUCCESS' | 'FAILED' | 'EXCEPTION' | 'TIME_OUT' | undefined
  /** Why it failed, in words. */
  readonly reason?: string | undefined
}

/** The order of what happens in one attempt, within one millisecond. */
const ORDER: readonly TraceEntry['type'][] = [
  'retry-scheduled',
  'dead-lettered',
  'sent',
  'scheduled',
  'prepared',
  'committed',
  'rolled-back',
  'recalled',
  'given-up',
  'stored',
  'retried',
  'received',
  'delivered',
  'acknowledged',
  'returned',
]

/** Messages of the trace topic that one question reads: each is about a hundred things, of which some are about this message. */
const TRACES_MAX_COUNT = 1024

export async function traceMessage(engine: Engine, messageId: string): Promise<MessageTrace> {
  const copies = await engine.queryMessagesById(messageId)
  const [pending, records] = await Promise.all([
    engine.traces?.queryPending(messageId, copies) ?? [],
    readRecords(engine, messageId),
  ])
  const known = [...copies.flatMap(entriesOfCopy), ...pending.map(entryOfPending)]
  const entries = [...records.map(entryOfRecord), ...known, ...waitsIn(records, known)].sort(byTime)
  if (entries.length === 0) throw new MQError('NO_MESSAGE', `Nothing is known of the message ${messageId}.`)
  const [waitsFor] = pending.flatMap((each) => (each.kind === 'retry' ? [] : each.message.topic))
  const topic = (copies[0] && topicOf(copies[0])) ?? waitsFor ?? records.find((each) => each.topic)?.topic
  return { messageId, topic, entries }
}

async function readRecords(engine: Engine, messageId: string): Promise<readonly TraceRecord[]> {
  try {
    const query = { topic: TRACE_TOPIC, key: messageId, begin: 0, end: Number.MAX_SAFE_INTEGER }
    const found = await engine.queryMessagesByKey({ ...query, maxCount: TRACES_MAX_COUNT })
    return found
      .toReversed()
      .flatMap((message) => decodeTraces(message.text()))
      .filter((record) => record.messageId === messageId)
  } catch (error) {
    if (error instanceof MQError && error.code === 'TOPIC_NOT_EXIST') return []
    throw error
  }
}

function entryOfRecord({ waitsFor: _, dueTimestamp: __, ...record }: TraceRecord): TraceEntry {
  const { topic, brokerName, queueId, messageId: ___, ...rest } = record
  return { ...rest, ...placeOf(record) }
}

function placeOf({ topic, brokerName, queueId }: TraceRecord) {
  const isPlace = topic !== undefined && brokerName !== undefined && queueId !== undefined
  return isPlace ? { queue: { topic, brokerName, queueId } } : {}
}

/** How a message waited of which nothing is stored any more, as it was recalled or rolled back: only its sends tell. */
function waitsIn(records: readonly TraceRecord[], known: readonly TraceEntry[]): readonly TraceEntry[] {
  return records.flatMap((record) => {
    const { waitsFor, timestamp, group, dueTimestamp } = record
    if (waitsFor === undefined) return []
    const type = waitsFor === 'time' ? 'scheduled' : 'prepared'
    if (known.some((each) => each.type === type)) return []
    const place = placeOf(record)
    return [
      waitsFor === 'time'
        ? { type, timestamp, ...place, dueTimestamp }
        : { type, timestamp, group, ...place },
    ]
  })
}

/** The topic that it was sent to, also when it was put aside. */
function topicOf({ topic, queue, properties }: MessageView): string {
  const isPutAside = queue.topic === TRANSACTION_CHECK_TOPIC
  return isPutAside ? (properties[PropertyName.REAL_TOPIC] ?? topic) : topic
}

/** A copy shows where it lies, and the first one also how it came there. */
function entriesOfCopy(copy: MessageView): readonly TraceEntry[] {
  const { queue, queueOffset, storeTimestamp: timestamp, reconsumeTimes, properties } = copy
  const place = { timestamp, queue, queueOffset }
  const { topic } = queue
  if (topic === TRANSACTION_CHECK_TOPIC) {
    const times = properties[PropertyName.TRANSACTION_CHECK_TIMES]
    const reason = `Nobody knew how its transaction ended, after ${times} checks.`
    return [...entriesBefore(copy), { type: 'given-up', ...place, reason }]
  }
  const group = consumerGroupOf(topic)
  if (isRetryTopic(topic)) return [{ type: 'retried', ...place, group, reconsumeTimes }]
  if (isDeadLetterTopic(topic)) {
    const reason = properties[PropertyName.DEAD_LETTER_REASON]
    return [{ type: 'dead-lettered', ...place, group, reconsumeTimes, reason }]
  }
  return [...entriesBefore(copy), { type: 'stored', ...place }]
}

/** What was before a message came into its queue, as its properties say. */
function entriesBefore(copy: MessageView): readonly TraceEntry[] {
  const { bornTimestamp: timestamp, deliveryTimestamp, delayTimeLevel, storeTimestamp, properties } = copy
  if (deliveryTimestamp !== undefined || delayTimeLevel !== undefined)
    return [{ type: 'scheduled', timestamp, dueTimestamp: deliveryTimestamp ?? storeTimestamp }]
  if (properties[PropertyName.TRANSACTION_PREPARED] === undefined) return []
  return [{ type: 'prepared', timestamp, group: properties[PropertyName.PRODUCER_GROUP] }]
}

function entryOfPending(pending: PendingMessage): TraceEntry {
  const { dueTimestamp } = pending
  if (pending.kind === 'retry') {
    const { group, queue, queueOffset, reconsumeTimes } = pending
    const place = { group, queue, queueOffset, reconsumeTimes }
    return { type: 'retry-scheduled', timestamp: dueTimestamp, ...place, dueTimestamp }
  }
  const { queue, bornTimestamp: timestamp, properties } = pending.message
  if (pending.kind === 'delay') return { type: 'scheduled', timestamp, queue, dueTimestamp }
  const group = properties[PropertyName.PRODUCER_GROUP]
  return { type: 'prepared', timestamp, group, queue, dueTimestamp }
}

function byTime(a: TraceEntry, b: TraceEntry): number {
  return a.timestamp - b.timestamp || rankOf(a) - rankOf(b)
}

/** What comes before what within one millisecond: all that belongs to one attempt before the next one. */
function rankOf({ type, reconsumeTimes = 0 }: TraceEntry): number {
  return reconsumeTimes * ORDER.length + ORDER.indexOf(type)
}
