/** The examples for Node's test runner and for Jest run as their users run them; Vitest runs its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { filesIn, ROOT } from '../house/source.ts'

const LONGEST_MS = 60_000

/** Each example, and how it is run. */
const EXAMPLES = {
  'guide/crash.test.ts': 'with the tests of this repository',
  'guide/database.test.ts': 'with the tests of this repository',
  'guide/explain.test.ts': 'with the tests of this repository',
  'guide/explore.test.ts': 'with the tests of this repository',
  'guide/faults.test.ts': 'with the tests of this repository',
  'guide/fork.test.ts': 'with the tests of this repository',
  'guide/jest.test.mjs': 'as ES modules, over the compiled source',
  'guide/linter.test.ts': 'with the tests of this repository',
  'guide/matchers.test.ts': 'with the tests of this repository',
  'guide/node-test.ts': 'with node --test',
  'guide/received.test.ts': 'with the tests of this repository',
  'guide/ten-lines.test.ts': 'with the tests of this repository',
  'guide/two-hours.test.ts': 'with the tests of this repository',
  'jest.test.mjs': 'as ES modules, over the compiled source',
  'node-test.ts': 'with node --test',
  'sixteen-retries.test.ts': 'with the tests of this repository',
  'vitest.test.ts': 'with the tests of this repository',
}

interface Ended {
  readonly code: number
  readonly output: string
}

async function run(...parameters: string[]): Promise<Ended> {
  // A runner that finds itself below another one would report to that.
  const { NODE_TEST_CONTEXT: _, VITEST: __, ...env } = process.env
  const child = spawn(process.execPath, parameters, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code, output: out + errors }
}

/** Compiles src into a folder that git ignores and answers its path from the root: Jest compiles no TypeScript by itself. */
async function compile(): Promise<string> {
  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.cache/jest-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const plain = ['--declaration', '--declarationMap', '--sourceMap', '--inlineSources']
  const { output } = await run(
    'node_modules/typescript/bin/tsc',
    ...['-p', 'tsconfig.build.json', '--outDir', folder],
    ...plain.flatMap((option) => [option, 'false']),
  )
  if (!existsSync(join(folder, 'testing/jest.js'))) throw new Error(`src was not compiled:\n${output}`)
  return relative(ROOT, folder)
}

/** A project that has installed the package needs `transform` only, or not even that. */
const jestConfig = (compiled: string): object => ({
  moduleNameMapper: {
    '^pocketmq/testing$': `<rootDir>/${compiled}/testing/index.js`,
    '^pocketmq/testing/jest$': `<rootDir>/${compiled}/testing/jest.js`,
  },
  roots: ['<rootDir>/examples/testing'],
  rootDir: ROOT,
  transform: {},
  watchman: false,
  cache: false,
})

test('All examples are listed here', () => {
  const names = [...filesIn('examples/testing', '.ts'), ...filesIn('examples/testing', '.mjs')]
  expect(names.map((path) => path.replace('examples/testing/', '')).sort()).toEqual(
    Object.keys(EXAMPLES).sort(),
  )
})

test(`node-test.ts runs ${EXAMPLES['node-test.ts']}`, { timeout: LONGEST_MS }, async () => {
  const files = ['examples/testing/node-test.ts', 'examples/testing/guide/node-test.ts']
  const ended = await run('--import', 'tsx', '--test', '--test-reporter=tap', ...files)
  expect(ended).toEqual({ code: 0, output: expect.stringMatching(/# pass 5\n# fail 0\n/) })
})

test(`jest.test.mjs runs ${EXAMPLES['jest.test.mjs']}`, { timeout: LONGEST_MS }, async () => {
  const config = JSON.stringify(jestConfig(await compile()))
  const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--runInBand']
  const ended = await run(...jest, '--config', config, 'jest.test.mjs')
  expect(ended).toEqual({ code: 0, output: expect.stringContaining('Tests:       5 passed, 5 total') })
})
