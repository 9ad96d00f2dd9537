import { expect } from 'vitest'
import type { MQErrorCode } from '../../src/model/errors.ts'

/** Matches an `MQError` with this code, and with this text in its message. */
export function mqError(code: MQErrorCode, text = ''): object {
  return expect.objectContaining({ name: 'MQError', code, message: expect.stringContaining(text) })
}
