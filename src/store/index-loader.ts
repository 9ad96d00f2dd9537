/**
 * Loads the small tables of the index at open. The summary counts their rows, so a row that LevelDB dropped is noticed;
 * every row has a checksum, so a changed one is too. What a power cut took, with the holes that LevelDB leaves between
 * its logs, is in the journal: so the count is compared when the facts up to the summary are applied again.
 *
 * Rows of what the summary says is trimmed, or of a topic that is gone, are passed over. *A flush that failed forgets deletions for good,
 * although they are read as done until the power is cut; healing applies the fact again, and finds nothing to delete.*
 */
import { MQError } from '../model/errors.ts'
import { decodeAlarm } from './alarm-row.ts'
import { type AppliedState, emptyAppliedState, type Summary, summarize } from './applied-state.ts'
import {
  type RowKind,
  rangeOf,
  summaryKey,
  topicUidOf,
  u32AfterPrefix,
  u48AfterPrefix,
  u48FromEnd,
} from './keyspace.ts'
import type { Database } from './medium.ts'
import { decodeGeneration, decodeQueueState, openRow } from './row.ts'

/** Rows read at a time: no iterator lives longer than a page. */
const PAGE_COUNT = 1000

/** The small tables, and how many rows they should have at the place that they say they are at. */
export interface LoadedIndex {
  readonly state: AppliedState
  /** Absent in an index that was never written to. */
  readonly summary: Summary | undefined
}

export async function loadIndex(index: Database): Promise<LoadedIndex> {
  const state = emptyAppliedState()
  const stored = await index.level.get(summaryKey)
  if (stored === undefined) {
    for await (const _ of rows(index, 'topic')) throw corrupted('it has rows but no summary')
    return { state, summary: undefined }
  }
  const summary: Summary = JSON.parse(openRow(summaryKey, stored).toString())
  Object.assign(state, pickNumbers(summary))
  for await (const [, row] of rows(index, 'topic')) setConfig(state.topics, row)
  for await (const [, row] of rows(index, 'group')) setConfig(state.groups, row)
  for await (const [key, row] of rows(index, 'generation')) {
    const generation = u32AfterPrefix(key)
    if (generation >= state.trimmedGeneration)
      state.generations.push({ generation, ...decodeGeneration(row) })
  }
  for await (const [key, row] of rows(index, 'offset'))
    setOffset(state, u32AfterPrefix(key), u48FromEnd(key, 6), row)
  for await (const [key, row] of rows(index, 'state')) {
    const queueUid = u48AfterPrefix(key)
    if (state.topics.has(topicUidOf(queueUid))) state.queues.set(queueUid, decodeQueueState(row))
  }
  for await (const [key, row] of rows(index, 'alarm')) {
    const alarm = decodeAlarm(key, row)
    state.alarms.set(alarm.id, alarm)
  }
  return { state, summary }
}

/** All rows of a kind, with their content, a page at a time. */
export async function* rows(
  index: Database,
  kind: RowKind,
): AsyncGenerator<readonly [key: Buffer, content: Buffer]> {
  const { gte, lt } = rangeOf(kind)
  let from: { gte: Buffer } | { gt: Buffer } = { gte }
  for (;;) {
    const page: [Buffer, Buffer][] = await index.level.iterator({ ...from, lt, limit: PAGE_COUNT }).all()
    for (const [key, value] of page) yield [key, openRow(key, value)]
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_COUNT) return
    from = { gt: last[0] }
  }
}

function pickNumbers(summary: Summary) {
  const {
    applied,
    lastLogSeq,
    logBytes,
    nextTopicUid,
    nextGroupUid,
    nextAlarmId,
    parkedCount,
    trimmedBeforeSeq,
    trimmedGeneration,
  } = summary
  return {
    applied,
    lastLogSeq,
    logBytes,
    nextTopicUid,
    nextGroupUid,
    nextAlarmId,
    parkedCount,
    trimmedBeforeSeq,
    trimmedGeneration,
  }
}

function setConfig<T>(table: Map<number, T>, row: Buffer): void {
  const { uid, config } = JSON.parse(row.toString())
  table.set(uid, config)
}

function setOffset(state: AppliedState, groupUid: number, queueUid: number, row: Buffer): void {
  let queues = state.offsets.get(groupUid)
  if (queues === undefined) {
    queues = new Map()
    state.offsets.set(groupUid, queues)
  }
  queues.set(queueUid, row.readUIntBE(0, 6))
}

/** Throws `STORE_CORRUPTED` when the tables do not have the rows that the summary counted. */
export function checkSummary({ state, summary }: LoadedIndex): void {
  const found = summarize(state)
  for (const [name, expected] of Object.entries(summary ?? {})) {
    const actual = found[name as keyof Summary]
    if (actual !== expected) throw corrupted(`its ${name} should be ${expected} and is ${actual}`)
  }
}

function corrupted(what: string): MQError {
  return new MQError('STORE_CORRUPTED', `The index lost rows: ${what}. Restore the directory from a backup.`)
}
