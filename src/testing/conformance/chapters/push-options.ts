/** The settings of push consumers: how far they fetch ahead, how fast they consume, and what they refuse. */
import { strict as assert } from 'node:assert'
import type { PushConsumerOptions } from '../../../consumer/push-consumer-options.ts'
import type { EngineMQ } from '../engine-mq.ts'
import {
  eventsOf,
  failing,
  gate,
  numbers,
  refused,
  type SubscribeOptions,
  send,
  stuck,
  subscribe,
  subscribeBatch,
} from '../kit.ts'
import { join } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const MiB = 1024 ** 2

/** Settings of a number: the lowest and the highest that is legal. */
const RANGES: readonly (readonly [name: keyof PushConsumerOptions, lowest: number, highest: number])[] = [
  ['concurrency', 1, 65_535],
  ['pullBatchSize', 1, 1024],
  ['consumeMessageBatchMaxSize', 1, 1024],
  ['pullIntervalMs', 0, 65_535],
  ['pullThresholdForQueue', 1, 65_535],
  ['pullThresholdSizeForQueueBytes', 1, 1024 * MiB],
  ['pullThresholdForTopic', 1, 6_553_500],
  ['pullThresholdSizeForTopicBytes', 1, 102_400 * MiB],
  ['consumeConcurrentlyMaxSpan', 1, 65_535],
  ['maxReconsumeTimes', 0, 65_535],
  ['suspendCurrentQueueTimeMs', 10, 30_000],
]

const NO_NUMBERS = [1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null, true]

/** Other settings, and what they are not. */
const WRONG: readonly (readonly [name: string, values: readonly unknown[]])[] = [
  ['group', ['', 'a b', 'x'.repeat(121), 5, null]],
  ['mode', ['sorted', '', null, 1]],
  ['messageModel', ['anycast', 'CLUSTERING', null]],
  ['consumeFromWhere', ['MIDDLE', 'last_offset', null]],
  ['consumeTimestamp', [-1, 1.5, '0']],
  ['consumeTimeoutMs', [0, -1, 0.5]],
  ['closeTimeoutMs', [0, -1, 0.5]],
  ['suspendMs', [0, -1, 0.5]],
  [
    'rateLimit',
    [
      5,
      {},
      { messages: 0, perMs: 1 },
      { messages: 1, perMs: 0 },
      { messages: 1 },
      { messages: 100_001, perMs: 1 },
    ],
  ],
  ['consumeHooks', [{}, [{}], [{ before: 1 }], [null], 'hook']],
  ['clientId', ['', '   ', 'x'.repeat(256), 7]],
  ['signal', [{}, 'now']],
  ['subscriptions', [[], 'orders', null]],
]

async function refusedNaming(mq: EngineMQ, name: string, value: unknown): Promise<void> {
  const error = await refused('INVALID_PARAMETER', () => subscribe(mq, { [name]: value } as SubscribeOptions))
  assert.ok(error.message.includes(name), `${name}: ${String(value)} was refused with: ${error.message}`)
}

/** RocketMQ bends what is too short or too long, and takes -1 for the default. */
const BENT: readonly string[] = ['suspendCurrentQueueTimeMs', 'maxReconsumeTimes']

function rangeRule([name, lowest, highest]: (typeof RANGES)[number]): ConformanceRule {
  const differs = BENT.includes(name)
  return rule(
    '6.1',
    `The range of ${name} is ${lowest} to ${highest}; anything else is refused, and named`,
    { differs },
    async (world) => {
      const mq = await world.openShop()
      for (const value of [lowest - 1, highest + 1, ...NO_NUMBERS]) await refusedNaming(mq, name, value)
      assert.deepEqual(await mq.admin.groups(), [])
      for (const value of [lowest, highest]) {
        const mode = name === 'suspendCurrentQueueTimeMs' ? 'orderly' : 'concurrent'
        const { consumer } = await subscribe(mq, { mode, [name]: value } as SubscribeOptions)
        await send(mq, 'x')
        await mq.within('2m', 'it consumes', () => consumer.stats.succeededCount === 1)
        await consumer.close()
      }
    },
  )
}

function wrongRule([name, values]: (typeof WRONG)[number]): ConformanceRule {
  return rule('6.1', `What is no ${name} is refused, and named`, async (world) => {
    const mq = await world.openShop()
    for (const value of values) await refusedNaming(mq, name, value)
    assert.deepEqual(await mq.admin.groups(), [])
    assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
  })
}

/** Waits until a member fetches nothing more; answers how much it has. */
async function fetched(mq: EngineMQ, least: number, options: SubscribeOptions): Promise<number> {
  const { consumer } = await subscribe(mq, { ...stuck, ...options })
  await mq.until('enough is fetched', () => consumer.stats.unfinishedCount >= least)
  await mq.rest()
  return consumer.stats.unfinishedCount
}

function isAbout(count: number, least: number, most: number): void {
  assert.ok(count >= least && count <= most, `${count} is not within ${least} and ${most}`)
}

export const pushOptions: ConformanceChapter = {
  title: 'Settings of push consumers',
  rules: [
    ...RANGES.map(rangeRule),
    ...WRONG.map(wrongRule),
    ...[1, 10, 32].map((count) =>
      rule(
        '6.4',
        `A pull brings up to ${count} messages ${count === 32 ? 'unless told otherwise' : 'when told so'}`,
        async (world) => {
          const mq = await world.openShop()
          await send(mq, numbers(100))
          const { consumer } = await subscribe(mq, count === 32 ? {} : { pullBatchSize: count })
          await mq.until('all are consumed', () => consumer.stats.succeededCount === 100)
          const { pullCount, pulledMessageCount } = consumer.stats
          assert.equal(pulledMessageCount, 100)
          assert.ok(pullCount >= 100 / count, `${pullCount} pulls brought all`)
        },
      ),
    ),
    rule('6.1', 'A setting that does not exist is refused, and named', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await refusedNaming(mq, 'consumeThreadMin', 20)
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule('6.4', 'Up to 1000 messages of a queue are fetched ahead unless told otherwise', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(1200))
      isAbout(await fetched(mq, 1000, {}), 1000, 1032)
    }),
    rule('6.4', 'Every queue has its own threshold', async (world) => {
      const mq = await world.openShop(4)
      await send(mq, numbers(200))
      isAbout(await fetched(mq, 40, { pullThresholdForQueue: 10, pullBatchSize: 1 }), 40, 44)
    }),
    rule('6.4', 'A queue at its threshold holds up no other', async (world) => {
      const mq = await world.openShop(2)
      const hold = gate()
      const { consumer } = await subscribe(mq, {
        pullThresholdForQueue: 5,
        pullBatchSize: 1,
        listener: (_, { queue }) => (queue.queueId === 0 ? hold.isOpen : undefined),
      })
      await send(mq, numbers(50), { queueId: 0 })
      await send(mq, numbers(50), { queueId: 1 })
      await mq.until('the other queue is consumed', () => consumer.stats.succeededCount === 50)
      isAbout(consumer.stats.unfinishedCount, 5, 6)
      hold.open()
      await mq.until('all is consumed', () => consumer.stats.succeededCount === 100)
    }),
    rule(
      '6.1',
      'A threshold for the topic is shared by all queues of the member',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(3)
        await send(mq, numbers(120))
        const { consumer } = await subscribe(mq, { ...stuck, pullThresholdForTopic: 43, pullBatchSize: 1 })
        await mq.until('enough is fetched', () => consumer.stats.unfinishedCount >= 30)
        await mq.rest()
        // The queue of the retry topic has its share too, and nothing in it.
        isAbout(consumer.stats.unfinishedCount, 30, 33)
        await mq.admin.updateTopic({ topic: 'orders', readQueueNums: 1 })
        await mq.until('what is left has more', () => consumer.stats.unfinishedCount >= 21)
        await mq.rest()
        isAbout(consumer.stats.unfinishedCount, 21, 22)
      },
    ),
    rule('6.1', 'A threshold for the topic counts in the place of that for the queue', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const options = { pullThresholdForQueue: 5, pullThresholdForTopic: 60, pullBatchSize: 1 }
      isAbout(await fetched(mq, 30, options), 30, 31)
    }),
    rule('6.1', 'A threshold for the topic leaves at least one message to each queue', async (world) => {
      const mq = await world.openShop(4)
      await send(mq, numbers(40))
      const { consumer } = await subscribe(mq, { pullThresholdForTopic: 1, pullBatchSize: 1 })
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 40)
    }),
    rule('6.1', 'A threshold for the topic in bytes is shared as well', async (world) => {
      const mq = await world.openShop()
      await send(
        mq,
        numbers(60).map((text) => text.padEnd(1000)),
      )
      const count = await fetched(mq, 8, { pullThresholdSizeForTopicBytes: 20_000, pullBatchSize: 1 })
      isAbout(count, 8, 11)
    }),
    rule('6.4', 'One stuck message has up to 2000 behind it unless told otherwise', async (world) => {
      const mq = await world.openShop()
      const first = gate()
      const { consumer } = await subscribe(mq, {
        listener: (message) => (message.text() === '0' ? first.isOpen : undefined),
      })
      await send(mq, numbers(2500))
      await mq.until('2000 are fetched', () => consumer.stats.succeededCount >= 1999)
      await mq.rest()
      isAbout(consumer.stats.succeededCount, 1999, 2032)
      first.open()
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 2500)
    }),
    rule(
      '6.4',
      'A pull interval lies between a pull that found something and the next',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(6))
        const start = mq.now()
        const { deliveries } = await subscribe(mq, { pullIntervalMs: 100, pullBatchSize: 2, concurrency: 1 })
        await mq.advance('1s')
        assert.deepEqual(
          deliveries.map(({ timestamp }) => timestamp - start),
          [0, 0, 100, 100, 200, 200],
        )
        await send(mq, 'later')
        await mq.rest()
        assert.equal(deliveries.at(-1)?.timestamp, mq.now())
      },
    ),
    rule('6.4', 'A pull interval does not hold up the end, nor a reset', { needs }, async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(2))
      const { deliveries, consumer, texts } = await subscribe(mq, { pullIntervalMs: 60_000 })
      await mq.rest()
      await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset: 1 })
      await mq.until('it begins again', () => deliveries.length === 3)
      assert.deepEqual(texts(), ['0', '1', '1'])
      assert.deepEqual(await consumer.close(), { drained: true, unfinishedCount: 0 })
    }),
    ...(['concurrent', 'orderly'] as const).map((mode) =>
      rule(
        '6.1',
        `A rate limit lets no more and no less through, ${mode}`,
        { needs, differs: true },
        async (world) => {
          const mq = await world.openShop()
          await send(mq, numbers(7))
          const start = mq.now()
          const rateLimit = { messages: 2, perMs: 1000 }
          const { deliveries } = await subscribe(mq, { mode, rateLimit })
          await mq.advance(999)
          await send(mq, 'late')
          await mq.rest()
          assert.equal(deliveries.length, 2)
          await mq.advance('1m')
          assert.deepEqual(
            deliveries.map(({ timestamp }) => timestamp - start),
            [0, 0, 1000, 1000, 2000, 2000, 3000, 3000],
          )
        },
      ),
    ),
    rule(
      '6.1',
      'No span of a rate limit sees more, wherever it begins',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { rateLimit: { messages: 3, perMs: 1000 } })
        for (let step = 0; step < 12; step++) {
          await send(mq, numbers(1 + (step % 3)))
          await mq.advance(250)
        }
        await mq.advance('1m')
        assert.equal(deliveries.length, 24)
        for (const { timestamp: from } of deliveries) {
          const within = deliveries.filter(({ timestamp }) => timestamp >= from && timestamp < from + 1000)
          assert.ok(within.length <= 3, `${within.length} within a second`)
        }
      },
    ),
    rule(
      '6.1',
      'A rate limit counts messages, also those of a batch',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(7))
        const { batches } = await subscribeBatch(mq, 4, { rateLimit: { messages: 3, perMs: 1000 } })
        await mq.advance('5s')
        assert.deepEqual(
          batches.map(({ length }) => length),
          [3, 3, 1],
        )
      },
    ),
    rule('6.1', 'A rate limit is that of one member', { needs, differs: true }, async (world) => {
      const mq = await world.openShop(2)
      const members = await join(mq, ['A', 'B'], { rateLimit: { messages: 1, perMs: 1000 } })
      await send(mq, numbers(3), { queueId: 0 })
      await send(mq, numbers(3), { queueId: 1 })
      await mq.rest()
      assert.deepEqual(
        members.map(({ deliveries }) => deliveries.length),
        [1, 1],
      )
      await mq.advance('2s')
      assert.deepEqual(
        members.map(({ deliveries }) => deliveries.length),
        [3, 3],
      )
    }),
    rule('6.1', 'A rate limit counts retries too', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, {
        rateLimit: { messages: 1, perMs: 8000 },
        listener: failing(2),
      })
      await send(mq, numbers(2))
      const start = mq.now()
      await mq.advance('1m')
      assert.deepEqual(
        deliveries.map(({ timestamp }) => timestamp - start),
        [0, 8000, 16_000, 24_000],
      )
    }),
    ...[1, 20].map((maxReconsumeTimes) =>
      rule(
        '9.2',
        `A maxReconsumeTimes of ${maxReconsumeTimes} counts, whatever retryMaxTimes of the group is`,
        { needs },
        async (world) => {
          const mq = await world.openShop()
          await mq.admin.createGroup({ group: 'billing', retryMaxTimes: 5 })
          const letters = eventsOf(mq, 'dead-letter')
          const { deliveries } = await subscribe(mq, { maxReconsumeTimes, listener: failing() })
          await send(mq, 'x')
          await mq.advance('24h')
          assert.deepEqual([deliveries.length, letters.length], [maxReconsumeTimes + 1, 1])
        },
      ),
    ),
    rule('9.2', 'The maximum of the member that fails counts', { needs }, async (world) => {
      const mq = await world.openShop()
      const letters = eventsOf(mq, 'dead-letter')
      const first = await subscribe(mq, { maxReconsumeTimes: 9, listener: failing() })
      await send(mq, 'x')
      await mq.advance('10s')
      await first.consumer.close()
      const second = await subscribe(mq, { maxReconsumeTimes: 1, listener: failing() })
      await mq.advance('30s')
      assert.deepEqual([first.deliveries.length, second.deliveries.length, letters.length], [2, 1, 1])
      assert.equal(letters[0]?.reconsumeTimes, 3)
    }),
    rule(
      '6.1',
      'A consumer that closes waits 10 seconds for its listeners unless told otherwise',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { consumer } = await subscribe(mq, { listener: stuck.listener })
        await send(mq, 'x')
        await mq.rest()
        let isClosed = false
        const closing = consumer.close().finally(() => {
          isClosed = true
        })
        await mq.advance(9999)
        assert.equal(isClosed, false)
        await mq.advance(1)
        assert.deepEqual(await closing, { drained: false, unfinishedCount: 1 })
      },
    ),
    rule(
      '6.1',
      'A signal that has fired already lets no consumer begin',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        await refused('ABORTED', () => subscribe(mq, { signal: AbortSignal.abort() }))
        assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
        assert.deepEqual(await mq.admin.groups(), [])
      },
    ),
  ],
}
