/** Sends one intent, under the ids that it was given when it was made; knows whether it was sent before. */
import { delayVerbsOf } from '../model/delay-verbs.ts'
import type { Engine } from '../model/engine.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { Intent } from '../model/outbox.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import { type PublishRoute, PublishRoutes } from '../producer/publish-routes.ts'
import { messageGroupOf, messagesOf, priorityOf } from './intent.ts'

export class IntentSender {
  readonly #engine: Engine
  readonly #routes: PublishRoutes
  readonly #unwatch: () => void

  constructor(engine: Engine) {
    this.#engine = engine
    this.#routes = new PublishRoutes(engine)
    this.#unwatch = engine.watch((event) => {
      if (event.type === 'route-changed') this.#routes.forget(event.topic)
    })
  }

  stop(): void {
    this.#unwatch()
  }

  /** Resolves when it is stored; rejects as a send does. */
  async send(intent: Intent): Promise<void> {
    const { producerGroup, timeoutMs, messages } = intent
    const route = await this.#routes.get(messagesOf(intent)[0]!.topic)
    const request = { producerGroup, timeoutMs, queue: queueOf(intent, route) }
    if ('topic' in messages && messages.delay !== undefined)
      await delayVerbsOf(this.#engine).sendDelayedMessage({ ...request, messages }, messages.delay)
    else await this.#engine.sendMessage({ ...request, messages })
  }

  /** Whether it was sent before. What is sent together is stored together, so the first message speaks for all. */
  async isStored(intent: Intent): Promise<boolean> {
    const first = messagesOf(intent)[0]!
    const messageId = formatMessageId(first.messageId)
    // In this order: what is delivered between the two questions is found by the second.
    if (first.delay !== undefined && (await this.#waits(first, messageId))) return true
    return (await this.#engine.queryMessagesById(messageId)).length > 0
  }

  /** A level counts from the send, so its end is not known. */
  async #waits({ topic, bornTimestamp, delay }: OutgoingMessage, messageId: string): Promise<boolean> {
    const timestamp =
      delay !== undefined && 'deliveryTimestamp' in delay ? delay.deliveryTimestamp : undefined
    const query = {
      topic,
      begin: timestamp ?? bornTimestamp,
      end: timestamp ?? Number.MAX_SAFE_INTEGER,
      maxCount: Number.MAX_SAFE_INTEGER,
    }
    const known = await this.#engine.queryTopics()
    if (!known.some((config) => config.topic === topic)) return false
    const waiting = await delayVerbsOf(this.#engine).queryDelayedMessages(query)
    return waiting.some(({ message }) => message.messageId === messageId)
  }
}

function queueOf(intent: Intent, route: PublishRoute): MessageQueue {
  if (intent.queue !== undefined) return route.find(intent.queue)
  return route.queueFor({ messageGroup: messageGroupOf(intent), priority: priorityOf(intent) })
}
