/**
 * Who holds a store directory. Two guards stand before LevelDB's own lock, which drops when a second open merely fails:
 * a registry of canonical paths for this process, shared by all copies of the package, and a lease file that names the
 * holder and is taken over only when the holder is surely gone.
 */
import { readFileSync } from 'node:fs'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { MQError } from '../model/errors.ts'

const LEASE_NAME = 'LEASE'
const REGISTRY = Symbol.for('pocketmq.open-stores')
const ATTEMPTS = 8

/** What a lease file says. */
interface LeaseHolder {
  readonly pid: number
  /** When the process started, as far as the system tells; a pid may be used again. */
  readonly processStart: string
  /** Changes when the machine starts anew; empty where the system does not tell. */
  readonly bootId: string
  readonly host: string
  /** Which directory it is the lease of: in a copy of the directory it means nothing. */
  readonly directory: string
  /** Tells this lease from every other one, also of the same process: only its owner removes it. */
  readonly token: string
  readonly takenAt: string
}

/**
 * Paths open in this process, with the tokens of their leases. The registry hangs on `globalThis`, since an app may load
 * two copies of the package.
 */
function registry(): Map<string, string> {
  const shared = globalThis as { [REGISTRY]?: Map<string, string> }
  shared[REGISTRY] ??= new Map()
  return shared[REGISTRY]
}

let leaseCount = 0

/** Takes the lease of a directory given by its canonical path; throws `STORE_LOCKED` that names the holder. */
export async function takeLease(directory: string, takenAtMs: number): Promise<void> {
  if (registry().has(directory)) throw locked(directory, `this process (pid ${process.pid}) already holds it`)
  leaseCount += 1
  const token = `${process.pid}-${threadId}-${leaseCount}-${takenAtMs}`
  registry().set(directory, token)
  try {
    await writeLease(directory, token, takenAtMs)
  } catch (error) {
    await releaseLease(directory).catch(() => undefined)
    throw error
  }
}

/** Gives the lease back. One that is not ours, because the directory was replaced meanwhile, is left alone. */
export async function releaseLease(directory: string): Promise<void> {
  const token = registry().get(directory)
  registry().delete(directory)
  if (token !== undefined && (await holdsLease(directory, token)))
    await rm(join(directory, LEASE_NAME), { force: true })
}

/** Throws `STORE_FAILED` when the directory is no longer the one that was claimed. */
export async function checkLease(directory: string): Promise<void> {
  const token = registry().get(directory)
  if (token !== undefined && (await holdsLease(directory, token))) return
  throw new MQError(
    'STORE_FAILED',
    `The directory '${directory}' was removed or replaced while the store was open.`,
  )
}

async function holdsLease(directory: string, token: string): Promise<boolean> {
  return (await readHolder(join(directory, LEASE_NAME)))?.token === token
}

/**
 * The lease appears whole, by linking a finished file to its name: `link` fails when the name exists, so two
 * processes cannot both win.
 */
async function writeLease(directory: string, token: string, takenAtMs: number): Promise<void> {
  const path = join(directory, LEASE_NAME)
  const aside = join(directory, `${LEASE_NAME}.${token}.tmp`)
  await writeFile(aside, JSON.stringify(describeThisProcess(directory, token, takenAtMs)), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await tryLink(aside, path)) return
      const holder = await readHolder(path)
      if (holder !== undefined && isAlive(holder, directory)) {
        throw locked(directory, `process ${holder.pid} on ${holder.host} holds it since ${holder.takenAt}`)
      }
      await removeStale(directory, path)
    }
    throw locked(directory, 'other processes keep taking it')
  } finally {
    await rm(aside, { force: true })
  }
}

async function tryLink(aside: string, path: string): Promise<boolean> {
  try {
    await link(aside, path)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/**
 * Two processes may find the same stale lease; only one of them may remove it, or the second would remove the lease that
 * the first has just taken. The right to remove is itself a file that only one can create.
 */
async function removeStale(directory: string, path: string): Promise<void> {
  const right = join(directory, `${LEASE_NAME}.stale`)
  try {
    await writeFile(right, String(process.pid), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    // Left by a process that died between the two steps below: it blocks nobody for longer than its life.
    const pid = Number(await readFile(right, 'utf8').catch(() => ''))
    if (!(pid > 0 && isRunning(pid))) await rm(right, { force: true })
    return
  }
  try {
    const holder = await readHolder(path)
    if (holder === undefined || !isAlive(holder, directory)) await rm(path, { force: true })
  } finally {
    await rm(right, { force: true })
  }
}

async function readHolder(path: string): Promise<LeaseHolder | undefined> {
  try {
    const holder: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isHolder(holder) ? holder : undefined
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * A holder on another host counts as alive: nobody here can tell, and two writers would ruin the store. This process is
 * the holder when another of its threads is, whose registry cannot be seen from here.
 */
function isAlive(holder: LeaseHolder, directory: string): boolean {
  if (holder.host !== hostname()) return true
  if (holder.bootId !== bootId()) return false
  const startIsKnown = holder.processStart !== ''
  if (holder.pid === process.pid && (!startIsKnown || holder.directory !== directory)) return false
  return isRunning(holder.pid) && (!startIsKnown || holder.processStart === startOf(holder.pid))
}

function isHolder(value: unknown): value is LeaseHolder {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    Number.isInteger(value.pid) &&
    'host' in value
  )
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

function describeThisProcess(directory: string, token: string, takenAtMs: number): LeaseHolder {
  return {
    token,
    pid: process.pid,
    processStart: startOf(process.pid),
    bootId: bootId(),
    host: hostname(),
    directory,
    takenAt: new Date(takenAtMs).toISOString(),
  }
}

/** Field 22 of `/proc/PID/stat`: the start in clock ticks. The name in field 2 may hold spaces and brackets. */
function startOf(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`)
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id').trim()
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function locked(directory: string, holder: string): MQError {
  return new MQError(
    'STORE_LOCKED',
    `The store '${directory}' is open elsewhere: ${holder}. Close it there; if that is surely gone, remove the file ${LEASE_NAME}.`,
  )
}
