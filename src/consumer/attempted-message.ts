/** A message that failed and stays where it is: the stored record cannot count its attempts, so this view of it does. */
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'

/** How `console.log` asks an object what to show. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

export class AttemptedMessage implements MessageView {
  readonly reconsumeTimes: number
  readonly #stored: MessageView
  readonly #recalledMs: number | undefined

  protected constructor(stored: MessageView, reconsumeTimes: number, recalledMs?: number) {
    this.#stored = stored
    this.reconsumeTimes = reconsumeTimes
    this.#recalledMs = recalledMs
  }

  /** The message with this many failed attempts; `recalledMs`: when the store was asked for them, in monotonic time. */
  static of(message: MessageView, reconsumeTimes: number, recalledMs?: number): AttemptedMessage {
    const stored = message instanceof AttemptedMessage ? message.#stored : message
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

  get deliveryAttempt(): number {
    return this.reconsumeTimes + 1
  }

  get messageId(): string {
    return this.#stored.messageId
  }

  get offsetMessageId(): string {
    return this.#stored.offsetMessageId
  }

  get topic(): string {
    return this.#stored.topic
  }

  get tag(): string | undefined {
    return this.#stored.tag
  }

  get keys(): readonly string[] {
    return this.#stored.keys
  }

  get messageGroup(): string | undefined {
    return this.#stored.messageGroup
  }

  get body(): Buffer {
    return this.#stored.body
  }

  get properties(): Readonly<Record<string, string>> {
    return this.#stored.properties
  }

  get queue(): MessageQueue {
    return this.#stored.queue
  }

  get queueOffset(): number {
    return this.#stored.queueOffset
  }

  get bornTimestamp(): number {
    return this.#stored.bornTimestamp
  }

  get storeTimestamp(): number {
    return this.#stored.storeTimestamp
  }

  get storeSize(): number {
    return this.#stored.storeSize
  }

  text(): string {
    return this.#stored.text()
  }

  json<T = unknown>(): T {
    return this.#stored.json<T>()
  }

  /** What `JSON.stringify` writes. */
  toJSON(): object {
    const { reconsumeTimes, deliveryAttempt } = this
    return { ...asPlain(this.#stored, 'toJSON'), reconsumeTimes, deliveryAttempt }
  }

  /** What `console.log` and test runners show. */
  [INSPECT](): object {
    return { ...asPlain(this.#stored, INSPECT), reconsumeTimes: this.reconsumeTimes }
  }
}

/** What the stored message shows of itself, if it knows how to. */
function asPlain(stored: MessageView, method: string | symbol): object {
  const show: unknown = Reflect.get(stored, method)
  return typeof show === 'function' ? show.call(stored) : {}
}
