/** Errors as values. */
import { MQError } from '../../../src/model/errors.ts'
import type { Refusal } from '../events.ts'

export function refusalOf(error: unknown): Refusal {
  const { code, outcome, message } = MQError.from(error)
  return { code: error instanceof MQError ? code : undefined, outcome, text: message }
}
