/** Retries and delayed messages whose message goes away with its topic. They are reported with the deletion, never silently gone. */
import type { MessageLostEvent } from '../model/events.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import { type Alarm, isParking } from '../store/fact.ts'
import { NEVER, offsetsOf } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'

export interface Orphans {
  readonly alarms: readonly Alarm[]
  readonly events: readonly MessageLostEvent[]
}

/** All alarms that point into the topics, and one event for each message. */
export function findOrphans(store: Store, topics: readonly TopicEntry[]): Orphans {
  const logs = new Map(topics.flatMap((topic) => topic.logs.map((log) => [log.uid, log])))
  const alarms: Alarm[] = []
  const events: MessageLostEvent[] = []
  for (const group of store.catalog.groups()) {
    for (const alarm of store.alarms.pending(group.uid)) {
      const log = logs.get(alarm.queueUid)
      if (log === undefined) continue
      alarms.push(alarm)
      if (alarm.dueTimestamp === NEVER) continue
      for (const offset of offsetsOf(alarm)) events.push(lostMessage(offset, group, log, 'deleted'))
    }
  }
  for (const [log, waiting] of delayedFor(store, logs)) {
    alarms.push(...waiting)
    const delayedCount = waiting.length
    events.push({ reason: 'deleted', queue: log.queue, fromOffset: 0, toOffset: 0, delayedCount })
  }
  return { alarms, events }
}

/** Messages that wait for their time, by the queue that they are for. */
function delayedFor(store: Store, logs: ReadonlyMap<number, QueueLog>): Map<QueueLog, Alarm[]> {
  const found = new Map<QueueLog, Alarm[]>()
  for (const alarm of store.alarms.values()) {
    const log = isParking(alarm) ? logs.get(alarm.queueUid) : undefined
    if (log === undefined) continue
    const waiting = found.get(log)
    if (waiting === undefined) found.set(log, [alarm])
    else waiting.push(alarm)
  }
  return found
}

/** The event for one message that a group's retry needed. */
export function lostMessage(
  queueOffset: number,
  group: GroupEntry,
  log: QueueLog,
  reason: MessageLostEvent['reason'],
): MessageLostEvent {
  return {
    reason,
    queue: log.queue,
    fromOffset: queueOffset,
    toOffset: queueOffset + 1,
    group: group.config.group,
  }
}
