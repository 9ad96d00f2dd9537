/**
 * What a FIFO group knows of the messages of a queue that it has received (RocketMQ `ConsumerOrderInfoManager`), as alarms
 * behind its offset, one for each; `invisible-run.ts` says what they mean. The offset stays at the first message that is not
 * acknowledged, so whatever becomes of the alarms, that message and those behind it are there to be delivered.
 */
import type { GroupEntry } from '../store/catalog.ts'
import type { Change, OffsetChange } from '../store/change.ts'
import type { Alarm } from '../store/fact.ts'
import { NEVER } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'

type Rows = ReadonlyMap<number, Alarm>
type RowsChange = Required<Pick<Change, 'alarmsPut' | 'alarmsCleared'>> & {
  readonly offsets: readonly OffsetChange[]
}

const NO_OFFSETS: ReadonlySet<number> = new Set()

/** Whether messages of the queue are invisible: then nobody gets more of it. */
export function isHeld(store: Store, group: GroupEntry, log: QueueLog): boolean {
  for (const row of store.alarms.orderly(group.uid, log.uid).values()) if (isInvisible(row)) return true
  return false
}

export function isInvisible({ dueTimestamp }: Alarm): boolean {
  return dueTimestamp !== NEVER
}

/** Whether a message is acknowledged, or a dead letter, while others before it are not. */
export function isDone(row: Alarm | undefined): boolean {
  return row?.attempt === 0
}

/** The row of a message that is done. */
export function doneRow(store: Store, row: Alarm): Alarm {
  return { ...row, id: store.alarms.takeId(), dueTimestamp: NEVER, attempt: 0 }
}

/** The row of a message whose time is over: it waits to be delivered again. */
export function waitingRow(store: Store, row: Alarm): Alarm {
  return { ...row, id: store.alarms.takeId(), dueTimestamp: NEVER }
}

/** What it takes for messages with these offsets to be done: the offset goes on to the first one that is not. */
export function settleOrderly(
  store: Store,
  group: GroupEntry,
  log: QueueLog,
  acked: ReadonlySet<number> = NO_OFFSETS,
): RowsChange {
  const rows: Rows = store.alarms.orderly(group.uid, log.uid)
  if (rows.size === 0) return { offsets: [], alarmsPut: [], alarmsCleared: [] }
  const offset = nextOffset(rows, acked)
  const alarmsPut: Alarm[] = []
  const alarmsCleared: Alarm[] = []
  for (const row of rows.values()) {
    if (row.queueOffset >= offset && !acked.has(row.queueOffset)) continue
    alarmsCleared.push(row)
    if (row.queueOffset >= offset) alarmsPut.push(doneRow(store, row))
  }
  return { offsets: [{ group, log, offset }], alarmsPut, alarmsCleared }
}

/** The first message that is not done, or the one behind the last. */
function nextOffset(rows: Rows, acked: ReadonlySet<number>): number {
  let first = Number.POSITIVE_INFINITY
  let last = 0
  for (const row of rows.values()) {
    last = Math.max(last, row.queueOffset)
    if (!isDone(row) && !acked.has(row.queueOffset)) first = Math.min(first, row.queueOffset)
  }
  return Math.min(first, last + 1)
}
