/**
 * The small tables of the index in memory, as far as they are applied: what `apply.ts` reads and changes. They are loaded
 * at open and held against the counts of the summary.
 */
import type { TopicConfig } from '../model/topic.ts'
import type { Alarm, StoredGroupConfig } from './fact.ts'
import type { QueueState } from './row.ts'

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
  /** Alarms but for those of parked messages, which are not loaded at open. */
  readonly alarmCount: number
  readonly parkedCount: number
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
  /** How many messages are parked. */
  parkedCount: number
  trimmedBeforeSeq: number
  trimmedGeneration: number
  readonly topics: Map<number, TopicConfig>
  readonly groups: Map<number, StoredGroupConfig>
  readonly offsets: Map<number, Map<number, number>>
  /** All but those of parked messages. */
  readonly alarms: Map<number, Alarm>
  readonly generations: GenerationStart[]
  readonly queues: Map<number, QueueState>
}

export function emptyAppliedState(): AppliedState {
  return {
    applied: 0,
    lastLogSeq: 0,
    logBytes: 0,
    nextTopicUid: 1,
    nextGroupUid: 1,
    nextAlarmId: 1,
    parkedCount: 0,
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
    parkedCount,
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
    parkedCount,
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

/** The latest time at which anything was stored; store times go on from there. */
export function latestStoreTimestamp(state: Readonly<AppliedState>): number {
  let latest = 0
  for (const { lastStoreTimestamp } of state.queues.values()) latest = Math.max(latest, lastStoreTimestamp)
  return latest
}
