/** What the tables of a guide say, and what the source has. */
import { type Node, parse, walk } from './source.ts'

/** A row: the first cell without its quotes, and the others by the head of their column. */
export interface Row {
  readonly name: string
  readonly cells: Readonly<Record<string, string>>
}

/** The rows of the table under a heading. */
export function rowsUnder(text: string, heading: string): readonly Row[] {
  const [, section = ''] = text.split(`\n## ${heading}\n`)
  const [head = [], , ...rows] = section
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  return rows.map(([name = '', ...cells]) => ({
    name: name.replaceAll('`', ''),
    cells: Object.fromEntries(cells.map((cell, index) => [head[index + 1]!, cell])),
  }))
}

/** Names whose cell gives another default than the source has. */
export function wrongDefaults(rows: readonly Row[], column: string, defaults: object): readonly string[] {
  return rows.flatMap(({ name, cells }) => {
    const literal = /^`(.*)`$/.exec(cells[column] ?? '')?.[1]
    const value = String(Reflect.get(defaults, name))
    return literal === undefined || literal.replaceAll(/'|(?<=\d)_(?=\d)/g, '') === value ? [] : [name]
  })
}

/** The names of the fields of an interface. */
export function fieldsOf(path: string, name: string): string[] {
  return bodyOf(path, name).map(nameOf)
}

/** The names of what a class shows; the class has the name of its file. */
export function publicMembers(path: string): string[] {
  const name = /\/([a-z-]+)\.ts$/
    .exec(path)?.[1]
    ?.replaceAll(/(?:^|-)(.)/g, (_, letter) => letter.toUpperCase())
  return bodyOf(path, name ?? '')
    .filter(isPublic)
    .map(nameOf)
}

function bodyOf(path: string, name: string): readonly Node[] {
  let found: readonly Node[] | undefined
  walk(parse(path).program, (node) => {
    if (node.type !== 'TSInterfaceDeclaration' && node.type !== 'ClassDeclaration') return
    if ((node.id as Node | null)?.name === name) found = (node.body as Node).body as readonly Node[]
  })
  if (found === undefined) throw new Error(`${path} has no ${name}`)
  return found
}

function nameOf({ key, computed }: Node): string {
  const { name, property } = key as Node
  return computed ? `[Symbol.${(property as Node).name}]` : String(name)
}

function isPublic(member: Node): boolean {
  return (
    (member.key as Node).type !== 'PrivateIdentifier' &&
    member.static !== true &&
    member.kind !== 'constructor' &&
    member.accessibility !== 'private'
  )
}
