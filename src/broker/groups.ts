/**
 * The stored settings of consumer groups. A group and its retry topic come into being together, when its first consumer
 * registers (semantics sections 1.5 and 1.9).
 */
import type { ConsumerRegistration } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { isOffsetOwner } from '../model/offset-owner.ts'
import {
  defaultGroupConfig,
  type GroupConfig,
  isPopRetryTopicOfGroup,
  Permission,
  retryTopicOf,
  type TopicConfig,
} from '../model/topic.ts'
import type { GroupEntry, TopicEntry } from '../store/catalog.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import type { BroadcastOffsets } from './broadcast-offsets.ts'
import type { Members } from './members.ts'
import type { Serial } from './serial.ts'
import type { Topics } from './topics.ts'

export interface GroupParts {
  readonly store: Store
  readonly topics: Topics
  readonly members: Members
  readonly serial: Serial
  readonly broadcast: BroadcastOffsets
  readonly announcer: Announcer
}

export class Groups {
  readonly #store: Store
  readonly #topics: Topics
  readonly #members: Members
  readonly #broadcast: BroadcastOffsets
  readonly #serial: Serial
  readonly #announcer: Announcer

  constructor({ store, topics, members, serial, broadcast, announcer }: GroupParts) {
    this.#store = store
    this.#topics = topics
    this.#members = members
    this.#serial = serial
    this.#broadcast = broadcast
    this.#announcer = announcer
  }

  /** The group; `SUBSCRIPTION_GROUP_NOT_EXIST` when there is none. */
  entry(group: string): GroupEntry {
    const entry = this.#store.catalog.group(group)
    if (entry === undefined) throw groupNotExist(group)
    return entry
  }

  /** Makes the group if there is none. */
  ensure(group: string): Promise<void> {
    return this.#serial.run(async () => {
      if (this.#store.catalog.group(group) === undefined) await this.#put(defaultGroupConfig(group), true)
    })
  }

  /** Lets a consumer join; makes the group if it is the first. */
  register(registration: ConsumerRegistration): Promise<void> {
    return this.#serial.run(async () => {
      const { group, messageModel, consumeMessageOrderly } = registration
      const known = this.#store.catalog.group(group)?.config
      const config = known ?? {
        ...defaultGroupConfig(group),
        consumeMessageOrderly: consumeMessageOrderly ?? false,
      }
      if (consumeMessageOrderly !== undefined && consumeMessageOrderly !== config.consumeMessageOrderly)
        throw otherOrder(config)
      if (messageModel === 'broadcasting')
        await this.#admitBroadcaster(registration, config, known === undefined)
      else await this.#put(config, known === undefined)
      this.#members.join(registration)
    })
  }

  /** Creates a group or replaces its settings. */
  create(config: GroupConfig): Promise<void> {
    return this.#serial.run(async () => {
      const known = this.#store.catalog.group(config.group)
      const changesOrder =
        known !== undefined && known.config.consumeMessageOrderly !== config.consumeMessageOrderly
      if (changesOrder && this.#hasReceived(known)) throw stillReceived(config.group)
      await this.#put(config, known === undefined || !sameConfig(known.config, config))
    })
  }

  /**
   * Deletes a group with its offsets, its pending retries and its retry topics. Its dead letters stay: they are
   * what somebody still has to look at. Refused while consumers are online, since they would fail from then on.
   */
  delete(group: string): Promise<void> {
    return this.#serial.run(async () => {
      const entry = this.entry(group)
      const online = this.#members.consumerIds(group)
      if (online.length > 0) throw stillOnline(group, online)
      const topicsDeleted = this.#retryTopics(group)
      await this.#store.commit({
        groupsDeleted: [entry, ...this.#broadcast.entries(group)],
        topicsDeleted,
      })
      for (const { config } of topicsDeleted) this.#topics.announceChange(config.topic)
      this.#announcer.tell({ type: 'group-deleted', group })
    })
  }

  /** Forgets the offsets of a broadcasting member that is gone for good. */
  forget(group: string, clientId: string): Promise<void> {
    return this.#serial.run(async () => {
      this.entry(group)
      const owner = this.#broadcast.entry(group, clientId)
      if (owner === undefined) throw unknownMember(group, clientId)
      if (this.#members.broadcaster(group, clientId) !== undefined) throw memberOnline(group, clientId)
      await this.#store.commit({ groupsDeleted: [owner] })
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
    const groups = configs.filter(({ group }) => !isOffsetOwner(group))
    return groups.sort((a, b) => (a.group < b.group ? -1 : 1))
  }

  /** What a broadcasting member fails to consume stays with it, so its group needs no retry topic. */
  async #admitBroadcaster(
    { group, clientId, isNamed = false }: ConsumerRegistration,
    config: GroupConfig,
    groupChanged: boolean,
  ): Promise<void> {
    if (!config.consumeBroadcastEnable) throw noBroadcast(group)
    const owner = isNamed ? this.#broadcast.ownerToStore(group, clientId) : undefined
    const groups = [...(groupChanged ? [config] : []), ...(owner === undefined ? [] : [owner])]
    await this.#store.commit({ groups })
    if (!isNamed) this.#broadcast.begin(group, clientId)
  }

  /** The retry topics of a group: the one of its push consumers, and those of what its simple consumers received. */
  #retryTopics(group: string): readonly TopicEntry[] {
    const name = retryTopicOf(group)
    return [...this.#store.catalog.topics()].filter(
      ({ config }) => config.topic === name || isPopRetryTopicOfGroup(config.topic, group),
    )
  }

  /** Whether messages were received and not acknowledged, or wait to be received again, in the way that the group has now. */
  #hasReceived(group: GroupEntry): boolean {
    const { alarms, offsets } = this.#store
    for (const { kind } of alarms.pending(group.uid))
      if (kind === 'pop' || kind === 'pop-orderly') return true
    const { group: name } = group.config
    const retries = this.#retryTopics(name).filter(({ config }) => isPopRetryTopicOfGroup(config.topic, name))
    const logs = retries.flatMap((topic) => topic.logs)
    return logs.some((log) => (offsets.get(group, log) ?? log.minOffset) < log.maxOffset)
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
    a.retryQueueNums === b.retryQueueNums &&
    a.consumeMessageOrderly === b.consumeMessageOrderly &&
    a.retryMaxTimes === b.retryMaxTimes &&
    JSON.stringify(a.groupRetryPolicy) === JSON.stringify(b.groupRetryPolicy)
  )
}

function otherOrder({ group, consumeMessageOrderly }: GroupConfig): MQError {
  return invalidParameter(
    `The group '${group}' has consumeMessageOrderly ${consumeMessageOrderly}; leave it out, or change the group with createGroup.`,
  )
}

function stillReceived(group: string): MQError {
  return invalidParameter(
    `consumeMessageOrderly of the group '${group}' cannot be changed while messages that it received are not acknowledged.`,
  )
}

function memberOnline(group: string, clientId: string): MQError {
  return invalidParameter(
    `The member '${clientId}' of '${group}' is online; close it before it is forgotten.`,
  )
}

function unknownMember(group: string, clientId: string): MQError {
  return invalidParameter(`The group '${group}' knows no broadcasting member '${clientId}'.`)
}

function noBroadcast(group: string): MQError {
  return new MQError('NO_PERMISSION', `The group '${group}' does not permit broadcasting consumers.`)
}

function stillOnline(group: string, online: readonly string[]): MQError {
  return invalidParameter(
    `The group '${group}' has ${online.length} consumers online; close them before deleting it.`,
  )
}
