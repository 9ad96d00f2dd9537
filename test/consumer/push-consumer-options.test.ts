import { describe, expect, test } from 'vitest'
import { allocateAveragely } from '../../src/allocate/averagely.ts'
import {
  type PushConsumerOptions,
  parsePushConsumerOptions,
} from '../../src/consumer/push-consumer-options.ts'
import type { MQErrorCode } from '../../src/model/errors.ts'
import { mqError } from '../helpers/expect-error.ts'

const listener = (): void => undefined
const least = { group: 'billing', subscriptions: { orders: '*' }, listener }

function parse(more: object) {
  return parsePushConsumerOptions({ ...least, ...more } as PushConsumerOptions)
}

describe('The settings of a push consumer', () => {
  test('have the defaults of RocketMQ', () => {
    expect(parse({})).toMatchObject({
      mode: 'concurrent',
      messageModel: 'clustering',
      consumeFromWhere: 'LAST_OFFSET',
      concurrency: 20,
      maxReconsumeTimes: 16,
      consumeTimeoutMs: 15 * 60_000,
      pullBatchSize: 32,
      suspendMs: 15_000,
      pullThresholdForQueue: 1000,
      pullThresholdSizeForQueueBytes: 100 * 1024 * 1024,
      suspendCurrentQueueTimeMs: 1000,
      enableFifoConsumeAccelerator: false,
      pullIntervalMs: 0,
      consumeConcurrentlyMaxSpan: 2000,
      allocateStrategy: allocateAveragely,
      closeTimeoutMs: 10_000,
      listener: { kind: 'single', listen: listener },
    })
  })

  test.each([
    ['concurrent', {}, 16],
    ['orderly', { mode: 'orderly' }, Number.POSITIVE_INFINITY],
    ['orderly with a bound', { mode: 'orderly', maxReconsumeTimes: 3 }, 3],
    ['broadcasting', { messageModel: 'broadcasting' }, 0],
    [
      'broadcasting, with a bound that means nothing',
      { messageModel: 'broadcasting', maxReconsumeTimes: 3 },
      0,
    ],
    ['broadcasting with retries', { messageModel: 'broadcasting', broadcastFailure: 'retry' }, 16],
    ['broadcasting orderly', { messageModel: 'broadcasting', mode: 'orderly' }, Number.POSITIVE_INFINITY],
    [
      'broadcasting orderly that drops',
      { messageModel: 'broadcasting', mode: 'orderly', broadcastFailure: 'drop' },
      0,
    ],
  ])('give a message its retries: %s', (_, options, expected) => {
    expect(parse(options).maxReconsumeTimes).toBe(expected)
  })

  test('subscribe a broadcasting member to no retry topic', () => {
    expect([...parse({ messageModel: 'broadcasting' }).subscriptions.keys()]).toEqual(['orders'])
  })

  test('are frozen', () => {
    expect(Object.isFrozen(parse({}))).toBe(true)
  })

  test('make the listener take arrays when a batch size is given, also when it is 1', () => {
    expect(parse({ consumeMessageBatchMaxSize: 1 }).listener).toEqual({
      kind: 'batch',
      listen: listener,
      maxCount: 1,
    })
  })

  test("subscribe to the group's retry topic by themselves", () => {
    const { subscriptions } = parse({ subscriptions: { orders: 'paid || refunded', returns: '*' } })
    const expressions = [...subscriptions].map(([topic, { expression }]) => [topic, expression])
    expect(expressions).toEqual([
      ['orders', 'paid || refunded'],
      ['returns', '*'],
      ['%RETRY%billing', '*'],
    ])
  })

  test.each<[string, object, MQErrorCode, string]>([
    ['no group', { group: undefined }, 'INVALID_PARAMETER', 'group'],
    ['a group that is no name', { group: 'no spaces' }, 'INVALID_PARAMETER', 'no spaces'],
    ['the group that RocketMQ reserves', { group: 'DEFAULT_CONSUMER' }, 'INVALID_PARAMETER', 'reserved'],
    ['no listener', { listener: undefined }, 'INVALID_PARAMETER', 'listener'],
    ['a listener that is no function', { listener: {} }, 'INVALID_PARAMETER', 'listener'],
    ['no subscriptions', { subscriptions: undefined }, 'INVALID_PARAMETER', 'subscriptions'],
    ['empty subscriptions', { subscriptions: {} }, 'INVALID_PARAMETER', 'at least one topic'],
    ['a topic that is no name', { subscriptions: { 'no spaces': '*' } }, 'INVALID_PARAMETER', 'no spaces'],
    ['a broken expression', { subscriptions: { orders: 'a | b' } }, 'SUBSCRIPTION_PARSE_FAILED', 'a | b'],
    [
      'an expression that is no string',
      { subscriptions: { orders: 1 } },
      'SUBSCRIPTION_PARSE_FAILED',
      'string',
    ],
    ['its own retry topic', { subscriptions: { '%RETRY%billing': '*' } }, 'INVALID_PARAMETER', 'anyway'],
    ['a broadcast failure in a group', { broadcastFailure: 'drop' }, 'INVALID_PARAMETER', 'broadcasting'],
    ['too short a rest', { suspendCurrentQueueTimeMs: 9 }, 'INVALID_PARAMETER', 'suspendCurrentQueueTimeMs'],
    ['too long a rest', { suspendCurrentQueueTimeMs: 30_001 }, 'INVALID_PARAMETER', 'suspendCurrentQueue'],
    ['a rate without a span', { rateLimit: { messages: 1 } }, 'INVALID_PARAMETER', 'rateLimit.perMs'],
    [
      'no messages at all',
      { rateLimit: { messages: 0, perMs: 1 } },
      'INVALID_PARAMETER',
      'rateLimit.messages',
    ],
    ['a hook that hooks nothing', { consumeHooks: [{ name: 'idle' }] }, 'INVALID_PARAMETER', 'before() or'],
    ['a hook that is no function', { consumeHooks: [{ before: 1 }] }, 'INVALID_PARAMETER', 'before() or'],
    ['no messages of all queues', { pullThresholdForTopic: 0 }, 'INVALID_PARAMETER', 'pullThresholdForTopic'],
    ['a negative pause', { pullIntervalMs: -1 }, 'INVALID_PARAMETER', 'pullIntervalMs'],
    ['an unknown mode', { mode: 'parallel' }, 'INVALID_PARAMETER', 'mode'],
    ['a misspelt option', { concurency: 5 }, 'INVALID_PARAMETER', "'concurrency'"],
    ['no concurrency', { concurrency: 0 }, 'INVALID_PARAMETER', 'concurrency'],
    [
      'half a message',
      { consumeMessageBatchMaxSize: 0.5 },
      'INVALID_PARAMETER',
      'consumeMessageBatchMaxSize',
    ],
    [
      'too large a batch',
      { consumeMessageBatchMaxSize: 1025 },
      'INVALID_PARAMETER',
      'consumeMessageBatchMaxSize',
    ],
    ['too large a pull', { pullBatchSize: 1025 }, 'INVALID_PARAMETER', 'pullBatchSize'],
    ['negative retries', { maxReconsumeTimes: -1 }, 'INVALID_PARAMETER', 'maxReconsumeTimes'],
    ['no time to consume', { consumeTimeoutMs: 0 }, 'INVALID_PARAMETER', 'consumeTimeoutMs'],
    ['a time that is no number', { consumeTimestamp: '20260101' }, 'INVALID_PARAMETER', 'consumeTimestamp'],
    [
      'a strategy without a function',
      { allocateStrategy: { name: 'MINE' } },
      'INVALID_PARAMETER',
      'allocateStrategy',
    ],
    [
      'a strategy without a name',
      { allocateStrategy: { name: Symbol('mine'), allocate: () => [] } },
      'INVALID_PARAMETER',
      'must have a name',
    ],
    ['a signal that is none', { signal: {} }, 'INVALID_PARAMETER', 'signal'],
  ])('are refused with %s', (_, more, code, text) => {
    expect(() => parse(more)).toThrow(mqError(code, text))
  })
})
