/** Consume hooks, which watch every call of a listener, and the statistics of consumers. */
import { strict as assert } from 'node:assert'
import type { ConsumeHook, ConsumeHookContext, ConsumeHookOutcome } from '../../../consumer/consume-hooks.ts'
import type { MessageListener } from '../../../consumer/message-listener.ts'
import {
  committed,
  eventsOf,
  failing,
  numbers,
  queueOf,
  send,
  stuck,
  subscribe,
  subscribeBatch,
  textsOf,
} from '../kit.ts'
import { onDemand } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const

/** How a call ends, and what hooks are told. */
const OUTCOMES: readonly (readonly [
  ending: string,
  listener: MessageListener,
  status: ConsumeHookOutcome['status'],
  reason?: RegExp,
])[] = [
  ['answers nothing', () => undefined, 'SUCCESS'],
  ['answers SUCCESS', () => 'SUCCESS', 'SUCCESS'],
  ['resolves', async () => undefined, 'SUCCESS'],
  ['answers FAILURE', () => 'FAILURE', 'FAILED', /FAILURE/],
  ['resolves to FAILURE', async () => 'FAILURE' as const, 'FAILED', /FAILURE/],
  ['answers something else', () => 42 as never, 'FAILED', /42/],
  [
    'throws',
    () => {
      throw new RangeError('no paper')
    },
    'EXCEPTION',
    /RangeError: no paper/,
  ],
  ['rejects', () => Promise.reject(new RangeError('no paper')), 'EXCEPTION', /RangeError: no paper/],
]

/** Hooks that err. */
const BROKEN: readonly (readonly [how: string, hook: ConsumeHook])[] = [
  [
    'throws before a call',
    {
      before: () => {
        throw new Error('broken')
      },
    },
  ],
  [
    'throws after a call',
    {
      after: () => {
        throw new Error('broken')
      },
    },
  ],
  ['rejects', { before: () => Promise.reject(new Error('broken')) as never }],
  [
    'meddles with what it is told',
    {
      before: (context) => {
        Object.assign(context, { group: 'another' })
      },
    },
  ],
  [
    'meddles with the messages',
    {
      before: ({ messages }) => {
        ;(messages as unknown[]).length = 0
      },
    },
  ],
]

/** A hook that writes down what it is told. */
function noting() {
  const before: ConsumeHookContext[] = []
  const after: [ConsumeHookContext, ConsumeHookOutcome][] = []
  const hook: ConsumeHook = {
    before: (context) => void before.push(context),
    after: (context, outcome) => void after.push([context, outcome]),
  }
  return { hook, before, after }
}

function outcomeRule([ending, listener, status, reason]: (typeof OUTCOMES)[number]): ConformanceRule {
  return rule('6.5', `Hooks are told ${status} when a listener ${ending}`, async (world) => {
    const mq = await world.openShop()
    const { hook, after } = noting()
    await subscribe(mq, { consumeHooks: [hook], listener })
    await send(mq, 'x')
    await mq.until('it is told', () => after.length === 1)
    const [, outcome] = after[0]!
    assert.equal(outcome.status, status)
    if (reason === undefined) assert.equal(outcome.reason, undefined)
    else assert.match(outcome.reason ?? '', reason)
  })
}

function brokenRule([how, hook]: (typeof BROKEN)[number]): ConformanceRule {
  return rule('6.5', `A hook that ${how} changes nothing, and an error tells of it`, async (world) => {
    const mq = await world.openShop()
    const errors = eventsOf(mq, 'error')
    const sound = noting()
    const { consumer, texts } = await subscribe(mq, { consumeHooks: [hook, sound.hook] })
    await send(mq, ['a', 'b'])
    await mq.until('both are consumed', () => consumer.stats.succeededCount === 2)
    await mq.until('it is told', () => errors.length === 2)
    assert.deepEqual([texts().sort(), consumer.stats.failedCount], [['a', 'b'], 0])
    for (const { message } of errors) assert.match(message, /hook 'hook' of 'billing'/)
    assert.deepEqual([sound.before.length, sound.after.length], [2, 2])
    assert.ok(sound.before.every(({ group, messages }) => group === 'billing' && messages.length === 1))
  })
}

export const consumeHooks: ConformanceChapter = {
  title: 'Consume hooks and statistics',
  rules: [
    rule('6.5', 'Hooks are called around every call of a listener, in their order', async (world) => {
      const mq = await world.openShop()
      const lines: string[] = []
      const hookOf = (name: string): ConsumeHook => ({
        before: ({ messages }) => void lines.push(`${name} before ${textsOf(messages)}`),
        after: ({ messages }, { status }) => void lines.push(`${name} after ${textsOf(messages)} ${status}`),
      })
      await subscribe(mq, {
        concurrency: 1,
        consumeHooks: [hookOf('first'), hookOf('second')],
        listener: (message) => void lines.push(`listener ${message.text()}`),
      })
      await send(mq, ['a', 'b'])
      await mq.until('both are consumed', () => lines.length === 10)
      const around = (text: string): string[] => [
        `first before ${text}`,
        `second before ${text}`,
        `listener ${text}`,
        `first after ${text} SUCCESS`,
        `second after ${text} SUCCESS`,
      ]
      assert.deepEqual(lines, [...around('a'), ...around('b')])
    }),
    rule('6.5', 'Hooks are told the group, the member, the queue and the messages', async (world) => {
      const mq = await world.openShop(2)
      const { hook, before, after } = noting()
      await subscribe(mq, { clientId: 'A', consumeHooks: [hook] })
      await send(mq, 'x', { queueId: 1, keys: 'k' })
      await mq.until('it is told', () => after.length === 1)
      const { group, clientId, queue, messages } = before[0]!
      assert.deepEqual(
        [group, clientId, queue, textsOf(messages)],
        ['billing', 'A', await queueOf(mq, 1), ['x']],
      )
      assert.equal(after[0]?.[0], before[0])
    }),
    rule('6.5', 'Hooks are told the messages of a batch together', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(4))
      const { hook, before } = noting()
      await subscribeBatch(mq, 4, { consumeHooks: [hook], concurrency: 1 })
      await mq.until('all are told', () => before.flatMap(({ messages }) => messages).length === 4)
      assert.deepEqual(textsOf(before.flatMap(({ messages }) => messages)), numbers(4))
      assert.equal(before[0]?.messages.length, 4)
    }),
    ...OUTCOMES.map(outcomeRule),
    rule(
      '6.5',
      'Hooks are told TIME_OUT when a listener takes too long, at that moment and once',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { hook, after } = noting()
        const { listener, calls } = onDemand()
        await subscribe(mq, { consumeHooks: [hook], consumeTimeoutMs: 5000, listener, closeTimeoutMs: 1 })
        await send(mq, 'x')
        await mq.advance(4999)
        assert.equal(after.length, 0)
        await mq.advance(1)
        assert.deepEqual(
          after.map(([, { status, durationMs }]) => [status, durationMs]),
          [['TIME_OUT', 5000]],
        )
        calls[0]?.answer()
        await mq.rest()
        assert.equal(after.length, 1)
      },
    ),
    rule(
      '6.5',
      'In order hooks are told TIME_OUT when the late listener settles',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { hook, after } = noting()
        const { listener, calls } = onDemand()
        await subscribe(mq, { mode: 'orderly', consumeHooks: [hook], consumeTimeoutMs: 5000, listener })
        await send(mq, 'x')
        await mq.advance(7000)
        assert.equal(after.length, 0)
        calls[0]?.answer()
        await mq.until('it is told', () => after.length === 1)
        assert.deepEqual(
          after.map(([, { status, durationMs }]) => [status, durationMs]),
          [['TIME_OUT', 7000]],
        )
      },
    ),
    rule(
      '6.5',
      'Hooks are told TIME_OUT of what a closing consumer does not wait for',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { hook, after } = noting()
        const { consumer } = await subscribe(mq, {
          consumeHooks: [hook],
          listener: stuck.listener,
          closeTimeoutMs: 3000,
        })
        await send(mq, 'x')
        await mq.rest()
        const closing = consumer.close()
        await mq.advance(3000)
        await closing
        assert.deepEqual(
          after.map(([, { status, durationMs }]) => [status, durationMs]),
          [['TIME_OUT', 3000]],
        )
      },
    ),
    rule('6.5', 'Hooks are told how long a listener ran', { needs }, async (world) => {
      const mq = await world.openShop()
      const { hook, after } = noting()
      const { listener, calls } = onDemand()
      await subscribe(mq, { consumeHooks: [hook], listener })
      await send(mq, 'x')
      await mq.advance(1234)
      calls[0]?.answer()
      await mq.until('it is told', () => after.length === 1)
      assert.equal(after[0]?.[1].durationMs, 1234)
    }),
    rule('6.5', 'Hooks are told of retries, which lie in the retry topic', { needs }, async (world) => {
      const mq = await world.openShop()
      const { hook, before } = noting()
      await subscribe(mq, { consumeHooks: [hook], listener: failing(1) })
      await send(mq, 'x')
      await mq.advance('10s')
      assert.deepEqual(
        before.map(({ queue }) => queue.topic),
        ['orders', '%RETRY%billing'],
      )
      assert.deepEqual(
        before.map(({ messages }) => messages[0]?.reconsumeTimes),
        [0, 1],
      )
    }),
    ...BROKEN.map(brokenRule),
    rule('15.2', 'Statistics count what became of messages', { needs }, async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq, {
        consumeTimeoutMs: 5000,
        closeTimeoutMs: 1,
        listener: (message) => {
          if (message.text() === 'hang' && message.deliveryAttempt === 1) return new Promise(() => undefined)
          return message.text() === 'fail' && message.deliveryAttempt === 1 ? 'FAILURE' : 'SUCCESS'
        },
      })
      await send(mq, ['a', 'b', 'fail', 'hang'])
      await mq.rest()
      const { succeededCount, failedCount, timedOutCount, runningCount, unfinishedCount } = consumer.stats
      assert.deepEqual(
        [succeededCount, failedCount, timedOutCount, runningCount, unfinishedCount],
        [2, 1, 0, 1, 1],
      )
      await mq.advance('20s')
      const after = consumer.stats
      assert.deepEqual(
        [
          after.succeededCount,
          after.failedCount,
          after.timedOutCount,
          after.droppedCount,
          after.unfinishedCount,
        ],
        [4, 1, 1, 0, 0],
      )
    }),
    rule('15.2', 'Statistics add up how long listeners ran', { needs }, async (world) => {
      const mq = await world.openShop()
      const { listener, calls } = onDemand()
      const { consumer } = await subscribe(mq, { listener })
      await send(mq, ['a', 'b'])
      await mq.advance(300)
      calls[0]?.answer()
      await mq.advance(400)
      calls[1]?.answer('FAILURE')
      await mq.rest()
      assert.equal(consumer.stats.consumeDurationMs, 1000)
    }),
    rule('15.2', 'Statistics count pulls and what they brought', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(50))
      const { consumer } = await subscribe(mq, { pullBatchSize: 10 })
      await mq.until('all are consumed', () => consumer.stats.succeededCount === 50)
      const { pullCount, pulledMessageCount } = consumer.stats
      assert.ok(pullCount >= 5)
      assert.equal(pulledMessageCount, 50)
    }),
    rule('15.2', 'Statistics are values: what was asked for once does not change', async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq)
      const before = consumer.stats
      await send(mq, 'x')
      await mq.until('it is consumed', async () => (await committed(mq)) === 1)
      assert.deepEqual([before.succeededCount, consumer.stats.succeededCount], [0, 1])
    }),
    rule('15.2', 'Statistics of a member begin at nothing, and stay when it closes', async (world) => {
      const mq = await world.openShop()
      const first = await subscribe(mq)
      await send(mq, numbers(3))
      await mq.until('all are consumed', () => first.consumer.stats.succeededCount === 3)
      await first.consumer.close()
      const { succeededCount, runningCount, unfinishedCount, queues } = first.consumer.stats
      assert.deepEqual([succeededCount, runningCount, unfinishedCount, queues], [3, 0, 0, []])
      const second = await subscribe(mq)
      assert.deepEqual(
        [second.consumer.stats.succeededCount, second.consumer.stats.pulledMessageCount],
        [0, 0],
      )
    }),
    rule('15.2', 'Statistics list the queues of a member, those of its retry topic too', async (world) => {
      const mq = await world.openShop(2)
      const { consumer } = await subscribe(mq)
      const queues = [await queueOf(mq, 0), await queueOf(mq, 1), await queueOf(mq, 0, '%RETRY%billing')]
      const sorted = (list: readonly object[]): string[] => list.map((queue) => JSON.stringify(queue)).sort()
      assert.deepEqual(sorted(consumer.stats.queues), sorted(queues))
    }),
  ],
}
