import { describe, expect, test } from 'vitest'
import { parseLitePullConsumerOptions } from '../../src/consumer/lite-pull-consumer-options.ts'
import { matchAll } from '../../src/model/subscription.ts'
import { mqError } from '../helpers/expect-error.ts'

describe('Options of a lite pull consumer', () => {
  test('have the defaults of RocketMQ', () => {
    expect(parseLitePullConsumerOptions({ group: 'billing' })).toMatchObject({
      autoCommit: true,
      messageModel: 'clustering',
      autoCommitIntervalMs: 5000,
      pollTimeoutMs: 5000,
      pullBatchSize: 10,
      suspendMs: 20_000,
      pullThresholdForAll: 10_000,
      pullThresholdForQueue: 1000,
      pullThresholdSizeForQueueBytes: 100 * 1024 * 1024,
      consumeMaxSpan: 2000,
      consumeFromWhere: 'LAST_OFFSET',
      subscriptions: undefined,
    })
  })

  test('take any topic, the retry topic of the group too, and add none', () => {
    const { subscriptions } = parseLitePullConsumerOptions({
      group: 'billing',
      subscriptions: { orders: 'paid', '%RETRY%billing': '*' },
    })
    expect([...(subscriptions?.keys() ?? [])]).toEqual(['orders', '%RETRY%billing'])
    expect(subscriptions?.get('%RETRY%billing')).toBe(matchAll)
  })

  test.each<[string, object, string]>([
    ['no group', { group: '' }, 'group'],
    ['a reserved group', { group: 'DEFAULT_CONSUMER' }, 'reserved'],
    ['no topic', { subscriptions: {} }, 'at least one topic'],
    ['a listener', { listener: () => undefined }, "'listener'"],
    ['an interval of nothing', { autoCommitIntervalMs: 0 }, 'autoCommitIntervalMs'],
    ['a wait below 0', { pollTimeoutMs: -1 }, 'pollTimeoutMs'],
    ['no batch', { pullBatchSize: 0 }, 'pullBatchSize'],
    ['a batch that is too large', { pullBatchSize: 1025 }, 'pullBatchSize'],
    ['no room', { pullThresholdForAll: 0 }, 'pullThresholdForAll'],
    ['no room in a queue', { pullThresholdForQueue: 0 }, 'pullThresholdForQueue'],
    [
      'too much room in a queue',
      { pullThresholdSizeForQueueBytes: 2 ** 31 },
      'pullThresholdSizeForQueueBytes',
    ],
    ['no span', { consumeMaxSpan: 65_536 }, 'consumeMaxSpan'],
    ['another start', { consumeFromWhere: 'MIDDLE' }, 'consumeFromWhere'],
    ['a strategy that is none', { allocateStrategy: 'AVG' }, 'allocate()'],
    ['no patience', { handOverTimeoutMs: 0 }, 'handOverTimeoutMs'],
  ])('are refused with %s', (_, options, text) => {
    expect(() => parseLitePullConsumerOptions({ group: 'billing', ...options })).toThrow(
      mqError('INVALID_PARAMETER', text) as Error,
    )
  })

  test('are refused with an expression that cannot be parsed', () => {
    expect(() => parseLitePullConsumerOptions({ group: 'billing', subscriptions: { orders: '||' } })).toThrow(
      mqError('SUBSCRIPTION_PARSE_FAILED') as Error,
    )
  })
})
