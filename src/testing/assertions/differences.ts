/** Where a message differs from what a test means. */
import { entriesOf, type MessageLife } from './message-life.ts'
import type { MessageMatcher } from './message-matcher.ts'
import { bodyInWords, compare, isBodyMatch, isMatch, readable } from './value-match.ts'

/** Where a message is not as expected. */
export interface Difference {
  readonly field: string
  readonly expected: unknown
  readonly actual: unknown
}

/** True for what is meant. */
export function isMeant(matcher: MessageMatcher, life: MessageLife): boolean {
  return differencesOf(matcher, life).length === 0
}

/** Where a message is not as expected, in the order of the fields of {@link MessageMatcher}. */
export function differencesOf(matcher: MessageMatcher, life: MessageLife): Difference[] {
  return comparisonOf(matcher, life)
    .filter(({ isSame }) => !isSame)
    .map(({ field, expected, actual }) => ({ field, expected, actual }))
}

/** What was expected of a message and what it is, field by field, for a framework to show the difference. */
export function diffOf(
  matcher: MessageMatcher,
  life: MessageLife,
): readonly [expected: object, actual: object] {
  const fields = comparisonOf(matcher, life)
  return [
    Object.fromEntries(fields.map(({ field, expected }) => [field, expected])),
    Object.fromEntries(fields.map(({ field, actual }) => [field, actual])),
  ]
}

interface Comparison extends Difference {
  readonly isSame: boolean
}

const FIELDS = ['messageId', 'topic', 'tag', 'keys', 'properties', 'messageGroup', 'body', 'json'] as const

function comparisonOf(matcher: MessageMatcher, life: MessageLife): Comparison[] {
  const compared = FIELDS.filter((field) => matcher[field] !== undefined).map((field) => ({
    field,
    ...compareField(field, matcher[field], life),
  }))
  const { outcome } = matcher
  if (outcome === undefined || [outcome].flat().includes(life.outcome)) return compared
  return [...compared, { field: 'outcome', expected: outcome, actual: outcomeOf(life), isSame: false }]
}

function compareField(
  field: (typeof FIELDS)[number],
  expected: unknown,
  life: MessageLife,
): Omit<Comparison, 'field'> {
  const { content, messageId, topic } = life
  if (field === 'messageId') return compareValues(expected, messageId)
  if (field === 'topic') return compareValues(expected, topic)
  if (content === undefined) return { expected: readable(expected), actual: '(unknown)', isSame: false }
  if (field === 'tag' || field === 'properties' || field === 'messageGroup')
    return compareValues(expected, content[field])
  if (field === 'json') return compareJson(expected, content.body)
  const isSame = field === 'keys' ? hasKeys(content.keys, expected) : isBodyMatch(expected, content.body)
  const actual = field === 'keys' ? content.keys : bodyInWords(content.body)
  return { expected: isSame ? actual : readable(expected), actual, isSame }
}

function compareValues(wanted: unknown, found: unknown): Omit<Comparison, 'field'> {
  const [expected, actual] = compare(wanted, found)
  return { expected, actual, isSame: isMatch(wanted, found) }
}

function hasKeys(keys: readonly string[], expected: unknown): boolean {
  return [expected].flat().every((key) => keys.includes(key as string))
}

function compareJson(expected: unknown, body: Buffer): Omit<Comparison, 'field'> {
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    return { expected: readable(expected), actual: '(no JSON)', isSame: false }
  }
  return compareValues(expected, json)
}

function outcomeOf(life: MessageLife): string {
  const failure = entriesOf(life, 'send-failed').at(-1)
  return life.outcome === 'failed' && failure !== undefined
    ? `failed with ${failure.error.code}`
    : life.outcome
}
