import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatMessageId,
  formatStoredMessageId,
  isMessageId,
  MessageIdGenerator,
  parseMessageId,
  writeMessageId,
} from '../../src/model/message-id.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { refusal } from './refusal.ts'

const half = { next: () => 0.5 }
const EPOCH = Date.UTC(2021, 0, 1)

function take(generator: MessageIdGenerator, count: number): string[] {
  return Array.from({ length: count }, () => formatMessageId(generator.next()))
}

function expectAscending(ids: readonly string[]): void {
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
}

describe('A message id', () => {
  test('is 34 upper-case hex characters: version, node and process, seconds since 2021, sequence', () => {
    const [id] = take(new MessageIdGenerator(new ManualClock(EPOCH + 61_000), half), 1)
    expect(id).toBe('018080808080808080' + '0000003D' + '00000001')
  })

  test('ascends with every call of one generator', () => {
    const clock = new ManualClock()
    const generator = new MessageIdGenerator(clock, half)
    const ids = take(generator, 1000)
    clock.jump(5000)
    expectAscending([...ids, ...take(generator, 1000)])
  })

  test('ascends also when the clock runs back', () => {
    const clock = new ManualClock()
    const generator = new MessageIdGenerator(clock, half)
    const before = take(generator, 100)
    clock.jump(-3_600_000)
    const during = take(generator, 100)
    clock.jump(7_200_000)
    expectAscending([...before, ...during, ...take(generator, 100)])
  })

  test('ascends also when the sequence overflows, and when the clock then catches up', () => {
    const clock = new ManualClock()
    const generator = new MessageIdGenerator(clock, half, 0xffff_fff0)
    const ids = take(generator, 100)
    clock.jump(1000)
    ids.push(...take(generator, 100))
    clock.jump(1000)
    expectAscending([...ids, ...take(generator, 100)])
  })

  test('of two generators differs though clock and count are the same', () => {
    const clock = new ManualClock()
    let seed = 0
    const random = { next: () => (seed = (seed + 0.37) % 1) }
    const [a] = take(new MessageIdGenerator(clock, random), 1)
    const [b] = take(new MessageIdGenerator(clock, random), 1)
    expect(a).not.toBe(b)
  })

  test('is the same after being written as 16 bytes or as text, and read again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = `01${Buffer.from(bytes).toString('hex').toUpperCase()}`
        const stored = Buffer.alloc(20)
        writeMessageId(parseMessageId(text), stored, 3)
        expect(formatMessageId(parseMessageId(text))).toBe(text)
        expect(formatStoredMessageId(stored, 3)).toBe(text)
      }),
    )
  })

  test.each([
    '',
    '01',
    '02'.padEnd(34, '0'),
    '01'.padEnd(34, 'a'),
    '01'.padEnd(34, 'G'),
    '01'.padEnd(36, '0'),
    ' 01'.padEnd(34, '0'),
  ])('is not %j', (text) => {
    expect(isMessageId(text)).toBe(false)
    expect(refusal(() => parseMessageId(text)).code).toBe('INVALID_PARAMETER')
  })
})
