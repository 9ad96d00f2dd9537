/**
 * Big-endian numbers in buffers. Plain loads and stores are several times faster than `Buffer#writeUInt32BE` and its kin, and
 * what is below runs for every message. What a reader takes from behind the end of a buffer is 0. Numbers of 48 bits hold offsets, timestamps and sequence numbers.
 */

export function writeUInt16(target: Buffer, position: number, value: number): void {
  target[position] = value >>> 8
  target[position + 1] = value
}

export function writeUInt32(target: Buffer, position: number, value: number): void {
  target[position] = value >>> 24
  target[position + 1] = value >>> 16
  target[position + 2] = value >>> 8
  target[position + 3] = value
}

export function writeUInt48(target: Buffer, position: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  target[position] = high >>> 8
  target[position + 1] = high
  writeUInt32(target, position + 2, value >>> 0)
}

export function readUInt16(source: Buffer, position: number): number {
  return ((source[position] as number) << 8) | (source[position + 1] as number)
}

export function readUInt32(source: Buffer, position: number): number {
  return readInt32(source, position) >>> 0
}

export function readInt32(source: Buffer, position: number): number {
  return (
    ((source[position] as number) << 24) |
    ((source[position + 1] as number) << 16) |
    ((source[position + 2] as number) << 8) |
    (source[position + 3] as number)
  )
}

export function readUInt48(source: Buffer, position: number): number {
  return readUInt16(source, position) * 0x1_0000_0000 + readUInt32(source, position + 2)
}

/** Writes text as UTF-8; answers the bytes taken. Short ASCII text, the common case, never leaves JavaScript. */
export function writeText(target: Buffer, position: number, text: string): number {
  const length = text.length
  if (length > SHORT_TEXT) return target.write(text, position, 'utf8')
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return target.write(text, position, 'utf8')
    target[position + i] = code
  }
  return length
}

const SHORT_TEXT = 48
