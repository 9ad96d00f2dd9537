/**
 * The engine as consumers see it: requests that it hands out can be replied to. It stands before the verbs by which messages
 * come, so that no kind of consumer needs to know of requests, and only a request costs a wrapper.
 */
import { copyOf } from '../model/body-bytes.ts'
import type { Engine, PopVerbs } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { Message, MessageView } from '../model/message.ts'
import { formatMessageId, type MessageIdGenerator } from '../model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../model/outgoing-message.ts'
import { overlay } from '../model/overlay.ts'
import { type PropertyEntries, PropertyName } from '../model/properties.ts'
import { createReplyFailed, type Reply, type ReplyReceipt } from '../model/reply.ts'
import type { RequestVerbs } from '../model/request-verbs.ts'
import { REPLY_TOPIC } from '../model/topic.ts'
import { RequestMessage, type SendReply } from './request-message.ts'

/** RocketMQ's `REPLY_MESSAGE_FLAG`. */
const MESSAGE_TYPE_REPLY = 'reply'
const FIELDS: ReadonlySet<string> = new Set(['body', 'tag', 'keys', 'properties'])
/** What a reply repeats of its request. */
const REPEATED = [PropertyName.CORRELATION_ID, PropertyName.REPLY_TO_CLIENT, PropertyName.TTL] as const

/** The same engine where nothing can be replied to. */
export function replyingEngine(engine: Engine, ids: MessageIdGenerator): Engine {
  const { requests, pop } = engine
  if (requests === undefined) return engine
  const replier = new Replier(engine, requests, ids)
  return overlay(engine, {
    pullMessage: async (request) => {
      const result = await engine.pullMessage(request)
      const messages = replier.equip(request.group, result.messages)
      return messages === result.messages ? result : { ...result, messages }
    },
    ...(pop && { pop: overlay(pop, popVerbs(pop, replier)) }),
  } satisfies Partial<Engine>)
}

function popVerbs(pop: PopVerbs, replier: Replier): Partial<PopVerbs> {
  return {
    popMessage: async (request) => {
      const popped = await pop.popMessage(request)
      return popped.map((each) =>
        each.message.isRequest ? { ...each, message: replier.wrap(request.group, each.message) } : each,
      )
    },
  }
}

class Replier {
  readonly #engine: Engine
  readonly #requests: RequestVerbs
  readonly #ids: MessageIdGenerator

  constructor(engine: Engine, requests: RequestVerbs, ids: MessageIdGenerator) {
    this.#engine = engine
    this.#requests = requests
    this.#ids = ids
  }

  /** The same list when there is no request in it. */
  equip(group: string, messages: readonly MessageView[]): readonly MessageView[] {
    if (!messages.some(({ isRequest }) => isRequest)) return messages
    return messages.map((message) => (message.isRequest ? this.wrap(group, message) : message))
  }

  wrap(group: string, request: MessageView): RequestMessage {
    const send: SendReply = (message, reply) => this.#send(group, message, reply)
    return new RequestMessage(request, send)
  }

  async #send(
    group: string,
    request: MessageView,
    content: string | Uint8Array | Reply,
  ): Promise<ReplyReceipt> {
    const reply = this.#prepare(request, content)
    const status = await this.#requests.sendReply({ group, request, reply })
    return { messageId: formatMessageId(reply.messageId), status }
  }

  #prepare(request: MessageView, content: string | Uint8Array | Reply): OutgoingMessage {
    const message = readReply(content)
    const now = this.#engine.clock.now()
    const prepared = prepareMessage(message, this.#ids.next(now), now, replyProperties(request))
    // The requester may read it after the caller has used its buffer again.
    const { body } = prepared
    return { ...prepared, body: typeof body === 'string' ? Buffer.from(body) : copyOf(body) }
  }
}

/** Each field once, whoever has it; throws `MESSAGE_ILLEGAL` also for a reply that cannot be read. */
function readReply(content: string | Uint8Array | Reply): Message {
  if (typeof content === 'string' || content instanceof Uint8Array)
    return { topic: REPLY_TOPIC, body: content }
  try {
    checkFields(content)
    const { body, tag, keys, properties } = content
    return { topic: REPLY_TOPIC, body, tag, keys, properties }
  } catch (error) {
    throw MQError.from(error, 'MESSAGE_ILLEGAL')
  }
}

function checkFields(reply: unknown): void {
  if (typeof reply !== 'object' || reply === null)
    throw new MQError('MESSAGE_ILLEGAL', 'A reply must be a string, a Uint8Array, or an object with a body.')
  for (const field in reply) {
    if (!FIELDS.has(field)) {
      const text = `A reply has no field '${field}'; known are ${[...FIELDS].join(', ')}.`
      throw new MQError('MESSAGE_ILLEGAL', text)
    }
  }
}

function replyProperties({ messageId, properties }: MessageView): PropertyEntries {
  const repeated = REPEATED.map((name) => {
    const value = properties[name]
    if (value === undefined) throw createReplyFailed(`The request ${messageId} has no property '${name}'.`)
    return [name, value] as const
  })
  return [[PropertyName.MESSAGE_TYPE, MESSAGE_TYPE_REPLY], ...repeated]
}
