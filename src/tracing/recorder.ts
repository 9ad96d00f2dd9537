/**
 * Writes down what happens to messages (RocketMQ `AsyncTraceDispatcher`, semantics section 12.2): many records in one message of the trace
 * topic, found by the ids that they are about.
 *
 * Nothing waits for it and nothing fails by it. All that has come is written together; what comes meanwhile is kept up to a bound and then
 * dropped. Crash: records that were not written yet are gone, as in RocketMQ.
 */
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageIdGenerator } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { prepareMessage } from '../model/outgoing-message.ts'
import type { SendReceipt } from '../model/results.ts'
import { TRACE_TOPIC } from '../model/topic.ts'
import { encodeTraces, type TraceRecord } from '../model/trace-record.ts'
import type {
  DeliveryTrace,
  EndTransactionTrace,
  RecallTrace,
  ReceiveTrace,
  SendTrace,
  SettleTrace,
  TracedClient,
  TracedMessageType,
} from '../model/tracing.ts'
import type { TraceObserver } from './observer.ts'

/** Records that make a message of the trace topic, and how long the first of them waits for the others. */
const BATCH_COUNT = 100
const BATCH_WAIT_MS = 5000
/** Records that wait while others are written: what comes beyond is dropped (RocketMQ `asyncQueueSize`, 1024 there). */
const WAITING_MAX_COUNT = 10_000
/** Characters of a reason that a record keeps. */
const REASON_MAX_LENGTH = 1024

export class TraceRecorder implements TraceObserver {
  readonly #engine: Engine
  readonly #ids: MessageIdGenerator
  #waiting: TraceRecord[] = []
  #timer: Timer | undefined
  #writing: Promise<void> | undefined
  #droppedCount = 0

  constructor(engine: Engine, ids: MessageIdGenerator) {
    this.#engine = engine
    this.#ids = ids
  }

  /** Records that were never written, since others were under way or their write failed. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  /** Resolves when everything recorded so far is written, or dropped. */
  async flush(): Promise<void> {
    while (this.#waiting.length > 0 || this.#writing !== undefined) await (this.#writing ?? this.#write())
  }

  sent({ messages, type, queue, timestamp, durationMs, result, error, ...client }: SendTrace): void {
    const outcome = error === undefined ? 'SUCCESS' : 'FAILED'
    for (const [i, { messageId }] of messages.entries()) {
      const offset = result === undefined || result.queueOffset < 0 ? undefined : result.queueOffset + i
      this.#add({
        type: 'sent',
        messageId,
        timestamp,
        ...clientOf(client),
        // A repeated send finds its message where the first one was stored, perhaps in another queue.
        ...placeOf(result?.queue ?? queue, offset),
        isDuplicate: result?.isDuplicate,
        ...waitOf(type, result),
        durationMs,
        outcome,
        reason: error === undefined ? undefined : reasonOf(MQError.from(error).message),
      })
    }
  }

  delivered({ messages, timestamp, durationMs, status, error, ...client }: DeliveryTrace): void {
    for (const message of messages)
      this.#addOf(message, {
        type: 'delivered',
        timestamp,
        ...clientOf(client),
        durationMs,
        outcome: status,
        reason: reasonOf(error),
      })
  }

  received({ messages, timestamp, ...client }: ReceiveTrace): void {
    for (const message of messages) this.#addOf(message, { type: 'received', timestamp, ...clientOf(client) })
  }

  settled({ messages, timestamp, settlement, reason, ...client }: SettleTrace): void {
    const type = settlement === 'ACK' ? 'acknowledged' : 'returned'
    for (const message of messages)
      this.#addOf(message, { type, timestamp, ...clientOf(client), reason: reasonOf(reason) })
  }

  transactionEnded({ messageId, resolution, timestamp, isFromCheck, ...client }: EndTransactionTrace): void {
    const type = resolution === 'COMMIT' ? 'committed' : 'rolled-back'
    const reason = isFromCheck ? 'The transactionChecker said so.' : undefined
    this.#add({ type, messageId, timestamp, ...clientOf(client), reason })
  }

  recalled({ messageId, topic, timestamp, ...client }: RecallTrace): void {
    this.#add({ type: 'recalled', messageId, timestamp, ...clientOf(client), topic })
  }

  /** What is traced of the trace topic would be traced again; its retries lie in other topics. */
  #addOf(message: MessageView, happened: Omit<TraceRecord, keyof ReturnType<typeof factsOf>>): void {
    if (message.topic !== TRACE_TOPIC) this.#add({ ...happened, ...factsOf(message) })
  }

  #add(record: TraceRecord): void {
    if (this.#waiting.length >= WAITING_MAX_COUNT) {
      this.#drop(1, 'more happens than is written')
      return
    }
    this.#waiting.push(record)
    if (this.#writing === undefined) this.#schedule()
  }

  #schedule(): void {
    if (this.#waiting.length >= BATCH_COUNT) void this.#write()
    else this.#timer ??= this.#engine.clock.setTimer(BATCH_WAIT_MS, () => void this.#write())
  }

  #write(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined
      if (this.#waiting.length > 0) this.#schedule()
    })
    return this.#writing
  }

  async #writeAll(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    const writes: Promise<void>[] = []
    for (let from = 0; from < waiting.length; from += BATCH_COUNT)
      writes.push(this.#writeSome(waiting.slice(from, from + BATCH_COUNT)))
    await Promise.all(writes)
  }

  async #writeSome(records: readonly TraceRecord[]): Promise<void> {
    try {
      await this.#engine.traces?.storeTraces(this.#toMessage(records))
    } catch (error) {
      this.#drop(records.length, MQError.from(error).message)
    }
  }

  #toMessage(records: readonly TraceRecord[]) {
    const keys = [...new Set(records.map(({ messageId }) => messageId))]
    const now = this.#engine.clock.now()
    return prepareMessage({ topic: TRACE_TOPIC, body: encodeTraces(records), keys }, this.#ids.next(now), now)
  }

  #drop(count: number, why: string): void {
    if (this.#droppedCount === 0)
      this.#engine.logger.warn(`What is traced is not all written from now on: ${why}`)
    this.#droppedCount += count
  }
}

function clientOf({ group, clientId }: TracedClient): TracedClient {
  return { group, clientId }
}

function placeOf({ topic, brokerName, queueId }: MessageQueue, queueOffset: number | undefined) {
  return { topic, brokerName, queueId, queueOffset }
}

/** Nothing but this tells of the wait when it has ended without a message: recalled, or rolled back. */
function waitOf(type: TracedMessageType, result: SendReceipt | undefined) {
  if (result === undefined || result.queueOffset >= 0) return {}
  if (type === 'DELAY') return { waitsFor: 'time', dueTimestamp: result.deliveryTimestamp } as const
  return type === 'TRANSACTION' ? ({ waitsFor: 'transaction' } as const) : {}
}

function factsOf(message: MessageView) {
  const { messageId, queue, queueOffset, reconsumeTimes } = message
  return { messageId, ...placeOf(queue, queueOffset), reconsumeTimes }
}

/** As JSON can write it and anybody read it. */
function reasonOf(reason: string | undefined): string | undefined {
  return reason?.slice(0, REASON_MAX_LENGTH).toWellFormed()
}
