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
 *                              13 parked-put    an alarm as in alarm-set, a record batch
 *                              14 parked-clear  u48 id, u48 due
 *
 * Types and kinds never change their number; a retired one keeps its place.
 */
import { MQError } from '../model/errors.ts'
import { MESSAGE_ID_BYTES, type MessageId, writeMessageId } from '../model/message-id.ts'
import { readUInt32, readUInt48, writeUInt32, writeUInt48 } from './bytes.ts'
import type { Alarm, AlarmKind, Fact, QueueMinimum } from './fact.ts'
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

/** Bytes of an alarm that is set. */
export const ALARM_BYTES = 33
/** What names an alarm: its id and due time. */
const ALARM_NAME_BYTES = 12

/** Payload bytes of the types that always have as many. */
const FIXED_BYTES: Readonly<Record<number, number>> = {
  [FactType.offset]: 16,
  [FactType['offset-clear']]: 10,
  [FactType['alarm-set']]: ALARM_BYTES,
  [FactType['alarm-clear']]: ALARM_NAME_BYTES,
  [FactType['parked-clear']]: ALARM_NAME_BYTES,
  [FactType['topic-delete']]: 4,
  [FactType['group-delete']]: 4,
  [FactType['id-run']]: 2 * MESSAGE_ID_BYTES,
  [FactType.generation]: 22,
}

const ALARM_KINDS: readonly AlarmKind[] = ['retry', 'delay', 'transaction', 'pop', 'pop-orderly', 'attempts']
const ALARM_KIND_NUMBERS = Object.fromEntries(ALARM_KINDS.map((kind, number) => [kind, number])) as Record<
  AlarmKind,
  number
>
const TRIM_HEADER_BYTES = 14
const QUEUE_MINIMUM_BYTES = 12

/** Writes the header of an append into the bytes kept free in front of its record batch. */
export function writeAppendHeader(target: Buffer, batchBytes: number): void {
  writeHeader(target, 0, FactType.append, batchBytes)
}

/** Bytes in front of a parked message: the header of its fact, and its alarm. */
export const PARKED_HEADER_BYTES = FACT_HEADER_BYTES + ALARM_BYTES

/** Writes what comes in front of a parked message, without making a fact of it. */
export function writeParkedHeader(target: Buffer, position: number, alarm: Alarm, batchBytes: number): void {
  writeHeader(target, position, FactType['parked-put'], ALARM_BYTES + batchBytes)
  writeAlarm(target, position + FACT_HEADER_BYTES, alarm)
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
  const bytes = Buffer.allocUnsafe(encodedBytes(fact))
  writeFact(fact, bytes, 0)
  return bytes
}

/** Bytes of a fact, its header included. */
export function encodedBytes(fact: Fact): number {
  return FACT_HEADER_BYTES + payloadBytes(fact)
}

/** Writes a fact with its header; answers where it ends. */
export function writeFact(fact: Fact, target: Buffer, position: number): number {
  const start = position + FACT_HEADER_BYTES
  const end = writePayload(fact, target, start)
  writeHeader(target, position, FactType[fact.type], end - start)
  return end
}

/** Reads all facts of a frame whose checksum holds; throws `STORE_CORRUPTED` on what no release ever wrote. */
export function decodeFacts(bytes: Buffer): Fact[] {
  const facts: Fact[] = []
  let position = 0
  while (position < bytes.length) {
    if (position + FACT_HEADER_BYTES > bytes.length) throw malformed('a fact header is cut off')
    const end = position + FACT_HEADER_BYTES + readUInt32(bytes, position + 4)
    if (end > bytes.length) throw malformed('a fact ends behind its frame')
    facts.push(decodePayload(bytes[position] ?? 0, bytes.subarray(position + FACT_HEADER_BYTES, end)))
    position = end
  }
  return facts
}

export function alarmKindNumber(kind: AlarmKind): number {
  return ALARM_KIND_NUMBERS[kind]
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

function payloadBytes(fact: Fact): number {
  switch (fact.type) {
    case 'alarm-set':
      return ALARM_BYTES
    case 'alarm-clear':
    case 'parked-clear':
      return ALARM_NAME_BYTES
    case 'parked-put':
      return ALARM_BYTES + fact.bytes.length
    default:
      return FIXED_BYTES[FactType[fact.type]] ?? encodeRare(fact).length
  }
}

/** What comes with single messages is written in place; answers where it ends. */
function writePayload(fact: Fact, target: Buffer, position: number): number {
  switch (fact.type) {
    case 'alarm-set':
      return writeAlarm(target, position, fact.alarm)
    case 'alarm-clear':
    case 'parked-clear':
      writeUInt48(target, position, fact.id)
      writeUInt48(target, position + 6, fact.dueTimestamp)
      return position + ALARM_NAME_BYTES
    case 'parked-put':
      writeAlarm(target, position, fact.alarm)
      target.set(fact.bytes, position + ALARM_BYTES)
      return position + ALARM_BYTES + fact.bytes.length
    default: {
      const bytes = encodeRare(fact)
      target.set(bytes, position)
      return position + bytes.length
    }
  }
}

/** Answers where it ends. */
export function writeAlarm(target: Buffer, position: number, alarm: Alarm): number {
  writeUInt48(target, position, alarm.id)
  writeUInt48(target, position + 6, alarm.dueTimestamp)
  target[position + 12] = alarmKindNumber(alarm.kind)
  writeUInt32(target, position + 13, alarm.groupUid)
  writeUInt48(target, position + 17, alarm.queueUid)
  writeUInt48(target, position + 23, alarm.queueOffset)
  writeUInt32(target, position + 29, alarm.attempt)
  return position + ALARM_BYTES
}

type FactInPlace = 'alarm-set' | 'alarm-clear' | 'parked-clear' | 'parked-put'

function encodeRare(fact: Exclude<Fact, { readonly type: FactInPlace }>): Buffer {
  switch (fact.type) {
    case 'append':
      return fact.bytes
    case 'offset':
      return pack([4, fact.groupUid], [6, fact.queueUid], [6, fact.offset])
    case 'offset-clear':
      return pack([4, fact.groupUid], [6, fact.queueUid])
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
      return {
        type: 'offset',
        groupUid: readUInt32(bytes, 0),
        queueUid: readUInt48(bytes, 4),
        offset: readUInt48(bytes, 10),
      }
    case FactType['offset-clear']:
      return { type: 'offset-clear', groupUid: readUInt32(bytes, 0), queueUid: readUInt48(bytes, 4) }
    case FactType['alarm-set']:
      return { type: 'alarm-set', alarm: decodeAlarm(bytes) }
    case FactType['alarm-clear']:
      return { type: 'alarm-clear', id: readUInt48(bytes, 0), dueTimestamp: readUInt48(bytes, 6) }
    case FactType['parked-put']:
      if (bytes.length < ALARM_BYTES + Batch.HEADER_BYTES) throw malformed('a parked message is cut off')
      return { type: 'parked-put', alarm: decodeAlarm(bytes), bytes: bytes.subarray(ALARM_BYTES) }
    case FactType['parked-clear']:
      return { type: 'parked-clear', id: readUInt48(bytes, 0), dueTimestamp: readUInt48(bytes, 6) }
    case FactType['topic-put']:
      return { type: 'topic-put', ...parseConfig(bytes) }
    case FactType['group-put']:
      return { type: 'group-put', ...parseConfig(bytes) }
    case FactType['topic-delete']:
      return { type: 'topic-delete', uid: readUInt32(bytes, 0) }
    case FactType['group-delete']:
      return { type: 'group-delete', uid: readUInt32(bytes, 0) }
    case FactType['id-run']:
      return { type: 'id-run', first: bytes.subarray(0, 16), last: bytes.subarray(16, 32) }
    case FactType.generation:
      return {
        type: 'generation',
        generation: readUInt32(bytes, 0),
        firstSeq: readUInt48(bytes, 4),
        timestamp: readUInt48(bytes, 10),
        logBytes: readUInt48(bytes, 16),
      }
    case FactType.trim:
      if (bytes.length < TRIM_HEADER_BYTES) throw malformed('a trim is cut off')
      return {
        type: 'trim',
        generation: readUInt32(bytes, 0),
        beforeSeq: readUInt48(bytes, 4),
        minimums: decodeMinimums(bytes.subarray(TRIM_HEADER_BYTES), readUInt32(bytes, 10)),
      }
    default:
      throw malformed(`fact type ${type} is unknown`)
  }
}

export function decodeAlarm(bytes: Buffer, position = 0): Alarm {
  return {
    id: readUInt48(bytes, position),
    dueTimestamp: readUInt48(bytes, position + 6),
    kind: alarmKindOf(bytes[position + 12] ?? 255),
    groupUid: readUInt32(bytes, position + 13),
    queueUid: readUInt48(bytes, position + 17),
    queueOffset: readUInt48(bytes, position + 23),
    attempt: readUInt32(bytes, position + 29),
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
    return { queueUid: readUInt48(bytes, position), minOffset: readUInt48(bytes, position + 6) }
  })
}

/** Concatenates numbers of the given widths in bytes. */
function pack(...numbers: readonly (readonly [bytes: number, value: number])[]): Buffer {
  const target = Buffer.allocUnsafe(numbers.reduce((sum, [bytes]) => sum + bytes, 0))
  let position = 0
  for (const [bytes, value] of numbers) position = target.writeUIntBE(value, position, bytes)
  return target
}

function malformed(what: string): MQError {
  return new MQError('STORE_CORRUPTED', `The journal holds a malformed fact: ${what}.`)
}
