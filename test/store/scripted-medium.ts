/**
 * A medium in memory that stays when its store is closed, and does what a test says: writes that fail or are slow, flushes
 * that hang, disks that are full. It counts what the store asks of it.
 */
import { MemoryLevel } from 'memory-level'
import type { Database, DatabaseName, Files, JournalFile, Medium } from '../../src/store/medium.ts'
import { Signal } from '../helpers/signal.ts'

class KeptDatabase implements Database {
  readonly level = new MemoryLevel<Buffer, Buffer>({
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    storeEncoding: 'buffer',
  })

  async barrier(): Promise<void> {}

  async compactRange(): Promise<void> {}

  async damageReport(): Promise<readonly string[]> {
    return []
  }

  /** Stays open: what it holds is what the next opening finds. */
  async close(): Promise<void> {}
}

export class ScriptedFiles implements Files {
  readonly #files = new Map<string, Buffer>()
  /** What a file may grow into without being copied. */
  readonly #room = new WeakMap<Buffer, Buffer>()

  /** Called before each write to the journal; throws to let it fail. */
  beforeWrite: () => void = () => undefined
  /** Writes that were asked for, in bytes, headers of segments left out. */
  readonly writes: number[] = []
  datasyncCount = 0
  /** When set, flushes wait for it. */
  hold: Signal | undefined
  /** The next flush fails with this error. */
  datasyncError: Error | undefined
  freeByteCount: number | undefined = Number.MAX_SAFE_INTEGER

  /** The bytes of a file, to be looked at or put in another's place. */
  get(name: string): Buffer {
    const file = this.#files.get(name)
    if (file === undefined) throw Object.assign(new Error(`no file ${name}`), { code: 'ENOENT' })
    return file
  }

  put(name: string, bytes: Buffer): void {
    this.#files.set(name, bytes)
  }

  /** Writes into a file, which grows by doubling what lies behind its buffer. */
  writeAt(name: string, bytes: Buffer, position: number): void {
    const length = position + bytes.length
    const file = this.get(name)
    const room = this.#room.get(file)
    const target =
      room !== undefined && room.length >= length ? room : Buffer.alloc(Math.max(length, file.length * 2))
    if (target !== room) file.copy(target)
    bytes.copy(target, position)
    const grown = target.subarray(0, length)
    this.#room.set(grown, target)
    this.put(name, grown)
  }

  names(): string[] {
    return [...this.#files.keys()].sort()
  }

  async list(folder: 'journal' | '.'): Promise<readonly string[]> {
    const names = this.names()
    if (folder === 'journal') return names.filter((name) => name.includes('/')).map((name) => name.slice(8))
    return names.filter((name) => !name.includes('/'))
  }

  async prepare(): Promise<void> {
    for (const name of this.names()) if (name.includes('/')) this.#files.delete(name)
  }

  async read(name: string): Promise<Buffer> {
    return Buffer.from(this.get(name))
  }

  async createJournalFile(name: string): Promise<JournalFile> {
    if (this.#files.has(name)) throw Object.assign(new Error(`${name} exists`), { code: 'EEXIST' })
    this.put(name, Buffer.alloc(0))
    return new ScriptedFile(this, name)
  }

  async truncate(name: string, lengthBytes: number): Promise<void> {
    this.put(name, Buffer.from(this.get(name).subarray(0, lengthBytes)))
  }

  async replace(name: string, content: string): Promise<void> {
    this.put(name, Buffer.from(content))
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name)
  }

  async freeBytes(): Promise<number | undefined> {
    return this.freeByteCount
  }
}

class ScriptedFile implements JournalFile {
  readonly #files: ScriptedFiles
  readonly #name: string

  constructor(files: ScriptedFiles, name: string) {
    this.#files = files
    this.#name = name
  }

  writeSync(buffers: readonly Buffer[], position: number): number {
    const bytes = Buffer.concat(buffers)
    if (position > 0) {
      this.#files.beforeWrite()
      this.#files.writes.push(bytes.length)
    }
    this.#files.writeAt(this.#name, bytes, position)
    return bytes.length
  }

  async write(buffers: readonly Buffer[], position: number): Promise<number> {
    return this.writeSync(buffers, position)
  }

  truncateSync(lengthBytes: number): void {
    this.#files.put(this.#name, Buffer.from(this.#files.get(this.#name).subarray(0, lengthBytes)))
  }

  async datasync(): Promise<void> {
    this.#files.datasyncCount += 1
    const error = this.#files.datasyncError
    this.#files.datasyncError = undefined
    await this.#files.hold?.promise
    if (error !== undefined) throw error
  }

  async close(): Promise<void> {}
}

export class ScriptedMedium implements Medium {
  readonly files = new ScriptedFiles()
  #databases = new Map<DatabaseName, KeptDatabase>()

  async openDatabase(name: DatabaseName): Promise<Database> {
    const database = this.#databases.get(name) ?? new KeptDatabase()
    this.#databases.set(name, database)
    await database.level.open()
    return database
  }

  /** What the databases hold now; `restoreDatabases` brings it back, as a power cut does with what was not flushed. */
  async copyDatabases(): Promise<Map<DatabaseName, KeptDatabase>> {
    const copies = new Map<DatabaseName, KeptDatabase>()
    for (const [name, { level }] of this.#databases) {
      const copy = new KeptDatabase()
      await copy.level.open()
      for (const [key, value] of await level.iterator().all()) await copy.level.put(key, value)
      copies.set(name, copy)
    }
    return copies
  }

  restoreDatabases(copies: Map<DatabaseName, KeptDatabase>): void {
    this.#databases = copies
  }

  async claim(): Promise<void> {}

  async checkClaim(): Promise<void> {}

  async release(): Promise<void> {}
}

/** Makes every flush wait until the returned signal is resolved. */
export function holdFlushes(files: ScriptedFiles): Signal {
  const hold = new Signal()
  files.hold = hold
  return hold
}
