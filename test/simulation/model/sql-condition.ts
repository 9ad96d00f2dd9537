/**
 * Conditions of SQL filters as trees: made at random, written as text for the code under test, and evaluated here by the
 * three-valued logic of the standard. What cannot be evaluated ends the evaluation, and the message does not pass.
 */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { SentMessage } from './sends.ts'

/** `null` is unknown. */
type Truth = boolean | null

type Order = '<' | '<=' | '>' | '>='

export type SqlCondition =
  | { readonly kind: 'and' | 'or'; readonly left: SqlCondition; readonly right: SqlCondition }
  | { readonly kind: 'not'; readonly of: SqlCondition }
  | { readonly kind: 'same'; readonly name: string; readonly text: string }
  | { readonly kind: 'one-of'; readonly name: string; readonly texts: readonly string[] }
  | { readonly kind: 'missing'; readonly name: string }
  | { readonly kind: 'ordered'; readonly name: string; readonly order: Order; readonly number: number }
  | { readonly kind: 'between'; readonly name: string; readonly low: number; readonly high: number }
  | { readonly kind: 'begins'; readonly name: string; readonly text: string }

/** What a message has to show to a filter. */
export type Filtered = Pick<SentMessage, 'topic' | 'tag' | 'properties'>

const COLOURS = ['red', 'green', 'blue'] as const
const ORDERS: readonly Order[] = ['<', '<=', '>', '>=']
const DEEPEST = 2

/** Properties that conditions ask for, the same for the same number; some are missing, and some amounts are no numbers. */
export function propertiesOf(number: number): Record<string, string> {
  const amount = number % 13 === 5 ? 'many' : String(number % 10)
  return {
    ...(number % 4 !== 0 && { amount }),
    ...(number % 3 !== 0 && { colour: COLOURS[(number % 7) % 3]! }),
  }
}

export function sqlCondition(random: WorkloadRandom, tags: readonly string[], depth = 0): SqlCondition {
  const dice = depth < DEEPEST ? random.next() : 1
  const inner = (): SqlCondition => sqlCondition(random, tags, depth + 1)
  if (dice < 0.2) return { kind: 'and', left: inner(), right: inner() }
  if (dice < 0.4) return { kind: 'or', left: inner(), right: inner() }
  if (dice < 0.55) return { kind: 'not', of: inner() }
  switch (random.below(7)) {
    case 0:
      return { kind: 'same', name: 'TAGS', text: random.pick(tags) }
    case 1:
      return { kind: 'one-of', name: 'TAGS', texts: [random.pick(tags), random.pick(tags)] }
    case 2:
      return { kind: 'missing', name: random.pick(['TAGS', 'colour', 'amount']) }
    case 3:
      return { kind: 'same', name: 'colour', text: random.pick(COLOURS) }
    case 4:
      return { kind: 'begins', name: 'colour', text: random.pick(COLOURS).slice(0, 1) }
    case 5:
      return { kind: 'between', name: 'amount', low: random.below(5), high: random.between(5, 9) }
    default:
      return { kind: 'ordered', name: 'amount', order: random.pick(ORDERS), number: random.below(10) }
  }
}

export function sqlText(condition: SqlCondition): string {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return `(${sqlText(condition.left)} ${condition.kind.toUpperCase()} ${sqlText(condition.right)})`
    case 'not':
      return `NOT (${sqlText(condition.of)})`
    case 'same':
      return `${condition.name} = '${condition.text}'`
    case 'one-of':
      return `${condition.name} IN (${condition.texts.map((text) => `'${text}'`).join(', ')})`
    case 'missing':
      return `${condition.name} IS NULL`
    case 'ordered':
      return `${condition.name} ${condition.order} ${condition.number}`
    case 'between':
      return `${condition.name} BETWEEN ${condition.low} AND ${condition.high}`
    case 'begins':
      return `${condition.name} STARTSWITH '${condition.text}'`
  }
}

/** Whether a message passes: only what is true does. */
export function passes(condition: SqlCondition, message: Filtered): boolean {
  try {
    return evaluate(condition, message) === true
  } catch (error) {
    if (error instanceof NotEvaluable) return false
    throw error
  }
}

class NotEvaluable extends Error {}

function evaluate(condition: SqlCondition, message: Filtered): Truth {
  switch (condition.kind) {
    case 'and': {
      const left = evaluate(condition.left, message)
      if (left === false) return false
      const right = evaluate(condition.right, message)
      return right === false ? false : left === null ? null : right
    }
    case 'or': {
      const left = evaluate(condition.left, message)
      if (left === true) return true
      const right = evaluate(condition.right, message)
      return right === true ? true : left === null ? null : right
    }
    case 'not': {
      const truth = evaluate(condition.of, message)
      return truth === null ? null : !truth
    }
    default:
      return compare(condition, message)
  }
}

function compare(
  condition: Exclude<SqlCondition, { readonly kind: 'and' | 'or' | 'not' }>,
  { tag, properties }: Filtered,
): Truth {
  const value = condition.name === 'TAGS' ? tag : properties[condition.name]
  if (condition.kind === 'missing') return value === undefined
  // Nothing begins with what is missing, and that is known.
  if (condition.kind === 'begins') return value?.startsWith(condition.text) === true
  if (value === undefined) return null
  switch (condition.kind) {
    case 'same':
      return value === condition.text
    case 'one-of':
      return condition.texts.includes(value)
    case 'between': {
      const number = numberOf(value)
      return number >= condition.low && number <= condition.high
    }
    case 'ordered':
      return holds(numberOf(value), condition.order, condition.number)
  }
}

function numberOf(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number)) throw new NotEvaluable(text)
  return number
}

function holds(left: number, order: Order, right: number): boolean {
  if (order === '<') return left < right
  if (order === '<=') return left <= right
  return order === '>' ? left > right : left >= right
}
