/**
 * The seam below the store: where bytes go. A medium offers two LevelDB databases and a handful of file calls for the
 * journal. On disk they are classic-level and `node:fs`; in memory there is no journal; tests bring media that fail,
 * hang, or forget what was not flushed.
 */
import type { AbstractLevel } from 'abstract-level'

/** A LevelDB whose keys and values are buffers. */
export interface Database {
  readonly level: AbstractLevel<string | Buffer | Uint8Array, Buffer, Buffer>
  /** Makes everything written so far durable, whatever log or table file it is in. */
  barrier(): Promise<void>
  /** Gives the space of deleted keys between the two back. */
  compactRange(start: Buffer, end: Buffer): Promise<void>
  /** Lines of the engine's own log of this opening that speak of dropped records. */
  damageReport(): Promise<readonly string[]>
  close(): Promise<void>
}

/** The two databases of a store. */
export type DatabaseName = 'commitlog' | 'index'

/** An open file of the journal. */
export interface JournalFile {
  /** Writes all buffers at a position, or throws; answers how many bytes were written, which may be too few. */
  writeSync(buffers: readonly Buffer[], position: number): number
  /** The same off the main thread. */
  write(buffers: readonly Buffer[], position: number): Promise<number>
  /** Cuts the file back to a length. */
  truncateSync(lengthBytes: number): void
  datasync(): Promise<void>
  close(): Promise<void>
}

/** The files of a store directory. Names are plain, the journal's begin with `journal/`. */
export interface Files {
  list(folder: 'journal' | '.'): Promise<readonly string[]>
  /** Makes an empty journal and removes what an unfinished creation left of the databases. */
  prepare(): Promise<void>
  read(name: string): Promise<Buffer>
  /** Creates a file and makes its name durable; fails when it exists. */
  createJournalFile(name: string): Promise<JournalFile>
  /** Cuts a closed file back and makes that durable. */
  truncate(name: string, lengthBytes: number): Promise<void>
  /** Replaces a file as a whole, durably: either the old or the new content is there. */
  replace(name: string, content: string): Promise<void>
  /** Removes a file, if it is there, durably. */
  remove(name: string): Promise<void>
  /** Free bytes of the file system, or `undefined` where nobody knows. */
  freeBytes(): Promise<number | undefined>
}

export interface Medium {
  /** Absent where nothing survives the process. */
  readonly files?: Files
  openDatabase(name: DatabaseName, create: boolean): Promise<Database>
  /** Claims the place for this instance before anything is touched; throws `STORE_LOCKED` naming the holder. */
  claim(): Promise<void>
  /** Throws when the place is no longer ours: somebody removed or replaced it. */
  checkClaim(): Promise<void>
  /** Gives the place back. */
  release(): Promise<void>
}
