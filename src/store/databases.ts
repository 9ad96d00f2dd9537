/**
 * The two LevelDBs as one: opened, written in slices, made durable, and healed together. A rejected LevelDB write is never
 * followed by another one: LevelDB 1.20 would acknowledge it and lose it. Both databases are closed, opened again, and
 * brought up to date from the journal.
 */
import { MQError } from '../model/errors.ts'
import type { Database, DatabaseName, Medium } from './medium.ts'
import type { Slice } from './slice.ts'

export class Databases {
  readonly #medium: Medium
  #log: Database | undefined
  #index: Database | undefined

  constructor(medium: Medium) {
    this.#medium = medium
  }

  get log(): Database {
    return present(this.#log)
  }

  get index(): Database {
    return present(this.#index)
  }

  /** A written value is a copy, so its buffer may be used again. */
  get copyValues(): boolean {
    return this.#medium.files !== undefined
  }

  async open(create: boolean): Promise<void> {
    try {
      this.#log = await this.#medium.openDatabase('commitlog', create)
      this.#index = await this.#medium.openDatabase('index', create)
    } catch (error) {
      await this.close().catch(() => undefined)
      throw error
    }
  }

  /**
   * Writes both at the same time; a slice that is in one and not in the other is written again at the next open, and nobody
   * reads it before. When one of them fails, the other has ended too, so both may be closed.
   */
  async write(slice: Slice): Promise<void> {
    const writing = [this.index.level.batch(slice.index)]
    if (slice.log.length > 0) writing.push(this.log.level.batch(slice.log))
    for (const result of await Promise.allSettled(writing))
      if (result.status === 'rejected') throw result.reason
  }

  /** Makes everything written so far survive a power cut. */
  async barrier(): Promise<void> {
    await this.log.barrier()
    await this.index.barrier()
  }

  /** What the databases themselves say they dropped when they were opened. */
  async damageReport(): Promise<readonly string[]> {
    const reports: [DatabaseName, readonly string[]][] = [
      ['commitlog', await this.log.damageReport()],
      ['index', await this.index.damageReport()],
    ]
    return reports.flatMap(([name, lines]) => lines.map((line) => `${name}: ${line}`))
  }

  async close(): Promise<void> {
    const open = [this.#log, this.#index].filter((database) => database !== undefined)
    this.#log = undefined
    this.#index = undefined
    const results = await Promise.allSettled(open.map((database) => database.close()))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw MQError.from(failed.reason)
  }
}

function present(database: Database | undefined): Database {
  if (database === undefined)
    throw new MQError('SERVICE_NOT_AVAILABLE', 'The databases are being opened again; try again shortly.')
  return database
}
