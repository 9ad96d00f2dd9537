/** The outcomes are those of RocketMQ's own classes where it has any; what is refused instead is marked. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MQError } from '../../../src/model/errors.ts'
import { compileSql } from '../../../src/model/sql/parser.ts'
import { sql } from '../../../src/model/sql/sql-filter.ts'
import { mqError } from '../../helpers/expect-error.ts'

type Properties = Readonly<Record<string, string>>

/** T true, F false, U unknown, RE cannot be evaluated. */
function outcome(expression: string, properties: Properties): string {
  const truth = compileSql(expression)((name) =>
    Object.hasOwn(properties, name) ? properties[name] : undefined,
  )
  if (truth === undefined) return 'RE'
  return truth === null ? 'U' : truth ? 'T' : 'F'
}

function parseProperties(text: string): Properties {
  if (text === '-') return {}
  return Object.fromEntries(text.split(',').map((pair) => pair.split('=') as [string, string]))
}

describe('An SQL filter', () => {
  test.each([
    ['a > 5', 'a=6', 'T'],
    ['a > 5', 'a=abc', 'RE'],
    ['a > 5', 'a=6.5', 'RE'],
    ['a > 5.0', 'a=6.5', 'T'],
    ['a > 5', 'a=3000000000', 'RE'],
    ['a > 3000000000', 'a=3000000001', 'T'],
    ['a > 5', '-', 'U'],
    ['not (a > 5)', '-', 'U'],
    ["a = 'x' or b = 'y'", 'b=y', 'T'],
    ["a = 'x' and b = 'y'", 'b=y', 'U'],
    ['a is null', '-', 'T'],
    ['a is not null', 'a=1', 'T'],
    ["a <> 'x'", '-', 'U'],
    ["a <> 'x'", 'a=y', 'T'],
    ["a in ('x','y')", 'a=y', 'T'],
    ["a not in ('x','y')", 'a=z', 'T'],
    ["a not in ('x','y')", '-', 'U'],
    ['a between 1 and 5', 'a=5', 'T'],
    ['a not between 1 and 5', 'a=6', 'T'],
    ['a not between 1 and 5', 'a=5', 'F'],
    ['a = TRUE', 'a=TRUE', 'T'],
    ['a = TRUE', 'a=yes', 'F'],
    ['a = FALSE', 'a=yes', 'T'],
    ['a', 'a=true', 'F'],
    ['a', '-', 'U'],
    ['TRUE', '-', 'T'],
    ['NULL', '-', 'U'],
    ['a > b', 'a=3,b=2', 'T'],
    ['a > b', 'a=x,b=y', 'RE'],
    ['a = 5', 'a=5.0', 'RE'],
    ['a = 5.0', 'a=5', 'T'],
    ['a = 5L', 'a=5', 'T'],
    ['5 = a', 'a=5', 'T'],
    ['5 < a', 'a=6', 'T'],
    ["a contains 'bc'", 'a=abcd', 'T'],
    ["a contains 'BC'", 'a=abcd', 'F'],
    ["a not contains 'bc'", '-', 'F'],
    ["a not contains 'x'", 'a=abcd', 'T'],
    ["a startswith 'ab'", 'a=abcd', 'T'],
    ["a endswith 'cd'", 'a=abcd', 'T'],
    ["a contains ''", 'a=abcd', 'F'],
    ["a = 'it''s'", "a=it's", 'T'],
    ['-a > -5', 'a=3', 'U'],
    ["NOT (a = 'x')", 'a=y', 'T'],
    ["A = 'x'", 'a=x', 'U'],
    ["a = 'x' -- c", 'a=x', 'T'],
    ["a /* b * / c */ = 'x'", 'a=x', 'T'],
    ["TAGS = 'TagA'", 'TAGS=TagA', 'T'],
    ['a > 1e3', 'a=1001', 'T'],
    ['a >= -2147483648', 'a=-2147483648', 'T'],
    ['a = -9223372036854775808', 'a=-9223372036854775808', 'T'],
    ['a < .5', 'a=0.25', 'T'],
    ['a = b', '-', 'T'],
    ['a = b', 'a=1', 'F'],
    ['a = b', 'b=1', 'U'],
    ["a = (b = 'x')", 'a=true,b=x', 'T'],
    ["(a = 'x') is null", '-', 'T'],
    ["a = 'x' or b > 5", 'a=x,b=abc', 'T'],
    ["a = 'y' or b > 5", 'a=x,b=abc', 'RE'],
    ["a = 'y' and b > 5", 'a=x,b=abc', 'F'],
    ["not a = 'x' or TRUE".replace('not a', 'not (a').replace("'x'", "'x')"), 'a=x', 'T'],
  ])('%s of %s is %s', (expression, properties, expected) => {
    expect(outcome(expression, parseProperties(properties))).toBe(expected)
  })

  test.each([
    ['false', 'null', 'F', 'U'],
    ['true', 'null', 'U', 'T'],
    ['null', 'null', 'U', 'U'],
    ['null', 'false', 'F', 'U'],
    ['null', 'true', 'U', 'T'],
    ['true', 'false', 'F', 'T'],
    ['true', 'true', 'T', 'T'],
    ['false', 'false', 'F', 'F'],
  ])('knows three truths: %s and, or %s are %s, %s', (left, right, and, or) => {
    expect([outcome(`${left} and ${right}`, {}), outcome(`${left} or ${right}`, {})]).toEqual([and, or])
  })

  test.each([
    ['', 0, 'empty'],
    ['   ', 3, 'empty'],
    ["a > 'b'", 4, 'no order'],
    ['a = null', 4, 'IS NULL'],
    ["a != 'x'", 2, '<>'],
    ['a in (1,2)', 6, 'string in single quotes'],
    ['a between 5 and 1', 10, 'lower bound'],
    ["a between 'x' and 'y'", 10, 'no order'],
    ["'a'", 0, 'not a condition'],
    ['5', 0, 'not a condition'],
    ['a > 0.0', 4, 'whole number'],
    ['a > 9223372036854775808', 4, '64 bits'],
    ["a.b = 'x'", 1, 'no meaning'],
    ["a = 'x", 4, 'no end'],
    ['a = "x"', 4, 'single quotes'],
    ["a = 'x' and", 11, 'missing'],
    ["(a = 'x'", 8, ') is expected'],
    ["a = 'x')", 7, 'end before'],
    ['TRUE > 1', 0, 'no order'],
    ["'a' in ('a')", 4, 'a property'],
    ['a is not', 8, 'NULL is expected'],
    ['a contains b', 11, 'string in single quotes'],
  ])('refuses %j at %i, as RocketMQ does', (expression, position, text) => {
    expect(() => sql(expression)).toThrow(mqError('SUBSCRIPTION_PARSE_FAILED', text) as Error)
    expect(() => sql(expression)).toThrow(`at position ${position}:`)
  })

  test.each([
    ['a = 1 b = 2', 'end before'],
    ["a like 'x%'", 'no LIKE'],
    ['a + 1 > 2', 'no arithmetic'],
    ['a > 007', 'leading zeros'],
    ["NOT a = 'x'", 'parentheses'],
    ['TRUE = a', 'truth value'],
  ])('refuses %j, where RocketMQ ignores the rest or never lets a message pass', (expression, text) => {
    expect(() => sql(expression)).toThrow(mqError('SUBSCRIPTION_PARSE_FAILED', text) as Error)
  })

  test('shows the place', () => {
    expect(() => sql("region = 'eu' AND amount >> 10")).toThrow(
      [
        "The SQL filter is wrong at position 26: '>' is not expected here.",
        "  region = 'eu' AND amount >> 10",
        `  ${' '.repeat(26)}^`,
      ].join('\n'),
    )
  })

  test.each([undefined, null, 1, {}])('refuses %j instead of a text', (expression) => {
    expect(() => sql(expression as never)).toThrow(mqError('SUBSCRIPTION_PARSE_FAILED') as Error)
  })

  test.each([
    ['length', `a = '${'x'.repeat(4096)}'`, '4096 characters'],
    ['depth', `${'('.repeat(65)}a is null${')'.repeat(65)}`, '64 levels'],
    ['depth of NOT', `${'not '.repeat(65)} (a is null)`, '64 levels'],
    ['count', Array(200).fill('a = 1').join(' or '), '256 comparisons'],
    [
      'length of a list',
      `a in (${Array.from({ length: 257 }, (_, i) => `'${i}'`).join(',')})`,
      '256 strings',
    ],
  ])('is bounded in its %s', (_, expression, text) => {
    expect(() => sql(expression)).toThrow(mqError('SUBSCRIPTION_PARSE_FAILED', text) as Error)
  })

  test('lets pass only what is true', () => {
    const filter = sql('a > 5')
    const passes = (a: string | undefined) => filter.matches(() => a)
    expect([passes('6'), passes('5'), passes(undefined), passes('six')]).toEqual([true, false, false, false])
  })
})

// ---- against a second implementation, on expressions made by the grammar ----

type Side = { readonly text: string; readonly value: (properties: Properties) => string | number | undefined }

const names = ['a', 'b', 'c']
const property: fc.Arbitrary<Side> = fc
  .constantFrom(...names)
  .map((name) => ({ text: name, value: (properties) => properties[name] }))
const integer: fc.Arbitrary<Side> = fc
  .integer({ min: -20, max: 20 })
  .map((number) => ({ text: String(number), value: () => number }))
const values = fc.constantFrom('', 'x', 'true', '-3', '0', '7', '15', '1.5', 'abc')

type Made = { readonly text: string; readonly truth: (properties: Properties) => boolean | null | 'fails' }

/** The integer in a text, as Java reads it. */
function readInteger(value: string | number): number | undefined {
  if (typeof value === 'number') return value
  return /^[+-]?\d+$/.test(value) ? Number(value) : undefined
}

const comparison: fc.Arbitrary<Made> = fc
  .tuple(property, fc.constantFrom('<', '<=', '>', '>=', '=', '<>'), integer)
  .map(([left, operator, right]) => ({
    text: `${left.text} ${operator} ${right.text}`,
    truth: (properties) => {
      const found = left.value(properties)
      if (found === undefined) return null
      const number = readInteger(found)
      if (number === undefined) return 'fails'
      const other = Number(right.value(properties))
      return {
        '<': number < other,
        '<=': number <= other,
        '>': number > other,
        '>=': number >= other,
        '=': number === other,
        '<>': number !== other,
      }[operator]!
    },
  }))
const membership: fc.Arbitrary<Made> = fc
  .tuple(property, fc.boolean(), fc.uniqueArray(values, { minLength: 1, maxLength: 3 }))
  .map(([left, isNegated, list]) => ({
    text: `${left.text} ${isNegated ? 'NOT ' : ''}IN (${list.map((each) => `'${each}'`).join(', ')})`,
    truth: (properties) => {
      const found = left.value(properties)
      return found === undefined ? null : list.some((each) => each === found) !== isNegated
    },
  }))
const presence: fc.Arbitrary<Made> = fc.tuple(property, fc.boolean()).map(([left, isNegated]) => ({
  text: `${left.text} IS ${isNegated ? 'NOT ' : ''}NULL`,
  truth: (properties) => (left.value(properties) === undefined) !== isNegated,
}))

const { condition } = fc.letrec<{ condition: Made }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    comparison,
    membership,
    presence,
    fc.tuple(tie('condition'), tie('condition')).map(([left, right]) => both(left, right, 'AND', false)),
    fc.tuple(tie('condition'), tie('condition')).map(([left, right]) => both(left, right, 'OR', true)),
    tie('condition').map((inner) => ({
      text: `NOT (${inner.text})`,
      truth: (properties: Properties) => {
        const truth = inner.truth(properties)
        return typeof truth === 'boolean' ? !truth : truth
      },
    })),
  ),
}))

/** AND ends at the first false, OR at the first true; what fails before that fails as a whole. */
function both(left: Made, right: Made, word: string, end: boolean): Made {
  return {
    text: `(${left.text}) ${word} (${right.text})`,
    truth: (properties) => {
      const a = left.truth(properties)
      if (a === end || a === 'fails') return a
      const b = right.truth(properties)
      if (b === end || b === 'fails') return b
      return a === null || b === null ? null : !end
    },
  }
}

describe('An SQL filter, against a second implementation', () => {
  test('agrees on every expression that the grammar makes', () => {
    const properties = fc.dictionary(fc.constantFrom(...names), values)
    fc.assert(
      fc.property(condition, properties, (made, given) => {
        fc.pre(made.text.length < 4000)
        let filter: ReturnType<typeof compileSql>
        try {
          filter = compileSql(made.text)
        } catch (error) {
          if (String(error).includes('more than 256') || String(error).includes('nested deeper')) return
          throw error
        }
        const expected = made.truth(given)
        expect(filter((name) => given[name])).toBe(expected === 'fails' ? undefined : expected)
      }),
      { numRuns: 3000 },
    )
  })

  test('answers or refuses, whatever it is given', () => {
    const word = fc.constantFrom(
      ..."a b NOT AND OR BETWEEN IN IS NULL TRUE CONTAINS = <> < >= ( ) , + - 1 0 1.5 1e9 9l 'x' '' -- /* */ \" ; \u0000 ß".split(
        ' ',
      ),
    )
    const texts = fc.oneof(
      fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
      fc.string({ unit: 'binary', maxLength: 60 }),
    )
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const truth = compileSql(text)((name) => (name === 'a' ? '5' : undefined))
          expect([true, false, null, undefined]).toContain(truth)
        } catch (error) {
          expect((error as MQError).code).toBe('SUBSCRIPTION_PARSE_FAILED')
        }
      }),
      { numRuns: 20_000 },
    )
  })
})
