/** Sends one intent, under the ids that it was given when it was made; knows whether it was sent before. */
import { delayVerbsOf } from '../model/delay-verbs.ts'
import type { Engine } from '../model/engine.ts'
import { formatMessageId } from '../model/message-id.ts'
import type { MessageQueue } from '../model/message-queue.ts'
import type { Intent } from '../model/outbox.ts'
import type { Tracing } from '../model/tracing.ts'
import { type PublishRoute, PublishRoutes } from '../producer/publish-routes.ts'
import { tracedEngine } from '../producer/traced-engine.ts'
import { messageGroupOf, messagesOf, priorityOf } from './intent.ts'
import { WaitingMessages } from './waiting-messages.ts'

export class IntentSender {
  readonly #engine: Engine
  readonly #routes: PublishRoutes
  readonly #waiting: WaitingMessages
  readonly #unwatch: () => void
  /** Whom to tell of sends, in the name of their producers. */
  tracing: Tracing | undefined

  constructor(engine: Engine) {
    this.#engine = engine
    this.#routes = new PublishRoutes(engine)
    this.#waiting = new WaitingMessages(engine)
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
    const engine = this.#engineFor(intent)
    const route = await this.#routes.get(messagesOf(intent)[0]!.topic)
    const request = { producerGroup, timeoutMs, queue: queueOf(intent, route) }
    if ('topic' in messages && messages.delay !== undefined)
      await delayVerbsOf(engine).sendDelayedMessage({ ...request, messages }, messages.delay)
    else await engine.sendMessage({ ...request, messages })
  }

  /**
   * Whether it was sent before. What is sent together is stored together, so the first message speaks for all. An id that the sender gave
   * may be that of another message: in another topic, or from before this one. Whether it repeats that one is for the engine to say.
   */
  async isStored(intent: Intent): Promise<boolean> {
    const first = messagesOf(intent)[0]!
    // In this order: what is delivered between the two questions is found by the second.
    if (first.delay !== undefined && (await this.#waiting.has(first))) return true
    const copies = await this.#engine.queryMessagesById(formatMessageId(first.messageId))
    return copies.some(
      ({ topic, bornTimestamp }) => topic === first.topic && bornTimestamp === first.bornTimestamp,
    )
  }

  #engineFor({ producerGroup: group, clientId }: Intent): Engine {
    const { tracing } = this
    return tracing?.watchesSends ? tracedEngine(this.#engine, { group, clientId }, tracing) : this.#engine
  }
}

function queueOf(intent: Intent, route: PublishRoute): MessageQueue {
  if (intent.queue !== undefined) return route.find(intent.queue)
  return route.queueFor({ messageGroup: messageGroupOf(intent), priority: priorityOf(intent) })
}
