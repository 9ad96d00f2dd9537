/**
 * The send path: may this go there, then into the store. It runs for every message, so it neither waits nor wraps: what
 * the store answers is what the sender gets. Clients have checked the messages; what stands here depends on the state of
 * the engine, or bounds a whole batch.
 */

import type { SendRequest } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import { BATCH_ADVISED_BYTES, MESSAGE_MAX_BYTES } from '../model/limits.ts'
import type { OutgoingMessage } from '../model/outgoing-message.ts'
import type { SendReceipt } from '../model/results.ts'
import type { QueueLog } from '../store/queue-log.ts'
import type { Store } from '../store/store.ts'
import type { Announcer } from './announcer.ts'
import type { Deduplication, OnceRequest } from './deduplication.ts'
import { isWritable } from './routes.ts'
import type { Topics } from './topics.ts'

export class Publish {
  readonly #store: Store
  readonly #topics: Topics
  readonly #announcer: Announcer
  readonly #deduplication: Deduplication

  constructor(store: Store, topics: Topics, announcer: Announcer, deduplication: Deduplication) {
    this.#store = store
    this.#topics = topics
    this.#announcer = announcer
    this.#deduplication = deduplication
  }

  send(request: SendRequest): Promise<SendReceipt> {
    try {
      const log = this.check(request)
      if (isOnce(request)) return this.#deduplication.send(log, request, (checked) => this.#append(checked))
      return this.#store.append(log, request.messages, request)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Behind a wait the topic may be another one, or gone. */
  async #append(request: SendRequest): Promise<SendReceipt> {
    return this.#store.append(this.check(request), request.messages, request)
  }

  /** The log to append to; refuses what must not go there. */
  check({ queue, messages }: SendRequest): QueueLog {
    const { topic } = queue
    if (isBatch(messages)) this.#checkBatch(topic, messages)
    const entry = this.#topics.entry(topic)
    if (!isWritable(entry))
      throw new MQError('NO_PERMISSION', `The topic '${topic}' does not permit writing.`)
    return this.#topics.logIn(entry, queue)
  }

  #checkBatch(topic: string, messages: readonly OutgoingMessage[]): void {
    let bytes = 0
    for (const { sizeBytes } of messages) bytes += sizeBytes
    if (bytes > MESSAGE_MAX_BYTES) {
      throw new MQError(
        'MESSAGE_ILLEGAL',
        `The batch takes ${bytes} bytes, at most ${MESSAGE_MAX_BYTES} are allowed; split it with splitIntoBatches.`,
      )
    }
    if (bytes > BATCH_ADVISED_BYTES) this.#warn(topic, bytes)
  }

  #warn(topic: string, bytes: number): void {
    const message = `A batch for '${topic}' takes ${bytes} bytes; stay below ${BATCH_ADVISED_BYTES}, see splitIntoBatches.`
    this.#announcer.emit('warning', { code: 'LARGE_BATCH', message })
  }
}

function isOnce(request: SendRequest): request is OnceRequest {
  return 'topic' in request.messages && request.messages.isSentOnce === true
}

function isBatch(messages: SendRequest['messages']): messages is readonly OutgoingMessage[] {
  return Array.isArray(messages)
}
