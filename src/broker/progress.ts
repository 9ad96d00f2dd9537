/** How far a group has come, by queue (RocketMQ `consumerProgress`, semantics section 12.3). */
import type { ConsumerProgress, QueueProgress } from '../model/results.ts'
import { retryTopicOf } from '../model/topic.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Groups } from './groups.ts'
import type { Members } from './members.ts'

export class Progress {
  readonly #store: Store
  readonly #groups: Groups
  readonly #members: Members

  constructor(store: Store, groups: Groups, members: Members) {
    this.#store = store
    this.#groups = groups
    this.#members = members
  }

  /** The read queues of every topic that the group consumes or has consumed, its retry topic included. */
  async of(group: string): Promise<ConsumerProgress> {
    const entry = this.#groups.entry(group)
    const topics = [...this.#store.catalog.topics()].filter((topic) => this.#concerns(entry, topic))
    const queues = await Promise.all(topics.flatMap(readLogs).map((log) => this.#ofQueue(entry, log)))
    const lag = queues.reduce((sum, queue) => sum + queue.lag, 0)
    return { group, queues, lag, pendingRetryCount: this.#store.alarms.pendingCount(entry.uid) }
  }

  #concerns(group: GroupEntry, topic: TopicEntry): boolean {
    const { group: name } = group.config
    const isConsumed =
      topic.config.topic === retryTopicOf(name) || this.#members.subscribes(name, topic.config.topic)
    return isConsumed || readLogs(topic).some((log) => this.#store.offsets.get(group, log) !== undefined)
  }

  async #ofQueue(group: GroupEntry, log: QueueLog): Promise<QueueProgress> {
    const brokerOffset = log.maxOffset
    const consumerOffset = this.#store.offsets.get(group, log) ?? 0
    // What retention removed can no longer be consumed.
    const lag = brokerOffset - Math.max(consumerOffset, log.minOffset)
    const lastTimestamp = await storeTimestampAt(log, consumerOffset - 1)
    return { queue: log.queue, brokerOffset, consumerOffset, lag, lastTimestamp }
  }
}

function readLogs({ logs, config }: TopicEntry): readonly QueueLog[] {
  return logs.slice(0, config.readQueueNums)
}

async function storeTimestampAt(log: QueueLog, offset: number): Promise<number | undefined> {
  if (offset < log.minOffset || offset >= log.maxOffset) return undefined
  const batch = await log.batchAt(offset)
  return batch.storeTimestampAt(offset - batch.baseOffset)
}
