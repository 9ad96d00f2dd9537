import { describe, expect, test } from 'vitest'
import { decodeFacts } from '../../src/store/fact-format.ts'
import { decodeFrameHeader, FRAME_HEADER_BYTES } from '../../src/store/journal-format.ts'
import { idRunKey, logKey, queueKey, stateKey } from '../../src/store/keyspace.ts'
import { readStoredBatch } from '../../src/store/record-reader.ts'
import { decodeIdRun, decodeQueueRow, decodeQueueState, openRow } from '../../src/store/row.ts'
import { read } from '../house/source.ts'
import { bytesOf, hex } from './hex.ts'

const queue = { topic: 'orders', brokerName: 'localhost', queueId: 2 }

/** The fenced blocks of the worked example in docs/format.md. */
const [frameDrawing = '', rowsDrawing = ''] = [
  ...(read('docs/format.md').split('## A worked example')[1] ?? '').matchAll(/```text\n([\s\S]*?)```/g),
].map(([, block = '']) => block)

describe('The worked example in docs/format.md', () => {
  const frame = bytesOf(frameDrawing)
  const facts = decodeFacts(frame.subarray(FRAME_HEADER_BYTES))

  test('is a sound frame', () => {
    expect(decodeFrameHeader(frame, 0)).toEqual({
      bytes: 161,
      factCount: 2,
      seq: 41,
      flushedSeq: 40,
      startsSlice: true,
    })
    expect(facts.map(({ type }) => type)).toEqual(['append', 'id-run'])
  })

  test('holds the message that it tells of', () => {
    const [append] = facts
    if (append?.type !== 'append') throw new Error('the first fact is no append')
    const batch = readStoredBatch(append.bytes, queue, 'docs/format.md')
    expect(batch.message(0)).toMatchObject({
      messageId: '01AABBCCDDEEFF11220B48868000000001',
      offsetMessageId: '00000000000100020000000000000007',
      queueOffset: 7,
      bornTimestamp: Date.UTC(2027, 0, 1),
      storeTimestamp: Date.UTC(2027, 0, 1) + 5,
    })
    expect(batch.message(0).text()).toBe('hello')
    expect(logKey(41).toString('hex')).toBe('000000000029')
  })

  test('makes the rows that it tells of', () => {
    const id = bytesOf('aabbccddeeff1122 0b488680 00000001')
    const [queueRow = '', runRow = '', stateRow = ''] = rowsDrawing.split('\n\n').map(hex)
    const contentOf = (key: Buffer, row: string): Buffer => {
      expect(row.startsWith(key.toString('hex'))).toBe(true)
      return openRow(key, Buffer.from(row.slice(key.length * 2), 'hex'))
    }
    expect(decodeQueueRow(contentOf(queueKey(0x10002, 7), queueRow))).toEqual({
      seq: 41,
      count: 1,
      storeTimestamp: Date.UTC(2027, 0, 1) + 5,
      bytes: 81,
    })
    expect(decodeIdRun(contentOf(idRunKey(2, id), runRow))).toEqual({ first: id, firstSeq: 41, lastSeq: 41 })
    expect(decodeQueueState(contentOf(stateKey(0x10002), stateRow))).toMatchObject({
      minOffset: 0,
      maxOffset: 8,
    })
  })
})
