/**
 * A store directory in memory: the code for disks runs over it, journal and recovery included. What a killed process or a
 * power cut would leave can be taken from it at any moment, and a copy of all of it costs next to nothing.
 */
import type { Clock, Timer } from '../../model/clock.ts'
import { MQError } from '../../model/errors.ts'
import type { Database, DatabaseName, Files, JournalFile, Medium } from '../../store/medium.ts'
import { MemoryFile } from './memory-file.ts'
import { type DiskPace, RowsLevel } from './rows-level.ts'
import { SortedRows } from './sorted-rows.ts'

/** What is free on a disk that has room. */
export const FREE_BYTES = 2 ** 40

/** The rows of a database, and those of them that a power cut leaves. */
interface DatabaseImage {
  readonly rows: SortedRows
  durable: SortedRows
}

interface Content {
  readonly files: Map<string, MemoryFile>
  readonly databases: Map<DatabaseName, DatabaseImage>
}

/** How the disk misbehaves. */
export interface DiskFaults {
  /** How long each call takes that is not synchronous, on the clock. */
  delayMs: number
  /** What is free, as far as anybody asks. */
  freeBytes: number
  /** Nothing more can be written, and nothing is free. */
  isFull: boolean
  /** Called when a call is made slow, or refused. */
  onHit?: ((what: 'slow' | 'full') => void) | undefined
}

export class MemoryDisk implements Medium {
  readonly files: Files
  readonly faults: DiskFaults
  /** Called before each write. */
  onWrite: (() => void) | undefined
  readonly #clock: Clock
  readonly #content: Content
  readonly #pace: DiskPace
  /** Calls that are being made slow. */
  readonly #waiting = new Set<Timer>()
  #isClaimed = false
  #isStopped = false

  constructor(
    clock: Clock,
    faults: DiskFaults = { delayMs: 0, freeBytes: FREE_BYTES, isFull: false },
    content: Content = { files: new Map(), databases: new Map() },
  ) {
    this.#clock = clock
    this.faults = faults
    this.#content = content
    this.#pace = {
      read: () => this.#wait(),
      write: () => this.#waitToWrite(),
      writeSync: () => this.#beforeWrite(),
    }
    this.files = new MemoryFiles(content, this.#pace, () => (faults.isFull ? 0 : faults.freeBytes))
  }

  async openDatabase(name: DatabaseName, create: boolean): Promise<Database> {
    const { databases } = this.#content
    await this.#pace.read()
    if (create && !databases.has(name)) databases.set(name, emptyImage())
    const image = databases.get(name)
    if (image === undefined) throw new MQError('STORE_CORRUPTED', `The database '${name}' is missing.`)
    const database = new MemoryDiskDatabase(image, this.#pace)
    await database.level.open()
    return database
  }

  async claim(): Promise<void> {
    if (this.#isClaimed) throw new MQError('STORE_LOCKED', 'The disk is in use.')
    this.#isClaimed = true
  }

  async checkClaim(): Promise<void> {}

  async release(): Promise<void> {
    this.#isClaimed = false
  }

  /** From now on nothing reaches the disk: calls that can wait never end, the others fail. */
  stop(): void {
    this.#isStopped = true
    for (const timer of this.#waiting) timer.cancel()
    this.#waiting.clear()
  }

  /**
   * What is there after a process was killed, or after the power was cut and only what was flushed is left. It misbehaves
   * only if it is told to.
   */
  copy(after: 'kill' | 'power', clock: Clock = this.#clock, faults?: DiskFaults): MemoryDisk {
    const files = [...this.#content.files].map(
      ([name, file]) => [name, after === 'kill' ? file.copy() : file.copyFlushed()] as const,
    )
    const databases = [...this.#content.databases].map(([name, { rows, durable }]) => {
      const left = after === 'kill' ? rows : durable
      return [name, { rows: left.share(), durable: durable.share() }] as const
    })
    return new MemoryDisk(clock, faults, { files: new Map(files), databases: new Map(databases) })
  }

  #wait(): Promise<void> | undefined {
    if (this.#isStopped) return new Promise(() => undefined)
    const { delayMs } = this.faults
    if (delayMs === 0) return undefined
    this.faults.onHit?.('slow')
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(delayMs, () => {
        this.#waiting.delete(timer)
        resolve()
      })
      this.#waiting.add(timer)
    })
  }

  #waitToWrite(): Promise<void> | undefined {
    if (!this.#isStopped) this.#beforeWrite()
    return this.#wait()
  }

  #beforeWrite(): void {
    if (this.#isStopped) throw Object.assign(new Error('EIO: the disk was stopped'), { code: 'EIO' })
    this.onWrite?.()
    if (!this.faults.isFull) return
    this.faults.onHit?.('full')
    throw diskFull()
  }
}

class MemoryDiskDatabase implements Database {
  readonly level: RowsLevel
  readonly #image: DatabaseImage
  readonly #pace: DiskPace

  constructor(image: DatabaseImage, pace: DiskPace) {
    this.level = new RowsLevel(image.rows, pace)
    this.#image = image
    this.#pace = pace
  }

  async barrier(): Promise<void> {
    await this.#pace.write()
    this.#image.durable = this.#image.rows.share()
  }

  async compactRange(): Promise<void> {}

  async damageReport(): Promise<readonly string[]> {
    return []
  }

  async close(): Promise<void> {
    await this.level.close()
  }
}

class MemoryFiles implements Files {
  readonly #content: Content
  readonly #pace: DiskPace
  readonly #freeBytes: () => number

  constructor(content: Content, pace: DiskPace, freeBytes: () => number) {
    this.#content = content
    this.#pace = pace
    this.#freeBytes = freeBytes
  }

  async list(folder: 'journal' | '.'): Promise<readonly string[]> {
    await this.#pace.read()
    const names = [...this.#content.files.keys()]
    if (folder === '.')
      return [...names.filter((name) => !name.includes('/')), ...this.#content.databases.keys()]
    return names.filter((name) => name.startsWith(`${folder}/`)).map((name) => name.slice(folder.length + 1))
  }

  async prepare(): Promise<void> {
    await this.#pace.write()
    const { files, databases } = this.#content
    for (const name of [...files.keys()]) if (name.startsWith('journal/')) files.delete(name)
    databases.clear()
  }

  async read(name: string): Promise<Buffer> {
    await this.#pace.read()
    return this.#file(name).read()
  }

  async createJournalFile(name: string): Promise<JournalFile> {
    await this.#pace.write()
    const { files } = this.#content
    if (files.has(name)) throw Object.assign(new Error(`EEXIST: ${name}`), { code: 'EEXIST' })
    const file = new MemoryFile()
    files.set(name, file)
    return new MemoryJournalFile(file, this.#pace)
  }

  async truncate(name: string, lengthBytes: number): Promise<void> {
    await this.#pace.write()
    const file = this.#file(name)
    file.truncate(lengthBytes)
    file.flush()
  }

  async replace(name: string, content: string): Promise<void> {
    await this.#pace.write()
    const file = new MemoryFile(Buffer.from(content))
    this.#content.files.set(name, file)
  }

  async remove(name: string): Promise<void> {
    await this.#pace.write()
    this.#content.files.delete(name)
  }

  async freeBytes(): Promise<number | undefined> {
    await this.#pace.read()
    return this.#freeBytes()
  }

  #file(name: string): MemoryFile {
    const file = this.#content.files.get(name)
    if (file === undefined) throw Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' })
    return file
  }
}

class MemoryJournalFile implements JournalFile {
  readonly #file: MemoryFile
  readonly #pace: DiskPace

  constructor(file: MemoryFile, pace: DiskPace) {
    this.#file = file
    this.#pace = pace
  }

  writeSync(buffers: readonly Buffer[], position: number): number {
    this.#pace.writeSync()
    return this.#file.write(buffers, position)
  }

  async write(buffers: readonly Buffer[], position: number): Promise<number> {
    await this.#pace.write()
    return this.#file.write(buffers, position)
  }

  truncateSync(lengthBytes: number): void {
    this.#file.truncate(lengthBytes)
  }

  async datasync(): Promise<void> {
    const { lengthBytes } = this.#file
    await this.#pace.write()
    this.#file.flush(lengthBytes)
  }

  async close(): Promise<void> {}
}

function emptyImage(): DatabaseImage {
  return { rows: new SortedRows(), durable: new SortedRows() }
}

function diskFull(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
}
