/**
 * Parked messages as rows of the index. What a slice parks lies in pages: messages that fall due in the same bucket of time, in the
 * order of their ids. What goes on later is noted in rows of its own, a few ids in each; nothing is ever rewritten. When a bucket has
 * passed and nothing in it waits any more, all its rows are removed (`parked-purge.ts`).
 *
 * So a message costs a share of a row when it is parked and a share of a row when it goes on, and no memory: of the buckets
 * that are far ahead nothing needs to be known.
 *
 *   page      entries, back to back: 33 B alarm as in `fact-format.ts`, a record batch of one record
 *   cleared   u16 each: the id of the message, less the lowest id of its block
 */
import { MQError } from '../model/errors.ts'
import { readUInt16, readUInt32, readUInt48, writeUInt16 } from './bytes.ts'
import type { Alarm, Fact } from './fact.ts'
import { ALARM_BYTES, decodeAlarm, writeAlarm } from './fact-format.ts'
import { parkedClearedKey, parkedKey } from './keyspace.ts'
import { Batch } from './record-format.ts'
import { put, type Slice } from './slice.ts'

export type ParkedPut = Extract<Fact, { readonly type: 'parked-put' }>

/** A parked message goes on; `seq` is the number of the fact that says so. */
export interface ClearedParked {
  readonly id: number
  readonly dueTimestamp: number
  readonly seq: number
}

/** Which messages lie in a page. */
export interface ParkedPlace {
  readonly firstId: number
  readonly ids: readonly number[]
}

/** A message that is parked, and its alarm. */
export interface ParkedEntry {
  readonly alarm: Alarm
  readonly bytes: Buffer
}

interface OpenPage {
  readonly bucket: number
  readonly ids: number[]
  readonly puts: ParkedPut[]
  bytes: number
}

/** Long enough for pages of many messages, short enough for what falls due within two of them to be held in memory. */
export const BUCKET_MS = 2 ** 14
/** A page is read as a whole for each message that is delivered by itself. */
const PAGE_MAX_BYTES = 8 * 1024
/** How many ids a row of cleared ones may speak of. */
const BLOCK_IDS = 1024
const CLEARED_BYTES = 2
const MIN_ENTRY_BYTES = ALARM_BYTES + Batch.HEADER_BYTES

/** The bucket of time that a message falls due in, named by its begin. */
export function bucketOf(dueTimestamp: number): number {
  return dueTimestamp - (dueTimestamp % BUCKET_MS)
}

/** The lowest id of the block that an id belongs to. */
export function blockOf(id: number): number {
  return id - (id % BLOCK_IDS)
}

/** Adds the rows of what a slice parks, and of what goes on. */
export function putParked(slice: Slice): void {
  const open = new Map<number, OpenPage>()
  for (const fact of slice.parked.values()) addToPage(slice, open, fact)
  for (const page of open.values()) putPage(slice, page)
  putCleared(slice)
}

/** The messages of a page, in the order of their ids. */
export function* entriesOf(page: Buffer): Iterable<ParkedEntry> {
  for (let position = 0; position < page.length; ) {
    const end = endOfEntry(page, position)
    yield { alarm: decodeAlarm(page, position), bytes: page.subarray(position + ALARM_BYTES, end) }
    position = end
  }
}

/** The alarms of a page. */
export function* alarmsOf(page: Buffer): Iterable<Alarm> {
  for (let position = 0; position < page.length; position = endOfEntry(page, position))
    yield decodeAlarm(page, position)
}

/** The message with this id in a page. */
export function entryOf(page: Buffer, id: number): ParkedEntry | undefined {
  for (let position = 0; position < page.length; ) {
    const end = endOfEntry(page, position)
    if (readUInt48(page, position) === id)
      return { alarm: decodeAlarm(page, position), bytes: page.subarray(position + ALARM_BYTES, end) }
    position = end
  }
  return undefined
}

/** The ids that a row of cleared ones names. */
export function* clearedIdsOf(block: number, row: Buffer): Iterable<number> {
  for (let position = 0; position < row.length; position += CLEARED_BYTES)
    yield block + readUInt16(row, position)
}

function addToPage(slice: Slice, open: Map<number, OpenPage>, fact: ParkedPut): void {
  const { id, dueTimestamp } = fact.alarm
  const bucket = bucketOf(dueTimestamp)
  const bytes = ALARM_BYTES + fact.bytes.length
  let page = open.get(bucket)
  if (page === undefined || page.bytes + bytes > PAGE_MAX_BYTES || id < (page.ids.at(-1) as number)) {
    if (page !== undefined) putPage(slice, page)
    page = { bucket, ids: [], puts: [], bytes: 0 }
    open.set(bucket, page)
  }
  page.ids.push(id)
  page.puts.push(fact)
  page.bytes += bytes
}

function putPage(slice: Slice, { bucket, ids, puts, bytes }: OpenPage): void {
  const page = Buffer.allocUnsafe(bytes)
  let position = 0
  for (const fact of puts) {
    position = writeAlarm(page, position, fact.alarm)
    page.set(fact.bytes, position)
    position += fact.bytes.length
  }
  const firstId = ids[0] as number
  slice.pages.push({ firstId, ids })
  put(slice, parkedKey(bucket, firstId), page)
}

function putCleared(slice: Slice): void {
  const rows = new Map<string, ClearedParked[]>()
  for (const cleared of slice.cleared) {
    const name = `${bucketOf(cleared.dueTimestamp)} ${blockOf(cleared.id)}`
    const row = rows.get(name)
    if (row === undefined) rows.set(name, [cleared])
    else row.push(cleared)
  }
  for (const row of rows.values()) {
    const { id, dueTimestamp, seq } = row[0] as ClearedParked
    const block = blockOf(id)
    const content = Buffer.allocUnsafe(CLEARED_BYTES * row.length)
    for (const [i, cleared] of row.entries()) writeUInt16(content, CLEARED_BYTES * i, cleared.id - block)
    put(slice, parkedClearedKey(bucketOf(dueTimestamp), block, seq), content)
  }
}

function endOfEntry(page: Buffer, position: number): number {
  const end = position + ALARM_BYTES + readUInt32(page, position + ALARM_BYTES + Batch.BYTES)
  if (end > page.length || end < position + MIN_ENTRY_BYTES)
    throw new MQError('STORE_CORRUPTED', 'A page of parked messages is cut off.')
  return end
}
