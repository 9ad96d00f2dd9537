/** Push consumption: calls of the listener, their answers, the offset that is committed, flow control, and the end. */
import { strict as assert } from 'node:assert'
import { ConsumeResult, type MessageListener } from '../../../consumer/message-listener.ts'
import type { PushConsumerOptions } from '../../../consumer/push-consumer-options.ts'
import { committed, eventsOf, gate, numbers, refused, send, stuck, subscribe } from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const SUCCESSES: readonly (readonly [title: string, listener: MessageListener])[] = [
  ['A listener that answers nothing has succeeded', () => undefined],
  ['A listener that answers SUCCESS has succeeded', () => 'SUCCESS'],
  ['A listener whose promise resolves has succeeded', async () => undefined],
  ['A listener whose promise resolves to SUCCESS has succeeded', async () => ConsumeResult.SUCCESS],
]

const FAILURES: readonly (readonly [title: string, listener: MessageListener, differs?: boolean])[] = [
  ['A message is retried when its listener answers FAILURE', () => 'FAILURE'],
  [
    'A message is retried when the promise of its listener resolves to FAILURE',
    async () => ConsumeResult.FAILURE,
  ],
  [
    'A message is retried when its listener throws',
    () => {
      throw new Error('no')
    },
  ],
  ['A message is retried when the promise of its listener rejects', () => Promise.reject(new Error('no'))],
  ['A message is retried when its listener answers something else', () => true as never, true],
  ['A message is retried when its listener answers null', () => null as never],
  [
    'A message is retried when its listener answers SUSPEND_CURRENT_QUEUE_A_MOMENT',
    () => ConsumeResult.SUSPEND_CURRENT_QUEUE_A_MOMENT,
  ],
]

function successRule([title, listener]: (typeof SUCCESSES)[number]): ConformanceRule {
  return rule('6.5', title, async (world) => {
    const mq = await world.openShop()
    const retries = eventsOf(mq, 'retry')
    const { consumer } = await subscribe(mq, { listener })
    await send(mq, 'x')
    await mq.until('the offset moves', async () => (await committed(mq)) === 1)
    assert.deepEqual([retries, consumer.stats.succeededCount], [[], 1])
  })
}

function failureRule([title, listener, differs = false]: (typeof FAILURES)[number]): ConformanceRule {
  return rule('6.5', title, { differs }, async (world) => {
    const mq = await world.openShop()
    const retries = eventsOf(mq, 'retry')
    const { consumer } = await subscribe(mq, { listener })
    await send(mq, 'x')
    await mq.until('it is sent back', () => retries.length === 1)
    assert.equal(consumer.stats.failedCount, 1)
  })
}

const OUT_OF_RANGE: readonly Partial<Record<keyof PushConsumerOptions, unknown>>[] = [
  { concurrency: 0 },
  { pullBatchSize: 0 },
  { pullBatchSize: 1025 },
  { consumeMessageBatchMaxSize: 0 },
  { consumeMessageBatchMaxSize: 1025 },
  { pullThresholdForQueue: 0 },
  { pullThresholdForQueue: 65_536 },
  { pullThresholdSizeForQueueBytes: 0 },
  { pullThresholdSizeForQueueBytes: 1024 ** 3 + 1 },
  { consumeConcurrentlyMaxSpan: 0 },
  { consumeConcurrentlyMaxSpan: 65_536 },
  { maxReconsumeTimes: -1 },
  { consumeTimeoutMs: 0 },
  { consumeFromWhere: 'MIDDLE' },
  { messageModel: 'anycast' },
]

export const consuming: ConformanceChapter = {
  title: 'Push consumption',
  rules: [
    rule('6.5', 'Every message is delivered once when its listener succeeds', async (world) => {
      const mq = await world.openShop(4)
      const { texts, consumer } = await subscribe(mq)
      await send(mq, numbers(200))
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 200)
      await mq.rest()
      assert.deepEqual(
        texts()
          .map(Number)
          .sort((a, b) => a - b),
        numbers(200).map(Number),
      )
    }),
    rule('6.4', 'What was stored before the consumer came is delivered too', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const { texts } = await subscribe(mq)
      await mq.until('all are delivered', () => texts().length === 100)
    }),
    rule('6.5', 'One call at a time goes through a queue in the order of its offsets', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const { texts } = await subscribe(mq, { concurrency: 1, listener: async () => undefined })
      await mq.until('all are delivered', () => texts().length === 100)
      assert.deepEqual(texts(), numbers(100))
    }),
    rule('6.1', 'Up to 20 calls of a listener run at a time', async (world) => {
      const mq = await world.openShop(4)
      await send(mq, numbers(50))
      const { consumer } = await subscribe(mq, stuck)
      await mq.until('20 run', () => consumer.stats.runningCount === 20)
      await mq.rest()
      assert.equal(consumer.stats.runningCount, 20)
    }),
    rule('6.1', 'How many calls run at a time is a setting', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(10))
      const { consumer, deliveries } = await subscribe(mq, { ...stuck, concurrency: 3 })
      await mq.until('3 run', () => consumer.stats.runningCount === 3)
      await mq.rest()
      assert.equal(deliveries.length, 3)
    }),
    rule('6.5', 'The context of a call has the queue and the attempt', async (world) => {
      const mq = await world.openShop(2)
      const { deliveries } = await subscribe(mq)
      await send(mq, 'x', { queueId: 1 })
      await mq.until('it arrives', () => deliveries.length === 1)
      const { message, context } = deliveries[0]!
      assert.deepEqual([context.queue, context.queue.queueId, context.deliveryAttempt], [message.queue, 1, 1])
      assert.equal(context.signal.aborted, false)
    }),
    ...SUCCESSES.map(successRule),
    ...FAILURES.map(failureRule),
    rule('6.5', 'A listener that fails does not disturb the messages after it', async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq, {
        listener: (message) => (Number(message.text()) % 2 === 0 ? 'FAILURE' : 'SUCCESS'),
      })
      await send(mq, numbers(10))
      await mq.until('the others are consumed', () => consumer.stats.succeededCount === 5)
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 10)
    }),
    rule('6.3', 'The committed offset is the lowest that is not finished', async (world) => {
      const mq = await world.openShop()
      const first = gate()
      const { consumer } = await subscribe(mq, {
        listener: (message) => (message.text() === '0' ? first.isOpen : undefined),
      })
      await send(mq, numbers(5))
      await mq.until('the others are consumed', () => consumer.stats.succeededCount === 4)
      await mq.rest()
      assert.equal((await committed(mq)) ?? 0, 0)
      first.open()
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 5)
    }),
    rule('6.3', 'When all is finished the committed offset is behind the last message', async (world) => {
      const mq = await world.openShop(2)
      await subscribe(mq)
      await send(mq, numbers(3), { queueId: 1 })
      await mq.until('the offset is behind all', async () => (await committed(mq, { queueId: 1 })) === 3)
      assert.ok(((await committed(mq)) ?? 0) === 0)
    }),
    rule('6.4', 'Pulling pauses at the count of unfinished messages, and goes on below it', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const hold = gate()
      const limits = { pullThresholdForQueue: 25, pullBatchSize: 10 }
      const { consumer } = await subscribe(mq, { ...limits, listener: () => hold.isOpen })
      await mq.until('enough is fetched', () => consumer.stats.unfinishedCount >= 25)
      await mq.rest()
      assert.ok(consumer.stats.unfinishedCount <= 36, `${consumer.stats.unfinishedCount} are fetched`)
      hold.open()
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 100)
    }),
    rule(
      '6.4',
      'Pulling pauses at the bytes of unfinished messages, and goes on below them',
      async (world) => {
        const mq = await world.openShop()
        await send(
          mq,
          numbers(50).map((text) => text.padEnd(1000)),
        )
        const hold = gate()
        const limits = { pullThresholdSizeForQueueBytes: 10_000, pullBatchSize: 1 }
        const { consumer } = await subscribe(mq, { ...limits, listener: () => hold.isOpen })
        await mq.until('enough is fetched', () => consumer.stats.unfinishedCount >= 9)
        await mq.rest()
        assert.ok(consumer.stats.unfinishedCount <= 12, `${consumer.stats.unfinishedCount} are fetched`)
        hold.open()
        await mq.until('all are consumed', () => consumer.stats.succeededCount === 50)
      },
    ),
    rule('6.4', 'Pulling pauses when one stuck message has too many behind it', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const first = gate()
      const { consumer } = await subscribe(mq, {
        consumeConcurrentlyMaxSpan: 40,
        pullBatchSize: 10,
        listener: (message) => (message.text() === '0' ? first.isOpen : undefined),
      })
      await mq.until('40 are fetched', () => consumer.stats.succeededCount >= 39)
      await mq.rest()
      assert.ok(consumer.stats.succeededCount <= 51, `${consumer.stats.succeededCount} are consumed`)
      first.open()
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 100)
    }),
    rule('6.1', 'A consumer may subscribe to several topics', async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'invoices', queues: 2 }] })
      const { texts } = await subscribe(mq, { subscriptions: { orders: '*', invoices: '*' } })
      await send(mq, 'order')
      await send(mq, 'invoice', { topic: 'invoices' })
      await mq.until('both arrive', () => texts().length === 2)
      assert.deepEqual(texts().sort(), ['invoice', 'order'])
    }),
    rule('6.4', 'A consumer that is paused starts nothing, and goes on when it is resumed', async (world) => {
      const mq = await world.openShop()
      const { texts, consumer } = await subscribe(mq)
      consumer.pause()
      await send(mq, numbers(3))
      await mq.rest()
      assert.deepEqual(texts(), [])
      consumer.resume()
      await mq.until('all arrive', () => texts().length === 3)
    }),
    rule('6.5', 'A listener may send', async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, {
        listener: async (message) => {
          if (message.text().length < 5) await send(mq, `${message.text()}x`)
        },
      })
      await send(mq, 'x')
      await mq.until('the chain ends', () => texts().length === 5)
    }),
    rule('6.5', 'A consumer that closes waits for its listeners, and starts nothing more', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const { deliveries, consumer } = await subscribe(mq, { listener: () => hold.isOpen, concurrency: 1 })
      await send(mq, numbers(3))
      await mq.until('the first runs', () => deliveries.length === 1)
      const closing = consumer.close()
      await send(mq, 'later')
      hold.open()
      assert.deepEqual(await closing, { drained: true, unfinishedCount: 0 })
      await mq.rest()
      assert.equal(deliveries.length, 1)
      assert.equal(await committed(mq), 1)
    }),
    rule('6.5', 'What a closed consumer had not started goes to the next', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const first = await subscribe(mq, { listener: () => hold.isOpen, concurrency: 1 })
      await send(mq, numbers(5))
      await mq.until('the first runs', () => first.deliveries.length === 1)
      hold.open()
      await first.consumer.close()
      const second = await subscribe(mq)
      const all = (): string[] => [...first.texts(), ...second.texts()]
      await mq.until('the next gets the rest', () => all().length === 5)
      assert.deepEqual(all().sort(), numbers(5))
    }),
    rule(
      '6.5',
      'What a listener did not finish in time for the close is delivered again',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const warnings = eventsOf(mq, 'warning')
        const { listener } = stuck
        const { consumer, deliveries } = await subscribe(mq, { listener, closeTimeoutMs: 3000 })
        await send(mq, 'x')
        await mq.rest()
        const closing = consumer.close()
        await mq.advance('3s')
        assert.deepEqual(await closing, { drained: false, unfinishedCount: 1 })
        assert.equal(deliveries[0]?.context.signal.aborted, true)
        assert.deepEqual(
          warnings.map(({ code }) => code),
          ['CLOSE_TIMEOUT'],
        )
        const next = await subscribe(mq)
        await mq.until('it is delivered again', () => next.texts().length === 1)
        assert.equal(next.deliveries[0]?.message.reconsumeTimes, 0)
      },
    ),
    rule('6.1', 'A signal closes the consumer', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const ending = new AbortController()
      const { texts } = await subscribe(mq, { signal: ending.signal })
      ending.abort()
      await mq.until('it has left', async () => (await mq.engine.queryConsumerIds('billing')).length === 0)
      await send(mq, 'x')
      await mq.rest()
      assert.deepEqual(texts(), [])
    }),
    rule('6.1', 'Settings out of their range are refused', async (world) => {
      const mq = await world.openShop()
      for (const options of OUT_OF_RANGE)
        await refused('INVALID_PARAMETER', () =>
          subscribe(mq, options as Partial<PushConsumerOptions> as object),
        )
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule('6.1', 'A consumer without a listener is refused', async (world) => {
      const mq = await world.openShop()
      for (const listener of [undefined, null, 'listener'])
        await refused('INVALID_PARAMETER', () =>
          mq.createPushConsumer({
            group: 'billing',
            subscriptions: { orders: '*' },
            listener: listener as never,
          }),
        )
    }),
  ],
}
