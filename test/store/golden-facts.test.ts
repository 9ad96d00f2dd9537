/** The bytes of facts, frames and segments, pinned: a store must be readable by every later release. */
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { parseMessageId, writeMessageId } from '../../src/model/message-id.ts'
import { Permission } from '../../src/model/topic.ts'
import type { Fact } from '../../src/store/fact.ts'
import { decodeFacts, encodeFact, writeAppendHeader, writeIdRun } from '../../src/store/fact-format.ts'
import {
  decodeFrameHeader,
  decodeSegmentHeader,
  encodeSegmentHeader,
  parseSegmentName,
  segmentName,
  writeFrameHeader,
} from '../../src/store/journal-format.ts'
import { batchBytes } from './batch-bytes.ts'
import { bytesOf, hex } from './hex.ts'

const alarm = {
  id: 5,
  dueTimestamp: 0x01a2ce8bd400,
  kind: 'retry',
  groupUid: 3,
  queueUid: 0x10002,
  queueOffset: 7,
  attempt: 1,
} as const

const FACTS: readonly (readonly [fact: Fact, drawing: string])[] = [
  [
    { type: 'offset', groupUid: 3, queueUid: 0x10002, offset: 7 },
    `02 000000 00000010 // offset, 16 bytes
     00000003 000000010002 000000000007 // group uid, queue uid, offset`,
  ],
  [
    { type: 'offset-clear', groupUid: 3, queueUid: 0x10002 },
    `03 000000 0000000a // offset-clear, 10 bytes
     00000003 000000010002`,
  ],
  [
    { type: 'alarm-set', alarm },
    `04 000000 00000021 // alarm-set, 33 bytes
     000000000005 01a2ce8bd400 // id, due timestamp
     00 // kind: retry
     00000003 000000010002 000000000007 // group uid, queue uid, queue offset
     00000001 // attempt`,
  ],
  [
    { type: 'alarm-clear', id: 5, dueTimestamp: 0x01a2ce8bd400 },
    `05 000000 0000000c // alarm-clear, 12 bytes
     000000000005 01a2ce8bd400`,
  ],
  [
    {
      type: 'parked-put',
      alarm: {
        id: 5,
        dueTimestamp: 0x01a2ce8bd400,
        kind: 'delay',
        groupUid: 0,
        queueUid: 0x10002,
        queueOffset: 0,
        attempt: 0,
      },
      bytes: batchBytes({ queueUid: 0x10002, storeTimestamp: 0x01a2ce8bd405 }),
    },
    `0d 000000 0000006f // parked-put, 111 bytes
     000000000005 01a2ce8bd400 01 // id, due timestamp, kind
     00000000 000000010002 000000000000 // group uid, queue uid, queue offset
     00000000 // attempt
     ${batchBytes({ queueUid: 0x10002, storeTimestamp: 0x01a2ce8bd405 }).toString('hex')} // a record batch`,
  ],
  [
    { type: 'parked-clear', id: 5, dueTimestamp: 0x01a2ce8bd400 },
    `0e 000000 0000000c // parked-clear, 12 bytes
     000000000005 01a2ce8bd400`,
  ],
  [
    {
      type: 'topic-put',
      uid: 1,
      config: { topic: 'a', readQueueNums: 4, writeQueueNums: 4, permission: Permission.READ_WRITE },
    },
    `06 000000 00000054 // topic-put, 84 bytes of JSON
     7b22756964223a312c22636f6e666967223a7b22746f706963223a2261222c // {"uid":1,"config":{"topic":"a",
     22726561645175657565 4e756d73223a342c // "readQueueNums":4,
     2277726974655175657565 4e756d73223a342c // "writeQueueNums":4,
     227065726d697373696f6e223a367d7d // "permission":6}}`,
  ],
  [
    {
      type: 'topic-put',
      uid: 2,
      config: {
        topic: 'p',
        readQueueNums: 9,
        writeQueueNums: 9,
        permission: Permission.READ_WRITE,
        priority: true,
      },
    },
    `06 000000 00000064 // topic-put of a priority topic, 100 bytes of JSON
     7b22756964223a322c22636f6e666967223a7b22746f706963223a2270222c // {"uid":2,"config":{"topic":"p",
     22726561645175657565 4e756d73223a392c // "readQueueNums":9,
     2277726974655175657565 4e756d73223a392c // "writeQueueNums":9,
     227065726d697373696f6e223a362c // "permission":6,
     227072696f72697479223a747275657d7d // "priority":true}}`,
  ],
  [{ type: 'topic-delete', uid: 1 }, '07 000000 00000004 00000001 // topic-delete'],
  [
    {
      type: 'group-put',
      uid: 3,
      config: { group: 'g', consumeEnable: true, consumeBroadcastEnable: true, retryQueueNums: 1 },
    },
    `08 000000 00000066 // group-put, 102 bytes of JSON
     7b22756964223a332c22636f6e666967223a7b2267726f7570223a2267222c // {"uid":3,"config":{"group":"g",
     22636f6e73756d65456e61626c65223a747275652c // "consumeEnable":true,
     22636f6e73756d6542726f616463617374456e61626c65223a747275652c // "consumeBroadcastEnable":true,
     2272657472795175657565 4e756d73223a317d7d // "retryQueueNums":1}}`,
  ],
  [{ type: 'group-delete', uid: 3 }, '09 000000 00000004 00000003 // group-delete'],
  [
    {
      type: 'id-run',
      first: bytesOf('aabbccddeeff1122 0b488680 00000001'),
      last: bytesOf('aabbccddeeff1122 0b488680 00000003'),
    },
    `0a 000000 00000020 // id-run, 32 bytes
     aabbccddeeff1122 0b488680 00000001 // first id
     aabbccddeeff1122 0b488680 00000003 // last id`,
  ],
  [
    { type: 'generation', generation: 2, firstSeq: 40, timestamp: 0x01a2ce8bd400, logBytes: 1000 },
    `0b 000000 00000016 // generation, 22 bytes
     00000002 000000000028 01a2ce8bd400 0000000003e8 // generation, first sequence, timestamp, log bytes`,
  ],
  [
    { type: 'trim', generation: 2, beforeSeq: 40, minimums: [{ queueUid: 0x10002, minOffset: 7 }] },
    `0c 000000 0000001a // trim, 26 bytes
     00000002 000000000028 // first generation and first sequence that stay
     00000001 000000010002 000000000007 // one queue: uid, lowest offset`,
  ],
]

describe('The bytes of a fact', () => {
  test.each(FACTS.map(([fact, drawing]) => ({ type: fact.type, fact, drawing })))(
    '$type',
    ({ fact, drawing }) => {
      expect(encodeFact(fact).toString('hex')).toBe(hex(drawing))
      expect(decodeFacts(bytesOf(drawing))).toEqual([fact])
    },
  )

  test('append: a header in front of the record batch, written where the batch is made', () => {
    const batch = batchBytes({})
    const bytes = Buffer.concat([Buffer.alloc(8, 0xff), batch])
    writeAppendHeader(bytes, batch.length)
    expect(bytes.subarray(0, 8).toString('hex')).toBe(hex('01 000000 0000004e'))
    expect(bytes).toEqual(encodeFact({ type: 'append', bytes: batch }))
    expect(decodeFacts(bytes)).toEqual([{ type: 'append', bytes: batch }])
  })

  test('id-run: the same when it is written in place', () => {
    const [first, last] = [1, 3].map((n) => parseMessageId(`01AABBCCDDEEFF11220B4886800000000${n}`)) as [
      ReturnType<typeof parseMessageId>,
      ReturnType<typeof parseMessageId>,
    ]
    const bytes = Buffer.alloc(45, 0xff)
    writeIdRun(bytes, 5, first, last)
    const ids = [first, last].map((id) => {
      const written = Buffer.alloc(16)
      writeMessageId(id, written, 0)
      return written
    }) as [Buffer, Buffer]
    expect(bytes.subarray(5)).toEqual(encodeFact({ type: 'id-run', first: ids[0], last: ids[1] }))
  })

  test('alarm kinds have the numbers 0 to 5', () => {
    const kinds = (['retry', 'delay', 'transaction', 'pop', 'pop-orderly', 'attempts'] as const).map(
      (kind) => encodeFact({ type: 'alarm-set', alarm: { ...alarm, kind } })[8 + 12],
    )
    expect(kinds).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('The bytes of the journal', () => {
  test('segment header', () => {
    const header = { version: 1, storeId: 0x0123456789abcdefn, firstSeq: 41, previousSeq: 40 }
    const drawing = `
      504d514a // PMQJ
      df7eccbd // CRC-32 of the rest
      0001 0000 // format version, reserved
      0123456789abcdef // store id
      000000000029 000000000028 // first sequence, last sequence before it`
    expect(encodeSegmentHeader(header).toString('hex')).toBe(hex(drawing))
    expect(decodeSegmentHeader(bytesOf(drawing))).toEqual(header)
  })

  test('frame: header and facts', () => {
    const facts = bytesOf('07 000000 00000004 00000001   09 000000 00000004 00000003')
    const drawing = `
      504d5146 // PMQF
      865b5389 // CRC-32 of the rest
      00000038 // 56 bytes
      00000002 // two facts
      000000000029 // sequence number of the first
      000000000028 // last sequence number known to be flushed
      00000001 // flags: a slice begins here
      07 000000 00000004 00000001 // topic-delete
      09 000000 00000004 00000003 // group-delete`
    const parts = [Buffer.concat([Buffer.alloc(32, 0xff), facts.subarray(0, 12)]), facts.subarray(12)]
    const header = { bytes: 56, factCount: 2, seq: 41, flushedSeq: 40, startsSlice: true }
    writeFrameHeader(parts, header)
    expect(Buffer.concat(parts).toString('hex')).toBe(hex(drawing))
    expect(decodeFrameHeader(bytesOf(`ffff ${drawing}`), 2)).toEqual(header)
    expect(bytesOf(drawing).readUInt32BE(4)).toBe(crc32(bytesOf(drawing).subarray(8)))
  })

  test('segments are named by ten digits, so that their names sort', () => {
    expect(segmentName(7)).toBe('journal/0000000007.journal')
    expect(parseSegmentName('0000000007.journal')).toBe(7)
    for (const name of ['7.journal', '0000000007.journal.tmp', '00000000a7.journal', '00000000007.journal']) {
      expect(parseSegmentName(name)).toBeUndefined()
    }
  })
})
