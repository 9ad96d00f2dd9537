import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatOffsetMessageId,
  isOffsetMessageId,
  parseOffsetMessageId,
} from '../../src/model/offset-message-id.ts'
import { refusal } from './refusal.ts'

describe('An offset message id', () => {
  test('is 32 upper-case hex characters: the identity of the queue, then the queue offset', () => {
    expect(formatOffsetMessageId(0x1_0002, 0xabc)).toBe('00000000000100020000000000000ABC')
  })

  test('is parsed back to the same address, whatever it is', () => {
    const number = fc.maxSafeNat()
    fc.assert(
      fc.property(number, number, (queueUid, queueOffset) => {
        const text = formatOffsetMessageId(queueUid, queueOffset)
        expect(text).toMatch(/^[0-9A-F]{32}$/)
        expect(parseOffsetMessageId(text)).toEqual({ queueUid, queueOffset })
      }),
    )
  })

  test.each(['', '0'.repeat(31), '0'.repeat(33), 'a'.repeat(32), 'G'.repeat(32), ` ${'0'.repeat(31)}`])(
    'is not %j',
    (text) => {
      expect(isOffsetMessageId(text)).toBe(false)
      expect(refusal(() => parseOffsetMessageId(text)).code).toBe('INVALID_PARAMETER')
    },
  )

  test('with numbers that no store has given, such as one of a RocketMQ cluster, is that of no message', () => {
    for (const text of ['F'.repeat(32), '7F00000100002A9F00000000000F6A00'])
      expect(refusal(() => parseOffsetMessageId(text)).code).toBe('NO_MESSAGE')
  })
})
