/**
 * Topics: creation, settings, routes, and the way from a queue's name to its log. Only a first publish creates a topic by
 * itself, consumers never do (semantics section 1.5). A route is built once per change of its topic.
 */
import { invalidParameter, MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { TopicRoute } from '../model/results.ts'
import {
  checkNotSystemTopic,
  isDeadLetterTopic,
  isPopRetryTopicOfTopic,
  isPriorityTopic,
  isRetryTopic,
  Permission,
  type TopicConfig,
} from '../model/topic.ts'
import type { TopicEntry } from '../store/catalog.ts'
import { logMadeFor, type QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import type { BrokerOptions } from './broker-options.ts'
import { fixOrder, isOrderTopic } from './order-topic.ts'
import { findOrphans } from './orphans.ts'
import { buildRoute, queueCount } from './routes.ts'
import type { Serial } from './serial.ts'

export class Topics {
  readonly #store: Store
  readonly #options: BrokerOptions
  readonly #announcer: Announcer
  readonly #serial: Serial

  /** Routes of topics that did not change since somebody asked. */
  readonly #routes = new Map<string, TopicRoute>()

  constructor(store: Store, options: BrokerOptions, announcer: Announcer, serial: Serial) {
    this.#store = store
    this.#options = options
    this.#announcer = announcer
    this.#serial = serial
  }

  /** The topic; `TOPIC_NOT_EXIST` when there is none. */
  entry(topic: string): TopicEntry {
    const entry = this.#store.catalog.topic(topic)
    if (entry === undefined) throw topicNotExist(topic)
    return entry
  }

  /** The log of a queue; refuses a queue that the topic does not have. */
  log(queue: MessageQueue): QueueLog {
    return this.logIn(this.entry(queue.topic), queue)
  }

  /** The log of the queue with this number. */
  logOfId(topic: string, queueId: number): QueueLog {
    return this.log({ topic, brokerName: this.#options.brokerName, queueId })
  }

  /** The log of a queue of this topic. */
  logIn(entry: TopicEntry, queue: MessageQueue): QueueLog {
    const log = entry.logs[queue.queueId]
    if (log === undefined || queue.queueId >= queueCount(entry)) throw this.#noSuchQueue(entry, queue)
    if (queue.brokerName !== this.#options.brokerName) throw this.#noSuchQueue(entry, queue)
    if (logMadeFor(queue)?.isClosed === true) throw deletedMeanwhile(queue)
    return log
  }

  /** The log of a queue that consumers see. */
  readLogIn(entry: TopicEntry, queue: MessageQueue): QueueLog {
    const log = this.logIn(entry, queue)
    if (queue.queueId >= entry.config.readQueueNums) throw this.#noSuchQueue(entry, queue)
    return log
  }

  route(topic: string): TopicRoute {
    const known = this.#routes.get(topic)
    if (known !== undefined) return known
    const route = buildRoute(this.entry(topic), this.#options.brokerName)
    this.#routes.set(topic, route)
    return route
  }

  /** From memory when somebody published to the topic before; the topic is created if need be. */
  publishRoute(topic: string): TopicRoute | Promise<TopicRoute> {
    const known = this.#routes.get(topic)
    return known !== undefined && known.writeQueues.length > 0 ? known : this.#firstPublishRoute(topic)
  }

  async create(config: TopicConfig): Promise<void> {
    checkNotSystemTopic(config.topic)

    await this.#serial.run(async () => {
      const existing = this.#store.catalog.topic(config.topic)
      if (existing === undefined) return this.#put(fixOrder(config))
      if (sameConfig(existing.config, config)) return
      throw new MQError(
        'TOPIC_EXIST_ALREADY',
        `The topic '${config.topic}' exists with other settings; change them with updateTopic.`,
      )
    })
  }

  /**
   * Changes the settings of an existing topic. Queues that fall away keep their messages, hidden, until the number is
   * raised again; to consume them first, lower the write queues before the read queues.
   */
  async update(config: TopicConfig): Promise<void> {
    checkNotSystemTopic(config.topic)

    await this.#serial.run(async () => {
      const { config: existing } = this.entry(config.topic)
      if (!sameConfig(existing, config)) await this.#put(fixOrder(config, existing))
    })
  }

  /**
   * Deletes a topic with its messages, all offsets, and the retries of what simple consumers received from it. What still
   * waits for one of its messages is reported lost.
   */
  async delete(topic: string): Promise<void> {
    checkNotSystemTopic(topic)

    await this.#serial.run(async () => {
      const all = [...this.#store.catalog.topics()]
      const retries = all.filter(({ config }) => isPopRetryTopicOfTopic(config.topic, topic))
      const deleted = [this.entry(topic), ...retries]
      await this.#close(deleted)
      const orphans = await findOrphans(this.#store, deleted)
      await this.#store.commit({ topicsDeleted: deleted, alarmsCleared: orphans.alarms })
      for (const { config } of deleted) this.announceChange(config.topic)
      for (const event of orphans.events) this.#announcer.emit('message-lost', event)
    })
  }

  /** The topic, created with these settings if there is none. */
  async ensure(config: TopicConfig): Promise<TopicEntry> {
    const known = this.#store.catalog.topic(config.topic)
    return known ?? this.#serial.run(() => this.#createOnce(config))
  }

  configs(): readonly TopicConfig[] {
    const configs = [...this.#store.catalog.topics()].map((entry) => entry.config)
    return configs.sort((a, b) => (a.topic < b.topic ? -1 : 1))
  }

  /** After a commit that created, changed or deleted the topic. */
  announceChange(topic: string): void {
    this.#routes.delete(topic)
    this.#announcer.tell({ type: 'route-changed', topic })
    this.#announcer.emit('topic-changed', { topic })
  }

  async #createOnce(config: TopicConfig): Promise<TopicEntry> {
    if (this.#store.catalog.topic(config.topic) === undefined) await this.#put(config)
    return this.entry(config.topic)
  }

  async #put(config: TopicConfig): Promise<void> {
    await this.#store.commit({ topics: [config] })
    this.announceChange(config.topic)
  }

  async #firstPublishRoute(topic: string): Promise<TopicRoute> {
    checkNotSystemTopic(topic)
    if (this.#store.catalog.topic(topic) === undefined) await this.#createByPublish(topic)
    const route = this.route(topic)
    if (route.writeQueues.length === 0) {
      throw new MQError(
        'NO_PERMISSION',
        `The topic '${topic}' takes no messages: no write permission or no queue.`,
      )
    }
    return route
  }

  /** Takes nothing more for these topics, and waits for what was taken before: what waits for them must be known to be told. */
  async #close(topics: readonly TopicEntry[]): Promise<void> {
    const logs = topics.flatMap((topic) => topic.logs)
    for (const log of logs) log.isClosed = true
    try {
      await this.#store.flush()
    } catch (error) {
      for (const log of logs) log.isClosed = false
      throw error
    }
  }

  #noSuchQueue({ config }: TopicEntry, queue: MessageQueue): MQError {
    const { brokerName } = this.#options
    if (queue.brokerName !== brokerName) {
      return invalidParameter(`The queue is on broker '${queue.brokerName}'; this one is '${brokerName}'.`)
    }
    const counts = `${config.readQueueNums} read and ${config.writeQueueNums} write queues`
    return invalidParameter(`The topic '${queue.topic}' has ${counts}, but not the queue ${queue.queueId}.`)
  }

  async #createByPublish(topic: string): Promise<void> {
    const { autoCreateTopicEnable, defaultTopicQueueNums: queueNums } = this.#options
    // Retry and dead-letter topics are made when a group needs them, with settings of their own.
    if (!autoCreateTopicEnable || isRetryTopic(topic) || isDeadLetterTopic(topic)) throw topicNotExist(topic)
    const permission = Permission.READ_WRITE
    await this.ensure({ topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission })
  }
}

function sameConfig(a: TopicConfig, b: TopicConfig): boolean {
  return (
    a.readQueueNums === b.readQueueNums &&
    a.writeQueueNums === b.writeQueueNums &&
    a.permission === b.permission &&
    isOrderTopic(a) === isOrderTopic(b) &&
    isPriorityTopic(a) === isPriorityTopic(b)
  )
}

function topicNotExist(topic: string): MQError {
  return new MQError('TOPIC_NOT_EXIST', `The topic '${topic}' does not exist; create it with createTopic.`)
}

/** A client that still has the old topic must not go on in the new one of that name with the old offsets. */
function deletedMeanwhile({ topic }: MessageQueue): MQError {
  return new MQError(
    'TOPIC_NOT_EXIST',
    `The topic '${topic}' was deleted and made anew; fetch its route again.`,
    {
      outcome: 'not-attempted',
    },
  )
}
