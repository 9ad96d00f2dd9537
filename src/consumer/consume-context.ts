/**
 * What a listener is told about a delivery besides the message, and what it may say (RocketMQ `ConsumeConcurrentlyContext`
 * and `ConsumeOrderlyContext`).
 */
import type { ChainedBatch } from '../model/chained-batch.ts'
import type { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { commitImpossible, type DeliveryCommit } from './delivery-commit.ts'

/** One delivery: one call of the listener. */
export interface ConsumeContext {
  /** The queue that the message lies in; for a retry, a queue of the retry topic. */
  readonly queue: MessageQueue
  /** 1 at the first delivery, one more at each retry; of a batch, that of its first message. */
  readonly deliveryAttempt: number
  /**
   * Fires with an `MQError` when the listener has had its time: after `consumeTimeoutMs`, or when the consumer closes and
   * its `closeTimeoutMs` is over. Then the result no longer counts; only in orderly mode does it still count after
   * `consumeTimeoutMs`, since the queue waits for the listener, however long it takes.
   */
  readonly signal: AbortSignal
  /**
   * When to deliver again after a failure: 0, the default, by the number of earlier retries; 1 to 18 that delay level, more the last;
   * -1 gives the message up at once: a dead letter, or dropped if the consumer is broadcasting. Orderly and broadcasting
   * consumers deliver again in place, after a time of their own, so that only -1 means something to them.
   */
  delayLevelWhenNextConsume: number
  /** For batches: the index of the last message that succeeded. Messages behind it failed. Default: all succeeded. */
  ackIndex: number
  /**
   * In orderly mode: how long the queue rests after a failure, 10 to 30,000 milliseconds. Default -1: the consumer's
   * `suspendCurrentQueueTimeMs` (RocketMQ `ConsumeOrderlyContext#suspendCurrentQueueTimeMillis`).
   */
  suspendCurrentQueueTimeMs: number
  /**
   * Writes a chained batch of your own database, and with it that the message is done, for batches every message of it: both or neither,
   * so that what the batch does is done once, also across crashes. When it has resolved, the message is done whatever the listener
   * answers; when it has rejected, the attempt has failed whatever it answers. `options` go to the `write` of the batch; with `{ sync: true }` it outlives a power cut.
   *
   * Rejects, with nothing written, with `INVALID_PARAMETER` without the `database` of `PocketMQ.open`, when broadcasting, and for a batch
   * of another database or one that was written or closed before; with `ILLEGAL_OPERATION` when the message is done already or somebody
   * else's by now; with `CONSUME_MSG_TIMEOUT` or `CLOSED` when the listener has had its time. Rejects with `BATCH_FAILED` when your
   * database does.
   */
  commit(batch: ChainedBatch, options?: object): Promise<void>
}

/** How far the listener that was given this context has committed; absent where it cannot. */
export function commitOf(context: ConsumeContext): DeliveryCommit | undefined {
  return 'committing' in context ? (context.committing as DeliveryCommit | undefined) : undefined
}

/** The context of one delivery. Its signal costs something, so it is made when the listener first asks for it. */
export class DeliveryContext implements ConsumeContext {
  readonly queue: MessageQueue
  delayLevelWhenNextConsume = 0
  ackIndex: number = Number.MAX_SAFE_INTEGER
  suspendCurrentQueueTimeMs = -1
  readonly #first: MessageView
  /** Set where acknowledgements can be written together with state. */
  committing: DeliveryCommit | undefined
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

  /** Why the listener had its time, if it had. */
  get abortReason(): MQError | undefined {
    return this.#reason
  }

  /** Whether the messages are done by a commit. */
  get isCommitted(): boolean {
    return this.committing?.isDone === true
  }

  commit(batch: ChainedBatch, options?: object): Promise<void> {
    return this.committing?.commit(batch, options) ?? Promise.reject(commitImpossible())
  }

  /** The result no longer counts. */
  abort(reason: MQError): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
