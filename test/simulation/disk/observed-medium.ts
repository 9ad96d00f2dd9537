/** A medium that tells when the journal is flushed: what the disk was asked to keep is seen from here, not from the store. */
import type { Database, DatabaseName, Files, JournalFile, Medium } from '../../../src/store/medium.ts'

/** Hears of flushes by number. */
export interface FlushWatch {
  began(): number
  ended(flush: number): void
  failed(flush: number): void
}

export class ObservedMedium implements Medium {
  readonly files?: Files
  readonly #medium: Medium

  constructor(medium: Medium, watch: FlushWatch) {
    this.#medium = medium
    if (medium.files !== undefined) this.files = new ObservedFiles(medium.files, watch)
  }

  openDatabase(name: DatabaseName, create: boolean): Promise<Database> {
    return this.#medium.openDatabase(name, create)
  }

  claim(): Promise<void> {
    return this.#medium.claim()
  }

  checkClaim(): Promise<void> {
    return this.#medium.checkClaim()
  }

  release(): Promise<void> {
    return this.#medium.release()
  }
}

class ObservedFiles implements Files {
  readonly #files: Files
  readonly #watch: FlushWatch

  constructor(files: Files, watch: FlushWatch) {
    this.#files = files
    this.#watch = watch
  }

  async createJournalFile(name: string): Promise<JournalFile> {
    return new ObservedJournalFile(await this.#files.createJournalFile(name), this.#watch)
  }

  list(folder: 'journal' | '.'): Promise<readonly string[]> {
    return this.#files.list(folder)
  }

  prepare(): Promise<void> {
    return this.#files.prepare()
  }

  read(name: string): Promise<Buffer> {
    return this.#files.read(name)
  }

  truncate(name: string, lengthBytes: number): Promise<void> {
    return this.#files.truncate(name, lengthBytes)
  }

  replace(name: string, content: string): Promise<void> {
    return this.#files.replace(name, content)
  }

  remove(name: string): Promise<void> {
    return this.#files.remove(name)
  }

  freeBytes(): Promise<number | undefined> {
    return this.#files.freeBytes()
  }
}

/** Below the store and above the disk: bugs of the kind "the flush does nothing" are planted here. */
export class ObservedJournalFile implements JournalFile {
  readonly #file: JournalFile
  readonly #watch: FlushWatch

  constructor(file: JournalFile, watch: FlushWatch) {
    this.#file = file
    this.#watch = watch
  }

  async datasync(): Promise<void> {
    const flush = this.#watch.began()
    try {
      await this.flushFile()
    } catch (error) {
      this.#watch.failed(flush)
      throw error
    }
    this.#watch.ended(flush)
  }

  flushFile(): Promise<void> {
    return this.#file.datasync()
  }

  writeSync(buffers: readonly Buffer[], position: number): number {
    return this.#file.writeSync(buffers, position)
  }

  write(buffers: readonly Buffer[], position: number): Promise<number> {
    return this.#file.write(buffers, position)
  }

  truncateSync(lengthBytes: number): void {
    this.#file.truncateSync(lengthBytes)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
