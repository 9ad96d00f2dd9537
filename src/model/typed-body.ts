/**
 * Messages for typed topics on their way out. A body is written as JSON, and the schema is asked about what the JSON says, not
 * about the value in memory: so it sees what it will see on receipt, and what JSON changes or drops is noticed before it is stored.
 */
import { type CheckedValue, checkValue } from './check-value.ts'
import { MQError } from './errors.ts'
import type { Message } from './message.ts'
import { readMessage } from './outgoing-message.ts'
import { schemaMismatch } from './schema-issue.ts'
import type { Destination } from './typed-message.ts'
import { TypedTopic } from './typed-topic.ts'

/** A message for a typed topic, with the body as it is stored. */
export interface WrittenMessage {
  /** The same message as any other. */
  readonly plain: Message
  /** What the schema says to it; the value is of no use any more. */
  readonly checked: CheckedValue | Promise<CheckedValue>
}

/**
 * Whether a message is for a typed topic; of anything that is no message it is false. It is asked about every message: of a name
 * it costs a look at its type.
 */
export function isTyped(message: Message<Destination>): message is Message<TypedTopic> {
  try {
    const topic = message?.topic
    return typeof topic === 'object' && topic instanceof TypedTopic
  } catch {
    // Whoever reads it next says what is wrong.
    return false
  }
}

/** Writes the body as JSON; throws `SCHEMA_MISMATCH` if it has none. */
export function toPlain(message: Message<Destination>): Message {
  if (!isTyped(message)) return message as Message
  const { topic, body, ...rest } = readMessage(message)
  return { ...rest, topic: topic.name, body: toJson(topic, body) }
}

/** Writes the body of a message that was read as JSON and asks the schema about it; throws `SCHEMA_MISMATCH` if it has no JSON. */
export function writeMessage(message: Message<TypedTopic>): WrittenMessage {
  const { topic, body } = message
  const plain = { ...message, topic: topic.name, body: toJson(topic, body) }
  const checked = checkValue(topic, JSON.parse(plain.body))
  const explain = (result: CheckedValue): CheckedValue => withHint(topic, body, result)
  return { plain, checked: checked instanceof Promise ? checked.then(explain) : explain(checked) }
}

function toJson({ name }: TypedTopic, body: unknown): string {
  let text: string | undefined
  let cause: unknown
  try {
    text = JSON.stringify(body)
  } catch (error) {
    cause = error
  }
  if (text !== undefined) return text
  const why = cause === undefined ? `JSON has no ${typeof body}` : MQError.from(cause).message
  throw schemaMismatch(name, [{ path: [], message: `it cannot be written as JSON: ${why}` }], cause)
}

/** A refusal says what JSON made of the value, if that may be the reason. */
function withHint(topic: TypedTopic, body: unknown, checked: CheckedValue): CheckedValue {
  const { error } = checked
  if (error?.issues === undefined) return checked
  for (const { path } of error.issues) {
    const changed = tryChangedByJson(body, path)
    if (changed === undefined) continue
    const hint = ` JSON does not keep ${changed}: let the schema take what JSON makes of it, and transform that.`
    return { error: schemaMismatch(topic.name, error.issues, error.cause, hint) }
  }
  return checked
}

/** A hint is no reason to fail: the value may have getters that throw, or a class without a name in words. */
function tryChangedByJson(body: unknown, path: readonly PropertyKey[]): string | undefined {
  try {
    return changedByJson(body, path)
  } catch {
    return undefined
  }
}

/** What lies at this path, in words, if it is something that JSON changes or drops. */
function changedByJson(body: unknown, path: readonly PropertyKey[]): string | undefined {
  let value = body
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Reflect.get(value, key)
  }
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return undefined
  return `a ${value.constructor?.name || 'class'}`
}
