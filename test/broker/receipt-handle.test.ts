import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseReceiptHandle, receiptHandle, receiptPrefix } from '../../src/broker/receipt-handle.ts'
import type { Alarm } from '../../src/store/fact.ts'
import { mqError } from '../helpers/expect-error.ts'

const U48_MAX = 2 ** 48 - 1

describe('A receipt handle', () => {
  test('says what it was made of, whatever was parsed before', () => {
    const u48 = fc.nat(U48_MAX)
    const u32 = fc.nat(2 ** 32 - 1)
    const receipts = fc.record({
      groupUid: u32,
      queueUid: u48,
      alarmId: u48,
      dueTimestamp: u48,
      queueOffset: u48,
      attempt: u32,
    })
    fc.assert(
      fc.property(fc.array(receipts, { maxLength: 5 }), fc.array(fc.nat(4)), (all, order) => {
        for (const receipt of [...all, ...order.flatMap((index) => all[index] ?? [])]) {
          const { groupUid, queueUid, alarmId: id, dueTimestamp, queueOffset, attempt } = receipt
          const alarm: Alarm = { id, kind: 'pop', groupUid, queueUid, dueTimestamp, queueOffset, attempt }
          expect(parseReceiptHandle(receiptHandle(receiptPrefix(alarm), queueOffset, attempt))).toEqual(
            receipt,
          )
        }
      }),
    )
  })

  test('is refused unless it is one, whatever the text', () => {
    const isHandle = /^[0-9a-z]{1,10}(\.[0-9a-z]{1,10}){5}$/
    const nearly = fc.stringMatching(/^[0-9a-zA-Z.-]{0,20}$/)
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (text) => {
        if (isHandle.test(text)) parseReceiptHandle(text)
        else expect(() => parseReceiptHandle(text)).toThrow(mqError('INVALID_RECEIPT_HANDLE') as Error)
      }),
    )
  })
})
