/** Retries and delayed messages whose message goes away with its topic. They are reported with the deletion, never silently gone. */
import type { MessageLostEvent } from '../model/events.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import { NEVER, offsetsOf } from '../store/invisible-run.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'

export interface Orphans {
  readonly alarms: readonly Alarm[]
  readonly events: readonly MessageLostEvent[]
}

/** All alarms that point into the topics, which are closed, and one event for each message, or for each queue of delayed ones. */
export async function findOrphans(store: Store, topics: readonly TopicEntry[]): Promise<Orphans> {
  const logs = new Map(topics.flatMap((topic) => topic.logs.map((log) => [log.uid, log])))
  const parked = await parkedFor(store, logs)
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
  const delayedCounts = new Map<QueueLog, number>()
  for (const alarm of parked.values()) {
    const log = logs.get(alarm.queueUid)
    if (log === undefined || !store.parking.isPending(alarm)) continue
    alarms.push(alarm)
    delayedCounts.set(log, (delayedCounts.get(log) ?? 0) + 1)
  }
  for (const [{ queue }, delayedCount] of delayedCounts)
    events.push({ reason: 'deleted', queue, fromOffset: 0, toOffset: 0, delayedCount })
  return { alarms, events }
}

/** Messages that wait to go to these queues, by the number of their alarm. */
async function parkedFor(store: Store, logs: ReadonlyMap<number, QueueLog>): Promise<Map<number, Alarm>> {
  const found = new Map<number, Alarm>()
  for await (const { entries } of store.parking.pending({ isDamagePassedOver: true }))
    for (const { alarm } of entries) if (logs.has(alarm.queueUid)) found.set(alarm.id, alarm)
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
