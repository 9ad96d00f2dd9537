/** A message as a consumer gives it, where that differs from what is stored: all else is that of the message within. */
import type { MessageView } from '../model/message.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { Reply, ReplyReceipt } from '../model/reply.ts'

/** How `console.log` asks an object what to show. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom')

export abstract class WrappedMessage implements MessageView {
  readonly #inner: MessageView

  protected constructor(inner: MessageView) {
    this.#inner = inner
  }

  /** The message within. */
  protected static innerOf(message: WrappedMessage): MessageView {
    return message.#inner
  }

  get messageId(): string {
    return this.#inner.messageId
  }

  get offsetMessageId(): string {
    return this.#inner.offsetMessageId
  }

  get topic(): string {
    return this.#inner.topic
  }

  get tag(): string | undefined {
    return this.#inner.tag
  }

  get keys(): readonly string[] {
    return this.#inner.keys
  }

  get messageGroup(): string | undefined {
    return this.#inner.messageGroup
  }

  get delayTimeLevel(): number | undefined {
    return this.#inner.delayTimeLevel
  }

  get deliveryTimestamp(): number | undefined {
    return this.#inner.deliveryTimestamp
  }

  get priority(): number | undefined {
    return this.#inner.priority
  }

  get body(): Buffer {
    return this.#inner.body
  }

  get properties(): Readonly<Record<string, string>> {
    return this.#inner.properties
  }

  get queue(): MessageQueue {
    return this.#inner.queue
  }

  get queueOffset(): number {
    return this.#inner.queueOffset
  }

  get bornTimestamp(): number {
    return this.#inner.bornTimestamp
  }

  get storeTimestamp(): number {
    return this.#inner.storeTimestamp
  }

  get storeSize(): number {
    return this.#inner.storeSize
  }

  get reconsumeTimes(): number {
    return this.#inner.reconsumeTimes
  }

  get deliveryAttempt(): number {
    return this.#inner.deliveryAttempt
  }

  get isRequest(): boolean {
    return this.#inner.isRequest
  }

  text(): string {
    return this.#inner.text()
  }

  json<T = unknown>(): T {
    return this.#inner.json<T>()
  }

  reply(reply: string | Uint8Array | Reply): Promise<ReplyReceipt> {
    return this.#inner.reply(reply)
  }

  /** What `JSON.stringify` writes. */
  toJSON(): object {
    return asPlain(this.#inner, 'toJSON')
  }

  /** What `console.log` and test runners show. */
  [INSPECT](): object {
    return asPlain(this.#inner, INSPECT)
  }
}

/** What the message within shows of itself, if it knows how to. */
function asPlain(inner: MessageView, method: string | symbol): object {
  const show: unknown = Reflect.get(inner, method)
  return typeof show === 'function' ? show.call(inner) : {}
}
