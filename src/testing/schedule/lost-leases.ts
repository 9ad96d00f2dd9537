/**
 * A member loses a queue in the middle of its work, as one does that pauses for too long: what it is busy with counts no
 * more and comes again, to whoever has the queue then. Its last acknowledgement may be lost as well. Groups that consume in
 * order are left alone: for them this would put two members to work on one queue.
 */
import type { Engine, EngineEvent } from '../../model/engine.ts'
import { type MessageQueue, queueKey } from '../../model/message-queue.ts'
import type { TestLayer } from '../layer.ts'
import type { ScheduleDice } from './dice.ts'

const LOST_COMMIT_SHARE = 1 / 8
const LOST_LEASE_SHARE = 1 / 12
const LONGEST_TURNS = 4
/** Who has a lease in between. */
const THIEF = '~thief'

export function lostLeases(dice: ScheduleDice): TestLayer {
  /** Groups that were seen to consume at their own pace. */
  const concurrentGroups = new Set<string>()
  return {
    engine: (next) => new LostLeases(dice, next, concurrentGroups).verbs(),
    listener: (next) => (call) => {
      if (!call.isOrderly) concurrentGroups.add(call.group)
      return next(call)
    },
  }
}

/** A lease on its way to the thief and back. */
interface Theft {
  readonly holder: string
  /** The holder knows, or has no use for the queue any more. */
  readonly onNoticed: () => void
}

class LostLeases {
  readonly #dice: ScheduleDice
  readonly #next: Engine
  readonly #concurrentGroups: ReadonlySet<string>
  readonly #watchers = new Set<(event: EngineEvent) => void>()
  /** Client ids by queue of a group. */
  readonly #holders = new Map<string, string>()
  readonly #thefts = new Map<string, Theft>()
  /** Queues that have an offset: without one, a new start might skip what came meanwhile. */
  readonly #committed = new Set<string>()

  constructor(dice: ScheduleDice, next: Engine, concurrentGroups: ReadonlySet<string>) {
    this.#dice = dice
    this.#next = next
    this.#concurrentGroups = concurrentGroups
  }

  verbs(): Partial<Engine> {
    return {
      watch: (listener) => this.#watch(listener),
      lockQueues: (group, clientId, queues) => this.#lock(group, clientId, queues),
      unlockQueues: (group, clientId, queues) => this.#unlock(group, clientId, queues),
      unregisterConsumer: (group, clientId) => this.#unregister(group, clientId),
      queryConsumerOffset: (group, queue, clientId) => this.#query(group, queue, clientId),
      updateConsumerOffset: (...update) => this.#update(...update),
    }
  }

  #watch(listener: (event: EngineEvent) => void): () => void {
    this.#watchers.add(listener)
    const unwatch = this.#next.watch((event) => {
      // Nobody is to get there before the thief.
      const isStolen = event.type === 'queue-unlocked' && this.#thefts.has(keyOf(event.group, event.queue))
      if (!isStolen) listener(event)
    })
    return () => {
      this.#watchers.delete(listener)
      unwatch()
    }
  }

  async #lock(
    group: string,
    clientId: string,
    queues: readonly MessageQueue[],
  ): Promise<readonly MessageQueue[]> {
    const granted = await this.#next.lockQueues(group, clientId, queues)
    const grantedKeys = new Set(granted.map(queueKey))
    for (const queue of queues) {
      const key = keyOf(group, queue)
      if (grantedKeys.has(queueKey(queue))) this.#holders.set(key, clientId)
      else this.#release(key, clientId)
    }
    return granted
  }

  async #unlock(group: string, clientId: string, queues: readonly MessageQueue[]): Promise<void> {
    await this.#next.unlockQueues(group, clientId, queues)
    for (const queue of queues) this.#release(keyOf(group, queue), clientId)
  }

  async #unregister(group: string, clientId: string): Promise<void> {
    await this.#next.unregisterConsumer(group, clientId)
    for (const key of this.#holders.keys()) if (key.startsWith(`${group}@`)) this.#release(key, clientId)
  }

  async #query(group: string, queue: MessageQueue, clientId?: string): Promise<number | undefined> {
    const offset = await this.#next.queryConsumerOffset(group, queue, clientId)
    if (offset !== undefined && clientId === undefined) this.#committed.add(keyOf(group, queue))
    return offset
  }

  /** The offset of a broadcasting member is nobody else's, and nobody else would acknowledge again. */
  async #update(...update: Parameters<Engine['updateConsumerOffset']>): Promise<void> {
    const [group, queue, offset, , clientId] = update
    if (clientId !== undefined) return this.#next.updateConsumerOffset(...update)
    const key = keyOf(group, queue)
    const mayLose = this.#concurrentGroups.has(group) && this.#committed.has(key)
    const isLost = mayLose && this.#dice.chance(LOST_COMMIT_SHARE)
    if (isLost) this.#dice.note(`${group}: lost the acknowledgement of ${queueKey(queue)} up to ${offset}`)
    else await this.#next.updateConsumerOffset(...update)
    this.#committed.add(key)
    // It fails only when the instance crashed meanwhile.
    if (isLost || (mayLose && this.#dice.chance(LOST_LEASE_SHARE)))
      this.#steal(group, queue).catch(() => undefined)
  }

  /** The client holds the queue no more, or is told so now. */
  #release(key: string, clientId: string): void {
    if (this.#holders.get(key) === clientId) this.#holders.delete(key)
    const theft = this.#thefts.get(key)
    if (theft?.holder === clientId) theft.onNoticed()
  }

  /**
   * Takes the queue from whoever holds it by then. The thief keeps the lease until the holder has heard that it is gone. Given
   * back earlier, the holder might go on as if nothing had happened, and an acknowledgement that was lost would stay lost.
   */
  async #steal(group: string, queue: MessageQueue): Promise<void> {
    const key = keyOf(group, queue)
    await this.#dice.pause(LONGEST_TURNS)
    const holder = this.#holders.get(key)
    // It changes hands already.
    if (holder === undefined || this.#thefts.has(key)) return
    const noticed = new Promise<void>((onNoticed) => this.#thefts.set(key, { holder, onNoticed }))
    // In one turn, so that nobody gets in between.
    const [, stolen] = await Promise.all([
      this.#next.unlockQueues(group, holder, [queue]),
      this.#next.lockQueues(group, THIEF, [queue]),
    ])
    if (stolen.length > 0) {
      this.#dice.note(`${group}: ${holder} lost ${queueKey(queue)}`)
      this.#tellUnlocked(group, queue)
      await noticed
      await this.#dice.pause(LONGEST_TURNS)
      await this.#next.unlockQueues(group, THIEF, [queue])
    }
    this.#thefts.delete(key)
    this.#tellUnlocked(group, queue)
  }

  /** The holder asks for its leases and learns that this one is gone; the others try to get it. */
  #tellUnlocked(group: string, queue: MessageQueue): void {
    for (const watcher of this.#watchers) watcher({ type: 'queue-unlocked', group, queue })
  }
}

function keyOf(group: string, queue: MessageQueue): string {
  return `${group}@${queueKey(queue)}`
}
