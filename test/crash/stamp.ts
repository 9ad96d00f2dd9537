/**
 * Bodies that prove themselves: each says which send it belongs to, its place in it and how many there are, and ends with
 * a checksum. So a torn batch, a body that was never sent and a changed byte are seen without asking the sender.
 */
import { crc32 } from 'node:zlib'

export interface Stamp {
  /** The send. */
  readonly send: string
  readonly index: number
  readonly count: number
  /** Committed together with this send: the offset that the workload's group has reached, or -1. */
  readonly reached: number
}

/** The text of a body of about this many bytes. */
export function stampBody({ send, index, count, reached }: Stamp, bytes: number): string {
  const head = `${send} ${index} ${count} ${reached} `
  const text = head + 'x'.repeat(Math.max(0, bytes - head.length))
  return `${text} ${crc32(text).toString(16)}`
}

/** What a body says, or `undefined` when it was never made by {@link stampBody}. */
export function readStamp(body: Uint8Array): Stamp | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const end = text.lastIndexOf(' ')
  if (end < 0 || crc32(text.slice(0, end)).toString(16) !== text.slice(end + 1)) return undefined
  const [send, index, count, reached] = text.split(' ', 4)
  return { send: send ?? '', index: Number(index), count: Number(count), reached: Number(reached) }
}
