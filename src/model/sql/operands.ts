/**
 * What stands on the two sides of a comparison. RocketMQ evaluates in Java, so a number literal has one of Java's types, and
 * a property, which is always a string, is converted to the type of the literal that it is compared with.
 */

/** Reads a property of the message; `undefined` when it has none of this name. */
export type ReadProperty = (name: string) => string | undefined

/** Three-valued logic: `null` is unknown. `undefined` says that evaluation failed, and the message does not pass. */
export type Truth = boolean | null | undefined

/** A condition, ready to be asked. */
export type Condition = (read: ReadProperty) => Truth

/** The types that a number literal can have. */
export type NumberType = 'int' | 'long' | 'double'

export type Operand =
  | { readonly kind: 'property'; readonly name: string; readonly position: number }
  | { readonly kind: 'string'; readonly value: string; readonly position: number }
  | { readonly kind: NumberType; readonly value: number | bigint; readonly position: number }
  /** TRUE, FALSE, NULL, or anything with a truth value. */
  | {
      readonly kind: 'condition'
      readonly test: Condition
      readonly constant?: boolean | null
      readonly position: number
    }
  /** A negated property: never a number, so never known. */
  | { readonly kind: 'unknown'; readonly position: number }

const INT_MIN = -(2n ** 31n)
const INT_MAX = 2n ** 31n - 1n
const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n
const INTEGER = /^[+-]?\d+$/
/** Java's `Double.valueOf`, without its hexadecimal form. */
const DOUBLE = /^[+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?)$/
/** No property is read further than a number can be long. */
const NUMBER_MAX_LENGTH = 400

/** The literal of a whole number; `undefined` when it fits no type of Java. */
export function integerOperand(value: bigint, isLong: boolean, position: number): Operand | undefined {
  if (value < LONG_MIN || value > LONG_MAX) return undefined
  const kind = isLong || value < INT_MIN || value > INT_MAX ? 'long' : 'int'
  return { kind, value: kind === 'int' ? Number(value) : value, position }
}

/** A string as a number of this type; `undefined` when it is none. */
export function parseNumber(text: string, type: NumberType): number | bigint | undefined {
  if (text.length > NUMBER_MAX_LENGTH) return undefined
  if (type === 'double') return parseDouble(text)
  if (!INTEGER.test(text)) return undefined
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  const [min, max] = type === 'int' ? [INT_MIN, INT_MAX] : [LONG_MIN, LONG_MAX]
  if (value < min || value > max) return undefined
  return type === 'int' ? Number(value) : value
}

export function parseDouble(text: string): number | undefined {
  const trimmed = text.trim()
  if (!DOUBLE.test(trimmed)) return undefined
  return Number(/[fFdD]$/.test(trimmed) && !trimmed.endsWith('Infinity') ? trimmed.slice(0, -1) : trimmed)
}

/** As Java's `compareTo`: NaN is equal to itself and above all else. */
export function compareNumbers(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1
  if (a > b) return 1
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
}

/** Java's `Boolean.valueOf`: everything but `true` is false. */
export function parseBoolean(text: string): boolean {
  return text.toLowerCase() === 'true'
}
