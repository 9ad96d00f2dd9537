/** The life of a message: what waits for it, and what was traced of it (semantics section 12.2). */
import type { Clock } from '../model/clock.ts'
import type { MessageView } from '../model/message.ts'
import { MESSAGE_ID_BYTES, parseMessageId, writeMessageId } from '../model/message-id.ts'
import { parseOffsetMessageId } from '../model/offset-message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { Permission, TRACE_TOPIC } from '../model/topic.ts'
import type { PendingMessage, TraceVerbs } from '../model/trace-verbs.ts'
import type { Alarm } from '../store/fact.ts'
import type { ParkedEntry } from '../store/parked-page.ts'
import type { Parking } from '../store/parking.ts'
import type { Store } from '../store/store.ts'
import type { Topics } from './topics.ts'

export interface TracesParts {
  readonly store: Store
  readonly topics: Topics
  readonly clock: Clock
}

/** How long traces may wait for room: they are the last thing to hold anybody up. */
const STORE_TIMEOUT_MS = 3000

export class Traces implements TraceVerbs {
  readonly #parts: TracesParts

  constructor(parts: TracesParts) {
    this.#parts = parts
  }

  async storeTraces(message: OutgoingMessage): Promise<void> {
    const { store, topics } = this.#parts
    await topics.ensure({
      topic: TRACE_TOPIC,
      readQueueNums: 1,
      writeQueueNums: 1,
      permission: Permission.READ,
    })
    await store.append(topics.logOfId(TRACE_TOPIC, 0), message, { timeoutMs: STORE_TIMEOUT_MS })
  }

  async queryPending(messageId: string, copies: readonly MessageView[]): Promise<readonly PendingMessage[]> {
    if (copies.length > 0) return this.#retriesOf(copies)
    const parked = await this.#findParked(messageId)
    return parked === undefined ? [] : [parked]
  }

  /** Retries that wait: alarms that point at one of the copies. */
  #retriesOf(copies: readonly MessageView[]): readonly PendingMessage[] {
    const { store } = this.#parts
    const places = new Map(copies.map((copy) => [placeOf(copy), copy]))
    const pending: PendingMessage[] = []
    for (const { kind, groupUid, queueUid, queueOffset, attempt, dueTimestamp } of store.alarms.values()) {
      if (kind !== 'retry') continue
      const copy = places.get(`${queueUid}@${queueOffset}`)
      const group = store.catalog.groupByUid(groupUid)?.config.group
      if (copy === undefined || group === undefined) continue
      const { queue } = copy
      pending.push({ kind, group, queue, queueOffset, reconsumeTimes: attempt, dueTimestamp })
    }
    return pending
  }

  /** Parked messages have no index by id: who asks waits, others get their turns. */
  async #findParked(messageId: string): Promise<PendingMessage | undefined> {
    const { parking } = this.#parts.store
    const id = Buffer.allocUnsafe(MESSAGE_ID_BYTES)
    writeMessageId(parseMessageId(messageId), id, 0)
    for await (const { entries } of parking.pending({ isDamagePassedOver: true })) {
      for (const entry of entries) {
        if (!entry.bytes.includes(id)) continue
        const message = viewOf(parking, entry)
        if (message?.messageId === messageId && parking.isPending(entry.alarm))
          return toPending(entry.alarm, message)
      }
    }
    return undefined
  }
}

/** The message, or `undefined` when it is damaged or its topic is gone. */
function viewOf(parking: Parking, entry: ParkedEntry): MessageView | undefined {
  try {
    return parking.view(entry)
  } catch {
    return undefined
  }
}

function toPending({ kind, dueTimestamp, attempt }: Alarm, message: MessageView): PendingMessage {
  return kind === 'transaction'
    ? { kind, message, dueTimestamp, checkTimes: attempt }
    : { kind: 'delay', message, dueTimestamp }
}

function placeOf({ offsetMessageId }: MessageView): string {
  const { queueUid, queueOffset } = parseOffsetMessageId(offsetMessageId)
  return `${queueUid}@${queueOffset}`
}
