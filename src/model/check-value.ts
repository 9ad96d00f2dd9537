/**
 * Asks the schema of a topic about a value. A schema is the application's code: it may answer later, throw, or answer nonsense, and
 * none of that reaches the caller as an exception, since callers hold messages that must not get lost.
 */
import { isUtf8 } from 'node:buffer'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { invalidParameter, MQError } from './errors.ts'
import { SCHEMA_TIMEOUT_MS } from './limits.ts'
import { inShort, type SchemaIssue, schemaMismatch } from './schema-issue.ts'

/** The part of a typed topic that checks need. */
export interface SchemaOfTopic {
  readonly name: string
  readonly schema: StandardSchemaV1
}

/**
 * A value as its schema gives it, or why there is none: `SCHEMA_MISMATCH` when the schema refuses it, `INVALID_PARAMETER` when the
 * schema itself failed, which says nothing about the value.
 */
export type CheckedValue =
  | { readonly value: unknown; readonly error?: undefined }
  | { readonly error: MQError }

/** Asks the schema; never throws and never rejects. */
export function checkValue(topic: SchemaOfTopic, value: unknown): CheckedValue | Promise<CheckedValue> {
  try {
    const answer = topic.schema['~standard'].validate(value)
    if (!isThenable(answer)) return judge(topic, answer)
    return Promise.resolve(answer)
      .then((late) => judge(topic, late))
      .catch((error: unknown) => failed(topic, error))
  } catch (error) {
    return failed(topic, error)
  }
}

/**
 * Reads the body of a message as JSON and asks the schema about it; never throws and never rejects. A body that cannot be read at all says
 * nothing about the value.
 */
export function checkBody(
  topic: SchemaOfTopic,
  message: { readonly body: Buffer },
): CheckedValue | Promise<CheckedValue> {
  let body: Buffer
  try {
    body = message.body
  } catch (error) {
    return { error: MQError.from(error) }
  }
  if (!(body instanceof Uint8Array))
    return {
      error: invalidParameter('What is read by a typed topic must be a message: its body must be bytes.'),
    }
  let value: unknown
  try {
    value = parseJson(body)
  } catch (error) {
    const text = `it is no JSON: ${MQError.from(error).message}`
    return { error: schemaMismatch(topic.name, [{ path: [], message: text }], error) }
  }
  return checkValue(topic, value)
}

function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) throw new SyntaxError('its bytes are no UTF-8')
  return JSON.parse(body.toString('utf8'))
}

function judge(topic: SchemaOfTopic, answer: unknown): CheckedValue {
  if (typeof answer !== 'object' || answer === null) return failed(topic, nonsense())
  const { issues, value } = answer as { issues?: unknown; value?: unknown }
  if (!issues) return { value }
  if (!Array.isArray(issues)) return failed(topic, nonsense())
  const found =
    issues.length === 0 ? [{ path: [], message: 'refused without a reason' }] : issues.map(toIssue)
  return { error: schemaMismatch(topic.name, found, issues) }
}

function toIssue(issue: Partial<StandardSchemaV1.Issue> | undefined): SchemaIssue {
  const path = (issue?.path ?? []).map((step) => (typeof step === 'object' ? step.key : step))
  return Object.freeze({ path: Object.freeze(path), message: String(issue?.message ?? 'refused') })
}

function failed(topic: SchemaOfTopic, cause: unknown): CheckedValue {
  const text = `The schema of '${topic.name}' failed: ${inShort(MQError.from(cause).message)}`
  return { error: new MQError('INVALID_PARAMETER', text, { cause }) }
}

/** What a schema says that has taken too long. */
export function unanswered(): CheckedValue & { readonly error: MQError } {
  const text = `The schema had not answered after ${SCHEMA_TIMEOUT_MS} ms, or when nobody could wait any more.`
  return { error: invalidParameter(text) }
}

function nonsense(): TypeError {
  return new TypeError('it answered neither a value nor a list of issues')
}

function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return (
    typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function'
  )
}
