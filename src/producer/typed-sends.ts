/**
 * Sends to typed topics: each message is checked by its schema before anything else happens. Most schemas answer at once, and then
 * the send is like any other. Those that answer later are all asked at once, but what they let pass is sent in the order of the
 * calls, topic by topic.
 */
import type { CheckedValue } from '../model/check-value.ts'
import { MQError } from '../model/errors.ts'
import type { Message } from '../model/message.ts'
import type { SendReceipt } from '../model/results.ts'
import { isTyped, writeMessage } from '../model/typed-body.ts'
import type { Destination } from '../model/typed-message.ts'

type Messages<To extends Destination> = Message<To> | readonly Message<To>[]

/** Whether any of these is for a typed topic. */
export function isAnyTyped(messages: Messages<Destination>): boolean {
  return Array.isArray(messages) ? messages.some(isTyped) : isTyped(messages as Message<Destination>)
}

export class TypedSends {
  /** By topic: resolves when the last send that waits for its schema has been passed on, or refused. */
  readonly #lines = new Map<string, Promise<void>>()

  /**
   * Plans the send, which takes over all that the caller may change, and sends when the schemas let it pass. Throws when one refuses a
   * message at once, or a body has no JSON; rejects when one refuses it later.
   */
  send<Plan>(
    messages: Messages<Destination>,
    plan: (plain: Messages<string>) => Plan,
    send: (planned: Plan) => Promise<SendReceipt>,
  ): Promise<SendReceipt> {
    const { plain, checked, topic } = write(messages)
    const planned = plan(plain)
    if (!this.#lines.has(topic) && !checked.some(isPending)) {
      throwRefused(checked as CheckedValue[])
      return send(planned)
    }
    return this.#sendInTurn(topic, Promise.all(checked), () => send(planned))
  }

  async #sendInTurn(
    topic: string,
    checking: Promise<readonly CheckedValue[]>,
    send: () => Promise<SendReceipt>,
  ): Promise<SendReceipt> {
    const before = this.#lines.get(topic)
    let leave: () => void = () => undefined
    const turn = new Promise<void>((resolve) => {
      leave = resolve
    })
    this.#lines.set(topic, turn)
    try {
      await before
      throwRefused(await checking)
      // Not awaited here: the next in line is let go as soon as this one is on its way.
      return send()
    } finally {
      leave()
      if (this.#lines.get(topic) === turn) this.#lines.delete(topic)
    }
  }
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

/** It may wait for the others of its batch, and the caller may use its buffer again meanwhile. */
function withOwnBody(message: Message): Message {
  const { body } = message
  return body instanceof Uint8Array ? { ...message, body: Uint8Array.from(body) } : message
}

function isPending(checked: CheckedValue | Promise<CheckedValue>): boolean {
  return checked instanceof Promise
}

function throwRefused(checked: readonly CheckedValue[]): void {
  const index = checked.findIndex(({ error }) => error !== undefined)
  const error = checked[index]?.error
  if (error !== undefined) throw checked.length === 1 ? error : ofBatch(error, index)
}

/** The same refusal, saying which message of the batch it is about. */
function ofBatch({ code, message, cause, issues }: MQError, index: number): MQError {
  return new MQError(code, `Message ${index} of the batch: ${message}`, { cause, ...(issues && { issues }) })
}
