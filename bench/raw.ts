/**
 * The baselines: the same bytes through classic-level alone, each in the fastest way that we know. Keys count upwards,
 * which is what LevelDB likes best. Every baseline checks that what it measured is there.
 */
import { ClassicLevel } from 'classic-level'
import { withDirectory } from './directory.ts'
import { rateOf } from './rounds.ts'

type Database = ClassicLevel<Uint8Array, Uint8Array>
type Bodies = (index: number) => Buffer

const KEY_BYTES = 8
const LENGTH_BYTES = 4
/** Values that one `nextv` fetches. */
const READ_VALUES = 64

/** Messages per second in chained batches of `batchCount`, written one after the other. */
export function rawChainedBatches(
  bodies: Bodies,
  messageCount: number,
  { batchCount, sync }: { batchCount: number; sync: boolean },
): Promise<number> {
  return withDatabase(async (db) => {
    const rate = await rateOf(messageCount, async () => {
      // A chained batch copies at once, so that one key buffer is enough.
      const key = Buffer.alloc(KEY_BYTES)
      for (let next = 0; next < messageCount; ) {
        const batch = db.batch()
        const end = Math.min(next + batchCount, messageCount)
        for (; next < end; next++) batch.put(sequenceKey(key, next), bodies(next))
        await batch.write({ sync })
      }
    })
    await expectCount(db, messageCount)
    return rate
  })
}

/** Messages per second in awaited puts, one by one. */
export function rawPuts(bodies: Bodies, messageCount: number): Promise<number> {
  return withDatabase(async (db) => {
    const rate = await rateOf(messageCount, async () => {
      const key = Buffer.alloc(KEY_BYTES)
      for (let i = 0; i < messageCount; i++) await db.put(sequenceKey(key, i), bodies(i))
    })
    await expectCount(db, messageCount)
    return rate
  })
}

/** Microseconds that each of these awaited puts took, with a pause before each. */
export function rawPutTimes(bodies: Bodies, count: number, pause: () => Promise<unknown>): Promise<number[]> {
  return withDatabase(async (db) => {
    const times: number[] = []
    const key = Buffer.alloc(KEY_BYTES)
    for (let i = 0; i < count; i++) {
      await pause()
      const start = performance.now()
      await db.put(sequenceKey(key, i), bodies(i))
      times.push((performance.now() - start) * 1000)
    }
    await expectCount(db, count)
    return times
  })
}

/** Fills a database with values of `packCount` records each, a length before each record. */
export async function packRecords(
  directory: string,
  bodies: Bodies,
  messageCount: number,
  packCount: number,
): Promise<void> {
  const db = await openDatabase(directory)
  for (let first = 0; first < messageCount; first += packCount) {
    const count = Math.min(packCount, messageCount - first)
    const value = Buffer.concat(
      Array.from({ length: count }, (_, i) => {
        const body = bodies(first + i)
        const length = Buffer.alloc(LENGTH_BYTES)
        length.writeUInt32LE(body.length)
        return Buffer.concat([length, body])
      }),
    )
    await db.put(sequenceKey(Buffer.alloc(KEY_BYTES), first), value)
  }
  await db.close()
}

/** Records per second when packed values are read and split into a buffer per record. */
export async function rawPackedRead(directory: string, messageCount: number): Promise<number> {
  const db = await openDatabase(directory)
  let count = 0
  let bytes = 0
  const rate = await rateOf(messageCount, async () => {
    const iterator = db.values()
    for (;;) {
      const values = await iterator.nextv(READ_VALUES)
      if (values.length === 0) break
      for (const value of values) {
        for (let at = 0; at < value.length; count++) {
          const end = at + LENGTH_BYTES + (value as Buffer).readUInt32LE(at)
          const record = (value as Buffer).subarray(at + LENGTH_BYTES, end)
          bytes += record.length
          at = end
        }
      }
    }
    await iterator.close()
  })
  await db.close()
  if (count !== messageCount || bytes === 0) throw new Error(`read ${count} of ${messageCount} records`)
  return rate
}

function withDatabase<T>(work: (db: Database) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const db = await openDatabase(directory)
    try {
      return await work(db)
    } finally {
      await db.close()
    }
  })
}

async function openDatabase(directory: string): Promise<Database> {
  const db: Database = new ClassicLevel(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await db.open()
  return db
}

/** 48 bits, big-endian: keys sort as their numbers do. */
function sequenceKey(key: Buffer, sequence: number): Buffer {
  key.writeUIntBE(sequence, 2, 6)
  return key
}

async function expectCount(db: Database, expected: number): Promise<void> {
  let count = 0
  const iterator = db.keys()
  for (;;) {
    const keys = await iterator.nextv(1000)
    if (keys.length === 0) break
    count += keys.length
  }
  await iterator.close()
  if (count !== expected) throw new Error(`classic-level holds ${count} of ${expected} messages`)
}
