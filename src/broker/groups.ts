/**
 * The stored settings of consumer groups. A group and its retry topic come into being together, when its first consumer
 * registers (semantics sections 1.5 and 1.9).
 */
import type { ConsumerRegistration } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import {
  defaultGroupConfig,
  type GroupConfig,
  Permission,
  retryTopicOf,
  type TopicConfig,
} from '../model/topic.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { Store } from '../store/store.ts'
import type { Members } from './members.ts'
import type { Serial } from './serial.ts'
import type { Topics } from './topics.ts'

export class Groups {
  readonly #store: Store
  readonly #topics: Topics
  readonly #members: Members
  readonly #serial: Serial

  constructor(store: Store, topics: Topics, members: Members, serial: Serial) {
    this.#store = store
    this.#topics = topics
    this.#members = members
    this.#serial = serial
  }

  /** The group; `SUBSCRIPTION_GROUP_NOT_EXIST` when there is none. */
  entry(group: string): GroupEntry {
    const entry = this.#store.catalog.group(group)
    if (entry === undefined) throw groupNotExist(group)
    return entry
  }

  /** Lets a consumer join; makes the group if it is the first. */
  register(registration: ConsumerRegistration): Promise<void> {
    return this.#serial.run(async () => {
      const { group, messageModel } = registration
      const known = this.#store.catalog.group(group)?.config
      const config = known ?? defaultGroupConfig(group)
      if (messageModel === 'broadcasting' && !config.consumeBroadcastEnable) throw noBroadcast(group)
      await this.#put(config, known === undefined)
      this.#members.join(registration)
    })
  }

  /** Creates a group or replaces its settings. */
  create(config: GroupConfig): Promise<void> {
    return this.#serial.run(async () => {
      const known = this.#store.catalog.group(config.group)?.config
      await this.#put(config, known === undefined || !sameConfig(known, config))
    })
  }

  /**
   * Deletes a group with its offsets, its pending retries and its retry topic. Its dead letters stay: they are
   * what somebody still has to look at. Refused while consumers are online, since they would fail from then on.
   */
  delete(group: string): Promise<void> {
    return this.#serial.run(async () => {
      const entry = this.entry(group)
      const online = this.#members.consumerIds(group)
      if (online.length > 0) throw stillOnline(group, online)
      const retryTopic = this.#store.catalog.topic(retryTopicOf(group))
      await this.#store.commit({
        groupsDeleted: [entry],
        topicsDeleted: retryTopic === undefined ? [] : [retryTopic],
      })
      if (retryTopic !== undefined) this.#topics.announceChange(retryTopic.config.topic)
    })
  }

  /** The settings of a group's retry topic, made again if it was deleted; `undefined` when the group is gone too. */
  restoreRetryTopic(uid: number): Promise<TopicConfig | undefined> {
    return this.#serial.run(async () => {
      const config = this.#store.catalog.groupByUid(uid)?.config
      if (config === undefined) return undefined
      await this.#put({ ...config, retryQueueNums: Math.max(1, config.retryQueueNums) }, false)
      return this.#store.catalog.topic(retryTopicOf(config.group))?.config
    })
  }

  configs(): readonly GroupConfig[] {
    const configs = [...this.#store.catalog.groups()].map((entry) => entry.config)
    return configs.sort((a, b) => (a.group < b.group ? -1 : 1))
  }

  /** Stores what of the group and its retry topic is not yet as it should be, in one commit. */
  async #put(config: GroupConfig, groupChanged: boolean): Promise<void> {
    const topic = this.#retryTopicChange(config)
    if (!groupChanged && topic === undefined) return
    await this.#store.commit({
      groups: groupChanged ? [config] : [],
      topics: topic === undefined ? [] : [topic],
    })
    if (topic !== undefined) this.#topics.announceChange(topic.topic)
  }

  /** The retry topic has as many queues as the group wants; it never loses one, since retries may lie in it. */
  #retryTopicChange({ group, retryQueueNums }: GroupConfig): TopicConfig | undefined {
    const wanted = retryTopicConfig(group, retryQueueNums)
    const known = this.#store.catalog.topic(wanted.topic)?.config
    if (known === undefined) return wanted
    const readQueueNums = Math.max(known.readQueueNums, wanted.readQueueNums)
    const writeQueueNums = Math.max(known.writeQueueNums, wanted.writeQueueNums)
    if (readQueueNums === known.readQueueNums && writeQueueNums === known.writeQueueNums) return undefined
    return { ...known, readQueueNums, writeQueueNums }
  }
}

/** The settings that a group's retry topic is made with. */
function retryTopicConfig(group: string, retryQueueNums: number): TopicConfig {
  const queueNums = Math.max(0, retryQueueNums)
  return {
    topic: retryTopicOf(group),
    readQueueNums: queueNums,
    writeQueueNums: queueNums,
    permission: Permission.READ_WRITE,
  }
}

function groupNotExist(group: string): MQError {
  return new MQError(
    'SUBSCRIPTION_GROUP_NOT_EXIST',
    `The group '${group}' does not exist; it is made when its first consumer starts, or with createGroup.`,
  )
}

function sameConfig(a: GroupConfig, b: GroupConfig): boolean {
  return (
    a.consumeEnable === b.consumeEnable &&
    a.consumeBroadcastEnable === b.consumeBroadcastEnable &&
    a.retryQueueNums === b.retryQueueNums
  )
}

function noBroadcast(group: string): MQError {
  return new MQError('NO_PERMISSION', `The group '${group}' does not permit broadcasting consumers.`)
}

function stillOnline(group: string, online: readonly string[]): MQError {
  return invalidParameter(
    `The group '${group}' has ${online.length} consumers online; close them before deleting it.`,
  )
}
