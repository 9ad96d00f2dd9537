/** A message that a simple consumer received, with the right to settle its delivery. */
import type { PoppedMessage, PopReceipt } from '../model/engine.ts'
import { invalidParameter } from '../model/errors.ts'
import { AttemptedMessage } from './attempted-message.ts'

/**
 * What `receive` of a simple consumer answers: a message that is this receiver's until {@link nextVisibleTimestamp}. Hand it
 * to `ack`, `nack` or `changeInvisibleDuration` of any consumer of the group.
 */
export class ReceivedMessage extends AttemptedMessage {
  #receipt: PopReceipt

  constructor(popped: PoppedMessage) {
    super(popped.message, popped.deliveryAttempt - 1)
    this.#receipt = popped
  }

  /** The handle of a received message; throws `INVALID_PARAMETER` for anything else. */
  static handleOf(message: unknown): string {
    if (typeof message === 'object' && message !== null && #receipt in message)
      return message.#receipt.receiptHandle
    throw invalidParameter('Give a message that receive() of a simple consumer answered.')
  }

  /** The delivery goes on under another handle. */
  static renew(message: ReceivedMessage, receipt: PopReceipt): void {
    message.#receipt = receipt
  }

  /** The delivery is over for whoever has the message: the handle that it keeps is void. */
  static release(message: ReceivedMessage, { nextVisibleTimestamp }: PopReceipt): void {
    message.#receipt = { ...message.#receipt, nextVisibleTimestamp }
  }

  /** Until when nobody else gets it, in milliseconds since 1970. It changes with the invisible duration. */
  get nextVisibleTimestamp(): number {
    return this.#receipt.nextVisibleTimestamp
  }

  override toJSON(): object {
    return { ...super.toJSON(), nextVisibleTimestamp: this.nextVisibleTimestamp }
  }
}
