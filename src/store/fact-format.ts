/**
 * Facts as bytes. All numbers are big-endian; text is JSON in UTF-8, for what changes rarely.
 *
 *   fact                        payload by type
 *   0  u8   type                1 append        a record batch (`record-format.ts`)
 *   1  3 B  reserved, 0         2 offset        u32 group uid, u48 queue uid, u48 offset
 *   4  u32  payload bytes       3 offset-clear  u32 group uid, u48 queue uid
 *   8       payload             4 alarm-set     u48 id, u48 due, u8 kind, u32 group uid, u48 queue uid, u48 offset, u32 attempt
 *                               5 alarm-clear   u48 id, u48 due
 *                               6 topic-put     JSON { uid, config }        7 topic-delete  u32 uid
 *                               8 group-put     JSON { uid, config }        9 group-delete  u32 uid
 *                              10 id-run        16 B first id, 16 B last id
 *                              11 generation    u32 generation, u48 first sequence, u48 timestamp, u48 log bytes
 *                              12 trim          u32 generation, u48 sequence, u32 count, count x (u48 queue uid, u48 offset)
 *                              13 parked-put    u48 id, u48 due, a record batch
 *                              14 parked-clear  u48 id, u48 due
 *
 * Types and kinds never change their number; a retired one keeps its place.
 */
import { MQError } from '../model/errors.ts'
import { MESSAGE_ID_BYTES, type MessageId, writeMessageId } from '../model/message-id.ts'
import { writeUInt32 } from './bytes.ts'
import type { AlarmKind, Fact, QueueMinimum } from './fact.ts'
import { Batch } from './record-format.ts'

export const FACT_HEADER_BYTES = 8

const FactType = {
  append: 1,
  offset: 2,
  'offset-clear': 3,
  'alarm-set': 4,
  'alarm-clear': 5,
  'topic-put': 6,
  'topic-delete': 7,
  'group-put': 8,
  'group-delete': 9,
  'id-run': 10,
  generation: 11,
  trim: 12,
  'parked-put': 13,
  'parked-clear': 14,
} as const satisfies Record<Fact['type'], number>

/** Payload bytes of the types that always have as many. */
const FIXED_BYTES: Readonly<Record<number, number>> = {
  [FactType.offset]: 16,
  [FactType['offset-clear']]: 10,
  [FactType['alarm-set']]: 33,
  [FactType['alarm-clear']]: 12,
  [FactType['parked-clear']]: 12,
  [FactType['topic-delete']]: 4,
  [FactType['group-delete']]: 4,
  [FactType['id-run']]: 2 * MESSAGE_ID_BYTES,
  [FactType.generation]: 22,
}

const ALARM_KINDS: readonly AlarmKind[] = ['retry', 'delay', 'transaction', 'pop', 'pop-orderly', 'attempts']
const TRIM_HEADER_BYTES = 14
const PARKED_HEADER_BYTES = 12
const QUEUE_MINIMUM_BYTES = 12

/** Writes the header of an append into the bytes kept free in front of its record batch. */
export function writeAppendHeader(target: Buffer, batchBytes: number): void {
  writeHeader(target, 0, FactType.append, batchBytes)
}

/** Bytes of an id run, its header included. */
export const ID_RUN_BYTES = FACT_HEADER_BYTES + 2 * MESSAGE_ID_BYTES

/** Writes an id run, which most frames have, without making a fact of it. */
export function writeIdRun(target: Buffer, position: number, first: MessageId, last: MessageId): void {
  writeHeader(target, position, FactType['id-run'], 2 * MESSAGE_ID_BYTES)
  writeMessageId(first, target, position + FACT_HEADER_BYTES)
  writeMessageId(last, target, position + FACT_HEADER_BYTES + MESSAGE_ID_BYTES)
}

/** A fact with its header. */
export function encodeFact(fact: Fact): Buffer {
  const payload = encodePayload(fact)
  const bytes = Buffer.alloc(FACT_HEADER_BYTES + payload.length)
  writeHeader(bytes, 0, FactType[fact.type], payload.length)
  payload.copy(bytes, FACT_HEADER_BYTES)
  return bytes
}

/** Reads all facts of a frame whose checksum holds; throws `STORE_CORRUPTED` on what no release ever wrote. */
export function decodeFacts(bytes: Buffer): Fact[] {
  const facts: Fact[] = []
  let position = 0
  while (position < bytes.length) {
    if (position + FACT_HEADER_BYTES > bytes.length) throw malformed('a fact header is cut off')
    const end = position + FACT_HEADER_BYTES + bytes.readUInt32BE(position + 4)
    if (end > bytes.length) throw malformed('a fact ends behind its frame')
    facts.push(decodePayload(bytes[position] ?? 0, bytes.subarray(position + FACT_HEADER_BYTES, end)))
    position = end
  }
  return facts
}

export function alarmKindNumber(kind: AlarmKind): number {
  return ALARM_KINDS.indexOf(kind)
}

export function alarmKindOf(number: number): AlarmKind {
  const kind = ALARM_KINDS[number]
  if (kind === undefined) throw malformed(`alarm kind ${number} is unknown`)
  return kind
}

function writeHeader(target: Buffer, position: number, type: number, payloadBytes: number): void {
  target[position] = type
  target[position + 1] = 0
  target[position + 2] = 0
  target[position + 3] = 0
  writeUInt32(target, position + 4, payloadBytes)
}

function encodePayload(fact: Fact): Buffer {
  switch (fact.type) {
    case 'append':
      return fact.bytes
    case 'offset':
      return pack([4, fact.groupUid], [6, fact.queueUid], [6, fact.offset])
    case 'offset-clear':
      return pack([4, fact.groupUid], [6, fact.queueUid])
    case 'alarm-set': {
      const { id, dueTimestamp, kind, groupUid, queueUid, queueOffset, attempt } = fact.alarm
      return pack(
        [6, id],
        [6, dueTimestamp],
        [1, alarmKindNumber(kind)],
        [4, groupUid],
        [6, queueUid],
        [6, queueOffset],
        [4, attempt],
      )
    }
    case 'alarm-clear':
    case 'parked-clear':
      return pack([6, fact.id], [6, fact.dueTimestamp])
    case 'parked-put':
      return Buffer.concat([pack([6, fact.id], [6, fact.dueTimestamp]), fact.bytes])
    case 'topic-put':
    case 'group-put':
      return Buffer.from(JSON.stringify({ uid: fact.uid, config: fact.config }))
    case 'topic-delete':
    case 'group-delete':
      return pack([4, fact.uid])
    case 'id-run':
      return Buffer.concat([fact.first, fact.last])
    case 'generation':
      return pack([4, fact.generation], [6, fact.firstSeq], [6, fact.timestamp], [6, fact.logBytes])
    case 'trim':
      return Buffer.concat([
        pack([4, fact.generation], [6, fact.beforeSeq], [4, fact.minimums.length]),
        ...fact.minimums.map(({ queueUid, minOffset }) => pack([6, queueUid], [6, minOffset])),
      ])
  }
}

function decodePayload(type: number, bytes: Buffer): Fact {
  if (bytes.length !== (FIXED_BYTES[type] ?? bytes.length))
    throw malformed('a fact has another length than its type')
  switch (type) {
    case FactType.append:
      if (bytes.length < Batch.HEADER_BYTES) throw malformed('a record batch is cut off')
      return { type: 'append', bytes }
    case FactType.offset:
      return { type: 'offset', groupUid: u32(bytes, 0), queueUid: u48(bytes, 4), offset: u48(bytes, 10) }
    case FactType['offset-clear']:
      return { type: 'offset-clear', groupUid: u32(bytes, 0), queueUid: u48(bytes, 4) }
    case FactType['alarm-set']:
      return { type: 'alarm-set', alarm: decodeAlarm(bytes) }
    case FactType['alarm-clear']:
      return { type: 'alarm-clear', id: u48(bytes, 0), dueTimestamp: u48(bytes, 6) }
    case FactType['parked-put']:
      if (bytes.length < PARKED_HEADER_BYTES + Batch.HEADER_BYTES)
        throw malformed('a parked message is cut off')
      return {
        type: 'parked-put',
        id: u48(bytes, 0),
        dueTimestamp: u48(bytes, 6),
        bytes: bytes.subarray(PARKED_HEADER_BYTES),
      }
    case FactType['parked-clear']:
      return { type: 'parked-clear', id: u48(bytes, 0), dueTimestamp: u48(bytes, 6) }
    case FactType['topic-put']:
      return { type: 'topic-put', ...parseConfig(bytes) }
    case FactType['group-put']:
      return { type: 'group-put', ...parseConfig(bytes) }
    case FactType['topic-delete']:
      return { type: 'topic-delete', uid: u32(bytes, 0) }
    case FactType['group-delete']:
      return { type: 'group-delete', uid: u32(bytes, 0) }
    case FactType['id-run']:
      return { type: 'id-run', first: bytes.subarray(0, 16), last: bytes.subarray(16, 32) }
    case FactType.generation:
      return {
        type: 'generation',
        generation: u32(bytes, 0),
        firstSeq: u48(bytes, 4),
        timestamp: u48(bytes, 10),
        logBytes: u48(bytes, 16),
      }
    case FactType.trim:
      if (bytes.length < TRIM_HEADER_BYTES) throw malformed('a trim is cut off')
      return {
        type: 'trim',
        generation: u32(bytes, 0),
        beforeSeq: u48(bytes, 4),
        minimums: decodeMinimums(bytes.subarray(TRIM_HEADER_BYTES), u32(bytes, 10)),
      }
    default:
      throw malformed(`fact type ${type} is unknown`)
  }
}

function decodeAlarm(bytes: Buffer) {
  return {
    id: u48(bytes, 0),
    dueTimestamp: u48(bytes, 6),
    kind: alarmKindOf(bytes[12] ?? 255),
    groupUid: u32(bytes, 13),
    queueUid: u48(bytes, 17),
    queueOffset: u48(bytes, 23),
    attempt: u32(bytes, 29),
  }
}

/** Settings are checked before they are written, and guarded by the checksum of their frame. */
function parseConfig(bytes: Buffer) {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    throw malformed('settings are not JSON')
  }
}

function decodeMinimums(bytes: Buffer, count: number): QueueMinimum[] {
  if (bytes.length !== count * QUEUE_MINIMUM_BYTES) throw malformed('a trim has another length than it says')
  return Array.from({ length: count }, (_, i) => {
    const position = i * QUEUE_MINIMUM_BYTES
    return { queueUid: u48(bytes, position), minOffset: u48(bytes, position + 6) }
  })
}

/** Concatenates numbers of the given widths in bytes. */
function pack(...numbers: readonly (readonly [bytes: number, value: number])[]): Buffer {
  const target = Buffer.allocUnsafe(numbers.reduce((sum, [bytes]) => sum + bytes, 0))
  let position = 0
  for (const [bytes, value] of numbers) position = target.writeUIntBE(value, position, bytes)
  return target
}

function u32(bytes: Buffer, position: number): number {
  return bytes.readUInt32BE(position)
}

function u48(bytes: Buffer, position: number): number {
  return bytes.readUIntBE(position, 6)
}

function malformed(what: string): MQError {
  return new MQError('STORE_CORRUPTED', `The journal holds a malformed fact: ${what}.`)
}
