/**
 * Sees to it that a member consumes the queues that the strategy gives it, and only those (RocketMQ `RebalanceImpl`).
 *
 * A queue has one consumer at a time: a member takes a lease before it pulls, and gives the lease back only when its
 * listeners have settled and its offset is committed. So a hand-over neither repeats nor skips a message.
 */
import type { AllocateStrategy } from '../allocate/allocate.ts'
import type { Timer } from '../model/clock.ts'
import type { Engine } from '../model/engine.ts'
import { invalidParameter, MQError } from '../model/errors.ts'
import { LEASE_RENEWALS } from '../model/limits.ts'
import { compareQueues, type MessageQueue, queueKey } from '../model/message-queue.ts'
import type { MessageFilter } from '../model/subscription.ts'
import type { PullLoop } from './pull-loop.ts'

/** How long a failed round waits for its next attempt. */
const RETRY_DELAY_MS = 1000

export interface RebalancerHost {
  readonly engine: Engine
  readonly group: string
  readonly clientId: string
  readonly subscriptions: ReadonlyMap<string, MessageFilter>
  readonly allocateStrategy: AllocateStrategy
  createLoop(queue: MessageQueue, filter: MessageFilter): PullLoop
  onError(error: MQError): void
}

/** A queue that the strategy gives to this member. */
interface Wanted {
  readonly queue: MessageQueue
  readonly filter: MessageFilter
}

export class Rebalancer {
  readonly #host: RebalancerHost

  /** Loops of the queues that this member holds, by queue key. */
  readonly #held = new Map<string, PullLoop>()
  /** Queues on their way out, until their leases are given back. */
  readonly #leaving = new Map<string, Promise<void>>()
  /** Those of them whose listeners have not settled. */
  readonly #settling = new Set<PullLoop>()
  #underWay: Promise<void> | undefined
  #isNeeded = false
  #isStopped = false
  #lastErrorText = ''
  #retryTimer: Timer | undefined
  #renewTimer: Timer | undefined

  constructor(host: RebalancerHost) {
    this.#host = host
  }

  /** The loops of the queues that this member holds. */
  get loops(): Iterable<PullLoop> {
    return this.#held.values()
  }

  /** The loop of a queue that this member holds, or has to hand over once its listeners have settled. */
  find(queue: MessageQueue): { readonly loop: PullLoop; readonly isLeaving: boolean } | undefined {
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
    this.#underWay ??= this.#runRounds()
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
    const { engine, group, clientId } = this.#host
    const ids = await engine.queryConsumerIds(group)
    // While it joins or leaves, a member has no say in who gets what.
    if (!ids.includes(clientId)) return
    const wanted = await this.#findWanted(ids)
    for (const [key, loop] of this.#held) {
      if (!wanted.has(key)) this.#leave(key, loop)
    }
    const missing = [...wanted].filter(([key]) => !this.#held.has(key) && !this.#leaving.has(key))
    if (missing.length === 0) return
    const granted = await this.#lock(missing.map(([, { queue }]) => queue))
    // Closed meanwhile: what was granted goes back when the member leaves the group.
    if (this.#isStopped) return
    for (const [key, { queue, filter }] of missing) {
      if (granted.has(key)) this.#take(key, queue, filter)
    }
  }

  async #findWanted(ids: readonly string[]): Promise<Map<string, Wanted>> {
    const wanted = new Map<string, Wanted>()
    for (const [topic, filter] of this.#host.subscriptions) {
      const queues = await this.#readQueues(topic)
      for (const queue of queues.length === 0 ? [] : this.#allocate(topic, queues, ids)) {
        wanted.set(queueKey(queue), { queue, filter })
      }
    }
    return wanted
  }

  /** The queues of a topic, sorted; none while it does not exist, for consumers never create topics. */
  async #readQueues(topic: string): Promise<readonly MessageQueue[]> {
    try {
      const { readQueues } = await this.#host.engine.queryRoute(topic)
      return readQueues.toSorted(compareQueues)
    } catch (error) {
      if (error instanceof MQError && error.code === 'TOPIC_NOT_EXIST') return []
      throw error
    }
  }

  #allocate(topic: string, queues: readonly MessageQueue[], ids: readonly string[]): readonly MessageQueue[] {
    const { allocateStrategy, group, clientId } = this.#host
    const allocated = allocateStrategy.allocate(group, clientId, queues, ids)
    const known = new Map(queues.map((queue) => [queueKey(queue), queue]))
    return allocated.map((queue) => {
      const match = known.get(queueKey(queue))
      if (match !== undefined) return match
      throw invalidParameter(
        `The strategy '${allocateStrategy.name}' gave ${queueKey(queue)}, which is no queue of '${topic}'.`,
      )
    })
  }

  #take(key: string, queue: MessageQueue, filter: MessageFilter): void {
    const loop = this.#host.createLoop(queue, filter)
    this.#held.set(key, loop)
    loop.start()
    if (this.#renewTimer === undefined) this.#setRenewTimer()
  }

  #leave(key: string, loop: PullLoop): void {
    this.#held.delete(key)
    this.#settling.add(loop)
    this.#leaving.set(key, this.#handOver(key, loop))
  }

  async #handOver(key: string, loop: PullLoop): Promise<void> {
    const { engine, group, clientId } = this.#host
    await loop.retire()
    this.#settling.delete(loop)
    try {
      await engine.unlockQueues(group, clientId, [loop.queue])
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
    this.#leaving.delete(key)
    // The queue may have been given to this very member again meanwhile.
    void this.trigger()
  }

  async #lock(queues: readonly MessageQueue[]): Promise<Set<string>> {
    const { engine, group, clientId } = this.#host
    return new Set((await engine.lockQueues(group, clientId, queues)).map(queueKey))
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

  #lose(key: string, loop: PullLoop): void {
    this.#held.delete(key)
    loop.discard()
    void this.trigger()
  }
}
