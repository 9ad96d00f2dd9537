/**
 * The bytes of a body as they are in memory. An object can say anything of itself: a subclass or a field of its own may answer
 * another `byteLength`, and an iterator may give other bytes. What is asked here no application can answer for.
 */

const { prototype } = Object.getPrototypeOf(Uint8Array) as { readonly prototype: Uint8Array }
const trueLength = Object.getOwnPropertyDescriptor(prototype, 'length')!.get as (this: Uint8Array) => number
const trueOffset = Object.getOwnPropertyDescriptor(prototype, 'byteOffset')!.get as (
  this: Uint8Array,
) => number
const trueBuffer = Object.getOwnPropertyDescriptor(prototype, 'buffer')!.get as (
  this: Uint8Array,
) => ArrayBuffer

/** How many bytes there are now: fewer than before when the buffer has shrunk. Throws for what only looks like bytes. */
export function lengthOf(bytes: Uint8Array): number {
  return trueLength.call(bytes)
}

/** A copy that nobody else can change. */
export function copyOf(bytes: Uint8Array): Buffer {
  const length = lengthOf(bytes)
  const copy = Buffer.allocUnsafe(length)
  if (length > 0) copy.set(bytes)
  return copy
}

/** The same memory without anything that the application made of it. */
export function plainView(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(trueBuffer.call(bytes), trueOffset.call(bytes), lengthOf(bytes))
}
