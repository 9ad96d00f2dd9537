/** Deliveries that are settled together: one commit that clears, shrinks and replaces alarms. */
import type { GroupEntry } from '../store/catalog.ts'
import type { Change } from '../store/change.ts'
import type { Alarm } from '../store/fact.ts'
import { groupQueueKey } from '../store/group-queue-key.ts'
import { hasBit, joinBits, runBit, withoutBits } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import { settleOrderly } from './orderly-rows.ts'
import type { Receipt } from './receipt-handle.ts'

/** What is asked of one alarm. */
interface Item {
  readonly alarm: Alarm
  /** Bits of messages that are acknowledged, and of those that get alarms of their own. */
  acked: number
  changed: number
  /** The alarms that these get. */
  readonly changes: Alarm[]
}

/** The bits of an alarm: those of its run, or one for the message that it is about. */
export function bitsOf(alarm: Alarm): number {
  return alarm.kind === 'pop' ? alarm.attempt : 1
}

/** The bit of a delivery; 0 when the alarm is not about it. */
export function bitOf(alarm: Alarm, { queueOffset }: Pick<Receipt, 'queueOffset'>): number {
  if (alarm.kind === 'pop') return runBit(alarm, queueOffset)
  return alarm.kind === 'pop-orderly' && alarm.queueOffset === queueOffset ? 1 : 0
}

export class PopSettlement {
  /** Settles with the commit. */
  readonly done: Promise<void>
  readonly #store: Store
  readonly #items = new Map<number, Item>()
  #resolve: () => void = () => undefined
  #reject: (error: unknown) => void = () => undefined

  constructor(store: Store) {
    this.#store = store
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever asked for something hears of it; of those who hold more than one settlement perhaps of another one first.
    this.done.catch(() => undefined)
  }

  has(alarmId: number): boolean {
    return this.#items.has(alarmId)
  }

  isAcked(receipt: Receipt): boolean {
    const item = this.#items.get(receipt.alarmId)
    return item !== undefined && hasBit(item.acked, bitOf(item.alarm, receipt))
  }

  isChanged(receipt: Receipt): boolean {
    const item = this.#items.get(receipt.alarmId)
    return item !== undefined && hasBit(item.changed, bitOf(item.alarm, receipt))
  }

  ack(alarm: Alarm, receipt: Receipt): this {
    const item = this.#item(alarm)
    item.acked = joinBits(item.acked, bitOf(alarm, receipt))
    return this
  }

  change(alarm: Alarm, receipt: Receipt, changed: Alarm): this {
    const item = this.#item(alarm)
    item.changed = joinBits(item.changed, bitOf(alarm, receipt))
    item.changes.push(changed)
    return this
  }

  /** Commits; `done` tells how that went. */
  async commit(): Promise<void> {
    try {
      await this.#store.commit(this.#plan())
      this.#resolve()
    } catch (error) {
      this.#reject(error)
    }
  }

  /** The FIFO queues that it is about. */
  orderlyQueues(): readonly (readonly [group: GroupEntry, log: QueueLog])[] {
    return this.#orderlyItems().map(({ group, log }) => [group, log])
  }

  #item(alarm: Alarm): Item {
    const known = this.#items.get(alarm.id)
    if (known !== undefined) return known
    const item: Item = { alarm, acked: 0, changed: 0, changes: [] }
    this.#items.set(alarm.id, item)
    return item
  }

  /** An alarm that has gone meanwhile, with its group or its topic, is not brought back. */
  #plan(): Change {
    const put: Alarm[] = []
    const cleared: Alarm[] = []
    for (const { alarm, acked, changed, changes } of this.#items.values()) {
      const live = this.#store.alarms.get(alarm.id)
      if (live === undefined) continue
      put.push(...changes)
      if (live.kind !== 'pop') {
        if (changed !== 0) cleared.push(live)
        continue
      }
      const left = withoutBits(live.attempt, joinBits(acked, changed))
      if (left === 0) cleared.push(live)
      else put.push({ ...live, attempt: left })
    }
    const orderly = this.#orderlyItems().map(({ group, log, acked }) =>
      settleOrderly(this.#store, group, log, acked),
    )
    return {
      offsets: orderly.flatMap(({ offsets }) => offsets),
      alarmsPut: [...put, ...orderly.flatMap(({ alarmsPut }) => alarmsPut)],
      alarmsCleared: [...cleared, ...orderly.flatMap(({ alarmsCleared }) => alarmsCleared)],
    }
  }

  /** By FIFO queue: the offsets that are acknowledged. */
  #orderlyItems() {
    const byQueue = new Map<string, { group: GroupEntry; log: QueueLog; acked: Set<number> }>()
    for (const { alarm, acked } of this.#items.values()) {
      if (alarm.kind !== 'pop-orderly') continue
      const group = this.#store.catalog.groupByUid(alarm.groupUid)
      const log = this.#store.catalog.log(alarm.queueUid)
      if (group === undefined || log === undefined) continue
      const key = groupQueueKey(alarm.groupUid, alarm.queueUid)
      const queue = byQueue.get(key) ?? { group, log, acked: new Set<number>() }
      byQueue.set(key, queue)
      if (acked !== 0) queue.acked.add(alarm.queueOffset)
    }
    return [...byQueue.values()]
  }
}
