import { describe, expect, test } from 'vitest'
import type { PullRequest } from '../../src/model/engine.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { Signal } from '../helpers/signal.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

/** When pulls of `orders` were made. */
function watchPulls(host: ClientHost): [number, PullRequest][] {
  const pulls: [number, PullRequest][] = []
  const start = host.clock.now()
  host.replace({
    pullMessage: (request) => {
      if (request.queue.topic === 'orders') pulls.push([host.clock.now() - start, request])
      return host.broker.pullMessage(request)
    },
  })
  return pulls
}

describe('A bound for all queues together', () => {
  test('gives each queue an equal share, and more when queues go', async () => {
    const host = await openShop()
    await host.createTopic('refunds')
    await host.send(numbers(50))
    await host.send(numbers(50), { topic: 'refunds' })
    const consumer = await host.consumer({
      subscriptions: { orders: '*', refunds: '*' },
      pullThresholdForTopic: 31,
      pullBatchSize: 1,
      listener: () => new Promise(() => undefined),
    })
    await host.clock.settle()
    // The queue of the retry topic has its share too.
    expect(consumer.stats.unfinishedCount).toBe(20)
    await consumer.unsubscribe('refunds')
    await host.clock.settle()
    expect(consumer.stats.unfinishedCount).toBe(15)
  })

  test('leaves at least one message to each queue', async () => {
    const host = await openShop(3)
    for (const queueId of [0, 1, 2]) await host.send(numbers(5), {}, queueId)
    const seen: string[] = []
    const consumer = await host.consumer({
      pullThresholdForTopic: 1,
      pullBatchSize: 1,
      listener: (message) => void seen.push(message.text()),
    })
    await host.clock.settle()
    expect(seen).toHaveLength(15)
    expect(consumer.stats.unfinishedCount).toBe(0)
  })

  test('counts bytes as well', async () => {
    const host = await openShop(1)
    await host.send(numbers(50).map(() => 'x'.repeat(1000)))
    const gate = new Signal()
    const consumer = await host.consumer({
      pullThresholdSizeForTopicBytes: 20_000,
      pullBatchSize: 1,
      listener: () => gate.promise,
    })
    await host.clock.settle()
    expect(consumer.stats.unfinishedCount).toBeGreaterThanOrEqual(9)
    expect(consumer.stats.unfinishedCount).toBeLessThanOrEqual(10)
    gate.resolve()
    await host.clock.settle()
    expect(consumer.stats.succeededCount).toBe(50)
  })
})

describe('The pull interval', () => {
  test('lies between a pull that found messages and the next', async () => {
    const host = await openShop()
    await host.send(numbers(6))
    const pulls = watchPulls(host)
    await host.consumer({ pullIntervalMs: 100, pullBatchSize: 2, listener: () => undefined })
    await host.clock.advance(1000)
    expect(pulls.map(([ms]) => ms)).toEqual([0, 100, 200, 300])
  })

  test('does not hold up the consumer when it closes or its offset is reset', async () => {
    const host = await openShop()
    await host.send(numbers(2))
    const seen: string[] = []
    const consumer = await host.consumer({
      pullIntervalMs: 60_000,
      listener: (message) => void seen.push(message.text()),
    })
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    await host.clock.settle()
    expect(seen).toEqual(['0', '1', '1'])
    expect(await consumer.close()).toEqual({ drained: true, unfinishedCount: 0 })
  })
})

describe('The statistics of a consumer', () => {
  test('count pulls, messages and what became of them, and add up how long it took', async () => {
    const host = await openShop()
    await host.send(['a', 'b', 'c'])
    const consumer = await host.consumer({
      pullBatchSize: 2,
      concurrency: 1,
      listener: (message) =>
        new Promise<void>((resolve, reject) => {
          host.clock.setTimer(100, message.text() === 'b' ? () => reject(new Error('no')) : resolve)
        }),
    })
    await host.clock.advance(1000)
    expect(consumer.stats).toMatchObject({
      pullCount: 2,
      pulledMessageCount: 3,
      pullDurationMs: 0,
      succeededCount: 2,
      failedCount: 1,
      timedOutCount: 0,
      droppedCount: 0,
      consumeDurationMs: 300,
      runningCount: 0,
      unfinishedCount: 0,
    })
    await host.send(['d'])
    await host.clock.settle()
    expect(consumer.stats.pullDurationMs).toBe(1000)
  })

  test('are values: what was asked for once does not change', async () => {
    const host = await openShop()
    const consumer = await host.consumer({ listener: () => undefined })
    const before = consumer.stats
    await host.send(['a'])
    await host.clock.settle()
    expect([before.succeededCount, consumer.stats.succeededCount]).toEqual([0, 1])
    expect(Object.keys(before)).not.toContain('countPull')
  })
})
