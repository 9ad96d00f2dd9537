/** The imports of a source file, in all their forms. */
import { posix } from 'node:path'
import { type Node, place, type Source, walk } from './source.ts'

/** One import. */
export interface Import {
  /** What the source says, such as `./message.ts` or `node:fs`. */
  readonly specifier: string
  /** The path from the root of the repository that a relative specifier means. */
  readonly target: string | undefined
  /** True if nothing of it is left in JavaScript. */
  readonly typeOnly: boolean
  /** `file:line` of the import. */
  readonly place: string
}

const FORMS: Readonly<Record<string, (node: Node) => boolean>> = {
  ImportDeclaration: (node) => node.importKind === 'type' || everyIsType(node, 'importKind'),
  ExportNamedDeclaration: (node) => node.exportKind === 'type' || everyIsType(node, 'exportKind'),
  ExportAllDeclaration: (node) => node.exportKind === 'type',
  ImportExpression: () => false,
  TSImportType: () => true,
}

/** Every import, re-export, `import()` and `import('...')` type of a file. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = []
  walk(source.program, (node) => {
    const isTypeOnly = FORMS[node.type]
    const from = node.source as Node | null | undefined
    if (!isTypeOnly || !from) return
    const specifier = typeof from.value === 'string' ? from.value : source.text.slice(from.start, from.end)
    found.push({
      specifier,
      target: specifier.startsWith('.') ? posix.join(posix.dirname(source.path), specifier) : undefined,
      typeOnly: isTypeOnly(node),
      place: place(source, node.start),
    })
  })
  return found
}

function everyIsType(node: Node, kind: 'importKind' | 'exportKind'): boolean {
  const specifiers = node.specifiers as readonly Node[]
  return specifiers.length > 0 && specifiers.every((specifier) => specifier[kind] === 'type')
}
