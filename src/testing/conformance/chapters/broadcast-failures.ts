/** What a broadcasting member fails to consume: dropped, or delivered again to this member alone. */
import { strict as assert } from 'node:assert'
import { ConsumeResult, type MessageListener } from '../../../consumer/message-listener.ts'
import type { EngineMQ } from '../engine-mq.ts'
import {
  eventsOf,
  failing,
  numbers,
  queueOf,
  refused,
  send,
  stuck,
  subscribe,
  subscribeBatch,
} from '../kit.ts'
import { attemptsOf, failingFor, join } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const broadcasting = { messageModel: 'broadcasting' } as const
const retrying = { ...broadcasting, broadcastFailure: 'retry' } as const
const inOrder = { ...broadcasting, mode: 'orderly' } as const

/** What a listener may answer so that its message is lost to its member. */
const FAILURES: readonly (readonly [how: string, answer: () => unknown])[] = [
  ['answers FAILURE', () => ConsumeResult.FAILURE],
  ['answers SUSPEND_CURRENT_QUEUE_A_MOMENT', () => ConsumeResult.SUSPEND_CURRENT_QUEUE_A_MOMENT],
  [
    'throws',
    () => {
      throw new Error('no')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
  ['answers null', () => null],
]

async function offsetOf(mq: EngineMQ, clientId: string): Promise<number | undefined> {
  return mq.engine.queryConsumerOffset('billing', await queueOf(mq), clientId)
}

function dropRule([how, answer]: (typeof FAILURES)[number]): ConformanceRule {
  return rule(
    '6.5',
    `A message is dropped when the listener of a member ${how}`,
    { needs },
    async (world) => {
      const mq = await world.openShop()
      const [retries, letters, dropped] = [
        eventsOf(mq, 'retry'),
        eventsOf(mq, 'dead-letter'),
        eventsOf(mq, 'message-dropped'),
      ]
      const listener = ((message) => (message.text() === 'b' ? answer() : undefined)) as MessageListener
      const { texts, consumer } = await subscribe(mq, { ...broadcasting, clientId: 'A', listener })
      await send(mq, ['a', 'b', 'c'])
      await mq.advance('3h')
      assert.deepEqual(texts().sort(), ['a', 'b', 'c'])
      const { succeededCount, failedCount, droppedCount } = consumer.stats
      assert.deepEqual([succeededCount, failedCount, droppedCount, await offsetOf(mq, 'A')], [2, 1, 1, 3])
      assert.deepEqual([retries.length, letters.length, dropped.length], [0, 0, 1])
    },
  )
}

function retryRule(maxReconsumeTimes: number): ConformanceRule {
  return rule(
    '6.5',
    `With broadcastFailure retry and maxReconsumeTimes ${maxReconsumeTimes} a message is dropped at failure ${maxReconsumeTimes + 1}`,
    { needs, differs: true },
    async (world) => {
      const mq = await world.openShop()
      const dropped = eventsOf(mq, 'message-dropped')
      const { deliveries } = await subscribe(mq, {
        ...retrying,
        clientId: 'A',
        maxReconsumeTimes,
        listener: failing(),
      })
      const [receipt] = await send(mq, 'a')
      const start = mq.now()
      await mq.advance(maxReconsumeTimes * 5000)
      assert.deepEqual(
        deliveries.map(({ timestamp, message }) => [timestamp - start, message.deliveryAttempt]),
        Array.from({ length: maxReconsumeTimes + 1 }, (_, index) => [index * 5000, index + 1]),
      )
      assert.deepEqual(
        dropped.map(({ messageId, reconsumeTimes }) => [messageId, reconsumeTimes]),
        [[receipt?.messageId, maxReconsumeTimes + 1]],
      )
      await mq.advance('3h')
      assert.deepEqual([deliveries.length, await offsetOf(mq, 'A')], [maxReconsumeTimes + 1, 1])
    },
  )
}

export const broadcastFailures: ConformanceChapter = {
  title: 'Failures of broadcasting members',
  rules: [
    ...FAILURES.map(dropRule),
    rule('6.5', 'Who drops a message says so, with everything about it', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const dropped = eventsOf(mq, 'message-dropped')
      await subscribe(mq, {
        ...broadcasting,
        clientId: 'A',
        listener: () => {
          throw new RangeError('no paper')
        },
      })
      const [receipt] = await send(mq, 'a')
      await mq.until('it is told', () => dropped.length === 1)
      assert.deepEqual(dropped, [
        {
          group: 'billing',
          clientId: 'A',
          topic: 'orders',
          messageId: receipt?.messageId,
          queue: await queueOf(mq),
          queueOffset: 0,
          reconsumeTimes: 1,
          reason: 'RangeError: no paper',
        },
      ])
    }),
    rule('6.5', 'What one member drops every other one gets', { needs }, async (world) => {
      const mq = await world.openShop()
      const [bad] = await join(mq, ['A'], { ...broadcasting, listener: failing() })
      const [good] = await join(mq, ['B'], broadcasting)
      await send(mq, numbers(5))
      await mq.advance('1h')
      assert.deepEqual([bad!.texts().sort(), good!.texts().sort()], [numbers(5), numbers(5)])
      assert.deepEqual([bad!.consumer.stats.droppedCount, good!.consumer.stats.succeededCount], [5, 5])
    }),
    rule(
      '6.5',
      'What a member drops is no dead letter, and makes no topic',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await subscribe(mq, { ...broadcasting, listener: failing() })
        await send(mq, numbers(3))
        await mq.advance('1h')
        assert.deepEqual(
          (await mq.admin.topics()).map(({ topic }) => topic),
          ['orders'],
        )
        assert.deepEqual(await mq.admin.deadLetters('billing'), [])
        assert.equal((await mq.admin.consumerProgress('billing')).pendingRetryCount, 0)
      },
    ),
    rule('6.5', 'Of a batch what lies behind the ackIndex is dropped', { needs }, async (world) => {
      const mq = await world.openShop()
      const dropped = eventsOf(mq, 'message-dropped')
      await send(mq, numbers(4))
      const { batches, consumer } = await subscribeBatch(mq, 4, {
        ...broadcasting,
        consumeFromWhere: 'FIRST_OFFSET',
        listener: (_, context) => {
          context.ackIndex = 1
        },
      })
      await mq.advance('1h')
      assert.equal(batches.length, 1)
      assert.deepEqual(
        dropped.map(({ queueOffset }) => queueOffset),
        [2, 3],
      )
      assert.deepEqual([consumer.stats.succeededCount, consumer.stats.droppedCount], [2, 2])
    }),
    rule(
      '6.5',
      'What takes too long is dropped, and its late answer counts no more',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const [dropped, warnings] = [eventsOf(mq, 'message-dropped'), eventsOf(mq, 'warning')]
        let answer = (): void => undefined
        const { consumer, deliveries } = await subscribe(mq, {
          ...broadcasting,
          clientId: 'A',
          consumeTimeoutMs: 5000,
          listener: () =>
            new Promise<void>((resolve) => {
              answer = resolve
            }),
        })
        await send(mq, 'a')
        await mq.advance(4999)
        assert.deepEqual([dropped.length, (await offsetOf(mq, 'A')) ?? 0], [0, 0])
        await mq.advance(1)
        assert.deepEqual([dropped.length, await offsetOf(mq, 'A')], [1, 1])
        assert.deepEqual(
          warnings.map(({ code }) => code),
          ['LISTENER_TIMEOUT'],
        )
        assert.equal(deliveries[0]?.context.signal.aborted, true)
        answer()
        await mq.advance('1h')
        assert.deepEqual(
          [consumer.stats.succeededCount, consumer.stats.timedOutCount, deliveries.length],
          [0, 1, 1],
        )
      },
    ),
    ...[0, 1, 3, 16].map(retryRule),
    rule(
      '6.5',
      'With broadcastFailure retry there are 16 retries unless told otherwise',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries, consumer } = await subscribe(mq, { ...retrying, listener: failing() })
        await send(mq, 'a')
        await mq.advance('1h')
        assert.deepEqual(
          [deliveries.length, consumer.stats.failedCount, consumer.stats.droppedCount],
          [17, 17, 1],
        )
      },
    ),
    rule('6.5', 'A retry is told, with its count and its time', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      await subscribe(mq, { ...retrying, listener: failing(2) })
      const [receipt] = await send(mq, 'a')
      const start = mq.now()
      await mq.advance('1m')
      assert.deepEqual(
        retries.map(({ messageId, reconsumeTimes, dueTimestamp }) => [
          messageId,
          reconsumeTimes,
          dueTimestamp - start,
        ]),
        [
          [receipt?.messageId, 1, 5000],
          [receipt?.messageId, 2, 10_000],
        ],
      )
    }),
    rule(
      '6.5',
      'A retry comes to the member that failed, and to no other',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const [bad] = await join(mq, ['A'], { ...retrying, listener: failingFor({ b: 2 }) })
        const [good] = await join(mq, ['B'], retrying)
        await send(mq, ['a', 'b', 'c'])
        await mq.advance('1m')
        assert.deepEqual(attemptsOf(bad!).sort(), ['a1', 'b1', 'b2', 'b3', 'c1'])
        assert.deepEqual(attemptsOf(good!).sort(), ['a1', 'b1', 'c1'])
      },
    ),
    rule(
      '6.3',
      'A message that waits for its retry holds the offset, and nothing else',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { texts } = await subscribe(mq, { ...retrying, clientId: 'A', listener: failingFor({ b: 1 }) })
        await send(mq, ['a', 'b', 'c', 'd'])
        await mq.advance(4999)
        assert.deepEqual([texts().sort(), await offsetOf(mq, 'A')], [['a', 'b', 'c', 'd'], 1])
        await mq.advance(1)
        assert.deepEqual([texts().at(-1), await offsetOf(mq, 'A')], ['b', 4])
      },
    ),
    rule(
      '6.5',
      'Delay levels mean nothing to a member, but for -1, which drops at once',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const member = await subscribe(mq, {
          ...retrying,
          maxReconsumeTimes: 1,
          listener: (message, context) => {
            context.delayLevelWhenNextConsume = message.text() === 'a' ? 18 : -1
            return 'FAILURE'
          },
        })
        await send(mq, ['a', 'b'])
        await mq.advance(5000)
        assert.deepEqual(attemptsOf(member), ['a1', 'b1', 'a2'])
        assert.equal(member.consumer.stats.droppedCount, 2)
      },
    ),
    rule(
      '6.6',
      'In order a message that fails holds its queue of this member, without end',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const [bad] = await join(mq, ['A'], { ...inOrder, listener: failing() })
        const [good] = await join(mq, ['B'], inOrder)
        await send(mq, ['a', 'b'])
        await mq.advance('50s')
        assert.equal(bad!.deliveries.length, 51)
        assert.ok(bad!.texts().every((text) => text === 'a'))
        assert.deepEqual([good!.texts(), bad!.consumer.stats.droppedCount], [['a', 'b'], 0])
      },
    ),
    rule('6.6', 'In order a queue rests as long as its listener says', { needs }, async (world) => {
      const mq = await world.openShop()
      const member = await subscribe(mq, {
        ...inOrder,
        suspendCurrentQueueTimeMs: 300,
        listener: (_, context) => {
          if (context.deliveryAttempt === 2) context.suspendCurrentQueueTimeMs = 700
          return context.deliveryAttempt < 3 ? 'FAILURE' : 'SUCCESS'
        },
      })
      await send(mq, 'a')
      const start = mq.now()
      await mq.advance('1m')
      assert.deepEqual(
        member.deliveries.map(({ timestamp }) => timestamp - start),
        [0, 300, 1000],
      )
    }),
    rule(
      '6.6',
      'In order a maximum bounds the retries; then the message is dropped',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const dropped = eventsOf(mq, 'message-dropped')
        const member = await subscribe(mq, {
          ...inOrder,
          clientId: 'A',
          maxReconsumeTimes: 2,
          listener: failingFor({ a: 9 }),
        })
        await send(mq, ['a', 'b'])
        await mq.advance('1m')
        assert.deepEqual(attemptsOf(member), ['a1', 'a2', 'a3', 'b1'])
        assert.deepEqual(
          dropped.map(({ reconsumeTimes }) => reconsumeTimes),
          [3],
        )
        assert.equal(await offsetOf(mq, 'A'), 2)
      },
    ),
    rule('6.6', 'In order a member may drop what fails at once', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const member = await subscribe(mq, { ...inOrder, broadcastFailure: 'drop', listener: failing() })
      await send(mq, ['a', 'b'])
      await mq.advance('1m')
      assert.deepEqual(attemptsOf(member), ['a1', 'b1'])
      assert.equal(member.consumer.stats.droppedCount, 2)
    }),
    rule(
      '6.6',
      'In order a listener that takes too long keeps its queue of this member',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const [slow] = await join(mq, ['A'], { ...inOrder, ...stuck, consumeTimeoutMs: 5000 })
        const [fast] = await join(mq, ['B'], inOrder)
        await send(mq, ['a', 'b'])
        await mq.advance('1h')
        assert.deepEqual([slow!.texts(), fast!.texts()], [['a'], ['a', 'b']])
        assert.deepEqual([slow!.consumer.stats.timedOutCount, slow!.consumer.stats.droppedCount], [1, 0])
      },
    ),
    rule(
      '6.1',
      'The setting broadcastFailure is refused where a group retries by itself',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        for (const broadcastFailure of ['drop', 'retry'] as const) {
          const error = await refused('INVALID_PARAMETER', () => subscribe(mq, { broadcastFailure }))
          assert.match(error.message, /broadcastFailure/)
        }
        await refused('INVALID_PARAMETER', () =>
          subscribe(mq, { ...broadcasting, broadcastFailure: 'ignore' as never }),
        )
        assert.deepEqual(await mq.admin.groups(), [])
      },
    ),
  ],
}
