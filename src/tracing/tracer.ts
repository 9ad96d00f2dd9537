/**
 * Tells what happens to the messages of one instance: on the channels of the process, and to the observers of the instance. Each question
 * whether anybody listens is a few field reads.
 */
import type { Clock } from '../model/clock.ts'
import type { SendReceipt } from '../model/results.ts'
import type {
  DeliveryTrace,
  EndTransactionTrace,
  RecallTrace,
  ReceiveTrace,
  SendTrace,
  SettleTrace,
  Tracing,
} from '../model/tracing.ts'
import {
  deliverChannel,
  endTransactionChannel,
  recallChannel,
  receiveChannel,
  sendChannel,
  settleChannel,
} from './channels.ts'
import type { TraceObserver } from './observer.ts'

export class Tracer implements Tracing {
  readonly #clock: Clock
  readonly #observers = new Set<TraceObserver>()
  /** Who was told of the begin of a delivery: the same are told of its end. */
  readonly #delivering = new WeakMap<DeliveryTrace, readonly TraceObserver[]>()
  /** Sends under way that observers have not been told the end of. */
  readonly #sending = new Set<Promise<unknown>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get watchesSends(): boolean {
    return (
      this.#observers.size > 0 ||
      sendChannel.hasSubscribers ||
      endTransactionChannel.hasSubscribers ||
      recallChannel.hasSubscribers
    )
  }

  get watchesDeliveries(): boolean {
    return this.#observers.size > 0 || deliverChannel.hasSubscribers
  }

  get watchesReceipts(): boolean {
    return this.#observers.size > 0 || receiveChannel.hasSubscribers || settleChannel.hasSubscribers
  }

  /** Tells it everything from now on, until the returned function is called. */
  observe(observer: TraceObserver): () => void {
    this.#observers.add(observer)
    return () => void this.#observers.delete(observer)
  }

  carry(setProperty: SendTrace['setProperty']): void {
    for (const observer of this.#observers) observer.carry?.(setProperty)
  }

  send<T extends SendReceipt>(trace: SendTrace, send: () => Promise<T>): Promise<T> {
    const startedMs = this.#clock.monotonicMs()
    const observers = [...this.#observers]
    const note = (): void => {
      trace.durationMs = Math.max(0, this.#clock.monotonicMs() - startedMs)
    }
    const innermost = (): Promise<T> =>
      send().then(
        (result) => {
          note()
          trace.result = result
          for (const observer of observers) observer.sent?.(trace)
          return result
        },
        (error: unknown) => {
          note()
          trace.error = error
          for (const observer of observers) observer.sent?.(trace)
          throw error
        },
      )
    const observed = observers.reduce<() => Promise<T>>(
      (next, observer) => () => observer.aroundSend?.(trace, next) ?? next(),
      innermost,
    )
    const sending = sendChannel.hasSubscribers ? sendChannel.tracePromise(observed, trace) : observed()
    const ended = sending.then(ignore, ignore).finally(() => this.#sending.delete(ended))
    this.#sending.add(ended)
    return sending
  }

  /** Resolves when the sends that are under way have ended. */
  async sendsEnded(): Promise<void> {
    await Promise.all(this.#sending)
  }

  deliver<T>(trace: DeliveryTrace, call: () => T): T {
    const observers = [...this.#observers]
    this.#delivering.set(trace, observers)
    const observed = observers.reduce<() => T>((next, observer) => {
      const { aroundDelivery } = observer
      return aroundDelivery === undefined ? next : () => aroundDelivery.call(observer, trace, next) as T
    }, call)
    if (!deliverChannel.hasSubscribers) return observed()
    try {
      return deliverChannel.start.runStores(trace, observed)
    } finally {
      deliverChannel.end.publish(trace)
    }
  }

  delivered(trace: DeliveryTrace): void {
    for (const observer of this.#delivering.get(trace) ?? []) observer.delivered?.(trace)
    if (!deliverChannel.hasSubscribers) return
    if (trace.error !== undefined) deliverChannel.error.publish(trace)
    deliverChannel.asyncStart.publish(trace)
    deliverChannel.asyncEnd.publish(trace)
  }

  received(trace: ReceiveTrace): void {
    for (const observer of this.#observers) observer.received?.(trace)
    if (receiveChannel.hasSubscribers) receiveChannel.publish(trace)
  }

  settled(trace: SettleTrace): void {
    for (const observer of this.#observers) observer.settled?.(trace)
    if (settleChannel.hasSubscribers) settleChannel.publish(trace)
  }

  transactionEnded(trace: EndTransactionTrace): void {
    for (const observer of this.#observers) observer.transactionEnded?.(trace)
    if (endTransactionChannel.hasSubscribers) endTransactionChannel.publish(trace)
  }

  recalled(trace: RecallTrace): void {
    for (const observer of this.#observers) observer.recalled?.(trace)
    if (recallChannel.hasSubscribers) recallChannel.publish(trace)
  }
}

function ignore(): void {}
