/**
 * Receiving in order, for FIFO groups (RocketMQ `ConsumerOrderInfoManager`, semantics section 8.6). As long as messages of a
 * queue are invisible, nobody gets more of it. Those whose time is over are delivered again, where they are and in order,
 * each with one more attempt; those that are acknowledged are not, also when others before them are.
 */
import type { PoppedMessage, PopReceipt, PopRequest } from '../model/engine.ts'
import type { MessageView } from '../model/message.ts'
import type { PullResult } from '../model/results.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import { isDone, isInvisible } from './orderly-rows.ts'
import type { PopReceipts } from './pop-receipts.ts'
import { readOn, type Taken, type TakeOrder } from './pop-take.ts'
import { receiptHandle, receiptPrefix } from './receipt-handle.ts'

export class PopOrderly {
  readonly #store: Store
  readonly #receipts: PopReceipts
  /** Who received last, by queue. After a restart nobody asks for a lost answer any more. */
  readonly #attemptIds = new WeakMap<QueueLog, Map<number, string>>()

  constructor(store: Store, receipts: PopReceipts) {
    this.#store = store
    this.#receipts = receipts
  }

  /** Takes from the first message on that is not done. */
  take(order: TakeOrder): Taken | Promise<Taken | undefined> {
    const rows = [...this.#rows(order).values()]
    const doneCount = rows.filter(isDone).length
    return readOn(this.#store, order, order.maxCount + doneCount, (found) => this.#plan(order, found))
  }

  /** Remembers who has received what was taken. */
  note(group: GroupEntry, taken: readonly Taken[], attemptId: string | undefined): void {
    for (const { log } of taken) {
      const attemptIds = this.#attemptIds.get(log) ?? new Map<number, string>()
      this.#attemptIds.set(log, attemptIds)
      if (attemptId === undefined) attemptIds.delete(group.uid)
      else attemptIds.set(group.uid, attemptId)
    }
  }

  /** What the same attempt has received and not settled, with new handles. */
  async repeat(
    group: GroupEntry,
    logs: readonly QueueLog[],
    { attemptId, maxCount, invisibleDurationMs }: PopRequest,
  ): Promise<readonly PoppedMessage[]> {
    const same = logs.filter((log) => this.#attemptIds.get(log)?.get(group.uid) === attemptId)
    const rows = same.flatMap((log) => [...this.#store.alarms.orderly(group.uid, log.uid).values()])
    const lost = rows.filter(isInvisible).sort(byPlace).slice(0, maxCount)
    const renewed = await Promise.allSettled(
      lost.map((row) => this.#receipts.change(group, handleOf(row), invisibleDurationMs)),
    )
    const popped: PoppedMessage[] = []
    for (const [index, result] of renewed.entries()) {
      const row = lost[index]
      if (result.status === 'rejected' || row === undefined) continue
      const message = await this.#store.readRecord(row.queueUid, row.queueOffset)
      if (message !== undefined) popped.push(asPopped(message, row.attempt, result.value))
    }
    return popped
  }

  #rows({ group, log }: TakeOrder): ReadonlyMap<number, Alarm> {
    return this.#store.alarms.orderly(group.uid, log.uid)
  }

  #plan(order: TakeOrder, found: PullResult): Taken {
    const { log, maxCount } = order
    const rows = this.#rows(order)
    const wanted = found.messages.filter(({ queueOffset }) => !isDone(rows.get(queueOffset)))
    const messages = wanted.slice(0, maxCount)
    const offset = messages[0]?.queueOffset ?? found.nextBeginOffset
    const taken = new Set(messages.map(({ queueOffset }) => queueOffset))
    const alarmsPut = messages.map((message) => this.#makeRow(order, message, rows))
    return {
      log,
      offset,
      alarmsPut,
      alarmsCleared: [...rows.values()].filter(
        (row) => row.queueOffset < offset || taken.has(row.queueOffset),
      ),
      messages: messages.map((message, index) => {
        const row = alarmsPut[index] as Alarm
        const receipt = { receiptHandle: handleOf(row), nextVisibleTimestamp: row.dueTimestamp }
        return asPopped(message, row.attempt, receipt)
      }),
    }
  }

  #makeRow(
    { group, log, dueTimestamp }: TakeOrder,
    message: MessageView,
    rows: ReadonlyMap<number, Alarm>,
  ): Alarm {
    const { queueOffset, reconsumeTimes } = message
    const attempt = (rows.get(queueOffset)?.attempt ?? reconsumeTimes) + 1
    const place = { groupUid: group.uid, queueUid: log.uid, queueOffset }
    return { id: this.#store.alarms.takeId(), kind: 'pop-orderly', dueTimestamp, ...place, attempt }
  }
}

function handleOf(row: Alarm): string {
  return receiptHandle(receiptPrefix(row), row.queueOffset, row.attempt)
}

function asPopped(message: MessageView, deliveryAttempt: number, receipt: PopReceipt): PoppedMessage {
  return { message, deliveryAttempt, ...receipt }
}

function byPlace(a: Alarm, b: Alarm): number {
  return a.queueUid - b.queueUid || a.queueOffset - b.queueOffset
}
