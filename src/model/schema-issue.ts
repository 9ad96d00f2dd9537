/** What is wrong with a value, in the words of its schema (Standard Schema `Issue`), and the error that carries it. */
import { MQError } from './errors.ts'
import { onOneLine } from './in-words.ts'

/** One thing that is wrong with the value of a message, as its schema says. */
export interface SchemaIssue {
  /** The way to it from the value: names of fields and places in arrays; empty when it is about the value as a whole. */
  readonly path: readonly PropertyKey[]
  /** What is wrong there, in the words of the schema. */
  readonly message: string
}

/** How a value is named that an issue is about as a whole. */
const WHOLE = 'body'
/** Characters of issues that fit into an error, or a property of a dead letter, next to other words. */
const LONGEST = 900

/** The way to a part of a value, as code would write it: `items[0].price`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else text += text === '' ? String(key) : `.${String(key)}`
  }
  return text === '' ? WHOLE : text
}

/** `path: message; path: message`, as many as fit, and how many more there are. */
export function formatIssues(issues: readonly SchemaIssue[]): string {
  let text = ''
  for (const [index, { path, message }] of issues.entries()) {
    const next = `${index === 0 ? '' : '; '}${formatPath(path)}: ${inShort(message)}`
    if (text.length + next.length > LONGEST && index > 0) return `${text}; and ${issues.length - index} more`
    text += next
  }
  return inShort(text)
}

/** Words of a schema as they fit into an error: on one line, so that none of them looks like a line of its own in a log. */
export function inShort(text: string): string {
  return onOneLine(text.slice(0, LONGEST))
}

/** What a value is refused with that is not what the schema of its topic demands. */
export function schemaMismatch(
  topic: string,
  issues: readonly SchemaIssue[],
  cause: unknown,
  hint = '',
): MQError {
  const text = `The body is not what the schema of '${topic}' demands: ${formatIssues(issues)}.${hint}`
  return new MQError('SCHEMA_MISMATCH', text, { cause, issues })
}
