import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parseOptions } from '../../src/model/parse-options.ts'
import { refusal } from './refusal.ts'

const schema = z.strictObject({
  path: z.string(),
  flushIntervalMs: z.int().min(1).default(500),
  retention: z.strictObject({ maxBytes: z.int().min(1).default(1000) }).optional(),
  rule: z
    .strictObject({ maxAgeMs: z.union([z.int().min(1), z.literal(Number.POSITIVE_INFINITY)]).default(5) })
    .prefault({}),
})

function message(value: unknown): string {
  const error = refusal(() => parseOptions('StoreOptions', schema, value))
  expect(error.code).toBe('INVALID_PARAMETER')
  return error.message
}

test('An object that lacks something is not told that it is an object', () => {
  const hooks = z.strictObject({
    hook: z.custom<object>(
      (value) => typeof value === 'object' && value !== null && 'before' in value,
      'must have before()',
    ),
  })
  const text = (hook: unknown) => refusal(() => parseOptions('Options', hooks, { hook })).message
  expect(text({})).toBe('Options, hook: must have before().')
  expect(text('x')).toBe("Options, hook: must have before(), not 'x'.")
  expect(text([])).toBe('Options, hook: must have before(), not an array.')
})

describe('Options', () => {
  test('come back complete, with every default filled in', () => {
    expect(parseOptions('StoreOptions', schema, { path: 'data', retention: {} })).toEqual({
      path: 'data',
      flushIntervalMs: 500,
      retention: { maxBytes: 1000 },
      rule: { maxAgeMs: 5 },
    })
  })

  test('come back frozen, and leave the object that was given as it was', () => {
    const given = { path: 'data' }
    expect(Object.isFrozen(parseOptions('StoreOptions', schema, given))).toBe(true)
    expect(given).toEqual({ path: 'data' })
  })

  test('come back frozen all the way down', () => {
    const options = parseOptions('StoreOptions', schema, { path: 'data', retention: {} })
    expect(Object.isFrozen(options.retention)).toBe(true)
  })

  test('leave what they hand through as it was: a clock, a signal, a strategy', () => {
    const clock = { now: () => 0 }
    const withClock = z.strictObject({ clock: z.custom<typeof clock>(() => true) })
    const options = parseOptions('Options', withClock, { clock })
    expect(options.clock).toBe(clock)
    expect(Object.isFrozen(clock)).toBe(false)
  })

  test('with an unknown key are refused, and the nearest known one is named', () => {
    expect(message({ path: 'data', flushIntervallMs: 5 })).toBe(
      "StoreOptions: unknown option 'flushIntervallMs'. Did you mean 'flushIntervalMs'?",
    )
  })

  test('with an unknown key far from all others are refused without a guess', () => {
    expect(message({ path: 'data', somethingElse: 5 })).toBe("StoreOptions: unknown option 'somethingElse'.")
  })

  test('with an unknown key further down are refused with the whole path', () => {
    expect(message({ path: 'data', retention: { maxAge: 5 } })).toContain("'retention.maxAge'")
  })

  test('with an unknown key further down are refused, and the nearest known one there is named', () => {
    expect(message({ path: 'data', retention: { maxByte: 5 } })).toBe(
      "StoreOptions: unknown option 'retention.maxByte'. Did you mean 'retention.maxBytes'?",
    )
    expect(message({ path: 'data', rule: { maxAge: 5 } })).toContain("Did you mean 'rule.maxAgeMs'?")
  })

  test('that are refused are shown', () => {
    expect(message({ path: 'data', flushIntervalMs: 0 })).toBe(
      'StoreOptions, flushIntervalMs: Too small: expected number to be >=1, not 0.',
    )
    expect(message({ path: 7 })).toBe('StoreOptions, path: expected string, not 7.')
    expect(message({})).toBe('StoreOptions, path: expected string, not undefined.')
    expect(message({ path: 'data', flushIntervalMs: 'x'.repeat(1000) })).toContain(
      `not '${'x'.repeat(64)}...'`,
    )
    expect(message({ path: [] })).toContain('not an array')
    expect(message({ path: {} })).toContain('not an object')
    expect(message({ path: () => 'data' })).toContain('not a function')
  })

  test('that may be of several kinds are refused with all of them', () => {
    const text = (maxAgeMs: unknown): string => message({ path: 'data', rule: { maxAgeMs } })
    expect(text('soon')).toBe("StoreOptions, rule.maxAgeMs: expected number or Infinity, not 'soon'.")
    expect(text(0.5)).toContain('not 0.5')
    expect(text(0)).toContain('not 0')
  })

  test('with a value out of range are refused with path and reason', () => {
    expect(message({ path: 'data', retention: { maxBytes: 0 } })).toMatch(
      /^StoreOptions, retention\.maxBytes: .*1/,
    )
    expect(message({ path: 7 })).toMatch(/^StoreOptions, path: .*string/)
  })

  test.each([undefined, null, 7, 'data', []])('that are %j are refused', (value) => {
    expect(message(value)).toMatch(/^StoreOptions: /)
  })
})
