/**
 * The next offset to consume, per group and queue. A committed offset never falls, but for a reset from outside: each
 * change is held against the last one *planned*, so that two changes on their way cannot cross.
 */
import type { GroupEntry } from './catalog.ts'
import type { QueueLog } from './queue-log.ts'

type Table = Map<number, Map<number, number>>

export class OffsetTable {
  readonly #committed: Table = new Map()
  /** Offsets on their way; an entry goes when it is committed or its commit failed. */
  readonly #planned: Table = new Map()

  get(group: GroupEntry, log: QueueLog): number | undefined {
    return this.#committed.get(group.uid)?.get(log.uid)
  }

  /** The offsets of a group, by queue uid. */
  ofGroup(groupUid: number): ReadonlyMap<number, number> {
    return this.#committed.get(groupUid) ?? NONE
  }

  /** Every offset: group uid, queue uid, offset. */
  *entries(): Iterable<readonly [groupUid: number, queueUid: number, offset: number]> {
    for (const [groupUid, queues] of this.#committed)
      for (const [queueUid, offset] of queues) yield [groupUid, queueUid, offset]
  }

  /** Where an offset is committed or on its way; one may come twice. */
  *known(): Iterable<readonly [groupUid: number, queueUid: number]> {
    for (const table of [this.#committed, this.#planned]) {
      for (const [groupUid, queues] of table) for (const queueUid of queues.keys()) yield [groupUid, queueUid]
    }
  }

  /** The offset that is committed or on its way. */
  planned(groupUid: number, queueUid: number): number | undefined {
    return this.#planned.get(groupUid)?.get(queueUid) ?? this.#committed.get(groupUid)?.get(queueUid)
  }

  plan(groupUid: number, queueUid: number, offset: number): void {
    put(this.#planned, groupUid, queueUid, offset)
  }

  /** The commit of a planned offset failed: what was known before counts again, unless a newer one is on its way. */
  unplan(groupUid: number, queueUid: number, offset: number): void {
    if (this.#planned.get(groupUid)?.get(queueUid) === offset) drop(this.#planned, groupUid, queueUid)
  }

  set(groupUid: number, queueUid: number, offset: number): void {
    put(this.#committed, groupUid, queueUid, offset)
    if (this.#planned.get(groupUid)?.get(queueUid) === offset) drop(this.#planned, groupUid, queueUid)
  }

  clear(groupUid: number, queueUid: number): void {
    drop(this.#committed, groupUid, queueUid)
    drop(this.#planned, groupUid, queueUid)
  }
}

const NONE: ReadonlyMap<number, number> = new Map()

function put(table: Table, groupUid: number, queueUid: number, offset: number): void {
  let queues = table.get(groupUid)
  if (queues === undefined) {
    queues = new Map()
    table.set(groupUid, queues)
  }
  queues.set(queueUid, offset)
}

function drop(table: Table, groupUid: number, queueUid: number): void {
  const queues = table.get(groupUid)
  if (queues?.delete(queueUid) === true && queues.size === 0) table.delete(groupUid)
}
