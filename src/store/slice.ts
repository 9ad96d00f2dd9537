/** A slice: the rows that a run of frames makes, gathered to be written to both databases at once. */
import type { ClearedParked, ParkedPlace, ParkedPut } from './parked-page.ts'
import type { MergingBatch } from './record-merge.ts'
import { sealRow } from './row.ts'

/** An operation on a database. */
export type RowOperation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

/** What a slice of facts does to the databases. */
export interface Slice {
  readonly log: RowOperation[]
  readonly index: RowOperation[]
  /** Queues whose state row is written when the slice ends. */
  readonly touched: Set<number>
  /** Batches that may still grow, by queue. */
  readonly merging: Map<number, MergingBatch>
  /** Ids that ascend through the slice; another generator begins another run. */
  readonly runs: { readonly first: Buffer; last: Buffer }[]
  /** Parked messages by the ids of their alarms: what is parked and goes on within one slice makes no rows. */
  readonly parked: Map<number, ParkedPut>
  /** What goes on that an earlier slice parked. */
  readonly cleared: ClearedParked[]
  /** What goes on within the slice that parked it. */
  readonly cancelled: number[]
  /** The rows that this slice makes of parked messages. */
  readonly pages: ParkedPlace[]
  /** Where the batches of these runs lie in the commit log. */
  firstLogSeq: number | undefined
  lastLogSeq: number | undefined
}

export function emptySlice(): Slice {
  return {
    log: [],
    index: [],
    touched: new Set(),
    merging: new Map(),
    runs: [],
    parked: new Map(),
    cleared: [],
    cancelled: [],
    pages: [],
    firstLogSeq: undefined,
    lastLogSeq: undefined,
  }
}

/** Puts a row into the index. */
export function put(slice: Slice, key: Buffer, content?: Buffer): void {
  slice.index.push({ type: 'put', key, value: sealRow(key, content) })
}

export function del(slice: Slice, key: Buffer): void {
  slice.index.push({ type: 'del', key })
}
