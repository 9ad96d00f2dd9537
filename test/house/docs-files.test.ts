/** Examples that a guide shows are the files that the tests run, letter by letter. */
import { expect, test } from 'vitest'
import { filesIn, read } from './source.ts'

const FOLDER = 'examples/testing/guide'
const SHOWN = /<!-- (examples\/\S+) -->\n```\w+\n([\s\S]*?)```/g

const shown = [...read('docs/testing.md').matchAll(SHOWN)].map(([, path = '', code = '']) => ({ path, code }))

test.each(shown)('The guide shows $path as it is', ({ path, code }) => {
  expect(code).toBe(read(path))
})

test('The guide shows every example that was made for it', () => {
  const files = [...filesIn(FOLDER, '.ts'), ...filesIn(FOLDER, '.mjs')]
  expect(shown.map(({ path }) => path).sort()).toEqual(files.sort())
})
