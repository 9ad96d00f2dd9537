/**
 * Damage to a small store on disk: each file with bytes flipped, cut short or deleted. Whatever is damaged, no wrong body is
 * ever read, and nothing is missing without a report: a refused open, a typed error, a warning of the recovery, or a
 * problem of the check. `DAMAGE=all` flips every byte instead of a sample.
 */
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { openBareStore, temporaryDirectory } from './set-up.ts'

const SAMPLE_COUNT = process.env.DAMAGE === 'all' ? Number.POSITIVE_INFINITY : 40
const QUEUES = 2

/** How damage was answered. */
type Verdict = 'refused' | 'reported' | 'harmless' | 'WRONG BODY' | 'SILENT LOSS'

async function makeStore(directory: string, end: 'closed' | 'killed'): Promise<Set<string>> {
  const live = end === 'closed' ? directory : `${directory}-live`
  const shop = await openBareStore({ storage: 'disk', path: live, flushIntervalMs: 60_000 })
  const topic = await shop.createTopic('orders', QUEUES)
  const group = await shop.createGroup('billing')
  const bodies = new Set<string>()
  for (let i = 0; i < 12; i++) {
    const body = `message ${i} ${'.'.repeat(30 * i)}`
    bodies.add(body)
    await shop.send({ body, tag: 'paid', keys: [`k${i}`] }, topic.logs[i % QUEUES])
    if (i === 5) await shop.store.flush()
  }
  const log = topic.logs[0]
  if (log !== undefined) await shop.store.commit({ offsets: [{ group, log, offset: 3 }] })
  await shop.store.queryById((await shop.readAll(shop.log('orders', 0)))[0]?.messageId ?? '')
  if (end === 'killed') {
    await cp(live, directory, {
      recursive: true,
      filter: (from) => !from.endsWith('LEASE') && !from.endsWith('LOCK'),
    })
  }
  await shop.store.close()
  await rm(`${directory}-live`, { recursive: true, force: true })
  return bodies
}

async function judge(directory: string, bodies: ReadonlySet<string>): Promise<Verdict> {
  let shop: Awaited<ReturnType<typeof openBareStore>>
  try {
    shop = await openBareStore({ storage: 'disk', path: directory })
  } catch (error) {
    expect(error).toBeInstanceOf(MQError)
    return 'refused'
  }
  try {
    return await judgeOpen(shop, bodies)
  } finally {
    await shop.store.close().catch(() => undefined)
  }
}

async function judgeOpen(
  shop: Awaited<ReturnType<typeof openBareStore>>,
  bodies: ReadonlySet<string>,
): Promise<Verdict> {
  const { tornBytes, warnings } = shop.store.recovery
  let isReported = tornBytes > 0 || warnings.length > 0
  const found: string[] = []
  for (const log of shop.store.catalog.topic('orders')?.logs ?? []) {
    try {
      found.push(...(await shop.bodies(log)))
    } catch (error) {
      expect(error).toBeInstanceOf(MQError)
      isReported = true
    }
  }
  if (found.some((body) => !bodies.has(body))) return 'WRONG BODY'
  isReported ||= !(await shop.store.check().catch(() => ({ ok: false }))).ok
  if (isReported) return 'reported'
  return new Set(found).size === bodies.size ? 'harmless' : 'SILENT LOSS'
}

async function filesOf(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true })
  const kept: string[] = []
  for (const name of names) {
    const isFile = (await stat(join(directory, name))).isFile()
    if (isFile && !/LOG|LOCK|LEASE/.test(name)) kept.push(name)
  }
  return kept.sort()
}

function sample(size: number): number[] {
  const step = Math.max(1, Math.floor(size / SAMPLE_COUNT))
  return Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step)
}

/** Damages a fresh copy for each place, and answers the verdicts that must not be. */
async function damageAll(
  end: 'closed' | 'killed',
  places: (size: number) => readonly number[],
  damage: (path: string, place: number) => Promise<void>,
): Promise<{ wrong: string[]; counts: Record<string, number> }> {
  const home = await temporaryDirectory()
  const original = join(home, 'original')
  const bodies = await makeStore(original, end)
  const wrong: string[] = []
  const counts: Record<string, number> = {}
  for (const name of await filesOf(original)) {
    const { size } = await stat(join(original, name))
    for (const place of places(size)) {
      const copy = join(home, 'copy')
      await cp(original, copy, { recursive: true })
      await damage(join(copy, name), place)
      const verdict = await judge(copy, bodies)
      counts[verdict] = (counts[verdict] ?? 0) + 1
      if (verdict === 'WRONG BODY' || verdict === 'SILENT LOSS') wrong.push(`${name} at ${place}: ${verdict}`)
      await rm(copy, { recursive: true, force: true })
    }
  }
  return { wrong, counts }
}

async function flip(path: string, place: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[place] = (bytes[place] ?? 0) ^ 0x10
  await writeFile(path, bytes)
}

describe.each(['closed', 'killed'] as const)('A store that was %s', (end) => {
  test('gives no wrong body and hides no loss when a byte is flipped', async () => {
    const { wrong, counts } = await damageAll(end, sample, flip)
    expect(wrong, JSON.stringify(counts)).toEqual([])
    expect(counts.refused, JSON.stringify(counts)).toBeGreaterThan(0)
  }, 1_800_000)

  test('hides no loss when a file is cut short', async () => {
    const { wrong } = await damageAll(
      end,
      (size) => [0, Math.floor(size / 2), Math.max(0, size - 5)],
      truncate,
    )
    expect(wrong).toEqual([])
  }, 120_000)

  test('hides no loss when a file is deleted', async () => {
    const { wrong } = await damageAll(
      end,
      () => [0],
      (path) => rm(path),
    )
    expect(wrong).toEqual([])
  }, 60_000)
})
