/**
 * Our rows in the database of the application: two sublevels, and what a batch must be to take rows of them.
 *
 *   !pocketmq.outbox!<number>/<topic>      an intent (`intent.ts`), gone when its message is stored
 *   !pocketmq.inbox!<group>/<topic>/<id>   a message that is done (`inbox.ts`), gone when it cannot come again
 */
import type { AbstractLevel } from 'abstract-level'
import type { ApplicationDatabase, ChainedBatch } from '../model/chained-batch.ts'
import { invalidParameter, MQError } from '../model/errors.ts'

type Format = string | Buffer | Uint8Array

/** One of the sublevels. */
export type Rows<Value> = AbstractLevel<Format, string, Value>

/** Where our rows are in a database, as all instances know it that this process opens there, one behind the other. */
interface Place {
  /** Two instances at a time would send each other's messages. */
  isUsed: boolean
  /** The number that the last row of the outbox got. A batch outlives the instance that put a row into it, so no other row may have its key. */
  lastNumber: number
}

interface KeyPrefix {
  readonly text: string
  readonly bytes: Buffer
}

/** By their prefixes. */
const places = new WeakMap<object, Map<string, Place>>()

export class ApplicationRows {
  readonly outbox: Rows<Buffer>
  readonly inbox: Rows<unknown>
  readonly #root: object
  readonly #place: Place
  /** What the keys of the outbox begin with, seen from the root. */
  readonly #outboxPrefix: KeyPrefix

  /** Takes its place in the database; throws `INVALID_PARAMETER` when it is closed, or another instance uses it. */
  constructor(database: ApplicationDatabase) {
    if (database.status !== 'open' && database.status !== 'opening')
      throw invalidParameter(
        `The database is ${database.status}; open it first, and close it behind PocketMQ.`,
      )
    const level = database as unknown as AbstractLevel<Format, string, string>
    try {
      this.outbox = level.sublevel('pocketmq.outbox', { keyEncoding: 'utf8', valueEncoding: 'buffer' })
      this.inbox = level.sublevel('pocketmq.inbox', { keyEncoding: 'utf8', valueEncoding: 'json' })
    } catch (cause) {
      throw unusable(cause)
    }
    if (!isRows(this.outbox) || !isRows(this.inbox)) throw unusable()
    this.#root = rootOf(database)
    const prefix = prefixOf(this.outbox)
    this.#outboxPrefix = { text: prefix, bytes: Buffer.from(prefix) }
    this.#place = placeOf(this.#root, prefix)
    if (this.#place.isUsed)
      throw invalidParameter('The database serves another open instance; give each a sublevel of its own.')
    this.#place.isUsed = true
  }

  /** The number for another row of the outbox: higher than all that were given and all that were found. */
  nextNumber(): number {
    this.#place.lastNumber += 1
    return this.#place.lastNumber
  }

  /** A row with this number was found. */
  noteNumber(number: number): void {
    this.#place.lastNumber = Math.max(this.#place.lastNumber, number)
  }

  /** Puts rows into a batch; throws `INVALID_PARAMETER` when it cannot take them. */
  put<Value>(batch: ChainedBatch, sublevel: Rows<Value>, rows: readonly (readonly [string, Value])[]): void {
    if (!isObject(batch) || typeof batch.put !== 'function' || typeof batch.write !== 'function')
      throw noBatch()
    if (!isObject(batch.db)) throw noBatch()
    if (rootOf(batch.db) !== this.#root)
      throw invalidParameter(
        'The batch is of another database than the one that the instance was opened with.',
      )
    const before = batch.length
    try {
      for (const [key, value] of rows) batch.put(key, value, { sublevel })
    } catch (cause) {
      const text = `The batch takes nothing any more: ${MQError.from(cause).message}`
      throw new MQError('INVALID_PARAMETER', text, { cause })
    }
    // What only looks like a batch would lose the rows without a word.
    if (!(batch.length >= before + rows.length)) throw noBatch()
  }

  /** Calls back with the keys of intents whose batch was written, until the returned function is called. */
  watchOutbox(listener: (keys: readonly string[]) => void): () => void {
    const root = this.#root as AbstractLevel<Format, unknown, unknown>
    const onWrite = (operations: readonly object[]): void => {
      const keys = operations.flatMap((operation) => this.#outboxKeyOf(operation) ?? [])
      if (keys.length > 0) listener(keys)
    }
    root.on('write', onWrite)
    return () => void root.off('write', onWrite)
  }

  /** Gives the place back. */
  release(): void {
    this.#place.isUsed = false
  }

  #outboxKeyOf(operation: { readonly type?: string; readonly encodedKey?: unknown }): string | undefined {
    const { type, encodedKey } = operation
    return type === 'put' ? behindPrefix(encodedKey, this.#outboxPrefix) : undefined
  }
}

function placeOf(root: object, prefix: string): Place {
  const known = places.get(root) ?? new Map<string, Place>()
  places.set(root, known)
  const place = known.get(prefix) ?? { isUsed: false, lastNumber: 0 }
  known.set(prefix, place)
  return place
}

/** The database itself, of any of its sublevels. */
function rootOf(database: object): object {
  let root = database
  // Nobody who passes something else may keep us here.
  const seen = new Set<object>()
  for (;;) {
    const parent: unknown = 'parent' in root ? root.parent : undefined
    if (!isObject(parent) || seen.has(parent)) return root
    seen.add(parent)
    root = parent
  }
}

function prefixOf(sublevel: object): string {
  return 'prefix' in sublevel ? String(sublevel.prefix) : ''
}

/** The rest of a key with this prefix. Every key that the application writes comes by here: no other becomes text. */
function behindPrefix(key: unknown, { text, bytes }: KeyPrefix): string | undefined {
  if (typeof key === 'string') return key.startsWith(text) ? key.slice(text.length) : undefined
  if (!(key instanceof Uint8Array) || key.length < bytes.length) return undefined
  if (bytes.compare(key, 0, bytes.length) !== 0) return undefined
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8', bytes.length)
}

function isRows(sublevel: unknown): boolean {
  if (!isObject(sublevel)) return false
  return ['iterator', 'keys', 'get', 'getMany', 'batch'].every(
    (verb) => typeof Reflect.get(sublevel, verb) === 'function',
  )
}

function noBatch(): MQError {
  return invalidParameter('The batch must be a chained batch of your database: db.batch().')
}

function unusable(cause?: unknown): MQError {
  const why = cause === undefined ? 'its sublevels are none' : MQError.from(cause).message
  return new MQError('INVALID_PARAMETER', `The database is none of abstract-level: ${why}`, { cause })
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
