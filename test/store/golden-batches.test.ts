/** The bytes of record batches, pinned: a store must be readable by every later release. */
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { parseMessageId } from '../../src/model/message-id.ts'
import { beginMerge, finishMerge, tryMerge } from '../../src/store/record-merge.ts'
import { openStoredBatch, readStoredBatch } from '../../src/store/record-reader.ts'
import { batchBytes, outgoing } from './batch-bytes.ts'
import { bytesOf, hex } from './hex.ts'

const ID = parseMessageId('01AABBCCDDEEFF11220B48868000000001')
const BORN = 1_798_761_600_000
const STORED = BORN + 5
const queue = { topic: 'orders', brokerName: 'localhost', queueId: 2 }

/** One message with nothing but a body. */
const PLAIN = `
  539bddff // CRC-32 of all that follows
  01 // format version
  00 // attributes: no keys, ids in the run of their frame
  000000010002 // queue uid: topic 1, queue 2
  000000000007 // base offset 7
  01a2ce8bd405 // store timestamp
  00000001 // one record
  00000051 // 81 bytes
    00000031 // record of 49 bytes
    0000 // stored 0 ms after the batch's store timestamp
    0000 // reconsume times
    00000000 // tag hash
    01a2ce8bd400 // born timestamp
    aabbccddeeff1122 0b488680 00000001 // message id: node and process, seconds, sequence
    0000 0000 0000 // bytes of tag, keys, properties
    00000005 // bytes of body
    68656c6c6f // hello
`

/** Two messages: one with tag, keys and properties, one that is a second retry. */
const FULL = `
  51c5d30d // CRC-32
  01 // format version
  03 // attributes: has keys, each id has a row of its own
  000000010002
  000000000008 // base offset 8
  01a2ce8bd405
  00000002 // two records
  0000008f // 143 bytes
    00000042 // record of 66 bytes
    0000
    0000
    003462cc // Java's hash of "paid"
    01a2ce8bd400
    aabbccddeeff1122 0b488680 00000001
    0004 0007 0009 // bytes of tag, keys, properties
    00000002 // bytes of body
    70616964 // paid
    6b31206bc3a932 // k1 ké2
    0003 6b6579 0002 c3bc // key = ü
    7b7d // {}
    0000002d // record of 45 bytes
    0000
    0002 // second retry
    00000000
    01a2ce8bd400
    aabbccddeeff1122 0b488680 00000001
    0000 0000 0000
    00000001
    00 // a body is any bytes
`

/** One message whose body, a hundred times "hello ", is compressed. */
const COMPRESSED = `
  220ab93b // CRC-32
  01 00 000000010002 000000000007 01a2ce8bd405 00000001 // as above
  00000075 // 117 bytes
    00000055 // record of 85 bytes
    0000 0000 00000000 01a2ce8bd400
    aabbccddeeff1122 0b488680 00000001
    0000 0000 0015 // bytes of tag, keys, properties
    00000014 // 20 bytes of body
    000d 5f5f434f4d5052455353494f4e 0004 5a4c4942 // __COMPRESSION = ZLIB
    785ecb48cdc9c957c818254749aa9200edd2dc51 // zlib, RFC 1950
`

const plain = () => outgoing({ body: 'hello' }, ID, BORN)

describe('The bytes of a record batch', () => {
  test('with one message that has nothing but a body', () => {
    const bytes = batchBytes({
      queueUid: 0x10002,
      baseOffset: 7,
      storeTimestamp: STORED,
      messages: [plain()],
    })
    expect(bytes.toString('hex')).toBe(hex(PLAIN))
  })

  test('with tag, keys, properties, a retry and explicit ids', () => {
    const messages = [
      outgoing({ body: '{}', tag: 'paid', keys: ['k1', 'ké2'], properties: { key: 'ü' } }, ID, BORN),
      { ...outgoing({ body: new Uint8Array(1) }, ID, BORN), reconsumeTimes: 2 },
    ]
    const fields = { queueUid: 0x10002, baseOffset: 8, storeTimestamp: STORED, messages, explicitIds: true }
    expect(batchBytes(fields).toString('hex')).toBe(hex(FULL))
  })

  test('begin with the CRC-32 of the rest', () => {
    const bytes = bytesOf(PLAIN)
    expect(bytes.readUInt32BE(0)).toBe(crc32(bytes.subarray(4)))
  })

  test('are read back as the messages they hold', () => {
    const batch = readStoredBatch(bytesOf(FULL), queue, 'here')
    expect(batch).toMatchObject({
      queueUid: 0x10002,
      baseOffset: 8,
      count: 2,
      nextOffset: 10,
      storeTimestamp: STORED,
    })
    expect(batch.message(0)).toMatchObject({
      messageId: '01AABBCCDDEEFF11220B48868000000001',
      offsetMessageId: '00000000000100020000000000000008',
      tag: 'paid',
      keys: ['k1', 'ké2'],
      properties: { key: 'ü' },
      bornTimestamp: BORN,
      storeTimestamp: STORED,
      reconsumeTimes: 0,
    })
    expect(batch.message(0).json()).toEqual({})
    expect(batch.message(1)).toMatchObject({ queueOffset: 9, tag: undefined, keys: [], reconsumeTimes: 2 })
    expect(batch.message(1).body).toEqual(Buffer.of(0))
    expect([batch.tag(0), batch.tagHash(0), batch.bodyBytes(0)]).toEqual(['paid', 3433164, 2])
  })

  test('with a body that is compressed are read as it was sent', () => {
    const bytes = bytesOf(COMPRESSED)
    const batch = readStoredBatch(bytes, queue, 'here')
    expect(batch.message(0)).toMatchObject({ properties: {}, compression: 'ZLIB', storeSize: 85 })
    expect(batch.message(0).text()).toBe('hello '.repeat(100))
    const messages = [
      {
        ...plain(),
        body: bytes.subarray(-20),
        bodyBytes: 20,
        properties: [['__COMPRESSION', 'ZLIB']] as const,
      },
    ]
    const fields = { queueUid: 0x10002, baseOffset: 7, storeTimestamp: STORED, messages }
    expect(batchBytes(fields).toString('hex')).toBe(hex(COMPRESSED))
  })

  test('that were merged keep all records and the time of each', () => {
    const parts = [0, 30, 70].map((laterMs, i) =>
      batchBytes({
        baseOffset: i,
        storeTimestamp: STORED + laterMs,
        messages: [outgoing({ body: `m${i}` })],
      }),
    ) as [Buffer, Buffer, Buffer]
    const merging = beginMerge(100, parts[0])
    expect(tryMerge(merging, parts[1])).toBe(true)
    expect(tryMerge(merging, parts[2])).toBe(true)
    const merged = openStoredBatch(finishMerge(merging), queue)
    expect(() => readStoredBatch(merged.bytes, queue, 'here')).not.toThrow()
    expect(Array.from({ length: 3 }, (_, i) => merged.message(i).text())).toEqual(['m0', 'm1', 'm2'])
    expect([0, 1, 2].map((i) => merged.message(i).storeTimestamp - STORED)).toEqual([0, 30, 70])
    expect(merged.bytes.subarray(36 + 2, 36 + 4).toString('hex')).toBe('0000')
  })

  test('are not merged when they are large, too far apart in time, or of another kind', () => {
    const small = batchBytes({})
    const others = [
      batchBytes({ baseOffset: 1, messages: [outgoing({ body: 'x'.repeat(33_000) })] }),
      batchBytes({ baseOffset: 1, storeTimestamp: 1_800_000_000_000 + 65_536 }),
      batchBytes({ baseOffset: 1, messages: [outgoing({ keys: 'k' })] }),
      batchBytes({ baseOffset: 1, explicitIds: true }),
    ]
    for (const other of others) expect(tryMerge(beginMerge(100, small), other)).toBe(false)
    expect(finishMerge(beginMerge(100, small))).toEqual(small)
  })
})
