/** Directories to measure in: under `BENCH_DIR` or the system's temporary folder, and gone afterwards. */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where stores are made; name a directory on the disk that you want to know about. */
export function benchDirectory(): string {
  return process.env.BENCH_DIR ?? tmpdir()
}

/** Hands a new, empty directory to the work and removes it, also when the work fails. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(benchDirectory(), 'pocketmq-bench-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Bytes that a directory takes on the disk; files that vanish meanwhile count nothing. */
export async function bytesOnDisk(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}
