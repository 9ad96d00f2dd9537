import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as keys from '../../src/store/keyspace.ts'

const u32 = fc.nat({ max: 0xffff_ffff })
const u48 = fc.nat({ max: 2 ** 48 - 1 })
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes))
/** Texts made to be taken for something else: prefixes of rows, separators, lengths, zero and high bytes. */
const nasty = fc.constantFrom(
  '%RETRY%',
  '%DLQ%',
  '|',
  '||',
  '\u0000',
  '\u0000\u0000\u0000\u0001',
  'k',
  'q',
  '!',
  '\uffff',
  '🦆',
  'ключ',
)
const keyText = fc
  .oneof(
    fc.string({ maxLength: 40, unit: 'binary' }),
    fc.array(nasty, { maxLength: 6 }).map((parts) => parts.join('')),
    fc.constant('x'.repeat(32_000)),
  )
  .map((text) => Buffer.from(text))

/** Every kind of index row: how it is made from its numbers and texts. */
const rows = {
  alarm: fc.tuple(u48, u48).map((parts) => ({ parts, key: keys.alarmKey(...parts) })),
  topic: fc.tuple(u32).map((parts) => ({ parts, key: keys.topicKey(...parts) })),
  group: fc.tuple(u32).map((parts) => ({ parts, key: keys.groupKey(...parts) })),
  generation: fc.tuple(u32).map((parts) => ({ parts, key: keys.generationKey(...parts) })),
  idRun: fc.tuple(u32, id).map((parts) => ({ parts, key: keys.idRunKey(...parts) })),
  key: fc.tuple(u32, u32, keyText, u48, u48, u48).map((parts) => ({ parts, key: keys.keyKey(...parts) })),
  offset: fc.tuple(u32, u48).map((parts) => ({ parts, key: keys.offsetKey(...parts) })),
  purge: fc.tuple(u32).map((parts) => ({ parts, key: keys.purgeKey(...parts) })),
  queue: fc.tuple(u48, u48).map((parts) => ({ parts, key: keys.queueKey(...parts) })),
  state: fc.tuple(u48).map((parts) => ({ parts, key: keys.stateKey(...parts) })),
  id: fc.tuple(u32, id, u48, u48).map((parts) => ({ parts, key: keys.idKey(...parts) })),
} as const

type Kind = keyof typeof rows
type Row = { readonly kind: Kind; readonly parts: readonly (number | Buffer)[]; readonly key: Buffer }

const rowOf = (kind: Kind): fc.Arbitrary<Row> => rows[kind].map((row) => ({ kind, ...row }))
const anyRow = fc.oneof(...(Object.keys(rows) as Kind[]).map(rowOf))

function compareParts(a: readonly (number | Buffer)[], b: readonly (number | Buffer)[]): number {
  for (const [i, part] of a.entries()) {
    const other = b[i]
    const difference =
      typeof part === 'number'
        ? part - Number(other)
        : part.length - (other as Buffer).length || part.compare(other as Buffer)
    if (difference !== 0) return Math.sign(difference)
  }
  return 0
}

function within({ gte, lt }: keys.KeyRange, key: Buffer): boolean {
  return key.compare(gte) >= 0 && key.compare(lt) < 0
}

describe('Keys of the index', () => {
  test('are different whenever kind, numbers or texts are', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (a, b) => {
        const same = a.kind === b.kind && compareParts(a.parts, b.parts) === 0
        expect(a.key.equals(b.key)).toBe(same)
      }),
    )
  })

  test.each(Object.keys(rows) as Kind[])('of kind %s sort as their numbers and texts do', (kind) => {
    fc.assert(
      fc.property(rowOf(kind), rowOf(kind), (a, b) => {
        expect(a.key.compare(b.key)).toBe(compareParts(a.parts, b.parts))
      }),
    )
  })

  test('lie in the range of their own kind and in no other', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        const kinds = (Object.keys(rows) as Kind[]).filter((kind) => within(keys.rangeOf(kind), row.key))
        expect(kinds).toEqual([row.kind])
        expect(row.key.equals(keys.summaryKey)).toBe(false)
      }),
    )
  })

  test('are never the beginning of another key of another row', () => {
    fc.assert(
      fc.property(anyRow, anyRow, (a, b) => {
        if (a.key.equals(b.key)) return
        expect(a.key.subarray(0, b.key.length).equals(b.key)).toBe(false)
      }),
    )
  })
})

describe('The range of', () => {
  test('a message key holds the rows of exactly that key, topic and generation, within the time', () => {
    const near = fc.nat(3)
    const place = fc.tuple(near, near, keyText, u48, u48, u48)
    fc.assert(
      fc.property(
        place,
        near,
        near,
        keyText,
        fc.boolean(),
        u48,
        u48,
        (parts, generation, topic, wanted, same, from, to) => {
          const key = same ? parts[2] : wanted
          const [begin, end] = [Math.min(from, to, 2 ** 48 - 2), Math.min(Math.max(from, to), 2 ** 48 - 2)]
          const belongs =
            parts[0] === generation &&
            parts[1] === topic &&
            parts[2].equals(key) &&
            parts[3] >= begin &&
            parts[3] <= end
          expect(within(keys.rangeOfKey(generation, topic, key, begin, end), keys.keyKey(...parts))).toBe(
            belongs,
          )
        },
      ),
    )
  })

  test('a key cannot be entered by a key that goes on with a length and another row’s numbers', () => {
    const stem = keys.keyKey(1, 1, Buffer.from('k'), 0, 0, 0)
    const forged = keys.keyKey(1, 1, stem.subarray(11), 5, 5, 5)
    expect(within(keys.rangeOfKey(1, 1, Buffer.from('k'), 0, 2 ** 48 - 2), forged)).toBe(false)
  })

  test('an id holds the rows of exactly that id in that generation', () => {
    fc.assert(
      fc.property(
        u32,
        id,
        u48,
        u48,
        u32,
        id,
        fc.boolean(),
        (generation, row, uid, offset, other, wanted, same) => {
          const range = same ? keys.rangeOfId(generation, row) : keys.rangeOfId(other, wanted)
          expect(within(range, keys.idKey(generation, row, uid, offset))).toBe(
            same || (other === generation && row.equals(wanted)),
          )
        },
      ),
    )
  })

  test('a queue from an offset holds its batches that end at or behind it, and no other queue’s', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(3), u48, u48, (uid, further, last, from) => {
        const row = keys.queueKey(uid + further, last)
        expect(within(keys.rangeOfQueue(uid, from), row)).toBe(further === 0 && last >= from)
      }),
    )
  })

  test('a topic’s queues holds all of them and none of its neighbours’', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60_000 }),
        fc.nat(65_535),
        u48,
        fc.integer({ min: -1, max: 1 }),
        (topic, queueId, offset, step) => {
          const row = keys.queueKey(keys.queueUidOf(topic, queueId), offset)
          expect(within(keys.rangeOfTopicQueues(topic + step), row)).toBe(step === 0)
        },
      ),
    )
  })

  test('generations holds those from the first up to but without the last', () => {
    fc.assert(
      fc.property(u32, id, u32, u32, (generation, last, from, to) => {
        expect(within(keys.rangeOfU32('idRun', from, to), keys.idRunKey(generation, last))).toBe(
          generation >= from && generation < to,
        )
      }),
    )
  })

  test('id runs begins with the first run that ends at or behind the id', () => {
    fc.assert(
      fc.property(fc.nat(5), id, fc.nat(5), id, (generation, wanted, other, last) => {
        expect(within(keys.rangeOfIdRuns(generation, wanted), keys.idRunKey(other, last))).toBe(
          other === generation && last.compare(wanted) >= 0,
        )
      }),
    )
  })
})

test('The uid of a queue tells its topic and its number', () => {
  fc.assert(
    fc.property(u32, fc.nat(65_535), (topicUid, queueId) => {
      const uid = keys.queueUidOf(topicUid, queueId)
      expect([keys.topicUidOf(uid), keys.queueIdOf(uid)]).toEqual([topicUid, queueId])
      expect(uid).toBeLessThanOrEqual(keys.U48_MAX)
    }),
  )
})

test('Keys of the commit log sort as sequence numbers do', () => {
  fc.assert(
    fc.property(u48, u48, (a, b) => {
      expect(keys.logKey(a).compare(keys.logKey(b))).toBe(Math.sign(a - b))
      expect(keys.parseLogKey(keys.logKey(a))).toBe(a)
    }),
  )
})
