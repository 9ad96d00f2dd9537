/**
 * A LevelDB in memory that is meaner than the real one (reliability sections 2.3 to 2.6): writes go to log segments of a
 * few KiB; only a barrier makes them durable, each segment by itself, so that a power cut leaves holes between segments;
 * `close` flushes nothing. After a rejected write later ones of that segment are readable now and gone after the next
 * opening; the rejected one may be there.
 */
import { MemoryLevel } from 'memory-level'
import type { Database, DatabaseName } from '../../../src/store/medium.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { Act, CallGate } from './call-gate.ts'

const SEGMENT_BYTES = 8 * 1024
/** LevelDB clears a range in batches, not at once. */
const CLEAR_BATCH_COUNT = 8

type Operation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer }

class MeanSegment {
  readonly records: (readonly Operation[])[] = []
  bytes = 0
  /** Records that survive a power cut. */
  durableCount = 0
  /** Records from here on are lost when the database is opened again. */
  brokenFrom = Number.POSITIVE_INFINITY
  /** A flush failed: records from here on can never be made durable. */
  forgottenFrom = Number.POSITIVE_INFINITY

  add(record: readonly Operation[]): void {
    this.records.push(record)
    this.bytes += record.reduce((sum, operation) => sum + sizeOf(operation), 0)
  }

  /** With so many records left. */
  cut(count: number): MeanSegment {
    const left = new MeanSegment()
    for (const record of this.records.slice(0, count)) left.add(record)
    left.durableCount = Math.min(this.durableCount, count)
    left.brokenFrom = this.brokenFrom
    left.forgottenFrom = this.forgottenFrom
    return left
  }
}

/** What the disk holds of a database. */
export class MeanDatabaseImage {
  segments: MeanSegment[] = []

  write(record: readonly Operation[]): void {
    this.#current().add(record)
  }

  /** A write was rejected; the log has a bad place in it from now on. */
  reject(record: readonly Operation[], isThere: boolean): void {
    const segment = this.#current()
    if (isThere) segment.add(record)
    segment.brokenFrom = Math.min(segment.brokenFrom, segment.records.length)
  }

  flush(): void {
    for (const segment of this.segments) {
      segment.durableCount = Math.max(
        segment.durableCount,
        Math.min(segment.records.length, segment.forgottenFrom),
      )
    }
    this.#foldDurable()
  }

  failFlush(): void {
    for (const segment of this.segments) {
      segment.forgottenFrom = Math.min(segment.forgottenFrom, segment.durableCount)
    }
  }

  /** Reads the logs anew, as opening does, and begins another segment. Answers all records that are left. */
  recover(): readonly (readonly Operation[])[] {
    this.segments = this.segments.map((segment) =>
      segment.cut(Math.min(segment.records.length, segment.brokenFrom)),
    )
    this.segments.push(new MeanSegment())
    return this.segments.flatMap(({ records }) => records)
  }

  afterPowerCut(random: WorkloadRandom): MeanDatabaseImage {
    const left = new MeanDatabaseImage()
    left.segments = this.segments.map((segment) => {
      const { durableCount, records } = segment
      const cut = segment.cut(
        random.chance(0.3) ? durableCount : random.between(durableCount, records.length),
      )
      cut.durableCount = cut.records.length
      return cut
    })
    return left
  }

  afterKill(): MeanDatabaseImage {
    const left = new MeanDatabaseImage()
    left.segments = this.segments.map((segment) => segment.cut(segment.records.length))
    return left
  }

  #current(): MeanSegment {
    const last = this.segments.at(-1)
    if (last !== undefined && last.bytes < SEGMENT_BYTES) return last
    const next = new MeanSegment()
    this.segments.push(next)
    return next
  }

  /** Old segments that are durable as a whole need no segments of their own. */
  #foldDurable(): void {
    const open = this.segments.findIndex(
      ({ durableCount, records, brokenFrom }) => durableCount < records.length || brokenFrom < records.length,
    )
    const whole = this.segments.slice(0, open < 0 ? -1 : open)
    if (whole.length < 2) return
    const rows = new Map<string, Operation>()
    for (const operation of whole.flatMap(({ records }) => records.flat())) {
      rows.set(operation.key.toString('hex'), operation)
    }
    const folded = new MeanSegment()
    folded.add([...rows.values()].filter(({ type }) => type === 'put'))
    folded.durableCount = 1
    folded.bytes = SEGMENT_BYTES
    this.segments = [folded, ...this.segments.slice(whole.length)]
  }
}

function sizeOf(operation: Operation): number {
  return operation.key.length + (operation.type === 'put' ? operation.value.length : 0)
}

/** The part of abstract-level that databases implement; its public methods all lead there. */
interface LevelInternals {
  _batch(operations: readonly Operation[], options: object): Promise<void>
  _get(key: Buffer, options: object): Promise<Buffer | undefined>
  _getMany(keys: Buffer[], options: object): Promise<(Buffer | undefined)[]>
  _has(key: Buffer, options: object): Promise<boolean>
  _hasMany(keys: Buffer[], options: object): Promise<boolean[]>
  _iterator(options: object): IteratorInternals
  _keys(options: object): IteratorInternals
}

interface IteratorInternals {
  _all(options: object): Promise<unknown[]>
  _nextv(size: number, options: object): Promise<unknown[]>
  _next(): Promise<unknown>
  close(): Promise<void>
}

const memory = MemoryLevel.prototype as unknown as LevelInternals

class MeanLevel extends MemoryLevel<Buffer, Buffer> {
  readonly #name: DatabaseName
  readonly #image: MeanDatabaseImage
  readonly #gate: CallGate

  constructor(name: DatabaseName, image: MeanDatabaseImage, gate: CallGate) {
    super({ keyEncoding: 'buffer', valueEncoding: 'buffer', storeEncoding: 'buffer' })
    this.#name = name
    this.#image = image
    this.#gate = gate
  }

  /** Fills the memory with what the disk holds. */
  async load(): Promise<void> {
    for (const record of this.#image.recover()) await memory._batch.call(this, record, {})
  }

  async _batch(operations: readonly Operation[]): Promise<void> {
    await this.#write('batch', operations.map(copyOperation))
  }

  async _put(key: Buffer, value: Buffer): Promise<void> {
    await this.#write('batch', [copyOperation({ type: 'put', key, value })])
  }

  async _del(key: Buffer): Promise<void> {
    await this.#write('batch', [copyOperation({ type: 'del', key })])
  }

  async _clear(options: object): Promise<void> {
    const iterator = memory._keys.call(this, { limit: -1, ...options })
    const keys = (await iterator._all({})) as Buffer[]
    await iterator.close()
    for (let from = 0; from < keys.length; from += CLEAR_BATCH_COUNT) {
      const batch = keys.slice(from, from + CLEAR_BATCH_COUNT)
      await this.#write(
        'clear',
        batch.map((key) => ({ type: 'del', key })),
      )
    }
  }

  _get(key: Buffer, options: object): Promise<Buffer | undefined> {
    return this.#read('get', () => memory._get.call(this, key, options))
  }

  _getMany(keys: Buffer[], options: object): Promise<(Buffer | undefined)[]> {
    return this.#read('getMany', () => memory._getMany.call(this, keys, options))
  }

  _has(key: Buffer, options: object): Promise<boolean> {
    return this.#read('has', () => memory._has.call(this, key, options))
  }

  _hasMany(keys: Buffer[], options: object): Promise<boolean[]> {
    return this.#read('hasMany', () => memory._hasMany.call(this, keys, options))
  }

  _iterator(options: object): IteratorInternals {
    return this.#guard(memory._iterator.call(this, options))
  }

  _keys(options: object): IteratorInternals {
    return this.#guard(memory._keys.call(this, options))
  }

  async #write(what: string, record: readonly Operation[]): Promise<void> {
    await await this.#gate.pass<Promise<void>>(`${this.#name}.${what}`, {
      run: () => {
        this.#image.write(record)
        return memory._batch.call(this, record, {})
      },
      onFailure: (tookEffect) => this.#image.reject(record, tookEffect),
    })
  }

  #read<Result>(what: string, run: () => Promise<Result>): Promise<Result> {
    return this.#gate.pass(`${this.#name}.${what}`, { run }).then((result) => result)
  }

  /** Reading a page is one call, however it is asked for. */
  #guard(iterator: IteratorInternals): IteratorInternals {
    const all = iterator._all.bind(iterator)
    const nextv = iterator._nextv.bind(iterator)
    const next = iterator._next.bind(iterator)
    iterator._all = (options) => this.#read('iterator', () => all(options))
    iterator._nextv = (size, options) => this.#read('iterator', () => nextv(size, options))
    iterator._next = () => this.#read('iterator', () => next())
    return iterator
  }
}

/** LevelDB copies what it is given. */
function copyOperation(operation: Operation): Operation {
  const key = Buffer.from(operation.key)
  return operation.type === 'del'
    ? { type: 'del', key }
    : { type: 'put', key, value: Buffer.from(operation.value) }
}

export class MeanDatabase implements Database {
  readonly level: MeanLevel
  readonly #name: DatabaseName
  readonly #image: MeanDatabaseImage
  readonly #gate: CallGate

  private constructor(name: DatabaseName, image: MeanDatabaseImage, gate: CallGate) {
    this.level = new MeanLevel(name, image, gate)
    this.#name = name
    this.#image = image
    this.#gate = gate
  }

  static async open(name: DatabaseName, image: MeanDatabaseImage, gate: CallGate): Promise<MeanDatabase> {
    const database = new MeanDatabase(name, image, gate)
    await database.level.open()
    await database.level.load()
    return database
  }

  barrier(): Promise<void> {
    return this.#pass('barrier', {
      run: () => this.#image.flush(),
      onFailure: (tookEffect) => (tookEffect ? this.#image.flush() : this.#image.failFlush()),
    })
  }

  compactRange(): Promise<void> {
    return this.#pass('compactRange', { run: () => undefined })
  }

  damageReport(): Promise<readonly string[]> {
    return this.#pass('damageReport', { run: () => [] })
  }

  async close(): Promise<void> {
    await await this.#pass('close', { run: () => this.level.close() })
  }

  #pass<Result>(what: string, act: Act<Result>): Promise<Result> {
    return this.#gate.pass(`${this.#name}.${what}`, act)
  }
}
