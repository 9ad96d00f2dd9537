/** Retries whose message goes away with its topic. They are reported with the deletion, never silently gone. */
import type { MessageLostEvent } from '../model/events.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import type { Alarm } from '../store/fact.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'

export interface Orphans {
  readonly alarms: readonly Alarm[]
  readonly events: readonly MessageLostEvent[]
}

/** All alarms that point into the topic, and one event for each. */
export function findOrphans(store: Store, topic: TopicEntry): Orphans {
  const logs = new Map(topic.logs.map((log) => [log.uid, log]))
  const alarms: Alarm[] = []
  const events: MessageLostEvent[] = []
  for (const group of store.catalog.groups()) {
    for (const alarm of store.alarms.pending(group.uid)) {
      const log = logs.get(alarm.queueUid)
      if (log === undefined) continue
      alarms.push(alarm)
      events.push(lostMessage(alarm, group, log, 'deleted'))
    }
  }
  return { alarms, events }
}

/** The event for one message that a group's retry needed. */
export function lostMessage(
  alarm: Alarm,
  group: GroupEntry,
  log: QueueLog,
  reason: MessageLostEvent['reason'],
): MessageLostEvent {
  const { queueOffset } = alarm
  return {
    reason,
    queue: log.queue,
    fromOffset: queueOffset,
    toOffset: queueOffset + 1,
    group: group.config.group,
  }
}
