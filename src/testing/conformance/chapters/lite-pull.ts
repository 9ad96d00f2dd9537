/** Lite pull consumers: what polls give, what counts as consumed, and where they begin. */
import { strict as assert } from 'node:assert'
import type { LitePullConsumerOptions } from '../../../consumer/lite-pull-consumer-options.ts'
import { committed, numbers, openAgedShop, queueOf, refused, send, textsOf } from '../kit.ts'
import { drain, LONG_MS, lite, numbersFrom, openLite, pollNow, pollTexts } from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const NOW = { timeoutMs: 0 } as const

const WISHES: readonly (readonly [
  title: string,
  options: Partial<LitePullConsumerOptions> & { readonly agoMs?: number },
  texts: readonly string[],
])[] = [
  ['starts behind the last message unless told otherwise', {}, ['new']],
  ['starts at the oldest message with FIRST_OFFSET', { consumeFromWhere: 'FIRST_OFFSET' }, ['2', '3', 'new']],
  [
    'starts at the first message of a time with TIMESTAMP',
    { consumeFromWhere: 'TIMESTAMP', agoMs: 1_800_000 },
    ['3', 'new'],
  ],
]

function wishRule([title, { agoMs, ...options }, expected]: (typeof WISHES)[number]): ConformanceRule {
  return rule(
    '8.1',
    `On a queue that lost its oldest messages a new group of lite pull consumers ${title}`,
    { needs },
    async (world) => {
      const mq = await openAgedShop(world)
      const consumeTimestamp = agoMs === undefined ? undefined : mq.now() - agoMs
      const consumer = await lite(mq, { ...options, consumeTimestamp })
      await mq.rest()
      await send(mq, 'new')
      assert.deepEqual(await drain(mq, consumer, expected.length), expected)
    },
  )
}

export const litePull: ConformanceChapter = {
  title: 'Lite pull consumers: polls and commits',
  rules: [
    rule('8.1', 'A poll answers messages of one queue in order, 10 at most', async (world) => {
      const { consumer } = await openLite(world, 25)
      const polls = [await consumer.poll(), await consumer.poll(), await consumer.poll()]
      assert.deepEqual(polls.map(textsOf), [numbersFrom(0, 10), numbersFrom(10, 10), numbersFrom(20, 5)])
    }),
    rule('8.1', 'A poll answers as many messages as pullBatchSize says at most', async (world) => {
      const { consumer } = await openLite(world, 5, { pullBatchSize: 2 })
      const counts = [await consumer.poll(), await consumer.poll(), await consumer.poll()].map(
        ({ length }) => length,
      )
      assert.deepEqual(counts, [2, 2, 1])
    }),
    rule('8.1', 'A poll never mixes queues, and leaves none out', async (world) => {
      const mq = await world.openShop(3)
      for (const queueId of [0, 1, 2]) await send(mq, numbers(30), { queueId })
      const consumer = await lite(mq)
      await mq.rest()
      const seen = new Map<number, string[]>([0, 1, 2].map((queueId) => [queueId, []]))
      for (let poll = 0; poll < 9; poll++) {
        const messages = await consumer.poll({ timeoutMs: LONG_MS })
        const [queueId = -1, ...others] = new Set(messages.map(({ queue }) => queue.queueId))
        assert.deepEqual(others, [])
        seen.get(queueId)?.push(...textsOf(messages))
      }
      for (const texts of seen.values()) assert.deepEqual(texts, numbers(30))
    }),
    rule('8.1', 'A poll that waits is answered by the message that comes', async (world) => {
      const { mq, consumer } = await openLite(world, 0)
      const polling = consumer.poll({ timeoutMs: LONG_MS })
      await mq.rest()
      await send(mq, 'x')
      assert.deepEqual(textsOf(await polling), ['x'])
    }),
    rule(
      '8.1',
      'A poll waits 5 seconds, or as long as it says, and answers nothing then',
      { needs },
      async (world) => {
        const { mq, consumer } = await openLite(world, 0, { autoCommit: false })
        const ended: string[] = []
        const wait = (name: string, options = {}) =>
          consumer.poll(options).then(({ length }) => ended.push(`${name} ${length}`))
        const polls = [wait('default'), wait('own', { timeoutMs: 1000 }), wait('none', NOW)]
        await mq.advance(999)
        assert.deepEqual(ended, ['none 0'])
        await mq.advance(1)
        assert.deepEqual(ended.slice(1), ['own 0'])
        await mq.advance(3999)
        assert.equal(ended.length, 2)
        await mq.advance(1)
        await Promise.all(polls)
        assert.deepEqual(ended.slice(2), ['default 0'])
      },
    ),
    rule('8.1', 'A negative wait, and what is no time, is refused', async (world) => {
      const { consumer } = await openLite(world, 1)
      for (const timeoutMs of [-1, Number.NaN, '5' as unknown as number])
        await refused('INVALID_PARAMETER', () => consumer.poll({ timeoutMs }))
      assert.deepEqual(textsOf(await consumer.poll()), ['0'])
    }),
    rule(
      '8.1',
      'A signal ends a poll with ABORTED, and it takes nothing',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 0)
        const ending = new AbortController()
        const { signal } = ending
        const aborted = refused('ABORTED', () => consumer.poll({ timeoutMs: LONG_MS, signal }))
        await mq.rest()
        ending.abort()
        await aborted
        await refused('ABORTED', () => consumer.poll({ signal }))
        await send(mq, 'x')
        assert.deepEqual(await pollTexts(mq, consumer, 1), ['x'])
      },
    ),
    rule('8.1', 'Polls that run at a time are served in their order', { differs: true }, async (world) => {
      const { mq, consumer } = await openLite(world, 0, { pullBatchSize: 1, autoCommit: false })
      const polls = numbers(4).map(() => consumer.poll({ timeoutMs: LONG_MS }))
      await mq.rest()
      await send(mq, numbers(4))
      assert.deepEqual((await Promise.all(polls)).flatMap(textsOf), numbers(4))
    }),
    rule(
      '8.1',
      'What was handed out is not handed out again, however long it takes',
      { needs },
      async (world) => {
        const { mq, consumer } = await openLite(world, 3)
        await consumer.poll()
        await mq.advance('3h')
        assert.deepEqual(await pollNow(mq, consumer), [])
        assert.deepEqual(
          consumer.assignment().map(({ topic }) => topic),
          ['orders'],
        )
      },
    ),
    rule('8.1', 'A poll commits nothing of what it returns itself', async (world) => {
      const { mq, consumer } = await openLite(world, 10)
      await consumer.poll()
      await mq.rest()
      assert.equal((await consumer.committed(await queueOf(mq))) ?? 0, 0)
    }),
    rule(
      '8.1',
      'A poll commits what earlier ones returned, 5 seconds after the last commit and not before',
      { needs },
      async (world) => {
        const { mq, consumer } = await openLite(world, 40)
        await consumer.poll()
        // Before the first poll nothing was committed, so that one commits, what there is: nothing.
        await mq.rest()
        await consumer.poll()
        await mq.advance(4999)
        await consumer.poll()
        await mq.rest()
        assert.equal((await committed(mq)) ?? 0, 0)
        await mq.advance(1)
        await consumer.poll()
        await mq.rest()
        assert.equal(await committed(mq), 30)
      },
    ),
    rule('8.1', 'Time alone commits nothing', { needs }, async (world) => {
      const { mq, consumer } = await openLite(world, 10)
      await consumer.poll()
      await mq.advance('1h')
      assert.equal((await committed(mq)) ?? 0, 0)
    }),
    rule('8.1', 'Without autoCommit only commit commits', { needs }, async (world) => {
      const { mq, consumer } = await openLite(world, 30, { autoCommit: false, autoCommitIntervalMs: 1000 })
      await drain(mq, consumer, 30)
      await mq.advance('1m')
      await consumer.poll(NOW)
      await mq.rest()
      assert.equal((await committed(mq)) ?? 0, 0)
      await consumer.close()
      assert.equal((await committed(mq)) ?? 0, 0)
    }),
    rule(
      '8.1',
      'A commit takes in all that was handed out, and resolves when it is stored',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        for (const queueId of [0, 1]) await send(mq, numbers(3 + queueId), { queueId })
        const consumer = await lite(mq, { autoCommit: false })
        await pollTexts(mq, consumer, 7)
        await consumer.commit()
        assert.deepEqual([await committed(mq), await committed(mq, { queueId: 1 })], [3, 4])
      },
    ),
    rule('8.1', 'What was fetched and not handed out is not committed', async (world) => {
      const { mq, consumer } = await openLite(world, 30, { pullBatchSize: 4 })
      await consumer.poll()
      await consumer.commit()
      assert.equal(await committed(mq), 4)
    }),
    rule('8.1', 'A commit of offsets stores these, forward and back', async (world) => {
      const { mq, consumer } = await openLite(world, 10)
      const queue = await queueOf(mq)
      for (const offset of [7, 2, 10]) {
        await consumer.commit(new Map([[queue, offset]]))
        assert.deepEqual([await consumer.committed(queue), await committed(mq)], [offset, offset])
      }
    }),
    rule('8.1', 'What lies behind an offset that was committed is not committed by that', async (world) => {
      const { mq, consumer } = await openLite(world, 10)
      await consumer.poll()
      await consumer.commit([[await queueOf(mq), 5]])
      await consumer.close()
      assert.equal(await committed(mq), 5)
      assert.deepEqual(await drain(mq, await lite(mq), 5), numbersFrom(5, 5))
    }),
    rule(
      '8.1',
      'Offsets of other queues, below 0 or beyond the end cannot be committed',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 3)
        const queue = await queueOf(mq)
        for (const offset of [-1, 4, 0.5])
          await refused('INVALID_PARAMETER', () => consumer.commit([[queue, offset]]))
        await refused('INVALID_PARAMETER', () => consumer.commit([[{ ...queue, queueId: 1 }, 0]]))
        assert.equal(await committed(mq), undefined)
      },
    ),
    rule('8.1', 'What was committed does not come again, what was not does', async (world) => {
      const { mq, consumer } = await openLite(world, 6, { pullBatchSize: 2 })
      await consumer.poll()
      await consumer.commit()
      await consumer.poll()
      await consumer.close()
      assert.deepEqual(await drain(mq, await lite(mq), 4), ['2', '3', '4', '5'])
    }),
    rule(
      '8.1',
      'What does not pass the filter is not handed out, and the position passes it',
      { differs: true },
      async (world) => {
        const { mq, consumer } = await openLite(world, 0, { subscriptions: { orders: 'paid' } })
        for (const tag of ['paid', 'open', 'paid', 'open']) await send(mq, tag, { tag })
        assert.deepEqual(await pollTexts(mq, consumer, 2), ['paid', 'paid'])
        const queue = await queueOf(mq)
        await mq.within('10s', 'it is behind all', async () => (await consumer.position(queue)) === 4)
        await consumer.commit()
        assert.equal((await mq.admin.consumerProgress('billing')).lag, 0)
      },
    ),
    rule(
      '8.1',
      'Options that are unknown or out of range are refused, and make no group',

      async (world) => {
        const mq = await world.openShop()
        const wrong = [
          { pullBatchSize: 0 },
          { pullBatchSize: 1025 },
          { pullThresholdForQueue: 0 },
          { pullThresholdForQueue: 65_536 },
          { pollTimeoutMs: -1 },
          { autoCommitIntervalMs: 0 },
          { consumeFromWhere: 'SOMEWHERE' as never },
          { group: 'DEFAULT_CONSUMER' },
          { pullThreshold: 5 } as object,
        ]
        for (const options of wrong) await refused('INVALID_PARAMETER', () => lite(mq, options))
        await refused('SUBSCRIPTION_PARSE_FAILED', () => lite(mq, { subscriptions: { orders: 'a | b' } }))
        assert.deepEqual(await mq.admin.groups(), [])
      },
    ),
    rule('8.1', 'A young queue is read from its beginning', async (world) => {
      const { mq, consumer } = await openLite(world, 5, { consumeFromWhere: 'LAST_OFFSET' })
      assert.deepEqual(await drain(mq, consumer, 5), numbers(5))
    }),
    ...WISHES.map(wishRule),
    rule(
      '8.1',
      'An offset that retention has passed moves to the oldest message, without a word',
      { needs },
      async (world) => {
        const mq = await openAgedShop(world)
        await mq.admin.createGroup({ group: 'billing' })
        await mq.engine.updateConsumerOffset('billing', await queueOf(mq), 1)
        assert.deepEqual(await drain(mq, await lite(mq), 2), ['2', '3'])
      },
    ),
    rule('8.1', 'A topic that appears later is consumed from its beginning', async (world) => {
      const { mq, consumer } = await openLite(world, 0, { subscriptions: { later: '*' } })
      assert.deepEqual(consumer.assignment(), [])
      await send(mq, numbers(5), { topic: 'later' })
      assert.deepEqual((await pollTexts(mq, consumer, 5)).sort(), numbers(5))
    }),
  ],
}
