/** The bodies that product and baselines store: bytes without a pattern, so that compression gains nothing. */

/** Enough different bodies that no cache holds just one; a power of two. */
const BODY_COUNT = 1024

/** Makes the bodies; the same size gives the same bytes on every run. */
export function makeBodies(bodyBytes: number): (index: number) => Buffer {
  const bodies = Array.from({ length: BODY_COUNT }, (_, i) => makeBody(bodyBytes, i + 1))
  return (index) => bodies[index & (BODY_COUNT - 1)] as Buffer
}

/** Marsaglia's xorshift. */
function makeBody(bodyBytes: number, seed: number): Buffer {
  const body = Buffer.alloc(bodyBytes)
  let state = Math.imul(seed, 0x9e3779b1) | 1
  for (let i = 0; i < bodyBytes; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    body[i] = state
  }
  return body
}
