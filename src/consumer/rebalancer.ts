/**
 * Sees to it that a member consumes the queues that the strategy gives it, and only those (RocketMQ `RebalanceImpl`).
 *
 * A queue has one consumer at a time: a member takes a lease before it pulls, and gives the lease back only when its
 * listeners have settled and its offset is committed. So a hand-over neither repeats nor skips a message.
 */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import { LEASE_RENEWALS } from '../model/limits.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { OwnContext } from '../model/own-context.ts'
import type { TopicRoute } from '../model/results.ts'
import type { MessageFilter } from '../model/subscription.ts'
import { isRetryTopic } from '../model/topic.ts'
import { allocatedQueues } from './allocated-queues.ts'
import { AllocationBook } from './allocation-book.ts'
import { readQueuesOf } from './read-queues.ts'

/** How long a failed round waits for its next attempt. */
const RETRY_DELAY_MS = 1000
/** They are there to leave queues out; retries nobody means to leave out. */
const SELECTIVE_STRATEGIES: ReadonlySet<string> = new Set(['CONFIG', 'MACHINE_ROOM'])
const noKeys: ReadonlySet<string> = new Set()

/** What a member does with a queue as long as it holds it. */
export interface QueueWork {
  readonly queue: MessageQueue
  /** Messages that the application is busy with. */
  readonly runningCount: number
  start(): void
  /** The subscription of the topic changed. */
  useFilter?(filter: MessageFilter): void
  /** The offset of the group was set from outside: go on from there. */
  restart(): void
  /** Starts nothing more, lets the application finish, and commits; then the queue can be given to another member. */
  retire(): Promise<void>
  /** Ends the wait of `retire`. */
  giveUp(): void
  /** Stops at once and commits nothing more. */
  discard(): void
}

export interface RebalancerHost<Work extends QueueWork> {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  /** What to consume; looked at anew in each round. */
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
  readonly allocateStrategy: AllocateStrategy
  /** Whether the members of the group share the queues, under leases. One that does not has all of them. */
  readonly sharesQueues: boolean
  /** For one that does not: whether it wants this queue. Default: all. */
  wants?(queue: MessageQueue): boolean
  /** A new queue came into being while the member was there: it was not among those that its topic had at first. */
  createLoop(queue: MessageQueue, filter: MessageFilter, isNewQueue: boolean): Work
  /** The number of queues that this member holds changed. */
  onChanged?(): void
  /** What a topic is now; in each round. */
  readonly onRoute?: ((route: TopicRoute) => void) | undefined
  onError(error: MQError): void
  readonly emit: EmitEvent
}

/** A queue that the strategy gives to this member. */
interface Wanted {
  readonly queue: MessageQueue
  readonly filter: MessageFilter
  readonly isNewQueue: boolean
}

export class Rebalancer<Work extends QueueWork> {
  readonly #host: RebalancerHost<Work>
  /** Rounds, and with them loops, begin in it, whoever changed members or queues. */
  readonly #context = new OwnContext()

  /** Loops of the queues that this member holds, by queue key. */
  readonly #held = new Map<string, Work>()
  /** Queues on their way out, until their leases are given back. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Those of them whose listeners have not settled. */
  readonly #settling = new Set<Work>()
  /** Topics whose queues were looked at before. */
  #knownTopics: ReadonlySet<string> = new Set()
  /** Topics that could not be looked at the last time: they may have been deleted and made anew since. */
  readonly #missedTopics = new Set<string>()
  #underWay: Promise<void> | undefined
  #isNeeded = false
  #isStopped = false
  #lastErrorText = ''
  #retryTimer: Timer | undefined
  #renewTimer: Timer | undefined

  constructor(host: RebalancerHost<Work>) {
    this.#host = host
  }

  /** The loops of the queues that this member holds. */
  get loops(): Iterable<Work> {
    return this.#held.values()
  }

  /** How many queues this member holds. */
  get queueCount(): number {
    return this.#held.size
  }

  /** The loop of a queue that this member holds, or has to hand over once its listeners have settled. */
  find(queue: MessageQueue): { readonly loop: Work; readonly isLeaving: boolean } | undefined {
    const key = queueKey(queue)
    const held = this.#held.get(key)
    if (held !== undefined) return { loop: held, isLeaving: false }
    const settling = [...this.#settling].find((loop) => queueKey(loop.queue) === key)
    return settling && { loop: settling, isLeaving: true }
  }

  /** Members, queues or leases changed: compute the assignment again, now. Resolves when no round is left to do. */
  trigger(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    this.#isNeeded = true
    this.#underWay ??= this.#context.run(() => this.#runRounds())
    return this.#underWay
  }

  /** Somebody's lease on a queue ended; if it was ours, it expired. */
  onUnlocked(queue: MessageQueue): void {
    if (this.#held.has(queueKey(queue))) void this.#renew()
    else void this.trigger()
  }

  /** The offsets of a topic were reset: what loops have fetched and would commit counts no more, also on their way out. */
  restart(topic: string): void {
    for (const loop of [...this.#held.values(), ...this.#settling]) {
      if (loop.queue.topic === topic) loop.restart()
    }
  }

  /** Takes no more queues and gives all back; resolves when every lease is returned. */
  async close(): Promise<void> {
    this.#isStopped = true
    const { engine, group, clientId } = this.#host
    AllocationBook.of(engine).leave(group, clientId)
    this.#retryTimer?.cancel()
    // Before anything is awaited: from here on nothing is started, and `giveUp` knows of everything that runs.
    for (const [key, loop] of this.#held) this.#leave(key, loop)
    await this.#underWay
    await Promise.all(this.#leaving.values())
    this.#renewTimer?.cancel()
  }

  /** Ends the wait of `close` for listeners that do not settle; answers how many messages they are busy with. */
  giveUp(): number {
    let runningCount = 0
    for (const loop of this.#settling) {
      runningCount += loop.runningCount
      loop.giveUp()
    }
    return runningCount
  }

  async #runRounds(): Promise<void> {
    while (this.#isNeeded && !this.#isStopped) {
      this.#isNeeded = false
      try {
        await this.#round()
        this.#lastErrorText = ''
      } catch (error) {
        this.#onFailedRound(MQError.from(error))
      }
    }
    this.#underWay = undefined
  }

  #onFailedRound(error: MQError): void {
    if (error.message !== this.#lastErrorText) this.#host.onError(error)
    this.#lastErrorText = error.message
    this.#retryTimer ??= this.#host.engine.clock.setTimer(RETRY_DELAY_MS, () => {
      this.#retryTimer = undefined
      void this.trigger()
    })
  }

  async #round(): Promise<void> {
    const { engine, group, clientId, sharesQueues } = this.#host
    const ids = sharesQueues ? await engine.queryConsumerIds(group) : [clientId]
    // While it joins or leaves, a member has no say in who gets what.
    if (!ids.includes(clientId)) return
    const { wanted, missed, failure } = await this.#findWanted(ids)
    for (const [key, loop] of this.#held) {
      const want = wanted.get(key)
      const isOther = missed.has(loop.queue.topic) && want?.queue !== loop.queue
      if (want === undefined || isOther) this.#leave(key, loop)
      else loop.useFilter?.(want.filter)
    }
    const missing = [...wanted].filter(([key]) => !this.#held.has(key) && !this.#leaving.has(key))
    const granted = missing.length === 0 ? noKeys : await this.#lock(missing.map(([, { queue }]) => queue))
    // Closed meanwhile: what was granted goes back when the member leaves the group.
    if (this.#isStopped) return
    for (const [key, want] of missing) if (granted.has(key)) this.#take(key, want)
    if (failure !== undefined) throw failure
  }

  /** Topics are independent of each other: where one cannot be allocated, the member keeps what it has of that one. */
  async #findWanted(ids: readonly string[]): Promise<{
    readonly wanted: ReadonlyMap<string, Wanted>
    /** Topics that were missed before, and not this time. */
    readonly missed: ReadonlySet<string>
    readonly failure: MQError | undefined
  }> {
    const wanted = new Map<string, Wanted>()
    const known = new Set<string>()
    const missed = new Set<string>()
    let failure: MQError | undefined
    for (const [topic, filter] of this.#host.subscriptions) {
      const isNewQueue = this.#knownTopics.has(topic)
      try {
        for (const queue of await this.#queuesOf(topic, ids)) {
          wanted.set(queueKey(queue), { queue, filter, isNewQueue })
        }
        known.add(topic)
        if (this.#missedTopics.delete(topic)) missed.add(topic)
      } catch (error) {
        this.#missedTopics.add(topic)
        failure ??= MQError.from(error)
        for (const [key, { queue }] of this.#held) {
          if (queue.topic === topic) wanted.set(key, { queue, filter, isNewQueue })
        }
        if (isNewQueue) known.add(topic)
      }
    }
    this.#knownTopics = known
    return { wanted, missed, failure }
  }

  async #queuesOf(topic: string, ids: readonly string[]): Promise<readonly MessageQueue[]> {
    const { engine, sharesQueues } = this.#host
    const queues = await readQueuesOf(engine, topic, this.#host.onRoute)
    if (!sharesQueues || queues.length === 0) return this.#choose(queues)
    const share = allocatedQueues(this.#host, topic, queues, ids)
    this.#warnOfLeft(topic, queues, ids, share)
    return share
  }

  /** What the strategy gives to nobody waits without a sign, retries too. */
  #warnOfLeft(
    topic: string,
    queues: readonly MessageQueue[],
    ids: readonly string[],
    share: readonly MessageQueue[],
  ): void {
    const { engine, group, clientId, allocateStrategy, emit } = this.#host
    if (SELECTIVE_STRATEGIES.has(allocateStrategy.name) && !isRetryTopic(topic)) return
    const left = AllocationBook.of(engine).note(
      { group, clientId, strategy: allocateStrategy.name, ids },
      topic,
      queues,
      share,
    )
    if (left.length === 0) return
    const which = left.map(({ queueId }) => queueId).join(', ')
    const message = `The strategy '${allocateStrategy.name}' gives no member of '${group}' these queues of '${topic}': ${which}. Messages in them wait.`
    emit('warning', { code: 'QUEUES_NOT_ALLOCATED', message, group, topic })
  }

  #choose(queues: readonly MessageQueue[]): readonly MessageQueue[] {
    return queues.filter((queue) => this.#host.wants?.(queue) ?? true)
  }

  #take(key: string, { queue, filter, isNewQueue }: Wanted): void {
    const loop = this.#host.createLoop(queue, filter, isNewQueue)
    this.#held.set(key, loop)
    this.#host.onChanged?.()
    loop.start()
    if (this.#host.sharesQueues && this.#renewTimer === undefined) this.#setRenewTimer()
  }

  #leave(key: string, loop: Work): void {
    this.#held.delete(key)
    this.#host.onChanged?.()
    this.#settling.add(loop)
    this.#leaving.set(key, this.#handOver(key, loop))
  }

  async #handOver(key: string, loop: Work): Promise<void> {
    const { engine, group, clientId, sharesQueues } = this.#host
    await loop.retire()
    this.#settling.delete(loop)
    try {
      if (sharesQueues) await engine.unlockQueues(group, clientId, [loop.queue])
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
    this.#leaving.delete(key)
    // The queue may have been given to this very member again meanwhile.
    void this.trigger()
  }

  async #lock(queues: readonly MessageQueue[]): Promise<ReadonlySet<string>> {
    const { engine, group, clientId, sharesQueues } = this.#host
    const granted = sharesQueues ? await engine.lockQueues(group, clientId, queues) : queues
    return new Set(granted.map(queueKey))
  }

  readonly #onRenewTimer = (): void => {
    this.#setRenewTimer()
    void this.#renew()
  }

  #setRenewTimer(): void {
    const { clock, lockLeaseMs } = this.#host.engine
    this.#renewTimer = clock.setTimer(lockLeaseMs / LEASE_RENEWALS, this.#onRenewTimer)
  }

  /** Renews every lease in use. A queue whose lease is lost is dropped at once: somebody else consumes it. */
  async #renew(): Promise<void> {
    const loops = [...this.#held.values(), ...this.#settling]
    if (loops.length === 0) return
    try {
      const granted = await this.#lock(loops.map(({ queue }) => queue))
      for (const [key, loop] of this.#held) {
        if (loops.includes(loop) && !granted.has(key)) this.#lose(key, loop)
      }
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
  }

  #lose(key: string, loop: Work): void {
    this.#held.delete(key)
    this.#host.onChanged?.()
    loop.discard()
    void this.trigger()
  }
}
