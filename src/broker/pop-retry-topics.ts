/**
 * The retry topics of what simple consumers received and did not acknowledge, made when the first such message comes back.
 * Each is of one group and one topic, and goes with either.
 */
import type { RandomSource } from '../model/clock.ts'
import { randomBelow } from '../model/clock.ts'
import { Permission, popRetryTopicOf, type TopicConfig } from '../model/topic.ts'
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

  /** Any of the queues that take retries of a topic; `undefined` when group or topic were deleted meanwhile. */
  async log(group: GroupEntry, topic: string): Promise<QueueLog | undefined> {
    const retryTopic = popRetryTopicOf(group.config.group, topic)
    const config =
      this.#store.catalog.topic(retryTopic)?.config ?? (await this.#make(group, topic, retryTopic))
    if (config === undefined) return undefined
    const count = Math.min(Math.max(1, group.config.retryQueueNums), config.writeQueueNums)
    return this.#topics.logOfId(retryTopic, randomBelow(this.#random, count))
  }

  #make(group: GroupEntry, topic: string, retryTopic: string): Promise<TopicConfig | undefined> {
    return this.#serial.run(async () => {
      const { catalog } = this.#store
      const config = catalog.groupByUid(group.uid)?.config
      if (config === undefined || catalog.topic(topic) === undefined) return undefined
      if (catalog.topic(retryTopic) === undefined) await this.#put(retryTopic, config.retryQueueNums)
      return catalog.topic(retryTopic)?.config
    })
  }

  async #put(topic: string, retryQueueNums: number): Promise<void> {
    const queueNums = Math.max(1, retryQueueNums)
    const permission = Permission.READ_WRITE
    await this.#store.commit({
      topics: [{ topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission }],
    })
    this.#topics.announceChange(topic)
  }
}
