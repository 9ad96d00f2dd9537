/**
 * Compiles an SQL filter, by recursive descent over RocketMQ's grammar (`SelectorParser.jj`), into a condition.
 *
 * Two things are refused that RocketMQ takes without a word: words behind the end of the expression, which it ignores,
 * and a truth value on the left of a text, on which each evaluation fails.
 */
import { EXPRESSION_MAX_LENGTH } from '../limits.ts'
import { and, areBoundsReversed, equal, isNull, not, type Order, or, ordered, truthOf } from './comparison.ts'
import { type Condition, integerOperand, type Operand } from './operands.ts'
import { sqlError, type Token, tokenize } from './tokens.ts'

/** Parentheses and NOTs within each other. */
const MAX_DEPTH = 64
/** Comparisons, AND, OR and NOT of one expression. */
const MAX_NODES = 256
/** Strings of one IN. */
const MAX_LIST = 256

const ORDERS: ReadonlySet<string> = new Set(['<', '<=', '>', '>='])
const SEARCHES: Readonly<Record<string, (text: string, part: string) => boolean>> = {
  CONTAINS: (text, part) => text.includes(part),
  STARTSWITH: (text, part) => text.startsWith(part),
  ENDSWITH: (text, part) => text.endsWith(part),
}

/** Throws `SUBSCRIPTION_PARSE_FAILED` that shows the place. */
export function compileSql(expression: string): Condition {
  if (expression.length > EXPRESSION_MAX_LENGTH)
    throw sqlError(expression, EXPRESSION_MAX_LENGTH, `longer than ${EXPRESSION_MAX_LENGTH} characters.`)
  return new Parser(expression).run()
}

class Parser {
  readonly #expression: string
  readonly #tokens: readonly Token[]
  #index = 0
  #depth = 0
  #nodeCount = 0

  constructor(expression: string) {
    this.#expression = expression
    this.#tokens = tokenize(expression)
  }

  run(): Condition {
    if (this.#next.kind === 'end')
      throw this.#error(this.#next, 'an empty filter; use "*" for every message.')
    const condition = this.#condition(this.#or())
    const rest = this.#next
    if (rest.kind !== 'end') throw this.#error(rest, endAdvice(rest))
    return condition
  }

  #or(): Operand {
    let left = this.#and()
    while (this.#take('OR')) left = this.#node(left, or(this.#condition(left), this.#condition(this.#and())))
    return left
  }

  #and(): Operand {
    let left = this.#equality()
    while (this.#take('AND')) {
      left = this.#node(left, and(this.#condition(left), this.#condition(this.#equality())))
    }
    return left
  }

  #equality(): Operand {
    let left = this.#comparison()
    for (;;) {
      if (this.#take('=')) left = this.#equal(left, this.#comparison())
      else if (this.#take('<>')) left = this.#negated(this.#equal(left, this.#comparison()))
      else if (this.#take('IS')) left = this.#isNull(left)
      else return left
    }
  }

  #isNull(left: Operand): Operand {
    const isNegated = this.#take('NOT')
    this.#expect('NULL')
    const test = this.#node(left, isNull(left))
    return isNegated ? this.#negated(test) : test
  }

  #comparison(): Operand {
    let left = this.#unary()
    for (;;) {
      if (ORDERS.has(this.#next.text) && this.#next.kind === 'symbol') left = this.#ordered(left)
      else {
        const found = this.#set(left)
        if (found === undefined) return left
        left = found
      }
    }
  }

  #ordered(left: Operand): Operand {
    const order = this.#advance().text as Order
    const right = this.#unary()
    return this.#node(left, ordered(this.#orderable(left), order, this.#orderable(right)))
  }

  /** BETWEEN, IN and searches, each perhaps behind NOT; `undefined` when none of them follows. */
  #set(left: Operand): Operand | undefined {
    const isNegated = this.#isNext('NOT')
    const word = (isNegated ? this.#tokens[this.#index + 1] : this.#next) ?? this.#next
    const rule = word.kind === 'keyword' ? this.#setRule(word.text) : undefined
    if (rule === undefined) return undefined
    this.#index += isNegated ? 2 : 1
    return rule(left, isNegated, word)
  }

  #setRule(word: string): ((left: Operand, isNegated: boolean, at: Token) => Operand) | undefined {
    if (word === 'BETWEEN') return (left, isNegated) => this.#between(left, isNegated)
    if (word === 'IN') return (left, isNegated, at) => this.#in(left, isNegated, at)
    const search = SEARCHES[word]
    return search && ((left, isNegated, at) => this.#search(left, isNegated, at, search))
  }

  #between(value: Operand, isNegated: boolean): Operand {
    const start = this.#next
    const low = this.#orderable(this.#unary())
    this.#expect('AND')
    const high = this.#orderable(this.#unary())
    if (areBoundsReversed(low, high)) throw this.#error(start, 'the lower bound is above the upper one.')
    this.#orderable(value)
    const test = isNegated
      ? or(ordered(value, '<', low), ordered(value, '>', high))
      : and(ordered(value, '>=', low), ordered(value, '<=', high))
    return this.#node(value, test)
  }

  #in(left: Operand, isNegated: boolean, at: Token): Operand {
    const name = this.#propertyName(left, at)
    const texts = new Set<string>()
    this.#expect('(')
    do {
      texts.add(this.#string())
      if (texts.size > MAX_LIST) throw this.#error(at, `more than ${MAX_LIST} strings; subscribe to less.`)
    } while (this.#take(','))
    this.#expect(')')
    return this.#node(left, (read) => {
      const value = read(name)
      return value === undefined ? null : texts.has(value) !== isNegated
    })
  }

  /** A missing property, or nothing to look for, is false, behind NOT too. */
  #search(
    left: Operand,
    isNegated: boolean,
    at: Token,
    isFound: (text: string, part: string) => boolean,
  ): Operand {
    const name = this.#propertyName(left, at)
    const part = this.#string()
    return this.#node(left, (read) => {
      const value = read(name)
      return value !== undefined && part !== '' && isFound(value, part) !== isNegated
    })
  }

  #unary(): Operand {
    const token = this.#next
    if (this.#take('+')) return this.#deeper(() => this.#unary())
    if (this.#take('-')) return this.#deeper(() => this.#negative(token))
    if (this.#take('NOT')) return this.#deeper(() => this.#negated(this.#unary()))
    return this.#primary()
  }

  #negative(minus: Token): Operand {
    if (this.#next.kind === 'integer') return this.#integer(this.#advance(), true)
    const operand = this.#unary()
    const { position } = minus
    if (operand.kind === 'double') return { ...operand, value: -operand.value, position }
    if (operand.kind === 'int' || operand.kind === 'long') {
      const negated = integerOperand(-BigInt(operand.value), operand.kind === 'long', position)
      if (negated !== undefined) return negated
    }
    return { kind: 'unknown', position }
  }

  #primary(): Operand {
    const token = this.#advance()
    const { kind, text, position } = token
    if (kind === 'identifier') return { kind: 'property', name: text, position }
    if (kind === 'string') return { kind: 'string', value: text, position }
    if (kind === 'integer') return this.#integer(token, false)
    if (kind === 'float') return this.#float(token)
    if (kind === 'keyword' && text in CONSTANTS) return constantOperand(CONSTANTS[text]!, position)
    if (kind === 'symbol' && text === '(') return this.#parenthesis()
    throw this.#error(
      token,
      kind === 'end' ? 'something is missing here.' : `'${text}' is not expected here.`,
    )
  }

  #parenthesis(): Operand {
    const inner = this.#deeper(() => this.#or())
    this.#expect(')')
    return inner
  }

  #integer(token: Token, isNegative: boolean): Operand {
    const { text, position } = token
    if (/^0\d/.test(text)) throw this.#error(token, 'a whole number has no leading zeros.')
    const isLong = /[lL]$/.test(text)
    const value = BigInt(isLong ? text.slice(0, -1) : text)
    const operand = integerOperand(isNegative ? -value : value, isLong, position)
    if (operand === undefined) throw this.#error(token, 'the number does not fit into 64 bits.')
    return operand
  }

  #float(token: Token): Operand {
    const value = Number(token.text)
    // RocketMQ holds the constant against Java's smallest positive double.
    if (value === 0 || !Number.isFinite(value))
      throw this.#error(token, 'RocketMQ takes no such number with a fraction; write 0 as a whole number.')
    return { kind: 'double', value, position: token.position }
  }

  #equal(left: Operand, right: Operand): Operand {
    for (const { kind, position, ...rest } of [left, right]) {
      if (kind === 'condition' && 'constant' in rest && rest.constant === null)
        throw this.#error({ position }, 'nothing is equal to NULL; write IS NULL or IS NOT NULL.')
    }
    if (left.kind === 'condition' && right.kind !== 'condition') {
      const text =
        'a truth value cannot be compared with this; if NOT stands before a comparison, put that in parentheses.'
      throw this.#error(left, text)
    }
    return this.#node(left, equal(left, right))
  }

  #negated(operand: Operand): Operand {
    return this.#node(operand, not(this.#condition(operand)))
  }

  /** What may stand beside `<`: not a string, a truth value or NULL. */
  #orderable(operand: Operand): Operand {
    if (operand.kind === 'string') throw this.#error(operand, 'a string has no order; compare it by = or <>.')
    if (operand.kind === 'condition') throw this.#error(operand, 'a truth value has no order.')
    return operand
  }

  #condition(operand: Operand): Condition {
    const { kind } = operand
    if (kind === 'condition' || kind === 'property' || kind === 'unknown') return truthOf(operand)
    throw this.#error(operand, 'this is a value, not a condition.')
  }

  #propertyName(operand: Operand, at: Token): string {
    if (operand.kind !== 'property') throw this.#error(at, `${at.text} asks for a property on its left.`)
    return operand.name
  }

  #string(): string {
    const token = this.#advance()
    if (token.kind !== 'string')
      throw this.#error(token, "a string in single quotes is expected: 'like this'.")
    return token.text
  }

  #node({ position }: Operand, test: Condition): Operand {
    this.#nodeCount += 1
    if (this.#nodeCount > MAX_NODES)
      throw this.#error({ position }, `more than ${MAX_NODES} comparisons and operators.`)
    return { kind: 'condition', test, position }
  }

  #deeper(parse: () => Operand): Operand {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw this.#error(this.#next, `nested deeper than ${MAX_DEPTH} levels.`)
    const operand = parse()
    this.#depth -= 1
    return operand
  }

  get #next(): Token {
    return this.#tokens[this.#index]!
  }

  #advance(): Token {
    const token = this.#next
    if (token.kind !== 'end') this.#index += 1
    return token
  }

  #isNext(text: string): boolean {
    const { kind } = this.#next
    return this.#next.text === text && (kind === 'keyword' || kind === 'symbol')
  }

  #take(text: string): boolean {
    if (!this.#isNext(text)) return false
    this.#index += 1
    return true
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#error(this.#next, `${text} is expected here.`)
  }

  #error({ position }: { readonly position: number }, what: string) {
    return sqlError(this.#expression, position, what)
  }
}

const CONSTANTS: Readonly<Record<string, { readonly value: boolean | null }>> = {
  TRUE: { value: true },
  FALSE: { value: false },
  NULL: { value: null },
}

function constantOperand({ value }: { readonly value: boolean | null }, position: number): Operand {
  return { kind: 'condition', test: () => value, constant: value, position }
}

function endAdvice({ text }: Token): string {
  if (text.toUpperCase() === 'LIKE') return 'there is no LIKE; use CONTAINS, STARTSWITH or ENDSWITH.'
  if (text === '+' || text === '-') return 'there is no arithmetic.'
  return `the filter should end before '${text}'; AND or OR may be missing.`
}
