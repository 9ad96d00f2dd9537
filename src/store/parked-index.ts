/** Reads parked messages from the rows that `parked-page.ts` describes; what is asked for in one turn is read by one call. */
import { MQError } from '../model/errors.ts'
import { deferMicrotask } from '../model/system-clock.ts'
import type { Databases } from './databases.ts'
import type { Alarm } from './fact.ts'
import {
  parkedKey,
  rangeOfBuckets,
  rangeOfClearedBlock,
  U48_MAX,
  u48AfterPrefix,
  u48FromEnd,
} from './keyspace.ts'
import { blockOf, bucketOf, clearedIdsOf, entryOf, type ParkedEntry } from './parked-page.ts'
import { openRow } from './row.ts'

/** What names a parked message. */
export type ParkedName = Pick<Alarm, 'id' | 'dueTimestamp'>

interface Waiting {
  readonly name: ParkedName
  readonly firstId: number
  readonly resolve: (bytes: Buffer | undefined) => void
  readonly reject: (error: unknown) => void
}

/** A page, or what is wrong with it. */
export interface ReadPage {
  readonly bucket: number
  readonly firstId: number
  readonly page: Buffer | MQError
}

/** Rows read at a time: no iterator lives longer, and others get their turns. */
const PAGE_COUNT = 32
const CLEARED_COUNT = 1000
/** Pages before the one that should hold an id: numbers that were taken early make them overlap. */
const LOOK_BACK_COUNT = 64

export class ParkedIndex {
  readonly #databases: Databases
  #waiting: Waiting[] = []

  constructor(databases: Databases) {
    this.#databases = databases
  }

  /** The message from its page, or `undefined` when it is not there; rejects with `STORE_CORRUPTED` when that is damaged. */
  read(name: ParkedName, firstId: number): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ name, firstId, resolve, reject }) === 1)
        deferMicrotask(() => void this.#readWaiting())
    })
  }

  /** A message whose page is not known, also one that was cleared. */
  async find({ id, dueTimestamp }: ParkedName): Promise<ParkedEntry | undefined> {
    const bucket = bucketOf(dueTimestamp)
    const range = { gte: parkedKey(bucket, 0), lte: parkedKey(bucket, id) }
    const options = { ...range, reverse: true }
    const { level } = this.#databases.index
    const nearest = await level.iterator({ ...options, limit: 1 }).all()
    for (const [key, value] of nearest) {
      const found = entryOf(openRow(key, value), id)
      if (found !== undefined) return found
    }
    for (const [key, value] of await level.iterator({ ...options, limit: LOOK_BACK_COUNT }).all()) {
      const found = entryOf(openRow(key, value), id)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Whether a message has gone on, as far as the index knows. */
  async isCleared({ id, dueTimestamp }: ParkedName): Promise<boolean> {
    const block = blockOf(id)
    const range = rangeOfClearedBlock(bucketOf(dueTimestamp), block)
    for (const [key, value] of await this.#databases.index.level.iterator(range).all())
      for (const cleared of clearedIdsOf(block, openRow(key, value))) if (cleared === id) return true
    return false
  }

  /** The first bucket from this one on that has a page. */
  async firstBucket(from: number): Promise<number | undefined> {
    const range = rangeOfBuckets('parked', from, U48_MAX)
    const [key] = await this.#databases.index.level.keys({ ...range, limit: 1 }).all()
    return key && u48AfterPrefix(key)
  }

  /** The pages of all buckets from the first up to but without the last; of a damaged one, what is wrong with it. */
  async *pages(from: number, to: number): AsyncGenerator<readonly ReadPage[]> {
    const { gte, lt } = rangeOfBuckets('parked', from, to)
    for (let start: { gte: Buffer } | { gt: Buffer } = { gte }; ; ) {
      const rows: [Buffer, Buffer][] = await this.#databases.index.level
        .iterator({ ...start, lt, limit: PAGE_COUNT })
        .all()
      yield rows.map(([key, value]) => ({
        bucket: u48AfterPrefix(key),
        firstId: u48FromEnd(key, 6),
        page: openSafely(key, value),
      }))
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_COUNT) return
      start = { gt: last[0] }
    }
  }

  /** The ids in a bucket that have gone on; those of a damaged row seem to wait still. */
  async clearedIn(bucket: number, onDamage: (error: MQError) => void): Promise<Set<number>> {
    const ids = new Set<number>()
    const { gte, lt } = rangeOfBuckets('parkedCleared', bucket, bucket + 1)
    for (let start: { gte: Buffer } | { gt: Buffer } = { gte }; ; ) {
      const rows: [Buffer, Buffer][] = await this.#databases.index.level
        .iterator({ ...start, lt, limit: CLEARED_COUNT })
        .all()
      for (const [key, value] of rows) {
        const row = openSafely(key, value)
        if (row instanceof MQError) onDamage(row)
        else for (const id of clearedIdsOf(u48FromEnd(key, 12), row)) ids.add(id)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < CLEARED_COUNT) return ids
      start = { gt: last[0] }
    }
  }

  async #readWaiting(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    const byPage = new Map<string, Waiting[]>()
    for (const each of waiting) {
      const place = `${bucketOf(each.name.dueTimestamp)} ${each.firstId}`
      const others = byPage.get(place)
      if (others === undefined) byPage.set(place, [each])
      else others.push(each)
    }
    const groups = [...byPage.values()]
    const keys = groups.map(([first]) => parkedKey(bucketOf(first!.name.dueTimestamp), first!.firstId))
    try {
      const values = await this.#databases.index.level.getMany(keys)
      for (const [i, group] of groups.entries()) answer(group, keys[i] as Buffer, values[i])
    } catch (error) {
      for (const { reject } of waiting) reject(error)
    }
  }
}

function openSafely(key: Buffer, value: Buffer): Buffer | MQError {
  try {
    return openRow(key, value)
  } catch (error) {
    return MQError.from(error)
  }
}

function answer(group: readonly Waiting[], key: Buffer, value: Buffer | undefined): void {
  try {
    const page = value && openRow(key, value)
    for (const { name, resolve } of group) resolve(page && entryOf(page, name.id)?.bytes)
  } catch (error) {
    for (const { reject } of group) reject(error)
  }
}
