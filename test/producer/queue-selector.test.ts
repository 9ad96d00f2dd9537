import { describe, expect, test } from 'vitest'
import type { MessageQueue } from '../../src/model/message-queue.ts'
import {
  type HashArgument,
  selectByHash,
  selectByMachineRoom,
  selectByRandom,
} from '../../src/producer/queue-selector.ts'

function queuesOf(count: number): MessageQueue[] {
  return Array.from({ length: count }, (_, queueId) => ({ topic: 'orders', brokerName: 'a', queueId }))
}

const message = { topic: 'orders', body: 'x' }
const middle = { next: () => 0.5 }

function queueIdByHash(arg: HashArgument, count = 4): number {
  return selectByHash(queuesOf(count), message, arg, middle).queueId
}

describe('selectByHash', () => {
  test.each([
    ['a', 1],
    ['order-1', 2],
    ['order-2', 1],
    ['order-3', 0],
    ['user_42', 2],
    ['group-9', 3],
  ])('sends %s where RocketMQ sends it', (arg, queueId) => {
    expect(queueIdByHash(arg)).toBe(queueId)
  })

  test.each<[string, HashArgument, number]>([
    ['the smallest int, whose sign cannot be taken away', -(2 ** 31), 0],
    ['a negative int', -7, 3],
    ['an int', 42, 2],
    ['a long: 2^32 hashes to 1', 2 ** 32, 1],
    ['a negative long: -2^40 hashes to its two halves', -(2 ** 40), 0],
    ['a bigint, which is a long', 7n, 3],
    ['a negative bigint: -1 hashes to 0', -1n, 0],
    ['true, which hashes to 1231', true, 3],
    ['false, which hashes to 1237', false, 1],
  ])('hashes %s as Java does', (_, arg, queueId) => {
    expect(queueIdByHash(arg)).toBe(queueId)
  })

  test.each([undefined, null, 0.5, Number.NaN, {}, Symbol('x')])('refuses what it cannot hash: %s', (arg) => {
    expect(() => queueIdByHash(arg as HashArgument)).toThrow(
      expect.objectContaining({ code: 'INVALID_PARAMETER' }),
    )
  })
})

describe('selectByMachineRoom', () => {
  const queues = ['hz@a', 'sh@b', 'a', 'hz@c', 'hz@d@e'].map((brokerName) => ({
    ...queuesOf(1)[0]!,
    brokerName,
  }))
  const pick = (rooms: readonly string[], next: number) =>
    selectByMachineRoom(queues, message, rooms, { next: () => next }).brokerName

  test('takes any queue of these rooms, by the randomness of the instance', () => {
    expect([0, 0.49, 0.5, 0.99].map((next) => pick(['hz'], next))).toEqual(['hz@a', 'hz@a', 'hz@c', 'hz@c'])
    expect([0, 0.5, 0.99].map((next) => pick(['sh', 'hz'], next))).toEqual(['hz@a', 'sh@b', 'hz@c'])
  })

  test.each([[[]], [['bj']], [undefined], ['hz']])(
    'refuses rooms without a queue, and what lists none: %j',
    (rooms) => {
      expect(() => pick(rooms as never, 0)).toThrow(expect.objectContaining({ code: 'INVALID_PARAMETER' }))
    },
  )
})

describe('selectByRandom', () => {
  test('takes any queue, by the randomness of the instance', () => {
    const pick = (next: number) =>
      selectByRandom(queuesOf(4), message, undefined, { next: () => next }).queueId
    expect([0, 0.24, 0.25, 0.5, 0.99].map(pick)).toEqual([0, 0, 1, 2, 3])
  })
})
