/**
 * The queues of a lite pull consumer: those that the group's strategy gives it, under leases, or those that the application
 * assigned. Who assigns is no member of the group: it takes nothing from those who share, and nobody asks it to.
 */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import type { Engine, EngineEvent } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { type MessageFilter, matchAll } from '../model/subscription.ts'
import type { LiteQueue } from './lite-queue.ts'
import { Rebalancer } from './rebalancer.ts'

export interface LiteAssignmentHost {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  readonly allocateStrategy: AllocateStrategy
  /** Absent when the application assigns. */
  readonly subscriptions: ReadonlyMap<string, MessageFilter> | undefined
  /** For the application's own choice: filters of the topics of which not everything is wanted. */
  readonly assignFilters: ReadonlyMap<string, MessageFilter>
  createQueue(queue: MessageQueue, filter: MessageFilter): LiteQueue
  onError(error: MQError): void
}

export class LiteAssignment {
  readonly #host: LiteAssignmentHost
  readonly #rebalancer: Rebalancer<LiteQueue>
  /** Queues that are held or on their way out. */
  readonly #live = new Set<LiteQueue>()

  #subscriptions: ReadonlyMap<string, MessageFilter>
  #assigned: ReadonlySet<string> = new Set()

  constructor(host: LiteAssignmentHost) {
    this.#host = host
    this.#subscriptions = host.subscriptions ?? new Map()
    const { engine, group, clientId, onError } = host
    const subscriptions = (): ReadonlyMap<string, MessageFilter> => this.#subscriptions
    this.#rebalancer = new Rebalancer({
      engine,
      group,
      clientId,
      onError,
      sharesQueues: this.#isShared,
      allocateStrategy: host.allocateStrategy,
      wants: (queue) => this.#assigned.has(queueKey(queue)),
      get subscriptions() {
        return subscriptions()
      },
      createLoop: (queue, filter) => this.#create(queue, filter),
    })
  }

  /** Queues that the consumer holds. */
  get held(): Iterable<LiteQueue> {
    return this.#rebalancer.loops
  }

  /** Those, and the ones that it gives away but is not done with. */
  get live(): Iterable<LiteQueue> {
    return this.#live
  }

  get #isShared(): boolean {
    return this.#host.subscriptions !== undefined
  }

  /** Joins the group, or makes it. */
  async start(): Promise<void> {
    const { engine, group, clientId, subscriptions } = this.#host
    if (subscriptions === undefined) return engine.ensureGroup(group)
    const how = { messageModel: 'clustering', consumeType: 'pull' } as const
    await engine.registerConsumer({ group, clientId, subscriptions, ...how })
    await this.#rebalancer.trigger()
  }

  /** Takes these queues instead of those assigned before. */
  async assign(queues: readonly MessageQueue[]): Promise<void> {
    if (this.#isShared)
      throw invalidParameter(
        'Subscribe and assign are mutually exclusive; create the consumer without subscriptions to assign queues.',
      )
    const { assignFilters } = this.#host
    this.#assigned = new Set(queues.map(queueKey))
    this.#subscriptions = new Map(queues.map(({ topic }) => [topic, assignFilters.get(topic) ?? matchAll]))
    await this.#rebalancer.trigger()
  }

  /** The held queue; `undefined` when it is not this member's. */
  find(queue: MessageQueue): LiteQueue | undefined {
    const key = queueKey(queue)
    return [...this.held].find((held) => queueKey(held.queue) === key)
  }

  onEngineEvent(event: EngineEvent): void {
    if (event.type === 'route-changed') {
      if (this.#subscriptions.has(event.topic)) void this.#rebalancer.trigger()
      return
    }
    if (event.group !== this.#host.group) return
    if (event.type === 'offset-reset') this.#rebalancer.restart(event.topic)
    else if (!this.#isShared) return
    else if (event.type === 'consumer-ids-changed') void this.#rebalancer.trigger()
    else if (event.type === 'queue-unlocked') this.#rebalancer.onUnlocked(event.queue)
  }

  /** Gives everything back at once, and leaves the group. */
  async close(): Promise<void> {
    const { engine, group, clientId } = this.#host
    const closing = this.#rebalancer.close()
    this.#rebalancer.giveUp()
    await closing
    if (!this.#isShared) return
    try {
      await engine.unregisterConsumer(group, clientId)
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
  }

  /** The queue has left. */
  onEnded(queue: LiteQueue): void {
    this.#live.delete(queue)
  }

  #create(queue: MessageQueue, filter: MessageFilter): LiteQueue {
    const created = this.#host.createQueue(queue, filter)
    this.#live.add(created)
    return created
  }
}
