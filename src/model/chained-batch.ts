/**
 * What is asked of the application's own database, which implements `abstract-level`: as little as its types must say, so that any release
 * of it fits.
 */

/**
 * A chained batch of the application's own database: what `db.batch()` answers. What is put into it is written by one `write`,
 * together or not at all.
 */
export interface ChainedBatch {
  /** The database that made it. */
  readonly db: unknown
  /** How many operations it has so far. */
  readonly length: number
  /** Adds a row. */
  put(key: unknown, value: unknown, options: unknown): unknown
  /** Writes everything; `{ sync: true }` waits for the disk. */
  write(options?: object): Promise<void>
}

/**
 * A database of the application that implements `abstract-level`, as `classic-level`, `level` and `memory-level` do; or a sublevel of one.
 */
export interface ApplicationDatabase {
  readonly status: string
  /** Makes a chained batch. */
  batch(): ChainedBatch
  /** A part of it with keys of its own. */
  sublevel(name: string): object
}
