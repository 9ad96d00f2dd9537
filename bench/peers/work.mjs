// What every side needs: the body, a directory, a clock around the work, and a bound on what is under way.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** 128 bytes, as text, since not every peer takes bytes. */
export const BODY = 'pocketmq'.repeat(16)

export async function withDirectory(work) {
  const directory = await mkdtemp(join(process.env.BENCH_DIR ?? tmpdir(), 'pocketmq-peers-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Messages per second. */
export async function rateOf(count, work) {
  const start = performance.now()
  await work()
  return (count / (performance.now() - start)) * 1000
}

/** Calls `send` with 0 to `count - 1` and keeps `inFlight` promises under way. */
export async function sendAll(count, inFlight, send) {
  let next = 0
  const lane = async () => {
    while (next < count) await send(next++)
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}

export function expectCount(what, actual, expected) {
  if (actual !== expected) throw new Error(`${what}: ${actual} of ${expected}`)
}
