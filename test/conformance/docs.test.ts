/** The table of chapters in the documentation says what the suite holds. */
import { expect, test } from 'vitest'
import { conformanceChapters } from '../../src/testing/conformance/chapters.ts'
import type { ConformanceRule } from '../../src/testing/conformance/rule.ts'
import { read } from '../house/source.ts'

const DOC = 'docs/conformance.md'
const HEAD = '| chapter | sections | rules | of these `differs` |\n|---|---|---|---|'

function row(title: string, rules: readonly ConformanceRule[]): string {
  const sections = [...new Set(rules.map(({ section }) => Number.parseInt(section, 10)))].sort(
    (a, b) => a - b,
  )
  const differing = rules.filter(({ differs }) => differs)
  return `| ${title} | ${sections.join(', ')} | ${rules.length} | ${differing.length} |`
}

test(`${DOC} lists every chapter with the number of its rules`, () => {
  const rows = conformanceChapters.map(({ title, rules }) => row(title, rules))
  const all = row(
    'All',
    conformanceChapters.flatMap(({ rules }) => rules),
  )
  const table = [HEAD, ...rows, all].join('\n')
  expect(read(DOC).includes(table), `The table of ${DOC} must be:\n\n${table}\n`).toBe(true)
})
