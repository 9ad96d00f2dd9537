/**
 * Delivers messages in any order: up to `concurrency` calls at a time, queues taking turns (RocketMQ
 * `ConsumeMessageConcurrentlyService`). The turn of a queue of a priority topic is that of the highest one that waits.
 *
 * Listeners that answer at once are called in a loop, never recursively, and the loop leaves turns to others.
 */
import { GIVE_UP_LEVEL } from '../model/delay-levels.ts'
import type { MQError } from '../model/errors.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import type { Delivery } from './delivery.ts'
import type { Dispatcher, DispatcherHost } from './dispatcher.ts'
import type { FailureTaker } from './failure-taker.ts'
import {
  acknowledgedCount,
  type DeliveryOwner,
  ListenerRunner,
  type Refusal,
  wishedDelayLevel,
} from './listener-runner.ts'
import type { PriorityTopics } from './priority-topics.ts'
import type { ProcessQueue } from './process-queue.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { Redelivery } from './redeliveries.ts'
import { TurnBudget } from './turn-budget.ts'

/** A timed-out message is retried at this level, whatever its number of retries (RocketMQ). */
const TIMEOUT_DELAY_LEVEL = 3

export interface ConcurrentDispatcherHost extends DispatcherHost {
  readonly failures: FailureTaker
  readonly priorityTopics?: PriorityTopics | undefined
}

export class ConcurrentDispatcher implements Dispatcher, DeliveryOwner {
  readonly #host: ConcurrentDispatcherHost
  readonly #budget: TurnBudget
  readonly #runner: ListenerRunner
  readonly #limiter: RateLimiter | undefined
  readonly #maxCount: number

  /** Queues with messages to start; the first is next. */
  readonly #ready: ProcessQueue[] = []
  readonly #again: Redelivery[] = []
  /** Whether the last one that was started was among them. */
  #wasAgain = false
  #isPumping = false
  #isPaused = false

  constructor(host: ConcurrentDispatcherHost) {
    this.#host = host
    this.#maxCount = host.listener.kind === 'batch' ? host.listener.maxCount : 1
    this.#budget = new TurnBudget(host.clock, () => this.#pump())
    this.#runner = new ListenerRunner(host, this, this.#budget)
    if (host.rateLimit !== undefined)
      this.#limiter = new RateLimiter(host.rateLimit, host.clock, () => this.#pump())
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get runningCount(): number {
    return this.#runner.runningCount
  }

  get heldUntilMs(): number | undefined {
    return this.#limiter?.heldUntilMs
  }

  redeliveryMs(queue: MessageQueue, offset: number): number | undefined {
    const restsMs = this.#host.failures.redeliveryMs(queue, offset)
    if (restsMs !== undefined) return restsMs
    const key = queueKey(queue)
    const waits = this.#again.some(
      (each) => each.queue.key === key && each.queue.messageAt(each.sequence)?.queueOffset === offset,
    )
    return waits ? this.heldUntilMs : undefined
  }

  /** Nothing waits for anything here. */
  blockerOf(): undefined {
    return undefined
  }

  offer(queue: ProcessQueue): void {
    if (!this.#ready.includes(queue)) this.#ready.push(queue)
    this.#pump()
  }

  /** These messages were set aside and are to be delivered again, one by one. */
  redeliver(due: readonly Redelivery[]): void {
    this.#again.push(...due)
    this.#pump()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#pump()
  }

  abandonAll(reason: MQError): void {
    this.pause()
    this.#limiter?.stop()
    this.#runner.abandonAll(reason)
    this.#host.failures.stop()
  }

  settled(delivery: Delivery, reason: string | undefined): void {
    if (reason === undefined) this.#succeed(delivery)
    else this.#fail(delivery, 0, reason)
  }

  /** The message is done, or somebody else's matter; whatever the listener answers comes too late. */
  overdue(delivery: Delivery, reason: MQError): void {
    const { queue, firstSequence, count, isCommitted } = delivery
    const { messageId } = queue.messageAt(firstSequence)
    const { failures } = this.#host
    this.#host.onWarning({
      code: 'LISTENER_TIMEOUT',
      message: `${reason.message} Message ${messageId} ${isCommitted ? 'is done, as it was committed' : failures.fate}.`,
    })
    for (let i = 0; i < count; i++) {
      if (isCommitted) queue.finish(delivery.sequenceAt(i))
      else failures.fail(queue, delivery.sequenceAt(i), TIMEOUT_DELAY_LEVEL, reason.message)
    }
    if (isCommitted) this.#host.counts.succeededCount += count
    this.#runner.abandon(delivery, reason)
    this.#pump()
  }

  /** The others of the batch are not concerned. */
  refuse(delivery: Delivery, refusals: readonly Refusal[]): void {
    const { queue, count } = delivery
    const { counts, failures } = this.#host
    const refused = new Map(refusals.map(({ index, ...refusal }) => [delivery.sequenceAt(index), refusal]))
    const sequences = Array.from({ length: count }, (_, i) => delivery.sequenceAt(i))
    delivery.keep(sequences.filter((sequence) => !refused.has(sequence)))
    counts.failedCount += refused.size
    for (const [sequence, { reason, isFinal }] of refused)
      failures.fail(queue, sequence, isFinal ? GIVE_UP_LEVEL : 0, reason)
  }

  goOn(): void {
    this.#pump()
  }

  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#mayStart() && this.#budget.take()) {
        // They take turns, or a listener that hangs could keep its member from all else.
        this.#wasAgain = this.#again.length > 0 && !(this.#wasAgain && this.#ready.length > 0)
        if (this.#wasAgain) this.#startAgain()
        else this.#startNext()
      }
    } finally {
      this.#isPumping = false
    }
  }

  #mayStart(): boolean {
    if (this.#runner.runningCount >= this.#host.concurrency || this.#isPaused) return false
    if (this.#ready.length === 0 && this.#again.length === 0) return false
    return this.#limiter === undefined || this.#limiter.permits(1) > 0
  }

  #startNext(): void {
    const { failures, priorityTopics } = this.#host
    const inTurn = this.#ready.shift()!
    const queue = priorityTopics?.takeTurn(this.#ready, inTurn) ?? inTurn
    const firstSequence = queue.nextSequence
    const maxCount = this.#limiter?.permits(this.#maxCount) ?? this.#maxCount
    const count = queue.take(failures.restsFirst === undefined ? maxCount : this.#awakeCount(queue, maxCount))
    if (count === 0 && queue.take(1) === 1) failures.rest?.(queue, firstSequence)
    if (queue.waitingCount > 0) this.#ready.push(queue)
    if (count > 0) this.#start(queue, firstSequence, count)
  }

  /** How many of the next messages may be started now, before one that rests first. */
  #awakeCount(queue: ProcessQueue, maxCount: number): number {
    const { failures } = this.#host
    const waitingCount = Math.min(maxCount, queue.waitingCount)
    for (let i = 0; i < waitingCount; i++) {
      if (failures.restsFirst?.(queue.messageAt(queue.nextSequence + i))) return i
    }
    return waitingCount
  }

  #startAgain(): void {
    const { queue, sequence } = this.#again.shift()!
    if (queue.takeAgain()) this.#start(queue, sequence, 1)
  }

  #start(queue: ProcessQueue, firstSequence: number, count: number): void {
    this.#limiter?.take(count)
    this.#runner.run(queue, firstSequence, count)
  }

  #succeed(delivery: Delivery): void {
    const { queue, count } = delivery
    const doneCount = acknowledgedCount(delivery)
    this.#host.counts.succeededCount += doneCount
    for (let i = 0; i < doneCount; i++) queue.finish(delivery.sequenceAt(i))
    if (doneCount < count) this.#fail(delivery, doneCount, 'It lay behind the ackIndex of its batch.')
  }

  /** Gives up the messages from index `from` on. */
  #fail(delivery: Delivery, from: number, reason: string): void {
    const { queue, count, context } = delivery
    const delayLevel = wishedDelayLevel(context)
    const { counts, failures } = this.#host
    counts.failedCount += count - from
    for (let i = from; i < count; i++) failures.fail(queue, delivery.sequenceAt(i), delayLevel, reason)
  }
}
