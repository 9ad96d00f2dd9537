import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import type { Message } from '../../src/model/message.ts'
import { formatMessageId, type MessageId } from '../../src/model/message-id.ts'
import { Permission } from '../../src/model/topic.ts'
import { decodeAlarm, encodeAlarm } from '../../src/store/alarm-row.ts'
import type { Fact } from '../../src/store/fact.ts'
import { decodeFacts, encodeFact } from '../../src/store/fact-format.ts'
import { decodeFrameHeader, decodeSegmentHeader } from '../../src/store/journal-format.ts'
import { alarmKey } from '../../src/store/keyspace.ts'
import { findBatchDamage, openStoredBatch, readStoredBatch } from '../../src/store/record-reader.ts'
import { openRow, sealRow } from '../../src/store/row.ts'
import { batchBytes, outgoing } from './batch-bytes.ts'

const queue = { topic: 'orders', brokerName: 'localhost', queueId: 0 }
const u32 = fc.nat({ max: 0xffff_ffff })
const u48 = fc.nat({ max: 2 ** 48 - 1 })

const messageId: fc.Arbitrary<MessageId> = fc.record({
  prefix: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  seconds: u32,
  sequence: u32,
})
const text = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).map((each) => `x${each.trim()}`)
const word = text.map((each) => each.replaceAll(/[\s|\p{Cc}]/gu, '_'))
const fields: fc.Arbitrary<Partial<Message>> = fc.record(
  {
    body: fc.oneof(
      text,
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.string({ minLength: 50, maxLength: 200 }),
    ),
    tag: word,
    keys: fc.array(word, { maxLength: 4 }),
    properties: fc.dictionary(word, word, { maxKeys: 4 }),
  },
  { requiredKeys: ['body'] },
)
const stored = fc.record({ fields, messageId, born: u48, reconsumeTimes: fc.nat({ max: 65_535 }) })
const batch = fc.record({
  queueUid: u48,
  baseOffset: u48,
  storeTimestamp: u48,
  all: fc.array(stored, { minLength: 1, maxLength: 8 }),
})

const alarm = fc.record({
  id: u48,
  dueTimestamp: u48,
  kind: fc.constantFrom('retry', 'delay', 'transaction', 'pop', 'pop-orderly', 'attempts'),
  groupUid: u32,
  queueUid: u48,
  queueOffset: u48,
  attempt: u32,
})
const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes))
const typed = <T extends Fact['type'], R>(type: T, rest: fc.Arbitrary<R>) =>
  rest.map((each) => ({ type, ...each }))
const fact: fc.Arbitrary<Fact> = fc.oneof(
  typed('offset', fc.record({ groupUid: u32, queueUid: u48, offset: u48 })),
  typed('offset-clear', fc.record({ groupUid: u32, queueUid: u48 })),
  typed('alarm-set', fc.record({ alarm })),
  typed('alarm-clear', fc.record({ id: u48, dueTimestamp: u48 })),
  typed(
    'topic-put',
    fc.record({
      uid: u32,
      config: fc.record(
        {
          topic: text,
          readQueueNums: fc.nat(),
          writeQueueNums: fc.nat(),
          permission: fc.constantFrom(...Object.values(Permission)),
          order: fc.constant(true),
          orderQueueNums: fc.nat(),
          priority: fc.constant(true),
        },
        { requiredKeys: ['topic', 'readQueueNums', 'writeQueueNums', 'permission'] },
      ),
    }),
  ),
  typed('topic-delete', fc.record({ uid: u32 })),
  typed('group-delete', fc.record({ uid: u32 })),
  typed('id-run', fc.record({ first: sixteen, last: sixteen })),
  typed('generation', fc.record({ generation: u32, firstSeq: u48, timestamp: u48, logBytes: u48 })),
  typed(
    'trim',
    fc.record({
      generation: u32,
      beforeSeq: u48,
      minimums: fc.array(fc.record({ queueUid: u48, minOffset: u48 })),
    }),
  ),
  typed(
    'append',
    fc.uint8Array({ minLength: 32, maxLength: 200 }).map((bytes) => ({ bytes: Buffer.from(bytes) })),
  ),
)

/** Bytes that were right once: some are changed, some cut off, some added. */
const mutation = fc.record({
  flips: fc.array(fc.record({ at: fc.nat(), to: fc.nat(255) }), { maxLength: 4 }),
  keep: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.boolean(),
  tail: fc.uint8Array({ maxLength: 8 }),
})

function mutate(
  bytes: Buffer,
  { flips, keep, cut, tail }: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
): Buffer {
  const kept = Buffer.from(bytes.subarray(0, cut ? Math.floor(bytes.length * keep) : bytes.length))
  for (const { at, to } of flips) if (kept.length > 0) kept[at % kept.length] = to
  return Buffer.concat([kept, tail])
}

/** Runs something that may refuse bytes, but only in our own words. */
function refusedAtMost<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    expect(error).toBeInstanceOf(MQError)
    return undefined
  }
}

describe('A record batch', () => {
  test('reads back as the messages that were written, whatever they are', () => {
    fc.assert(
      fc.property(batch, ({ all, ...place }) => {
        const messages = all.map((each) => ({
          ...outgoing(each.fields, each.messageId, each.born),
          reconsumeTimes: each.reconsumeTimes,
        }))
        const read = readStoredBatch(batchBytes({ ...place, messages }), queue, 'here')
        expect(read).toMatchObject({ ...place, count: all.length })
        for (const [i, each] of all.entries()) {
          const message = read.message(i)
          const { body = '', tag, keys = [], properties = {} } = each.fields
          expect(message.messageId).toBe(formatMessageId(each.messageId))
          expect(message.body).toEqual(Buffer.from(body as string))
          expect([message.tag, message.keys, { ...message.properties }]).toEqual([
            tag,
            [...keys],
            { ...properties },
          ])
          expect([message.bornTimestamp, message.reconsumeTimes]).toEqual([each.born, each.reconsumeTimes])
          expect([read.tag(i), read.bodyBytes(i)]).toEqual([tag ?? '', message.body.length])
        }
      }),
    )
  })

  test('is refused when any bit of it changed', () => {
    const bytes = batchBytes({ count: 3 })
    for (let at = 0; at < bytes.length * 8; at++) {
      const changed = Buffer.from(bytes)
      changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7))
      expect(findBatchDamage(changed)).toBeDefined()
    }
  })

  test('is refused with a reason, never with a crash, when it is cut, changed or mere noise', () => {
    fc.assert(
      fc.property(batch, mutation, fc.boolean(), ({ all, ...place }, change, sealed) => {
        const bytes = mutate(
          batchBytes({ ...place, messages: all.map((each) => outgoing(each.fields)) }),
          change,
        )
        // A checksum that fits, as of a release that writes something else.
        if (sealed && bytes.length >= 8) bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0)
        const read = refusedAtMost(() => readStoredBatch(bytes, queue, 'here'))
        for (let i = 0; i < (read?.count ?? 0); i++)
          expect(read?.message(i).body.length).toBeLessThanOrEqual(bytes.length)
      }),
    )
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        (noise) => findBatchDamage(Buffer.from(noise)) !== undefined,
      ),
    )
  })

  test('is believed to hold no more records than it has bytes for', () => {
    const bytes = batchBytes({})
    bytes.writeUInt32BE(0xffff_ffff, 24)
    bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0)
    expect(findBatchDamage(bytes)).toBe('a record ends behind its batch')
  })

  test('stores the greatest reconsume times that fit', () => {
    const bytes = batchBytes({ messages: [{ ...outgoing(), reconsumeTimes: 1e9 }] })
    expect(openStoredBatch(bytes, queue).message(0).reconsumeTimes).toBe(65_535)
  })
})

describe('Facts', () => {
  test('read back as they were written, one by one and back to back', () => {
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 6 }), (facts) => {
        expect(decodeFacts(Buffer.concat(facts.map(encodeFact)))).toEqual(facts)
      }),
    )
  })

  test('are refused as STORE_CORRUPTED when they are cut, changed or mere noise', () => {
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 3 }), mutation, (facts, change) => {
        refusedAtMost(() => decodeFacts(mutate(Buffer.concat(facts.map(encodeFact)), change)))
      }),
      { numRuns: 1000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
        refusedAtMost(() => decodeFacts(Buffer.from(noise)))
      }),
    )
  })

  test('of a trim are not counted beyond the bytes that are there', () => {
    const bytes = encodeFact({ type: 'trim', generation: 1, beforeSeq: 1, minimums: [] })
    bytes.writeUInt32BE(0xffff_ffff, 8 + 10)
    expect(() => decodeFacts(bytes)).toThrow(MQError)
  })
})

describe('Headers of the journal', () => {
  test('are recognised or not, without ever throwing', () => {
    const bytes = fc.uint8Array({ maxLength: 80 }).map((each) => Buffer.from(each))
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom(Buffer.alloc(0), Buffer.from('PMQF'), Buffer.from('PMQJ')),
        (noise, magic) => {
          const segment = Buffer.concat([magic, noise])
          expect(decodeFrameHeader(segment, 0)).toBeUndefined()
          expect(decodeSegmentHeader(segment)).toBeUndefined()
        },
      ),
    )
  })

  test('are not believed to lead more bytes than the segment has', () => {
    const segment = Buffer.alloc(64)
    segment.write('PMQF')
    segment.writeUInt32BE(0xffff_ffff, 8)
    expect(decodeFrameHeader(segment, 0)).toBeUndefined()
    expect(decodeFrameHeader(segment, 40)).toBeUndefined()
  })
})

describe('Index rows', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each))

  test('open to what was sealed', () => {
    fc.assert(
      fc.property(bytes, bytes, (key, content) => {
        expect(openRow(key, sealRow(key, content))).toEqual(content)
      }),
    )
  })

  test('are refused under another key, or when a bit of them changed', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(), (key, content, at) => {
        const value = sealRow(key, content)
        expect(() => openRow(Buffer.concat([key, Buffer.of(0)]), value)).toThrow(MQError)
        const changed = Buffer.from(value)
        changed[at % value.length] = (changed[at % value.length] ?? 0) ^ (1 << (at % 8))
        expect(() => openRow(key, changed)).toThrow(MQError)
        expect(() => openRow(key, value.subarray(0, at % 4))).toThrow(MQError)
      }),
    )
  })

  test('of alarms read back as they were set', () => {
    fc.assert(
      fc.property(alarm, (each) => {
        expect(decodeAlarm(alarmKey(each.dueTimestamp, each.id), encodeAlarm(each))).toEqual(each)
      }),
    )
  })
})
