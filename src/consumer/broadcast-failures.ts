/**
 * Failed messages of a broadcasting member. A retry topic would bring them to all members, so there is none: a message
 * is dropped, as in RocketMQ, or stays where it is and is delivered again to this member alone.
 */
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import { AttemptedMessage } from './attempted-message.ts'
import { dropMessage } from './drop-message.ts'
import type { FailureTaker } from './failure-taker.ts'
import type { ProcessQueue } from './process-queue.ts'
import { REDELIVERY_DELAY_MS, Redeliveries, type Redelivery } from './redeliveries.ts'
import { type AttemptsHost, storeAttempts, tellOfRetries } from './remember-attempts.ts'

export interface BroadcastFailuresHost extends AttemptsHost {
  redeliver(due: readonly Redelivery[]): void
  onError(error: MQError): void
}

export class BroadcastFailures implements FailureTaker {
  readonly fate: string
  readonly #host: BroadcastFailuresHost
  readonly #redeliveries: Redeliveries

  constructor(host: BroadcastFailuresHost) {
    this.#host = host
    this.fate = host.maxReconsumeTimes === 0 ? 'is dropped' : 'is delivered again later'
    this.#redeliveries = new Redeliveries(host.engine.clock, (due) => host.redeliver(due))
  }

  /** Delay levels belong to the retry topic; only -1, the wish for no further attempt, means something here. */
  fail(queue: ProcessQueue, sequence: number, delayLevel: number, reason: string): void {
    const { maxReconsumeTimes } = this.#host
    const message = queue.messageAt(sequence)
    const isSpent = message.reconsumeTimes >= maxReconsumeTimes || delayLevel < 0
    if (isSpent || queue.isDiscarded) {
      if (!queue.isDiscarded) dropMessage(this.#host, message, reason)
      queue.finish(sequence)
      return
    }
    const failed = AttemptedMessage.failed(message)
    const dueTimestamp = this.#host.engine.clock.now() + REDELIVERY_DELAY_MS
    tellOfRetries(this.#host, [failed], dueTimestamp, reason)
    queue.replace(sequence, failed)
    void this.#setAside(queue, sequence, failed)
  }

  /** The message is under way until its attempts are stored: whoever continues under the name of this member relies on it. */
  async #setAside(queue: ProcessQueue, sequence: number, failed: MessageView): Promise<void> {
    try {
      await storeAttempts(this.#host, failed)
    } catch (error) {
      this.#host.onError(MQError.from(error))
    }
    this.#redeliveries.add(queue, sequence)
  }

  /** A restart is no attempt, and does not end a rest: it begins anew, since nobody knows when it began. */
  restsFirst(message: MessageView): boolean {
    const recalledMs = AttemptedMessage.recalledMs(message)
    return (
      recalledMs !== undefined && recalledMs + REDELIVERY_DELAY_MS > this.#host.engine.clock.monotonicMs()
    )
  }

  rest(queue: ProcessQueue, sequence: number): void {
    this.#redeliveries.add(queue, sequence, AttemptedMessage.recalledMs(queue.messageAt(sequence)))
  }

  redeliveryMs(queue: MessageQueue, offset: number): number | undefined {
    return this.#redeliveries.dueMs(queue, offset)
  }

  stop(): void {
    this.#redeliveries.stop()
  }
}
