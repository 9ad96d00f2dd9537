/** A message that failed and stays where it is: the stored record cannot count its attempts, so this view of it does. */
import type { MessageView } from '../model/message.ts'
import { INSPECT, WrappedMessage } from './wrapped-message.ts'

export class AttemptedMessage extends WrappedMessage {
  readonly #reconsumeTimes: number
  readonly #recalledMs: number | undefined

  protected constructor(stored: MessageView, reconsumeTimes: number, recalledMs?: number) {
    super(stored)
    this.#reconsumeTimes = reconsumeTimes
    this.#recalledMs = recalledMs
  }

  /** The message with this many failed attempts; `recalledMs`: when the store was asked for them, in monotonic time. */
  static of(message: MessageView, reconsumeTimes: number, recalledMs?: number): AttemptedMessage {
    const stored = message instanceof AttemptedMessage ? WrappedMessage.innerOf(message) : message
    return new AttemptedMessage(stored, reconsumeTimes, recalledMs)
  }

  /** The message with one more failed attempt. */
  static failed(message: MessageView): AttemptedMessage {
    return AttemptedMessage.of(message, message.reconsumeTimes + 1)
  }

  /** When its attempts were learnt from the store; `undefined` when it has not failed, or has failed here since. */
  static recalledMs(message: MessageView): number | undefined {
    return message instanceof AttemptedMessage ? message.#recalledMs : undefined
  }

  override get reconsumeTimes(): number {
    return this.#reconsumeTimes
  }

  override get deliveryAttempt(): number {
    return this.#reconsumeTimes + 1
  }

  override toJSON(): object {
    const { reconsumeTimes, deliveryAttempt } = this
    return { ...super.toJSON(), reconsumeTimes, deliveryAttempt }
  }

  override [INSPECT](): object {
    return { ...super[INSPECT](), reconsumeTimes: this.reconsumeTimes }
  }
}
