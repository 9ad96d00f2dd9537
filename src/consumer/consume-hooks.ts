/** Hooks around the listener (RocketMQ `ConsumeMessageHook`): for tracing and measuring. They watch and cannot change anything. */
import { callHook } from '../model/call-hook.ts'
import type { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'

/** What a hook is told before a call of the listener (RocketMQ `ConsumeMessageContext`). */
export interface ConsumeHookContext {
  readonly group: string
  readonly clientId: string
  /** The queue that the messages lie in; for retries, a queue of the retry topic. */
  readonly queue: MessageQueue
  /** What the listener gets: one message, or those of a batch. */
  readonly messages: readonly MessageView[]
}

/** How a call of the listener ended (RocketMQ `ConsumeReturnType`). */
export interface ConsumeHookOutcome {
  /**
   * - `SUCCESS`: it succeeded, or it had committed (`context.commit`), whatever it did then.
   * - `FAILED`: it answered a failure, or something that is no answer.
   * - `EXCEPTION`: it threw or rejected.
   * - `TIME_OUT`: it took longer than `consumeTimeoutMs`, or than the closing consumer waited.
   */
  readonly status: 'SUCCESS' | 'FAILED' | 'EXCEPTION' | 'TIME_OUT'
  /** Why it failed, in words; absent when it succeeded. */
  readonly reason?: string | undefined
  /** How long it ran, in milliseconds. */
  readonly durationMs: number
}

/**
 * Is called around every call of the listener. For each `before` there is one `after`, with the same context object, so
 * that a `WeakMap` can carry something from one to the other. What a hook throws is
 * ignored, but for an `error` event.
 */
export interface ConsumeHook {
  /** How errors name it. Default `'hook'`. */
  readonly name?: string | undefined
  /** The listener is about to be called. */
  before?(context: ConsumeHookContext): void
  /** The listener has settled, or its answer no longer counts. */
  after?(context: ConsumeHookContext, outcome: ConsumeHookOutcome): void
}

export interface ConsumeHookHost {
  readonly group: string
  readonly clientId: string
  onError(error: MQError): void
}

export class ConsumeHookRunner {
  readonly #hooks: readonly ConsumeHook[]
  readonly #host: ConsumeHookHost

  constructor(hooks: readonly ConsumeHook[], host: ConsumeHookHost) {
    this.#hooks = hooks
    this.#host = host
  }

  get hasHooks(): boolean {
    return this.#hooks.length > 0
  }

  before(queue: MessageQueue, messages: readonly MessageView[]): ConsumeHookContext {
    const { group, clientId } = this.#host
    const context = Object.freeze({ group, clientId, queue, messages })
    for (const hook of this.#hooks) this.#run(hook, () => hook.before?.(context))
    return context
  }

  after(context: ConsumeHookContext, outcome: ConsumeHookOutcome): void {
    const told = Object.freeze(outcome)
    for (const hook of this.#hooks) this.#run(hook, () => hook.after?.(context, told))
  }

  #run(hook: ConsumeHook, call: () => unknown): void {
    const onError = (error: MQError): void => this.#host.onError(error)
    callHook(hook, call, { kind: 'consume', group: this.#host.group, onError })
  }
}
