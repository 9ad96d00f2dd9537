/**
 * What memory knows of parked messages that are *near*: those that fall due soon, and halves of transactions, have their alarm in
 * the table. Here is where their messages lie: in memory until the index has them, then in a page. Of those that are far nothing is
 * known but which of them have just gone on.
 */
import type { Slice } from './slice.ts'

export class ParkedViews {
  readonly #unapplied = new Map<number, Buffer>()
  /** The first id of the page of each near message that the index has. */
  readonly #pages = new Map<number, number>()
  /** Cleared messages of which the index does not know it yet. */
  readonly #cleared = new Set<number>()
  /** Of these a commit is under way that clears them. */
  readonly #clearing = new Set<number>()
  /** All that is cleared while a bucket is read. */
  #recorded: Set<number> | undefined

  /** A near message was parked. */
  hold(id: number, bytes: Buffer): void {
    this.#unapplied.set(id, bytes)
  }

  /** A near message was found in this page. */
  place(id: number, firstId: number): void {
    this.#pages.set(id, firstId)
  }

  /** Whether a commit that is to clear it should say so: what is counted must be cleared once. */
  beginClear(id: number): boolean {
    if (this.#clearing.has(id)) return false
    this.#clearing.add(id)
    return true
  }

  /** That commit has failed. */
  cancelClear(id: number): void {
    this.#clearing.delete(id)
  }

  /** It has gone on. Of one that may be far the index is asked, so it is remembered until the index knows. */
  clear(id: number, isNear: boolean): void {
    this.#unapplied.delete(id)
    this.#pages.delete(id)
    this.#clearing.delete(id)
    if (!isNear) this.#cleared.add(id)
    this.#recorded?.add(id)
  }

  /** A slice is in the index. */
  settle({ pages, cleared, cancelled }: Slice): void {
    if (this.#unapplied.size > 0) {
      for (const { firstId, ids } of pages)
        for (const id of ids) if (this.#unapplied.delete(id)) this.#pages.set(id, firstId)
    }
    if (this.#cleared.size === 0) return
    for (const { id } of cleared) this.#cleared.delete(id)
    for (const id of cancelled) this.#cleared.delete(id)
  }

  /** The message of a near alarm that the index does not have yet. */
  unapplied(id: number): Buffer | undefined {
    return this.#unapplied.get(id)
  }

  /** The page of a near alarm, by its first id. */
  pageOf(id: number): number | undefined {
    return this.#pages.get(id)
  }

  /** Whether it has gone on and the index may not know. */
  isCleared(id: number): boolean {
    return this.#cleared.has(id)
  }

  /** Notes from now on what is cleared, until it is asked for the last time. */
  record(): Set<number> {
    this.#recorded = new Set()
    return this.#recorded
  }

  endRecord(): void {
    this.#recorded = undefined
  }
}
