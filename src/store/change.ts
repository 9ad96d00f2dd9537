/** What the broker asks the store to commit together, and its translation into facts. */

import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { GroupConfig, TopicConfig } from '../model/topic.ts'
import type { AlarmTable } from './alarm-table.ts'
import type { Catalog, GroupEntry, TopicEntry } from './catalog.ts'
import { type Alarm, type AlarmSpec, type Fact, isParking } from './fact.ts'
import { topicUidOf } from './keyspace.ts'
import type { OffsetTable } from './offset-table.ts'
import type { ParkedViews } from './parked-views.ts'
import type { ParkedChange } from './parking.ts'
import type { QueueLog } from './queue-log.ts'
import { checkU48 } from './refusals.ts'

/** Everything in one change is stored together or not at all. */
export interface Change {
  readonly appends?: readonly {
    readonly log: QueueLog
    readonly messages: OutgoingMessage | readonly OutgoingMessage[]
  }[]
  readonly offsets?: readonly OffsetChange[]
  readonly alarmsSet?: readonly AlarmSpec[]
  /** Alarms to set, each with the message that lies with it. */
  readonly parked?: readonly ParkedChange[]
  /** Alarms whose numbers were taken beforehand. One that is set already is replaced; its due time stays. */
  readonly alarmsPut?: readonly Alarm[]
  readonly alarmsCleared?: readonly Alarm[]
  /** Topics created or changed; the catalog shows them after the commit. */
  readonly topics?: readonly TopicConfig[]
  /** Topics to remove, with their queues and every group's offsets for them. */
  readonly topicsDeleted?: readonly TopicEntry[]
  readonly groups?: readonly GroupConfig[]
  /** Groups to remove, with their offsets and alarms. */
  readonly groupsDeleted?: readonly GroupEntry[]
}

export interface OffsetChange {
  readonly group: GroupEntry
  readonly log: QueueLog
  readonly offset: number
  /** Sets a lower offset too: the application chose it, or a reset from outside. */
  readonly mayGoBack?: boolean
}

/** What planning reads. */
export interface PlanSource {
  readonly catalog: Catalog
  readonly offsets: OffsetTable
  readonly alarms: AlarmTable
  readonly parked: ParkedViews
}

/** The facts of a change, in the order they take effect. Reads the state, changes nothing but the numbering. */
export function planFacts(change: Change, source: PlanSource): Fact[] {
  checkNumbers(change)
  return [
    ...planTopics(change, source),
    ...planGroups(change, source),
    ...(change.offsets ?? []).flatMap((offset) => planOffset(offset, source)),
    ...(change.alarmsSet ?? []).map(
      (alarm): Fact => ({ type: 'alarm-set', alarm: { ...alarm, id: source.alarms.takeId() } }),
    ),
    ...(change.alarmsPut ?? []).map((alarm): Fact => ({ type: 'alarm-set', alarm })),
    ...(change.parked ?? []).map(({ alarm, bytes }): Fact => {
      return { type: 'parked-put', alarm: { ...alarm, id: alarm.id ?? source.alarms.takeId() }, bytes }
    }),
    ...(change.alarmsCleared ?? []).flatMap((alarm) => clearAlarm(alarm, source)),
  ]
}

function planTopics(change: Change, { catalog, offsets }: PlanSource): Fact[] {
  const put = (change.topics ?? []).map((config): Fact => {
    return { type: 'topic-put', uid: catalog.topic(config.topic)?.uid ?? catalog.takeTopicUid(), config }
  })
  const deleted = (change.topicsDeleted ?? []).flatMap((topic): Fact[] => {
    const cleared = [...offsets.known()].filter(([, queueUid]) => topicUidOf(queueUid) === topic.uid)
    return [...cleared.map(clearOffset), { type: 'topic-delete', uid: topic.uid }]
  })
  return [...put, ...deleted]
}

function planGroups(change: Change, { catalog, offsets, alarms, parked }: PlanSource): Fact[] {
  const put = (change.groups ?? []).map((config): Fact => {
    return { type: 'group-put', uid: catalog.group(config.group)?.uid ?? catalog.takeGroupUid(), config }
  })
  const deleted = (change.groupsDeleted ?? []).flatMap(({ uid }): Fact[] => {
    const cleared = [...offsets.known()].filter(([groupUid]) => groupUid === uid)
    return [
      ...cleared.map(clearOffset),
      ...[...alarms.pending(uid)].flatMap((alarm) => clearAlarm(alarm, { parked })),
      { type: 'group-delete', uid },
    ]
  })
  return [...put, ...deleted]
}

/**
 * An offset at or below the committed one says nothing new. One below another that is on its way repeats that one, so that
 * nobody is told of it before it is durable.
 */
function planOffset(
  { group, log, offset: wanted, mayGoBack }: OffsetChange,
  { offsets }: PlanSource,
): Fact[] {
  const committed = offsets.get(group, log)
  if (mayGoBack !== true && committed !== undefined && wanted <= committed) return []
  const planned = offsets.planned(group.uid, log.uid) ?? 0
  const offset = mayGoBack === true ? wanted : Math.max(wanted, planned)
  offsets.plan(group.uid, log.uid, offset)
  return [{ type: 'offset', groupUid: group.uid, queueUid: log.uid, offset }]
}

/** Refused before anything is planned: in the writer it would take down a whole group, with messages of others. */
function checkNumbers({ offsets = [], alarmsSet = [], alarmsPut = [], parked = [] }: Change): void {
  for (const { offset } of offsets) checkU48('offset', offset)
  for (const { dueTimestamp } of alarmsSet) checkU48('due timestamp', dueTimestamp)
  for (const { dueTimestamp } of alarmsPut) checkU48('due timestamp', dueTimestamp)
  for (const { alarm } of parked) checkU48('due timestamp', alarm.dueTimestamp)
}

function clearOffset([groupUid, queueUid]: readonly [groupUid: number, queueUid: number]): Fact {
  return { type: 'offset-clear', groupUid, queueUid }
}

/** What lies with an alarm goes with it, once. */
function clearAlarm(alarm: Alarm, { parked }: Pick<PlanSource, 'parked'>): Fact[] {
  const { id, dueTimestamp } = alarm
  if (!isParking(alarm)) return [{ type: 'alarm-clear', id, dueTimestamp }]
  return parked.beginClear(id) ? [{ type: 'parked-clear', id, dueTimestamp }] : []
}

/** The commit of these facts has failed. */
export function unplanFacts(facts: readonly Fact[], { offsets, parked }: PlanSource): void {
  for (const fact of facts) {
    if (fact.type === 'offset') offsets.unplan(fact.groupUid, fact.queueUid, fact.offset)
    if (fact.type === 'parked-clear') parked.cancelClear(fact.id)
  }
}
