/** Reading the repository as text and as syntax trees, for the tests of the house rules. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'

/** Where the repository lies. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A node of the syntax tree (ESTree with TypeScript's additions). */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

/** A parsed file. */
export interface Source {
  /** The path from the root of the repository, with slashes. */
  readonly path: string
  readonly text: string
  readonly program: Node
  readonly comments: readonly { readonly value: string; readonly start: number }[]
}

/** What is seen while walking: the node, its parent, and the parent's key that holds it. */
export type Visit = (node: Node, parent: Node | undefined, key: string) => void

/** All files under a folder, or the file itself, whose name ends so, as sorted paths from the root. */
export function filesIn(place: string, ending: string): string[] {
  try {
    return readdirSync(join(ROOT, place), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTDIR') return place.endsWith(ending) ? [place] : []
    if (code === 'ENOENT') return []
    throw error
  }
}

/** The text of a file. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** Parses one file; a syntax error is an error. */
export function parse(path: string): Source {
  const text = read(path)
  const { program, comments, errors } = parseSync(path, text)
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`)
  return { path, text, program: program as unknown as Node, comments }
}

/** All sources under these places. */
export function sourcesIn(...places: string[]): Source[] {
  return places.flatMap((place) => filesIn(place, '.ts')).map(parse)
}

/** Visits every node, parents first. */
export function walk(node: Node, visit: Visit, parent?: Node, key = ''): void {
  visit(node, parent, key)
  for (const [childKey, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node, childKey)
    }
  }
}

/** The number of the line that holds this character. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** `file:line`, to be clicked on. */
export function place(source: Source, index: number): string {
  return `${source.path}:${lineAt(source.text, index)}`
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}
