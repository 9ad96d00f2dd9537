import { expect, test } from 'vitest'
import {
  type BrokerFaults,
  nextQueue,
  notAvailableMs,
  withAttempt,
} from '../../src/producer/latency-faults.ts'

const NONE: BrokerFaults = new Map()
const queues = ['a', 'a', 'b', 'b', 'c'].map((brokerName, queueId) => ({ brokerName, queueId }))

test.each([
  [0, 0],
  [49, 0],
  [50, 0],
  [549, 0],
  [550, 2000],
  [1799, 2000],
  [1800, 5000],
  [2999, 5000],
  [3000, 6000],
  [5000, 10_000],
  [14_999, 10_000],
  [15_000, 30_000],
  [1e9, 30_000],
])('An answer after %i ms leaves a broker out for %i ms', (latencyMs, restMs) => {
  expect(notAvailableMs(latencyMs)).toBe(restMs)
})

test('A failure that isolates counts as ten seconds, however quick it was', () => {
  const faults = withAttempt(NONE, { brokerName: 'a', latencyMs: 1, isIsolating: true }, 500)
  expect([...faults]).toEqual([['a', 10_500]])
})

test('A quick answer takes a broker off the list, and so does time', () => {
  const slow = withAttempt(NONE, { brokerName: 'a', latencyMs: 600, isIsolating: false }, 0)
  expect([...slow]).toEqual([['a', 2000]])
  expect([...withAttempt(slow, { brokerName: 'a', latencyMs: 1, isIsolating: false }, 10)]).toEqual([])
  const other = { brokerName: 'b', latencyMs: 1, isIsolating: false }
  expect([...withAttempt(slow, other, 1999)]).toEqual([['a', 2000]])
  expect([...withAttempt(slow, other, 2000)]).toEqual([])
  expect([...slow]).toEqual([['a', 2000]])
})

test.each<[string, BrokerFaults, string | undefined, number]>([
  ['the next one', NONE, undefined, 0],
  ['one on another broker than the last', NONE, 'a', 2],
  ['one on a broker that is available', new Map([['a', 100]]), undefined, 2],
  ['one that is both', new Map([['b', 100]]), 'a', 4],
  [
    'one on another broker, when none of these is available',
    new Map([
      ['b', 100],
      ['c', 100],
    ]),
    'a',
    2,
  ],
  ['one on a broker whose time is over', new Map([['a', 50]]), undefined, 0],
])('A queue is chosen: %s', (_, faults, lastBrokerName, queueId) => {
  expect(nextQueue(queues, faults, 50, lastBrokerName)?.queueId).toBe(queueId)
})

test('With one broker a further attempt takes the next queue', () => {
  const own = queues.slice(0, 2)
  expect(nextQueue(own, new Map([['a', 100]]), 50, 'a')).toBe(own[0])
  expect(nextQueue([], NONE, 0)).toBeUndefined()
})
