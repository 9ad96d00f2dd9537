/** Catches the one error that a call is meant to throw. */
import { MQError } from '../../src/model/errors.ts'

/** The error of a call that is refused; anything else fails the test. */
export function refusal(call: () => unknown): MQError {
  try {
    call()
  } catch (error) {
    if (error instanceof MQError) return error
    throw error
  }
  throw new Error('nothing was refused')
}
