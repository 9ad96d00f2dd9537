/**
 * Runs the listener: up to `concurrency` calls at a time, queues taking turns (RocketMQ `ConsumeMessageConcurrentlyService`).
 *
 * Every message costs one context and, if the listener is asynchronous, one `then`; nothing else is made for it.
 * Listeners that answer at once are called in a loop, never recursively, and the loop leaves turns to others.
 */
import type { Clock } from '../model/clock.ts'
import { MQError } from '../model/errors.ts'
import type { WarningEvent } from '../model/events.ts'
import type { MessageView } from '../model/message.ts'
import { DeliveryContext } from './consume-context.ts'
import { Delivery, type DeliveryEnd } from './delivery.ts'
import { reasonOfAnswer, reasonOfError } from './failure-reason.ts'
import { ListenerWatchdog } from './listener-watchdog.ts'
import type { BatchMessageListener, MessageListener } from './message-listener.ts'
import type { ProcessQueue } from './process-queue.ts'
import type { Redelivery } from './send-back.ts'
import { TurnBudget } from './turn-budget.ts'

/** A timed-out message is retried at this level, whatever its number of retries (RocketMQ). */
const TIMEOUT_DELAY_LEVEL = 3

/** The listener in the form that the options ask for. */
export type Listener =
  | { readonly kind: 'single'; readonly listen: MessageListener }
  | { readonly kind: 'batch'; readonly listen: BatchMessageListener; readonly maxCount: number }

export interface DispatcherHost {
  readonly clock: Clock
  readonly group: string
  readonly listener: Listener
  readonly concurrency: number
  readonly consumeTimeoutMs: number
  sendBack(queue: ProcessQueue, sequence: number, delayLevel: number, reason: string): void
  onWarning(event: WarningEvent): void
}

export class ConcurrentDispatcher implements DeliveryEnd {
  readonly #host: DispatcherHost
  readonly #budget: TurnBudget
  readonly #watchdog: ListenerWatchdog
  readonly #maxCount: number

  /** Queues with messages to start; the first is next. */
  readonly #ready: ProcessQueue[] = []
  readonly #again: Redelivery[] = []
  /** Every delivery in use or free, but for the abandoned. */
  readonly #deliveries = new Set<Delivery>()
  readonly #free: Delivery[] = []
  #isPumping = false
  #isPaused = false

  #runningCount = 0
  #succeededCount = 0
  #failedCount = 0
  #timedOutCount = 0

  constructor(host: DispatcherHost) {
    this.#host = host
    this.#maxCount = host.listener.kind === 'batch' ? host.listener.maxCount : 1
    this.#budget = new TurnBudget(host.clock, () => this.#pump())
    this.#watchdog = new ListenerWatchdog(
      host.clock,
      host.consumeTimeoutMs,
      () => this.#deliveries,
      (delivery) => this.#expire(delivery),
    )
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Calls of the listener that have not settled. */
  get runningCount(): number {
    return this.#runningCount
  }

  /** Messages by what became of their deliveries. */
  get counts(): {
    readonly succeededCount: number
    readonly failedCount: number
    readonly timedOutCount: number
  } {
    return {
      succeededCount: this.#succeededCount,
      failedCount: this.#failedCount,
      timedOutCount: this.#timedOutCount,
    }
  }

  /** This queue has messages to start. */
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

  /** Starts nothing more and lets no answer count from now on. */
  abandonAll(reason: MQError): void {
    this.pause()
    this.#watchdog.stop()
    for (const delivery of this.#deliveries) {
      if (delivery.isRunning) this.#abandon(delivery, reason)
    }
  }

  /** The listener is done with a delivery. */
  answered(delivery: Delivery, answer: unknown): void {
    if (!delivery.isRunning) return
    const reason = reasonOfAnswer(answer)
    if (reason === undefined) this.#succeed(delivery)
    else this.#fail(delivery, 0, reason)
    this.#release(delivery)
  }

  threw(delivery: Delivery, error: unknown): void {
    if (!delivery.isRunning) return
    this.#fail(delivery, 0, reasonOfError(error))
    this.#release(delivery)
  }

  #pump(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    try {
      while (this.#mayStart() && this.#budget.take()) {
        if (this.#again.length > 0) this.#startAgain()
        else this.#startNext()
      }
    } finally {
      this.#isPumping = false
    }
  }

  #mayStart(): boolean {
    if (this.#runningCount >= this.#host.concurrency || this.#isPaused) return false
    return this.#ready.length > 0 || this.#again.length > 0
  }

  #startNext(): void {
    const queue = this.#ready.shift()!
    const firstSequence = queue.nextSequence
    const count = queue.take(this.#maxCount)
    if (queue.waitingCount > 0) this.#ready.push(queue)
    if (count > 0) this.#deliver(queue, firstSequence, count)
  }

  #startAgain(): void {
    const { queue, sequence } = this.#again.shift()!
    if (queue.takeAgain()) this.#deliver(queue, sequence, 1)
  }

  #deliver(queue: ProcessQueue, firstSequence: number, count: number): void {
    const first = queue.messageAt(firstSequence)
    const context = new DeliveryContext(queue.queue, first)
    const delivery = this.#free.pop() ?? this.#newDelivery()
    delivery.start(queue, firstSequence, count, context, this.#budget.nowMs)
    this.#runningCount += 1
    this.#watchdog.onStarted()
    try {
      const answer = this.#call(delivery, first)
      if (answer instanceof Promise) answer.then(delivery.onAnswer, delivery.onError)
      else if (isThenable(answer)) Promise.resolve(answer).then(delivery.onAnswer, delivery.onError)
      else this.answered(delivery, answer)
    } catch (error) {
      this.threw(delivery, error)
    }
  }

  #call(delivery: Delivery, first: MessageView): unknown {
    const { listener } = this.#host
    if (listener.kind === 'single') return listener.listen(first, delivery.context)
    return listener.listen(messagesOf(delivery), delivery.context)
  }

  #succeed(delivery: Delivery): void {
    const { queue, firstSequence, count, context } = delivery
    const acknowledgedCount = countUpTo(context.ackIndex, count)
    this.#succeededCount += acknowledgedCount
    for (let i = 0; i < acknowledgedCount; i++) queue.finish(firstSequence + i)
    if (acknowledgedCount === count) return
    this.#fail(delivery, acknowledgedCount, 'It lay behind the ackIndex of its batch.')
  }

  /** Sends the messages from index `from` on back. */
  #fail({ queue, firstSequence, count, context }: Delivery, from: number, reason: string): void {
    const level = context.delayLevelWhenNextConsume
    const delayLevel = Number.isInteger(level) ? level : 0
    this.#failedCount += count - from
    for (let i = from; i < count; i++) this.#host.sendBack(queue, firstSequence + i, delayLevel, reason)
  }

  #expire(delivery: Delivery): void {
    const { queue, firstSequence, count } = delivery
    const text = `A listener of '${this.#host.group}' did not settle within ${this.#host.consumeTimeoutMs} ms.`
    const { messageId } = queue.messageAt(firstSequence)
    this.#timedOutCount += count
    this.#host.onWarning({
      code: 'LISTENER_TIMEOUT',
      message: `${text} Message ${messageId} is retried later.`,
    })
    for (let i = 0; i < count; i++) this.#host.sendBack(queue, firstSequence + i, TIMEOUT_DELAY_LEVEL, text)
    this.#abandon(delivery, new MQError('CONSUME_MSG_TIMEOUT', text))
    this.#pump()
  }

  #release(delivery: Delivery): void {
    delivery.isRunning = false
    this.#free.push(delivery)
    this.#runningCount -= 1
    this.#pump()
  }

  #abandon(delivery: Delivery, reason: MQError): void {
    delivery.isRunning = false
    this.#deliveries.delete(delivery)
    this.#runningCount -= 1
    delivery.context.abort(reason)
  }

  #newDelivery(): Delivery {
    const delivery = new Delivery(this)
    this.#deliveries.add(delivery)
    return delivery
  }
}

/** How many of a batch are acknowledged; none when the index is nonsense. */
function countUpTo(ackIndex: number, count: number): number {
  return ackIndex >= count - 1 ? count : Math.max(0, Math.trunc(ackIndex) + 1 || 0)
}

function messagesOf({ queue, firstSequence, count }: Delivery): readonly MessageView[] {
  return Object.freeze(Array.from({ length: count }, (_, i) => queue.messageAt(firstSequence + i)))
}

function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return (
    typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function'
  )
}
