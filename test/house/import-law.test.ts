import { describe, expect, test } from 'vitest'
import { type Import, importsOf } from './imports.ts'
import { read, type Source, sourcesIn } from './source.ts'

/** Which folders of src a folder may import, besides itself. Files directly in src may import all of them. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  model: [],
  store: ['model'],
  allocate: ['model'],
  broker: ['model', 'store', 'allocate'],
  cluster: ['model', 'store', 'broker'],
  producer: ['model'],
  consumer: ['model', 'allocate'],
  outbox: ['model', 'producer'],
  tracing: ['model'],
  opentelemetry: ['model', 'tracing'],
  admin: ['model'],
  testing: ['root', 'model', 'store', 'allocate', 'broker', 'cluster', 'producer', 'consumer', 'admin'],
}

const PURE_BUILTINS = ['node:buffer', 'node:crypto', 'node:util', 'node:zlib']

/** Which modules of Node.js a folder may import; `root` means the files directly in src. */
const BUILTINS: Readonly<Record<string, readonly string[]>> = {
  model: [...PURE_BUILTINS, 'node:async_hooks'],
  store: [
    ...PURE_BUILTINS,
    'node:fs',
    'node:fs/promises',
    'node:os',
    'node:worker_threads',
    'node:path',
    'node:process',
    'node:url',
  ],
  allocate: ['node:buffer', 'node:crypto'],
  broker: PURE_BUILTINS,
  cluster: PURE_BUILTINS,
  producer: PURE_BUILTINS,
  consumer: PURE_BUILTINS,
  outbox: PURE_BUILTINS,
  tracing: [...PURE_BUILTINS, 'node:diagnostics_channel'],
  opentelemetry: PURE_BUILTINS,
  admin: PURE_BUILTINS,
  testing: [...PURE_BUILTINS, 'node:assert', 'node:async_hooks', 'node:path', 'node:process'],
  root: [...PURE_BUILTINS, 'node:os', 'node:path', 'node:process', 'node:url'],
}

/** Test frameworks, each with the one file that may import it. */
const FRAMEWORKS: Readonly<Record<string, string>> = {
  vitest: 'src/testing/vitest.ts',
  '@jest/globals': 'src/testing/jest.ts',
}

/** Packages that are the store's affair. */
const DATABASES = ['level', 'classic-level', 'memory-level', 'abstract-level']

const sources = sourcesIn('src')
const imports = new Map(sources.map((source) => [source.path, importsOf(source)]))

/** The folder of src that a file lies in, or `root`. */
function folderOf(path: string): string {
  const parts = path.split('/')
  return parts.length === 2 ? 'root' : (parts[1] ?? '')
}

/** One line for every import that breaks the rule. */
function breaches(rule: (found: Import, source: Source) => string | undefined): string[] {
  return sources.flatMap((source) =>
    (imports.get(source.path) ?? []).flatMap((found) => {
      const reason = rule(found, source)
      return reason === undefined ? [] : [`${found.place} imports '${found.specifier}': ${reason}`]
    }),
  )
}

function edgeBreach({ target }: Import, source: Source): string | undefined {
  if (target === undefined) return
  if (!target.startsWith('src/')) return 'src imports nothing outside src'
  if (!target.endsWith('.ts')) return 'a relative import ends in .ts'
  const from = folderOf(source.path)
  const to = folderOf(target)
  if (from === 'root' || from === to || MAY_IMPORT[from]?.includes(to)) return
  return `${from} may import ${MAY_IMPORT[from]?.join(', ') || 'no other folder'}, not ${to}`
}

function packageBreach(
  { specifier, target }: Import,
  source: Source,
  allowed: readonly string[],
): string | undefined {
  if (target !== undefined) return
  const folder = folderOf(source.path)
  if (specifier.startsWith('node:')) {
    return BUILTINS[folder]?.includes(specifier) ? undefined : `${folder} may not use this part of Node.js`
  }
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (!allowed.includes(name)) return 'it is no dependency in package.json'
  const door = FRAMEWORKS[name]
  if (door !== undefined && door !== source.path) return `only ${door} may import this framework`
  if (DATABASES.includes(name) && !mayUseDatabases(source.path))
    return 'only the store, its test disk and the outbox may import a database'
  return
}

/** The store, the disk in memory that tests put below it, and what joins batches of the application's own database. */
function mayUseDatabases(path: string): boolean {
  return ['src/store/', 'src/testing/disk/', 'src/outbox/'].some((folder) => path.startsWith(folder))
}

/** The first cycle found along value imports, as a list of files that starts and ends with the same one. */
function findCycle(): string[] {
  const finished = new Set<string>()
  const visit = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (finished.has(path)) return []
    for (const { target, typeOnly } of imports.get(path) ?? []) {
      const cycle = target === undefined || typeOnly ? [] : visit(target, [...trail, path])
      if (cycle.length > 0) return cycle
    }
    finished.add(path)
    return []
  }
  for (const { path } of sources) {
    const cycle = visit(path, [])
    if (cycle.length > 0) return cycle
  }
  return []
}

describe('The import law', () => {
  test('knows every folder of src', () => {
    const folders = new Set(sources.map(({ path }) => folderOf(path)))
    folders.delete('root')
    expect([...folders].filter((folder) => !(folder in MAY_IMPORT))).toEqual([])
  })

  test('lets a folder import only the folders below it', () => {
    expect(breaches(edgeBreach)).toEqual([])
  })

  test('lets only some folders use Node.js modules, and only store a database', () => {
    const { dependencies = {}, peerDependencies = {} } = JSON.parse(read('package.json'))
    const allowed = [...Object.keys(dependencies), ...Object.keys(peerDependencies)]
    expect(breaches((found, source) => packageBreach(found, source, allowed))).toEqual([])
  })

  test('allows no cycle between files', () => {
    expect(findCycle().join(' -> ')).toBe('')
  })
})
