import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parseOptions } from '../../src/model/parse-options.ts'
import { refusal } from './refusal.ts'

const schema = z.strictObject({
  path: z.string(),
  flushIntervalMs: z.int().min(1).default(500),
  retention: z.strictObject({ maxBytes: z.int().min(1).default(1000) }).optional(),
})

function message(value: unknown): string {
  const error = refusal(() => parseOptions('StoreOptions', schema, value))
  expect(error.code).toBe('INVALID_PARAMETER')
  return error.message
}

describe('Options', () => {
  test('come back complete, with every default filled in', () => {
    expect(parseOptions('StoreOptions', schema, { path: 'data', retention: {} })).toEqual({
      path: 'data',
      flushIntervalMs: 500,
      retention: { maxBytes: 1000 },
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
