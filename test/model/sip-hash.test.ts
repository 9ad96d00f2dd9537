import { expect, test } from 'vitest'
import { floorMod, type Hash64, sipHash24 } from '../../src/model/sip-hash.ts'

const bytesUpTo = (length: number): string => String.fromCharCode(...Array.from({ length }, (_, i) => i))

/** The hash as SipHash writes it: bytes, the lowest first. */
function inBytes({ high, low }: Hash64): string {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(low, 0)
  bytes.writeUInt32LE(high, 4)
  return bytes.toString('hex')
}

// The vectors of SipHash: the bytes 00, 01, 02 ... of that length, under the key 00 .. 0f.
test.each([
  [0, '310e0edd47db6f72'],
  [1, 'fd67dc93c539f874'],
  [2, '5a4fa9d909806c0d'],
  [3, '2d7efbd796666785'],
  [4, 'b7877127e09427cf'],
  [5, '8da699cd64557618'],
  [6, 'cee3fe586e46c9cb'],
  [7, '37d1018bf50002ab'],
  [8, '6224939a79f5f593'],
  [9, 'b0e4a90bdf82009e'],
  [15, 'e545be4961ca29a1'],
  [16, 'db9bc2577fcc2a3f'],
  [23, 'c8ce5ccd8c030ca8'],
  [32, 'ce7cf2722f512771'],
  [62, '575ff28e60381be5'],
  [63, '724506eb4c328a95'],
])('SipHash-2-4 of %d bytes is that of its authors', (length, expected) => {
  expect(inBytes(sipHash24(bytesUpTo(length)))).toBe(expected)
})

// As RocketMQ 5 clients for Java compute them: the hash, and what is left when 3, 4 and 8 divide it.
test.each([
  ['a', 0x2ba3e8e9, 0xa71148ca, [1, 2, 2]],
  ['order-1', 0xc37e18db, 0x31b97687, [0, 3, 7]],
  ['order-2', 0xd9eedac7, 0x9ef31386, [0, 2, 6]],
  ['order-3', 0x4a793c3f, 0x0c974821, [1, 1, 1]],
  ['user_42', 0xd89f332b, 0xc79b1b54, [0, 0, 4]],
  ['fifo-group', 0xa37dcfb0, 0x4f87c774, [2, 0, 4]],
])('The hash of the message group %j and what is left of it are those of Java', (group, high, low, rests) => {
  const hash = sipHash24(group)
  expect(hash).toEqual({ high, low })
  expect([3, 4, 8].map((divisor) => floorMod(hash, divisor))).toEqual(rests)
})

test('What is left is that of a signed number of 64 bits, for every number of queues', () => {
  for (const text of ['', 'a', 'größe', '😀', 'order-1', 'x'.repeat(63)]) {
    const hash = sipHash24(text)
    const signed = BigInt.asIntN(64, (BigInt(hash.high) << 32n) | BigInt(hash.low))
    for (const divisor of [1, 2, 3, 5, 7, 16, 1000, 65_535, 65_536]) {
      const rest = ((signed % BigInt(divisor)) + BigInt(divisor)) % BigInt(divisor)
      expect(floorMod(hash, divisor)).toBe(Number(rest))
    }
  }
})
