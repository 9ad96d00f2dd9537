import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Faults } from '../../src/testing/faults.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill, sendInWords } from './billing.ts'

/** `x` for each send that failed, `.` for each that did not. */
async function pattern(mq: TestMQ, count: number): Promise<string> {
  const words = await sendInWords(mq, ...Array.from({ length: count }, () => 'x'))
  return words.map((word) => (word === 'SEND_OK' ? '.' : 'x')).join('')
}

describe('The rule of a fault', () => {
  test.each([
    [{}, 'xxxxx'],
    [{ nth: 2 }, '.x...'],
    [{ times: 2 }, 'xx...'],
    [{ after: 3 }, '...xx'],
    [{ after: 1, times: 2 }, '.xx..'],
    [{ topic: 'orders', nth: 1 }, 'x....'],
    [{ topic: 'invoices' }, '.....'],
    [{ group: 'shop', nth: 5 }, '....x'],
    [{ group: 'other-shop' }, '.....'],
  ])('chooses by %j: %s', async (rule, expected) => {
    await using mq = await createTestMQ()
    mq.faults.failSend(rule)
    expect(await pattern(mq, 5)).toBe(expected)
  })

  test('chooses a share of the calls by the seed', async () => {
    const patterns: string[] = []
    for (const seed of [1, 1, 2]) {
      await using mq = await createTestMQ({ seed })
      const fault = mq.faults.failSend({ probability: 0.3 })
      patterns.push(await pattern(mq, 100))
      expect(fault.hitCount).toBeGreaterThan(15)
      expect(fault.hitCount).toBeLessThan(45)
    }
    expect(patterns[1]).toBe(patterns[0])
    expect(patterns[2]).not.toBe(patterns[0])
  })

  test('changes nothing else of what a seed makes', async () => {
    const ids: string[][] = []
    for (const withFault of [true, false]) {
      await using mq = await createTestMQ()
      if (withFault) mq.faults.failSend({ probability: 0.5 })
      await sendInWords(mq, 'a', 'b', 'c')
      ids.push(mq.ledger.of('sent').map(({ messageId }) => messageId))
    }
    expect(ids[1]).toEqual(ids[0])
  })

  test('counts from when it was made, and each fault for itself', async () => {
    await using mq = await createTestMQ()
    await sendInWords(mq, 'before')
    mq.faults.failSend({ nth: 2 })
    mq.faults.failSend({ nth: 4 })
    expect(await pattern(mq, 5)).toBe('.x.x.')
  })

  test('ends when it is removed', async () => {
    await using mq = await createTestMQ()
    const fault = mq.faults.failSend()
    expect(await pattern(mq, 2)).toBe('xx')
    fault.remove()
    expect(await pattern(mq, 2)).toBe('..')
    expect(fault.hitCount).toBe(2)
  })

  test.each<[string, (faults: Faults) => unknown, string]>([
    ['an unknown option', (f) => f.failSend({ nht: 3 } as object), "Did you mean 'nth'?"],
    ['nth with times', (f) => f.failSend({ nth: 1, times: 2 }), 'leave out times'],
    ['nth with after', (f) => f.loseReceipt({ nth: 1, after: 0 }), 'leave out after'],
    ['nth with a share', (f) => f.duplicateDeliveries({ nth: 1, probability: 0.5 }), 'leave out probability'],
    ['a call before the first', (f) => f.failSend({ nth: 0 }), 'nth'],
    ['a share of nothing', (f) => f.failSend({ probability: 0 }), 'probability'],
    ['a topic that cannot be', (f) => f.failSend({ topic: 'no spaces' }), 'no spaces'],
    ['an unknown code', (f) => f.failSend({ code: 'BUSY' as 'SYSTEM_BUSY' }), 'code'],
    ['a status that is no fault', (f) => f.answerStatus('SEND_OK' as 'FLUSH_DISK_TIMEOUT'), 'SEND_OK'],
    ['an unknown verb', (f) => f.fail('pull' as 'pullMessage'), "'pull' is no verb"],
    ['a delay of nothing', (f) => f.delay('pullMessage', {} as { byMs: number }), 'byMs'],
    ['a delay back in time', (f) => f.delayAcknowledgements({ byMs: -1 }), 'byMs'],
    ['a crash nowhere', (f) => f.crash({ at: 'somewhere' as 'in-listener' }), 'at'],
    ['a crash that repeats', (f) => f.crash({ at: 'in-listener', times: 2 } as never), 'times'],
    ['a disk that is not slow', (f) => f.slowDisk({ delayMs: 0 }), 'delayMs'],
    ['no object', (f) => f.fullDisk(null as never), 'fullDisk'],
  ])('is refused for %s', async (_, make, text) => {
    await using mq = await createTestMQ()
    expect(() => make(mq.faults)).toThrow(mqError('INVALID_PARAMETER', text) as Error)
    expect(mq.faults.unused()).toEqual([])
  })
})

describe('Faults', () => {
  test('that never acted are named, also when they were removed', async () => {
    await using mq = await createTestMQ()
    mq.faults.failSend({ nth: 1 })
    mq.faults.loseReceipt({ nth: 7 })
    mq.faults.fail('lockQueues', { group: 'shipping' }).remove()
    await sendInWords(mq, 'a')
    expect(mq.faults.unused().map(({ description }) => description)).toEqual([
      'loseReceipt({ nth: 7 })',
      "fail('lockQueues', { group: 'shipping' })",
    ])
    mq.faults.clear()
    expect(mq.faults.unused()).toEqual([])
  })

  test('are not hit by the looks of settled()', async () => {
    await using mq = await createTestMQ()
    await bill(mq, () => undefined)
    await sendInWords(mq, 'a')
    for (const verb of ['queryGroups', 'queryConsumerIds', 'consumerProgress', 'viewMessage'] as const)
      mq.faults.fail(verb)
    await mq.settled()
    expect(mq.faults.unused()).toHaveLength(4)
  })

  test('act together on one call, the first made outermost', async () => {
    await using mq = await createTestMQ()
    const outer = mq.faults.failSend({ nth: 1 })
    const inner = mq.faults.loseReceipt({ times: 2 })
    expect(await sendInWords(mq, 'a', 'b', 'c')).toEqual([
      'SYSTEM_BUSY not-attempted',
      'SEND_TIMEOUT unknown',
      'SEND_OK',
    ])
    expect([outer.hitCount, inner.hitCount]).toEqual([1, 1])
  })

  test('outlive a crash', async () => {
    await using mq = await createTestMQ()
    const fault = mq.faults.failSend({ nth: 2 })
    expect(await sendInWords(mq, 'a')).toEqual(['SEND_OK'])
    await using reopened = await mq.crash()
    expect(await sendInWords(reopened, 'b')).toEqual(['SYSTEM_BUSY not-attempted'])
    expect(reopened.faults).toBe(mq.faults)
    expect(fault.hitCount).toBe(1)
  })

  test('do not come along into a fork', async () => {
    await using mq = await createTestMQ()
    mq.faults.failSend()
    mq.faults.slowDisk({ delayMs: 100 })
    await using fork = await mq.fork()
    expect(await sendInWords(fork, 'a')).toEqual(['SEND_OK'])
    expect(fork.faults.unused()).toEqual([])
  })

  test('of the disk and crashes need the disk in memory', async () => {
    const path = await mkdtemp(join(tmpdir(), 'pocketmq-faults-'))
    onTestFinished(() => rm(path, { recursive: true }))
    await using mq = await createTestMQ({ path })
    expect(() => mq.faults.slowDisk({ delayMs: 1 })).toThrow('slowDisk() needs the disk in memory')
    expect(() => mq.faults.fullDisk()).toThrow('fullDisk() needs the disk in memory')
    expect(() => mq.faults.crash({ at: 'in-listener' })).toThrow('crash() needs the disk in memory')
    mq.faults.failSend({ nth: 1 })
    expect(await pattern(mq, 2)).toBe('x.')
  })

  test('of every verb are noticed by those that call it', async () => {
    await using mq = await createTestMQ()
    const errors: string[] = []
    mq.on('error', ({ message }) => errors.push(message))
    for (const verb of ['lockQueues', 'pullMessage', 'queryConsumerOffset', 'updateConsumerOffset'] as const)
      mq.faults.fail(verb, { nth: 1, code: 'SERVICE_NOT_AVAILABLE' })
    const texts: string[] = []
    await bill(mq, (message) => void texts.push(message.text()))
    await sendInWords(mq, 'a')
    await mq.settled({ horizon: '10s' })
    expect(texts).toEqual(['a'])
    expect(errors).toHaveLength(4)
    expect(mq.faults.unused()).toEqual([])
  })
})
