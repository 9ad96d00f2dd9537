/** Runs each example of the guide to consumers and compares what it prints with what the guide says that it prints. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { lineAt, ROOT, read } from '../house/source.ts'

const DOC = 'docs/consuming.md'
/** A folder that git ignores. */
const FOLDER = join(ROOT, '.cache/guide-examples')
/** A program, and below it what it prints; both may be indented as part of a list. */
const EXAMPLE = /^( *)```ts\n([\s\S]*?)^ *```\n\n *```text\n([\s\S]*?)^ *```$/gm

const text = read(DOC)
const examples = [...text.matchAll(EXAMPLE)].map(
  ({ index, 1: indent = '', 2: code = '', 3: output = '' }) => ({
    line: lineAt(text, index),
    code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    output: output.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }),
)

afterEach(() => {
  vi.restoreAllMocks()
})

test('Every program of the guide says what it prints', () => {
  expect(examples.length).toBe(text.match(/^ *```ts$/gm)?.length)
})

test.each(examples)(
  'The program in line $line prints what the guide says',
  async ({ line, code, output }) => {
    mkdirSync(FOLDER, { recursive: true })
    const file = join(FOLDER, `line-${line}.ts`)
    writeFileSync(file, `${code}\nexport {}\n`)
    let printed = ''
    vi.spyOn(console, 'log').mockImplementation((...parts: unknown[]) => {
      printed += `${parts.join(' ')}\n`
    })
    await import(/* @vite-ignore */ pathToFileURL(file).href)
    expect(printed).toBe(output)
  },
)
