import { describe, expect, test } from 'vitest'
import { type Node, parse, read, walk } from './source.ts'

/** Every door of the package, and the list of the names that it promises. */
const DOORS: readonly (readonly [door: string, list: string])[] = [
  ['src/index.ts', 'test/house/public-names.txt'],
  ['src/opentelemetry/index.ts', 'test/house/public-names-opentelemetry.txt'],
  ['src/testing/index.ts', 'test/house/public-names-testing.txt'],
  ['src/testing/vitest.ts', 'test/house/public-names-testing-vitest.txt'],
  ['src/testing/jest.ts', 'test/house/public-names-testing-jest.txt'],
]

const hint = (door: string, list: string): string => `What ${door} exports and what ${list} promises differ.
A name that disappears breaks its users. If the change is meant, edit ${list} by hand:
one name per line, 'type ' before a name that is only a type, sorted, and mention it in CHANGELOG.md.`

/** The exported names, `type X` for those that are only types; a star export gives no names and is refused. */
function exportedNames(door: string): string[] {
  const names: string[] = []
  walk(parse(door).program, (node) => {
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
  test.each(DOORS)('of %s are those listed in %s', (door, list) => {
    const promised = read(list)
      .split('\n')
      .filter((line) => line !== '')
    expect(exportedNames(door), hint(door, list)).toEqual([...promised].sort())
  })

  test('have a list for every door in package.json', () => {
    const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, { default?: string }> }
    const doors = Object.values(exports)
      .flatMap(({ default: built }) => built ?? [])
      .map((built) => built.replace(/^\.\/dist\/(.*)\.js$/, 'src/$1.ts'))
    expect(DOORS.map(([door]) => door).sort()).toEqual(doors.sort())
  })
})
