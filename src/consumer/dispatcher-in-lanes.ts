/**
 * What dispatchers that keep an order have in common: messages lie in lanes, and a lane has one call of the listener at a
 * time. Up to `concurrency` lanes are busy at the same time, taking turns.
 *
 * A message that fails holds back what lies behind it in its lane: the lane is suspended for a while, then the message is
 * delivered again, until it has had all its attempts. Nothing ever overtakes, so a listener that does not settle keeps its
 * lane, but not its place among the others.
 */
import { GIVE_UP_LEVEL } from '../model/delay-levels.ts'
import { MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { AttemptedMessage } from './attempted-message.ts'
import type { DeliveryContext } from './consume-context.ts'
import type { Delivery } from './delivery.ts'
import type { Dispatcher, DispatcherHost } from './dispatcher.ts'
import type { InPlaceFailures } from './in-place-failures.ts'
import type { Lane } from './lane.ts'
import {
  acknowledgedCount,
  type DeliveryOwner,
  ListenerRunner,
  type Refusal,
  wishedDelayLevel,
} from './listener-runner.ts'
import type { ProcessQueue } from './process-queue.ts'
import { RateLimiter } from './rate-limiter.ts'
import { suspendMsOf } from './suspension.ts'
import { TurnBudget } from './turn-budget.ts'

export interface LaneDispatcherHost extends DispatcherHost {
  readonly failures: InPlaceFailures
  readonly suspendCurrentQueueTimeMs: number
}

/** Messages of a lane that failed, in order. */
interface Failed {
  readonly queue: ProcessQueue
  readonly sequences: readonly number[]
  readonly context: DeliveryContext
  readonly reason: string
}

const BEHIND_ACK_INDEX = 'It lay behind the ackIndex of its batch.'

export abstract class LaneDispatcher implements Dispatcher, DeliveryOwner {
  readonly #host: LaneDispatcherHost
  readonly #budget: TurnBudget
  readonly #runner: ListenerRunner
  readonly #limiter: RateLimiter | undefined
  readonly #maxCount: number

  /** Lanes with messages to start; the first is next. */
  readonly #ready: Lane[] = []
  /** Calls that take up one of the places. */
  #placedCount = 0
  #isPumping = false
  #isPaused = false

  constructor(host: LaneDispatcherHost) {
    this.#host = host
    this.#maxCount = host.listener.kind === 'batch' ? host.listener.maxCount : 1
    this.#budget = new TurnBudget(host.clock, () => this.pump())
    this.#runner = new ListenerRunner(host, this, this.#budget)
    if (host.rateLimit !== undefined)
      this.#limiter = new RateLimiter(host.rateLimit, host.clock, () => this.pump())
  }

  abstract offer(queue: ProcessQueue): void
  abstract redeliveryMs(queue: MessageQueue, offset: number): number | undefined
  abstract blockerOf(queue: MessageQueue, offset: number): number | undefined
  /** Every lane that has something to do. */
  protected abstract lanes(): Iterable<Lane>
  /** This one has nothing to do any more. */
  protected abstract close(lane: Lane): void

  get isPaused(): boolean {
    return this.#isPaused
  }

  get runningCount(): number {
    return this.#runner.runningCount
  }

  get heldUntilMs(): number | undefined {
    return this.#limiter?.heldUntilMs
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.pump()
  }

  abandonAll(reason: MQError): void {
    this.pause()
    this.#limiter?.stop()
    this.#runner.abandonAll(reason)
    for (const lane of this.lanes()) this.endSuspension(lane)
  }

  settled(delivery: Delivery, reason: string | undefined): void {
    if (!delivery.isOverdue) this.#placedCount -= 1
    const { queue, count, context } = delivery
    const { lane, sequences } = delivery.turn!
    const doneCount = reason === undefined ? acknowledgedCount(delivery) : 0
    this.#host.counts.succeededCount += doneCount
    for (let i = 0; i < doneCount; i++) queue.finish(sequences[i]!)

    if (doneCount === count) this.#free(lane)
    else {
      const failed = {
        queue,
        sequences: sequences.slice(doneCount),
        context,
        reason: reason ?? BEHIND_ACK_INDEX,
      }
      void this.#fail(lane, failed)
    }
  }

  /** What lies behind must not overtake, so the lane waits on; but others get the place. */
  overdue(delivery: Delivery, reason: MQError): void {
    const { messageId } = delivery.queue.messageAt(delivery.firstSequence)
    const { title } = delivery.turn!.lane
    const message = `${reason.message} ${title} waits for it with message ${messageId}.`
    this.#host.onWarning({ code: 'LISTENER_TIMEOUT', message })
    delivery.isOverdue = true
    this.#placedCount -= 1
    delivery.context.abort(reason)
    this.pump()
  }

  /**
   * What lies before the first of them is delivered; what lies behind waits for its turn, since a batch that fails must still
   * be one piece. The first of them itself is parted with as soon as nothing lies before it.
   */
  refuse(delivery: Delivery, [first]: readonly Refusal[]): void {
    const { queue, context, turn } = delivery
    const { lane, sequences } = turn!
    const { index, reason, isFinal } = first!
    delivery.keep(sequences.slice(0, index))
    lane.putBack(queue, sequences.slice(Math.max(1, index)))
    if (index > 0) return
    this.#placedCount -= 1
    if (isFinal) context.delayLevelWhenNextConsume = GIVE_UP_LEVEL
    void this.#fail(lane, { queue, sequences: sequences.slice(0, 1), context, reason })
  }

  goOn(): void {
    this.pump()
  }

  /** Starts what may be started. */
  protected pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#mayStart() && this.#budget.take()) this.#startNext()
    } finally {
      this.#isPumping = false
    }
  }

  /** The lane may have messages to start. */
  protected makeReady(lane: Lane): void {
    if (lane.isBusy || lane.isReady || lane.suspension !== undefined) return
    if (lane.waitingCount === 0) {
      this.close(lane)
      return
    }
    lane.isReady = true
    this.#ready.push(lane)
  }

  /** What is fetched is another one now: a suspension is for the message that failed, and that one is gone. */
  protected endSuspension(lane: Lane): void {
    lane.suspension?.timer.cancel()
    lane.suspension = undefined
  }

  #mayStart(): boolean {
    if (this.#placedCount >= this.#host.concurrency || this.#isPaused || this.#ready.length === 0)
      return false
    return this.#limiter === undefined || this.#limiter.permits(1) > 0
  }

  #startNext(): void {
    const lane = this.#ready.shift()!
    lane.isReady = false
    const { queue } = lane
    const sequences = lane.take(this.#limiter?.permits(this.#maxCount) ?? this.#maxCount)
    const [first] = sequences
    if (first === undefined) {
      this.close(lane)
      return
    }
    lane.isBusy = true
    this.#placedCount += 1
    this.#limiter?.take(sequences.length)
    this.#runner.run(queue, first, sequences.length, { lane, sequences })
  }

  /** The lane stays busy until what the failure causes is stored: whoever gets the queue next relies on it. */
  async #fail(lane: Lane, failed: Failed): Promise<void> {
    const { queue, context } = failed
    let rest = this.#withoutCommitted(failed)
    this.#host.counts.failedCount += rest.length
    const suspendMs = suspendMsOf(context, this.#host.suspendCurrentQueueTimeMs)
    try {
      while (rest.length > 0 && (await this.#giveUp(failed, rest[0]!))) rest = rest.slice(1)
      for (const sequence of rest) queue.replace(sequence, AttemptedMessage.failed(queue.messageAt(sequence)))
      if (rest.length > 0) await this.#remember({ ...failed, sequences: rest }, suspendMs)
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
    lane.putBack(queue, rest)
    if (rest.length > 0 && lane.queue === queue && !queue.isDropped) this.#suspend(lane, suspendMs)
    else this.#free(lane)
    this.pump()
  }

  /** What was committed is done, whatever the listener answered. */
  #withoutCommitted({ queue, sequences }: Failed): readonly number[] {
    const { inbox, group, counts } = this.#host
    if (inbox === undefined) return sequences
    return sequences.filter((sequence) => {
      const isCommitted = inbox.isCommitted(group, queue.messageAt(sequence))
      if (isCommitted) {
        counts.succeededCount += 1
        queue.finish(sequence)
      }
      return !isCommitted
    })
  }

  /** Parts with a message that has had all its attempts; answers whether it did. */
  async #giveUp({ queue, context, reason }: Failed, sequence: number): Promise<boolean> {
    const message = queue.messageAt(sequence)
    const { failures } = this.#host
    const isWished = wishedDelayLevel(context) < 0
    if (queue.isDiscarded || !(isWished || failures.isSpent(message))) return false
    try {
      await failures.giveUp(message, reason)
    } catch (error) {
      this.#host.onError(MQError.from(error))
      return false
    }
    queue.finish(sequence)
    return true
  }

  async #remember({ queue, sequences, reason }: Failed, suspendMs: number): Promise<void> {
    if (queue.isDiscarded) return
    const messages = sequences.map((sequence) => queue.messageAt(sequence))
    await this.#host.failures.remember(messages, this.#host.clock.now() + suspendMs, reason)
  }

  #suspend(lane: Lane, suspendMs: number): void {
    lane.isBusy = false
    const { clock } = this.#host
    const timer = clock.setTimer(suspendMs, () => {
      lane.suspension = undefined
      this.makeReady(lane)
      this.pump()
    })
    lane.suspension = { timer, endMs: clock.monotonicMs() + suspendMs }
  }

  #free(lane: Lane): void {
    lane.isBusy = false
    this.makeReady(lane)
  }
}
