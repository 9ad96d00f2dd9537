/**
 * Turns options from outside into complete, frozen objects. What is refused is named with its path and its value; for an
 * unknown key the nearest known one is named.
 */
import { distance } from 'fastest-levenshtein'
import { z } from 'zod'
import { invalidParameter } from './errors.ts'
import { inWords } from './in-words.ts'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** A key further from all known ones than this is no misspelling. */
const NEAR = 3

/** Parses with a strict schema; throws `INVALID_PARAMETER` that names the path, the value and what is wrong. */
export function parseOptions<S extends z.ZodType>(
  what: string,
  schema: S,
  value: unknown,
): Readonly<z.output<S>> {
  const result = schema.safeParse(value)
  if (result.success) return freezeAll(result.data, value)
  const issue = result.error.issues[0]
  if (issue === undefined) throw invalidParameter(`${what}: not valid.`)
  if (issue.code === 'unrecognized_keys') throw invalidParameter(unknownKey(what, issue, schema))
  const place = issue.path.length === 0 ? what : `${what}, ${issue.path.join('.')}`
  const found = valueAt(value, issue.path)
  // An object that lacks something is still an object.
  const isLacking = issue.code === 'custom' && issue.message.startsWith('must have') && isObject(found)
  throw invalidParameter(`${place}: ${wishOf(issue)}${isLacking ? '' : `, not ${inWords(found)}`}.`)
}

/** Freezes what parsing made, all the way down; what it handed through, such as a clock, is the caller's own. */
function freezeAll<T>(parsed: T, given: unknown): T {
  if (typeof parsed !== 'object' || parsed === null || parsed === given) return parsed
  const fields = (given ?? {}) as Readonly<Record<string, unknown>>
  for (const [name, field] of Object.entries(parsed)) freezeAll(field, fields[name])
  return Object.freeze(parsed)
}

function unknownKey(
  what: string,
  { keys, path }: z.core.$ZodIssueUnrecognizedKeys,
  schema: z.ZodType,
): string {
  const key = keys[0] ?? ''
  const [nearest] = keysAt(schema, path)
    .map((name) => ({ name, distance: distance(key, name) }))
    .sort((a, b) => a.distance - b.distance)
  const hint =
    nearest !== undefined && nearest.distance <= NEAR
      ? ` Did you mean '${[...path, nearest.name].join('.')}'?`
      : ''
  return `${what}: unknown option '${[...path, key].join('.')}'.${hint}`
}

/** The keys that the object at a path may have. */
function keysAt(schema: z.ZodType, path: Path): readonly string[] {
  let object: z.core.$ZodType | undefined = schema
  for (const key of path) {
    object = object instanceof z.ZodObject ? withoutDefault(object.shape[String(key)]) : undefined
  }
  return object instanceof z.ZodObject ? Object.keys(object.shape) : []
}

function withoutDefault(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  const isWrapped =
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional
  return isWrapped ? withoutDefault(schema.unwrap()) : schema
}

/** What would be legal. What was given is named behind it, so zod's words for that are left out. */
function wishOf(issue: Issue): string {
  if (issue.code !== 'invalid_union') {
    return issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '')
  }
  const wishes = issue.errors.flatMap(([first]) => (first === undefined ? [] : [wishOf(first)]))
  return `expected ${wishes.map((wish) => wish.replace(/^.*expected /, '')).join(' or ')}`
}

function valueAt(value: unknown, path: Path): unknown {
  let found = value
  for (const key of path) found = (found as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key]
  return found
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
