/**
 * The whole-store check: reads everything and compares it with everything else. It writes nothing, and finds what a single
 * read would not: rows without a batch, batches without a row, keys that point nowhere, offsets beyond the end.
 */
import { crc32 } from 'node:zlib'
import type { CheckProblem, CheckReport } from '../model/engine.ts'
import { MESSAGE_ID_BYTES } from '../model/message-id.ts'
import type { Views } from './announce.ts'
import type { AppliedState } from './applied-state.ts'
import type { Databases } from './databases.ts'
import { isParking } from './fact.ts'
import { groupQueueKey } from './group-queue-key.ts'
import { rows } from './index-loader.ts'
import { parseLogKey, type RowKind, topicUidOf, u48AfterPrefix, u48FromEnd } from './keyspace.ts'
import { bucketOf, clearedIdsOf, entriesOf } from './parked-page.ts'
import { Batch, BatchAttribute, Rec } from './record-format.ts'
import { findBatchDamage, keysOf, readBatchHeader } from './record-reader.ts'
import { decodeIdRun, decodeQueueRow, type QueueState } from './row.ts'
import { storeErrorFrom } from './store-error.ts'

const PAGE_COUNT = 256

export interface CheckSource {
  readonly databases: Databases
  readonly views: Views
  /** What the databases hold; nothing is applied while the check runs. */
  readonly state: Readonly<AppliedState>
}

/** What the commit log holds, gathered in one pass. */
interface LogContents {
  /** By sequence number: where its batch belongs. */
  readonly batches: Map<
    number,
    { readonly queueUid: number; readonly baseOffset: number; readonly count: number }
  >
  /** Order-free digests of the rows that the batches should have. */
  readonly keys: RowDigest
  readonly ids: RowDigest
  /** Log rows whose ids must be covered by a run. */
  readonly runRows: Set<number>
}

export async function checkStore(source: CheckSource): Promise<CheckReport> {
  const problems: CheckProblem[] = []
  const contents = await readLog(source, problems)
  const messageCount = await checkQueues(source, contents, problems)
  await checkPointers(source, 'key', contents.keys, problems)
  await checkPointers(source, 'id', contents.ids, problems)
  await checkRuns(source, contents, problems)
  checkOffsets(source, problems)
  checkAlarms(source, problems)
  await checkParked(source, problems)
  return { ok: problems.length === 0, messageCount, queueCount: source.state.queues.size, problems }
}

async function readLog({ databases, state }: CheckSource, problems: CheckProblem[]): Promise<LogContents> {
  const contents: LogContents = {
    batches: new Map(),
    keys: new RowDigest(),
    ids: new RowDigest(),
    runRows: new Set(),
  }
  try {
    for await (const page of logKeys(databases)) {
      // Read by key, as readers do: a damaged filter of LevelDB hides from them what a scan still sees.
      const values = await databases.log.level.getMany(page)
      for (const [i, key] of page.entries()) {
        const seq = parseLogKey(key)
        const bytes = values[i]
        if (bytes === undefined)
          problems.push({ kind: 'index', message: `Commit log ${seq}: LevelDB does not find it.` })
        else readLogRow(state, seq, bytes, contents, problems)
      }
    }
  } catch (caught) {
    noteDamage(caught, problems)
  }
  return contents
}

async function* logKeys(databases: Databases): AsyncGenerator<Buffer[]> {
  let after: Buffer | undefined
  for (;;) {
    const page: Buffer[] = await databases.log.level
      .keys({ ...(after && { gt: after }), limit: PAGE_COUNT })
      .all()
    yield page
    after = page.at(-1)
    if (page.length < PAGE_COUNT) return
  }
}

function readLogRow(
  state: Readonly<AppliedState>,
  seq: number,
  bytes: Buffer,
  contents: LogContents,
  problems: CheckProblem[],
): void {
  // What a trim or a deleted topic left behind is no longer valid, and cleared in time.
  if (seq < state.trimmedBeforeSeq) return
  const damage = findBatchDamage(bytes)
  if (damage !== undefined) {
    problems.push({ kind: 'checksum', message: `Commit log ${seq}: ${damage}.` })
    return
  }
  const header = readBatchHeader(bytes)
  if (!state.topics.has(topicUidOf(header.queueUid))) return
  contents.batches.set(seq, header)
  if ((header.attributes & BatchAttribute.EXPLICIT_IDS) === 0) contents.runRows.add(seq)
  if (header.attributes !== 0) digestRecords(bytes, header, contents)
}

function digestRecords(
  bytes: Buffer,
  header: ReturnType<typeof readBatchHeader>,
  contents: LogContents,
): void {
  let position: number = Batch.HEADER_BYTES
  for (let i = 0; i < header.count; i++) {
    const offset = header.baseOffset + i
    const id = bytes.subarray(position + Rec.MESSAGE_ID, position + Rec.MESSAGE_ID + MESSAGE_ID_BYTES)
    if ((header.attributes & BatchAttribute.EXPLICIT_IDS) !== 0) contents.ids.add(header.queueUid, offset, id)
    // A key that stands twice in a message makes one row.
    const keys = new Map(keysOf(bytes, position).map((key) => [key.toString('latin1'), key]))
    for (const key of keys.values()) contents.keys.add(header.queueUid, offset, key)
    position += bytes.readUInt32BE(position)
  }
}

/** Queue rows against the commit log and the ends of each queue: dense, each batch exactly once. */
async function checkQueues(
  source: CheckSource,
  contents: LogContents,
  problems: CheckProblem[],
): Promise<number> {
  const { databases, state } = source
  const ends = new Map<number, number>()
  let messageCount = 0
  await checkedRows(databases, 'queue', problems, (key, content) => {
    const queueUid = u48AfterPrefix(key)
    const queue = state.queues.get(queueUid)
    const nextOffset = u48FromEnd(key, 6) + 1
    const row = decodeQueueRow(content)
    if (queue === undefined || nextOffset <= queue.minOffset) return
    const expected = ends.get(queueUid) ?? queue.minOffset
    const baseOffset = nextOffset - row.count
    if (baseOffset > expected) problems.push(gap(queueUid, expected, baseOffset - 1))
    ends.set(queueUid, nextOffset)
    messageCount += nextOffset - Math.max(baseOffset, queue.minOffset)
    const batch = contents.batches.get(row.seq)
    contents.batches.delete(row.seq)
    if (batch?.queueUid !== queueUid || batch.baseOffset !== baseOffset || batch.count !== row.count) {
      problems.push({
        kind: 'index',
        message: `Queue ${queueUid}, offsets ${baseOffset} to ${nextOffset - 1}: the commit log holds no such batch at ${row.seq}.`,
      })
    }
  })
  checkEnds(state.queues, ends, problems)
  for (const [seq, batch] of contents.batches) {
    problems.push({
      kind: 'index',
      message: `Commit log ${seq}: the index has no row for queue ${batch.queueUid} from offset ${batch.baseOffset}.`,
    })
  }
  return messageCount
}

function checkEnds(
  queues: ReadonlyMap<number, QueueState>,
  ends: ReadonlyMap<number, number>,
  problems: CheckProblem[],
): void {
  for (const [queueUid, { minOffset, maxOffset }] of queues) {
    const end = ends.get(queueUid) ?? minOffset
    if (end < maxOffset) problems.push(gap(queueUid, end, maxOffset - 1))
    if (end > maxOffset)
      problems.push({
        kind: 'index',
        message: `Queue ${queueUid} should end at ${maxOffset} and ends at ${end}.`,
      })
  }
}

/** Rows that point to messages against the messages that should have such rows. */
async function checkPointers(
  source: CheckSource,
  kind: 'key' | 'id',
  expected: RowDigest,
  problems: CheckProblem[],
): Promise<void> {
  const { databases, state } = source
  const found = new RowDigest()
  await checkedRows(databases, kind, problems, (key) => {
    const queueUid = u48FromEnd(key, 12)
    const queue = state.queues.get(queueUid)
    if (key.readUInt32BE(1) < state.trimmedGeneration || queue === undefined) return
    const text =
      kind === 'id' ? key.subarray(5, 5 + MESSAGE_ID_BYTES) : key.subarray(11, 11 + key.readUInt16BE(9))
    found.add(queueUid, u48FromEnd(key, 6), text)
  })
  if (!found.equals(expected)) {
    problems.push({
      kind: 'index',
      message: `The ${kind} index has ${found.count} rows where the messages ask for ${expected.count}, or other ones.`,
    })
  }
}

async function checkRuns(
  { databases }: CheckSource,
  contents: LogContents,
  problems: CheckProblem[],
): Promise<void> {
  await checkedRows(databases, 'idRun', problems, (_key, content) => {
    const run = decodeIdRun(content)
    for (let seq = run.firstSeq; seq <= run.lastSeq; seq++) contents.runRows.delete(seq)
  })
  if (contents.runRows.size > 0) {
    problems.push({ kind: 'index', message: `The ids of ${contents.runRows.size} batches are in no id run.` })
  }
}

function checkOffsets({ state }: CheckSource, problems: CheckProblem[]): void {
  for (const [groupUid, queues] of state.offsets) {
    for (const [queueUid, offset] of queues) {
      const maxOffset = state.queues.get(queueUid)?.maxOffset ?? 0
      if (offset <= maxOffset) continue
      problems.push({
        kind: 'offset',
        message: `Group ${groupUid} is at ${offset} of queue ${queueUid}, which ends at ${maxOffset}.`,
      })
    }
  }
}

/** What retention or a deleted topic took away is no damage: the alarm reports the loss when it is due. */
function checkAlarms({ state }: CheckSource, problems: CheckProblem[]): void {
  const counted = new Set<string>()
  for (const alarm of state.alarms.values()) {
    const { id, kind, groupUid, queueUid, queueOffset } = alarm
    const message = `${groupQueueKey(groupUid, queueUid)}:${queueOffset}`
    // Of two the older one would never be cleared.
    if (kind === 'attempts' && counted.has(message))
      problems.push({
        kind: 'alarm',
        message: `Alarm ${id} counts the attempts of offset ${queueOffset} of queue ${queueUid}, as another one does.`,
      })
    if (kind === 'attempts') counted.add(message)
    const maxOffset = state.queues.get(queueUid)?.maxOffset ?? 0
    if (isParking(alarm)) problems.push({ kind: 'alarm', message: `The message of alarm ${id} is missing.` })
    if (isParking(alarm) || queueOffset < maxOffset || !state.topics.has(topicUidOf(queueUid))) continue
    problems.push({
      kind: 'alarm',
      message: `Alarm ${id} is about offset ${queueOffset} of queue ${queueUid}, which ends at ${maxOffset}.`,
    })
  }
}

/** Each page holds sound messages that fall due in its bucket, and those that have not gone on are as many as are counted. */
async function checkParked({ databases, state }: CheckSource, problems: CheckProblem[]): Promise<void> {
  const cleared = new Set<string>()
  await checkedRows(databases, 'parkedCleared', problems, (key, content) => {
    const bucket = u48AfterPrefix(key)
    for (const id of clearedIdsOf(u48FromEnd(key, 12), content)) cleared.add(`${bucket} ${id}`)
  })
  let count = 0
  await checkedRows(databases, 'parked', problems, (key, content) => {
    const bucket = u48AfterPrefix(key)
    for (const { alarm } of entriesOf(content)) {
      const { id, dueTimestamp } = alarm
      if (!cleared.has(`${bucket} ${id}`)) count += 1
      if (bucketOf(dueTimestamp) !== bucket)
        problems.push({
          kind: 'alarm',
          message: `Message ${id}, due at ${dueTimestamp}, is parked at ${bucket}.`,
        })
    }
  })
  if (count === state.parkedCount) return
  const message = `${count} messages are parked; there should be ${state.parkedCount}.`
  problems.push({ kind: 'alarm', message })
}

/** Visits all rows of a kind; the first damaged one is a problem and ends the visit. Throws when it cannot read at all. */
async function checkedRows(
  databases: Databases,
  kind: RowKind,
  problems: CheckProblem[],
  visit: (key: Buffer, content: Buffer) => void,
): Promise<void> {
  try {
    for await (const [key, content] of rows(databases.index, kind)) visit(key, content)
  } catch (caught) {
    noteDamage(caught, problems)
  }
}

/** Damage is a problem to tell; that nothing can be read at all is not. */
function noteDamage(caught: unknown, problems: CheckProblem[]): void {
  const error = storeErrorFrom(caught)
  if (error.code !== 'STORE_CORRUPTED') throw error
  problems.push({ kind: 'checksum', message: error.message })
}

function gap(queueUid: number, from: number, to: number): CheckProblem {
  return { kind: 'gap', message: `Queue ${queueUid} misses offsets ${from} to ${to}.` }
}

/** Compares two sets of rows without holding them: their number and the sum of their checksums. */
class RowDigest {
  readonly #scratch = Buffer.alloc(12)
  count = 0
  #sum = 0

  add(queueUid: number, offset: number, text: Buffer): void {
    this.#scratch.writeUIntBE(queueUid, 0, 6)
    this.#scratch.writeUIntBE(offset, 6, 6)
    this.count += 1
    this.#sum = (this.#sum + crc32(text, crc32(this.#scratch))) % Number.MAX_SAFE_INTEGER
  }

  equals(other: RowDigest): boolean {
    return this.count === other.count && this.#sum === other.#sum
  }
}
