/** A store directory on disk. */
import { realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../model/clock.ts'
import { invalidParameter } from '../model/errors.ts'
import { type DatabaseTuning, openDiskDatabase } from './disk-database.ts'
import { createDirectory, DiskFiles } from './disk-files.ts'
import { checkLease, releaseLease, takeLease } from './lease.ts'
import type { Database, DatabaseName, Files, Medium } from './medium.ts'

const MIB = 1024 * 1024

/**
 * The commit log holds large values under ascending keys: a large write buffer makes large tables, and packed messages
 * compress badly for the time it takes. The index holds small rows.
 */
const TUNING: Readonly<Record<DatabaseName, DatabaseTuning>> = {
  commitlog: { writeBufferSize: 8 * MIB, cacheSize: 2 * MIB, compression: false },
  index: { writeBufferSize: 4 * MIB, cacheSize: 4 * MIB, compression: true },
}

export class DiskMedium implements Medium {
  readonly files: Files
  readonly #directory: string
  readonly #clock: Clock

  private constructor(directory: string, clock: Clock) {
    this.#directory = directory
    this.#clock = clock
    this.files = new DiskFiles(directory)
  }

  /** Finds the directory, or creates it. Its canonical path is kept: two spellings are one place. */
  static async at(path: string, clock: Clock, create: boolean): Promise<DiskMedium> {
    const wanted = resolve(path)
    const found = await stat(wanted).catch(() => undefined)
    if (found !== undefined && !found.isDirectory())
      throw invalidParameter(`The path '${path}' is not a directory.`)
    if (found === undefined) {
      if (!create) throw invalidParameter(`There is no directory '${path}'.`)
      await createDirectory(dirname(wanted))
      await createDirectory(wanted)
    }
    return new DiskMedium(await realpath(wanted), clock)
  }

  async claim(): Promise<void> {
    await takeLease(this.#directory, this.#clock.now())
  }

  async checkClaim(): Promise<void> {
    await checkLease(this.#directory)
  }

  async release(): Promise<void> {
    await releaseLease(this.#directory)
  }

  async openDatabase(name: DatabaseName, create: boolean): Promise<Database> {
    return openDiskDatabase(join(this.#directory, name), create, TUNING[name])
  }
}
