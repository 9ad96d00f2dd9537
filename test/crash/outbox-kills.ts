/** Kills the shop again and again, lets it finish, and compares what its database holds with what its store holds. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClassicLevel } from 'classic-level'
import { PocketMQ } from '../../src/pocketmq.ts'
import { type BuiltChild, buildChild } from './build-child.ts'
import { DEPARTMENTS, type KillJob, TOPIC } from './outbox-job.ts'
import { WorkloadRandom } from './workload-random.ts'

/** How long after it is open a child is killed, at most. */
const LIFE_MAX_MS = 150

export interface KillReport {
  readonly orderCount: number
  /** Orders that were taken back before their message was due. */
  readonly recalledCount: number
  /** Orders that were taken and whose message is not there, messages without an order, and messages that are there twice. */
  readonly wrongMessages: readonly string[]
  /** What departments did not do, did twice, or did without an order. */
  readonly wrongEffects: readonly string[]
  /** Rows that kills left behind: without any, nothing was tried. */
  readonly outboxRows: number
  readonly inboxRows: number
  readonly rowsAtEnd: number
}

export async function killShop(
  kills: number,
  seed: number,
  mode: KillJob['flushDiskType'],
): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'pocketmq-kills-'))
  const built = buildChild('test/crash/outbox-child.ts')
  const random = new WorkloadRandom(seed)
  const left = { outboxRows: 0, inboxRows: 0 }
  try {
    for (let round = 0; round <= kills; round++) {
      const isLast = round === kills
      const job = { directory, round, seed: random.below(2 ** 32), flushDiskType: mode, isLast }
      const [outboxRows, inboxRows] = await runChild(built, job, random)
      left.outboxRows += outboxRows
      left.inboxRows += inboxRows
    }
    return { ...left, ...(await compare(directory)) }
  } finally {
    built.remove()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Answers how many rows it found when it opened. */
async function runChild(
  { script }: BuiltChild,
  job: KillJob,
  random: WorkloadRandom,
): Promise<readonly [outboxRows: number, inboxRows: number]> {
  const child = spawn(process.execPath, [script])
  const exited = once(child, 'exit')
  const errors = text(child.stderr)
  let rows: [number, number] = [0, 0]
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, outbox, inbox] = line.split(' ')
    if (word === 'ready') child.stdin.write(`${JSON.stringify(job)}\n`)
    if (word === 'left') rows = [Number(outbox), Number(inbox)]
    // Sometimes in the middle of opening, where what is left is sent.
    if (word === 'left' && !job.isLast && random.chance(0.2)) break
    if (word === 'open') break
  }
  if (!job.isLast) {
    await sleep(random.below(LIFE_MAX_MS))
    child.kill('SIGKILL')
  }
  const [code] = await exited
  const isAsMeant = job.isLast ? code === 0 : code === null
  if (!isAsMeant) throw new Error(`round ${job.round} ended by itself: ${await errors}`)
  return rows
}

async function compare(directory: string): Promise<Omit<KillReport, 'outboxRows' | 'inboxRows'>> {
  const database = new ClassicLevel<string, string>(join(directory, 'database'))
  await database.open()
  const mq = await PocketMQ.open(join(directory, 'store'))
  try {
    const entries = await database.iterator({ gte: 'a' }).all()
    const minds = new Map(entries)
    const mindOf = (order: string) => minds.get(`mind ${order}`) ?? 'not changed'
    const isCertain = (order: string) => mindOf(order) !== 'perhaps changed'
    const taken = entries.flatMap(([key]) => (key.startsWith('order ') ? [key.slice('order '.length)] : []))
    const orders = taken.filter((order) => mindOf(order) === 'not changed')
    const all = (await mq.admin.browse(TOPIC, { max: 1_000_000 })).map((message) => message.text())
    const messages = all.filter(isCertain)
    const expected = orders.flatMap((order) =>
      DEPARTMENTS.map((group) => [`done ${group} ${order}`, '+'] as const),
    )
    const done = entries.filter(([key]) => key.startsWith('done ') && isCertain(key.split(' ')[2]!))
    const rowsAtEnd = (await database.keys({ lt: 'a' }).all()).length
    return {
      orderCount: orders.length,
      recalledCount: taken.filter((order) => mindOf(order) === 'changed').length,
      wrongMessages: differences(orders, messages),
      wrongEffects: differences(expected.map(String), done.map(String)),
      rowsAtEnd,
    }
  } finally {
    await mq.close()
    await database.close()
  }
}

/** What is missing, too much, or there twice. */
function differences(expected: readonly string[], found: readonly string[]): string[] {
  const isExpected = new Set(expected)
  const seen = new Set<string>()
  const wrong: string[] = []
  for (const each of found) {
    if (seen.has(each)) wrong.push(`twice: ${each}`)
    else if (!isExpected.has(each)) wrong.push(`too much: ${each}`)
    seen.add(each)
  }
  return [...wrong, ...expected.filter((each) => !seen.has(each)).map((each) => `missing: ${each}`)]
}
