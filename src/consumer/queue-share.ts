/**
 * The queues that fall to a pull consumer as a member of its group. It becomes a member when it first asks for its share. A
 * queue that goes to another member is given back at once: what was pulled from it is the application's affair.
 */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import type { Engine, EngineEvent } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import { compareQueues, type MessageQueue } from '../model/message-queue.ts'
import { type MessageFilter, matchAll } from '../model/subscription.ts'
import { type QueueWork, Rebalancer } from './rebalancer.ts'

export interface QueueShareHost {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  readonly allocateStrategy: AllocateStrategy
  readonly emit: EmitEvent
  onError(error: MQError): void
}

export class QueueShare {
  readonly #host: QueueShareHost
  readonly #rebalancer: Rebalancer<QueueWork>
  readonly #topics = new Map<string, MessageFilter>()
  /** Joins come one after another, so that each adds its topic to those before. */
  #lastJoin: Promise<void> = Promise.resolve()
  #isMember = false

  constructor(host: QueueShareHost) {
    this.#host = host
    this.#rebalancer = new Rebalancer({
      ...host,
      onError: (error) => host.onError(error),
      subscriptions: this.#topics,
      sharesQueues: true,
      createLoop: idleWork,
    })
  }

  /** The queues of the topic that this member has now, sorted. */
  async of(topic: string): Promise<readonly MessageQueue[]> {
    const joining = this.#lastJoin.then(() => this.#join(topic))
    this.#lastJoin = joining.catch(() => undefined)
    await joining
    await this.#rebalancer.trigger()
    const queues = [...this.#rebalancer.loops].map(({ queue }) => queue)
    return queues.filter((queue) => queue.topic === topic).sort(compareQueues)
  }

  onEngineEvent(event: EngineEvent): void {
    if (event.type === 'closed') return
    if (event.type === 'route-changed') {
      if (this.#topics.has(event.topic)) void this.#rebalancer.trigger()
    } else if (!this.#isMember || event.group !== this.#host.group) return
    else if (event.type === 'consumer-ids-changed') void this.#rebalancer.trigger()
    else if (event.type === 'queue-unlocked') this.#rebalancer.onUnlocked(event.queue)
  }

  async close(): Promise<void> {
    await this.#lastJoin
    await this.#rebalancer.close()
    if (!this.#isMember) return
    const { engine, group, clientId } = this.#host
    try {
      await engine.unregisterConsumer(group, clientId)
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
  }

  async #join(topic: string): Promise<void> {
    if (this.#topics.has(topic)) return
    const { engine, group, clientId, allocateStrategy } = this.#host
    await engine.registerConsumer({
      group,
      clientId,
      messageModel: 'clustering',
      consumeType: 'pull',
      subscriptions: new Map(this.#topics).set(topic, matchAll),
      allocateStrategy: allocateStrategy.name,
    })
    this.#topics.set(topic, matchAll)
    this.#isMember = true
  }
}

/** A pull consumer does nothing with its queues by itself. */
function idleWork(queue: MessageQueue): QueueWork {
  return {
    queue,
    runningCount: 0,
    start: () => undefined,
    restart: () => undefined,
    retire: () => Promise.resolve(),
    giveUp: () => undefined,
    discard: () => undefined,
  }
}
