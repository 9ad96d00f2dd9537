/** The value of an alarm row: what `keyspace.ts` does not already say in its key. */
import { writeUInt32, writeUInt48 } from './bytes.ts'
import type { Alarm } from './fact.ts'
import { alarmKindNumber, alarmKindOf } from './fact-format.ts'
import { u48FromEnd } from './keyspace.ts'

/** u8 kind, u32 group uid, u48 queue uid, u48 queue offset, u32 attempt. */
const BYTES = 21

export function encodeAlarm(alarm: Alarm): Buffer {
  const row = Buffer.allocUnsafe(BYTES)
  row[0] = alarmKindNumber(alarm.kind)
  writeUInt32(row, 1, alarm.groupUid)
  writeUInt48(row, 5, alarm.queueUid)
  writeUInt48(row, 11, alarm.queueOffset)
  writeUInt32(row, 17, alarm.attempt)
  return row
}

export function decodeAlarm(key: Buffer, row: Buffer): Alarm {
  return {
    id: u48FromEnd(key, 6),
    dueTimestamp: u48FromEnd(key, 12),
    kind: alarmKindOf(row[0] ?? 255),
    groupUid: row.readUInt32BE(1),
    queueUid: row.readUIntBE(5, 6),
    queueOffset: row.readUIntBE(11, 6),
    attempt: row.readUInt32BE(17),
  }
}
