import { describe, expect, test } from 'vitest'
import { filesIn, lineAt, type Node, place, ROOT, read, sourcesIn, walk } from './source.ts'

const CODE = ['src', 'test', 'bench', 'examples']
const PROSE = ['docs', 'README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']

/** This file names what it bans. */
const SELF = 'test/house/style.test.ts'

/** Type tests prove that something does not compile, and need the marker for it. */
const TYPE_TESTS = 'test/types/'

const texts = [
  ...CODE.flatMap((place) => filesIn(place, '.ts')),
  ...filesIn('scripts', '.mjs'),
  ...PROSE.flatMap((place) => filesIn(place, '.md')),
]
  .filter((path) => path !== SELF)
  .map((path) => ({ path, text: read(path) }))

const sources = sourcesIn(...CODE).filter(({ path }) => path !== SELF)

/** One line for every place in these texts that matches. */
function matches(among: readonly { path: string; text: string }[], pattern: RegExp): string[] {
  return among.flatMap(({ path, text }) =>
    [...text.matchAll(new RegExp(pattern, 'g'))].map(
      (hit) => `${path}:${lineAt(text, hit.index)} ${hit[0].trim()}`,
    ),
  )
}

function castsToAny(): string[] {
  const found: string[] = []
  for (const source of sources) {
    walk(source.program, (node) => {
      const to = node.typeAnnotation as Node | undefined
      if (node.type === 'TSAsExpression' && to?.type === 'TSAnyKeyword') found.push(place(source, node.start))
    })
  }
  return found
}

/** The comments of these sources that match. */
function comments(among: typeof sources, pattern: RegExp): string[] {
  return among.flatMap((source) =>
    source.comments.filter(({ value }) => pattern.test(value)).map(({ start }) => place(source, start)),
  )
}

describe('The style of the house', () => {
  test('leaves no note of unfinished work', () => {
    // RocketMQ's topic SCHEDULE_TOPIC_XXXX is a name, not a note; no word boundary lies inside it.
    expect(matches(texts, /\b(TODO|FIXME|HACK|X{3,})\b/)).toEqual([])
  })

  test('never casts to any', () => {
    expect(castsToAny()).toEqual([])
  })

  test('never silences the compiler', () => {
    expect(comments(sources, /@ts-(ignore|nocheck)/)).toEqual([])
    const outside = sources.filter(({ path }) => !path.startsWith(TYPE_TESTS))
    expect(comments(outside, /@ts-expect-error/)).toEqual([])
  })

  test('keeps every test switched on', () => {
    const tests = texts.filter(({ path }) => path.startsWith('test/'))
    expect(
      matches(tests, /\b(test|it|describe|suite)(\.\w+)*\.(skip|only|todo|fails)\b|\b(xit|fit|xdescribe)\(/),
    ).toEqual([])
  })

  test('names no path of somebody’s machine', () => {
    expect(matches(texts, /(?<![\w.])\/(home|Users|root)\/\w+|\b[A-Z]:\\Users\\/)).toEqual([])
    // Where this clone lies, unless that is a short path that means something else in prose, such as /app.
    const here = ROOT.split('/').length > 2 ? texts.filter(({ text }) => text.includes(`${ROOT}/`)) : []
    expect(here.map(({ path }) => path)).toEqual([])
  })
})
