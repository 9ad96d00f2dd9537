/** The file calls of a store directory on a real file system: private modes, and every new name made durable. */
import * as fs from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Files, JournalFile } from './medium.ts'

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/** Makes the names in a directory durable. Windows cannot open directories, and needs no such call. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates a private directory, and makes its name durable in its parent. */
export async function createDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: DIRECTORY_MODE })
  await syncDirectory(dirname(path))
}

export class DiskFiles implements Files {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async list(folder: 'journal' | '.'): Promise<readonly string[]> {
    return readdir(join(this.#root, folder))
  }

  async prepare(): Promise<void> {
    for (const folder of ['journal', 'commitlog', 'index'])
      await rm(join(this.#root, folder), { recursive: true, force: true })
    await createDirectory(join(this.#root, 'journal'))
  }

  async read(name: string): Promise<Buffer> {
    return readFile(join(this.#root, name))
  }

  async createJournalFile(name: string): Promise<JournalFile> {
    const path = join(this.#root, name)
    const handle = fs.openSync(path, 'wx', FILE_MODE)
    try {
      await syncDirectory(dirname(path))
    } catch (error) {
      fs.closeSync(handle)
      await rm(path, { force: true })
      throw error
    }
    return new DiskJournalFile(handle)
  }

  async truncate(name: string, lengthBytes: number): Promise<void> {
    const handle = await open(join(this.#root, name), 'r+')
    try {
      await handle.truncate(lengthBytes)
      await handle.datasync()
    } finally {
      await handle.close()
    }
  }

  /** Written aside, flushed, renamed, and the rename flushed: a crash leaves the old content or the new. */
  async replace(name: string, content: string): Promise<void> {
    const path = join(this.#root, name)
    const aside = `${path}.tmp`
    const handle = await open(aside, 'w', FILE_MODE)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(aside, path)
    await syncDirectory(this.#root)
  }

  async remove(name: string): Promise<void> {
    const path = join(this.#root, name)
    await rm(path, { force: true })
    await syncDirectory(dirname(path))
  }

  async freeBytes(): Promise<number | undefined> {
    const { bavail, bsize } = await statfs(this.#root)
    return bavail * bsize
  }
}

class DiskJournalFile implements JournalFile {
  readonly #handle: number

  constructor(handle: number) {
    this.#handle = handle
  }

  writeSync(buffers: readonly Buffer[], position: number): number {
    return fs.writevSync(this.#handle, buffers, position)
  }

  write(buffers: readonly Buffer[], position: number): Promise<number> {
    return promised<number>((done) => fs.writev(this.#handle, buffers, position, done))
  }

  truncateSync(lengthBytes: number): void {
    fs.ftruncateSync(this.#handle, lengthBytes)
  }

  datasync(): Promise<void> {
    return promised<void>((done) => fs.fdatasync(this.#handle, done))
  }

  close(): Promise<void> {
    return promised<void>((done) => fs.close(this.#handle, done))
  }
}

function promised<T>(
  call: (done: (error: NodeJS.ErrnoException | null, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error === null ? resolve(value as T) : reject(error)))
  })
}
