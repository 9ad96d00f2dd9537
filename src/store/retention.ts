/**
 * Retention by age and by bytes, a generation at a time. A trim is a fact like any other: it moves the lowest offsets and
 * says where the log begins. What lies before is then cleared from the databases, and its space given back; that part
 * may be cut short and done again at any time, for it removes only what is no longer valid.
 */

import type { AlarmTable } from './alarm-table.ts'
import type { AppliedState, GenerationStart } from './applied-state.ts'
import type { Catalog } from './catalog.ts'
import type { Databases } from './databases.ts'
import { type Fact, isParking, type QueueMinimum } from './fact.ts'
import type { GenerationRule } from './frame.ts'
import { NEVER, offsetsOf } from './invisible-run.ts'
import {
  logKey,
  purgeKey,
  rangeOf,
  rangeOfQueue,
  rangeOfTopicQueues,
  rangeOfU32,
  u32AfterPrefix,
} from './keyspace.ts'
import { readQueueRows } from './page-loader.ts'
import type { QueueLog } from './queue-log.ts'
import type { RetentionOptions } from './store-options.ts'

const GENERATIONS = 24
const GENERATION_MIN_BYTES = 16 * 1024
const GENERATION_MAX_BYTES = 64 * 1024 * 1024

type TrimFact = Extract<Fact, { type: 'trim' }>

/** What retention reads. */
export interface RetentionSource {
  readonly databases: Databases
  readonly catalog: Catalog
  readonly alarms: AlarmTable
  readonly state: Readonly<AppliedState>
}

/** When a new generation begins: often enough that a trim removes a small part of what the rule allows. */
export function generationRule(rule: RetentionOptions): GenerationRule {
  return {
    maxBytes: Math.max(
      GENERATION_MIN_BYTES,
      Math.min(GENERATION_MAX_BYTES, Math.floor(rule.maxBytes / GENERATIONS)),
    ),
    maxAgeMs: Math.max(1, Math.floor(rule.maxAgeMs / GENERATIONS)),
  }
}

/** The trim that the rule asks for now, or `undefined`. */
export async function planTrim(
  source: RetentionSource,
  rule: RetentionOptions,
  now: number,
): Promise<TrimFact | undefined> {
  const { generations, logBytes } = source.state
  const byBytes = generations.findIndex((start) => logBytes - start.logBytes <= rule.maxBytes)
  // A generation is as old as its last message, which is as old as the start of the next one.
  const byAge = generations.findLastIndex((start) => start.timestamp <= now - rule.maxAgeMs)
  const forBytes = await trimTo(source, generations[byBytes < 0 ? generations.length - 1 : byBytes])
  const forAge = await trimTo(source, generations[byAge])
  // Age can wait for a pending retry, the disk cannot: there the alarm reports the loss when it is due.
  if (
    forAge !== undefined &&
    !holdsPending(source, forAge) &&
    forAge.generation > (forBytes?.generation ?? 0)
  )
    return forAge
  return forBytes
}

async function trimTo(
  source: RetentionSource,
  start: GenerationStart | undefined,
): Promise<TrimFact | undefined> {
  const oldest = source.state.generations[0]
  if (start === undefined || oldest === undefined || start.generation <= oldest.generation) return undefined
  const minimums: QueueMinimum[] = []
  for (const log of source.catalog.logs()) {
    const minOffset = await firstOffsetFrom(source.databases, log, start.firstSeq)
    if (minOffset > log.minOffset) minimums.push({ queueUid: log.uid, minOffset })
  }
  return { type: 'trim', generation: start.generation, beforeSeq: start.firstSeq, minimums }
}

/** The first offset of a queue whose batch lies at or behind a sequence number. */
async function firstOffsetFrom(databases: Databases, log: QueueLog, seq: number): Promise<number> {
  let offset = log.minOffset
  while (offset < log.appliedOffset) {
    const rows = await readQueueRows(databases, log.uid, offset)
    if (rows.length === 0) break
    for (const row of rows) {
      if (row.seq >= seq) return Math.max(log.minOffset, row.baseOffset)
      offset = row.nextOffset
    }
  }
  return Math.max(offset, log.minOffset)
}

function holdsPending(source: RetentionSource, trim: TrimFact): boolean {
  const minimums = new Map(trim.minimums.map(({ queueUid, minOffset }) => [queueUid, minOffset]))
  for (const alarm of source.alarms.values()) {
    // What is only remembered is no reason to keep a message: its group may never come for it.
    if (alarm.dueTimestamp === NEVER || isParking(alarm)) continue
    const minOffset = minimums.get(alarm.queueUid) ?? 0
    if (alarm.queueOffset < minOffset && offsetsOf(alarm).some((offset) => offset < minOffset)) return true
  }
  return false
}

/** Whether a deleted topic has rows to clear. */
export async function hasDeletedTopics(databases: Databases): Promise<boolean> {
  return (await databases.index.level.keys({ ...rangeOf('purge'), limit: 1 }).all()).length > 0
}

/**
 * Clears what a trim or a deleted topic left behind, and gives its space back. Every write goes through `maintain`, piece by
 * piece: it keeps out of the applier's way, and a failed one is healed.
 */
export async function clearRemoved(
  source: RetentionSource,
  maintain: (work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { databases, state } = source
  for (const [queueUid, { minOffset }] of state.queues) {
    if (minOffset > 0) await maintain(() => databases.index.level.clear(rangeOfQueue(queueUid, 0, minOffset)))
  }
  for (const kind of ['key', 'id', 'idRun'] as const)
    await maintain(() => databases.index.level.clear(rangeOfU32(kind, 0, state.trimmedGeneration)))
  for (const key of await databases.index.level.keys(rangeOf('purge')).all()) {
    await maintain(() => purgeTopic(databases, u32AfterPrefix(key)))
  }
  if (state.trimmedBeforeSeq === 0) return
  await maintain(() => databases.log.level.clear({ lt: logKey(state.trimmedBeforeSeq) }))
  await databases.log.compactRange(logKey(0), logKey(state.trimmedBeforeSeq))
}

async function purgeTopic({ index }: Databases, topicUid: number): Promise<void> {
  await index.level.clear(rangeOfTopicQueues(topicUid))
  await index.level.del(purgeKey(topicUid))
}
