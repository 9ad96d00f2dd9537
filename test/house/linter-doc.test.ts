import { describe, expect, test } from 'vitest'
import { LINT_RULES } from '../../src/testing/lint/rules.ts'
import { filesIn, read } from './source.ts'

const DOC = 'docs/linter.md'

/** The rules as the documentation has to list them; where the two differ, this is what belongs there. */
const rows = LINT_RULES.map(
  ({ code, severity, title, explanation, advice, reference }) =>
    `| \`${code}\` | ${severity} | ${title} | ${explanation} | ${advice} | ${reference} |`,
)

describe(`The table of rules in ${DOC}`, () => {
  test('says of every rule what the source says, in its order, and of no other', () => {
    const lines = read(DOC).split('\n')
    expect(lines.filter((line) => /^\| `[A-Z_]+` \|/.test(line))).toEqual(rows)
  })

  test('has every rule that lies in the folder of the rules', () => {
    const defined = filesIn('src/testing/lint', '.ts').flatMap((path) => [
      ...read(path).matchAll(/^ {2}code: '([A-Z_]+)',$/gm),
    ])
    expect(defined.map(([, code]) => code).sort()).toEqual(LINT_RULES.map(({ code }) => code).sort())
  })

  test('is made of whole sentences', () => {
    const texts = LINT_RULES.flatMap(({ title, explanation, advice }) => [title, explanation, advice])
    expect(texts.filter((text) => !/^\S.*\.$/.test(text) || text.includes('|'))).toEqual([])
  })
})
