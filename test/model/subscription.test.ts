import { describe, expect, test } from 'vitest'
import { javaHashCode } from '../../src/model/java-hash.ts'
import { EXPRESSION_MAX_LENGTH } from '../../src/model/limits.ts'
import { matchAll, matchesTag, parseTagExpression } from '../../src/model/subscription.ts'
import { refusal } from './refusal.ts'

function passes(expression: string, tag: string): boolean {
  return matchesTag(parseTagExpression(expression), tag === '' ? 0 : javaHashCode(tag), () => tag)
}

describe('A tag expression', () => {
  test.each(['*', ''])('%j lets every message through, with and without a tag', (expression) => {
    expect(parseTagExpression(expression)).toBe(matchAll)
    expect(passes(expression, 'paid')).toBe(true)
    expect(passes(expression, '')).toBe(true)
  })

  test('lets through the messages that carry one of its tags', () => {
    const filter = parseTagExpression('paid || refunded')
    expect([...filter.tags]).toEqual(['paid', 'refunded'])
    expect(passes('paid || refunded', 'paid')).toBe(true)
    expect(passes('paid || refunded', 'refunded')).toBe(true)
    expect(passes('paid || refunded', 'shipped')).toBe(false)
    expect(passes('paid || refunded', '')).toBe(false)
  })

  test('ignores white space around tags, empty parts and repeated tags', () => {
    expect([...parseTagExpression(' a||b ||  || a ').tags]).toEqual(['a', 'b'])
  })

  test('keeps white space within a tag', () => {
    expect(passes('not paid', 'not paid')).toBe(true)
  })

  test('tells two tags of the same hash apart', () => {
    expect(javaHashCode('Aa')).toBe(javaHashCode('BB'))
    expect(passes('Aa', 'BB')).toBe(false)
  })

  test('asks for the text of a tag only when its hash fits', () => {
    const filter = parseTagExpression('paid')
    expect(matchesTag(filter, javaHashCode('other'), () => expect.unreachable())).toBe(false)
  })

  test.each(['   ', '||', ' || ', 'a | b', 'a|b', '* || a', 'a || *', ' * '])(
    '%j is refused: RocketMQ would take it and match something else',
    (expression) => {
      expect(refusal(() => parseTagExpression(expression)).code).toBe('SUBSCRIPTION_PARSE_FAILED')
    },
  )

  test.each([undefined, null, 7, ['a'], { tags: 'a' }])('%j is refused: it is no string', (expression) => {
    expect(refusal(() => parseTagExpression(expression)).code).toBe('SUBSCRIPTION_PARSE_FAILED')
  })

  test('has at most 4096 characters', () => {
    expect(parseTagExpression('t'.repeat(EXPRESSION_MAX_LENGTH)).tags.size).toBe(1)
    expect(refusal(() => parseTagExpression('t'.repeat(EXPRESSION_MAX_LENGTH + 1))).message).toContain(
      'at most 4096',
    )
  })
})
