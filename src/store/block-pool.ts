/**
 * Reuses the memory that frames are written into. A frame lives until it is applied, long enough to be promoted to the old
 * generation, where memory comes back only with a full collection; under load that is several hundred megabytes of dead
 * buffers. What a reader has seen is never reused, since its messages are views of the block.
 */

/** Smaller buffers are cheap to make and to collect. */
const BLOCK_MIN_BYTES = 8 * 1024
const BLOCK_MAX_BYTES = 2 * 1024 * 1024

/** A piece of memory with several users; who makes it is the first. */
export class Block {
  readonly buffer: Buffer
  readonly #pool: BlockPool
  #userCount = 1
  /** A reader has seen it: its bytes must stay as they are. */
  isShared = false

  constructor(buffer: Buffer, pool: BlockPool) {
    this.buffer = buffer
    this.#pool = pool
  }

  retain(): void {
    this.#userCount += 1
  }

  /** The last user gives it back to the pool. */
  release(): void {
    this.#userCount -= 1
    if (this.#userCount === 0 && !this.isShared) this.#pool.give(this.buffer)
  }
}

export class BlockPool {
  readonly #maxBytes: number
  /** Free buffers by size, a power of two. */
  readonly #free = new Map<number, Buffer[]>()
  #freeBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A block of at least this size, with whatever was in it. */
  take(bytes: number): Block {
    if (bytes < BLOCK_MIN_BYTES || bytes > BLOCK_MAX_BYTES)
      return new Block(Buffer.allocUnsafeSlow(bytes), this)
    const size = 2 ** Math.ceil(Math.log2(bytes))
    const buffer = this.#free.get(size)?.pop()
    if (buffer === undefined) return new Block(Buffer.allocUnsafeSlow(size), this)
    this.#freeBytes -= size
    return new Block(buffer, this)
  }

  /** Takes a buffer back that nobody reads any more. */
  give(buffer: Buffer): void {
    const size = buffer.length
    if (size < BLOCK_MIN_BYTES || size > BLOCK_MAX_BYTES || this.#freeBytes + size > this.#maxBytes) return
    if (!Number.isInteger(Math.log2(size))) return
    let buffers = this.#free.get(size)
    if (buffers === undefined) {
      buffers = []
      this.#free.set(size, buffers)
    }
    buffers.push(buffer)
    this.#freeBytes += size
  }
}
