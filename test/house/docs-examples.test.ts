import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesIn, lineAt, ROOT, read, sourcesIn } from './source.ts'

/** A folder that git ignores. */
const FOLDER = '.cache/doc-examples'

/** A fenced block; what stands before the fence on its line is its indent. */
const FENCE = /^([ \t]*)```(ts|typescript)([^\n]*)\n([\s\S]*?)^[ \t]*```/gm

const CONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: '../..',
    noUnusedLocals: false,
    noUnusedParameters: false,
    paths: {
      pocketmq: ['../../src/index.ts'],
      'pocketmq/opentelemetry': ['../../src/opentelemetry/index.ts'],
      'pocketmq/testing': ['../../src/testing/index.ts'],
      'pocketmq/testing/vitest': ['../../src/testing/vitest.ts'],
      'pocketmq/testing/jest': ['../../src/testing/jest.ts'],
    },
  },
  include: ['*.ts'],
}

interface Example {
  readonly path: string
  readonly line: number
  readonly code: string
}

/** The examples in a text that begins on the given line of its file. */
function examplesIn(path: string, text: string, firstLine = 1): Example[] {
  return [...text.matchAll(FENCE)]
    .filter(([, , , rest = '']) => !rest.split(/\s+/).includes('ignore'))
    .map(({ index, 4: code = '' }) => ({ path, line: firstLine + lineAt(text, index), code }))
}

/** The examples in the comments of the source, which stand behind ` * `. */
function examplesInComments(): Example[] {
  return sourcesIn('src').flatMap(({ path, text, comments }) =>
    comments
      .filter(({ value }) => value.includes('@example'))
      .flatMap(({ value, start }) =>
        examplesIn(path, value.replace(/^[ \t]*\* ?/gm, ''), lineAt(text, start)),
      ),
  )
}

/** Writes each example as a module in which every line keeps the number it has in its document. */
function write({ path, line, code }: Example): string {
  const name = `${path.replaceAll('/', '.')}.${line}.ts`
  writeFileSync(join(ROOT, FOLDER, name), `${'\n'.repeat(line - 1)}${code}\nexport {}\n`)
  return name
}

/** Checks the types of all examples in one run and names each error by its document and line. */
function typeErrors(examples: readonly Example[]): string[] {
  const documents = new Map(examples.map((example) => [write(example), example.path]))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', FOLDER, '--pretty', 'false'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (status === 0) return []
  // Errors in src itself are the business of the types step; lines that start with a space continue an error.
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !/^(src\/|\s)/.test(line))
    .map((line) =>
      line.replace(
        /^\.cache\/doc-examples\/(.+?\.ts)\((\d+),/,
        (_, name, row) => `${documents.get(name)}(${row},`,
      ),
    )
}

describe('The examples in the documentation', () => {
  test('have correct types, in README.md, docs and the comments of the source', { timeout: 60_000 }, () => {
    rmSync(join(ROOT, FOLDER), { recursive: true, force: true })
    mkdirSync(join(ROOT, FOLDER), { recursive: true })
    writeFileSync(join(ROOT, FOLDER, 'tsconfig.json'), JSON.stringify(CONFIG, undefined, 2))

    const documents = [...filesIn('README.md', '.md'), ...filesIn('docs', '.md')]
    const examples = [...documents.flatMap((path) => examplesIn(path, read(path))), ...examplesInComments()]
    console.log(`${examples.length} examples`)
    expect(examples.length).toBeGreaterThan(0)
    expect(typeErrors(examples)).toEqual([])
  })

  test('stand in fenced blocks wherever a comment says @example', () => {
    const bare = sourcesIn('src').flatMap(({ path, text, comments }) =>
      comments
        .filter(({ value }) => value.includes('@example') && !value.includes('```ts'))
        .map(({ start }) => `${path}:${lineAt(text, start)}`),
    )
    expect(bare).toEqual([])
  })
})
