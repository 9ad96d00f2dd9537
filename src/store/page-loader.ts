/**
 * Reads pages of a queue from the databases: queue rows say where batches lie, the commit log holds them. Every batch is
 * held against its checksum, its queue and its offset; offsets are dense, so what is missing is an error, never skipped.
 */
import { MQError } from '../model/errors.ts'
import type { Databases } from './databases.ts'
import { logKey, rangeOfQueue, u48FromEnd } from './keyspace.ts'
import type { QueueLog } from './queue-log.ts'
import type { ReadPage } from './read-cache.ts'
import { readStoredBatch, type StoredBatch } from './record-reader.ts'
import { decodeQueueRow, openRow, type QueueRow } from './row.ts'

/** A page ends behind the batch that makes it larger than this. */
const PAGE_BYTES = 512 * 1024
const PAGE_MAX_BATCHES = 512
const FIRST_ROWS = 16
/** Reading ahead begins when this share of a page is consumed. */
const READ_AHEAD_AT = 0.5

/** A queue row with the offsets it covers. */
export interface LocatedRow extends QueueRow {
  readonly baseOffset: number
  readonly nextOffset: number
}

/** Reads the page that begins with the batch that holds `offset`. */
export async function loadPage(databases: Databases, log: QueueLog, offset: number): Promise<ReadPage> {
  const rows = await readPageRows(databases, log.uid, offset)
  const located = withinPage(rows)
  const values = await databases.log.level.getMany(located.map((row) => logKey(row.seq)))
  const batches: StoredBatch[] = []
  let expected = located[0]?.baseOffset ?? offset
  for (const [i, row] of located.entries()) {
    if (row.baseOffset !== expected) break
    const batch = openBatch(log, row, values[i])
    if (batch === undefined) break
    batches.push(batch)
    expected = row.nextOffset
  }
  if (batches.length === 0 || (batches[0]?.baseOffset ?? 0) > offset) throw missing(log, offset, rows)
  return pageOf(batches)
}

/** Reads queue rows from the batch that holds `offset` on. */
export async function readQueueRows(
  databases: Databases,
  queueUid: number,
  offset: number,
  limit = PAGE_MAX_BATCHES,
): Promise<LocatedRow[]> {
  return (await databases.index.level.iterator({ ...rangeOfQueue(queueUid, offset), limit }).all()).map(
    locateRow,
  )
}

/** Rows for one page: a few first, then, knowing how large their batches are, as many more as the page has room for. */
async function readPageRows(databases: Databases, queueUid: number, offset: number): Promise<LocatedRow[]> {
  const range = rangeOfQueue(queueUid, offset)
  const iterator = databases.index.level.iterator({ ...range, limit: PAGE_MAX_BATCHES })
  try {
    const rows = (await iterator.nextv(FIRST_ROWS)).map(locateRow)
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    const more = Math.min(
      PAGE_MAX_BATCHES,
      Math.ceil(((PAGE_BYTES - bytes) * rows.length) / Math.max(1, bytes)),
    )
    if (rows.length < FIRST_ROWS || more < 1) return rows
    return [...rows, ...(await iterator.nextv(more)).map(locateRow)]
  } finally {
    await iterator.close()
  }
}

function locateRow([key, value]: [Buffer, Buffer]): LocatedRow {
  const row = decodeQueueRow(openRow(key, value))
  const nextOffset = u48FromEnd(key, 6) + 1
  return { ...row, baseOffset: nextOffset - row.count, nextOffset }
}

/** Opens the batch of a row; throws when its bytes are damaged or belong elsewhere. */
function openBatch(log: QueueLog, row: LocatedRow, value: Buffer | undefined): StoredBatch | undefined {
  if (value === undefined) return undefined
  const where = `Queue ${log.queue.queueId} of topic '${log.queue.topic}', offsets ${row.baseOffset} to ${row.nextOffset - 1}`
  const batch = readStoredBatch(value, log.queue, where)
  if (batch.queueUid !== log.uid || batch.baseOffset !== row.baseOffset || batch.count !== row.count) {
    throw new MQError('STORE_CORRUPTED', `${where}: the commit log holds another batch there.`)
  }
  return batch
}

function withinPage(rows: readonly LocatedRow[]): LocatedRow[] {
  const page: LocatedRow[] = []
  let bytes = 0
  for (const row of rows) {
    if (bytes > PAGE_BYTES) break
    page.push(row)
    bytes += row.bytes
  }
  return page
}

function pageOf(batches: readonly StoredBatch[]): ReadPage {
  const firstOffset = (batches[0] as StoredBatch).baseOffset
  const nextOffset = (batches.at(-1) as StoredBatch).nextOffset
  return {
    batches,
    firstOffset,
    nextOffset,
    bytes: batches.reduce((sum, batch) => sum + batch.byteLength, 0),
    readAheadOffset: firstOffset + Math.floor((nextOffset - firstOffset) * READ_AHEAD_AT),
  }
}

/** Retention may have removed the batch while it was being read: then the reader starts anew from the lowest offset. */
function missing(log: QueueLog, offset: number, rows: readonly LocatedRow[]): MQError {
  const { topic, queueId } = log.queue
  if (offset < log.minOffset) {
    return new MQError(
      'NO_MESSAGE',
      `Offset ${offset} of queue ${queueId} of topic '${topic}' was removed by retention.`,
    )
  }
  const next = rows.find((row) => row.baseOffset > offset)?.baseOffset ?? log.appliedOffset
  return new MQError(
    'STORE_CORRUPTED',
    `Queue ${queueId} of topic '${topic}' misses offsets ${offset} to ${Math.max(offset, next - 1)}. Reset the group's offset to ${next} to go on without them.`,
  )
}
