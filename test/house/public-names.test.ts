import { describe, expect, test } from 'vitest'
import { type Node, parse, read, walk } from './source.ts'

const DOOR = 'src/index.ts'
const LIST = 'test/house/public-names.txt'

const HINT = `What ${DOOR} exports and what ${LIST} promises differ.
A name that disappears breaks its users. If the change is meant, edit ${LIST} by hand:
one name per line, 'type ' before a name that is only a type, sorted, and mention it in CHANGELOG.md.`

/** The exported names, `type X` for those that are only types; a star export gives no names and is refused. */
function exportedNames(): string[] {
  const names: string[] = []
  walk(parse(DOOR).program, (node) => {
    if (node.type === 'ExportAllDeclaration') names.push('(a star export: list the names)')
    if (node.type === 'ExportDefaultDeclaration') names.push('default')
    if (node.type === 'ExportNamedDeclaration') names.push(...namesOf(node))
  })
  return names.sort()
}

function namesOf(node: Node): string[] {
  if (node.declaration) return ['(a declaration: declare it elsewhere and export it by name)']
  return (node.specifiers as Node[]).map((specifier) => {
    const name = (specifier.exported as Node).name as string
    return node.exportKind === 'type' || specifier.exportKind === 'type' ? `type ${name}` : name
  })
}

describe('The public names', () => {
  test(`are those listed in ${LIST}`, () => {
    const promised = read(LIST)
      .split('\n')
      .filter((line) => line !== '')
    expect(exportedNames(), HINT).toEqual([...promised].sort())
  })
})
