/**
 * The files of a store directory in memory, as mean as POSIX allows: what was not flushed survives a power cut in part, in
 * any order and with holes, and a name that was not flushed may be there or not.
 */

import type { Files, JournalFile } from '../../../src/store/medium.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { CallGate } from './call-gate.ts'

const HOLE_MAX_BYTES = 4096

/** Bytes from one position up to another. */
interface Range {
  readonly from: number
  readonly to: number
}

export class MeanFile {
  /** Has room behind the content: growing by every write would copy everything every time. */
  #bytes: Buffer
  #lengthBytes: number
  /** Written and not flushed. */
  #dirty: Range[] = []
  /** A flush of these failed: the system counts them as clean and never writes them. */
  #forgotten: Range[] = []

  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#bytes = content
    this.#lengthBytes = content.length
  }

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#lengthBytes)
  }

  write(bytes: Buffer, position: number): void {
    const end = position + bytes.length
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(end * 2)
      this.content.copy(grown)
      this.#bytes = grown
    }
    bytes.copy(this.#bytes, position)
    this.#lengthBytes = Math.max(this.#lengthBytes, end)
    this.#dirty.push({ from: position, to: end })
  }

  truncate(lengthBytes: number): void {
    // What is written behind the end later begins with zeros again.
    this.#bytes.fill(0, lengthBytes)
    this.#lengthBytes = Math.min(this.#lengthBytes, lengthBytes)
    this.#dirty = clip(this.#dirty, lengthBytes)
    this.#forgotten = clip(this.#forgotten, lengthBytes)
  }

  flush(): void {
    this.#dirty = []
  }

  failFlush(): void {
    this.#forgotten.push(...this.#dirty)
    this.#dirty = []
  }

  /** What a power cut leaves. */
  afterPowerCut(random: WorkloadRandom): MeanFile {
    const ranges = [...this.#dirty, ...this.#forgotten]
    if (ranges.length === 0) return new MeanFile(Buffer.from(this.content))
    const firstLoss = Math.min(...ranges.map(({ from }) => from))
    const length = random.chance(0.3) ? this.content.length : random.between(firstLoss, this.content.length)
    const content = Buffer.from(this.content.subarray(0, length))
    if (random.chance(0.5)) for (const range of clip(ranges, length)) punchHoles(content, range, random)
    return new MeanFile(content)
  }

  /** What the death of a process leaves: everything, but nothing flushed by it. */
  afterKill(): MeanFile {
    const copy = new MeanFile(Buffer.from(this.content))
    copy.#dirty = [...this.#dirty]
    copy.#forgotten = [...this.#forgotten]
    return copy
  }
}

function punchHoles(content: Buffer, { from, to }: Range, random: WorkloadRandom): void {
  for (let start = from; start < to; start += HOLE_MAX_BYTES) {
    if (!random.chance(0.3)) continue
    const end = Math.min(to, start + random.between(1, HOLE_MAX_BYTES))
    content.fill(0, random.between(start, end - 1), end)
  }
}

function clip(ranges: readonly Range[], lengthBytes: number): Range[] {
  return ranges
    .map(({ from, to }) => ({ from, to: Math.min(to, lengthBytes) }))
    .filter(({ from, to }) => from < to)
}

/** A file, or a folder that is there. */
type Entry = MeanFile | 'folder'

/** Names by path, such as `journal/0000000001.journal`; a folder is `journal`. */
export class MeanDirectory {
  /** As every process sees it. */
  readonly entries = new Map<string, Entry>()
  /** As the disk has it. */
  readonly #flushed = new Map<string, Entry>()

  /** Makes the names in a folder durable; `''` is the directory itself. */
  flush(folder: string): void {
    for (const name of new Set([...this.entries.keys(), ...this.#flushed.keys()])) {
      if (folderOf(name) === folder) copyEntry(name, this.entries, this.#flushed)
    }
  }

  contents(): ReadonlyMap<string, Buffer> {
    return new Map(
      [...this.entries].flatMap(([name, entry]) =>
        entry === 'folder' ? [] : [[name, Buffer.from(entry.content)]],
      ),
    )
  }

  replace(name: string, content: Buffer | undefined): void {
    if (content === undefined) this.entries.delete(name)
    else this.entries.set(name, new MeanFile(Buffer.from(content)))
    copyEntry(name, this.entries, this.#flushed)
  }

  afterPowerCut(random: WorkloadRandom): MeanDirectory {
    const left = new MeanDirectory()
    for (const name of new Set([...this.entries.keys(), ...this.#flushed.keys()])) {
      const survivor = random.chance(0.5) ? this.entries.get(name) : this.#flushed.get(name)
      if (survivor === undefined) continue
      const entry = survivor === 'folder' ? survivor : survivor.afterPowerCut(random)
      left.entries.set(name, entry)
      left.#flushed.set(name, entry)
    }
    return left
  }

  afterKill(): MeanDirectory {
    const left = new MeanDirectory()
    for (const [name, entry] of this.entries) {
      left.entries.set(name, entry === 'folder' ? entry : entry.afterKill())
    }
    for (const [name, entry] of this.#flushed) {
      const copy = this.entries.get(name) === entry ? left.entries.get(name) : entry
      if (copy !== undefined) left.#flushed.set(name, copy)
    }
    return left
  }
}

function folderOf(name: string): string {
  return name.includes('/') ? name.slice(0, name.indexOf('/')) : ''
}

function copyEntry(name: string, from: ReadonlyMap<string, Entry>, to: Map<string, Entry>): void {
  const entry = from.get(name)
  if (entry === undefined) to.delete(name)
  else to.set(name, entry)
}

/** What the file calls may remove with `prepare`. */
export interface DatabaseFolders {
  names(): readonly string[]
  removeAll(): void
}

export class MeanFiles implements Files {
  readonly #directory: MeanDirectory
  readonly #databases: DatabaseFolders
  readonly #gate: CallGate
  readonly #random: WorkloadRandom
  freeDiskBytes = 2 ** 40

  constructor(directory: MeanDirectory, databases: DatabaseFolders, gate: CallGate, random: WorkloadRandom) {
    this.#directory = directory
    this.#databases = databases
    this.#gate = gate
    this.#random = random
  }

  list(folder: 'journal' | '.'): Promise<readonly string[]> {
    return this.#gate.pass('files.list', {
      run: () => {
        const names = [...this.#directory.entries.keys()]
        if (folder === '.')
          return [...names.filter((name) => !name.includes('/')), ...this.#databases.names()]
        if (!this.#directory.entries.has(folder)) throw missing(folder)
        return names
          .filter((name) => name.startsWith(`${folder}/`))
          .map((name) => name.slice(folder.length + 1))
      },
    })
  }

  prepare(): Promise<void> {
    const { entries } = this.#directory
    const removeJournal = (): void => {
      for (const name of [...entries.keys()]) if (name.startsWith('journal')) entries.delete(name)
    }
    return this.#gate.pass('files.prepare', {
      run: () => {
        removeJournal()
        this.#databases.removeAll()
        entries.set('journal', 'folder')
        this.#directory.flush('journal')
        this.#directory.flush('')
      },
      runPartly: removeJournal,
    })
  }

  read(name: string): Promise<Buffer> {
    return this.#gate.pass('files.read', { run: () => Buffer.from(this.#file(name).content) })
  }

  createJournalFile(name: string): Promise<JournalFile> {
    const { entries } = this.#directory
    const create = (): MeanFile => {
      if (entries.has(name)) throw failure('EEXIST', name)
      const file = new MeanFile()
      entries.set(name, file)
      return file
    }
    return this.#gate.pass('files.createJournalFile', {
      run: () => {
        const file = create()
        this.#directory.flush(folderOf(name))
        return new MeanJournalFile(file, this.#gate, this.#random)
      },
      runPartly: create,
    })
  }

  truncate(name: string, lengthBytes: number): Promise<void> {
    return this.#gate.pass('files.truncate', {
      run: () => {
        this.#file(name).truncate(lengthBytes)
        this.#file(name).flush()
      },
      runPartly: () => this.#file(name).truncate(lengthBytes),
    })
  }

  replace(name: string, content: string): Promise<void> {
    const { entries } = this.#directory
    return this.#gate.pass('files.replace', {
      run: () => {
        entries.delete(`${name}.tmp`)
        entries.set(name, new MeanFile(Buffer.from(content)))
        this.#directory.flush('')
      },
      runPartly: () => {
        if (this.#random.chance(0.5)) {
          entries.set(
            `${name}.tmp`,
            new MeanFile(Buffer.from(content.slice(0, this.#random.below(content.length)))),
          )
        } else {
          entries.set(name, new MeanFile(Buffer.from(content)))
        }
      },
    })
  }

  remove(name: string): Promise<void> {
    return this.#gate.pass('files.remove', {
      run: () => {
        this.#directory.entries.delete(name)
      },
    })
  }

  freeBytes(): Promise<number | undefined> {
    return this.#gate.pass('files.freeBytes', { run: () => this.freeDiskBytes })
  }

  #file(name: string): MeanFile {
    const entry = this.#directory.entries.get(name)
    if (entry === undefined || entry === 'folder') throw missing(name)
    return entry
  }
}

class MeanJournalFile implements JournalFile {
  readonly #file: MeanFile
  readonly #gate: CallGate
  readonly #random: WorkloadRandom
  #isOpen = true

  constructor(file: MeanFile, gate: CallGate, random: WorkloadRandom) {
    this.#file = file
    this.#gate = gate
    this.#random = random
  }

  writeSync(buffers: readonly Buffer[], position: number): number {
    return this.#gate.passSync('journal.writeSync', this.#write(buffers, position))
  }

  write(buffers: readonly Buffer[], position: number): Promise<number> {
    return this.#gate.pass('journal.write', this.#write(buffers, position))
  }

  truncateSync(lengthBytes: number): void {
    this.#gate.passSync('journal.truncateSync', {
      run: () => {
        this.#mustBeOpen()
        this.#file.truncate(lengthBytes)
      },
    })
  }

  datasync(): Promise<void> {
    return this.#gate.pass('journal.datasync', {
      run: () => {
        this.#mustBeOpen()
        this.#file.flush()
      },
      onFailure: (tookEffect) => (tookEffect ? this.#file.flush() : this.#file.failFlush()),
    })
  }

  close(): Promise<void> {
    return this.#gate.pass('journal.close', {
      run: () => {
        this.#mustBeOpen()
        this.#isOpen = false
      },
    })
  }

  #write(buffers: readonly Buffer[], position: number) {
    const bytes = Buffer.concat(buffers)
    const writePart = (): void =>
      this.#file.write(bytes.subarray(0, this.#random.below(bytes.length)), position)
    return {
      run: () => {
        this.#mustBeOpen()
        this.#file.write(bytes, position)
        return bytes.length
      },
      runPartly: writePart,
      // Before it took effect as a whole: a part of it may be there.
      onFailure: (tookEffect: boolean) => (tookEffect ? this.#file.write(bytes, position) : writePart()),
    }
  }

  #mustBeOpen(): void {
    if (!this.#isOpen) throw failure('EBADF', 'a closed journal file')
  }
}

function missing(name: string): Error {
  return failure('ENOENT', name)
}

function failure(code: string, name: string): Error {
  return Object.assign(new Error(`${code}: ${name}`), { code })
}
