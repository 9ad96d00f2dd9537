/** Turns options from outside into complete, frozen objects; unknown keys are refused and the nearest is named. */
import { z } from 'zod'
import { invalidParameter } from './errors.ts'

/** Parses with a strict schema; throws `INVALID_PARAMETER` that names the path and what is wrong. */
export function parseOptions<S extends z.ZodType>(
  what: string,
  schema: S,
  value: unknown,
): Readonly<z.output<S>> {
  const result = schema.safeParse(value)
  if (result.success) return freezeAll(result.data, value)
  const issue = result.error.issues[0]
  if (issue?.code === 'unrecognized_keys') throw invalidParameter(unknownKey(what, issue, schema))
  const path = issue === undefined ? '' : issue.path.join('.')
  throw invalidParameter(`${what}${path === '' ? '' : `, ${path}`}: ${issue?.message ?? 'not valid'}.`)
}

/** Freezes what parsing made, all the way down; what it handed through, such as a clock, is the caller's own. */
function freezeAll<T>(parsed: T, given: unknown): T {
  if (typeof parsed !== 'object' || parsed === null || parsed === given) return parsed
  const fields = (given ?? {}) as Readonly<Record<string, unknown>>
  for (const [name, field] of Object.entries(parsed)) freezeAll(field, fields[name])
  return Object.freeze(parsed)
}

function unknownKey(what: string, issue: z.core.$ZodIssueUnrecognizedKeys, schema: z.ZodType): string {
  const key = issue.keys[0] ?? ''
  const known = issue.path.length === 0 && schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const nearest = known
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const hint = nearest !== undefined && nearest.distance <= 3 ? ` Did you mean '${nearest.name}'?` : ''
  return `${what}: unknown option '${[...issue.path, key].join('.')}'.${hint}`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      next[j] = Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost)
    }
    row = next
  }
  return row[b.length] ?? 0
}
