import { describe, expect, test } from 'vitest'
import { allocateAveragely } from '../../src/allocate/averagely.ts'
import type { MessageQueue } from '../../src/model/message-queue.ts'

function queuesOf(count: number): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: 'orders', brokerName: 'a', queueId }))
}

function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `C${i}`)
}

/** The queue ids of every member. */
function allocations(queueCount: number, memberCount: number): number[][] {
  const ids = idsOf(memberCount)
  return ids.map((id) =>
    allocateAveragely.allocate('g', id, queuesOf(queueCount), ids).map(({ queueId }) => queueId),
  )
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

describe('The averaging strategy', () => {
  test('bears the name that RocketMQ gives it', () => {
    expect(allocateAveragely.name).toBe('AVG')
  })

  test.each([
    [8, 1, [range(0, 7)]],
    [8, 2, [range(0, 3), range(4, 7)]],
    [8, 3, [range(0, 2), range(3, 5), range(6, 7)]],
    [10, 4, [range(0, 2), range(3, 5), range(6, 7), range(8, 9)]],
    [5, 3, [range(0, 1), range(2, 3), [4]]],
    [7, 3, [range(0, 2), range(3, 4), range(5, 6)]],
    [16, 5, [range(0, 3), range(4, 6), range(7, 9), range(10, 12), range(13, 15)]],
    [4, 4, [[0], [1], [2], [3]]],
    [2, 4, [[0], [1], [], []]],
    [1, 3, [[0], [], []]],
  ])('gives %i queues to %i members as RocketMQ does', (queueCount, memberCount, expected) => {
    expect(allocations(queueCount, memberCount)).toEqual(expected)
  })

  test('gives each queue to exactly one member, in blocks whose sizes differ by at most one, for all small counts', () => {
    for (let queueCount = 1; queueCount <= 24; queueCount++) {
      for (let memberCount = 1; memberCount <= 24; memberCount++) {
        const blocks = allocations(queueCount, memberCount)
        expect(blocks.flat()).toEqual(range(0, queueCount - 1))
        const sizes = blocks.map(({ length }) => length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        expect([...sizes].sort((a, b) => b - a)).toEqual(sizes)
      }
    }
  })

  test('follows the formula that RocketMQ is written with, for all small counts', () => {
    for (let q = 1; q <= 24; q++) {
      for (let c = 1; c <= 24; c++)
        expect(allocations(q, c)).toEqual(idsOf(c).map((_, i) => rocketmq(q, c, i)))
    }
  })

  test('gives nothing to somebody who is no member', () => {
    expect(allocateAveragely.allocate('g', 'stranger', queuesOf(4), idsOf(2))).toEqual([])
  })

  test.each([
    ['an empty id', '', 4, 2],
    ['no queues', 'C0', 0, 2],
    ['no members', 'C0', 4, 0],
  ])('refuses %s', (_, currentId, queueCount, memberCount) => {
    const attempt = () => allocateAveragely.allocate('g', currentId, queuesOf(queueCount), idsOf(memberCount))
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER' }))
  })
})

/** `AllocateMessageQueueAveragely#allocate`, line by line. */
function rocketmq(q: number, c: number, index: number): number[] {
  const mod = q % c
  const averageSize = q <= c ? 1 : mod > 0 && index < mod ? Math.floor(q / c) + 1 : Math.floor(q / c)
  const start = mod > 0 && index < mod ? index * averageSize : index * averageSize + mod
  const size = Math.min(averageSize, q - start)
  return Array.from({ length: Math.max(0, size) }, (_, i) => start + i)
}
