/** Everybody who is told of each call of a listener: the hooks of the consumer, and whoever traces messages. */
import type { Clock } from '../model/clock.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { DeliveryTrace, TracedClient, Tracing } from '../model/tracing.ts'
import type { ConsumeHookContext, ConsumeHookOutcome, ConsumeHookRunner } from './consume-hooks.ts'

/** One call that somebody watches. */
export interface WatchedCall {
  readonly hookContext: ConsumeHookContext | undefined
  /** Absent when nobody traced at its begin. */
  readonly trace: DeliveryTrace | undefined
}

export interface DeliveryWatchHost extends TracedClient {
  readonly clock: Clock
  readonly hooks: ConsumeHookRunner
  readonly tracing: Tracing | undefined
}

export class DeliveryWatch {
  readonly #host: DeliveryWatchHost

  constructor(host: DeliveryWatchHost) {
    this.#host = host
  }

  /** Whether anybody wants to know: otherwise nothing is done for a call. */
  get isOn(): boolean {
    const { hooks, tracing } = this.#host
    return hooks.hasHooks || (tracing?.watchesDeliveries ?? false)
  }

  before(queue: MessageQueue, messages: readonly MessageView[]): WatchedCall {
    const { hooks, tracing, clock, group, clientId } = this.#host
    const hookContext = hooks.hasHooks ? hooks.before(queue, messages) : undefined
    if (tracing === undefined || !tracing.watchesDeliveries) return { hookContext, trace: undefined }
    return { hookContext, trace: { group, clientId, queue, messages, timestamp: clock.now() } }
  }

  /** Calls the listener; whoever traces stands around it. */
  call(watched: WatchedCall, call: () => unknown): unknown {
    const { tracing } = this.#host
    return watched.trace === undefined || tracing === undefined
      ? call()
      : tracing.deliver(watched.trace, call)
  }

  after({ hookContext, trace }: WatchedCall, outcome: ConsumeHookOutcome): void {
    const { hooks, tracing } = this.#host
    if (hookContext !== undefined) hooks.after(hookContext, outcome)
    if (trace === undefined) return
    const { status, durationMs, reason } = outcome
    trace.status = status
    trace.durationMs = durationMs
    if (status !== 'SUCCESS') trace.error = reason ?? status
    tracing?.delivered(trace)
  }
}
