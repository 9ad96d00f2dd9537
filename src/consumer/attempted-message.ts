/** A message that failed and stays where it is: the stored record cannot count its attempts, so this view of it does. */
import type { MessageView } from '../model/message.ts'
import { INSPECT, WrappedMessage } from './wrapped-message.ts'

export class AttemptedMessage extends WrappedMessage {
  readonly #reconsumeTimes: number

  protected constructor(stored: MessageView, reconsumeTimes: number) {
    super(stored)
    this.#reconsumeTimes = reconsumeTimes
  }

  /** The message with this many failed attempts. */
  static of(message: MessageView, reconsumeTimes: number): AttemptedMessage {
    return new AttemptedMessage(
      message instanceof AttemptedMessage ? WrappedMessage.innerOf(message) : message,
      reconsumeTimes,
    )
  }

  /** The message with one more failed attempt. */
  static failed(message: MessageView): AttemptedMessage {
    return AttemptedMessage.of(message, message.reconsumeTimes + 1)
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
