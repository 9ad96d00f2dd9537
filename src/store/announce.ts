/** Makes facts visible in memory: the counterpart of `apply.ts`, which makes them rows. */
import type { AlarmTable } from './alarm-table.ts'
import type { AppliedState } from './apply.ts'
import type { Catalog } from './catalog.ts'
import type { Fact } from './fact.ts'
import type { OffsetTable } from './offset-table.ts'

/** The memory views of a store. */
export interface Views {
  readonly catalog: Catalog
  readonly offsets: OffsetTable
  readonly alarms: AlarmTable
}

/** Fills empty views from what recovery found. */
export function loadViews(views: Views, state: AppliedState): void {
  views.catalog.reserveUids(state.nextTopicUid, state.nextGroupUid)
  for (const [uid, config] of state.topics) views.catalog.putTopic(uid, config, state.queues)
  for (const [uid, config] of state.groups) views.catalog.putGroup(uid, config)
  for (const [groupUid, queues] of state.offsets) {
    for (const [queueUid, offset] of queues) views.offsets.set(groupUid, queueUid, offset)
  }
  for (const alarm of state.alarms.values()) views.alarms.set(alarm)
}

/** Shows one fact; messages are shown by their queue. */
export function announceFact(views: Views, fact: Fact): void {
  switch (fact.type) {
    case 'offset':
      return views.offsets.set(fact.groupUid, fact.queueUid, fact.offset)
    case 'offset-clear':
      return views.offsets.clear(fact.groupUid, fact.queueUid)
    case 'alarm-set':
      return views.alarms.set(fact.alarm)
    case 'alarm-clear':
      return views.alarms.clear(fact.id)
    case 'topic-put':
      return views.catalog.putTopic(fact.uid, fact.config)
    case 'topic-delete':
      return views.catalog.deleteTopic(fact.uid)
    case 'group-put':
      return views.catalog.putGroup(fact.uid, fact.config)
    case 'group-delete':
      return views.catalog.deleteGroup(fact.uid)
    case 'trim':
      for (const { queueUid, minOffset } of fact.minimums) {
        const log = views.catalog.log(queueUid)
        if (log !== undefined) log.minOffset = Math.max(log.minOffset, minOffset)
      }
      return
    case 'append':
    case 'id-run':
    case 'generation':
      return
  }
}
