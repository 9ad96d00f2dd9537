/** Compares a value with what a test expects of it, and puts both into words. */
import { isUtf8 } from 'node:buffer'
import { inspect, isDeepStrictEqual, types } from 'node:util'
import { invalidParameter } from '../../model/errors.ts'

/** Text that a test expects: the whole text, a pattern that is found in it, or a predicate. */
export type TextMatch = string | RegExp | ((text: string) => boolean)

/** What `expect.any(String)` and its kind look like in Vitest, Jest and others. */
interface AsymmetricMatcher {
  asymmetricMatch(value: unknown): boolean
  toAsymmetricMatcher?(): string
  readonly sample?: unknown
}

/** Characters of a text that are shown. */
const SHOWN_LENGTH = 60

/** Whether a text can be expected by this. */
export function isTextMatch(value: unknown): value is TextMatch {
  return (
    typeof value === 'string' || typeof value === 'function' || types.isRegExp(value) || isAsymmetric(value)
  )
}

/**
 * Objects match when every field that is expected matches, arrays when they are equally long and every element matches.
 * A pattern, a predicate or a framework's own matcher may stand anywhere.
 */
export function isMatch(expected: unknown, actual: unknown): boolean {
  // A search pays no heed to where a pattern with the flag g stopped the last time.
  if (types.isRegExp(expected)) return typeof actual === 'string' && actual.search(expected) >= 0
  if (typeof expected === 'function') return isAccepted(expected(actual))
  if (isAsymmetric(expected)) return expected.asymmetricMatch(actual)
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((each, index) => isMatch(each, actual[index]))
    )
  }
  if (!isPlain(expected) || !isObject(actual)) return isDeepStrictEqual(expected, actual)
  return Object.entries(expected).every(
    ([name, each]) => Object.hasOwn(actual, name) && isMatch(each, actual[name]),
  )
}

/** Bytes are compared as bytes; text and patterns with the body as UTF-8; a predicate gets the bytes. */
export function isBodyMatch(expected: unknown, body: Buffer): boolean {
  if (types.isUint8Array(expected)) return Buffer.compare(expected, body) === 0
  if (typeof expected === 'function') return isAccepted(expected(body))
  return isMatch(expected, body.toString())
}

/** What a predicate answers; a promise would count as true whatever comes of it. */
function isAccepted(answer: unknown): boolean {
  if (types.isPromise(answer))
    throw invalidParameter('A predicate of a matcher must answer at once, not with a promise.')
  return Boolean(answer)
}

/** A body as text, unless it is none. */
export function bodyInWords(body: Buffer): string | Buffer {
  return isUtf8(body) ? body.toString() : body
}

/** `1 send`, `2 sends`. */
export function countInWords(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** Short enough for a line. */
export function inWords(value: unknown): string {
  return inspect(readable(value), {
    breakLength: Number.POSITIVE_INFINITY,
    depth: 4,
    maxArrayLength: 10,
    maxStringLength: SHOWN_LENGTH,
  })
}

/**
 * Both sides as far as they differ: of an object only the fields that are expected, and in the place of what matches the
 * value itself, so that a diff shows nothing else.
 */
export function compare(expected: unknown, actual: unknown): readonly [expected: unknown, actual: unknown] {
  if (isPlain(expected) && isPlain(actual) && !isAsymmetric(expected)) {
    const fields = Object.keys(expected).map((name) => [name, compare(expected[name], actual[name])] as const)
    return [
      Object.fromEntries(fields.map(([name, [wanted]]) => [name, wanted])),
      Object.fromEntries(fields.map(([name, [, found]]) => [name, found])),
    ]
  }
  return isMatch(expected, actual) ? [actual, actual] : [readable(expected), actual]
}

/** Frameworks' own matchers become text, in which form everybody can show them. */
export function readable(expected: unknown): unknown {
  if (isAsymmetric(expected))
    return expected.toAsymmetricMatcher?.() ?? `${expected} ${inWords(expected.sample)}`
  if (Array.isArray(expected)) return expected.map(readable)
  if (!isPlain(expected)) return expected
  return Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, readable(value)]))
}

function isAsymmetric(value: unknown): value is AsymmetricMatcher {
  return isObject(value) && typeof value.asymmetricMatch === 'function'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (!isObject(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
