/** Hooks around a send (RocketMQ `SendMessageHook`): for tracing and measuring. They watch and cannot change anything. */
import { callHook } from '../model/call-hook.ts'
import type { Clock } from '../model/clock.ts'
import type { SendRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { SendReceipt } from '../model/results.ts'
import { SentMessage } from './sent-message.ts'

/** What kind of send it is (RocketMQ `MessageType`). */
export type SendKind = 'NORMAL' | 'DELAY' | 'TRANSACTION'

/** What a hook is told before a send (RocketMQ `SendMessageContext`). */
export interface SendHookContext {
  readonly group: string
  readonly clientId: string
  /** The queue that was chosen. A repeated send finds its message where the first one was stored: `receipt.queue`. */
  readonly queue: MessageQueue
  /** `DELAY` for what has a level or a time, `TRANSACTION` for the half of a transaction. */
  readonly kind: SendKind
  /** The message, or those of a batch. */
  readonly messages: readonly SentMessage[]
}

/** How a send ended: it has either a receipt or an error. */
export interface SendHookOutcome {
  /** The proof that it is stored; with `isDuplicate` it was before, and this send stored nothing. */
  readonly receipt?: SendReceipt | undefined
  /** Why it is not, or why nobody knows: `error.outcome` tells. */
  readonly error?: MQError | undefined
  /** From the call of the engine to its answer, in milliseconds. */
  readonly durationMs: number
}

/**
 * Is called around every attempt to store what a producer sends. For each `before` there is one `after`, with the same context object, so that
 * a `WeakMap` can carry something from one to the other. What a hook throws becomes an `error` event, and no send waits for one.
 *
 * What is refused before a queue is chosen, such as an illegal message, reaches no hook.
 *
 * @example
 * ```ts
 * import { PocketMQ } from 'pocketmq'
 * const mq = await PocketMQ.open({ storage: 'memory' })
 * const producer = await mq.createProducer({
 *   group: 'order-service',
 *   sendHooks: [
 *     {
 *       name: 'timing',
 *       after: ({ queue, messages }, { error, durationMs }) =>
 *         console.log(queue.topic, messages.length, durationMs, error?.code ?? 'stored'),
 *     },
 *   ],
 * })
 * await producer.send({ topic: 'orders', body: 'hello' })
 * ```
 */
export interface SendHook {
  /** How errors name it. Default `'hook'`. */
  readonly name?: string | undefined
  /** The send is about to reach the engine. */
  before?(context: SendHookContext): void
  /** It is stored, or has failed. */
  after?(context: SendHookContext, outcome: SendHookOutcome): void
}

/** Whose sends they watch. */
export interface SendHookHost {
  readonly group: string
  readonly clientId: string
  readonly clock: Clock
  onError(error: MQError): void
}

export class SendHookRunner {
  readonly #hooks: readonly SendHook[]
  readonly #host: SendHookHost

  constructor(hooks: readonly SendHook[], host: SendHookHost) {
    this.#hooks = hooks
    this.#host = host
  }

  /** Tells of this send, before and after. What comes back is the engine's own promise. */
  around<Receipt extends SendReceipt>(
    kind: SendKind,
    request: SendRequest,
    send: () => Promise<Receipt>,
  ): Promise<Receipt> {
    const { clock } = this.#host
    const context = this.#contextOf(kind, request)
    for (const hook of this.#hooks) this.#run(hook, () => hook.before?.(context))
    const startedMs = clock.monotonicMs()
    const durationMs = (): number => Math.max(0, clock.monotonicMs() - startedMs)
    const sending = send()
    sending.then(
      (receipt) => this.#after(context, { receipt, durationMs: durationMs() }),
      (error: unknown) => this.#after(context, { error: MQError.from(error), durationMs: durationMs() }),
    )
    return sending
  }

  #contextOf(kind: SendKind, { queue, messages }: SendRequest): SendHookContext {
    const { group, clientId } = this.#host
    const list = 'topic' in messages ? [messages] : messages
    const sent = Object.freeze(list.map((message) => new SentMessage(message)))
    return Object.freeze({ group, clientId, queue, kind, messages: sent })
  }

  #after(context: SendHookContext, outcome: SendHookOutcome): void {
    const told = Object.freeze(outcome)
    for (const hook of this.#hooks) this.#run(hook, () => hook.after?.(context, told))
  }

  #run(hook: SendHook, call: () => unknown): void {
    const onError = (error: MQError): void => this.#host.onError(error)
    callHook(hook, call, { kind: 'send', group: this.#host.group, onError })
  }
}
