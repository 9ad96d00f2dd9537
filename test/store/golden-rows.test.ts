/** The bytes of index rows and of the marker, pinned: a store must be readable by every later release. */
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { decodeAlarm, encodeAlarm } from '../../src/store/alarm-row.ts'
import * as keys from '../../src/store/keyspace.ts'
import { readMarker, writeMarker } from '../../src/store/marker.ts'
import {
  decodeGeneration,
  decodeIdRun,
  decodeQueueRow,
  decodeQueueState,
  encodeGeneration,
  encodeIdRun,
  encodeQueueRow,
  encodeQueueState,
  encodeU48,
  openRow,
  sealRow,
} from '../../src/store/row.ts'
import { bytesOf, hex } from './hex.ts'
import { ScriptedFiles } from './scripted-medium.ts'

const TIME = 1_798_761_600_000
const UID = 0x10002
const ID = bytesOf('aabbccddeeff1122 0b488680 00000003')
const alarm = {
  id: 5,
  dueTimestamp: TIME,
  kind: 'pop',
  groupUid: 3,
  queueUid: UID,
  queueOffset: 7,
  attempt: 1,
} as const

describe('The key of', () => {
  test.each([
    ['a row of the commit log', keys.logKey(40), '000000000028'],
    ['the summary', keys.summaryKey, '21 // !'],
    ['an alarm', keys.alarmKey(TIME, 5), '61 01a2ce8bd400 000000000005 // a, due, id'],
    ['a parked message', keys.parkedKey(TIME, 5), '74 01a2ce8bd400 000000000005 // t, due, id'],
    ['a topic', keys.topicKey(1), '63 00000001 // c, uid'],
    ['a group', keys.groupKey(3), '64 00000003 // d, uid'],
    ['a generation', keys.generationKey(2), '67 00000002 // g, generation'],
    [
      'an id run',
      keys.idRunKey(2, ID),
      '69 00000002 aabbccddeeff11220b48868000000003 // i, generation, last id',
    ],
    [
      'a message key',
      keys.keyKey(2, 1, Buffer.from('ké'), TIME, UID, 7),
      `6b 00000002 00000001 // k, generation, topic uid
       0003 6bc3a9 // bytes, ké
       01a2ce8bd400 000000010002 000000000007 // store timestamp, queue uid, offset`,
    ],
    ['an offset', keys.offsetKey(3, UID), '6f 00000003 000000010002 // o, group uid, queue uid'],
    ['a topic to purge', keys.purgeKey(1), '70 00000001 // p, topic uid'],
    [
      'a batch of a queue',
      keys.queueKey(UID, 9),
      '71 000000010002 000000000009 // q, queue uid, last offset',
    ],
    ['the state of a queue', keys.stateKey(UID), '73 000000010002 // s, queue uid'],
    [
      'an id with a row of its own',
      keys.idKey(2, ID, UID, 7),
      `78 00000002 aabbccddeeff11220b48868000000003 // x, generation, id
       000000010002 000000000007 // queue uid, offset`,
    ],
  ])('%s', (_what, key, drawing) => {
    expect(key.toString('hex')).toBe(hex(drawing))
  })
})

describe('The value of', () => {
  test('every index row ends with the CRC-32 of key and content', () => {
    const key = keys.offsetKey(3, UID)
    const value = sealRow(key, encodeU48(7))
    expect(value.toString('hex')).toBe(hex('000000000007 // offset\n dfc26961 // CRC-32'))
    expect(value.readUInt32BE(6)).toBe(crc32(Buffer.concat([key, encodeU48(7)])))
    expect(openRow(key, value)).toEqual(encodeU48(7))
    expect(sealRow(key).toString('hex')).toBe(crc32(key).toString(16).padStart(8, '0'))
  })

  test('an alarm', () => {
    const drawing = `
      03 00000003 // kind: pop; group uid
      000000010002 000000000007 // queue uid, queue offset
      00000001 // attempt`
    expect(encodeAlarm(alarm).toString('hex')).toBe(hex(drawing))
    expect(decodeAlarm(keys.alarmKey(TIME, 5), bytesOf(drawing))).toEqual(alarm)
  })

  test('a generation', () => {
    const row = { firstSeq: 40, timestamp: TIME, logBytes: 1000 }
    const drawing = '000000000028 01a2ce8bd400 0000000003e8 // first sequence, timestamp, log bytes'
    expect(encodeGeneration(row).toString('hex')).toBe(hex(drawing))
    expect(decodeGeneration(bytesOf(drawing))).toEqual(row)
  })

  test('an id run', () => {
    const row = { first: bytesOf('aabbccddeeff1122 0b488680 00000001'), firstSeq: 40, lastSeq: 44 }
    const drawing = `
      aabbccddeeff11220b48868000000001 // first id
      000000000028 00000000002c // first and last sequence`
    expect(encodeIdRun(row).toString('hex')).toBe(hex(drawing))
    expect(decodeIdRun(bytesOf(drawing))).toEqual(row)
  })

  test('a batch of a queue', () => {
    const row = { seq: 40, count: 3, storeTimestamp: TIME, bytes: 143 }
    const drawing = '000000000028 00000003 01a2ce8bd400 0000008f // sequence, count, store timestamp, bytes'
    expect(encodeQueueRow(row).toString('hex')).toBe(hex(drawing))
    expect(decodeQueueRow(bytesOf(drawing))).toEqual(row)
  })

  test('the state of a queue', () => {
    const state = { minOffset: 7, maxOffset: 10, lastStoreTimestamp: TIME }
    const drawing = '000000000007 00000000000a 01a2ce8bd400 // min offset, max offset, last store timestamp'
    expect(encodeQueueState(state).toString('hex')).toBe(hex(drawing))
    expect(decodeQueueState(bytesOf(drawing))).toEqual(state)
  })
})

test('The marker is JSON for people, with a checksum of itself', async () => {
  const files = new ScriptedFiles()
  const marker = {
    format: 1,
    storeId: '0123456789abcdef',
    createdTimestamp: TIME,
    state: 'clean',
    lastSeq: 44,
    firstSegment: 7,
  } as const
  await writeMarker(files, marker)
  expect(files.get('STORE.json').toString()).toBe(`{
  "format": 1,
  "storeId": "0123456789abcdef",
  "createdTimestamp": 1798761600000,
  "state": "clean",
  "lastSeq": 44,
  "firstSegment": 7,
  "checksum": "df983d00"
}
`)
  expect(await readMarker(files)).toEqual(marker)
})
