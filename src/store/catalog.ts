/** Topics with their queues, and groups: the memory view of what is committed. */
import type { MessageQueue } from '../model/message-queue.ts'
import { defaultGroupConfig, type GroupConfig, type TopicConfig } from '../model/topic.ts'
import type { StoredGroupConfig } from './fact.ts'
import { queueIdOf, queueUidOf, topicUidOf } from './keyspace.ts'
import { QueueLog, type QueueParts } from './queue-log.ts'
import type { QueueState } from './row.ts'

/** A topic. The identity is never used again, also not when a topic of the same name is created anew. */
export interface TopicEntry {
  readonly uid: number
  readonly config: TopicConfig
  /** One for each queue id; queues that a shrunk topic no longer shows keep theirs. */
  readonly logs: readonly QueueLog[]
}

export interface GroupEntry {
  readonly uid: number
  readonly config: GroupConfig
}

export class Catalog {
  readonly #brokerName: string
  readonly #parts: QueueParts
  readonly #topics = new Map<string, TopicEntry>()
  readonly #topicsByUid = new Map<number, TopicEntry>()
  readonly #groups = new Map<string, GroupEntry>()
  readonly #groupsByUid = new Map<number, GroupEntry>()
  #nextTopicUid = 1
  #nextGroupUid = 1

  constructor(brokerName: string, parts: QueueParts) {
    this.#brokerName = brokerName
    this.#parts = parts
  }

  topic(name: string): TopicEntry | undefined {
    return this.#topics.get(name)
  }

  topics(): Iterable<TopicEntry> {
    return this.#topics.values()
  }

  group(name: string): GroupEntry | undefined {
    return this.#groups.get(name)
  }

  groups(): Iterable<GroupEntry> {
    return this.#groups.values()
  }

  topicOfQueue(queueUid: number): TopicEntry | undefined {
    return this.#topicsByUid.get(topicUidOf(queueUid))
  }

  groupByUid(uid: number): GroupEntry | undefined {
    return this.#groupsByUid.get(uid)
  }

  log(queueUid: number): QueueLog | undefined {
    return this.topicOfQueue(queueUid)?.logs[queueIdOf(queueUid)]
  }

  *logs(): Iterable<QueueLog> {
    for (const topic of this.#topics.values()) yield* topic.logs
  }

  /** A topic uid that was never given before, also not to a commit that failed. */
  takeTopicUid(): number {
    return this.#nextTopicUid++
  }

  takeGroupUid(): number {
    return this.#nextGroupUid++
  }

  /** Starts the numbering behind what was ever given. */
  reserveUids(nextTopicUid: number, nextGroupUid: number): void {
    this.#nextTopicUid = Math.max(this.#nextTopicUid, nextTopicUid)
    this.#nextGroupUid = Math.max(this.#nextGroupUid, nextGroupUid)
  }

  /** Adds or changes a topic. Queues are only ever added: those beyond the settings wait to be shown again. */
  putTopic(uid: number, config: TopicConfig, states?: ReadonlyMap<number, QueueState>): void {
    const logs = [...(this.#topicsByUid.get(uid)?.logs ?? [])]
    const wanted = Math.max(config.readQueueNums, config.writeQueueNums, ...storedQueueCounts(uid, states))
    for (let queueId = logs.length; queueId < wanted; queueId++)
      logs.push(this.#makeLog(uid, config.topic, queueId, states))
    const entry: TopicEntry = Object.freeze({
      uid,
      config: Object.freeze({ ...config }),
      logs: Object.freeze(logs),
    })
    this.#topics.set(config.topic, entry)
    this.#topicsByUid.set(uid, entry)
    this.reserveUids(uid + 1, 0)
  }

  deleteTopic(uid: number): void {
    const entry = this.#topicsByUid.get(uid)
    if (entry === undefined) return
    this.#topicsByUid.delete(uid)
    if (this.#topics.get(entry.config.topic) === entry) this.#topics.delete(entry.config.topic)
  }

  putGroup(uid: number, config: StoredGroupConfig): void {
    const complete = { ...defaultGroupConfig(config.group), ...config }
    const entry: GroupEntry = Object.freeze({ uid, config: Object.freeze(complete) })
    this.#groups.set(config.group, entry)
    this.#groupsByUid.set(uid, entry)
    this.reserveUids(0, uid + 1)
  }

  deleteGroup(uid: number): void {
    const entry = this.#groupsByUid.get(uid)
    if (entry === undefined) return
    this.#groupsByUid.delete(uid)
    if (this.#groups.get(entry.config.group) === entry) this.#groups.delete(entry.config.group)
  }

  #makeLog(
    topicUid: number,
    topic: string,
    queueId: number,
    states?: ReadonlyMap<number, QueueState>,
  ): QueueLog {
    const uid = queueUidOf(topicUid, queueId)
    const queue: MessageQueue = Object.freeze({ topic, brokerName: this.#brokerName, queueId })
    const state = states?.get(uid)
    const log = new QueueLog(uid, queue, state?.minOffset ?? 0, state?.maxOffset ?? 0, this.#parts)
    log.lastStoreTimestamp = state?.lastStoreTimestamp
    return log
  }
}

/** How many queues of a topic were ever written to, for queues beyond a topic's settings. */
function* storedQueueCounts(
  topicUid: number,
  states: ReadonlyMap<number, QueueState> | undefined,
): Iterable<number> {
  for (const queueUid of states?.keys() ?? [])
    if (topicUidOf(queueUid) === topicUid) yield queueIdOf(queueUid) + 1
}
