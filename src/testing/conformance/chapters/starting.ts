/** Where a group starts to consume. */
import { strict as assert } from 'node:assert'
import type { ConsumeFromWhere } from '../../../consumer/start-offset.ts'
import { committed, failing, numbers, openAgedShop, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const HALF_HOUR_MS = 1_800_000

/** The wishes of a group without offset, and which messages of an aged queue (2 and 3 are left) it gets. */
const WISHES: readonly (readonly [
  title: string,
  options: { readonly consumeFromWhere?: ConsumeFromWhere; readonly agoMs?: number },
  texts: readonly string[],
])[] = [
  ['starts behind the last message unless told otherwise', {}, []],
  ['starts behind the last message with LAST_OFFSET', { consumeFromWhere: 'LAST_OFFSET' }, []],
  ['starts at the oldest message with FIRST_OFFSET', { consumeFromWhere: 'FIRST_OFFSET' }, ['2', '3']],
  [
    'starts at the first message of the wished time with TIMESTAMP',
    { consumeFromWhere: 'TIMESTAMP', agoMs: 2 * HALF_HOUR_MS },
    ['2', '3'],
  ],
  [
    'starts behind the messages before the wished time',
    { consumeFromWhere: 'TIMESTAMP', agoMs: 2 * HALF_HOUR_MS - 1 },
    ['3'],
  ],
  ['starts 30 minutes ago with TIMESTAMP and no time', { consumeFromWhere: 'TIMESTAMP' }, ['3']],
]

function wishRule([title, { agoMs, ...options }, expected]: (typeof WISHES)[number]): ConformanceRule {
  return rule(
    '6.2',
    `On a queue that lost its oldest messages a new group ${title}`,
    { needs },
    async (world) => {
      const mq = await openAgedShop(world)
      const consumeTimestamp = agoMs === undefined ? undefined : mq.now() - agoMs
      const { texts } = await subscribe(mq, { ...options, consumeTimestamp })
      await mq.rest()
      assert.deepEqual(texts(), expected)
      await send(mq, 'new')
      await mq.until('what comes next is delivered', () => texts().includes('new'))
    },
  )
}

function youngRule(consumeFromWhere: ConsumeFromWhere): ConformanceRule {
  return rule(
    '6.2',
    `On a young queue a new group starts at offset 0 with ${consumeFromWhere}`,
    async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(5))
      const consumeTimestamp = consumeFromWhere === 'TIMESTAMP' ? mq.now() + 1000 : undefined
      const { texts } = await subscribe(mq, { consumeFromWhere, consumeTimestamp })
      await mq.until('all five are delivered', () => texts().length === 5)
    },
  )
}

export const starting: ConformanceChapter = {
  title: 'Where consumption starts',
  rules: [
    ...(['LAST_OFFSET', 'FIRST_OFFSET', 'TIMESTAMP'] as const).map(youngRule),
    ...WISHES.map(wishRule),
    rule('6.2', 'A group that has an offset goes on there, whatever it wishes', async (world) => {
      const mq = await world.openShop()
      const before = await subscribe(mq)
      await send(mq, numbers(2))
      await mq.until('both are consumed', async () => (await committed(mq)) === 2)
      await before.consumer.close()
      await send(mq, ['2', '3'])
      const after = await subscribe(mq, { consumeFromWhere: 'FIRST_OFFSET' })
      await mq.until('the others are delivered', () => after.texts().length === 2)
      assert.deepEqual(after.texts(), ['2', '3'])
    }),
    rule(
      '6.2',
      'A new group that starts at the end and goes away misses nothing that comes meanwhile',
      { needs },
      async (world) => {
        const mq = await openAgedShop(world)
        const before = await subscribe(mq)
        await mq.rest()
        await before.consumer.close()
        await send(mq, 'meanwhile')
        const after = await subscribe(mq)
        await mq.until('it is delivered', () => after.texts().length === 1)
        assert.deepEqual(after.texts(), ['meanwhile'])
      },
    ),
    rule(
      '6.2',
      'Retries that became due while no member was there are delivered, whatever the group wishes',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const before = await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.rest()
        await before.consumer.close()
        await mq.advance('1h')
        const wish = { consumeFromWhere: 'TIMESTAMP', consumeTimestamp: mq.now() } as const
        const after = await subscribe(mq, wish)
        await mq.until('the retry is delivered', () => after.texts().length === 1)
        assert.equal(after.deliveries[0]?.message.reconsumeTimes, 1)
      },
    ),
    rule('6.2', 'A topic that appears while the group runs is read from its beginning', async (world) => {
      const mq = await world.open()
      const { texts } = await subscribe(mq, { consumeFromWhere: 'LAST_OFFSET' })
      await send(mq, numbers(10))
      await mq.until('all are delivered', () => texts().length === 10)
    }),
    rule('6.2', 'A queue that is added while the group runs is read from its beginning', async (world) => {
      const mq = await world.openShop(1)
      const { texts } = await subscribe(mq)
      await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
      await send(mq, 'x', { queueId: 1 })
      await mq.until('it is delivered', () => texts().length === 1)
    }),
    rule('6.2', 'A start time is a whole number of milliseconds since 1970', async (world) => {
      const mq = await world.openShop()
      for (const consumeTimestamp of [-1, 1.5, Number.NaN])
        await assert.rejects(() => subscribe(mq, { consumeFromWhere: 'TIMESTAMP', consumeTimestamp }))
    }),
    rule(
      '6.2',
      'A start time is refused where it would not be looked at',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        for (const consumeFromWhere of [undefined, 'LAST_OFFSET', 'FIRST_OFFSET'] as const) {
          const start = { consumeFromWhere, consumeTimestamp: mq.now() }
          const subscriptions = { orders: '*' }
          for (const starting of [
            () => subscribe(mq, start),
            () => mq.createLitePullConsumer({ group: 'billing', subscriptions, ...start }),
          ]) {
            const { message } = await refused('INVALID_PARAMETER', starting)
            assert.match(message, /consumeTimestamp needs consumeFromWhere 'TIMESTAMP'/)
          }
        }
        assert.deepEqual(await mq.admin.groups(), [])
      },
    ),
  ],
}
