/** Why a delivery failed, as one line of text that fits into a property and an event. */
import type { MQError } from '../model/errors.ts'
import { formatIssues } from '../model/schema-issue.ts'
import { ConsumeResult } from './message-listener.ts'

const LONGEST = 512
/** Issues of a schema are cut where they are listed. */
const LONGEST_REFUSAL = 1024
const CONTROL_CHARACTERS = /\p{Cc}+/gu

/** What a listener threw or rejected with, in words. */
export function reasonOfError(error: unknown): string {
  try {
    return clean(
      error instanceof Error ? `${error.name}: ${error.message}` : `The listener threw ${inWords(error)}.`,
    )
  } catch {
    // The error itself throws when it is looked at: its text is the application's code.
    return 'The listener threw an error that has no text.'
  }
}

/** Why this answer of a listener is a failure, or `undefined` when it is none. */
export function reasonOfAnswer(answer: unknown): string | undefined {
  if (answer === undefined || answer === ConsumeResult.SUCCESS) return undefined
  if (answer === ConsumeResult.FAILURE || answer === ConsumeResult.SUSPEND_CURRENT_QUEUE_A_MOMENT)
    return `The listener returned ${answer}.`
  return clean(
    `The listener returned ${inWords(answer)}; return ConsumeResult.SUCCESS, ConsumeResult.FAILURE or nothing.`,
  )
}

/** Why the schema of its topic, or a failure of that schema, kept a message from the listener. */
export function reasonOfRefusal({ issues, message }: MQError): string {
  return clean(issues === undefined ? message : `SCHEMA: ${formatIssues(issues)}`, LONGEST_REFUSAL)
}

/** The text of an object or a function would be the application's code, which may throw. */
function inWords(value: unknown): string {
  switch (typeof value) {
    case 'object':
      return value === null ? 'null' : 'an object'
    case 'function':
      return 'a function'
    case 'string':
      return `'${value}'`
    default:
      return String(value)
  }
}

function clean(text: string, longest = LONGEST): string {
  return text.replace(CONTROL_CHARACTERS, ' ').slice(0, longest).toWellFormed()
}
