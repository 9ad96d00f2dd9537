import { describe, expect, test } from 'vitest'
import type { MessageQueue } from '../../src/model/message-queue.ts'
import {
  choosableQueues,
  queueOfMessageGroup,
  type SendRoute,
  takingQueues,
} from '../../src/model/queue-choice.ts'
import { refusal } from './refusal.ts'

const queues: readonly MessageQueue[] = Array.from({ length: 4 }, (_, queueId) => ({
  topic: 'orders',
  brokerName: 'localhost',
  queueId,
}))

/** A route on which these queues take messages; of an order topic if it says what to choose from. */
function routeOf(taking: readonly number[], choosable?: readonly number[]): SendRoute {
  const of = (ids: readonly number[]) => ids.map((id) => queues[id]!)
  return { topic: 'orders', writeQueues: of(taking), orderQueues: choosable && of(choosable) }
}

const ids = (found: readonly MessageQueue[]): number[] => found.map(({ queueId }) => queueId)

describe('The queues of a send', () => {
  test('are those that take messages, unless the topic is an order topic', () => {
    expect(ids(choosableQueues(routeOf([0, 1])))).toEqual([0, 1])
    expect(ids(choosableQueues(routeOf([0, 1], [0, 1, 2, 3])))).toEqual([0, 1, 2, 3])
  })

  test('that belongs nowhere are those of them that take messages', () => {
    expect(ids(takingQueues(routeOf([0, 1, 2])))).toEqual([0, 1, 2])
    expect(ids(takingQueues(routeOf([0, 1, 2, 3], [0, 1])))).toEqual([0, 1])
    expect(ids(takingQueues(routeOf([1], [0, 1, 2, 3])))).toEqual([1])
  })

  test.each([[routeOf([])], [routeOf([3], [0, 1])]])('of a topic that takes none are refused', (route) => {
    expect(refusal(() => takingQueues(route))).toMatchObject({ code: 'NO_PERMISSION' })
  })

  test('of a message group are one and the same, taking messages or not', () => {
    expect(queueOfMessageGroup(routeOf([0, 1, 2, 3]), 'order-1')).toBe(queues[3])
    expect(queueOfMessageGroup(routeOf([3], [0, 1, 2, 3]), 'order-1')).toBe(queues[3])
    const away = refusal(() => queueOfMessageGroup(routeOf([0, 1, 2], [0, 1, 2, 3]), 'order-1'))
    expect(away).toMatchObject({ code: 'NO_PERMISSION', outcome: 'not-attempted' })
  })

  test('of a message group on a topic without queues are refused', () => {
    expect(refusal(() => queueOfMessageGroup(routeOf([]), 'order-1'))).toMatchObject({
      code: 'NO_PERMISSION',
    })
  })
})
