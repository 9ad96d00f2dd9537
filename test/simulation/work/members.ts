/** Members of groups: they join, leave and pause; their listeners succeed, fail, take their time, or never come back. */

import type { PushConsumer } from '../../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../../src/consumer/push-consumer-options.ts'
import type { MessageView } from '../../../src/model/message.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { GroupProfile } from '../model/profile.ts'
import type { Life } from '../world/life.ts'
import type { World } from '../world/world.ts'
import { Listeners } from './listeners.ts'

const MOST_MEMBERS = 4

export interface Member {
  readonly name: string
  readonly group: GroupProfile
  readonly life: Life
  consumer: PushConsumer | undefined
  isPaused: boolean
}

export class Members {
  readonly #world: World
  readonly #random: WorkloadRandom
  readonly #listeners: Listeners
  #members: Member[] = []
  /** Members that were asked to close and have not. */
  readonly #leaving = new Set<string>()

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork()
    this.#listeners = new Listeners(world)
  }

  get leaving(): Iterable<string> {
    return this.#leaving
  }

  /** After each opening: most groups come back. */
  begin(): void {
    this.#members = []
    this.#leaving.clear()
    for (const group of this.#world.profile.groups) if (this.#random.chance(0.8)) this.#join(group)
  }

  /** One of the things that happen to groups. */
  act(): void {
    const group = this.#random.pick(this.#world.profile.groups)
    const members = this.#membersOf(group)
    const dice = this.#random.next()
    if (members.length === 0 || (dice < 0.35 && members.length < MOST_MEMBERS)) this.#join(group)
    else if (dice < 0.6) this.#leave(this.#random.pick(members))
    else this.#pauseOrResume(this.#random.pick(members))
  }

  /** From now on every group has a member, all are at work, and all listeners succeed. */
  calm(): void {
    this.#listeners.calm()
    for (const member of this.#members) if (member.isPaused) this.#pauseOrResume(member)
    for (const group of this.#world.profile.groups) if (this.#membersOf(group).length === 0) this.#join(group)
  }

  /** From now on each group refuses some messages, each once. */
  refuseSome(): void {
    this.#listeners.refuseSome()
  }

  #membersOf(group: GroupProfile): Member[] {
    return this.#members.filter((member) => member.group === group)
  }

  #join(group: GroupProfile): void {
    const { life } = this.#world
    const name = `m${this.#world.nextId()}`
    const member: Member = { name, group, life, consumer: undefined, isPaused: false }
    life.tell({ type: 'joining', group: group.name, member: name })
    void life.mq.createPushConsumer(this.#optionsOf(member)).then(
      (consumer) => {
        if (life.isOver) return
        member.consumer = consumer
        this.#members.push(member)
        life.tell({ type: 'joined', group: group.name, member: name })
      },
      () => undefined,
    )
  }

  #leave(member: Member): void {
    const { life, name } = member
    const { name: group, closeTimeoutMs: timeoutMs } = member.group
    this.#members = this.#members.filter((other) => other !== member)
    this.#leaving.add(name)
    const startedMs = this.#world.clock.monotonicMs()
    life.tell({ type: 'leaving', group, member: name, timeoutMs })
    void member.consumer?.close().then(({ drained }) => {
      if (life.isOver) return
      this.#leaving.delete(name)
      const tookMs = this.#world.clock.monotonicMs() - startedMs
      life.tell({ type: 'left', group, member: name, drained, tookMs })
    })
  }

  #pauseOrResume(member: Member): void {
    if (member.isPaused) member.consumer?.resume()
    else member.consumer?.pause()
    member.isPaused = !member.isPaused
  }

  #optionsOf(member: Member): PushConsumerOptions {
    const { name: group, subscriptions, batchSize, habits: _, ...rest } = member.group
    const expressions = [...subscriptions].map(([topic, tags]) => [topic, tags?.join(' || ') ?? '*'])
    const common = {
      ...rest,
      group,
      clientId: member.name,
      subscriptions: Object.fromEntries(expressions) as Record<string, string>,
    }
    if (batchSize === undefined) {
      return { ...common, listener: (message, context) => this.#listeners.hear(member, [message], context) }
    }
    return {
      ...common,
      consumeMessageBatchMaxSize: batchSize,
      listener: (messages: readonly MessageView[], context) =>
        this.#listeners.hear(member, messages, context),
    }
  }
}
