import { describe, expect, test } from 'vitest'
import { lineAt, type Node, type Source, sourcesIn, walk } from './source.ts'

const LONGEST_FILE = 400
const LONGEST_FUNCTION = 70

const FUNCTIONS = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']

interface Measured {
  readonly what: string
  readonly lines: number
}

const sources = sourcesIn('src')

function measureFile({ path, text }: Source): Measured {
  return { what: path, lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0) }
}

/** Every function and method with the physical lines from its head to its closing brace. */
function measureFunctions({ path, text, program }: Source): Measured[] {
  const found: Measured[] = []
  walk(program, (node, parent) => {
    if (!FUNCTIONS.includes(node.type)) return
    const first = lineAt(text, node.start)
    const name = nameOf(node) ?? nameOf(parent) ?? 'a function'
    found.push({ what: `${path}:${first} ${name}`, lines: lineAt(text, node.end) - first + 1 })
  })
  return found
}

function nameOf(node: Node | undefined): string | undefined {
  const name = ((node?.id ?? node?.key) as Node | null | undefined)?.name
  return typeof name === 'string' ? name : undefined
}

function median(measured: readonly Measured[]): number {
  const sorted = measured.map(({ lines }) => lines).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function longerThan(limit: number, measured: readonly Measured[]): string[] {
  return measured.filter(({ lines }) => lines > limit).map(({ what, lines }) => `${what} has ${lines} lines`)
}

function report(kind: string, measured: readonly Measured[]): void {
  const longest = measured.reduce((max, { lines }) => Math.max(max, lines), 0)
  console.log(`${measured.length} ${kind}: median ${median(measured)} lines, longest ${longest}`)
}

describe('The size of the source', () => {
  test(`stays within ${LONGEST_FILE} lines per file`, () => {
    const files = sources.map(measureFile)
    report('files', files)
    expect(longerThan(LONGEST_FILE, files)).toEqual([])
  })

  test(`stays within ${LONGEST_FUNCTION} lines per function`, () => {
    const functions = sources.flatMap(measureFunctions)
    report('functions', functions)
    expect(longerThan(LONGEST_FUNCTION, functions)).toEqual([])
  })
})
