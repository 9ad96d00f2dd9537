/** What a reader of the package can click on is there: in the repository, and in the package too. */
import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { filesIn, lineAt, ROOT, read } from './source.ts'

const LINK = /\]\(([^)\s]+)\)/g

const { files } = JSON.parse(read('package.json')) as { files: readonly string[] }
const documents = files.flatMap((place) => filesIn(place, '.md'))

interface Link {
  /** Where it stands. */
  readonly place: string
  /** The path from the root, without what follows `#`; that of the document itself if there is none. */
  readonly target: string
  /** What follows `#`. */
  readonly anchor: string | undefined
}

const links: Link[] = documents.flatMap((path) => {
  const text = read(path)
  return [...text.matchAll(LINK)]
    .filter(([, to = '']) => !/^[a-z]+:/.test(to))
    .map(({ index, 1: to = '' }) => {
      const [file = '', anchor] = to.split('#')
      const target = file === '' ? path : posix.join(posix.dirname(path), file)
      return { place: `${path}:${lineAt(text, index)} ${to}`, target, anchor }
    })
})

const isShipped = (path: string): boolean =>
  files.some((place) => path === place || path.startsWith(`${place}/`))

/** The anchors of the headings, as GitHub makes them. */
const anchorsOf = (path: string): string[] =>
  [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

test('Links of the documents in the package lead to files that it holds', () => {
  expect(links.length).toBeGreaterThan(0)
  const dead = links.filter(({ target }) => !existsSync(posix.join(ROOT, target)) || !isShipped(target))
  expect(dead.map(({ place }) => place)).toEqual([])
})

test('Links to headings lead to headings', () => {
  const dead = links.filter(
    ({ target, anchor }) => anchor !== undefined && !anchorsOf(target).includes(anchor),
  )
  expect(dead.map(({ place }) => place)).toEqual([])
})
