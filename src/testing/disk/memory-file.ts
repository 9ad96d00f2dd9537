/** A file in memory that knows how much of it a power cut leaves. */

const FIRST_CAPACITY_BYTES = 4096

export class MemoryFile {
  #bytes: Buffer
  #lengthBytes: number
  #flushedBytes: number

  /** A file that is on the disk as a whole. */
  constructor(content: Buffer = Buffer.alloc(0)) {
    this.#bytes = content
    this.#lengthBytes = content.length
    this.#flushedBytes = content.length
  }

  get lengthBytes(): number {
    return this.#lengthBytes
  }

  read(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#lengthBytes))
  }

  write(buffers: readonly Buffer[], position: number): number {
    const count = buffers.reduce((sum, { length }) => sum + length, 0)
    this.#reserve(position + count)
    let at = position
    for (const buffer of buffers) at += buffer.copy(this.#bytes, at)
    this.#lengthBytes = Math.max(this.#lengthBytes, at)
    return count
  }

  truncate(lengthBytes: number): void {
    this.#lengthBytes = Math.min(this.#lengthBytes, lengthBytes)
    this.#flushedBytes = Math.min(this.#flushedBytes, lengthBytes)
  }

  /** What lies before is safe from a power cut. */
  flush(lengthBytes = this.#lengthBytes): void {
    this.#flushedBytes = Math.max(this.#flushedBytes, Math.min(lengthBytes, this.#lengthBytes))
  }

  copy(): MemoryFile {
    const copy = new MemoryFile(this.read())
    copy.#flushedBytes = this.#flushedBytes
    return copy
  }

  copyFlushed(): MemoryFile {
    return new MemoryFile(Buffer.from(this.#bytes.subarray(0, this.#flushedBytes)))
  }

  #reserve(lengthBytes: number): void {
    if (lengthBytes <= this.#bytes.length) return
    const grown = Buffer.alloc(Math.max(FIRST_CAPACITY_BYTES, lengthBytes, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#lengthBytes)
    this.#bytes = grown
  }
}
