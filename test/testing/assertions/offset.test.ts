import { expect, test } from 'vitest'
import { formatOffset } from '../../../src/testing/assertions/offset.ts'

test.each([
  [0, '+0s'],
  [1, '+1ms'],
  [10_500, '+10s500ms'],
  [17_140_000, '+4h45m40s'],
  [90_061_001, '+1d1h1m1s1ms'],
  [-3_600_000, '-1h'],
])('An offset of %i ms reads %s', (offsetMs, text) => {
  expect(formatOffset(offsetMs)).toBe(text)
})
