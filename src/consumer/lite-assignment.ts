/**
 * The queues of a lite pull consumer. Those of the topics that it subscribes to, which the group's strategy shares out under
 * leases, or of which a broadcasting member has all; or those that the application assigned. Who assigns is no member of the
 * group: it takes nothing from those who share, and nobody asks it to.
 */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import type { Engine, EngineEvent } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { type MessageFilter, matchAll } from '../model/subscription.ts'
import type { LiteQueue } from './lite-queue.ts'
import { Rebalancer } from './rebalancer.ts'
import { SubscriptionChanges } from './subscription-changes.ts'

export interface LiteAssignmentHost {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  /** Whether a broadcasting member comes back under its client id. */
  readonly isNamed: boolean
  readonly messageModel: 'clustering' | 'broadcasting'
  readonly allocateStrategy: AllocateStrategy
  readonly emit: EmitEvent
  /** Absent when the application has not said yet whether it subscribes or assigns. */
  readonly subscriptions: ReadonlyMap<string, MessageFilter> | undefined
  /** For the application's own choice: filters of the topics of which not everything is wanted. */
  readonly assignFilters: ReadonlyMap<string, MessageFilter>
  createQueue(queue: MessageQueue, filter: MessageFilter, isNewQueue: boolean): LiteQueue
  /** Throws when the consumer is closed. */
  checkOpen(): void
  onError(error: MQError): void
}

/** How the consumer gets its queues: one way or the other, for as long as it lives. */
type Way = 'undecided' | 'subscribes' | 'assigns'

export class LiteAssignment {
  readonly #host: LiteAssignmentHost
  readonly #rebalancer: Rebalancer<LiteQueue>
  readonly #subscriptions: SubscriptionChanges
  /** Queues that are held or on their way out. */
  readonly #live = new Set<LiteQueue>()

  #way: Way = 'undecided'
  #isMember = false
  #assigned: ReadonlySet<string> = new Set()
  #assignedTopics: ReadonlyMap<string, MessageFilter> = new Map()

  constructor(host: LiteAssignmentHost) {
    this.#host = host
    if (host.subscriptions !== undefined) this.#way = 'subscribes'
    else if (host.assignFilters.size > 0) this.#way = 'assigns'
    this.#subscriptions = new SubscriptionChanges(host.subscriptions ?? new Map())
    this.#rebalancer = this.#createRebalancer()
  }

  /** Queues that the consumer holds. */
  get held(): Iterable<LiteQueue> {
    return this.#rebalancer.loops
  }

  /** Those, and the ones that it gives away but is not done with. */
  get live(): Iterable<LiteQueue> {
    return this.#live
  }

  /** Whether other members may get what is not held. */
  get isShared(): boolean {
    return this.#way === 'subscribes' && this.#host.messageModel === 'clustering'
  }

  /** Joins the group, or makes it. */
  async start(): Promise<void> {
    const { engine, group, subscriptions } = this.#host
    if (subscriptions === undefined) return engine.ensureGroup(group)
    await this.#register()
    await this.#rebalancer.trigger()
    // A broadcasting member may begin at the end: what is sent from now on must not lie before it.
    if (!this.isShared) await this.#begun()
  }

  /** Subscribes to one more topic, or to a topic by another expression. */
  async subscribe(topic: string, filter: MessageFilter): Promise<void> {
    if (this.#way === 'assigns') throw exclusive('assigns its queues')
    const before = this.#way
    this.#way = 'subscribes'
    try {
      await this.#resubscribe((filters) => filters.set(topic, filter))
    } catch (error) {
      if (this.#subscriptions.current.size === 0) this.#way = before
      throw error
    }
  }

  async unsubscribe(topic: string): Promise<void> {
    if (this.#way === 'subscribes') await this.#resubscribe((filters) => filters.delete(topic))
  }

  /** Takes these queues instead of those assigned before. */
  async assign(queues: readonly MessageQueue[]): Promise<void> {
    if (this.#way === 'subscribes') throw exclusive('subscribes to topics')
    if (this.#host.messageModel === 'broadcasting')
      throw invalidParameter(
        "A consumer with messageModel 'broadcasting' subscribes to topics; assigned queues are shared with nobody anyway.",
      )
    this.#way = 'assigns'
    const { assignFilters } = this.#host
    this.#assigned = new Set(queues.map(queueKey))
    this.#assignedTopics = new Map(queues.map(({ topic }) => [topic, assignFilters.get(topic) ?? matchAll]))
    await this.#rebalancer.trigger()
  }

  /** The held queue; `undefined` when it is not this member's. */
  find(queue: MessageQueue): LiteQueue | undefined {
    const found = this.#rebalancer.find(queue)
    return found?.isLeaving === false ? found.loop : undefined
  }

  onEngineEvent(event: EngineEvent): void {
    // Whoever consumed before it has joined would commit offsets that nobody keeps.
    if (this.#way === 'subscribes' && !this.#isMember) return
    if (event.type === 'route-changed') {
      if (this.#topics.has(event.topic)) void this.#rebalancer.trigger()
      return
    }
    if (event.type === 'closed' || event.group !== this.#host.group) return
    if (event.type === 'offset-reset') this.#rebalancer.restart(event.topic)
    else if (!this.isShared) return
    else if (event.type === 'consumer-ids-changed') void this.#rebalancer.trigger()
    else if (event.type === 'queue-unlocked') this.#rebalancer.onUnlocked(event.queue)
  }

  /** Gives everything back at once, and leaves the group. */
  async close(): Promise<void> {
    const { engine, group, clientId } = this.#host
    const closing = this.#rebalancer.close()
    this.#rebalancer.giveUp()
    await closing
    // A registration that is under way must not come after the farewell.
    await this.#subscriptions.settled
    if (!this.#isMember) return
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

  /** What to consume. */
  get #topics(): ReadonlyMap<string, MessageFilter> {
    return this.#way === 'assigns' ? this.#assignedTopics : this.#subscriptions.current
  }

  async #resubscribe(change: (filters: Map<string, MessageFilter>) => unknown): Promise<void> {
    await this.#subscriptions.change(change, {
      check: () => this.#host.checkOpen(),
      apply: () => this.#register(),
    })
    await this.#rebalancer.trigger()
    await this.#begun()
  }

  async #register(): Promise<void> {
    const { engine, group, clientId, messageModel, isNamed, allocateStrategy } = this.#host
    const subscriptions = this.#subscriptions.current
    await engine.registerConsumer({
      group,
      clientId,
      subscriptions,
      messageModel,
      isNamed,
      consumeType: 'pull',
      allocateStrategy: allocateStrategy.name,
    })
    this.#isMember = true
  }

  /** Resolves when it is known where each queue is consumed from. */
  async #begun(): Promise<void> {
    await Promise.all([...this.held].map(({ positioned }) => positioned))
  }

  #createRebalancer(): Rebalancer<LiteQueue> {
    const { engine, group, clientId, allocateStrategy, emit, onError } = this.#host
    const topics = (): ReadonlyMap<string, MessageFilter> => this.#topics
    const isShared = (): boolean => this.isShared
    return new Rebalancer({
      engine,
      group,
      clientId,
      onError,
      emit,
      allocateStrategy,
      get sharesQueues() {
        return isShared()
      },
      wants: (queue) => this.#way === 'subscribes' || this.#assigned.has(queueKey(queue)),
      get subscriptions() {
        return topics()
      },
      createLoop: (queue, filter, isNewQueue) => this.#create(queue, filter, isNewQueue),
    })
  }

  #create(queue: MessageQueue, filter: MessageFilter, isNewQueue: boolean): LiteQueue {
    const created = this.#host.createQueue(queue, filter, isNewQueue)
    this.#live.add(created)
    return created
  }
}

function exclusive(what: string): MQError {
  return invalidParameter(
    `Subscribe and assign are mutually exclusive: this consumer ${what}; make another one for the other way.`,
  )
}
