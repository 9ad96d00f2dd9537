/** A database over {@link SortedRows}: the part of abstract-level that its implementations bring. */
import {
  AbstractIterator,
  type AbstractIteratorOptions,
  AbstractKeyIterator,
  AbstractLevel,
  AbstractValueIterator,
} from 'abstract-level'
import type { RowRange, RowWrite, SortedRows } from './sorted-rows.ts'

interface ReadOptions extends RowRange {
  readonly reverse?: boolean
}

/** What the public reading methods make of their options before they ask for an iterator. */
type IteratorOptions = ReadOptions & AbstractIteratorOptions<Buffer, Buffer>

/** Goes through a range of rows once. */
class Cursor {
  readonly #step: 1 | -1
  #index: number
  #left: number

  constructor(rows: SortedRows, options: ReadOptions) {
    const [from, to] = rows.find(options)
    const isReverse = options.reverse === true
    this.#step = isReverse ? -1 : 1
    this.#index = isReverse ? to - 1 : from
    this.#left = to - from
  }

  /** The next rows, at most so many, as they are read by index. */
  take<Item>(count: number, itemAt: (index: number) => Item): Item[] {
    const taken: Item[] = []
    for (let wanted = Math.min(count, this.#left); wanted > 0; wanted--) {
      taken.push(itemAt(this.#index))
      this.#index += this.#step
      this.#left -= 1
    }
    return taken
  }
}

class EntryIterator extends AbstractIterator<RowsLevel, Buffer, Buffer> {
  readonly #cursor: Cursor
  readonly #entryAt: (index: number) => [Buffer, Buffer]

  constructor(level: RowsLevel, rows: SortedRows, options: IteratorOptions) {
    super(level, options)
    this.#cursor = new Cursor(rows, options)
    this.#entryAt = (index) => [rows.keyAt(index), rows.valueAt(index)]
  }

  async _next(): Promise<[Buffer, Buffer] | undefined> {
    return this.#cursor.take(1, this.#entryAt)[0]
  }

  async _nextv(size: number): Promise<[Buffer, Buffer][]> {
    return this.#cursor.take(size, this.#entryAt)
  }
}

class KeyIterator extends AbstractKeyIterator<RowsLevel, Buffer> {
  readonly #cursor: Cursor
  readonly #keyAt: (index: number) => Buffer

  constructor(level: RowsLevel, rows: SortedRows, options: IteratorOptions) {
    super(level, options)
    this.#cursor = new Cursor(rows, options)
    this.#keyAt = (index) => rows.keyAt(index)
  }

  async _next(): Promise<Buffer | undefined> {
    return this.#cursor.take(1, this.#keyAt)[0]
  }

  async _nextv(size: number): Promise<Buffer[]> {
    return this.#cursor.take(size, this.#keyAt)
  }
}

class ValueIterator extends AbstractValueIterator<RowsLevel, Buffer, Buffer> {
  readonly #cursor: Cursor
  readonly #valueAt: (index: number) => Buffer

  constructor(level: RowsLevel, rows: SortedRows, options: IteratorOptions) {
    super(level, options)
    this.#cursor = new Cursor(rows, options)
    this.#valueAt = (index) => rows.valueAt(index)
  }

  async _next(): Promise<Buffer | undefined> {
    return this.#cursor.take(1, this.#valueAt)[0]
  }

  async _nextv(size: number): Promise<Buffer[]> {
    return this.#cursor.take(size, this.#valueAt)
  }
}

/** How the disk answers: whether a call may be made, and when it ends. */
export interface DiskPace {
  /** Throws when a write must fail; what it answers ends before the call does. */
  write(): Promise<void> | undefined
  /** For a call that cannot wait. */
  writeSync(): void
  read(): Promise<void> | undefined
}

export class RowsLevel extends AbstractLevel<string | Buffer | Uint8Array, Buffer, Buffer> {
  readonly #rows: SortedRows
  readonly #pace: DiskPace

  constructor(rows: SortedRows, pace: DiskPace) {
    super(
      { encodings: { buffer: true }, seek: false, has: true, permanence: false },
      { keyEncoding: 'buffer', valueEncoding: 'buffer' },
    )
    this.#rows = rows
    this.#pace = pace
  }

  async _get(key: Buffer): Promise<Buffer | undefined> {
    await this.#pace.read()
    return this.#rows.get(key)
  }

  async _getMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    await this.#pace.read()
    return keys.map((key) => this.#rows.get(key))
  }

  async _has(key: Buffer): Promise<boolean> {
    await this.#pace.read()
    return this.#rows.get(key) !== undefined
  }

  async _put(key: Buffer, value: Buffer): Promise<void> {
    await this._batch([{ type: 'put', key, value }])
  }

  async _del(key: Buffer): Promise<void> {
    await this._batch([{ type: 'del', key }])
  }

  async _batch(operations: readonly RowWrite[]): Promise<void> {
    // Copied before anything is awaited: the caller may use its buffers again.
    const copies = operations.map(copyWrite)
    await this.#pace.write()
    this.#rows.write(copies)
  }

  async _clear(range: RowRange): Promise<void> {
    await this.#pace.write()
    this.#rows.removeRange(...this.#rows.find(range))
  }

  _iterator(options: IteratorOptions): EntryIterator {
    return new EntryIterator(this, this.#rows.share(), options)
  }

  _keys(options: IteratorOptions): KeyIterator {
    return new KeyIterator(this, this.#rows.share(), options)
  }

  _values(options: IteratorOptions): ValueIterator {
    return new ValueIterator(this, this.#rows.share(), options)
  }
}

function copyWrite(operation: RowWrite): RowWrite {
  const key = Buffer.from(operation.key)
  return operation.type === 'del'
    ? { type: 'del', key }
    : { type: 'put', key, value: Buffer.from(operation.value) }
}
