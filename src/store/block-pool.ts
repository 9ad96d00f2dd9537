/**
 * Reuses the buffers that record batches are written into. A batch lives until it is applied, long enough to be promoted
 * to the old generation, where its memory comes back only with a full collection; under load that is several hundred
 * megabytes of dead buffers. What a reader has seen is never reused, since its messages are views of the buffer.
 */

/** Smaller buffers are cheap to make and to collect. */
const BLOCK_MIN_BYTES = 8 * 1024
const BLOCK_MAX_BYTES = 2 * 1024 * 1024

export class BlockPool {
  readonly #maxBytes: number
  /** Free blocks by size, a power of two. */
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A buffer of at least this size, with whatever was in it. */
  take(bytes: number): Buffer {
    if (bytes < BLOCK_MIN_BYTES || bytes > BLOCK_MAX_BYTES) return Buffer.allocUnsafe(bytes)
    const size = 2 ** Math.ceil(Math.log2(bytes))
    const block = this.#free.get(size)?.pop()
    if (block === undefined) return Buffer.allocUnsafeSlow(size)
    this.#freeBytes -= size
    return block
  }

  /** Takes a block back that nobody reads any more. */
  give(block: Buffer): void {
    const size = block.length
    if (size < BLOCK_MIN_BYTES || size > BLOCK_MAX_BYTES || this.#freeBytes + size > this.#maxBytes) return
    if (!Number.isInteger(Math.log2(size))) return
    let blocks = this.#free.get(size)
    if (blocks === undefined) {
      blocks = []
      this.#free.set(size, blocks)
    }
    blocks.push(block)
    this.#freeBytes += size
  }
}
