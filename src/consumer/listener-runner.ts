/**
 * Calls the listener and learns, once for each call, how it ended: what dispatchers of all modes share.
 *
 * Every call costs one context and, if the listener is asynchronous, one `then`. One of a lane has its turn besides, and one
 * of a listener for arrays its array; what else a call needs is used again.
 */
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { DeliveryContext } from './consume-context.ts'
import type { ConsumeHookOutcome } from './consume-hooks.ts'
import { Delivery, type DeliveryEnd } from './delivery.ts'
import { offerCommit } from './delivery-commit.ts'
import type { DeliveryWatch } from './delivery-watch.ts'
import type { DispatcherHost } from './dispatcher.ts'
import { reasonOfAnswer, reasonOfError, reasonOfRefusal } from './failure-reason.ts'
import type { LaneTurn } from './lane.ts'
import { ListenerWatchdog } from './listener-watchdog.ts'
import type { ProcessQueue } from './process-queue.ts'
import type { Readout, TopicValues } from './topic-values.ts'
import type { TurnBudget } from './turn-budget.ts'

const plainThen = Promise.prototype.then

/** A message that the listener must not be called for. */
export interface Refusal {
  /** Its place in the delivery. */
  readonly index: number
  readonly reason: string
  /** Whether its schema refuses it, and always will; otherwise the schema failed, and may not the next time. */
  readonly isFinal: boolean
}

/** What a dispatcher makes of the calls. */
export interface DeliveryOwner {
  /**
   * Parts with these messages, given in order, by its own rules, and lets the delivery keep those that the listener may be called
   * for now; none ends the delivery.
   */
  refuse(delivery: Delivery, refusals: readonly Refusal[]): void
  /** The listener settled; without a reason it succeeded. The delivery is used again afterwards. */
  settled(delivery: Delivery, reason: string | undefined): void
  /** The listener did not settle within `consumeTimeoutMs`. */
  overdue(delivery: Delivery, reason: MQError): void
  /** A call has ended and all that it causes has begun: another one may start. */
  goOn(): void
}

/** Takes up what became of a listener. */
type GoOn = (delivery: Delivery, outcome: unknown) => void

export class ListenerRunner implements DeliveryEnd {
  readonly #host: DispatcherHost
  readonly #owner: DeliveryOwner
  readonly #budget: TurnBudget
  readonly #watchdog: ListenerWatchdog

  // Made once: a delivery without a commit costs no closure.
  readonly #answered: GoOn = (delivery, answer) => this.answered(delivery, answer)
  readonly #threw: GoOn = (delivery, error) => this.threw(delivery, error)
  readonly #expired: GoOn = (delivery) => this.#expire(delivery)

  /** Every delivery in use or free, but for the abandoned. */
  readonly #deliveries = new Set<Delivery>()
  readonly #free: Delivery[] = []
  #runningCount = 0

  constructor(host: DispatcherHost, owner: DeliveryOwner, budget: TurnBudget) {
    this.#host = host
    this.#owner = owner
    this.#budget = budget
    this.#watchdog = new ListenerWatchdog(
      host.clock,
      host.consumeTimeoutMs,
      () => this.#deliveries,
      (delivery) => this.#expire(delivery),
    )
  }

  /** Calls that have not settled, but for the abandoned. */
  get runningCount(): number {
    return this.#runningCount
  }

  /** Calls the listener with messages that were taken from a queue: those from the first on, or those of a lane's turn. */
  run(queue: ProcessQueue, firstSequence: number, count: number, turn?: LaneTurn): void {
    const first = queue.messageAt(firstSequence)
    const delivery = this.#free.pop() ?? this.#newDelivery()
    const context = new DeliveryContext(queue.queue, first)
    delivery.start(queue, firstSequence, count, context, this.#budget.nowMs, turn)
    this.#runningCount += 1
    this.#watchdog.onStarted()
    const { values } = this.#host
    if (values === undefined) this.#deliver(delivery)
    else this.#read(delivery, values)
  }

  #deliver(delivery: Delivery, messages?: readonly MessageView[]): void {
    const { inbox, group } = this.#host
    if (inbox !== undefined) offerCommit(inbox, group, delivery, messagesOf(delivery))
    try {
      const answer = this.#host.watch?.isOn
        ? this.#callWatched(this.#host.watch, delivery, messages)
        : this.#call(delivery, messages)
      if (isPlainPromise(answer)) answer.then(delivery.onAnswer, delivery.onError)
      else if (isThenable(answer)) settledOnce(answer).then(delivery.onAnswer, delivery.onError)
      else this.answered(delivery, answer)
    } catch (error) {
      this.threw(delivery, error)
    }
  }

  answered(delivery: Delivery, answer: unknown): void {
    if (!delivery.isRunning || this.#waitsForCommit(delivery, this.#answered, answer)) return
    const { committing } = delivery.context
    if (delivery.isCommitted) {
      this.#endCommitted(delivery)
      return
    }
    // A listener that commits acknowledges by that alone, also where it does not look how that ends.
    const reason = committing?.error === undefined ? reasonOfAnswer(answer) : reasonOfError(committing.error)
    this.#end(delivery, reason === undefined ? 'SUCCESS' : 'FAILED', reason)
  }

  threw(delivery: Delivery, error: unknown): void {
    if (!delivery.isRunning || this.#waitsForCommit(delivery, this.#threw, error)) return
    if (delivery.isCommitted) {
      this.#tellOfLateError(delivery, error)
      this.#endCommitted(delivery)
    } else {
      this.#end(delivery, 'EXCEPTION', reasonOfError(error))
    }
  }

  /** Lets the answer of a delivery count no more. */
  abandon(delivery: Delivery, reason: MQError): void {
    if (delivery.isCommitted) this.#stopCounting(delivery, 'SUCCESS', undefined)
    else this.#stopCounting(delivery, 'TIME_OUT', reason.message)
    this.#deliveries.delete(delivery)
    delivery.context.abort(reason)
  }

  abandonAll(reason: MQError): void {
    this.#watchdog.stop()
    for (const delivery of this.#deliveries) if (delivery.isRunning) this.abandon(delivery, reason)
  }

  #tellOfLateError({ queue, firstSequence }: Delivery, cause: unknown): void {
    const { messageId } = queue.messageAt(firstSequence)
    const text = `A listener of '${this.#host.group}' threw behind its commit; message ${messageId} is done all the same. ${reasonOfError(cause)}`
    this.#host.onError(new MQError(MQError.from(cause).code, text, { cause }))
  }

  /** Every message of the call is done, whatever else the listener says. */
  #endCommitted(delivery: Delivery): void {
    delivery.context.ackIndex = Number.MAX_SAFE_INTEGER
    this.#end(delivery, 'SUCCESS', undefined)
  }

  #end(delivery: Delivery, status: ConsumeHookOutcome['status'], reason: string | undefined): void {
    const isTimeOut = delivery.isOverdue && !delivery.isCommitted
    this.#stopCounting(delivery, isTimeOut ? 'TIME_OUT' : status, reason)
    this.#owner.settled(delivery, reason)
    this.#free.push(delivery)
    this.#owner.goOn()
  }

  #stopCounting(delivery: Delivery, status: ConsumeHookOutcome['status'], reason: string | undefined): void {
    const durationMs = Math.max(0, this.#budget.readMs() - delivery.startedMs)
    delivery.isRunning = false
    this.#runningCount -= 1
    this.#host.counts.consumeDurationMs += durationMs
    const { watched } = delivery
    if (watched !== undefined) this.#host.watch?.after(watched, { status, reason, durationMs })
  }

  /** What a commit that is under way does comes first. */
  #waitsForCommit(delivery: Delivery, goOn: GoOn, outcome: unknown): boolean {
    const underWay = delivery.context.committing?.underWay
    if (underWay === undefined) return false
    goOnBehind(underWay, delivery, goOn, outcome)
    return true
  }

  #expire(delivery: Delivery): void {
    if (delivery.isOverdue || this.#waitsForCommit(delivery, this.#expired, undefined)) return
    const { group, consumeTimeoutMs, counts } = this.#host
    const text = `A listener of '${group}' did not settle within ${consumeTimeoutMs} ms.`
    counts.timedOutCount += delivery.count
    this.#owner.overdue(delivery, new MQError('CONSUME_MSG_TIMEOUT', text))
  }

  #call(delivery: Delivery, messages?: readonly MessageView[]): unknown {
    const { listener } = this.#host
    const { context, queue, firstSequence } = delivery
    if (listener.kind === 'single')
      return listener.listen(messages?.[0] ?? queue.messageAt(firstSequence), context)
    return listener.listen(messages ?? messagesOf(delivery), context)
  }

  #callWatched(watch: DeliveryWatch, delivery: Delivery, messages = messagesOf(delivery)): unknown {
    const watched = watch.before(delivery.queue.queue, messages)
    delivery.watched = watched
    return watch.call(watched, () => this.#call(delivery, messages))
  }

  /** Reads the values first. The time that this takes is time of the listener. */
  #read(delivery: Delivery, values: TopicValues): void {
    const readouts = values.readAll(messagesOf(delivery))
    if (readouts instanceof Promise) void readouts.then((late) => this.#deliverRead(delivery, late))
    else this.#deliverRead(delivery, readouts)
  }

  #deliverRead(delivery: Delivery, readouts: readonly Readout[]): void {
    if (!delivery.isRunning) return
    if (delivery.isOverdue) {
      this.threw(
        delivery,
        new MQError('CONSUME_MSG_TIMEOUT', 'The schema took longer than consumeTimeoutMs.'),
      )
      return
    }
    const refusals = readouts.flatMap(toRefusal)
    if (refusals.length > 0) this.#owner.refuse(delivery, refusals)
    if (delivery.count > 0) {
      const messages = readouts.flatMap(({ message }) => message ?? [])
      this.#deliver(delivery, Object.freeze(messages.slice(0, delivery.count)))
      return
    }
    this.#stopCounting(delivery, 'FAILED', undefined)
    this.#free.push(delivery)
    this.#owner.goOn()
  }

  #newDelivery(): Delivery {
    const delivery = new Delivery(this)
    this.#deliveries.add(delivery)
    return delivery
  }
}

/** How many of a batch its listener acknowledged; none when the index is nonsense. */
export function acknowledgedCount({ context: { ackIndex }, count }: Delivery): number {
  if (typeof ackIndex !== 'number') return 0
  return ackIndex >= count - 1 ? count : Math.max(0, Math.trunc(ackIndex) + 1 || 0)
}

function toRefusal({ refusal }: Readout, index: number): readonly Refusal[] {
  if (refusal === undefined) return []
  return [{ index, reason: reasonOfRefusal(refusal), isFinal: refusal.issues !== undefined }]
}

/** The delay level that a listener wishes for; 0 when it says nothing, or nonsense. */
export function wishedDelayLevel({ delayLevelWhenNextConsume: level }: DeliveryContext): number {
  return Number.isInteger(level) ? level : 0
}

function messagesOf(delivery: Delivery): readonly MessageView[] {
  const { queue, count } = delivery
  return Object.freeze(Array.from({ length: count }, (_, i) => queue.messageAt(delivery.sequenceAt(i))))
}

/** One whose `then` is the application's own may call its handlers twice, when the delivery is another one already. */
function isPlainPromise(answer: unknown): answer is Promise<unknown> {
  return answer instanceof Promise && answer.then === plainThen
}

function settledOnce(answer: PromiseLike<unknown>): Promise<unknown> {
  return new Promise((resolve) => resolve(answer))
}

function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return (
    typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function'
  )
}

/** Unless the delivery has ended meanwhile. */
function goOnBehind(underWay: Promise<unknown>, delivery: Delivery, goOn: GoOn, outcome: unknown): void {
  const { context } = delivery
  void underWay.then(() => {
    if (delivery.context === context && delivery.isRunning) goOn(delivery, outcome)
  })
}
