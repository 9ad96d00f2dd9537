/**
 * Sends to typed topics: each message is checked by its schema before anything else happens. Most schemas answer at once, and then
 * the send is like any other. Those that answer later are all asked at once, but what they let pass is sent in the order of the
 * calls, topic by topic. A schema is the application's code and may never answer: the wait for it is bounded as the wait for room is.
 */
import { copyOf } from '../model/body-bytes.ts'
import type { CheckedValue } from '../model/check-value.ts'
import type { Clock } from '../model/clock.ts'
import { MQError, type MQErrorCode } from '../model/errors.ts'
import type { Message } from '../model/message.ts'
import type { SendReceipt } from '../model/results.ts'
import { listen, unlisten } from '../model/signal-listeners.ts'
import { isTyped, writeMessage } from '../model/typed-body.ts'
import type { Destination } from '../model/typed-message.ts'
import type { PlannedSend } from './planned-send.ts'

type Messages<To extends Destination> = Message<To> | readonly Message<To>[]
type Send = (planned: PlannedSend) => Promise<SendReceipt>

/** A send that waits for a schema, or for one before it. */
interface Waiting {
  readonly isOneway: boolean
  /** Settles when its sender knows. */
  sending?: Promise<SendReceipt>
  refuse: (error: MQError) => void
}

/** What sends to typed topics need of their producer. */
export interface TypedSendsHost {
  readonly engine: { readonly clock: Clock }
  /** Most bytes that may wait for schemas. */
  readonly maxPendingSendBytes?: number | undefined
}

/** Whether any of these is for a typed topic. */
export function isAnyTyped(messages: Messages<Destination>): boolean {
  return Array.isArray(messages) ? messages.some(isTyped) : isTyped(messages as Message<Destination>)
}

export class TypedSends {
  readonly #clock: Clock
  readonly #maxWaitingBytes: number
  /** By topic: resolves when the last send that waits for its schema has been passed on, or refused, and all before it. */
  readonly #lines = new Map<string, Promise<unknown>>()
  readonly #waiting = new Set<Waiting>()
  #waitingBytes = 0

  constructor({ engine, maxPendingSendBytes = Number.POSITIVE_INFINITY }: TypedSendsHost) {
    this.#clock = engine.clock
    this.#maxWaitingBytes = maxPendingSendBytes
  }

  /**
   * Plans the send, which takes over all that the caller may change, and sends when the schemas let it pass. Throws when one refuses a
   * message at once, or a body has no JSON; rejects when one refuses it later, with `SEND_TIMEOUT` or `ABORTED` when the time or the
   * signal of the plan comes first, and with `SYSTEM_BUSY` when too many bytes wait already. The messages have been read: they are plain objects.
   */
  send(
    messages: Messages<Destination>,
    plan: (plain: Messages<string>) => PlannedSend,
    send: Send,
    isOneway = false,
  ): Promise<SendReceipt> {
    const { plain, checked, topic } = write(messages)
    const planned = plan(plain)
    if (!this.#lines.has(topic) && !checked.some(isPending)) {
      throwRefused(checked as CheckedValue[])
      return send(planned)
    }
    const bytes = sizeOf(planned.messages)
    // One may always wait: where nothing may wait for room, schemas may answer later all the same.
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#maxWaitingBytes)
      throw tooMany(this.#waitingBytes)
    const checking = Promise.all(checked)
    const turn = this.#takeTurn(topic)
    return this.#wait(planned, isOneway, { ...turn, checking, send })
  }

  /**
   * Refuses those that wait still, and resolves when their senders know. One-way sends may be left out: a producer that closes gives them
   * some time.
   */
  async refuse(error: MQError, { isOnewayToo }: { readonly isOnewayToo: boolean }): Promise<void> {
    const refused = [...this.#waiting].filter(({ isOneway }) => isOnewayToo || !isOneway)
    for (const waiting of refused) waiting.refuse(error)
    await Promise.allSettled(refused.map(({ sending }) => sending))
  }

  /** A place in the line of a topic. Who leaves early lets nobody overtake those before. */
  #takeTurn(topic: string): { readonly before: Promise<unknown> | undefined; readonly leave: () => void } {
    const before = this.#lines.get(topic)
    let leave: () => void = () => undefined
    const left = new Promise<void>((resolve) => {
      leave = resolve
    })
    const turn = Promise.all([before, left]).then(() => {
      if (this.#lines.get(topic) === turn) this.#lines.delete(topic)
    })
    this.#lines.set(topic, turn)
    return { before, leave }
  }

  #wait(
    planned: PlannedSend,
    isOneway: boolean,
    {
      before,
      leave,
      checking,
      send,
    }: {
      readonly before: Promise<unknown> | undefined
      readonly leave: () => void
      readonly checking: Promise<readonly CheckedValue[]>
      readonly send: Send
    },
  ): Promise<SendReceipt> {
    const { timeoutMs, signal, topic, messages } = planned
    const bytes = sizeOf(messages)
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs
    const waiting: Waiting = { isOneway, refuse: () => undefined }
    waiting.sending = new Promise<SendReceipt>((resolve, reject) => {
      const end = (): void => {
        timer.cancel()
        unlisten(signal, abort)
        this.#waiting.delete(waiting)
        this.#waitingBytes -= bytes
      }
      waiting.refuse = (error) => {
        if (!this.#waiting.has(waiting)) return
        end()
        reject(error)
        leave()
      }
      const abort = (): void => waiting.refuse(notAttempted('ABORTED', topic, 'was aborted', signal?.reason))
      const pass = (): void => {
        if (!this.#waiting.has(waiting)) return
        end()
        // Not awaited here: the next in line is let go as soon as this one is on its way.
        const leftMs = Math.max(1, Math.ceil(deadlineMs - this.#clock.monotonicMs()))
        resolve(attempt(() => send({ ...planned, timeoutMs: leftMs })))
        leave()
      }
      const timer = this.#clock.setTimer(timeoutMs, () =>
        waiting.refuse(notAttempted('SEND_TIMEOUT', topic, `had not been let pass after ${timeoutMs} ms`)),
      )
      listen(signal, abort)
      this.#waiting.add(waiting)
      this.#waitingBytes += bytes
      void checking.then((checked) => {
        const error = refusalOf(checked)
        if (error !== undefined) return waiting.refuse(error)
        return before === undefined ? pass() : void before.then(pass)
      })
    })
    return waiting.sending
  }
}

/** What a route or a selector throws is a rejection here. */
async function attempt(send: () => Promise<SendReceipt>): Promise<SendReceipt> {
  return send()
}

function tooMany(waitingBytes: number): MQError {
  const text = `${waitingBytes} bytes of sends wait for schemas already; send slower or await the sends.`
  return new MQError('SYSTEM_BUSY', text, { outcome: 'not-attempted' })
}

function sizeOf(messages: PlannedSend['messages']): number {
  const list = 'topic' in messages ? [messages] : messages
  return list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

function notAttempted(code: MQErrorCode, topic: string, what: string, cause?: unknown): MQError {
  const text = `The send to '${topic}' ${what} while it waited for a schema; nothing was written.`
  return new MQError(code, text, { cause, outcome: 'not-attempted' })
}

/** Every message as it is stored, what its schema says, and the topic of the first that has one. */
function write(messages: Messages<Destination>) {
  const list = (Array.isArray(messages) ? messages : [messages]) as readonly Message<Destination>[]
  const plain: Message[] = []
  const checked: (CheckedValue | Promise<CheckedValue>)[] = []
  let topic = ''
  for (const message of list) {
    if (isTyped(message)) {
      const written = writeMessage(message)
      plain.push(written.plain)
      checked.push(written.checked)
      topic ||= message.topic.name
    } else {
      plain.push(withOwnBody(message as Message))
      checked.push({ value: undefined })
    }
  }
  return { plain: Array.isArray(messages) ? plain : plain[0]!, checked, topic }
}

/** It may wait for the others of its batch, and the caller may use its buffer again meanwhile. What is wrong with a body is said later. */
function withOwnBody(message: Message): Message {
  const { body } = message
  try {
    return body instanceof Uint8Array ? { ...message, body: copyOf(body) } : message
  } catch {
    return message
  }
}

function isPending(checked: CheckedValue | Promise<CheckedValue>): boolean {
  return checked instanceof Promise
}

function throwRefused(checked: readonly CheckedValue[]): void {
  const error = refusalOf(checked)
  if (error !== undefined) throw error
}

function refusalOf(checked: readonly CheckedValue[]): MQError | undefined {
  const index = checked.findIndex(({ error }) => error !== undefined)
  const error = checked[index]?.error
  return error === undefined || checked.length === 1 ? error : ofBatch(error, index)
}

/** The same refusal, saying which message of the batch it is about. */
function ofBatch({ code, message, cause, issues }: MQError, index: number): MQError {
  return new MQError(code, `Message ${index} of the batch: ${message}`, { cause, ...(issues && { issues }) })
}
