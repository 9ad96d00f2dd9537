/** Makes facts visible in memory: the counterpart of `apply.ts`, which makes them rows. */
import type { AlarmTable } from './alarm-table.ts'
import type { AppliedState } from './applied-state.ts'
import type { Catalog } from './catalog.ts'
import type { Alarm, Fact } from './fact.ts'
import type { Frame } from './frame.ts'
import type { OffsetTable } from './offset-table.ts'
import { visitParked } from './parked-facts.ts'
import type { ParkedViews } from './parked-views.ts'
import type { ParkedWindow } from './parked-window.ts'

/** The memory views of a store. */
export interface Views {
  readonly catalog: Catalog
  readonly offsets: OffsetTable
  readonly alarms: AlarmTable
  readonly parked: ParkedViews
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

/** Shows a frame that is written. */
export function announceFrame(views: Views, window: ParkedWindow, frame: Frame): void {
  for (const { log, batch } of frame.appends) log.append(batch)
  if (frame.parked !== undefined) {
    window.advance()
    visitParked(
      frame.parked,
      (alarm) => window.takes(alarm),
      (alarm, bytes) => showParked(views, alarm, Buffer.from(bytes)),
    )
    frame.parked = undefined
  }
  for (const fact of frame.facts) announceFact(views, window, fact)
}

function showParked({ alarms, parked }: Views, alarm: Alarm, bytes: Buffer): void {
  parked.hold(alarm.id, bytes)
  alarms.set(alarm)
}

/** Shows one fact; messages are shown by their queue. */
function announceFact(views: Views, window: ParkedWindow, fact: Fact): void {
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
      window.advance()
      if (window.takes(fact.alarm)) showParked(views, fact.alarm, fact.bytes)
      break
    case 'parked-clear':
      views.alarms.clear(fact.id)
      views.parked.clear(fact.id, fact.dueTimestamp < views.alarms.horizon)
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
