/** What a listener may say besides success and failure: batches, the index of the last success, levels; and its time. */
import { strict as assert } from 'node:assert'
import { AsyncLocalStorage } from 'node:async_hooks'
import { MQError } from '../../../model/errors.ts'
import {
  committed,
  eventsOf,
  failing,
  numbers,
  send,
  stuck,
  subscribe,
  subscribeBatch,
  textsOf,
} from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const

/** Levels that a listener may ask for, and their delays. */
const LEVELS = [
  [1, '1s', 1000],
  [2, '5s', 5000],
  [4, '30s', 30_000],
  [18, '2h', 7_200_000],
] as const

function levelRule([level, text, delayMs]: (typeof LEVELS)[number]): ConformanceRule {
  return rule(
    '6.5',
    `A listener that fails with delay level ${level} is retried after ${text}`,
    { needs },
    async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, {
        listener: (_, context) => {
          context.delayLevelWhenNextConsume = level
          return 'FAILURE'
        },
      })
      await send(mq, 'x')
      await mq.advance(delayMs - 1)
      assert.equal(deliveries.length, 1)
      await mq.advance(1)
      assert.equal(deliveries.length, 2)
    },
  )
}

export const listening: ConformanceChapter = {
  title: 'Batch listeners, delay levels and timeouts',
  rules: [
    rule(
      '6.5',
      'A batch listener is given up to so many messages, in the order of their offsets',
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(10))
        const { batches } = await subscribeBatch(mq, 4, { concurrency: 1 })
        await mq.until('all are delivered', () => batches.flat().length === 10)
        assert.deepEqual(textsOf(batches.flat()), numbers(10))
        assert.ok(batches.every(({ length }) => length <= 4))
        assert.equal(batches[0]?.length, 4)
      },
    ),
    rule('6.5', 'The messages of one call are of one queue', async (world) => {
      const mq = await world.openShop(4)
      await send(mq, numbers(40))
      const { batches } = await subscribeBatch(mq, 8)
      await mq.until('all are delivered', () => batches.flat().length === 40)
      for (const batch of batches) assert.equal(new Set(batch.map(({ queue }) => queue.queueId)).size, 1)
    }),
    rule('6.5', 'A batch listener gets arrays, also of one message', async (world) => {
      const mq = await world.openShop()
      const { batches } = await subscribeBatch(mq, 1)
      await send(mq, ['a', 'b'])
      await mq.until('both are delivered', () => batches.length === 2)
      assert.deepEqual(batches.flatMap(textsOf).sort(), ['a', 'b'])
    }),
    rule('6.5', 'A batch cannot be changed by its listener', async (world) => {
      const mq = await world.openShop()
      const { batches } = await subscribeBatch(mq, 4)
      await send(mq, 'x')
      await mq.until('it is delivered', () => batches.length === 1)
      assert.throws(() => (batches[0] as unknown[]).pop(), TypeError)
    }),
    rule('6.5', 'A batch that succeeds is consumed as a whole', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(10))
      const { consumer } = await subscribeBatch(mq, 10)
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 10)
      assert.equal(consumer.stats.succeededCount, 10)
    }),
    rule(
      '6.5',
      'Messages behind the ackIndex are retried, those up to it are consumed',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(4))
        const { batches } = await subscribeBatch(mq, 4, {
          listener: (messages, context) => {
            if (messages.length > 1) context.ackIndex = 1
          },
        })
        await mq.rest()
        assert.equal(await committed(mq), 4)
        await mq.advance('10s')
        const [first, ...retries] = batches
        assert.deepEqual(textsOf(first!), numbers(4))
        assert.deepEqual(textsOf(retries.flat()).sort(), ['2', '3'])
      },
    ),
    rule('6.5', 'With ackIndex -1 the whole batch is retried', async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      await send(mq, numbers(3))
      await subscribeBatch(mq, 3, {
        listener: (_, context) => {
          context.ackIndex = -1
        },
      })
      await mq.until('all are sent back', () => retries.length === 3)
    }),
    rule('6.5', 'An ackIndex behind the batch means all of it', async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      await send(mq, numbers(3))
      await subscribeBatch(mq, 3, {
        listener: (_, context) => {
          context.ackIndex = 99
        },
      })
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 3)
      assert.deepEqual(retries, [])
    }),
    rule('6.5', 'A batch that fails is retried as a whole, whatever the ackIndex', async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      await send(mq, numbers(3))
      await subscribeBatch(mq, 3, {
        listener: (_, context) => {
          context.ackIndex = 1
          return 'FAILURE'
        },
      })
      await mq.until('all are sent back', () => retries.length === 3)
    }),
    ...LEVELS.map(levelRule),
    rule('9.1', 'A delay level above 18 counts as 18', { needs }, async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      await subscribe(mq, {
        listener: (_, context) => {
          context.delayLevelWhenNextConsume = 99
          return 'FAILURE'
        },
      })
      await send(mq, 'x')
      await mq.rest()
      assert.equal(retries[0]!.dueTimestamp - mq.now(), 7_200_000)
    }),
    rule('6.5', 'A listener that fails with delay level -1 makes a dead letter at once', async (world) => {
      const mq = await world.openShop()
      const letters = eventsOf(mq, 'dead-letter')
      const { deliveries } = await subscribe(mq, {
        listener: (_, context) => {
          context.delayLevelWhenNextConsume = -1
          return 'FAILURE'
        },
      })
      await send(mq, 'x')
      await mq.until('it is a dead letter', () => letters.length === 1)
      assert.deepEqual([letters[0]?.reconsumeTimes, deliveries.length], [1, 1])
    }),
    rule('6.5', 'A delay level means nothing when the listener succeeds', async (world) => {
      const mq = await world.openShop()
      const [retries, letters] = [eventsOf(mq, 'retry'), eventsOf(mq, 'dead-letter')]
      await subscribe(mq, {
        listener: (_, context) => {
          context.delayLevelWhenNextConsume = -1
        },
      })
      await send(mq, 'x')
      await mq.until('it is consumed', async () => (await committed(mq)) === 1)
      assert.deepEqual([retries, letters], [[], []])
    }),
    rule('6.5', 'A listener has 15 minutes unless told otherwise', { needs }, async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq, stuck)
      await send(mq, 'x')
      await mq.advance(15 * 60_000 - 1)
      assert.equal(consumer.stats.timedOutCount, 0)
      await mq.advance(1)
      assert.equal(consumer.stats.timedOutCount, 1)
    }),
    rule(
      '6.5',
      'What takes longer is retried at level 3, whatever its number of retries',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { ...stuck, consumeTimeoutMs: 5000 })
        await send(mq, 'x')
        for (let attempt = 1; attempt <= 4; attempt++) {
          await mq.advance(5000)
          await mq.advance(9999)
          assert.equal(deliveries.length, attempt)
          await mq.advance(1)
          assert.equal(deliveries.length, attempt + 1)
        }
      },
    ),
    rule('6.5', 'Every message has a deadline of its own', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq, { ...stuck, consumeTimeoutMs: 5000 })
      await send(mq, 'a')
      await mq.advance(3000)
      await send(mq, 'b')
      await mq.advance(2000)
      assert.equal(consumer.stats.timedOutCount, 1)
      await mq.advance(3000)
      assert.equal(consumer.stats.timedOutCount, 2)
    }),
    rule('6.5', 'The answer of a listener that took too long counts no more', { needs }, async (world) => {
      const mq = await world.openShop()
      const answers: (() => void)[] = []
      const { deliveries, consumer } = await subscribe(mq, {
        consumeTimeoutMs: 5000,
        listener: () => new Promise<void>((resolve) => answers.push(resolve)),
      })
      await send(mq, 'x')
      await mq.advance(5000)
      answers[0]?.()
      await mq.advance(10_000)
      assert.equal(deliveries.length, 2)
      assert.equal(consumer.stats.succeededCount, 0)
      answers[1]?.()
      await mq.until('the second counts', () => consumer.stats.succeededCount === 1)
    }),
    rule('6.5', 'The offset moves on when a listener took too long', { needs }, async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { ...stuck, consumeTimeoutMs: 5000 })
      await send(mq, 'x')
      await mq.advance(4999)
      assert.equal((await committed(mq)) ?? 0, 0)
      await mq.advance(1)
      assert.equal(await committed(mq), 1)
    }),
    rule(
      '6.5',
      'A listener that takes too long is told by its signal, the others by a warning',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const warnings = eventsOf(mq, 'warning')
        const { deliveries } = await subscribe(mq, { ...stuck, consumeTimeoutMs: 5000 })
        await send(mq, 'x')
        await mq.advance(5000)
        const { signal } = deliveries[0]!.context
        assert.ok(signal.aborted && signal.reason instanceof MQError)
        assert.equal(signal.reason.code, 'CONSUME_MSG_TIMEOUT')
        assert.deepEqual(
          warnings.map(({ code }) => code),
          ['LISTENER_TIMEOUT'],
        )
      },
    ),
    rule('6.5', 'A listener that took too long makes room for the next call', { needs }, async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, { ...stuck, consumeTimeoutMs: 5000, concurrency: 1 })
      await send(mq, ['a', 'b'])
      await mq.rest()
      assert.deepEqual(texts(), ['a'])
      await mq.advance(5000)
      assert.deepEqual(texts(), ['a', 'b'])
    }),
    rule(
      '6.5',
      'A failed message that cannot be sent back is delivered again after 5 seconds',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { listener: failing(1) })
        await mq.admin.updateTopic({ topic: '%RETRY%billing', permission: 4 })
        await send(mq, 'x')
        await mq.advance(4999)
        assert.deepEqual([deliveries.length, (await committed(mq)) ?? 0], [1, 0])
        await mq.advance(1)
        assert.deepEqual([deliveries.length, await committed(mq)], [2, 1])
      },
    ),
    rule(
      '6.5',
      'A listener runs in the asynchronous context of its consumer, whoever made the topic and sends',
      async (world) => {
        const mq = await world.openShop()
        const caller = new AsyncLocalStorage<string>()
        const contexts: unknown[] = []
        const listener = (): void => void contexts.push(caller.getStore())
        const options = { subscriptions: { refunds: '*' }, listener }
        await caller.run('consumer', () => subscribe(mq, options))
        await caller.run('stranger', async () => {
          await mq.admin.createTopic({ topic: 'refunds', queues: 1 })
          const producer = await mq.producer()
          for (const body of numbers(2)) await producer.send({ topic: 'refunds', body })
        })
        await mq.until('both are delivered', () => contexts.length === 2)
        assert.deepEqual(contexts, ['consumer', 'consumer'])
      },
    ),
  ],
}
