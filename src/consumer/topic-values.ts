/** The values of messages of typed topics, for the consumers that know these topics. */

import { type CheckedValue, checkBody } from '../model/check-value.ts'
import type { PoppedMessage } from '../model/engine.ts'
import { invalidParameter, type MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { isRetryTopic } from '../model/topic.ts'
import { TypedTopic } from '../model/typed-topic.ts'
import { ReceivedMessage } from './received-message.ts'
import { WrappedMessage } from './wrapped-message.ts'

/** A message with its value, or with the reason why it has none. */
class ValuedMessage extends WrappedMessage {
  readonly #checked: CheckedValue

  constructor(message: MessageView, checked: CheckedValue) {
    super(message)
    this.#checked = checked
  }

  get value(): unknown {
    return valueOrThrow(this.#checked)
  }
}

/** The same, of a simple consumer. */
class ValuedReceivedMessage extends ReceivedMessage {
  readonly #checked: CheckedValue

  constructor(popped: PoppedMessage, checked: CheckedValue) {
    super(popped)
    this.#checked = checked
  }

  get value(): unknown {
    return valueOrThrow(this.#checked)
  }
}

/** A message that is ready for a listener; or the failure that it must not be called for it. */
export type Readout =
  | { readonly message: MessageView; readonly refusal?: undefined }
  | { readonly message?: undefined; readonly refusal: MQError }

export class TopicValues {
  readonly #topics: ReadonlyMap<string, TypedTopic>
  /** What the consumer may consume: the typed topics, and those that it subscribed to without a type. */
  readonly #names: ReadonlySet<string>

  private constructor(topics: ReadonlyMap<string, TypedTopic>, names: ReadonlySet<string>) {
    this.#topics = topics
    this.#names = names
  }

  /** `undefined` without typed topics: then nothing is done for values. Throws `INVALID_PARAMETER` for two of one name. */
  static of(topics: readonly TypedTopic[], names: Iterable<string>): TopicValues | undefined {
    if (topics.length === 0) return undefined
    const byName = new Map(topics.map((topic) => [topic.name, topic]))
    if (byName.size < topics.length) throw invalidParameter('topics: a topic is there twice.')
    return new TopicValues(byName, new Set([...byName.keys(), ...names]))
  }

  /** Refuses a topic that the type of the messages does not know of. Retry topics hold messages of the others. */
  checkKnown(topic: string): void {
    if (this.#names.has(topic) || isRetryTopic(topic)) return
    throw invalidParameter(
      `This consumer has typed topics, and '${topic}' is none of them; name it in topics, or in subscriptions from the beginning.`,
    )
  }

  /** Every message with its value, or with the reason why it has none; never throws and never rejects. */
  readAll(messages: readonly MessageView[]): readonly Readout[] | Promise<readonly Readout[]> {
    const readouts = messages.map((message) => this.#read(message))
    return readouts.some((readout) => readout instanceof Promise)
      ? Promise.all(readouts)
      : (readouts as Readout[])
  }

  #read(message: MessageView): Readout | Promise<Readout> {
    const checked = this.check(message)
    return checked instanceof Promise
      ? checked.then((late) => toReadout(message, late))
      : toReadout(message, checked)
  }

  /** What the schema of its topic says to a message; `undefined` when the topic has none. */
  check(message: MessageView): CheckedValue | Promise<CheckedValue> | undefined {
    const topic = this.#topics.get(message.topic)
    return topic === undefined ? undefined : checkBody(topic, message)
  }
}

/** The message with its value; reading one that has none throws. */
export function withValue(message: MessageView, checked: CheckedValue | undefined): MessageView {
  return checked === undefined ? message : new ValuedMessage(message, checked)
}

/** The same for what a simple consumer receives. */
export function receivedWithValue(popped: PoppedMessage, checked: CheckedValue | undefined): ReceivedMessage {
  return checked === undefined ? new ReceivedMessage(popped) : new ValuedReceivedMessage(popped, checked)
}

/** Whether an option is a list of typed topics. */
export function isTopicList(value: unknown): value is readonly TypedTopic[] {
  return Array.isArray(value) && value.every((each) => each instanceof TypedTopic)
}

function toReadout(message: MessageView, checked: CheckedValue | undefined): Readout {
  if (checked === undefined) return { message }
  return checked.error === undefined
    ? { message: new ValuedMessage(message, checked) }
    : { refusal: checked.error }
}

function valueOrThrow(checked: CheckedValue): unknown {
  if (checked.error !== undefined) throw checked.error
  return checked.value
}
