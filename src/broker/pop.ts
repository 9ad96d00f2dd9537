/**
 * Receiving without owning queues (RocketMQ `PopMessageProcessor`, semantics sections 8.3 to 8.7). Any member takes from any
 * queue; what it took is invisible to the others until its time is over.
 *
 * One commit moves the group's offset behind the messages and sets the alarms that make them visible again. *Crash before it:
 * nothing was taken. Crash after it: the messages come back when their time is over, also after reopening.* An
 * acknowledgement clears the alarm (`pop-receipts.ts`); one that becomes due makes a retry or a dead letter (`pop-expiry.ts`).
 */
import type { Clock } from '../model/clock.ts'
import type { DelayLevels } from '../model/delay-levels.ts'
import type { PoppedMessage, PopReceipt, PopRequest, PopVerbs, RefusedReceipt } from '../model/engine.ts'
import type { MessageFilter } from '../model/subscription.ts'
import type { GroupEntry } from '../store/catalog.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import type { PreparedReset } from './consumer-offsets.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Groups } from './groups.ts'
import { isDone, isHeld, settleOrderly } from './orderly-rows.ts'
import { brokerClosed, checkMayConsume } from './permissions.ts'
import { PopExpiry } from './pop-expiry.ts'
import { PopGates } from './pop-gates.ts'
import { PopOrderly } from './pop-orderly.ts'
import { PopReceipts } from './pop-receipts.ts'
import type { PopRetryTopics } from './pop-retry-topics.ts'
import { PopSources } from './pop-sources.ts'
import { type Taken, type TakeOrder, takeNew } from './pop-take.ts'
import { PopWaiters, type WaitingPop } from './pop-waiters.ts'

export interface PopParts {
  readonly store: Store
  readonly groups: Groups
  readonly deadLetters: DeadLetters
  readonly retryTopics: PopRetryTopics
  readonly announcer: Announcer
  readonly clock: Clock
  readonly delayLevels: DelayLevels
  /** Whether the offset of a group is being set from outside. */
  isResetting(group: GroupEntry, log: QueueLog): boolean
  /** Does what is due now; resolves when it is done. */
  doDue(): Promise<void>
}

const NOTHING: readonly PoppedMessage[] = Object.freeze([])

export class Pop implements PopVerbs {
  /** What happens when the time of messages is over. */
  readonly expiry: PopExpiry
  readonly #parts: PopParts
  readonly #receipts: PopReceipts
  readonly #sources: PopSources
  readonly #gates = new PopGates()
  readonly #waiters: PopWaiters
  readonly #orderly: PopOrderly
  #isClosed = false

  constructor(parts: PopParts) {
    this.#parts = parts
    this.#sources = new PopSources(parts.store)
    this.#waiters = new PopWaiters(parts.clock)
    const onReleased = (group: GroupEntry, log: QueueLog): void => this.#onReleased(group, log)
    this.#receipts = new PopReceipts({ ...parts, onSettled: onReleased })
    this.#orderly = new PopOrderly(parts.store, this.#receipts)
    this.expiry = new PopExpiry({ ...parts, receipts: this.#receipts, onReleased })
  }

  async popMessage(request: PopRequest): Promise<readonly PoppedMessage[]> {
    const pop = this.#waiters.begin(request)
    try {
      while (!pop.isAborted) {
        const { rings, heldUpAt } = pop
        const found = await this.#look(pop)
        if (found.length > 0) return found
        for (const topic of heldUpAt) if (!pop.heldUpAt.includes(topic)) this.#waiters.passBy(pop, topic)
        if (pop.isOver) return NOTHING
        // Something happened meanwhile, perhaps where it had looked already.
        if (pop.rings !== rings || pop.isAborted) continue
        if (!pop.mayWait) return NOTHING
        await this.#waiters.sleep(pop)
      }
      this.#waiters.passOn(pop)
      return NOTHING
    } catch (error) {
      // It may have been woken for something that others can take.
      this.#waiters.passOn(pop)
      throw error
    } finally {
      this.#waiters.finish(pop)
    }
  }

  async ackMessage(group: string, receiptHandle: string): Promise<void> {
    const [refused] = await this.ackMessages(group, [receiptHandle])
    if (refused !== undefined) throw refused.error
  }

  async ackMessages(group: string, receiptHandles: readonly string[]): Promise<readonly RefusedReceipt[]> {
    return this.#receipts.ack(this.#openGroup(group), receiptHandles)
  }

  async changeInvisibleDuration(
    group: string,
    receiptHandle: string,
    invisibleDurationMs: number,
  ): Promise<PopReceipt> {
    return this.#untilVisible(
      await this.#receipts.change(this.#openGroup(group), receiptHandle, invisibleDurationMs),
    )
  }

  async nackMessage(group: string, receiptHandle: string, reason?: string): Promise<PopReceipt> {
    return this.#untilVisible(await this.#receipts.nack(this.#openGroup(group), receiptHandle, reason))
  }

  /** Messages were appended to a queue of this topic. */
  wake(topic: string): void {
    this.#waiters.ringTopic(topic)
  }

  /** Settings changed: receives that would now be refused do not go on waiting. */
  recheck(): void {
    this.#waiters.ringAll()
  }

  /**
   * The offsets of the group for these queues are about to be set from outside: lets what is under way there end, while
   * nobody begins. Answers the alarms that have no meaning any more.
   *
   * Their handles are void from here on, not from the commit on: in the turn in which that is stored the alarms are gone,
   * and a handle without an alarm looks like one that was acknowledged. When the commit fails, `undo` makes them valid
   * again. *An acknowledgement in between is refused, and stays so: its message comes back in its time.*
   */
  async prepareReset(group: GroupEntry, logs: readonly QueueLog[]): Promise<PreparedReset> {
    await this.#gates.left(group, logs)
    await this.#receipts.settled()
    const { alarms } = this.#parts.store
    const rows = logs.flatMap((log) => [...alarms.orderly(group.uid, log.uid).values()])
    return { alarms: rows, undo: this.#receipts.revoke(rows) }
  }

  /** Refuses what waits and what comes. */
  close(): void {
    this.#isClosed = true
    this.#waiters.close()
  }

  /** Whose message is visible at once receives it at once. */
  async #untilVisible(receipt: PopReceipt): Promise<PopReceipt> {
    if (receipt.nextVisibleTimestamp <= this.#parts.clock.now()) await this.#parts.doDue()
    return receipt
  }

  #openGroup(group: string): GroupEntry {
    if (this.#isClosed) throw brokerClosed()
    return this.#parts.groups.entry(group)
  }

  /** Messages of a FIFO queue were settled, or their time is over. */
  #onReleased(group: GroupEntry, log: QueueLog): void {
    const { store, isResetting } = this.#parts
    if (isHeld(store, group, log)) return
    if (!isResetting(group, log)) this.#passDone(group, log)
    this.#waiters.ringGroup(group.config.group, log.queue.topic)
  }

  /** Moves the offset over what became dead letters. Should that fail, whoever receives next does it. */
  #passDone(group: GroupEntry, log: QueueLog): void {
    const { store } = this.#parts
    if (![...store.alarms.orderly(group.uid, log.uid).values()].some(isDone)) return
    store.commit(settleOrderly(store, group, log)).catch(() => undefined)
  }

  /** Takes what there is now from the first topic that has something. */
  async #look(pop: WaitingPop): Promise<readonly PoppedMessage[]> {
    const { request } = pop
    const group = this.#openGroup(request.group)
    checkMayConsume(group)
    pop.heldUpAt = []
    for (const [topic, filter] of request.subscriptions) {
      pop.isHeldUp = false
      const found = await this.#takeFrom(pop, group, topic, filter)
      if (pop.isHeldUp) pop.heldUpAt.push(topic)
      if (found.length === 0) continue
      this.#waiters.passOn(pop, topic)
      return found
    }
    return NOTHING
  }

  async #takeFrom(
    pop: WaitingPop,
    group: GroupEntry,
    topic: string,
    filter: MessageFilter,
  ): Promise<readonly PoppedMessage[]> {
    const { attemptId } = pop.request
    const sources = this.#sources.of(group, topic, filter)
    if (attemptId !== undefined && group.config.consumeMessageOrderly) {
      const logs = sources.map(({ log }) => log)
      const again = await this.#orderly.repeat(group, logs, pop.request)
      if (again.length > 0) {
        this.#waiters.passOn(pop)
        return again
      }
    }
    const inside: QueueLog[] = []
    try {
      return await this.#commit(group, await this.#takeEach(pop, group, sources, inside), pop.request)
    } finally {
      this.#gates.leave(group, inside)
      if (inside.length > 0) this.#waiters.ringGroup(group.config.group, topic, inside.length)
    }
  }

  /** Takes from queue after queue until there is enough. A queue that cannot be read keeps none from what others gave. */
  async #takeEach(
    pop: WaitingPop,
    group: GroupEntry,
    sources: ReturnType<PopSources['of']>,
    inside: QueueLog[],
  ): Promise<readonly Taken[]> {
    const { maxCount, invisibleDurationMs } = pop.request
    const taken: Taken[] = []
    let count = 0
    let failure: unknown
    for (const source of sources) {
      if (count >= maxCount) break
      const { log } = source
      if (!this.#enter(pop, group, log)) {
        if (pop.isHeldUp && source.isOfPriority) break
        continue
      }
      inside.push(log)
      const dueTimestamp = this.#parts.clock.now() + invisibleDurationMs
      const order = { ...source, group, maxCount: maxCount - count, dueTimestamp }
      try {
        const next = this.#take(order)
        const done = next instanceof Promise ? await next : next
        if (done === undefined) continue
        taken.push(done)
        count += done.messages.length
      } catch (error) {
        failure ??= error
      }
    }
    if (failure !== undefined && count === 0) throw failure
    return taken
  }

  #enter(pop: WaitingPop, group: GroupEntry, log: QueueLog): boolean {
    if (group.config.consumeMessageOrderly && isHeld(this.#parts.store, group, log)) return false
    const isFree = !this.#parts.isResetting(group, log) && this.#gates.enter(group, log)
    if (!isFree) pop.isHeldUp = true
    return isFree
  }

  #take(order: TakeOrder): Taken | Promise<Taken | undefined> {
    const { store } = this.#parts
    return order.group.config.consumeMessageOrderly ? this.#orderly.take(order) : takeNew(store, order)
  }

  async #commit(
    group: GroupEntry,
    taken: readonly Taken[],
    { attemptId }: PopRequest,
  ): Promise<readonly PoppedMessage[]> {
    if (taken.length === 0) return NOTHING
    const { store } = this.#parts
    // Both may have gone while a queue was read.
    if (store.catalog.groupByUid(group.uid) === undefined) this.#parts.groups.entry(group.config.group)
    await store.commit({
      offsets: taken.map(({ log, offset }) => ({ group, log, offset })),
      alarmsPut: taken.flatMap(({ alarmsPut }) => alarmsPut),
      alarmsCleared: taken.flatMap(({ alarmsCleared }) => alarmsCleared),
    })
    if (group.config.consumeMessageOrderly) this.#orderly.note(group, taken, attemptId)
    return taken.length === 1 ? (taken[0]?.messages ?? NOTHING) : taken.flatMap(({ messages }) => messages)
  }
}
