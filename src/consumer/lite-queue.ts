/**
 * One queue of a lite pull consumer: a loop fetches it, polls take from it, and a message is finished when the application
 * comes back for more. What is taken and not finished is what a crash, or a member that does not wait, would repeat.
 */
import type { Timer } from '../model/clock.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { MessageFilter } from '../model/subscription.ts'
import type { FetchBudget } from './fetch-budget.ts'
import { OffsetKeeper } from './offset-keeper.ts'
import type { ProcessQueue } from './process-queue.ts'
import { type MessageTaker, type ProgressKeeper, PullLoop, type PullLoopHost } from './pull-loop.ts'
import type { QueueWork } from './rebalancer.ts'

/** What the queues of a lite pull consumer share. */
export interface LiteQueueHost extends Omit<PullLoopHost, 'dispatcher' | 'createKeeper'> {
  readonly autoCommit: boolean
  /** The broadcasting member whose offsets are kept; absent for those of the group. */
  readonly offsetOwner?: string | undefined
  /** How long the queue waits on its way out for the application to come back. */
  readonly handOverTimeoutMs: number
  readonly budget: FetchBudget
  /** Whether what is finished is committed by itself, in the same turn. */
  commitsAtOnce(): boolean
  isClosing(): boolean
  /** This queue has messages to take. */
  offer(queue: LiteQueue): void
  /** These were taken. */
  onTaken(messages: readonly MessageView[]): void
  /** The queue is somebody else's affair now. */
  onEnded(queue: LiteQueue): void
}

/** Messages that were taken together. */
export interface Handout {
  readonly queue: LiteQueue
  readonly messages: readonly MessageView[]
  readonly processQueue: ProcessQueue
  readonly firstSequence: number
}

/** What is fetched since the queue was taken over, or was last sent elsewhere. */
interface Position {
  readonly processQueue: ProcessQueue
  readonly keeper: OffsetKeeper
}

export class LiteQueue implements QueueWork, MessageTaker {
  readonly queue: MessageQueue
  readonly #host: LiteQueueHost
  readonly #loop: PullLoop

  #position: Position | undefined
  /** What is taken and not finished. */
  readonly #taken = new Set<Handout>()
  /** What the budget knows of. */
  #countedCount = 0
  #isSuspended = false
  #isEnded = false

  /** A new queue came into being while the consumer was there to see it. */
  constructor(host: LiteQueueHost, queue: MessageQueue, filter: MessageFilter, isNewQueue: boolean) {
    this.queue = queue
    this.#host = host
    const createKeeper = this.#createKeeper.bind(this)
    this.#loop = new PullLoop({ ...host, dispatcher: this, createKeeper }, queue, filter, isNewQueue)
  }

  /** Resolves when it is known where the queue is consumed from, or when that could not be learnt. */
  get positioned(): Promise<void> {
    return this.#loop.positioned
  }

  /** Fetches by another filter from now on; what is fetched already stays. */
  useFilter(filter: MessageFilter): void {
    this.#loop.useFilter(filter)
  }

  /** Messages that were taken and not finished. */
  get runningCount(): number {
    return this.#loop.runningCount
  }

  get isPaused(): boolean {
    return this.#isSuspended || !this.#host.budget.hasRoom()
  }

  /** Messages that may be taken. */
  get waitingCount(): number {
    return this.#position?.processQueue.waitingCount ?? 0
  }

  /** The offset of the next message to take; `undefined` before the loop has found out where to start. */
  get offset(): number | undefined {
    return this.#livePosition()?.processQueue.unstartedOffset
  }

  start(): void {
    this.#loop.start()
  }

  /** The loop fetched something. */
  offer(): void {
    this.#recount()
    this.#host.offer(this)
  }

  /** Takes up to `maxCount` messages; `undefined` when there is none. */
  take(maxCount: number): Handout | undefined {
    const processQueue = this.#position?.processQueue
    if (processQueue === undefined) return undefined
    const firstSequence = processQueue.nextSequence
    const count = processQueue.take(maxCount)
    if (count === 0) return undefined
    const messages: MessageView[] = []
    for (let index = 0; index < count; index++) messages.push(processQueue.messageAt(firstSequence + index))
    const handout = { queue: this, messages: Object.freeze(messages), processQueue, firstSequence }
    this.#taken.add(handout)
    this.#host.onTaken(handout.messages)
    return handout
  }

  /** The application is done with these messages; said again, it changes nothing. */
  finish(handout: Handout): void {
    if (!this.#taken.delete(handout)) return
    const { processQueue, firstSequence, messages } = handout
    for (let index = 0; index < messages.length; index++) processQueue.finish(firstSequence + index)
    this.#recount()
  }

  /** Fetches nothing more until `resume`; what is fetched can be taken. */
  pause(): void {
    this.#isSuspended = true
    this.#loop.interrupt()
  }

  resume(): void {
    this.#isSuspended = false
    this.#loop.wake()
  }

  /** There is room in the budget. */
  wake(): void {
    this.#loop.wake()
  }

  seek(offset: number): void {
    this.#loop.seek(offset)
    this.#recount()
  }

  restart(): void {
    this.#loop.restart()
    this.#recount()
  }

  /** Commits what is finished, soon. */
  commitProgress(): void {
    this.#livePosition()?.keeper.onProgress()
  }

  /** Commits an offset, by default that of the next message to take; what lies before it is finished by that. */
  async commit(offset = this.offset): Promise<void> {
    const position = this.#livePosition()
    if (position === undefined || offset === undefined) return
    const committing = position.keeper.commit(offset)
    for (const handout of this.#taken) {
      const last = handout.messages[handout.messages.length - 1]!
      if (handout.processQueue === position.processQueue && last.queueOffset < offset) this.finish(handout)
    }
    await committing
  }

  async retire(): Promise<void> {
    const retiring = this.#loop.retire()
    const patience = this.#waitForApplication()
    await retiring
    patience?.cancel()
    this.#end()
  }

  giveUp(): void {
    this.#loop.giveUp()
  }

  discard(): void {
    this.#loop.discard()
    this.#end()
  }

  #waitForApplication(): Timer | undefined {
    if (this.runningCount === 0) return undefined
    const { engine, handOverTimeoutMs } = this.#host
    if (!this.#host.isClosing()) return engine.clock.setTimer(handOverTimeoutMs, () => this.giveUp())
    this.giveUp()
    return undefined
  }

  /** The position, unless it was left and the next one is not found yet. */
  #livePosition(): Position | undefined {
    return this.#position?.processQueue.isDiscarded === false ? this.#position : undefined
  }

  #createKeeper(processQueue: ProcessQueue, committedOffset: number, mayGoBack: boolean): ProgressKeeper {
    // At the beginning of a queue a group starts without an offset too, so there is nothing to keep yet.
    const isBeginning = processQueue.nextOffset === 0 && committedOffset === -1 && !mayGoBack
    const known = isBeginning && this.#host.offsetOwner === undefined ? 0 : committedOffset
    const keeper = new OffsetKeeper(this.#host, processQueue, known, mayGoBack)
    this.#position = { processQueue, keeper }
    return {
      onProgress: () => {
        if (this.#host.commitsAtOnce()) keeper.onProgress()
      },
      close: () => {
        if (!this.#host.autoCommit) keeper.discard()
        return keeper.close()
      },
      discard: () => keeper.discard(),
    }
  }

  #recount(): void {
    if (!this.#isEnded) this.#countAs(this.#loop.unfinishedCount)
  }

  #countAs(count: number): void {
    const before = this.#countedCount
    this.#countedCount = count
    this.#host.budget.add(count - before)
  }

  #end(): void {
    this.#isEnded = true
    this.#countAs(0)
    this.#host.onEnded(this)
  }
}
