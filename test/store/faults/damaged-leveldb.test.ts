/**
 * Bytes of LevelDB's files are changed, the files cut and removed, in a real directory: never a wrong body, never fewer
 * messages without a report. By default every so many bytes; `POCKETMQ_FLIPS=all` changes each one.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Store } from '../../../src/store/store.ts'
import { ManualClock } from '../../helpers/manual-clock.ts'
import { type Finding, Findings } from './damage.ts'
import { damageOptions, Examiner, writeContentFile } from './examiner.ts'
import { readContent } from './history.ts'
import { SmallStoreWriter } from './small-store.ts'

const TIMEOUT_MS = 10_000_000
/** So many bytes of each kind of file are changed, spread over all of them. */
const FLIPS_PER_KIND = 30
const CUTS_PER_FILE = 4

/** In memory where the system has such a place: hundreds of openings flush a lot. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A directory as a map, so that a copy is made fast. */
type Snapshot = ReadonlyMap<string, Buffer>

interface Damageable {
  readonly files: Snapshot
  /** Where it is written what the store held. */
  readonly contentFile: string
}

let root: string
let examiner: Examiner
beforeAll(() => {
  root = mkdtempSync(join(PLACE, 'pocketmq-damage-'))
  examiner = new Examiner()
})
afterAll(async () => {
  await examiner.end()
  rmSync(root, { recursive: true, force: true })
})

/** Two sessions that were closed and, if it is to be killed, a third one that was not. */
async function makeStore(end: 'closed' | 'killed'): Promise<Damageable> {
  const clock = new ManualClock()
  const writer = new SmallStoreWriter(clock)
  const path = join(root, `${end}-original`)
  for (let session = 0; session < 2; session++) {
    const store = await Store.open(damageOptions(path, clock))
    await writer.write(store, 5)
    // Applied slice by slice: LevelDB gets several records.
    await clock.advance(600)
    const contentFile = await noteContent(store, end)
    await store.close()
    if (session === 1 && end === 'closed') return { files: readFiles(path), contentFile }
  }
  const store = await Store.open(damageOptions(path, clock))
  await writer.write(store, 5)
  await store.check()
  await writer.write(store, 2)
  const contentFile = await noteContent(store, end)
  const left = join(root, 'killed-copy')
  cpSync(path, left, { recursive: true })
  await store.close()
  return { files: readFiles(left), contentFile }
}

async function noteContent(store: Store, name: string): Promise<string> {
  const file = join(root, `${name}-content.json`)
  writeFileSync(file, writeContentFile(await readContent(store)))
  return file
}

function readFiles(path: string): Snapshot {
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(
    files
      .filter((name) => !name.endsWith('LEASE'))
      .map((name) => [name.slice(path.length + 1), readFileSync(name)]),
  )
}

async function damage(
  { files, contentFile }: Damageable,
  name: string,
  content: Buffer | undefined,
): Promise<Finding> {
  const path = mkdtempSync(join(root, 'copy-'))
  try {
    for (const folder of ['journal', 'commitlog', 'index']) mkdirSync(join(path, folder))
    for (const [file, bytes] of files) {
      const wanted = file === name ? content : bytes
      if (wanted !== undefined) writeFileSync(join(path, file), wanted)
    }
    return await examiner.examine(path, contentFile)
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

/** `index/000005.ldb` is of the kind `.ldb`. */
function kindOf(name: string): string | undefined {
  const match = /^(?:commitlog|index)\/(?:\d+(\.\w+)|(MANIFEST|CURRENT).*)$/.exec(name)
  return match?.[1] ?? match?.[2]
}

/**
 * All that damage may lead to. LevelDB's logs of a killed store are written again from the journal. In a table, LevelDB
 * holds nothing against a checksum: it may hand out what is damaged, which we notice, give up with an error, or end the
 * process at an assertion of its own.
 */
const OF_A_TABLE = [
  'aborted',
  'refused STORE_CORRUPTED',
  'refused SYSTEM_ERROR',
  'same',
  'same, told',
  'unread STORE_CORRUPTED',
  'unread SYSTEM_ERROR',
]
const POSSIBLE: Readonly<Record<'closed' | 'killed', Readonly<Record<string, readonly Finding[]>>>> = {
  closed: {
    '.log': ['refused STORE_CORRUPTED'],
    '.ldb': OF_A_TABLE,
    CURRENT: ['refused STORE_CORRUPTED'],
    MANIFEST: ['refused STORE_CORRUPTED'],
  },
  killed: {
    '.log': ['same', 'same, told'],
    '.ldb': OF_A_TABLE,
    CURRENT: ['refused STORE_CORRUPTED'],
    MANIFEST: ['refused STORE_CORRUPTED'],
  },
}

async function findAll(store: Damageable, visit: typeof flipBytes): Promise<Map<string, Findings>> {
  const found = new Map<string, Findings>()
  for (const [name, content] of store.files) {
    const kind = kindOf(name)
    if (kind === undefined || content.length === 0) continue
    const findings = found.get(kind) ?? new Findings()
    found.set(kind, findings)
    await visit(store, name, content, findings)
  }
  return found
}

async function flipBytes(
  store: Damageable,
  name: string,
  content: Buffer,
  findings: Findings,
): Promise<void> {
  const kind = kindOf(name)
  const sameKind = [...store.files].filter(([other]) => kindOf(other) === kind)
  const total = sameKind.reduce((sum, [, bytes]) => sum + bytes.length, 0)
  const step = process.env.POCKETMQ_FLIPS === 'all' ? 1 : Math.max(1, Math.floor(total / FLIPS_PER_KIND))
  for (let position = content.length % step; position < content.length; position += step) {
    const changed = Buffer.from(content)
    changed[position] = (changed[position] ?? 0) ^ (1 << (position % 8))
    findings.add(await damage(store, name, changed), `${name} byte ${position}`)
  }
}

async function cutAndRemove(
  store: Damageable,
  name: string,
  content: Buffer,
  findings: Findings,
): Promise<void> {
  for (let part = 0; part < CUTS_PER_FILE; part++) {
    const bytes = Math.floor((content.length * part) / CUTS_PER_FILE)
    findings.add(await damage(store, name, content.subarray(0, bytes)), `${name} cut to ${bytes}`)
  }
  findings.add(await damage(store, name, content.subarray(0, -1)), `${name} without its last byte`)
  findings.add(await damage(store, name, undefined), `${name} removed`)
}

describe.each(['closed', 'killed'] as const)('LevelDB files of a %s store', (end) => {
  let store: Damageable
  beforeAll(async () => {
    store = await makeStore(end)
  })

  test('are whole before they are damaged', async () => {
    expect(await damage(store, 'none', undefined)).toBe('same')
    expect([...new Set([...store.files.keys()].map(kindOf))]).toEqual(
      expect.arrayContaining(['.ldb', '.log', 'CURRENT', 'MANIFEST']),
    )
  })

  test.each([
    ['changed', flipBytes],
    ['cut or removed', cutAndRemove],
  ] as const)(
    'are %s: nothing wrong is read, nothing is missing in silence',
    async (_what, visit) => {
      const found = await findAll(store, visit)
      expect([...found.values()].flatMap(({ wrong }) => wrong)).toEqual([])
      for (const [kind, findings] of found) {
        expect(POSSIBLE[end][kind], `${kind}: ${findings}`).toEqual(
          expect.arrayContaining([...findings.names]),
        )
      }
    },
    TIMEOUT_MS,
  )
})
