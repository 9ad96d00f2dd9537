/** Makes facts visible in memory: the counterpart of `apply.ts`, which makes them rows. */
import type { AlarmTable } from './alarm-table.ts'
import type { AppliedState } from './applied-state.ts'
import type { Catalog } from './catalog.ts'
import type { Fact } from './fact.ts'
import type { OffsetTable } from './offset-table.ts'
import type { UnappliedMessages } from './parking.ts'

/** The memory views of a store. */
export interface Views {
  readonly catalog: Catalog
  readonly offsets: OffsetTable
  readonly alarms: AlarmTable
  /** Parked messages that the index does not have yet. */
  readonly unapplied: UnappliedMessages
}

/** Fills empty views from what recovery found. */
export function loadViews(views: Views, state: AppliedState): void {
  views.catalog.reserveUids(state.nextTopicUid, state.nextGroupUid)
  for (const [uid, config] of state.topics) views.catalog.putTopic(uid, config, state.queues)
  for (const [uid, config] of state.groups) views.catalog.putGroup(uid, config)
  for (const [groupUid, queues] of state.offsets) {
    for (const [queueUid, offset] of queues) views.offsets.set(groupUid, queueUid, offset)
  }
  views.alarms.reserveIds(state.nextAlarmId)
  for (const alarm of state.alarms.values()) views.alarms.set(alarm)
}

/** Shows one fact; messages are shown by their queue. */
export function announceFact(views: Views, fact: Fact): void {
  switch (fact.type) {
    case 'offset':
      if (isGone(views, fact)) views.offsets.clear(fact.groupUid, fact.queueUid)
      else views.offsets.set(fact.groupUid, fact.queueUid, fact.offset)
      break
    case 'offset-clear':
      views.offsets.clear(fact.groupUid, fact.queueUid)
      break
    case 'alarm-set':
      views.alarms.set(fact.alarm)
      break
    case 'alarm-clear':
      views.alarms.clear(fact.id)
      break
    case 'parked-put':
      views.unapplied.hold(fact.alarm.id, fact.bytes)
      views.alarms.set(fact.alarm)
      break
    case 'parked-clear':
      views.alarms.clear(fact.id)
      views.unapplied.release(fact.id)
      break
    case 'topic-put':
      views.catalog.putTopic(fact.uid, fact.config)
      break
    case 'topic-delete':
      views.catalog.deleteTopic(fact.uid)
      break
    case 'group-put':
      views.catalog.putGroup(fact.uid, fact.config)
      break
    case 'group-delete':
      views.catalog.deleteGroup(fact.uid)
      break
    case 'trim':
      for (const { queueUid, minOffset } of fact.minimums) {
        const log = views.catalog.log(queueUid)
        if (log !== undefined) log.minOffset = Math.max(log.minOffset, minOffset)
      }
      break
    case 'append':
    case 'id-run':
    case 'generation':
      break
  }
}

/** Whether group or topic of an offset were deleted while it was on its way. */
function isGone({ catalog }: Views, { groupUid, queueUid }: Extract<Fact, { type: 'offset' }>): boolean {
  return catalog.groupByUid(groupUid) === undefined || catalog.topicOfQueue(queueUid) === undefined
}
