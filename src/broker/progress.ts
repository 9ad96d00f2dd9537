/** How far a group has come, by queue (RocketMQ `consumerProgress`, semantics section 12.3). */
import type { ConsumerProgress, QueueProgress } from '../model/results.ts'
import { isPopRetryTopicOfGroup, retryTopicOf } from '../model/topic.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { BroadcastOffsets } from './broadcast-offsets.ts'
import type { Groups } from './groups.ts'
import type { Members } from './members.ts'

export class Progress {
  readonly #store: Store
  readonly #groups: Groups
  readonly #members: Members
  readonly #broadcast: BroadcastOffsets

  constructor(store: Store, groups: Groups, members: Members, broadcast: BroadcastOffsets) {
    this.#store = store
    this.#groups = groups
    this.#members = members
    this.#broadcast = broadcast
  }

  /** The read queues of every topic that the group consumes or has consumed, its retry topic included. */
  async of(group: string): Promise<ConsumerProgress> {
    const entry = this.#groups.entry(group)
    const topics = [...this.#store.catalog.topics()].filter((topic) => this.#concerns(entry, topic))
    const own = topics.flatMap(readLogs).map((log) => this.#ofQueue(log, this.#store.offsets.get(entry, log)))
    const ids = this.#broadcast.clientIds(group)
    const queues = await Promise.all([...own, ...ids.flatMap((clientId) => this.#ofMember(group, clientId))])
    const lag = queues.reduce((sum, queue) => sum + queue.lag, 0)
    const { alarms } = this.#store
    const pendingRetryCount = alarms.pendingCount(entry.uid)
    return { group, queues, lag, pendingRetryCount, invisibleCount: alarms.invisibleCount(entry.uid) }
  }

  /** The queues that a broadcasting member subscribes to, or has consumed. */
  #ofMember(group: string, clientId: string): Promise<QueueProgress>[] {
    const subscriptions = this.#members.broadcaster(group, clientId)?.subscriptions
    const topics = [...this.#store.catalog.topics()]
    return topics.flatMap((topic) => {
      const isConsumed = subscriptions?.has(topic.config.topic) === true
      const known = readLogs(topic).map((log) => [log, this.#broadcast.offset(group, clientId, log)] as const)
      const wanted = known.filter(([, offset]) => isConsumed || offset !== undefined)
      return wanted.map(([log, offset]) => this.#ofQueue(log, offset, clientId))
    })
  }

  #concerns(group: GroupEntry, topic: TopicEntry): boolean {
    const { group: name } = group.config
    const isRetryTopic =
      topic.config.topic === retryTopicOf(name) || isPopRetryTopicOfGroup(topic.config.topic, name)
    const isConsumed = isRetryTopic || this.#members.subscribes(name, topic.config.topic)
    return isConsumed || readLogs(topic).some((log) => this.#store.offsets.get(group, log) !== undefined)
  }

  async #ofQueue(log: QueueLog, offset: number | undefined, clientId?: string): Promise<QueueProgress> {
    const brokerOffset = log.maxOffset
    const consumerOffset = offset ?? 0
    // What retention removed can no longer be consumed.
    const lag = brokerOffset - Math.max(consumerOffset, log.minOffset)
    const lastTimestamp = await storeTimestampAt(log, consumerOffset - 1)
    const of = clientId === undefined ? {} : { clientId }
    return { queue: log.queue, ...of, brokerOffset, consumerOffset, lag, lastTimestamp }
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
