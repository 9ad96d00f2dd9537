/**
 * The one function that turns facts into rows. It is pure but for the state it is handed, which mirrors the small tables
 * of the index; it runs live, at recovery and after LevelDB was healed, always over the same slices of facts in the same
 * order. Small batches of a queue are merged within a slice, so slices must be the same for the rows to be the same.
 *
 * The commit log gets nothing but batches under ascending keys, so LevelDB has nothing to merge there. How far both
 * databases are is kept in the index alone (a row of its own in every slice of the log would make its tables overlap);
 * recovery puts log rows again that the index counts as applied (docs/recovery.md, step 8).
 */
import type { TopicConfig } from '../model/topic.ts'
import { encodeAlarm } from './alarm-row.ts'
import { type AppliedState, summarize } from './applied-state.ts'
import { applyAppend, applyIdRun, closeRows } from './apply-append.ts'
import type { Alarm, Fact, StoredGroupConfig } from './fact.ts'
import * as keys from './keyspace.ts'
import { putParked } from './parked-page.ts'
import { encodeGeneration, encodeQueueState, encodeU48 } from './row.ts'
import { del, put, type Slice } from './slice.ts'

/** Adds what one fact does. */
export function applyFact(state: AppliedState, slice: Slice, fact: Fact, seq: number): void {
  switch (fact.type) {
    case 'append':
      applyAppend(state, slice, fact.bytes, seq)
      break
    case 'offset':
      // Its group or its topic was deleted while the offset was on its way.
      if (!state.groups.has(fact.groupUid) || !state.topics.has(keys.topicUidOf(fact.queueUid))) break
      offsetsOf(state, fact.groupUid).set(fact.queueUid, fact.offset)
      put(slice, keys.offsetKey(fact.groupUid, fact.queueUid), encodeU48(fact.offset))
      break
    case 'offset-clear':
      offsetsOf(state, fact.groupUid).delete(fact.queueUid)
      del(slice, keys.offsetKey(fact.groupUid, fact.queueUid))
      break
    case 'alarm-set':
      noteAlarmId(state, fact.alarm.id)
      state.alarms.set(fact.alarm.id, fact.alarm)
      putAlarm(slice, fact.alarm)
      break
    case 'alarm-clear':
      state.alarms.delete(fact.id)
      del(slice, keys.alarmKey(fact.dueTimestamp, fact.id))
      break
    case 'parked-put':
      noteAlarmId(state, fact.alarm.id)
      if (seq > state.applied) state.parkedCount += 1
      slice.parked.set(fact.alarm.id, fact)
      break
    case 'parked-clear':
      if (seq > state.applied) state.parkedCount -= 1
      if (slice.parked.delete(fact.id)) slice.cancelled.push(fact.id)
      else slice.cleared.push({ id: fact.id, dueTimestamp: fact.dueTimestamp, seq })
      break
    case 'topic-put':
      state.topics.set(fact.uid, fact.config)
      state.nextTopicUid = Math.max(state.nextTopicUid, fact.uid + 1)
      put(slice, keys.topicKey(fact.uid), json(fact))
      break
    case 'topic-delete':
      applyTopicDelete(state, slice, fact.uid)
      break
    case 'group-put':
      state.groups.set(fact.uid, fact.config)
      state.nextGroupUid = Math.max(state.nextGroupUid, fact.uid + 1)
      put(slice, keys.groupKey(fact.uid), json(fact))
      break
    case 'group-delete':
      state.groups.delete(fact.uid)
      state.offsets.delete(fact.uid)
      del(slice, keys.groupKey(fact.uid))
      break
    case 'id-run':
      applyIdRun(slice, fact)
      break
    case 'generation':
      applyGeneration(state, slice, fact)
      break
    case 'trim':
      applyTrim(state, slice, fact)
      break
  }
  state.applied = Math.max(state.applied, seq)
}

/**
 * Ends a slice: batches that were being merged, states of the queues it touched and, unless facts are applied again that
 * lie before the end of the index, how far it is now.
 */
export function finishSlice(state: AppliedState, slice: Slice, isSummarized = true): void {
  closeRows(state, slice)
  putParked(slice)
  for (const queueUid of slice.touched) {
    const queue = state.queues.get(queueUid)
    if (queue !== undefined) put(slice, keys.stateKey(queueUid), encodeQueueState(queue))
  }
  if (isSummarized) put(slice, keys.summaryKey, Buffer.from(JSON.stringify(summarize(state))))
}

function applyGeneration(
  state: AppliedState,
  slice: Slice,
  fact: Extract<Fact, { type: 'generation' }>,
): void {
  const { generation, firstSeq, timestamp, logBytes } = fact
  if (generation < state.trimmedGeneration) return
  // No row reaches over into another generation, or a trim would take too much.
  closeRows(state, slice)
  if (!state.generations.some((start) => start.generation === generation)) {
    state.generations.push({ generation, firstSeq, timestamp, logBytes })
    state.generations.sort((a, b) => a.generation - b.generation)
  }
  put(slice, keys.generationKey(generation), encodeGeneration(fact))
}

function applyTopicDelete(state: AppliedState, slice: Slice, uid: number): void {
  state.topics.delete(uid)
  del(slice, keys.topicKey(uid))
  put(slice, keys.purgeKey(uid))
  for (const queueUid of [...state.queues.keys()].filter((queue) => keys.topicUidOf(queue) === uid)) {
    state.queues.delete(queueUid)
    slice.touched.delete(queueUid)
    del(slice, keys.stateKey(queueUid))
  }
}

/** A trim that is applied again, while a later one is known, takes nothing of that back. */
function applyTrim(state: AppliedState, slice: Slice, fact: Extract<Fact, { type: 'trim' }>): void {
  state.trimmedBeforeSeq = Math.max(state.trimmedBeforeSeq, fact.beforeSeq)
  state.trimmedGeneration = Math.max(state.trimmedGeneration, fact.generation)
  while ((state.generations[0]?.generation ?? fact.generation) < fact.generation) {
    const gone = state.generations.shift()
    if (gone !== undefined) del(slice, keys.generationKey(gone.generation))
  }
  for (const { queueUid, minOffset } of fact.minimums) {
    const queue = state.queues.get(queueUid)
    if (queue === undefined) continue
    state.queues.set(queueUid, { ...queue, minOffset: Math.max(queue.minOffset, minOffset) })
    slice.touched.add(queueUid)
  }
}

function noteAlarmId(state: AppliedState, id: number): void {
  state.nextAlarmId = Math.max(state.nextAlarmId, id + 1)
}

function putAlarm(slice: Slice, alarm: Alarm): void {
  put(slice, keys.alarmKey(alarm.dueTimestamp, alarm.id), encodeAlarm(alarm))
}

function offsetsOf(state: AppliedState, groupUid: number): Map<number, number> {
  let queues = state.offsets.get(groupUid)
  if (queues === undefined) {
    queues = new Map()
    state.offsets.set(groupUid, queues)
  }
  return queues
}

function json(fact: { readonly uid: number; readonly config: TopicConfig | StoredGroupConfig }): Buffer {
  return Buffer.from(JSON.stringify({ uid: fact.uid, config: fact.config }))
}
