/**
 * Failed messages of a consumer that keeps the order: they stay where they are until they have had all their attempts.
 *
 * A group remembers in the engine how often the message failed that a queue waits for, or a message group in it, so that
 * neither a hand-over nor a restart begins to count anew (RocketMQ keeps that in the memory of the client). So does a
 * broadcasting member that comes back under its name.
 */
import { GIVE_UP_LEVEL } from '../model/delay-levels.ts'
import type { MessageView } from '../model/message.ts'
import { dropMessage } from './drop-message.ts'
import { type AttemptsHost, storeAttempts, tellOfRetries } from './remember-attempts.ts'

export class InPlaceFailures {
  readonly #host: AttemptsHost

  constructor(host: AttemptsHost) {
    this.#host = host
  }

  /** Whether a message that has just failed has had all its attempts. */
  isSpent(message: MessageView): boolean {
    return message.reconsumeTimes >= this.#host.maxReconsumeTimes
  }

  /** Parts with a message for good: a dead letter of the group, or dropped by a broadcasting member. Resolves when that is stored. */
  async giveUp(message: MessageView, reason: string): Promise<void> {
    const { engine, group, messageModel, maxReconsumeTimes } = this.#host
    if (messageModel === 'broadcasting') dropMessage(this.#host, message, reason)
    else
      await engine.sendMessageBack({ group, message, delayLevel: GIVE_UP_LEVEL, maxReconsumeTimes, reason })
  }

  /** These messages failed once more, which they say themselves, and are delivered again, in order. */
  async remember(messages: readonly MessageView[], dueTimestamp: number, reason: string): Promise<void> {
    tellOfRetries(this.#host, messages, dueTimestamp, reason)
    const [head] = messages
    if (head !== undefined) await storeAttempts(this.#host, head)
  }
}
