/**
 * SipHash-2-4 (Aumasson and Bernstein) of a text in UTF-8, under the key 00 01 .. 0f: what RocketMQ 5 clients choose the
 * queue of a message group by (Guava `Hashing.sipHash24()`, semantics section 3.4).
 *
 * The state is four words of 64 bits, each in two halves, since numbers of 64 bits are slow in JavaScript.
 */

/** A hash of 64 bits in two halves, as unsigned numbers. */
export interface Hash64 {
  readonly high: number
  readonly low: number
}

const TWO_32 = 2 ** 32
const WORD_BYTES = 8
const COMPRESSION_ROUNDS = 2
const FINAL_ROUNDS = 4
/** What the state begins with, low half before high half: the constants of SipHash. */
const CONSTANTS = [
  0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462,
]
/** The key, in the same halves; it is mixed in twice. */
const KEY = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]
const BEGINNING = Int32Array.from(CONSTANTS, (constant, i) => constant ^ KEY[i % KEY.length]!)

/** The words of the state, each its low half and then its high half. */
const state = new Int32Array(BEGINNING.length)
const V0 = 0
const V1 = 2
const V2 = 4
const V3 = 6

export function sipHash24(text: string): Hash64 {
  const bytes = Buffer.from(text)
  const { length } = bytes
  const wholeBytes = length - (length % WORD_BYTES)
  state.set(BEGINNING)
  for (let at = 0; at < wholeBytes; at += WORD_BYTES)
    compress(bytes.readInt32LE(at), bytes.readInt32LE(at + 4))
  // The last word holds what is left, and the length in its highest byte.
  compress(halfAt(bytes, wholeBytes), halfAt(bytes, wholeBytes + 4) | (length << 24))
  state[V2] = state[V2]! ^ 0xff
  rounds(FINAL_ROUNDS)
  return { low: folded(0), high: folded(1) }
}

/** What is left, from 0 to `divisor - 1`, when the hash as a signed number is divided (Java's `floorMod`). */
export function floorMod({ high, low }: Hash64, divisor: number): number {
  const ofHigh = (((high | 0) % divisor) + divisor) % divisor
  return (ofHigh * (TWO_32 % divisor) + low) % divisor
}

/** Four bytes, the lowest first; those behind the end count as 0. */
function halfAt(bytes: Uint8Array, at: number): number {
  let half = 0
  for (let i = 0; i < 4; i++) half |= (bytes[at + i] ?? 0) << (8 * i)
  return half
}

function compress(low: number, high: number): void {
  state[V3] = state[V3]! ^ low
  state[V3 + 1] = state[V3 + 1]! ^ high
  rounds(COMPRESSION_ROUNDS)
  state[V0] = state[V0]! ^ low
  state[V0 + 1] = state[V0 + 1]! ^ high
}

function rounds(count: number): void {
  for (let i = 0; i < count; i++) {
    mix(V0, V1, 13)
    swapHalves(V0)
    mix(V2, V3, 16)
    mix(V0, V3, 21)
    mix(V2, V1, 17)
    swapHalves(V2)
  }
}

/** Adds the second word to the first, rotates the second to the left, and mixes the first into it. */
function mix(first: number, second: number, bits: number): void {
  const low = state[second]!
  const high = state[second + 1]!
  const sum = (state[first]! >>> 0) + (low >>> 0)
  const sumLow = sum | 0
  const sumHigh = (state[first + 1]! + high + (sum >= TWO_32 ? 1 : 0)) | 0
  state[first] = sumLow
  state[first + 1] = sumHigh
  state[second] = ((low << bits) | (high >>> (32 - bits))) ^ sumLow
  state[second + 1] = ((high << bits) | (low >>> (32 - bits))) ^ sumHigh
}

/** Rotates by 32 bits. */
function swapHalves(word: number): void {
  const low = state[word]!
  state[word] = state[word + 1]!
  state[word + 1] = low
}

function folded(half: 0 | 1): number {
  return (state[V0 + half]! ^ state[V1 + half]! ^ state[V2 + half]! ^ state[V3 + half]!) >>> 0
}
