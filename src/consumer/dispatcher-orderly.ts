/**
 * Delivers the messages of each queue in their order (RocketMQ `ConsumeMessageOrderlyService`): one call of the listener at
 * a time for each queue, up to `concurrency` queues at the same time, taking turns.
 *
 * A message that fails holds back what lies behind it: its queue is suspended for a while, then the message is delivered
 * again, until it has had all its attempts. Nothing ever overtakes, so a listener that does not settle keeps its queue,
 * but not its place among the others.
 */
import type { Timer } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import { type MessageQueue, queueKey } from '../model/message-queue.ts'
import { AttemptedMessage } from './attempted-message.ts'
import type { DeliveryContext } from './consume-context.ts'
import type { Delivery } from './delivery.ts'
import type { Dispatcher, DispatcherHost } from './dispatcher.ts'
import type { InPlaceFailures } from './in-place-failures.ts'
import { acknowledgedCount, type DeliveryOwner, ListenerRunner } from './listener-runner.ts'
import type { ProcessQueue } from './process-queue.ts'
import { RateLimiter } from './rate-limiter.ts'
import { TurnBudget } from './turn-budget.ts'

/** Bounds of a suspension (RocketMQ). */
export const SUSPEND_MIN_MS = 10
export const SUSPEND_MAX_MS = 30_000

export interface OrderlyDispatcherHost extends DispatcherHost {
  readonly failures: InPlaceFailures
  readonly suspendCurrentQueueTimeMs: number
  onError(error: MQError): void
}

/** A queue with something to do. There is one for a queue as long as that lasts, also over resets of its offset. */
interface Lane {
  /** What is fetched now; after a reset that is another one than what a listener may still be busy with. */
  queue: ProcessQueue
  /** Whether a listener runs, or its failure is being dealt with. */
  isBusy: boolean
  isReady: boolean
  suspension: Suspension | undefined
}

interface Suspension {
  readonly timer: Timer
  /** Monotonic time. */
  readonly endMs: number
}

/** Messages of a queue that failed: from one sequence number to another, the end exclusive. */
interface Failed {
  readonly queue: ProcessQueue
  readonly from: number
  readonly to: number
  readonly context: DeliveryContext
  readonly reason: string
}

export class OrderlyDispatcher implements Dispatcher, DeliveryOwner {
  readonly #host: OrderlyDispatcherHost
  readonly #budget: TurnBudget
  readonly #runner: ListenerRunner
  readonly #limiter: RateLimiter | undefined
  readonly #maxCount: number

  /** By queue key. */
  readonly #lanes = new Map<string, Lane>()
  /** Lanes with messages to start; the first is next. */
  readonly #ready: Lane[] = []
  /** Calls that take up one of the places. */
  #placedCount = 0
  #isPumping = false
  #isPaused = false

  constructor(host: OrderlyDispatcherHost) {
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
    const lane = this.#lanes.get(queueKey(queue))
    return lane?.queue.unstartedOffset === offset ? lane.suspension?.endMs : undefined
  }

  offer(queue: ProcessQueue): void {
    const lane = this.#lanes.get(queue.key) ?? this.#openLane(queue)
    if (lane.queue !== queue) {
      // A suspension is for the message that failed, and that one is gone.
      this.#endSuspension(lane)
      lane.queue = queue
    }
    this.#makeReady(lane)
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
    for (const lane of this.#lanes.values()) this.#endSuspension(lane)
  }

  settled(delivery: Delivery, reason: string | undefined): void {
    if (!delivery.isOverdue) this.#placedCount -= 1
    const { queue, firstSequence, count, context } = delivery
    const doneCount = reason === undefined ? acknowledgedCount(delivery) : 0
    this.#host.counts.succeededCount += doneCount
    for (let i = 0; i < doneCount; i++) queue.finish(firstSequence + i)

    const lane = this.#lanes.get(queue.key)
    if (doneCount === count) this.#free(lane)
    else {
      const from = firstSequence + doneCount
      const failed = { queue, from, to: firstSequence + count, context, reason: reason ?? BEHIND_ACK_INDEX }
      void this.#fail(lane, failed)
    }
  }

  /** What lies behind must not overtake, so the queue waits on; but other queues get the place. */
  overdue(delivery: Delivery, reason: MQError): void {
    const { messageId, queue } = delivery.queue.messageAt(delivery.firstSequence)
    const message = `${reason.message} Queue ${queue.queueId} of '${queue.topic}' waits for it with message ${messageId}.`
    this.#host.onWarning({ code: 'LISTENER_TIMEOUT', message })
    delivery.isOverdue = true
    this.#placedCount -= 1
    delivery.context.abort(reason)
    this.#pump()
  }

  goOn(): void {
    this.#pump()
  }

  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#mayStart() && this.#budget.take()) this.#startNext()
    } finally {
      this.#isPumping = false
    }
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
    const firstSequence = queue.nextSequence
    const count = queue.take(this.#limiter?.permits(this.#maxCount) ?? this.#maxCount)
    if (count === 0) {
      this.#closeLane(lane)
      return
    }
    lane.isBusy = true
    this.#placedCount += 1
    this.#limiter?.take(count)
    this.#runner.run(queue, firstSequence, count)
  }

  /** The lane stays busy until what the failure causes is stored: whoever gets the queue next relies on it. */
  async #fail(lane: Lane | undefined, failed: Failed): Promise<void> {
    const { queue, from, to, context } = failed
    this.#host.counts.failedCount += to - from
    const suspendMs = this.#suspendMs(context)
    let rest = from
    try {
      while (rest < to && (await this.#giveUp(failed, rest))) rest += 1
      for (let sequence = rest; sequence < to; sequence++) {
        queue.replace(sequence, AttemptedMessage.failed(queue.messageAt(sequence)))
      }
      if (rest < to) await this.#remember(failed, rest, suspendMs)
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
    queue.putBack(to - rest)
    if (rest < to && lane?.queue === queue && !queue.isDropped) this.#suspend(lane, suspendMs)
    else this.#free(lane)
    this.#pump()
  }

  /** Parts with a message that has had all its attempts; answers whether it did. */
  async #giveUp({ queue, context, reason }: Failed, sequence: number): Promise<boolean> {
    const message = queue.messageAt(sequence)
    const { failures } = this.#host
    const isWished = context.delayLevelWhenNextConsume < 0
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

  async #remember({ queue, to, reason }: Failed, from: number, suspendMs: number): Promise<void> {
    if (queue.isDiscarded) return
    const messages = Array.from({ length: to - from }, (_, i) => queue.messageAt(from + i))
    await this.#host.failures.remember(messages, this.#host.clock.now() + suspendMs, reason)
  }

  #suspend(lane: Lane, suspendMs: number): void {
    lane.isBusy = false
    const { clock } = this.#host
    const timer = clock.setTimer(suspendMs, () => {
      lane.suspension = undefined
      this.#makeReady(lane)
      this.#pump()
    })
    lane.suspension = { timer, endMs: clock.monotonicMs() + suspendMs }
  }

  #endSuspension(lane: Lane): void {
    lane.suspension?.timer.cancel()
    lane.suspension = undefined
  }

  #free(lane: Lane | undefined): void {
    if (lane === undefined) return
    lane.isBusy = false
    this.#makeReady(lane)
  }

  #makeReady(lane: Lane): void {
    if (lane.isBusy || lane.isReady || lane.suspension !== undefined) return
    if (lane.queue.waitingCount === 0) {
      this.#closeLane(lane)
      return
    }
    lane.isReady = true
    this.#ready.push(lane)
  }

  #openLane(queue: ProcessQueue): Lane {
    const lane = { queue, isBusy: false, isReady: false, suspension: undefined }
    this.#lanes.set(queue.key, lane)
    return lane
  }

  #closeLane(lane: Lane): void {
    this.#lanes.delete(lane.queue.key)
  }

  /** A listener may choose for itself; nonsense and the default of -1 mean the consumer's setting. */
  #suspendMs({ suspendCurrentQueueTimeMs: wishedMs }: DeliveryContext): number {
    const suspendMs = wishedMs >= 0 ? wishedMs : this.#host.suspendCurrentQueueTimeMs
    return Math.max(SUSPEND_MIN_MS, Math.min(SUSPEND_MAX_MS, suspendMs))
  }
}

const BEHIND_ACK_INDEX = 'It lay behind the ackIndex of its batch.'
