/** A send as it is told to whoever traces messages, who may let something travel with it. */
import type { SendRequest } from '../model/engine.ts'
import { MESSAGE_MAX_BYTES } from '../model/limits.ts'
import { type OutgoingMessage, withProperty } from '../model/outgoing-message.ts'
import { PropertyName } from '../model/properties.ts'
import type { SendReceipt } from '../model/results.ts'
import type { SendTrace, TracedClient, TracedMessage, TracedMessageType, Tracing } from '../model/tracing.ts'
import { SentMessage } from './sent-message.ts'

export class ProducerSendTrace implements SendTrace {
  readonly group: string
  readonly clientId: string
  readonly type: TracedMessageType
  readonly queue: SendRequest['queue']
  readonly messages: readonly TracedMessage[]
  readonly timestamp: number
  durationMs?: number
  result?: SendReceipt
  error?: unknown
  #outgoing: SendRequest['messages']
  #isBegun = false

  constructor(client: TracedClient, type: TracedMessageType, { queue, messages }: SendRequest, now: number) {
    this.group = client.group
    this.clientId = client.clientId
    const list = listOf(messages)
    this.type = type === 'NORMAL' && list.some(isGrouped) ? 'FIFO' : type
    this.queue = queue
    this.messages = Object.freeze(list.map((message) => new SentMessage(message)))
    this.timestamp = now
    this.#outgoing = messages
  }

  /** Ends the time for properties, and answers what is sent. */
  static begin<Request extends SendRequest>(trace: ProducerSendTrace, request: Request): Request {
    trace.#isBegun = true
    return { ...request, messages: trace.#outgoing }
  }

  setProperty(name: string, value: string): void {
    if (this.#isBegun) return
    try {
      this.#outgoing = withPropertyInAll(this.#outgoing, name, value)
    } catch {
      // It stays without: whoever watches must not make a send fail.
    }
  }
}

/** The same messages with the context of their sender, where somebody traces and they are sent later. */
export function withCarriedContext(
  messages: SendRequest['messages'],
  tracing: Tracing | undefined,
): SendRequest['messages'] {
  let carrying = messages
  tracing?.carry((name, value) => {
    try {
      carrying = withPropertyInAll(carrying, name, value)
    } catch {
      // As above.
    }
  })
  return carrying
}

function withPropertyInAll(messages: SendRequest['messages'], name: string, value: string) {
  const add = (message: OutgoingMessage): OutgoingMessage =>
    message.properties.some(([known]) => known === name) ? message : withProperty(message, name, value)
  if ('topic' in messages) return add(messages)
  const added = messages.map(add)
  const bytes = added.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return bytes > MESSAGE_MAX_BYTES ? messages : added
}

function listOf(messages: SendRequest['messages']): readonly OutgoingMessage[] {
  return 'topic' in messages ? [messages] : messages
}

function isGrouped({ properties }: OutgoingMessage): boolean {
  return properties.some(([name]) => name === PropertyName.MESSAGE_GROUP)
}
