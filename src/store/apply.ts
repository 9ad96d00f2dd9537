/**
 * The one function that turns facts into rows. It is pure but for the state it is handed, which mirrors the small tables
 * of the index; it runs live, at recovery and after LevelDB was healed, always over the same slices of facts in the same
 * order. Small batches of a queue are merged within a slice, so slices must be the same for the rows to be the same.
 *
 * The commit log gets nothing but batches under ascending keys, so LevelDB has nothing to merge there. How far both
 * databases are is kept in the index alone (a row of its own in every slice of the log would make its tables overlap);
 * recovery puts log rows again that the index counts as applied (docs/recovery.md, step 8).
 */
import { MESSAGE_ID_BYTES, MESSAGE_ID_PREFIX_BYTES } from '../model/message-id.ts'
import type { GroupConfig, TopicConfig } from '../model/topic.ts'
import { encodeAlarm } from './alarm-row.ts'
import type { Alarm, Fact } from './fact.ts'
import * as keys from './keyspace.ts'
import { Batch, BatchAttribute, Rec } from './record-format.ts'
import { beginMerge, finishMerge, type MergingBatch, tryMerge } from './record-merge.ts'
import { type BatchHeader, readBatchHeader } from './record-reader.ts'
import {
  encodeGeneration,
  encodeIdRun,
  encodeQueueRow,
  encodeQueueState,
  encodeU48,
  type QueueState,
  sealRow,
} from './row.ts'

/** An operation on a database. */
export type RowOperation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

/** Where a generation begins. */
export interface GenerationStart {
  readonly generation: number
  readonly firstSeq: number
  readonly timestamp: number
  /** Bytes of all record batches before it, since the store was made. */
  readonly logBytes: number
}

/** How far the index is and how many rows its small tables have, so that a lost row is noticed at open. */
export interface Summary {
  readonly applied: number
  readonly lastLogSeq: number
  readonly logBytes: number
  readonly nextTopicUid: number
  readonly nextGroupUid: number
  readonly nextAlarmId: number
  readonly trimmedBeforeSeq: number
  readonly trimmedGeneration: number
  readonly topicCount: number
  readonly groupCount: number
  readonly offsetCount: number
  readonly alarmCount: number
  readonly generationCount: number
  readonly stateCount: number
}

/** The small tables of the index, as far as they are applied. */
export interface AppliedState {
  applied: number
  /** The last key of the commit log. */
  lastLogSeq: number
  /** Bytes of all record batches since the store was made, removed ones included. */
  logBytes: number
  nextTopicUid: number
  nextGroupUid: number
  nextAlarmId: number
  trimmedBeforeSeq: number
  trimmedGeneration: number
  readonly topics: Map<number, TopicConfig>
  readonly groups: Map<number, GroupConfig>
  readonly offsets: Map<number, Map<number, number>>
  readonly alarms: Map<number, Alarm>
  readonly generations: GenerationStart[]
  readonly queues: Map<number, QueueState>
}

/** What a slice of facts does to the databases. */
export interface Slice {
  readonly log: RowOperation[]
  readonly index: RowOperation[]
  /** Queues whose state row is written when the slice ends. */
  readonly touched: Set<number>
  /** Batches that may still grow, by queue. */
  readonly merging: Map<number, MergingBatch>
  /** Ids that ascend through the slice; another generator begins another run. */
  readonly runs: { readonly first: Buffer; last: Buffer }[]
  /** Where the batches of these runs lie in the commit log. */
  firstLogSeq: number | undefined
  lastLogSeq: number | undefined
}

export function emptyAppliedState(): AppliedState {
  return {
    applied: 0,
    lastLogSeq: 0,
    logBytes: 0,
    nextTopicUid: 1,
    nextGroupUid: 1,
    nextAlarmId: 1,
    trimmedBeforeSeq: 0,
    trimmedGeneration: 0,
    topics: new Map(),
    groups: new Map(),
    offsets: new Map(),
    alarms: new Map(),
    generations: [],
    queues: new Map(),
  }
}

export function emptySlice(): Slice {
  return {
    log: [],
    index: [],
    touched: new Set(),
    merging: new Map(),
    runs: [],
    firstLogSeq: undefined,
    lastLogSeq: undefined,
  }
}

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
      state.alarms.set(fact.alarm.id, fact.alarm)
      state.nextAlarmId = Math.max(state.nextAlarmId, fact.alarm.id + 1)
      put(slice, keys.alarmKey(fact.alarm.dueTimestamp, fact.alarm.id), encodeAlarm(fact.alarm))
      break
    case 'alarm-clear':
      state.alarms.delete(fact.id)
      del(slice, keys.alarmKey(fact.dueTimestamp, fact.id))
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

/** Ends a slice: batches that were being merged, states of the queues it touched, and how far the index is now. */
export function finishSlice(state: AppliedState, slice: Slice): void {
  closeRows(state, slice)
  for (const queueUid of slice.touched) {
    const queue = state.queues.get(queueUid)
    if (queue !== undefined) put(slice, keys.stateKey(queueUid), encodeQueueState(queue))
  }
  put(slice, keys.summaryKey, Buffer.from(JSON.stringify(summarize(state))))
}

/** Puts what was being gathered: merged batches, and the runs of ids that lie in them. */
function closeRows(state: AppliedState, slice: Slice): void {
  for (const merging of slice.merging.values()) putBatch(slice, merging)
  slice.merging.clear()
  const { firstLogSeq: firstSeq = 0, lastLogSeq: lastSeq = 0 } = slice
  for (const { first, last } of slice.runs) {
    put(slice, keys.idRunKey(generationOf(state, firstSeq), last), encodeIdRun({ first, firstSeq, lastSeq }))
  }
  slice.runs.length = 0
  slice.firstLogSeq = undefined
}

export function summarize(state: AppliedState): Summary {
  let offsetCount = 0
  for (const queues of state.offsets.values()) offsetCount += queues.size
  const {
    applied,
    lastLogSeq,
    logBytes,
    nextTopicUid,
    nextGroupUid,
    nextAlarmId,
    trimmedBeforeSeq,
    trimmedGeneration,
  } = state
  return {
    applied,
    lastLogSeq,
    logBytes,
    nextTopicUid,
    nextGroupUid,
    nextAlarmId,
    trimmedBeforeSeq,
    trimmedGeneration,
    topicCount: state.topics.size,
    groupCount: state.groups.size,
    offsetCount,
    alarmCount: state.alarms.size,
    generationCount: state.generations.length,
    stateCount: state.queues.size,
  }
}

/** The generation that a sequence number belongs to: the same when facts are applied again. */
export function generationOf(state: AppliedState, seq: number): number {
  for (let i = state.generations.length - 1; i >= 0; i--) {
    const start = state.generations[i] as GenerationStart
    if (start.firstSeq <= seq) return start.generation
  }
  // Messages that were trimmed and are applied again: their rows go with those of the generations before.
  return Math.max(0, state.trimmedGeneration - 1)
}

/** Generations that may still hold something, newest first. */
export function liveGenerations(state: Readonly<AppliedState>): number[] {
  return state.generations.map((start) => start.generation).reverse()
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

function applyAppend(state: AppliedState, slice: Slice, bytes: Buffer, seq: number): void {
  const header = readBatchHeader(bytes)
  const { queueUid, baseOffset, count, storeTimestamp } = header
  const merging = slice.merging.get(queueUid)
  if (merging === undefined || !tryMerge(merging, bytes)) {
    if (merging !== undefined) putBatch(slice, merging)
    slice.merging.set(queueUid, beginMerge(seq, bytes))
    state.lastLogSeq = Math.max(state.lastLogSeq, seq)
  }
  slice.firstLogSeq ??= seq
  slice.lastLogSeq = seq
  const topicUid = keys.topicUidOf(queueUid)
  if (state.topics.has(topicUid)) {
    const minOffset = state.queues.get(queueUid)?.minOffset ?? baseOffset
    state.queues.set(queueUid, {
      minOffset,
      maxOffset: baseOffset + count,
      lastStoreTimestamp: storeTimestamp,
    })
    slice.touched.add(queueUid)
  } else {
    // Its topic was deleted while it was on its way: the row goes with the topic's others.
    put(slice, keys.purgeKey(topicUid))
  }
  // A fact that is applied again is already counted.
  if (seq > state.applied) state.logBytes += bytes.length
  if (header.attributes !== 0) applyRecords(slice, bytes, header, generationOf(state, seq))
}

function putBatch(slice: Slice, merging: MergingBatch): void {
  const value = finishMerge(merging)
  const { queueUid, baseOffset, count, storeTimestamp } = readBatchHeader(value)
  const { seq } = merging
  slice.log.push({ type: 'put', key: keys.logKey(seq), value })
  const row = encodeQueueRow({ seq, count, storeTimestamp, bytes: value.length })
  put(slice, keys.queueKey(queueUid, baseOffset + count - 1), row)
}

/** Ids of one generator ascend from frame to frame, so their runs become one. */
function applyIdRun(slice: Slice, { first, last }: Extract<Fact, { type: 'id-run' }>): void {
  const open = slice.runs.at(-1)
  const continues = open !== undefined && open.last.compare(first) < 0 && samePrefix(open.last, first)
  if (continues) open.last = last
  else slice.runs.push({ first, last })
}

function samePrefix(a: Buffer, b: Buffer): boolean {
  return a.compare(b, 0, MESSAGE_ID_PREFIX_BYTES, 0, MESSAGE_ID_PREFIX_BYTES) === 0
}

/** Rows per message: for its keys, and for its id when no run covers it. */
function applyRecords(slice: Slice, bytes: Buffer, header: BatchHeader, generation: number): void {
  const explicitIds = (header.attributes & BatchAttribute.EXPLICIT_IDS) !== 0
  let position: number = Batch.HEADER_BYTES
  for (let i = 0; i < header.count; i++) {
    const offset = header.baseOffset + i
    if (explicitIds) {
      const id = bytes.subarray(position + Rec.MESSAGE_ID, position + Rec.MESSAGE_ID + MESSAGE_ID_BYTES)
      put(slice, keys.idKey(generation, id, header.queueUid, offset))
    }
    for (const key of keysOf(bytes, position)) {
      put(
        slice,
        keys.keyKey(
          generation,
          keys.topicUidOf(header.queueUid),
          key,
          header.storeTimestamp,
          header.queueUid,
          offset,
        ),
      )
    }
    position += bytes.readUInt32BE(position)
  }
}

/** The keys of a record as bytes; they are stored joined by spaces, and no key holds one. */
export function keysOf(bytes: Buffer, position: number): Buffer[] {
  const length = bytes.readUInt16BE(position + Rec.KEYS_BYTES)
  if (length === 0) return []
  const start = position + Rec.HEADER_BYTES + bytes.readUInt16BE(position + Rec.TAG_BYTES)
  const found: Buffer[] = []
  let from = start
  for (let at = start; at <= start + length; at++) {
    if (at === start + length || bytes[at] === SPACE) {
      found.push(bytes.subarray(from, at))
      from = at + 1
    }
  }
  return found
}

const SPACE = 0x20

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

function offsetsOf(state: AppliedState, groupUid: number): Map<number, number> {
  let queues = state.offsets.get(groupUid)
  if (queues === undefined) {
    queues = new Map()
    state.offsets.set(groupUid, queues)
  }
  return queues
}

function json(fact: { readonly uid: number; readonly config: TopicConfig | GroupConfig }): Buffer {
  return Buffer.from(JSON.stringify({ uid: fact.uid, config: fact.config }))
}

function put(slice: Slice, key: Buffer, content?: Buffer): void {
  slice.index.push({ type: 'put', key, value: sealRow(key, content) })
}

function del(slice: Slice, key: Buffer): void {
  slice.index.push({ type: 'del', key })
}
