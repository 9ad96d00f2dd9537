import { describe, expect, test } from 'vitest'
import { BlockPool } from '../../src/store/block-pool.ts'

const KIB = 1024

describe('A pool of buffers', () => {
  test('gives a buffer that came back to the next who needs one of its size', () => {
    const pool = new BlockPool(1024 * KIB)
    const first = pool.take(20 * KIB)
    expect(first.buffer.length).toBeGreaterThanOrEqual(20 * KIB)
    first.release()
    expect(pool.take(17 * KIB).buffer === first.buffer).toBe(true)
    expect(pool.take(17 * KIB).buffer === first.buffer).toBe(false)
  })

  test('takes a buffer back only from its last user', () => {
    const pool = new BlockPool(1024 * KIB)
    const block = pool.take(20 * KIB)
    block.retain()
    block.release()
    expect(pool.take(20 * KIB).buffer === block.buffer).toBe(false)
    block.release()
    expect(pool.take(20 * KIB).buffer === block.buffer).toBe(true)
  })

  test('never uses again what a reader has seen', () => {
    const pool = new BlockPool(1024 * KIB)
    const block = pool.take(20 * KIB)
    block.isShared = true
    block.release()
    expect(pool.take(20 * KIB).buffer === block.buffer).toBe(false)
  })

  test('keeps no more bytes than it may', () => {
    const pool = new BlockPool(40 * KIB)
    const blocks = [pool.take(32 * KIB), pool.take(32 * KIB)]
    for (const block of blocks) block.release()
    const again = [pool.take(32 * KIB).buffer, pool.take(32 * KIB).buffer]
    expect(again.filter((buffer) => blocks.some((block) => block.buffer === buffer))).toHaveLength(1)
  })

  test('does not bother with small or huge buffers', () => {
    const pool = new BlockPool(100 * 1024 * KIB)
    for (const bytes of [100, 8 * 1024 * KIB]) {
      const block = pool.take(bytes)
      block.release()
      expect(pool.take(bytes).buffer === block.buffer).toBe(false)
    }
  })
})
