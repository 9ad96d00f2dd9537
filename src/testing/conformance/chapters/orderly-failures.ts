/** What fails in order: it holds its queue, is delivered again in its place, and may become a dead letter. */
import { strict as assert } from 'node:assert'
import { ConsumeResult, type MessageListener } from '../../../consumer/message-listener.ts'
import { committed, eventsOf, failing, numbers, queueOf, refused, send, subscribe } from '../kit.ts'
import { attemptsOf, failingFor } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const orderly = { mode: 'orderly' } as const

/** What a listener may say the first time so that its queue rests. */
const FAILURES: readonly (readonly [how: string, answer: () => unknown, differs?: boolean])[] = [
  ['answers SUSPEND_CURRENT_QUEUE_A_MOMENT', () => ConsumeResult.SUSPEND_CURRENT_QUEUE_A_MOMENT],
  ['answers FAILURE', () => ConsumeResult.FAILURE],
  ['resolves to SUSPEND_CURRENT_QUEUE_A_MOMENT', async () => 'SUSPEND_CURRENT_QUEUE_A_MOMENT'],
  [
    'throws',
    () => {
      throw new Error('no')
    },
  ],
  ['rejects', () => Promise.reject(new Error('no'))],
  ['answers null', () => null],
  ['answers something else', () => 'COMMIT', true],
]

/** What the options and the context say, and how long the queue rests after a failure. */
const RESTS: readonly (readonly [
  when: string,
  optionMs: number | undefined,
  wishedMs: number | undefined,
  restMs: number,
])[] = [
  ['for a second unless told otherwise', undefined, undefined, 1000],
  ['for 10 ms when its consumer says so', 10, undefined, 10],
  ['for 30 s when its consumer says so', 30_000, undefined, 30_000],
  ['as long as its listener says, whatever its consumer says', 250, 700, 700],
  ['as its consumer says when its listener says -1', 250, -1, 250],
  ['for 10 ms when its listener says 9', undefined, 9, 10],
  ['for 10 ms when its listener says 0', undefined, 0, 10],
  ['for 10 ms when its listener says -2', undefined, -2, 10],
  ['for 30 s when its listener says 30,000', undefined, 30_000, 30_000],
  ['for 30 s when its listener says more', undefined, 30_001, 30_000],
]

/** Retries, and what the deliveries of a message are that always fails, before one that succeeds. */
const MAXIMA: readonly (readonly [maxReconsumeTimes: number, attempts: readonly string[]])[] = [
  [0, ['a1', 'b1']],
  [1, ['a1', 'a2', 'b1']],
  [3, ['a1', 'a2', 'a3', 'a4', 'b1']],
  [16, [...numbers(17).map((number) => `a${Number(number) + 1}`), 'b1']],
]

/** A listener that does this at its first call, and succeeds from then on. */
function firstly(answer: () => unknown): MessageListener {
  let callCount = 0
  return (() => (++callCount === 1 ? answer() : undefined)) as MessageListener
}

function failureRule([how, answer, differs = false]: (typeof FAILURES)[number]): ConformanceRule {
  return rule(
    '6.6',
    `A message holds its queue when its listener ${how}`,
    { needs, differs },
    async (world) => {
      const mq = await world.openShop()
      const { texts, consumer } = await subscribe(mq, { ...orderly, listener: firstly(answer) })
      await send(mq, ['a', 'b', 'c'])
      await mq.advance(999)
      assert.deepEqual(texts(), ['a'])
      await mq.advance(1)
      assert.deepEqual(texts(), ['a', 'a', 'b', 'c'])
      assert.deepEqual([consumer.stats.failedCount, await committed(mq)], [1, 3])
    },
  )
}

function restRule([when, optionMs, wishedMs, restMs]: (typeof RESTS)[number]): ConformanceRule {
  return rule('6.6', `After a failure a queue rests ${when}`, { needs }, async (world) => {
    const mq = await world.openShop()
    const retries = eventsOf(mq, 'retry')
    const start = mq.now()
    const { deliveries } = await subscribe(mq, {
      ...orderly,
      suspendCurrentQueueTimeMs: optionMs,
      listener: (_, context) => {
        if (wishedMs !== undefined) context.suspendCurrentQueueTimeMs = wishedMs
        return context.deliveryAttempt === 1 ? 'FAILURE' : 'SUCCESS'
      },
    })
    await send(mq, 'x')
    await mq.advance(restMs - 1)
    assert.equal(deliveries.length, 1)
    await mq.advance(1)
    assert.equal(deliveries.length, 2)
    assert.deepEqual(
      retries.map(({ dueTimestamp }) => dueTimestamp - start),
      [restMs],
    )
  })
}

function maximumRule([maxReconsumeTimes, attempts]: (typeof MAXIMA)[number]): ConformanceRule {
  return rule(
    '6.6',
    `With maxReconsumeTimes ${maxReconsumeTimes} a message that holds its queue becomes a dead letter at failure ${maxReconsumeTimes + 1}`,
    { needs },
    async (world) => {
      const mq = await world.openShop()
      const letters = eventsOf(mq, 'dead-letter')
      const listener = failingFor({ a: Number.POSITIVE_INFINITY })
      const member = await subscribe(mq, { ...orderly, maxReconsumeTimes, listener })
      const [receipt] = await send(mq, ['a', 'b'])
      await mq.advance(maxReconsumeTimes * 1000)
      assert.deepEqual(attemptsOf(member), attempts)
      assert.deepEqual(
        letters.map(({ messageId, reconsumeTimes, topic }) => [messageId, reconsumeTimes, topic]),
        [[receipt?.messageId, maxReconsumeTimes + 1, 'orders']],
      )
      assert.equal((await mq.admin.deadLetters('billing')).length, 1)
      assert.equal(await committed(mq), 2)
      await mq.advance('1h')
      assert.equal(member.deliveries.length, attempts.length)
    },
  )
}

export const orderlyFailures: ConformanceChapter = {
  title: 'Failures in order',
  rules: [
    ...FAILURES.map(failureRule),
    ...RESTS.map(restRule),
    rule('6.6', 'Other queues go on while one rests', { needs }, async (world) => {
      const mq = await world.openShop(2)
      const member = await subscribe(mq, { ...orderly, listener: failingFor({ a: 1 }) })
      await send(mq, ['a', 'b'], { queueId: 0 })
      await send(mq, ['c', 'd'], { queueId: 1 })
      await mq.rest()
      assert.deepEqual(attemptsOf(member).sort(), ['a1', 'c1', 'd1'])
      await mq.advance(1000)
      assert.deepEqual(attemptsOf(member).slice(3), ['a2', 'b1'])
    }),
    rule('6.6', 'A queue that rests leaves its place to others', { needs }, async (world) => {
      const mq = await world.openShop(2)
      const member = await subscribe(mq, { ...orderly, concurrency: 1, listener: failingFor({ a: 9 }) })
      await send(mq, 'a', { queueId: 0 })
      await mq.rest()
      await send(mq, numbers(5), { queueId: 1 })
      await mq.rest()
      assert.deepEqual(attemptsOf(member), ['a1', '01', '11', '21', '31', '41'])
    }),
    rule('6.6', 'Without a maximum a message is delivered again without end', { needs }, async (world) => {
      const mq = await world.openShop()
      const [retries, letters] = [eventsOf(mq, 'retry'), eventsOf(mq, 'dead-letter')]
      const { deliveries } = await subscribe(mq, { ...orderly, listener: failing() })
      await send(mq, ['a', 'b'])
      await mq.advance('100s')
      assert.deepEqual(
        deliveries.map(({ message }) => message.deliveryAttempt),
        Array.from({ length: 101 }, (_, index) => index + 1),
      )
      assert.deepEqual([retries.length, letters.length], [101, 0])
      assert.equal((await committed(mq)) ?? 0, 0)
    }),
    rule('6.6', 'What holds its queue makes no copy in a retry topic', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { ...orderly, listener: failingFor({ a: 5 }) })
      await send(mq, 'a')
      await mq.advance('10s')
      assert.equal(deliveries.length, 6)
      assert.equal(await mq.engine.maxOffset(await queueOf(mq, 0, '%RETRY%billing')), 0)
      assert.equal((await mq.admin.consumerProgress('billing')).pendingRetryCount, 0)
    }),
    rule('6.6', 'It is the same message each time, but for its attempts', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { ...orderly, listener: failingFor({ a: 1 }) })
      const [receipt] = await send(mq, 'a', { tag: 'paid', keys: 'k', properties: { region: 'eu' } })
      await mq.advance(1000)
      const [first, second] = deliveries.map(({ message }) => message)
      for (const name of [
        'messageId',
        'offsetMessageId',
        'topic',
        'queueOffset',
        'storeTimestamp',
        'tag',
      ] as const)
        assert.equal(second?.[name], first?.[name])
      assert.deepEqual(
        [second?.queue, second?.keys, second?.properties],
        [first?.queue, first?.keys, first?.properties],
      )
      assert.equal(second?.messageId, receipt?.messageId)
      assert.deepEqual([first?.reconsumeTimes, second?.reconsumeTimes], [0, 1])
      assert.deepEqual(
        deliveries.map(({ context }) => context.deliveryAttempt),
        [1, 2],
      )
    }),
    rule('6.6', 'Each failure is told with its count, its time and its reason', { needs }, async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      const start = mq.now()
      await subscribe(mq, {
        ...orderly,
        listener: (_, context) => {
          if (context.deliveryAttempt < 3) throw new RangeError('no paper')
        },
      })
      const [receipt] = await send(mq, 'a')
      await mq.advance('10s')
      const told = {
        group: 'billing',
        topic: 'orders',
        messageId: receipt?.messageId,
        reason: 'RangeError: no paper',
      }
      assert.deepEqual(retries, [
        { ...told, reconsumeTimes: 1, dueTimestamp: start + 1000 },
        { ...told, reconsumeTimes: 2, dueTimestamp: start + 2000 },
      ])
    }),
    ...MAXIMA.map(maximumRule),
    rule(
      '6.6',
      'With delay level -1 a message becomes a dead letter at once',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const letters = eventsOf(mq, 'dead-letter')
        const member = await subscribe(mq, {
          ...orderly,
          listener: (message, context) => {
            context.delayLevelWhenNextConsume = -1
            return message.text() === 'a' ? 'FAILURE' : 'SUCCESS'
          },
        })
        await send(mq, ['a', 'b'])
        await mq.until('the next is delivered', () => member.deliveries.length === 2)
        assert.deepEqual(attemptsOf(member), ['a1', 'b1'])
        await mq.until('it is a dead letter', () => letters.length === 1)
        assert.equal(letters[0]?.reconsumeTimes, 1)
      },
    ),
    rule('6.6', 'Delay levels mean nothing to a queue that rests', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, {
        ...orderly,
        listener: (_, context) => {
          context.delayLevelWhenNextConsume = 18
          return 'FAILURE'
        },
      })
      await send(mq, 'a')
      await mq.advance('3s')
      assert.equal(deliveries.length, 4)
    }),
    rule(
      '6.3',
      'The committed offset stays at the message that holds its queue',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        await subscribe(mq, { ...orderly, listener: failingFor({ b: 2 }) })
        await send(mq, ['a', 'b', 'c'])
        await mq.advance(1999)
        assert.equal(await committed(mq), 1)
        await mq.advance(1)
        assert.equal(await committed(mq), 3)
      },
    ),
    rule(
      '6.4',
      'A rest goes on as long as it was, when its member is paused and resumed',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { consumer, deliveries } = await subscribe(mq, { ...orderly, listener: failing() })
        await send(mq, 'a')
        await mq.advance(400)
        consumer.pause()
        consumer.resume()
        await mq.advance(599)
        assert.equal(deliveries.length, 1)
        await mq.advance(1)
        assert.equal(deliveries.length, 2)
      },
    ),
    rule(
      '6.1',
      'The time that a queue rests is refused where no queue does',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        for (const mode of [undefined, 'concurrent'] as const) {
          const options = { mode, suspendCurrentQueueTimeMs: 1000 }
          const { message } = await refused('INVALID_PARAMETER', () => subscribe(mq, options))
          assert.match(message, /suspendCurrentQueueTimeMs needs mode 'orderly'/)
        }
        assert.deepEqual(await mq.admin.groups(), [])
      },
    ),
  ],
}
