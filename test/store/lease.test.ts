import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { releaseLease, takeLease } from '../../src/store/lease.ts'
import { mqError } from '../helpers/expect-error.ts'
import { temporaryDirectory } from './set-up.ts'

const TAKEN_AT = Date.UTC(2027, 0, 1)

/** A directory whose lease names this holder. */
async function leasedTo(holder: object): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'LEASE'), JSON.stringify({ host: hostname(), takenAt: 'then', ...holder }))
  return directory
}

async function ownLease(): Promise<Record<string, unknown>> {
  const directory = await temporaryDirectory()
  await takeLease(directory, TAKEN_AT)
  const lease = JSON.parse(await readFile(join(directory, 'LEASE'), 'utf8'))
  await releaseLease(directory)
  return lease
}

/** A process that lives until the test is over. */
function living(): ChildProcess & { readonly pid: number } {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child as ChildProcess & { readonly pid: number }
}

/** Resolves with the id of a process that has ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', ''])
  await new Promise((resolve) => child.once('exit', resolve))
  return child.pid as number
}

describe('A lease', () => {
  test('names its holder, and is gone when it is given back', async () => {
    const directory = await temporaryDirectory()
    await takeLease(directory, TAKEN_AT)
    const lease = JSON.parse(await readFile(join(directory, 'LEASE'), 'utf8'))
    expect(lease).toMatchObject({ pid: process.pid, host: hostname(), takenAt: '2027-01-01T00:00:00.000Z' })
    await releaseLease(directory)
    expect(await readdir(directory)).toEqual([])
  })

  test('cannot be taken twice in one process, and can again when it was given back', async () => {
    const directory = await temporaryDirectory()
    await takeLease(directory, TAKEN_AT)
    await expect(takeLease(directory, TAKEN_AT)).rejects.toThrow(
      mqError('STORE_LOCKED', `pid ${process.pid}`),
    )
    expect(await readdir(directory)).toEqual(['LEASE'])
    await releaseLease(directory)
    await takeLease(directory, TAKEN_AT)
    await releaseLease(directory)
  })

  test('is won by exactly one of many that want it at once', async () => {
    const directory = await leasedTo({ pid: await endedPid(), processStart: '1', bootId: 'other' })
    const taken = await Promise.allSettled(Array.from({ length: 20 }, () => takeLease(directory, TAKEN_AT)))
    expect(taken.filter((each) => each.status === 'fulfilled')).toHaveLength(1)
    await releaseLease(directory)
    expect(await readdir(directory)).toEqual([])
  })

  test('is shared by all copies of the package in a process', async () => {
    const directory = await temporaryDirectory()
    const copy: typeof import('../../src/store/lease.ts') = await import(
      '../../src/store/lease.ts?copy' as string
    )
    expect(copy.takeLease).not.toBe(takeLease)
    await takeLease(directory, TAKEN_AT)
    await expect(copy.takeLease(directory, TAKEN_AT)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await releaseLease(directory)
  })

  test('of another living process is respected', async () => {
    const own = await ownLease()
    const { pid } = living()
    const directory = await leasedTo({ ...own, pid, processStart: '' })
    await expect(takeLease(directory, TAKEN_AT)).rejects.toThrow(mqError('STORE_LOCKED', `process ${pid}`))
    expect(JSON.parse(await readFile(join(directory, 'LEASE'), 'utf8'))).toMatchObject({ pid })
  })

  test('of another thread of this process is respected', async () => {
    const directory = await temporaryDirectory()
    const own = await ownLease()
    await takeLease(directory, TAKEN_AT)
    const worker = new Worker('require("node:worker_threads").parentPort.postMessage(process.pid)', {
      eval: true,
    })
    expect(await new Promise((resolve) => worker.once('message', resolve))).toBe(process.pid)
    // What another thread sees: the lease of its own process, and nothing in its own registry.
    const registry = (globalThis as Record<symbol, Map<string, string>>)[Symbol.for('pocketmq.open-stores')]
    const token = registry?.get(directory) ?? ''
    registry?.delete(directory)
    await expect(takeLease(directory, TAKEN_AT)).rejects.toThrow(mqError('STORE_LOCKED'))
    expect(own.pid).toBe(process.pid)
    registry?.set(directory, token)
    await releaseLease(directory)
  })

  test('that was copied with its directory is not the copy’s', async () => {
    const original = await temporaryDirectory()
    await takeLease(original, TAKEN_AT)
    const copy = await temporaryDirectory()
    await writeFile(join(copy, 'LEASE'), await readFile(join(original, 'LEASE')))
    await takeLease(copy, TAKEN_AT)
    await releaseLease(copy)
    await releaseLease(original)
  })

  test('of another host is respected, since nobody here can tell, and the message says what to do', async () => {
    const directory = await leasedTo({ pid: 1, processStart: '', bootId: '', host: 'elsewhere' })
    await expect(takeLease(directory, TAKEN_AT)).rejects.toThrow(mqError('STORE_LOCKED', 'elsewhere'))
    await expect(takeLease(directory, TAKEN_AT)).rejects.toThrow(mqError('STORE_LOCKED', 'LEASE'))
  })

  test.each([
    ['of a process that ended', async () => ({ ...(await ownLease()), pid: await endedPid() })],
    [
      'of a process whose id was given to another since',
      async () => ({ ...(await ownLease()), pid: living().pid, processStart: '1' }),
    ],
    [
      'from before the machine started anew',
      async () => ({ ...(await ownLease()), pid: living().pid, bootId: 'before' }),
    ],
    [
      'of an earlier process with this id, as in a container',
      async () => ({ ...(await ownLease()), processStart: '1' }),
    ],
  ] as const)('%s is taken over', async (_what, holder) => {
    const directory = await leasedTo(await holder())
    await takeLease(directory, TAKEN_AT)
    await releaseLease(directory)
  })

  test('that nobody can read is taken over', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'LEASE'), 'torn')
    await takeLease(directory, TAKEN_AT)
    await releaseLease(directory)
  })

  test('is taken over although somebody died while taking it over', async () => {
    const directory = await leasedTo({ pid: await endedPid(), processStart: '1', bootId: 'other' })
    await writeFile(join(directory, 'LEASE.stale'), String(await endedPid()))
    await takeLease(directory, TAKEN_AT)
    await releaseLease(directory)
    expect(await readdir(directory)).toEqual([])
  })
})
