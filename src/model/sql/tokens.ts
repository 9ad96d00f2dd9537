/** Words of an SQL filter (RocketMQ `SelectorParser`, semantics section 5.4), each with its place for error texts. */
import { MQError } from '../errors.ts'

export type TokenKind = 'keyword' | 'identifier' | 'string' | 'integer' | 'float' | 'symbol' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** A keyword in upper case, a string without its quotes, everything else as it was written. */
  readonly text: string
  /** Counts from 0. */
  readonly position: number
}

const KEYWORDS: ReadonlySet<string> = new Set(
  'NOT AND OR BETWEEN IN IS NULL TRUE FALSE CONTAINS STARTSWITH ENDSWITH'.split(' '),
)

/**
 * What may come next; tried in this order, each at the place where the last one ended, so reading takes time in
 * proportion to the length.
 */
const PATTERNS: readonly (readonly [kind: TokenKind | 'blank', pattern: RegExp])[] = [
  ['blank', /[ \t\n\r\f]+|--[^\n\r]*|\/\*[^*]*\*+(?:[^*/][^*]*\*+)*\//y],
  ['float', /(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+/y],
  ['integer', /\d+[lL]?/y],
  ['identifier', /[A-Za-z_$][A-Za-z0-9_$]*/y],
  ['string', /'[^']*(?:''[^']*)*'/y],
  ['symbol', /<>|<=|>=|[=<>(),+-]/y],
]

/** Cuts a filter into words; throws `SUBSCRIPTION_PARSE_FAILED` at the first place that is none. */
export function tokenize(expression: string): Token[] {
  const tokens: Token[] = []
  let position = 0
  while (position < expression.length) {
    const [kind, text] = nextWord(expression, position)
    if (kind !== 'blank') tokens.push(tokenOf(kind, text, position))
    position += text.length
  }
  tokens.push({ kind: 'end', text: '', position })
  return tokens
}

/** An error that shows the place. */
export function sqlError(expression: string, position: number, what: string): MQError {
  const from = Math.max(0, position - SHOWN_LENGTH / 2)
  const shown = expression.slice(from, from + SHOWN_LENGTH).replaceAll(/[\n\r\t\f]/g, ' ')
  const text = `The SQL filter is wrong at position ${position}: ${what}\n  ${shown}\n  ${' '.repeat(position - from)}^`
  return new MQError('SUBSCRIPTION_PARSE_FAILED', text)
}

const SHOWN_LENGTH = 80

function nextWord(expression: string, position: number): readonly [TokenKind | 'blank', string] {
  for (const [kind, pattern] of PATTERNS) {
    pattern.lastIndex = position
    const match = pattern.exec(expression)
    if (match !== null) return [kind, match[0]]
  }
  throw sqlError(expression, position, adviceAt(expression, position))
}

function tokenOf(kind: TokenKind, text: string, position: number): Token {
  if (kind === 'string') return { kind, text: text.slice(1, -1).replaceAll("''", "'"), position }
  const upper = text.toUpperCase()
  if (kind === 'identifier' && KEYWORDS.has(upper)) return { kind: 'keyword', text: upper, position }
  return { kind, text, position }
}

function adviceAt(expression: string, position: number): string {
  const character = expression[position]
  if (character === "'") return 'this string has no end.'
  if (expression.startsWith('!=', position)) return "write <> instead of '!='."
  if (character === '"') return "strings stand in single quotes: 'like this'."
  return `'${character}' has no meaning here.`
}
