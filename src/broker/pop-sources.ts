/**
 * Where a receive looks for messages: the queues of a topic in turn, so that none is left behind, or of a priority topic the
 * highest first; and those of the topic's retries. One receive in five looks at the retries first (RocketMQ `popFromRetryProbability`), so that they are neither
 * held up by a flood of new messages nor hold these up.
 */
import { type MessageFilter, matchAll } from '../model/subscription.ts'
import { isPriorityTopic, popRetryTopicOf } from '../model/topic.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import { checkReadable } from './permissions.ts'
import { isReadable } from './routes.ts'

/** A queue, and what of it is wanted. */
export interface PopSource {
  readonly log: QueueLog
  readonly filter: MessageFilter
  /** What lies in sources behind this one is less urgent: nobody takes it while somebody else is in here. */
  readonly isOfPriority: boolean
}

const RETRIES_FIRST_EVERY = 5

export class PopSources {
  readonly #store: Store
  /** How many receives there were, by group and topic uid. */
  readonly #turns = new WeakMap<GroupEntry, Map<number, number>>()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Queues with something that the group has not received, in the order in which to take. None when the topic does not exist;
   * throws `NO_PERMISSION` when it may not be read.
   */
  of(group: GroupEntry, topic: string, filter: MessageFilter): readonly PopSource[] {
    const entry = this.#store.catalog.topic(topic)
    if (entry === undefined) return []
    checkReadable(entry)
    const turn = this.#takeTurn(group, entry)
    const sources = this.#sourcesIn(group, entry, filter, turn)
    if (group.config.consumeMessageOrderly) return sources
    const retries = this.#retries(group, topic, turn)
    return turn % RETRIES_FIRST_EVERY === 0 ? [...retries, ...sources] : [...sources, ...retries]
  }

  /** What passed the filter once is delivered again whatever the filter is now, or it would be lost. */
  #retries(group: GroupEntry, topic: string, turn: number): readonly PopSource[] {
    const entry = this.#store.catalog.topic(popRetryTopicOf(group.config.group, topic))
    return entry === undefined || !isReadable(entry) ? [] : this.#sourcesIn(group, entry, matchAll, turn)
  }

  #sourcesIn(group: GroupEntry, entry: TopicEntry, filter: MessageFilter, turn: number): PopSource[] {
    const count = Math.min(entry.config.readQueueNums, entry.logs.length)
    const isOfPriority = isPriorityTopic(entry.config)
    const sources: PopSource[] = []
    for (let i = 0; i < count; i++) {
      const log = entry.logs[isOfPriority ? count - 1 - i : (turn + i) % count]
      if (log !== undefined && this.#hasMore(group, log)) sources.push({ log, filter, isOfPriority })
    }
    return sources
  }

  #hasMore(group: GroupEntry, log: QueueLog): boolean {
    const offset = this.#store.offsets.planned(group.uid, log.uid)
    return !log.isClosed && (offset === undefined || offset < log.maxOffset)
  }

  #takeTurn(group: GroupEntry, { uid }: TopicEntry): number {
    const turns = this.#turns.get(group) ?? new Map<number, number>()
    const turn = turns.get(uid) ?? 0
    turns.set(uid, turn + 1)
    this.#turns.set(group, turns)
    return turn
  }
}
