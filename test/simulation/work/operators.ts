/** People with the keys: they make, change and delete topics, and send groups elsewhere. */
import type { ResetOffsetOptions } from '../../../src/admin/admin-arguments.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { World } from '../world/world.ts'

const MOST_QUEUES = 8

export class Operators {
  readonly #world: World
  readonly #random: WorkloadRandom
  /** Queues that a topic ever had, so that none stays hidden in the end. */
  readonly #mostQueues = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
    this.#random = world.random.fork()
  }

  /** The topics of the beginning, but for those that the first send makes. */
  begin(): void {
    for (const { name, queues, isAuto } of this.#world.profile.topics) if (!isAuto) this.#create(name, queues)
  }

  changeTopic(): void {
    const { name, queues } = this.#random.pick(this.#world.profile.topics)
    const dice = this.#random.next()
    if (dice < 0.2) this.#do(() => this.#world.life.mq.admin.deleteTopic(name))
    else if (dice < 0.45) this.#create(name, queues)
    else this.#resize(name)
  }

  reset(): void {
    const group = this.#random.pick(this.#world.profile.groups)
    const topic = this.#random.pick([...group.subscriptions.keys()])
    const options = this.#where(group.name, topic)
    this.#do(() => this.#world.life.mq.admin.resetOffset(options))
  }

  /** Every topic is there, and shows all queues that it ever had. */
  calm(): void {
    for (const { name, queues } of this.#world.profile.topics) {
      this.#do(async () => {
        const { admin } = this.#world.life.mq
        await admin.createTopic({ topic: name, queues }).catch(() => undefined)
        const known = (await admin.topics()).find(({ topic }) => topic === name)
        const { readQueueNums = 0, writeQueueNums = 0 } = known ?? {}
        const { defaultTopicQueueNums } = this.#world.profile
        const noted = this.#mostQueues.get(name) ?? 0
        const most = Math.max(queues, noted, defaultTopicQueueNums, readQueueNums, writeQueueNums)
        await admin.updateTopic({ topic: name, queues: most })
      })
    }
  }

  #create(topic: string, queues: number): void {
    this.#noteQueues(topic, queues)
    this.#do(() => this.#world.life.mq.admin.createTopic({ topic, queues }))
  }

  /** More or fewer queues; those that fall away are hidden. */
  #resize(topic: string): void {
    const writeQueueNums = this.#random.between(1, MOST_QUEUES)
    const readQueueNums = this.#random.chance(0.7) ? writeQueueNums : this.#random.between(1, MOST_QUEUES)
    this.#noteQueues(topic, Math.max(writeQueueNums, readQueueNums))
    this.#do(() => this.#world.life.mq.admin.updateTopic({ topic, readQueueNums, writeQueueNums }))
  }

  #noteQueues(topic: string, queues: number): void {
    this.#mostQueues.set(topic, Math.max(queues, this.#mostQueues.get(topic) ?? 0))
  }

  #where(group: string, topic: string): ResetOffsetOptions {
    const dice = this.#random.next()
    if (dice < 0.3) return { group, topic, offset: 'min' }
    if (dice < 0.5) return { group, topic, offset: 'max' }
    if (dice < 0.75) return { group, topic, timestamp: this.#world.clock.now() - this.#random.below(60_000) }
    return { group, topic, offset: this.#random.below(20), queueId: 0 }
  }

  #do(work: () => Promise<unknown>): void {
    const { life } = this.#world
    if (life.isOver) return
    work().catch((error: unknown) => {
      life.tell({ type: 'told', what: 'refusal', text: (error as { code?: string }).code ?? 'unknown' })
    })
  }
}
