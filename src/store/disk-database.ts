/** A LevelDB on disk, with what classic-level leaves to its user: barriers, compaction and a look at its own log. */
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { Level } from 'level'
import { MQError } from '../model/errors.ts'
import { createDirectory, syncDirectory } from './disk-files.ts'
import type { Database } from './medium.ts'

/** Settings of LevelDB for one of our databases. */
export interface DatabaseTuning {
  readonly writeBufferSize: number
  readonly cacheSize: number
  readonly compression: boolean
}

type BufferLevel = Level<Buffer, Buffer>

/** Opens a database; `create` is false once anything of ours is there, for LevelDB would replace a damaged one by an empty one. */
export async function openDiskDatabase(
  path: string,
  create: boolean,
  tuning: DatabaseTuning,
): Promise<Database> {
  if (create) await createDirectory(path)
  const level: BufferLevel = new Level(path, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: create,
    ...tuning,
  })
  try {
    await level.open()
  } catch (cause) {
    throw openFailure(path, cause)
  }
  // A new database that loses power before its first flush cannot be opened again: its manifest and its name must last.
  if (create) await syncFiles(path, /^(MANIFEST-.*|CURRENT)$/)
  return new DiskDatabase(path, level)
}

class DiskDatabase implements Database {
  readonly level: BufferLevel
  readonly #path: string

  constructor(path: string, level: BufferLevel) {
    this.#path = path
    this.level = level
  }

  /** LevelDB flushes tables and manifest itself, but closes a full log unflushed: so all logs, and the directory. */
  async barrier(): Promise<void> {
    await syncFiles(this.#path, /\.log$/)
  }

  async compactRange(start: Buffer, end: Buffer): Promise<void> {
    if (this.level instanceof ClassicLevel) await this.level.compactRange(start, end)
  }

  async damageReport(): Promise<readonly string[]> {
    const log = await readFile(join(this.#path, 'LOG'), 'utf8')
    return log.split('\n').filter((line) => /dropping|ignoring error|corruption/i.test(line))
  }

  async close(): Promise<void> {
    await this.level.close()
  }
}

/** A file that vanishes meanwhile became a table, which LevelDB has flushed. */
async function syncFiles(directory: string, pattern: RegExp): Promise<void> {
  for (const name of (await readdir(directory)).filter((file) => pattern.test(file))) {
    try {
      const handle = await open(join(directory, name), 'r+')
      await handle.datasync().finally(() => handle.close())
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
  await syncDirectory(directory)
}

/** LevelDB names most reasons in the text alone. */
function openFailure(path: string, cause: unknown): MQError {
  const text = describe(cause)
  if (/no space left|disk quota/i.test(text)) {
    return new MQError('DISK_FULL', `There is no room to open '${path}': ${text}. Free some and try again.`, {
      cause,
    })
  }
  if (/lock/i.test(text)) {
    return new MQError(
      'STORE_LOCKED',
      `LevelDB in '${path}' is open elsewhere: ${text}. Close it there first.`,
      { cause },
    )
  }
  return new MQError('STORE_CORRUPTED', `LevelDB cannot open '${path}': ${text}.`, { cause })
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? `${cause.message} (${cause.cause.message})` : cause.message
}
