import { describe, expect, test } from 'vitest'
import { MESSAGE_MAX_BYTES, PROPERTIES_MAX_BYTES } from '../../src/model/limits.ts'
import type { Message } from '../../src/model/message.ts'
import { parseMessageId } from '../../src/model/message-id.ts'
import { type OutgoingMessage, prepareMessage, sizeOfMessage } from '../../src/model/outgoing-message.ts'
import { refusal } from './refusal.ts'

const ID = parseMessageId('010102030405060708000000090000000A')
const BORN = 1_800_000_000_000

/** Accepts anything, since what is wrong with a message is what is tested. */
function prepare(fields: Readonly<Record<string, unknown>>): OutgoingMessage {
  return prepareMessage({ topic: 'orders', body: 'x', ...fields } as Message, ID, BORN)
}

function illegal(fields: Readonly<Record<string, unknown>>): string {
  const error = refusal(() => prepare(fields))
  expect(error.code).toBe('MESSAGE_ILLEGAL')
  return error.message
}

describe('A checked message', () => {
  test('carries everything that the store writes', () => {
    const message = prepare({
      body: 'größe',
      tag: 'paid',
      keys: ['a-1', 'b-2'],
      properties: { colour: 'red' },
    })
    expect(message).toMatchObject({
      topic: 'orders',
      messageId: ID,
      body: 'größe',
      bodyBytes: 7,
      tag: 'paid',
      tagHash: 3433164,
      keys: 'a-1 b-2',
      properties: [['colour', 'red']],
      bornTimestamp: BORN,
      reconsumeTimes: 0,
    })
  })

  test('without tag, keys and properties has none of them, and the tag hash 0', () => {
    expect(prepare({})).toMatchObject({ tag: '', tagHash: 0, keys: '', properties: [] })
  })

  test('keeps a Buffer or a Uint8Array as it is, of its own length', () => {
    const whole = new Uint8Array([1, 2, 3, 4])
    expect(prepare({ body: whole.subarray(1, 3) }).bodyBytes).toBe(2)
    expect(prepare({ body: Buffer.from('abc') }).bodyBytes).toBe(3)
  })

  test('takes one key as a string, and an empty list as no key', () => {
    expect(prepare({ keys: 'a-1' }).keys).toBe('a-1')
    expect(prepare({ keys: [] }).keys).toBe('')
  })

  test('has the size topic + properties + body + 20 bytes, with RocketMQ’s names for tag and keys', () => {
    expect(prepare({ body: 'abc' }).sizeBytes).toBe(6 + 3 + 20)
    const message = prepare({ body: 'abc', tag: 'é', keys: ['k1', 'k2'], properties: { p: 'v€' } })
    expect(message.sizeBytes).toBe(6 + (4 + 2) + (4 + 5) + (1 + 4) + 3 + 20)
  })
})

describe('A message group', () => {
  test('is stored as the property that RocketMQ has for it, before those of the user', () => {
    expect(prepare({ messageGroup: 'order-1', properties: { region: 'eu' } }).properties).toEqual([
      ['__SHARDINGKEY', 'order-1'],
      ['region', 'eu'],
    ])
    expect(prepare({ messageGroup: undefined }).properties).toEqual([])
  })

  test('counts for the size of the message', () => {
    expect(prepare({ messageGroup: 'o-1' }).sizeBytes).toBe(prepare({}).sizeBytes + 13 + 3)
  })

  test('may take 63 bytes of UTF-8 and not one more', () => {
    expect(prepare({ messageGroup: `${'é'.repeat(31)}x` }).properties).toHaveLength(1)
    expect(illegal({ messageGroup: 'é'.repeat(32) })).toContain('takes 64 bytes; at most 63')
  })

  test.each([
    ['nothing but white space', ' '],
    ['empty', ''],
    ['null', null],
    ['a number', 7],
  ])('must not be %s', (_, messageGroup) => {
    expect(illegal({ messageGroup })).toContain('must be a string that is not blank')
  })

  test.each([
    ['control characters', 'a\u0001b'],
    ['a lone surrogate', 'a\ud800'],
  ])('must not hold %s', (_, messageGroup) => {
    expect(illegal({ messageGroup })).toContain(
      'The messageGroup holds control characters or a lone surrogate.',
    )
  })

  test('cannot be given as a property', () => {
    expect(illegal({ properties: { __SHARDINGKEY: 'order-1' } })).toContain('reserved')
  })
})

describe('The size of a message', () => {
  const largestBody = MESSAGE_MAX_BYTES - 'orders'.length - 20

  test('may be exactly 4 MiB and not a byte more', () => {
    expect(prepare({ body: Buffer.alloc(largestBody, 1) }).sizeBytes).toBe(4 * 1024 * 1024)
    expect(illegal({ body: Buffer.alloc(largestBody + 1, 1) })).toContain('4194305 bytes')
  })

  test('counts the UTF-8 bytes of a string, not its characters', () => {
    expect(illegal({ body: 'é'.repeat(largestBody / 2 + 1) })).toContain('4194304')
  })

  test('is told before a message is sent, with the same checks', () => {
    expect(sizeOfMessage({ topic: 'orders', body: 'abc' })).toBe(29)
    expect(refusal(() => sizeOfMessage({ topic: 'orders', body: '' })).code).toBe('MESSAGE_ILLEGAL')
  })

  test('of properties may be exactly 32767 bytes: names, values and separators', () => {
    // One property, and the two that tag and keys would be, are separated by two bytes each.
    const longest = PROPERTIES_MAX_BYTES - 6 - 'p'.length
    expect(prepare({ properties: { p: 'v'.repeat(longest) } }).properties).toHaveLength(1)
    expect(illegal({ properties: { p: 'v'.repeat(longest + 1) } })).toContain('32768 bytes')
  })

  test('of properties counts tag and keys too', () => {
    const longest = PROPERTIES_MAX_BYTES - 4 - 'KEYS'.length
    expect(prepare({ keys: 'k'.repeat(longest) }).keys).toHaveLength(longest)
    expect(illegal({ keys: 'k'.repeat(longest + 1) })).toContain('32767')
    expect(illegal({ tag: 't'.repeat(longest + 1) })).toContain('32767')
  })
})

describe('A message is refused', () => {
  test.each([null, undefined, 'text', 7])('when it is %j instead of an object', (message) => {
    expect(refusal(() => prepareMessage(message as unknown as Message, ID, BORN)).code).toBe(
      'MESSAGE_ILLEGAL',
    )
  })

  test('when it has a field that no message has, naming it', () => {
    expect(illegal({ tags: 'paid' })).toContain("'tags'")
    expect(illegal({ delayLevel: 3 })).toContain("'delayLevel'")
  })

  test('when its topic is illegal', () => {
    expect(refusal(() => prepare({ topic: 'no spaces' })).code).toBe('INVALID_PARAMETER')
    expect(refusal(() => prepare({ topic: undefined })).code).toBe('INVALID_PARAMETER')
  })

  test.each([
    ['empty text', ''],
    ['no byte', new Uint8Array(0)],
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
    ['an object', { a: 1 }],
    ['an array of numbers', [1, 2]],
    ['a bare ArrayBuffer', new ArrayBuffer(4)],
    ['a lone surrogate', 'a\ud800'],
  ])('when its body is %s', (_what, body) => {
    expect(illegal({ body })).toMatch(/^The body/)
  })

  test.each(['', '  ', ' a', 'a ', 'a|b', 'a||b', '*', 'a\u0001', 'a\nb', '\udc00', 7, null])(
    'when its tag is %j',
    (tag) => {
      expect(illegal({ tag })).toContain('tag')
    },
  )

  test.each(['', 'a b', 'a\tb', 'a\u00a0b', 'a\u0002', '\ud800', 7, null, {}])('when a key is %j', (key) => {
    expect(illegal({ keys: key })).toMatch(/keys?\b/)
    expect(illegal({ keys: ['fine', key] })).toMatch(/key\b/)
  })

  test.each([null, 'a=b', ['a'], 7])('when its properties are %j', (properties) => {
    expect(illegal({ properties })).toContain('properties')
  })

  test('when its properties are a Map, which would be stored as none', () => {
    expect(illegal({ properties: new Map([['a', 'b']]) })).toContain('properties')
  })

  test.each(['KEYS', 'TAGS', 'DELAY', 'UNIQ_KEY', 'RETRY_TOPIC', 'TIMER_DELAY_MS'])(
    'when it sets the property %s, which RocketMQ reserves',
    (name) => {
      expect(illegal({ properties: { [name]: 'v' } })).toContain('reserved')
      expect(prepare({ properties: { [name.toLowerCase()]: 'v' } }).properties).toHaveLength(1)
    },
  )

  test.each([
    ['a blank name', { ' ': 'v' }],
    ['a blank value', { p: ' ' }],
    ['an empty value', { p: '' }],
    ['a value that is no string', { p: 7 }],
    ['the separator of names and values', { p: 'a\u0001b' }],
    ['the separator of properties in a name', { 'p\u0002': 'v' }],
    ['a lone surrogate', { p: '\ud800' }],
  ])('when a property has %s', (_what, properties) => {
    expect(illegal({ properties })).toContain('property')
  })
})
