/** A message on its way to the engine, as send hooks see it. */
import { copyOf } from '../model/body-bytes.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { isFieldProperty, PropertyName } from '../model/properties.ts'

/** What a send hook sees of a message. Fields are made when they are first read. */
export class SentMessage {
  readonly #message: OutgoingMessage
  #body: Buffer | undefined

  constructor(message: OutgoingMessage) {
    this.#message = message
  }

  /** The id that it is stored under; known before anything is stored. */
  get messageId(): string {
    return formatMessageId(this.#message.messageId)
  }

  get topic(): string {
    return this.#message.topic
  }

  get tag(): string | undefined {
    return this.#message.tag === '' ? undefined : this.#message.tag
  }

  get keys(): readonly string[] {
    return this.#message.keys === '' ? [] : this.#message.keys.split(' ')
  }

  get messageGroup(): string | undefined {
    return this.#message.properties.find(([name]) => name === PropertyName.MESSAGE_GROUP)?.[1]
  }

  /** User properties, and those that requests and transactions add. */
  get properties(): Readonly<Record<string, string>> {
    const shown = this.#message.properties.filter(([name]) => !isFieldProperty(name))
    return Object.freeze(Object.fromEntries(shown))
  }

  /** A copy of the content. First read it in `before`: behind that the sender may have used its buffer again. */
  get body(): Buffer {
    const { body } = this.#message
    this.#body ??= typeof body === 'string' ? Buffer.from(body) : copyOf(body)
    return this.#body
  }

  /** Bytes of the body. */
  get bodyBytes(): number {
    return this.#message.bodyBytes
  }

  /** When the sender made it, in milliseconds since 1970. */
  get bornTimestamp(): number {
    return this.#message.bornTimestamp
  }
}
