import { describe, expect, test } from 'vitest'
import { invalidParameter, MQError, type MQErrorCode, MQErrorCodes } from '../../src/model/errors.ts'

describe('MQError', () => {
  test('is an Error with a stable code and, where RocketMQ has one, its response code', () => {
    const error = new MQError('TOPIC_NOT_EXIST', 'no such topic')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'MQError',
      code: 'TOPIC_NOT_EXIST',
      responseCode: 17,
      message: 'no such topic',
    })
    expect(new MQError('ABORTED', 'taken back').responseCode).toBeUndefined()
  })

  test('keeps the cause and what is known about the write', () => {
    const cause = new Error('EIO')
    expect(new MQError('STORE_FAILED', 'flush', { cause, outcome: 'unknown' })).toMatchObject({
      cause,
      outcome: 'unknown',
    })
    expect(new MQError('STORE_FAILED', 'flush')).not.toHaveProperty('cause')
    expect(new MQError('STORE_FAILED', 'flush').outcome).toBeUndefined()
  })

  test('passes through from() unchanged', () => {
    const error = invalidParameter('no')
    expect(MQError.from(error)).toBe(error)
    expect(MQError.from(error, 'WRITE_FAILED').code).toBe('INVALID_PARAMETER')
  })

  test.each([
    [new TypeError('odd'), 'odd'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [{ toString: (): string => 'thing' }, 'thing'],
  ])('is made from whatever else was caught, which stays its cause: %s', (caught, message) => {
    const error = MQError.from(caught)
    expect(error).toMatchObject({ code: 'SYSTEM_ERROR', message })
    expect(error.cause).toBe(caught)
    expect(MQError.from(caught, 'WRITE_FAILED').code).toBe('WRITE_FAILED')
  })

  test('has only codes that its table describes in a sentence', () => {
    for (const code of Object.keys(MQErrorCodes) as MQErrorCode[]) {
      expect(MQErrorCodes[code].description).toMatch(/^[A-Z].+\.$/)
    }
  })
})
