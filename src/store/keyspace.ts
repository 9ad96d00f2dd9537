/**
 * Every key of the two databases, and nothing else knows a prefix or a byte order. Numbers are big-endian, so that byte
 * order is number order; text within a key is led by its length, so that no name can forge another key.
 *
 *   commitlog   u48 sequence                                             -> record batch
 *
 *   index  '!'                                                           -> summary (JSON): applied sequence, counts
 *          'a' u48 due, u48 id                                           -> alarm
 *          'c' u32 topic uid            'd' u32 group uid                -> JSON { uid, config }
 *          'g' u32 generation                                            -> u48 first sequence, u48 timestamp, u48 log bytes
 *          'i' u32 generation, 16 B last id                              -> 16 B first id, u48 first sequence, u48 last sequence
 *          'k' u32 generation, u32 topic uid, u16 bytes, key, u48 store timestamp, u48 queue uid, u48 offset  -> empty
 *          'o' u32 group uid, u48 queue uid                              -> u48 offset
 *          'p' u32 topic uid                                             -> empty: rows of a deleted topic to clear
 *          'q' u48 queue uid, u48 last offset                            -> u48 sequence, u32 count, u48 store timestamp, u32 bytes
 *          's' u48 queue uid                                             -> u48 min offset, u48 max offset, u48 last timestamp
 *          't' u48 bucket, u48 first id                                  -> parked messages that fall due in a bucket of time (`parked-page.ts`)
 *          'u' u48 bucket, u48 block of ids, u48 sequence                -> which of them are parked no more: u16 each, the id within its block
 *          'x' u32 generation, 16 B id, u48 queue uid, u48 offset        -> empty
 *
 * Every index value ends with a CRC-32 of key and value (`row.ts`). A queue row is keyed by its *last* offset, so one seek
 * to (queue, offset) finds the batch that holds the offset. Ids and keys stand under their generation, so that retention
 * clears them as one range. A queue uid is topic uid x 65536 + queue id, and uids are never used again.
 */
import { TOPIC_MAX_QUEUES } from '../model/limits.ts'
import { writeUInt48 } from './bytes.ts'

const U32 = 4
const U48 = 6
/** The largest offset, timestamp or sequence number that a key can hold. */
export const U48_MAX = 2 ** 48 - 1

/** The longest text that a key can hold: its length takes two bytes. */
export const KEY_MAX_BYTES = 65_535

/** The prefix of each kind of index row. */
const Prefix = {
  summary: 0x21,
  alarm: 0x61,
  topic: 0x63,
  group: 0x64,
  generation: 0x67,
  idRun: 0x69,
  key: 0x6b,
  offset: 0x6f,
  purge: 0x70,
  queue: 0x71,
  state: 0x73,
  parked: 0x74,
  parkedCleared: 0x75,
  id: 0x78,
} as const

/** The kinds of index rows. */
export type RowKind = keyof typeof Prefix

/** A range of keys, the end exclusive. */
export interface KeyRange {
  readonly gte: Buffer
  readonly lt: Buffer
}

export function queueUidOf(topicUid: number, queueId: number): number {
  return topicUid * TOPIC_MAX_QUEUES + queueId
}

export function topicUidOf(queueUid: number): number {
  return Math.floor(queueUid / TOPIC_MAX_QUEUES)
}

export function queueIdOf(queueUid: number): number {
  return queueUid % TOPIC_MAX_QUEUES
}

// ---- commit log ----

export function logKey(seq: number): Buffer {
  return number(seq, U48)
}

export function parseLogKey(key: Buffer): number {
  return key.readUIntBE(0, U48)
}

/** Log rows from the first sequence number to the last, both included. */
export function rangeOfLog(firstSeq: number, lastSeq: number): KeyRange {
  return { gte: logKey(firstSeq), lt: logKey(lastSeq + 1) }
}

// ---- index ----

export const summaryKey = Buffer.from([Prefix.summary])

export function alarmKey(dueTimestamp: number, id: number): Buffer {
  return twoNumbersKey(Prefix.alarm, dueTimestamp, id)
}

/** A page of messages that fall due in a bucket of time, by the first of their ids. */
export function parkedKey(bucket: number, firstId: number): Buffer {
  return twoNumbersKey(Prefix.parked, bucket, firstId)
}

/** Ids of one block that a slice cleared in a bucket; `block` is the lowest id that it may hold. */
export function parkedClearedKey(bucket: number, block: number, seq: number): Buffer {
  const key = Buffer.allocUnsafe(1 + 3 * U48)
  key[0] = Prefix.parkedCleared
  writeUInt48(key, 1, bucket)
  writeUInt48(key, 1 + U48, block)
  writeUInt48(key, 1 + 2 * U48, seq)
  return key
}

function twoNumbersKey(prefix: number, first: number, second: number): Buffer {
  const key = Buffer.allocUnsafe(1 + U48 + U48)
  key[0] = prefix
  writeUInt48(key, 1, first)
  writeUInt48(key, 1 + U48, second)
  return key
}

export function topicKey(uid: number): Buffer {
  return join(Prefix.topic, number(uid, U32))
}

export function groupKey(uid: number): Buffer {
  return join(Prefix.group, number(uid, U32))
}

export function generationKey(generation: number): Buffer {
  return join(Prefix.generation, number(generation, U32))
}

export function idRunKey(generation: number, lastId: Buffer): Buffer {
  return join(Prefix.idRun, number(generation, U32), lastId)
}

export function keyKey(
  generation: number,
  topicUid: number,
  key: Buffer,
  timestamp: number,
  queueUid: number,
  offset: number,
): Buffer {
  return join(
    Prefix.key,
    keyStem(generation, topicUid, key),
    number(timestamp, U48),
    number(queueUid, U48),
    number(offset, U48),
  )
}

export function offsetKey(groupUid: number, queueUid: number): Buffer {
  return join(Prefix.offset, number(groupUid, U32), number(queueUid, U48))
}

export function purgeKey(topicUid: number): Buffer {
  return join(Prefix.purge, number(topicUid, U32))
}

export function queueKey(queueUid: number, lastOffset: number): Buffer {
  const key = Buffer.allocUnsafe(1 + U48 + U48)
  key[0] = Prefix.queue
  key.writeUIntBE(queueUid, 1, U48)
  key.writeUIntBE(lastOffset, 1 + U48, U48)
  return key
}

export function stateKey(queueUid: number): Buffer {
  return join(Prefix.state, number(queueUid, U48))
}

export function idKey(generation: number, id: Buffer, queueUid: number, offset: number): Buffer {
  return join(Prefix.id, number(generation, U32), id, number(queueUid, U48), number(offset, U48))
}

// ---- ranges ----

/** All rows of a kind. */
export function rangeOf(kind: RowKind): KeyRange {
  return { gte: Buffer.from([Prefix[kind]]), lt: Buffer.from([Prefix[kind] + 1]) }
}

/** Rows of a kind that begin with a u32: a generation or a uid, from the first up to but without the last. */
export function rangeOfU32(kind: RowKind, from: number, to: number): KeyRange {
  return { gte: join(Prefix[kind], number(from, U32)), lt: join(Prefix[kind], number(to, U32)) }
}

/** Rows of parked messages in the buckets from the first up to but without the last. */
export function rangeOfBuckets(kind: 'parked' | 'parkedCleared', from: number, to: number): KeyRange {
  return {
    gte: join(Prefix[kind], number(from, U48)),
    lt: join(Prefix[kind], number(Math.min(to, U48_MAX), U48)),
  }
}

/** The rows that say what was cleared in a bucket of the ids in a block. */
export function rangeOfClearedBlock(bucket: number, block: number): KeyRange {
  return { gte: parkedClearedKey(bucket, block, 0), lt: parkedClearedKey(bucket, block, U48_MAX) }
}

/** Rows of a queue from the batch that holds `fromOffset` up to the one before the batch that holds `toOffset`. */
export function rangeOfQueue(queueUid: number, fromOffset: number, toOffset?: number): KeyRange {
  const lt =
    toOffset === undefined ? join(Prefix.queue, number(queueUid + 1, U48)) : queueKey(queueUid, toOffset)
  return { gte: queueKey(queueUid, fromOffset), lt }
}

/** Queue rows of all queues of a topic. */
export function rangeOfTopicQueues(topicUid: number): KeyRange {
  return {
    gte: join(Prefix.queue, number(queueUidOf(topicUid, 0), U48)),
    lt: join(Prefix.queue, number(queueUidOf(topicUid + 1, 0), U48)),
  }
}

/** Rows of a key within a generation whose message was stored from `begin` to `end`. */
export function rangeOfKey(
  generation: number,
  topicUid: number,
  key: Buffer,
  begin: number,
  end: number,
): KeyRange {
  const stem = keyStem(generation, topicUid, key)
  return { gte: join(Prefix.key, stem, number(begin, U48)), lt: join(Prefix.key, stem, number(end + 1, U48)) }
}

/** Rows of an explicit id within a generation. */
export function rangeOfId(generation: number, id: Buffer): KeyRange {
  const stem = join(Prefix.id, number(generation, U32), id)
  return { gte: stem, lt: Buffer.concat([stem, Buffer.alloc(2 * U48 + 1, 0xff)]) }
}

/** Runs of a generation that end at or behind an id; the first one is the only one that can hold it. */
export function rangeOfIdRuns(generation: number, id: Buffer): KeyRange {
  return { gte: idRunKey(generation, id), lt: join(Prefix.idRun, number(generation + 1, U32)) }
}

// ---- reading keys ----

/** The u48 that begins `bytesFromEnd` bytes before the end of a key. */
export function u48FromEnd(key: Buffer, bytesFromEnd: number): number {
  return key.readUIntBE(key.length - bytesFromEnd, U48)
}

export function u32AfterPrefix(key: Buffer): number {
  return key.readUInt32BE(1)
}

export function u48AfterPrefix(key: Buffer): number {
  return key.readUIntBE(1, U48)
}

function keyStem(generation: number, topicUid: number, key: Buffer): Buffer {
  return Buffer.concat([number(generation, U32), number(topicUid, U32), number(key.length, 2), key])
}

function join(prefix: number, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([prefix]), ...parts])
}

function number(value: number, bytes: number): Buffer {
  const target = Buffer.allocUnsafe(bytes)
  target.writeUIntBE(value, 0, bytes)
  return target
}
