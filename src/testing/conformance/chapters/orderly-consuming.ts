/** Ordered consumption: one message of a queue at a time, in the order of their offsets. */
import { strict as assert } from 'node:assert'
import { MQError } from '../../../model/errors.ts'
import { selectByHash } from '../../../producer/queue-selector.ts'
import {
  committed,
  eventsOf,
  failing,
  gate,
  numbers,
  send,
  stuck,
  subscribe,
  subscribeBatch,
  textsOf,
} from '../kit.ts'
import { attemptsOf, failingFor, OrderWatch, onDemand } from '../kit-members.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const orderly = { mode: 'orderly' } as const

export const orderlyConsuming: ConformanceChapter = {
  title: 'Ordered consumption',
  rules: [
    rule('6.6', 'The messages of a queue are delivered in the order of their offsets', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const { texts } = await subscribe(mq, { ...orderly, listener: async () => undefined })
      await mq.until('those from before are delivered', () => texts().length === 100)
      await send(mq, numbers(200).slice(100))
      await mq.until('all are delivered', () => texts().length === 200)
      assert.deepEqual(texts(), numbers(200))
    }),
    rule('6.6', 'A message waits until the listener of the one before it has settled', async (world) => {
      const mq = await world.openShop()
      const { listener, calls } = onDemand()
      const { consumer } = await subscribe(mq, { ...orderly, listener })
      await send(mq, numbers(3))
      for (const number of [0, 1, 2]) {
        await mq.until(`message ${number} is delivered`, () => calls.length === number + 1)
        await mq.rest()
        assert.deepEqual([calls.length, consumer.stats.runningCount], [number + 1, 1])
        calls[number]?.answer()
      }
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 3)
    }),
    rule('6.6', 'One message of each queue is in flight at a time', async (world) => {
      const mq = await world.openShop(4)
      const { listener, calls } = onDemand()
      const { consumer } = await subscribe(mq, { ...orderly, listener, closeTimeoutMs: 1 })
      await send(mq, numbers(16))
      await mq.until('one of each queue runs', () => consumer.stats.runningCount === 4)
      await mq.rest()
      const queueIds = calls.map(({ message }) => message.queue.queueId)
      assert.deepEqual(queueIds.sort(), [0, 1, 2, 3])
    }),
    rule(
      '6.6',
      'Queues take turns, message by message, when they are more than may run at a time',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(3)
        const { listener, calls } = onDemand()
        await subscribe(mq, { ...orderly, listener, concurrency: 1, closeTimeoutMs: 1 })
        for (const queueId of [0, 1, 2]) await send(mq, numbers(2), { queueId })
        for (let count = 1; count <= 6; count++) {
          await mq.until(`${count} are delivered`, () => calls.length === count)
          await mq.rest()
          assert.equal(calls.length, count)
          calls.at(-1)?.answer()
        }
        const queueIds = calls.map(({ message }) => message.queue.queueId)
        assert.deepEqual(queueIds.slice(0, 3).sort(), [0, 1, 2])
        assert.deepEqual(queueIds.slice(3), queueIds.slice(0, 3))
      },
    ),
    rule(
      '3.5',
      'What one key selects keeps its order, whatever happens to other keys',
      { needs },
      async (world) => {
        const mq = await world.openShop(4)
        const watch = new OrderWatch()
        const { deliveries } = await subscribe(mq, {
          ...orderly,
          listener: watch.around((_, context) =>
            context.deliveryAttempt < 3 && context.queue.queueId === 0 ? 'FAILURE' : 'SUCCESS',
          ),
        })
        const producer = await mq.producer()
        const keys = ['a', 'b', 'c', 'd', 'e']
        for (const body of numbers(10))
          for (const keysOf of keys)
            await producer.send(
              { topic: 'orders', body, keys: keysOf },
              { selector: selectByHash, arg: keysOf },
            )
        await mq.advance('5m')
        watch.check()
        for (const key of keys) {
          const done = deliveries.filter(({ message }) => message.keys[0] === key)
          assert.deepEqual([...new Set(done.map(({ message }) => message.text()))], numbers(10))
        }
      },
    ),
    rule('6.6', 'A listener that takes too long keeps its queue', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const warnings = eventsOf(mq, 'warning')
      const { listener, calls } = onDemand()
      const { consumer } = await subscribe(mq, { ...orderly, listener, consumeTimeoutMs: 5000 })
      await send(mq, ['a', 'b'])
      await mq.advance(4999)
      assert.equal(calls[0]?.context.signal.aborted, false)
      await mq.advance('1h')
      const reason: unknown = calls[0]?.context.signal.reason
      assert.ok(reason instanceof MQError && reason.code === 'CONSUME_MSG_TIMEOUT')
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['LISTENER_TIMEOUT'],
      )
      assert.deepEqual([calls.length, consumer.stats.timedOutCount, (await committed(mq)) ?? 0], [1, 1, 0])
      calls[0]?.answer()
      await mq.until('its late answer counts', () => calls.length === 2)
      calls[1]?.answer()
      await mq.until('both are consumed', async () => (await committed(mq)) === 2)
    }),
    rule(
      '6.6',
      'The late failure of a listener lets its queue rest as any other',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { listener, calls } = onDemand()
        await subscribe(mq, { ...orderly, listener, consumeTimeoutMs: 5000, closeTimeoutMs: 1 })
        await send(mq, ['a', 'b'])
        await mq.advance(8000)
        calls[0]?.answer('FAILURE')
        await mq.advance(999)
        assert.equal(calls.length, 1)
        await mq.advance(1)
        assert.deepEqual([calls[1]?.message.text(), calls[1]?.message.deliveryAttempt], ['a', 2])
      },
    ),
    rule(
      '6.6',
      'A listener that takes too long leaves its place to other queues',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const { texts } = await subscribe(mq, {
          ...orderly,
          ...stuck,
          concurrency: 1,
          consumeTimeoutMs: 5000,
        })
        await send(mq, ['a', 'b'], { queueId: 0 })
        await send(mq, ['c', 'd'], { queueId: 1 })
        await mq.advance(4999)
        assert.equal(texts().length, 1)
        await mq.advance('1h')
        assert.deepEqual(texts().sort(), ['a', 'c'])
      },
    ),
    rule(
      '6.6',
      'A late listener that settles takes nobody’s place',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop(3)
        const { listener, calls } = onDemand()
        const options = { listener, concurrency: 1, consumeTimeoutMs: 5000, closeTimeoutMs: 1 }
        const { consumer } = await subscribe(mq, { ...orderly, ...options })
        for (const queueId of [0, 1, 2]) await send(mq, numbers(2), { queueId })
        await mq.advance(5000)
        assert.equal(calls.length, 2)
        calls[0]?.answer()
        await mq.rest()
        assert.deepEqual([calls.length, consumer.stats.runningCount], [2, 1])
        calls[1]?.answer()
        await mq.until('the next has its turn', () => calls.length === 3)
        await mq.rest()
        assert.equal(calls.length, 3)
      },
    ),
    rule('6.4', 'A paused member starts nothing, also when a rest is over', { needs }, async (world) => {
      const mq = await world.openShop()
      const member = await subscribe(mq, { ...orderly, listener: failingFor({ a: 1 }) })
      await send(mq, ['a', 'b'])
      await mq.rest()
      member.consumer.pause()
      await mq.advance('1m')
      assert.deepEqual(attemptsOf(member), ['a1'])
      member.consumer.resume()
      await mq.until('it goes on', () => member.deliveries.length === 3)
      assert.deepEqual(attemptsOf(member), ['a1', 'a2', 'b1'])
    }),
    rule('6.1', 'A span means nothing where each message waits for the one before it', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const limits = { consumeConcurrentlyMaxSpan: 1, pullBatchSize: 10 }
      const { consumer } = await subscribe(mq, { ...orderly, ...limits, ...stuck })
      await mq.until('all are fetched', () => consumer.stats.unfinishedCount === 100)
    }),
    rule('6.4', 'Pulling pauses at the count of unfinished messages, also in order', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const hold = gate()
      const limits = { pullThresholdForQueue: 25, pullBatchSize: 10 }
      const { consumer, texts } = await subscribe(mq, { ...orderly, ...limits, listener: () => hold.isOpen })
      await mq.until('enough is fetched', () => consumer.stats.unfinishedCount >= 25)
      await mq.rest()
      assert.ok(consumer.stats.unfinishedCount <= 36, `${consumer.stats.unfinishedCount} are fetched`)
      hold.open()
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 100)
      assert.deepEqual(texts(), numbers(100))
    }),
    rule('5.3', 'What a filter does not let pass holds back nothing', async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, { ...orderly, subscriptions: { orders: 'paid' } })
      await send(mq, ['a', 'b'], { tag: 'new' })
      await send(mq, ['c', 'd'], { tag: 'paid' })
      await mq.until('the others are delivered', () => texts().length === 2)
      assert.deepEqual(texts(), ['c', 'd'])
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 4)
    }),
    rule('6.6', 'One batch of a queue is in flight at a time', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(10))
      const hold = gate()
      const { batches } = await subscribeBatch(mq, 4, { ...orderly, listener: () => hold.isOpen })
      await mq.until('the first batch is delivered', () => batches.length === 1)
      await mq.rest()
      assert.deepEqual(batches.map(textsOf), [['0', '1', '2', '3']])
      hold.open()
      await mq.until('all are delivered', () => batches.flat().length === 10)
      assert.deepEqual(batches.map(textsOf), [
        ['0', '1', '2', '3'],
        ['4', '5', '6', '7'],
        ['8', '9'],
      ])
    }),
    rule(
      '6.6',
      'A batch that fails is delivered again as a whole, before what lies behind it',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(5))
        const { batches } = await subscribeBatch(mq, 2, {
          ...orderly,
          listener: ([first]) =>
            first?.text() === '2' && first.deliveryAttempt === 1 ? 'FAILURE' : 'SUCCESS',
        })
        await mq.advance(999)
        assert.deepEqual([batches.length, await committed(mq)], [2, 2])
        await mq.advance(1)
        assert.deepEqual(batches.map(textsOf), [['0', '1'], ['2', '3'], ['2', '3'], ['4']])
        assert.deepEqual(
          batches[2]?.map(({ deliveryAttempt }) => deliveryAttempt),
          [2, 2],
        )
      },
    ),
    rule(
      '6.6',
      'What lies behind the ackIndex of a batch is delivered again, and nothing before it',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(4))
        const { batches } = await subscribeBatch(mq, 3, {
          ...orderly,
          listener: ([first], context) => {
            if (first?.text() === '0') context.ackIndex = 0
          },
        })
        await mq.rest()
        assert.deepEqual([batches.length, await committed(mq)], [1, 1])
        await mq.advance(1000)
        assert.deepEqual(batches.map(textsOf), [numbers(3), ['1', '2', '3']])
        assert.deepEqual(
          batches[1]?.map(({ deliveryAttempt }) => deliveryAttempt),
          [2, 2, 1],
        )
        assert.equal(await committed(mq), 4)
      },
    ),
    rule(
      '6.6',
      'Only those of a batch that had all their attempts become dead letters',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const letters = eventsOf(mq, 'dead-letter')
        const { batches } = await subscribeBatch(mq, 3, {
          ...orderly,
          maxReconsumeTimes: 1,
          listener: () => 'FAILURE',
        })
        const [first] = await send(mq, 'a')
        await mq.rest()
        const [second] = await send(mq, 'b')
        await mq.advance(1000)
        assert.deepEqual(batches.map(textsOf), [['a'], ['a', 'b']])
        assert.deepEqual(
          letters.map(({ messageId }) => messageId),
          [first?.messageId],
        )
        assert.equal(await committed(mq), 1)
        await mq.advance(1000)
        assert.deepEqual(
          letters.map(({ messageId }) => messageId),
          [first?.messageId, second?.messageId],
        )
        assert.deepEqual([batches.length, await committed(mq)], [3, 2])
      },
    ),
    rule('6.6', 'Retries from before a group kept the order are delivered too', { needs }, async (world) => {
      const mq = await world.openShop()
      const before = await subscribe(mq, { listener: failing() })
      await send(mq, 'a')
      await mq.rest()
      await before.consumer.close()
      const after = await subscribe(mq, { ...orderly, listener: failingFor({ a: 2 }) })
      await mq.advance(9999)
      assert.deepEqual(attemptsOf(after), [])
      await mq.advance(1001)
      assert.deepEqual(attemptsOf(after), ['a2', 'a3'])
      assert.deepEqual(
        after.deliveries.map(({ context }) => context.queue.topic),
        ['%RETRY%billing', '%RETRY%billing'],
      )
    }),
  ],
}
