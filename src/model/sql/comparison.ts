/**
 * Comparisons of an SQL filter, with the outcomes of RocketMQ's `ComparisonExpression`. What a comparison does is decided when
 * it is compiled, from what stands on its two sides; for a message only values are left.
 */
import {
  type Condition,
  compareNumbers,
  type NumberType,
  type Operand,
  parseBoolean,
  parseDouble,
  parseNumber,
  type ReadProperty,
  type Truth,
} from './operands.ts'

export type Order = '<' | '<=' | '>' | '>='

type Value = string | number | bigint | boolean | null

const UNKNOWN: Condition = () => null

const HOLDS: Readonly<Record<Order, (sign: number) => boolean>> = {
  '<': (sign) => sign < 0,
  '<=': (sign) => sign <= 0,
  '>': (sign) => sign > 0,
  '>=': (sign) => sign >= 0,
}

/** `left < right` and its kin; both sides are properties or numbers. */
export function ordered(left: Operand, order: Order, right: Operand): Condition {
  const holds = HOLDS[order]
  if (left.kind === 'unknown' || right.kind === 'unknown') return UNKNOWN
  // Two properties are compared as doubles, a property and a number in the type of the number.
  const type = numberTypeOf(left, right) ?? 'double'
  const readLeft = numberReader(left, type)
  const readRight = numberReader(right, type)
  return (read) => {
    const a = readLeft(read)
    if (a === null) return null
    const b = readRight(read)
    if (a === undefined || b === undefined) return b === null ? null : undefined
    return b === null ? null : holds(compareNumbers(a, b))
  }
}

/** `left = right`. */
export function equal(left: Operand, right: Operand): Condition {
  const same = sameAs(left, right)
  const readLeft = valueReader(left)
  const readRight = valueReader(right)
  return (read) => {
    const a = readLeft(read)
    const b = readRight(read)
    if (a === undefined || b === undefined) return undefined
    if (a === null || b === null) return a === b ? true : a === null ? null : false
    return same(a, b)
  }
}

export function isNull(operand: Operand): Condition {
  const readValue = valueReader(operand)
  return (read) => {
    const value = readValue(read)
    return value === undefined ? undefined : value === null
  }
}

export function not(condition: Condition): Condition {
  return (read) => {
    const truth = condition(read)
    return typeof truth === 'boolean' ? !truth : truth
  }
}

export function and(left: Condition, right: Condition): Condition {
  return (read) => {
    const a = left(read)
    if (a === false || a === undefined) return a
    const b = right(read)
    if (b === false || b === undefined) return b
    return a === null ? null : b
  }
}

export function or(left: Condition, right: Condition): Condition {
  return (read) => {
    const a = left(read)
    if (a === true || a === undefined) return a
    const b = right(read)
    if (b === true || b === undefined) return b
    return a === null ? null : b
  }
}

/** The truth of what stands alone: a string has none, so it is false. */
export function truthOf(operand: Operand): Condition {
  if (operand.kind === 'condition') return operand.test
  const readValue = valueReader(operand)
  return (read) => (readValue(read) === null ? null : false)
}

function numberTypeOf(left: Operand, right: Operand): NumberType | undefined {
  const types = [left.kind, right.kind].filter(
    (kind) => kind === 'int' || kind === 'long' || kind === 'double',
  )
  if (types.length === 0) return undefined
  if (types.includes('double')) return 'double'
  return types.includes('long') ? 'long' : 'int'
}

/** Reads a side as a number: `null` when it is missing, `undefined` when it is none. */
function numberReader(
  operand: Operand,
  type: NumberType,
): (read: ReadProperty) => number | bigint | null | undefined {
  if (operand.kind === 'int' || operand.kind === 'long' || operand.kind === 'double') {
    const { value } = operand
    return () => value
  }
  if (operand.kind !== 'property') return () => null
  const { name } = operand
  return (read) => {
    const text = read(name)
    return text === undefined ? null : parseNumber(text, type)
  }
}

function valueReader(operand: Operand): (read: ReadProperty) => Value | undefined {
  switch (operand.kind) {
    case 'property': {
      const { name } = operand
      return (read) => read(name) ?? null
    }
    case 'condition':
      return operand.test as (read: ReadProperty) => Truth
    case 'unknown':
      return () => null
    default: {
      const { value } = operand
      return () => value
    }
  }
}

/** Equality of two values that are there, by the types of their sides. */
function sameAs(left: Operand, right: Operand): (a: Value, b: Value) => Truth {
  const type = numberTypeOf(left, right)
  if (type === undefined) return isText(left) && right.kind === 'condition' ? sameBoolean : (a, b) => a === b
  if (left.kind === 'condition' || right.kind === 'condition') return () => false
  const asNumber = (value: Value): number | bigint | undefined =>
    typeof value === 'string' ? parseNumber(value, type) : (value as number | bigint)
  return (a, b) => {
    const x = asNumber(a)
    const y = asNumber(b)
    return x === undefined || y === undefined ? undefined : compareNumbers(x, y) === 0
  }
}

function sameBoolean(text: Value, truth: Value): boolean {
  return parseBoolean(String(text)) === truth
}

function isText({ kind }: Operand): boolean {
  return kind === 'property' || kind === 'string'
}

/** Whether the bounds of BETWEEN, when both are literals, are the wrong way round. */
export function areBoundsReversed(low: Operand, high: Operand): boolean {
  const bounds = [low, high].map((bound) => {
    if (bound.kind === 'int' || bound.kind === 'long' || bound.kind === 'double') return bound.value
    return bound.kind === 'string' ? parseDouble(bound.value) : undefined
  })
  const [from, to] = bounds
  return from !== undefined && to !== undefined && compareNumbers(to, from) < 0
}
