import { expect, test } from 'vitest'
import { javaHashCode } from '../../src/model/java-hash.ts'

test.each([
  ['', 0],
  ['a', 97],
  ['order-1', -1207111310],
  ['order-2', -1207111309],
  ['order-3', -1207111308],
  ['user_42', -147134606],
  ['group-9', 293427307],
  ['Aa', 2112],
  ['BB', 2112],
  // UTF-16 units, as Java counts: a surrogate pair is two of them.
  ['😀', 1772899],
  ['polygenelubricants', -2147483648],
])('The hash code of %j is that of Java: %d', (text, hash) => {
  expect(javaHashCode(text)).toBe(hash)
})
