/**
 * Finding messages by id, by key and by time. Rows only point: what is handed out is always held against the message
 * itself. Generations are searched one by one, newest first.
 */
import { MQError } from '../model/errors.ts'
import type { MessageView } from '../model/message.ts'
import { formatMessageId, MESSAGE_ID_BYTES, parseMessageId, writeMessageId } from '../model/message-id.ts'
import { type AppliedState, liveGenerations } from './applied-state.ts'
import type { Catalog, TopicEntry } from './catalog.ts'
import type { Databases } from './databases.ts'
import { KEY_MAX_BYTES, rangeOfId, rangeOfIdRuns, rangeOfKey, rangeOfLog, u48FromEnd } from './keyspace.ts'
import type { QueueLog } from './queue-log.ts'
import { BatchAttribute } from './record-format.ts'
import { findBatchDamage, openStoredBatch, readBatchHeader, type StoredBatch } from './record-reader.ts'
import { decodeIdRun, openRow } from './row.ts'

/** The latest time that a 48-bit number and the end of a range behind it can express: the year 10889. */
const TIMESTAMP_MAX = 2 ** 48 - 2

/** Where the databases are, and what they say. Everything written before the call is applied. */
export interface QuerySource {
  readonly databases: Databases
  readonly catalog: Catalog
  readonly state: Readonly<AppliedState>
}

/** All stored copies of a message, oldest first. */
export async function queryById(source: QuerySource, messageId: string): Promise<readonly MessageView[]> {
  const id = Buffer.allocUnsafe(MESSAGE_ID_BYTES)
  writeMessageId(parseMessageId(messageId), id, 0)
  const text = formatMessageId(parseMessageId(messageId))
  const found: MessageView[] = []
  for (const generation of liveGenerations(source.state).reverse()) {
    found.push(...(await findInRuns(source, generation, id)), ...(await findExplicit(source, generation, id)))
  }
  return found.filter((message) => message.messageId === text).sort(byAge)
}

/** A retry is stored behind what it is a copy of, perhaps within the same millisecond. */
function byAge(a: MessageView, b: MessageView): number {
  return a.storeTimestamp - b.storeTimestamp || a.reconsumeTimes - b.reconsumeTimes
}

/** Messages of a topic that carry a key and were stored within a time, newest first. */
export async function queryByKey(
  source: QuerySource,
  topic: TopicEntry,
  key: string,
  begin: number,
  end: number,
  maxCount: number,
): Promise<readonly MessageView[]> {
  const keyBytes = Buffer.from(key)
  const from = Math.max(0, begin)
  const to = Math.min(TIMESTAMP_MAX, end)
  if (from > to || keyBytes.length > KEY_MAX_BYTES) return []
  const found: MessageView[] = []
  for (const generation of liveGenerations(source.state)) {
    const limit = maxCount - found.length
    if (limit <= 0) break
    const range = rangeOfKey(generation, topic.uid, keyBytes, from, to)
    const keys = await source.databases.index.level.keys({ ...range, reverse: true, limit }).all()
    for (const row of keys) {
      const message = await readMessage(source, u48FromEnd(row, 12), u48FromEnd(row, 6))
      if (message?.keys.includes(key) === true) found.push(message)
    }
  }
  return found
}

/** The message at an address, or `undefined` when it is gone or never was. */
export async function readMessage(
  source: Pick<QuerySource, 'catalog'>,
  queueUid: number,
  offset: number,
): Promise<MessageView | undefined> {
  const log = source.catalog.log(queueUid)
  if (log === undefined || offset < log.minOffset || offset >= log.maxOffset) return undefined
  const batch = await log.batchAt(offset)
  return batch.message(offset - batch.baseOffset)
}

/**
 * RocketMQ's `searchOffset`, lower boundary: the first offset stored at or after the time, else max. Store times never
 * fall within a queue, so this is a binary search over batches, then within one.
 */
export async function searchOffset(log: QueueLog, timestamp: number): Promise<number> {
  let low = log.minOffset
  let high = log.maxOffset
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const batch = await log.batchAt(middle)
    if (batch.storeTimestampAt(batch.count - 1) < timestamp) low = batch.nextOffset
    else if (batch.storeTimestamp >= timestamp && batch.baseOffset > low) high = batch.baseOffset
    else return Math.max(log.minOffset, batch.baseOffset + firstIndexFrom(batch, timestamp))
  }
  return Math.min(Math.max(low, log.minOffset), log.maxOffset)
}

function firstIndexFrom(batch: StoredBatch, timestamp: number): number {
  let index = 0
  while (index < batch.count && batch.storeTimestampAt(index) < timestamp) index += 1
  return index
}

/** Runs of one generator ascend, so the first run that ends at or behind the id is the only one that can hold it. */
async function findInRuns(source: QuerySource, generation: number, id: Buffer): Promise<MessageView[]> {
  const { databases, catalog } = source
  const [entry] = await databases.index.level.iterator({ ...rangeOfIdRuns(generation, id), limit: 1 }).all()
  if (entry === undefined) return []
  const run = decodeIdRun(openRow(...entry))
  if (run.first.compare(id) > 0) return []
  const found: MessageView[] = []
  for (const value of await databases.log.level.values(rangeOfLog(run.firstSeq, run.lastSeq)).all()) {
    if (!value.includes(id)) continue
    const damage = findBatchDamage(value)
    if (damage !== undefined)
      throw new MQError('STORE_CORRUPTED', `A batch with this message is damaged: ${damage}.`)
    const { attributes, queueUid } = readBatchHeader(value)
    // These have rows of their own, by which they are found.
    if ((attributes & BatchAttribute.EXPLICIT_IDS) !== 0) continue
    const log = catalog.log(queueUid)
    if (log !== undefined) found.push(...messagesOf(openStoredBatch(value, log.queue), log))
  }
  return found
}

function messagesOf(batch: StoredBatch, log: QueueLog): MessageView[] {
  const messages = Array.from({ length: batch.count }, (_, i) => batch.message(i))
  return messages.filter((message) => message.queueOffset >= log.minOffset)
}

/** The messages whose ids have a row of their own in this generation. */
export async function findExplicit(
  source: QuerySource,
  generation: number,
  id: Buffer,
): Promise<MessageView[]> {
  const found: MessageView[] = []
  for (const key of await source.databases.index.level.keys(rangeOfId(generation, id)).all()) {
    const message = await readMessage(source, u48FromEnd(key, 12), u48FromEnd(key, 6))
    if (message !== undefined) found.push(message)
  }
  return found
}
