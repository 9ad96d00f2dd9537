import { expect, test } from 'vitest'
import { compareQueues, queueKey } from '../../src/model/message-queue.ts'

const queue = (topic: string, brokerName: string, queueId: number) => ({ topic, brokerName, queueId })

test('Queues are ordered by topic, broker name and number, the number as a number', () => {
  const ordered = [queue('a', 'x', 2), queue('a', 'x', 10), queue('a', 'y', 0), queue('b', 'a', 0)]
  expect([...ordered].reverse().sort(compareQueues)).toEqual(ordered)
})

test('The key of a queue is equal exactly when the queues are equal', () => {
  expect(queueKey(queue('a', 'x', 1))).toBe(queueKey(queue('a', 'x', 1)))
  const others = [
    queue('a', 'x', 1),
    queue('a', 'x', 11),
    queue('a|', 'x', 1),
    queue('a', 'x1', 1),
    queue('b', 'x', 1),
    queue('a', 'x@1', 1),
  ]
  expect(new Set(others.map(queueKey)).size).toBe(others.length)
})
