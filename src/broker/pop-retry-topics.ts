/**
 * The retry topics of what simple consumers received and did not acknowledge, made when the first such message comes back.
 * Each is of one group and one topic, and goes with either. That of a priority topic is one itself, so that what is urgent
 * comes back before what is not (RocketMQ `useSeparateRetryQueue`).
 */
import type { RandomSource } from '../model/clock.ts'
import { randomBelow } from '../model/clock.ts'
import { priorityQueueId } from '../model/queue-choice.ts'
import { isPriorityTopic, Permission, popRetryTopicOf, type TopicConfig } from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Serial } from './serial.ts'
import type { Topics } from './topics.ts'

export class PopRetryTopics {
  readonly #store: Store
  readonly #topics: Topics
  readonly #serial: Serial
  readonly #random: RandomSource

  constructor(store: Store, topics: Topics, serial: Serial, random: RandomSource) {
    this.#store = store
    this.#topics = topics
    this.#serial = serial
    this.#random = random
  }

  /**
   * The queue for a retry of a topic: that of its priority, or any that takes retries; `undefined` when group or topic were
   * deleted meanwhile.
   */
  async log(group: GroupEntry, topic: string, priority: number | undefined): Promise<QueueLog | undefined> {
    const retryTopic = popRetryTopicOf(group.config.group, topic)
    const config = this.#fitting(retryTopic, topic) ?? (await this.#make(group, topic, retryTopic))
    if (config === undefined) return undefined
    if (isPriorityTopic(config))
      return this.#topics.logOfId(retryTopic, priorityQueueId(priority, config.writeQueueNums))
    const count = Math.min(Math.max(1, group.config.retryQueueNums), config.writeQueueNums)
    return this.#topics.logOfId(retryTopic, randomBelow(this.#random, count))
  }

  /** The retry topic, unless its topic became a priority topic behind it. */
  #fitting(retryTopic: string, topic: string): TopicConfig | undefined {
    const { catalog } = this.#store
    const config = catalog.topic(retryTopic)?.config
    const source = catalog.topic(topic)?.config
    if (config === undefined || source === undefined) return config
    return isPriorityTopic(source) && !isPriorityTopic(config) ? undefined : config
  }

  #make(group: GroupEntry, topic: string, retryTopic: string): Promise<TopicConfig | undefined> {
    return this.#serial.run(async () => {
      const { catalog } = this.#store
      const config = catalog.groupByUid(group.uid)?.config
      const source = catalog.topic(topic)?.config
      if (config === undefined || source === undefined) return undefined
      if (this.#fitting(retryTopic, topic) === undefined)
        await this.#put(retryTopic, source, config.retryQueueNums)
      return catalog.topic(retryTopic)?.config
    })
  }

  async #put(topic: string, source: TopicConfig, retryQueueNums: number): Promise<void> {
    const existing = this.#store.catalog.topic(topic)?.config
    const isOfPriority = isPriorityTopic(source)
    const wanted = isOfPriority ? source.writeQueueNums : Math.max(1, retryQueueNums)
    const queueNums = Math.max(wanted, existing?.readQueueNums ?? 0)
    const permission = existing?.permission ?? Permission.READ_WRITE
    const config = { topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission }
    await this.#store.commit({ topics: [{ ...config, ...(isOfPriority && { priority: true }) }] })
    this.#topics.announceChange(topic)
  }
}
