/**
 * Rows of a database in memory, in the order of their keys. A copy shares everything with its original until one of the
 * two is written to, so that a snapshot of a whole store costs nothing.
 */

export type RowWrite =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

/** Which rows to read; a bound that is absent does not bound. */
export interface RowRange {
  readonly gt?: Buffer
  readonly gte?: Buffer
  readonly lt?: Buffer
  readonly lte?: Buffer
}

export class SortedRows {
  #keys: Buffer[]
  #values: Buffer[]
  /** Somebody else has these arrays too. */
  #isShared = false

  constructor(keys: Buffer[] = [], values: Buffer[] = []) {
    this.#keys = keys
    this.#values = values
  }

  get count(): number {
    return this.#keys.length
  }

  share(): SortedRows {
    const copy = new SortedRows(this.#keys, this.#values)
    copy.#isShared = true
    this.#isShared = true
    return copy
  }

  get(key: Buffer): Buffer | undefined {
    const index = this.#lowerBound(key)
    return this.#isAt(index, key) ? this.#values[index] : undefined
  }

  keyAt(index: number): Buffer {
    return this.#keys[index]!
  }

  valueAt(index: number): Buffer {
    return this.#values[index]!
  }

  /** Indexes of the first row in the range and of the first behind it. */
  find({ gt, gte, lt, lte }: RowRange): readonly [from: number, to: number] {
    let from = 0
    if (gte !== undefined) from = this.#lowerBound(gte)
    else if (gt !== undefined) from = this.#upperBound(gt)
    let to = this.#keys.length
    if (lte !== undefined) to = this.#upperBound(lte)
    else if (lt !== undefined) to = this.#lowerBound(lt)
    return [from, Math.max(from, to)]
  }

  write(operations: readonly RowWrite[]): void {
    this.#own()
    for (const operation of operations) {
      if (operation.type === 'put') this.#put(operation.key, operation.value)
      else this.#delete(operation.key)
    }
  }

  removeRange(from: number, to: number): void {
    this.#own()
    this.#keys.splice(from, to - from)
    this.#values.splice(from, to - from)
  }

  #put(key: Buffer, value: Buffer): void {
    const index = this.#lowerBound(key)
    if (this.#isAt(index, key)) {
      this.#values[index] = value
    } else if (index === this.#keys.length) {
      this.#keys.push(key)
      this.#values.push(value)
    } else {
      this.#keys.splice(index, 0, key)
      this.#values.splice(index, 0, value)
    }
  }

  #delete(key: Buffer): void {
    const index = this.#lowerBound(key)
    if (this.#isAt(index, key)) this.removeRange(index, index + 1)
  }

  #own(): void {
    if (!this.#isShared) return
    this.#keys = this.#keys.slice()
    this.#values = this.#values.slice()
    this.#isShared = false
  }

  #isAt(index: number, key: Buffer): boolean {
    return index < this.#keys.length && this.#keys[index]!.equals(key)
  }

  #lowerBound(key: Buffer): number {
    return this.#search((other) => other.compare(key) < 0)
  }

  #upperBound(key: Buffer): number {
    return this.#search((other) => other.compare(key) <= 0)
  }

  /** The first index whose key is not before; the last key is looked at first, since logs grow at their end. */
  #search(isBefore: (key: Buffer) => boolean): number {
    let high = this.#keys.length
    if (high === 0 || isBefore(this.#keys[high - 1]!)) return high
    let low = 0
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(this.#keys[middle]!)) low = middle + 1
      else high = middle
    }
    return low
  }
}
