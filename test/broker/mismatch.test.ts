import { describe, expect, test } from 'vitest'
import { mismatchOf, sameRegistration } from '../../src/broker/mismatch.ts'
import type { ConsumerRegistration } from '../../src/model/engine.ts'
import { matchAll, parseTagExpression } from '../../src/model/subscription.ts'

function registration(changes: Partial<ConsumerRegistration> = {}): ConsumerRegistration {
  return {
    group: 'billing',
    clientId: 'a',
    messageModel: 'clustering',
    consumeType: 'push',
    mode: 'concurrent',
    allocateStrategy: 'AVG',
    subscriptions: new Map([['orders', matchAll]]),
    ...changes,
  }
}

const paid = new Map([['orders', parseTagExpression('paid')]])

describe('Members of a group', () => {
  test.each<[string, Partial<ConsumerRegistration>, string]>([
    ['message model', { messageModel: 'broadcasting' }, 'another message model (broadcasting)'],
    ['topics', { subscriptions: new Map([['refunds', matchAll]]) }, 'other subscriptions'],
    ['expressions', { subscriptions: paid }, 'other subscriptions'],
    ['mode', { mode: 'orderly' }, 'another mode (orderly)'],
    ['allocation strategy', { allocateStrategy: 'CONFIG' }, 'another allocation strategy (CONFIG)'],
  ])('are told that they differ in their %s, and a new registration counts as one', (_, changes, text) => {
    expect(mismatchOf(registration(changes), registration())).toBe(text)
    expect(sameRegistration(registration(changes), registration())).toBe(false)
  })

  test.each<[string, Partial<ConsumerRegistration>, Partial<ConsumerRegistration>]>([
    ['who they are', { clientId: 'b' }, {}],
    ['what only one says', { mode: undefined, allocateStrategy: undefined }, {}],
    [
      'anything, when all of them are broadcasting',
      { messageModel: 'broadcasting', subscriptions: paid, mode: 'orderly' },
      { messageModel: 'broadcasting' },
    ],
  ])('may differ in %s', (_, a, b) => {
    expect(mismatchOf(registration(a), registration(b))).toBeUndefined()
  })
})
