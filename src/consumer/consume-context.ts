/** What a listener is told about a delivery besides the message, and what it may say (RocketMQ `ConsumeConcurrentlyContext`). */
import type { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'

/** One delivery: one call of the listener. */
export interface ConsumeContext {
  /** The queue that the message lies in; for a retry, a queue of the retry topic. */
  readonly queue: MessageQueue
  /** 1 at the first delivery, one more at each retry; of a batch, that of its first message. */
  readonly deliveryAttempt: number
  /**
   * Fires with an `MQError` when the result no longer counts: after `consumeTimeoutMs`, or when the consumer closes and
   * its `closeTimeoutMs` is over.
   */
  readonly signal: AbortSignal
  /**
   * When to deliver again after a failure: 0, the default, by the number of earlier retries; 1 to 18 that delay level;
   * -1 makes the message a dead letter at once.
   */
  delayLevelWhenNextConsume: number
  /** For batches: the index of the last message that succeeded. Messages behind it are retried. Default: all succeeded. */
  ackIndex: number
}

/** The context of one delivery. Its signal costs something, so it is made when the listener first asks for it. */
export class DeliveryContext implements ConsumeContext {
  readonly queue: MessageQueue
  delayLevelWhenNextConsume = 0
  ackIndex: number = Number.MAX_SAFE_INTEGER
  readonly #first: MessageView
  #controller: AbortController | undefined
  #reason: MQError | undefined

  constructor(queue: MessageQueue, first: MessageView) {
    this.queue = queue
    this.#first = first
  }

  get deliveryAttempt(): number {
    return this.#first.deliveryAttempt
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    return this.#controller.signal
  }

  /** The result no longer counts. */
  abort(reason: MQError): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
