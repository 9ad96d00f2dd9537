/** The requests of a producer that wait for their replies (RocketMQ `RequestFutureHolder`, semantics section 3.8). */
import type { Engine } from '../model/engine.ts'
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { formatMessageId, type MessageIdGenerator } from '../model/message-id.ts'
import { type PropertyEntries, PropertyName } from '../model/properties.ts'
import { type ReplyTaker, requestVerbsOf } from '../model/request-verbs.ts'
import type { SendReceipt } from '../model/results.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'

/** Keeps the process running while somebody waits: timers do not. */
export interface ProcessHold {
  hold(holder: object): void
  release(holder: object): void
}

/** What the requests of a producer need of it. */
export interface RequestsHost {
  readonly engine: Engine
  readonly ids: MessageIdGenerator
  readonly clientId: string
  readonly keepAlive: ProcessHold | undefined
}

/** What is said about one request. */
export interface RequestWish {
  readonly topic: string
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** One request on its way, or waiting for its reply. */
interface Waiting {
  settle(reply: MessageView): void
  end(error: MQError): void
}

export class Requests implements ReplyTaker {
  readonly #host: RequestsHost
  readonly #waiting = new Map<string, Waiting>()
  #stopTaking: (() => void) | undefined
  #droppedCount = 0

  constructor(host: RequestsHost) {
    this.#host = host
  }

  /** Requests that wait for their replies. */
  get outstandingCount(): number {
    return this.#waiting.size
  }

  /** Replies that nobody waited for any more. */
  get droppedCount(): number {
    return this.#droppedCount
  }

  /** Sends a message that has these properties besides its own, and waits for the reply. */
  async run(
    wish: RequestWish,
    send: (properties: PropertyEntries) => Promise<SendReceipt>,
  ): Promise<MessageView> {
    const { engine, ids, clientId } = this.#host
    const verbs = requestVerbsOf(engine)
    const id = formatMessageId(ids.next())
    const sending = send([
      [PropertyName.CORRELATION_ID, id],
      [PropertyName.REPLY_TO_CLIENT, clientId],
      [PropertyName.TTL, String(wish.timeoutMs)],
    ])
    // A producer that asks for nothing does not count as one that waits.
    this.#stopTaking ??= verbs.takeReplies(clientId, this)
    return this.#wait(id, wish, sending)
  }

  take(id: string, reply: MessageView): boolean {
    const waiting = this.#waiting.get(id)
    waiting?.settle(reply)
    return waiting !== undefined
  }

  countDropped(): void {
    this.#droppedCount += 1
  }

  end(error: MQError): void {
    for (const { end } of this.#waiting.values()) end(error)
  }

  /** Rejects what waits; later replies have nobody to go to. */
  close(error: MQError): void {
    this.#stopTaking?.()
    this.end(error)
  }

  #wait(id: string, wish: RequestWish, sending: Promise<SendReceipt>): Promise<MessageView> {
    const { topic, timeoutMs, signal } = wish
    return new Promise((resolve, reject) => {
      let isSent = false
      const finish = (): void => {
        timer.cancel()
        unlisten(signal, onAbort)
        this.#forget(id)
      }
      const fail = (error: MQError): void => {
        finish()
        reject(error)
      }
      const settle = (reply: MessageView): void => {
        finish()
        resolve(reply)
      }
      // Until it is stored, the send knows best what becomes of it.
      const onAbort = (): void => {
        if (isSent) fail(aborted(topic, signal))
      }
      const onSent = (): void => {
        isSent = true
        if (signal?.aborted) fail(aborted(topic, signal))
      }
      sending.then(onSent, (error) => fail(MQError.from(error)))
      const onTimeout = (): void => fail(timedOut(wish, isSent))
      const timer = this.#host.engine.clock.setTimer(timeoutMs, onTimeout)
      listen(signal, onAbort)
      const end = (error: MQError): void => fail(isSent ? error : withUnknownOutcome(error))
      this.#remember(id, { settle, end })
    })
  }

  #remember(id: string, waiting: Waiting): void {
    if (this.#waiting.size === 0) this.#host.keepAlive?.hold(this)
    this.#waiting.set(id, waiting)
  }

  #forget(id: string): void {
    if (this.#waiting.delete(id) && this.#waiting.size === 0) this.#host.keepAlive?.release(this)
  }
}

/** Nobody waits any more for a send that may be stored yet. */
function withUnknownOutcome({ code, message, cause }: MQError): MQError {
  return new MQError(code, message, { cause, outcome: 'unknown' })
}

function aborted(topic: string, signal: AbortSignal | undefined): MQError {
  const text = `The wait for the reply was aborted; the request is stored in '${topic}' and may still be consumed.`
  return new MQError('ABORTED', text, { cause: signal?.reason })
}

function timedOut({ topic, timeoutMs }: RequestWish, isSent: boolean): MQError {
  if (isSent) {
    const text = `No reply came within ${timeoutMs} ms; the request is stored in '${topic}' and may still be consumed.`
    return new MQError('REQUEST_TIMEOUT', text)
  }
  const text = `The request to '${topic}' was neither stored nor refused within ${timeoutMs} ms.`
  return new MQError('REQUEST_TIMEOUT', text, { outcome: 'unknown' })
}
