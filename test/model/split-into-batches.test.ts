import { describe, expect, test } from 'vitest'
import { BATCH_MAX_COUNT, MESSAGE_MAX_BYTES } from '../../src/model/limits.ts'
import type { Message } from '../../src/model/message.ts'
import { sizeOfMessage } from '../../src/model/outgoing-message.ts'
import { splitIntoBatches } from '../../src/model/split-into-batches.ts'
import { refusal } from './refusal.ts'

/** A message of exactly this size by the formula. */
function sized(bytes: number, topic = 't'): Message {
  return { topic, body: Buffer.alloc(bytes - topic.length - 20, 1) }
}

function sizes(batches: Iterable<readonly Message[]>): number[][] {
  return [...batches].map((batch) => batch.map(sizeOfMessage))
}

describe('Splitting a list of messages into batches', () => {
  test('gives nothing for nothing', () => {
    expect([...splitIntoBatches([])]).toEqual([])
  })

  test('fills a batch up to exactly the limit', () => {
    expect(sizes(splitIntoBatches([sized(60), sized(40), sized(30)], { maxBytes: 100 }))).toEqual([
      [60, 40],
      [30],
    ])
    expect(sizes(splitIntoBatches([sized(60), sized(41), sized(30)], { maxBytes: 100 }))).toEqual([
      [60],
      [41, 30],
    ])
  })

  test('makes a batch of each priority, in the order given; none is the same as 0', () => {
    const messages = [9, 9, undefined, 0, 3, 9].map((priority) => ({ topic: 't', body: 'x', priority }))
    const batches = [...splitIntoBatches(messages)].map((batch) => batch.map(({ priority }) => priority))
    expect(batches).toEqual([[9, 9], [undefined, 0], [3], [9]])
  })

  test('lets a message larger than the limit stand alone', () => {
    expect(sizes(splitIntoBatches([sized(30), sized(200), sized(30)], { maxBytes: 100 }))).toEqual([
      [30],
      [200],
      [30],
    ])
  })

  test('uses the advised 1 MiB unless told otherwise', () => {
    const half = 512 * 1024
    expect(sizes(splitIntoBatches([sized(half), sized(half), sized(half)]))).toEqual([[half, half], [half]])
  })

  test('begins a new batch where the topic changes, and keeps the order', () => {
    const messages = ['a', 'a', 'b', 'a'].map((topic) => ({ topic, body: 'x' }))
    expect([...splitIntoBatches(messages)].map((batch) => batch.map(({ topic }) => topic).join(''))).toEqual([
      'aa',
      'b',
      'a',
    ])
  })

  test('begins a new batch where the message group changes, or ends', () => {
    const messages = ['a', 'a', 'b', undefined, undefined].map((messageGroup) => ({
      topic: 't',
      body: 'x',
      messageGroup,
    }))
    const groups = [...splitIntoBatches(messages)].map((batch) =>
      batch.map(({ messageGroup }) => messageGroup),
    )
    expect(groups).toEqual([['a', 'a'], ['b'], [undefined, undefined]])
  })

  test('never puts more than 65535 messages into a batch', () => {
    const message = { topic: 't', body: 'x' }
    const messages = Array.from({ length: BATCH_MAX_COUNT + 1 }, () => message)
    const lengths = [...splitIntoBatches(messages, { maxBytes: MESSAGE_MAX_BYTES })].map(
      (batch) => batch.length,
    )
    expect(lengths).toEqual([BATCH_MAX_COUNT, 1])
  })

  test('takes any iterable, and hands the first batch out before the last message is made', () => {
    let made = 0
    function* make(): Generator<Message> {
      for (; made < 10; made++) yield sized(60)
    }
    const [first] = splitIntoBatches(make(), { maxBytes: 100 })
    expect(first).toHaveLength(1)
    expect(made).toBeLessThan(10)
  })

  test('refuses a message that no batch could hold, which cannot be split', () => {
    expect(refusal(() => [...splitIntoBatches([sized(MESSAGE_MAX_BYTES + 1)])]).code).toBe('MESSAGE_ILLEGAL')
    expect(sizes(splitIntoBatches([sized(MESSAGE_MAX_BYTES)]))).toEqual([[MESSAGE_MAX_BYTES]])
  })

  test.each([0, -1, 1.5, Number.NaN, MESSAGE_MAX_BYTES + 1])('refuses the limit %d', (maxBytes) => {
    expect(refusal(() => [...splitIntoBatches([], { maxBytes })]).code).toBe('INVALID_PARAMETER')
  })
})
