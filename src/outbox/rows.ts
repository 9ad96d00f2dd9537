/**
 * Our rows in the database of the application: two sublevels, and what a batch must be to take rows of them.
 *
 *   !pocketmq.outbox!<number>/<topic>      an intent (`intent.ts`), gone when its message is stored
 *   !pocketmq.inbox!<group>/<messageId>    a message that is done (`inbox.ts`), gone when it cannot come again
 */
import type { AbstractLevel } from 'abstract-level'
import type { ApplicationDatabase, ChainedBatch } from '../model/chained-batch.ts'
import { invalidParameter, MQError } from '../model/errors.ts'

type Format = string | Buffer | Uint8Array

/** One of the sublevels. */
export type Rows<Value> = AbstractLevel<Format, string, Value>

/** Where our rows are in each database that is in use: two instances there would send each other's messages. */
const used = new WeakMap<object, Set<string>>()

export class ApplicationRows {
  readonly outbox: Rows<Buffer>
  readonly inbox: Rows<unknown>
  readonly #root: object
  readonly #place: string
  /** What the keys of the outbox begin with, seen from the root. */
  readonly #outboxPrefix: string

  /** Takes its place in the database; throws `INVALID_PARAMETER` when it is closed, or another instance uses it. */
  constructor(database: ApplicationDatabase) {
    if (database.status !== 'open' && database.status !== 'opening')
      throw invalidParameter(
        `The database is ${database.status}; open it first, and close it behind PocketMQ.`,
      )
    const level = database as unknown as AbstractLevel<Format, string, string>
    this.outbox = level.sublevel('pocketmq.outbox', { keyEncoding: 'utf8', valueEncoding: 'buffer' })
    this.inbox = level.sublevel('pocketmq.inbox', { keyEncoding: 'utf8', valueEncoding: 'json' })
    this.#root = rootOf(database)
    this.#outboxPrefix = prefixOf(this.outbox)
    this.#place = this.#outboxPrefix
    const places = used.get(this.#root) ?? new Set()
    if (places.has(this.#place))
      throw invalidParameter('The database serves another open instance; give each a sublevel of its own.')
    used.set(this.#root, places.add(this.#place))
  }

  /** Puts rows into a batch; throws `INVALID_PARAMETER` when it cannot take them. */
  put<Value>(batch: ChainedBatch, sublevel: Rows<Value>, rows: readonly (readonly [string, Value])[]): void {
    if (typeof batch !== 'object' || batch === null || typeof batch.put !== 'function' || !isObject(batch.db))
      throw invalidParameter('The batch must be a chained batch of your database: db.batch().')
    if (rootOf(batch.db) !== this.#root)
      throw invalidParameter(
        'The batch is of another database than the one that the instance was opened with.',
      )
    try {
      for (const [key, value] of rows) batch.put(key, value, { sublevel })
    } catch (cause) {
      throw new MQError(
        'INVALID_PARAMETER',
        `The batch takes nothing any more: ${MQError.from(cause).message}`,
        {
          cause,
        },
      )
    }
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
    used.get(this.#root)?.delete(this.#place)
  }

  #outboxKeyOf(operation: { readonly type?: string; readonly encodedKey?: unknown }): string | undefined {
    const { type, encodedKey } = operation
    if (type !== 'put') return undefined
    const key = textOf(encodedKey)
    return key.startsWith(this.#outboxPrefix) ? key.slice(this.#outboxPrefix.length) : undefined
  }
}

/** The database itself, of any of its sublevels. */
function rootOf(database: object): object {
  let root = database
  for (;;) {
    const parent: unknown = 'parent' in root ? root.parent : undefined
    if (!isObject(parent)) return root
    root = parent
  }
}

function prefixOf(sublevel: object): string {
  return 'prefix' in sublevel ? String(sublevel.prefix) : ''
}

function textOf(key: unknown): string {
  if (typeof key === 'string') return key
  return key instanceof Uint8Array ? Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString() : ''
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
