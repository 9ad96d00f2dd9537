import { describe, expect, test } from 'vitest'
import { type Node, place, type Source, sourcesIn, walk } from './source.ts'

/** The one file that may touch time and randomness; all others are handed a clock and a random source. */
const CLOCK_FILE = 'src/model/system-clock.ts'

/** Names that nobody may refer to. */
const TIMERS = ['setTimeout', 'setInterval', 'setImmediate']
const BANNED_NAMES = [
  ...TIMERS,
  'performance',
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
]

/** Members that nobody may refer to; the star stands for every object. */
const BANNED_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  Date: ['now'],
  Math: ['random'],
  process: ['hrtime', 'uptime', 'nextTick'],
  globalThis: BANNED_NAMES,
  global: BANNED_NAMES,
  '*': ['randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID', 'getRandomValues'],
}

const TIMER_MODULES = ['node:timers', 'node:timers/promises', 'node:perf_hooks']

/** Test files that are child processes or drive them, so that a real timeout is their only way out. */
const MAY_SLEEP = ['test/crash/', 'test/helpers/']

type Rule = (node: Node, parent: Node | undefined, key: string) => string | undefined

/** One line for every node that breaks the rule. */
function breaches(sources: readonly Source[], rule: Rule): string[] {
  const found: string[] = []
  for (const source of sources) {
    walk(source.program, (node, parent, key) => {
      const what = rule(node, parent, key)
      if (what !== undefined) found.push(`${place(source, node.start)} uses ${what}`)
    })
  }
  return found
}

/** The name that an identifier refers to, unless it only names a property, a member or a parameter of a type. */
function referredName(node: Node, parent: Node | undefined, key: string): string | undefined {
  if (node.type !== 'Identifier') return
  if (parent?.type === 'MemberExpression' && key === 'property' && parent.computed !== true) return
  if (key === 'key' && parent?.computed !== true && parent?.shorthand !== true) return
  if (key === 'label') return
  return node.name as string
}

/** `object.property`, also when written `object['property']`. */
function member(node: Node): { object: string; property: string } | undefined {
  if (node.type !== 'MemberExpression') return
  const object = node.object as Node
  const property = node.property as Node
  const name = node.computed === true ? property.value : property.name
  if (typeof name !== 'string') return
  return { object: object.type === 'Identifier' ? (object.name as string) : '', property: name }
}

function readsDate(node: Node): boolean {
  if (node.type !== 'NewExpression' && node.type !== 'CallExpression') return false
  const callee = node.callee as Node
  const bare = node.type === 'CallExpression' || (node.arguments as unknown[]).length === 0
  return bare && callee.type === 'Identifier' && callee.name === 'Date'
}

const noTimeOrChance: Rule = (node, parent, key) => {
  if (readsDate(node)) return 'the current Date'
  if (node.type === 'ImportDeclaration' && TIMER_MODULES.includes((node.source as Node).value as string)) {
    return (node.source as Node).value as string
  }
  const path = member(node)
  if (
    path &&
    (BANNED_MEMBERS[path.object]?.includes(path.property) || BANNED_MEMBERS['*']?.includes(path.property))
  ) {
    return `${path.object}.${path.property}`
  }
  const name = referredName(node, parent, key)
  return name !== undefined && BANNED_NAMES.includes(name) ? name : undefined
}

const noSleep: Rule = (node, parent, key) => {
  if (node.type === 'ImportDeclaration' && (node.source as Node).value === 'node:timers/promises') {
    return 'node:timers/promises'
  }
  const path = member(node)
  if (path?.object === 'globalThis' && ['setTimeout', 'setInterval'].includes(path.property))
    return path.property
  const name = referredName(node, parent, key)
  return name === 'setTimeout' || name === 'setInterval' ? name : undefined
}

describe('The globals of time and randomness', () => {
  test(`are touched nowhere in src but in ${CLOCK_FILE}`, () => {
    const sources = sourcesIn('src').filter(({ path }) => path !== CLOCK_FILE)
    expect(breaches(sources, noTimeOrChance)).toEqual([])
  })

  test('are not slept on by any test', () => {
    const sources = sourcesIn('test').filter(
      ({ path }) => !MAY_SLEEP.some((prefix) => path.startsWith(prefix)),
    )
    expect(breaches(sources, noSleep)).toEqual([])
  })
})
