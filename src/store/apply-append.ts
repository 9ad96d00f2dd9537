/**
 * What appended messages make of rows: a value of the commit log and a queue row for the batches merged, a row for each
 * key, and for ids one row per run, or one each where no run covers them.
 */
import { MESSAGE_ID_BYTES, MESSAGE_ID_PREFIX_BYTES } from '../model/message-id.ts'
import { type AppliedState, generationOf } from './applied-state.ts'
import type { Fact } from './fact.ts'
import * as keys from './keyspace.ts'
import { Batch, BatchAttribute, Rec } from './record-format.ts'
import { beginMerge, finishMerge, type MergingBatch, tryMerge } from './record-merge.ts'
import { type BatchHeader, keysOf, readBatchHeader } from './record-reader.ts'
import { encodeIdRun, encodeQueueRow } from './row.ts'
import { put, type Slice } from './slice.ts'

export function applyAppend(state: AppliedState, slice: Slice, bytes: Buffer, seq: number): void {
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
export function applyIdRun(slice: Slice, { first, last }: Extract<Fact, { type: 'id-run' }>): void {
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

/** Puts what was being gathered: merged batches, and the runs of ids that lie in them. */
export function closeRows(state: AppliedState, slice: Slice): void {
  for (const merging of slice.merging.values()) putBatch(slice, merging)
  slice.merging.clear()
  const { firstLogSeq: firstSeq = 0, lastLogSeq: lastSeq = 0 } = slice
  for (const { first, last } of slice.runs) {
    put(slice, keys.idRunKey(generationOf(state, firstSeq), last), encodeIdRun({ first, firstSeq, lastSeq }))
  }
  slice.runs.length = 0
  slice.firstLogSeq = undefined
}
