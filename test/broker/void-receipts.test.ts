import { describe, expect, test } from 'vitest'
import { VoidReceipts } from '../../src/broker/void-receipts.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

describe('Void receipts', () => {
  test('are known by alarm and offset', () => {
    const clock = new ManualClock()
    const receipts = new VoidReceipts(clock)
    const dueTimestamp = clock.now() + 1000
    receipts.add({ alarmId: 1, queueOffset: 2, dueTimestamp })
    expect(receipts.has({ alarmId: 1, queueOffset: 2, dueTimestamp })).toBe(true)
    expect(receipts.has({ alarmId: 1, queueOffset: 3, dueTimestamp })).toBe(false)
    expect(receipts.has({ alarmId: 12, queueOffset: 2, dueTimestamp })).toBe(false)
  })

  test('are forgotten when their time is over, so that they do not pile up', async () => {
    const clock = new ManualClock()
    const receipts = new VoidReceipts(clock)
    const early = { alarmId: 0, queueOffset: 0, dueTimestamp: clock.now() + 10 }
    const late = { alarmId: 1, queueOffset: 0, dueTimestamp: clock.now() + 60_000 }
    receipts.add(early)
    receipts.add(late)
    await clock.advance(10)
    for (let alarmId = 2; alarmId < 5000; alarmId++) {
      receipts.add({ alarmId, queueOffset: 0, dueTimestamp: clock.now() })
    }
    expect(receipts.has(early)).toBe(false)
    expect(receipts.has(late)).toBe(true)
    expect(receipts.has({ alarmId: 2, queueOffset: 0, dueTimestamp: 0 })).toBe(false)
  })
})
