/** Simple consumers: how a receive waits, of which topics, and how a consumer ends. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import { numbers, refused, send, textsOf } from '../kit.ts'
import { LONG_MS, onlyOne, openSimple, receive, receiveOne, receiveTexts, simple } from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['pop'] as const
const timed = ['pop', 'virtualTime'] as const

export const receiveWaits: ConformanceChapter = {
  title: 'Simple consumers: waits and subscriptions',
  rules: [
    rule('8.3', 'A receive that waits is answered by the message that comes', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 0)
      const receiving = consumer.receive({ awaitDurationMs: LONG_MS })
      await mq.rest()
      await send(mq, 'x')
      assert.deepEqual(textsOf(await receiving), ['x'])
    }),
    rule('8.3', 'Of receives that wait each message wakes one', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 0)
      const other = await simple(mq)
      const answers: string[][] = []
      for (const each of [consumer, other])
        void each.receive({ awaitDurationMs: LONG_MS }).then((messages) => answers.push(textsOf(messages)))
      await mq.rest()
      await send(mq, 'a')
      await mq.until('one is answered', () => answers.length > 0)
      await mq.rest()
      assert.deepEqual(answers, [['a']])
      await send(mq, 'b')
      await mq.until('the other one is answered', () => answers.length > 1)
      assert.deepEqual(answers, [['a'], ['b']])
    }),
    rule('8.3', 'Every group that waits gets the message that comes', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 0)
      const members = [consumer, await simple(mq, { group: 'shipping' })]
      const receives = members.map((member) => member.receive({ awaitDurationMs: LONG_MS }))
      await mq.rest()
      await send(mq, 'x')
      assert.deepEqual((await Promise.all(receives)).map(textsOf), [['x'], ['x']])
    }),
    rule(
      '8.7',
      'A receive waits as long as its consumer says, or itself, and answers nothing then',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0, { awaitDurationMs: 5000 })
        const ended: string[] = []
        const wait = (name: string, options = {}, each = consumer): Promise<unknown> =>
          each.receive(options).then(({ length }) => ended.push(`${name} ${length}`))
        const waits = [
          wait('default', {}, await simple(mq)),
          wait('consumer'),
          wait('own', { awaitDurationMs: 1000 }),
          wait('none', { awaitDurationMs: 0 }),
        ]
        const counts: number[] = []
        for (const step of [999, 1, 3999, 1, 14_999, 1]) {
          await mq.advance(step)
          counts.push(ended.length)
        }
        assert.deepEqual(counts, [1, 2, 2, 3, 3, 4])
        await Promise.all(waits)
        assert.deepEqual(ended, ['none 0', 'own 0', 'consumer 0', 'default 0'])
      },
    ),
    rule('8.7', 'The topics of a consumer take turns', { needs }, async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'returns', queues: 1 }] })
      await send(mq, numbers(3))
      await send(mq, numbers(3), { topic: 'returns' })
      const consumer = await simple(mq, { subscriptions: { orders: '*', returns: '*' } })
      const topics: string[] = []
      for (let i = 0; i < 6; i++) topics.push((await receiveOne(consumer, { maxMessages: 1 })).topic)
      assert.deepEqual(topics, ['orders', 'returns', 'orders', 'returns', 'orders', 'returns'])
    }),
    rule(
      '8.7',
      'A receive waits for all topics at once, also for one that does not exist yet',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop(1, { topics: [{ topic: 'returns', queues: 1 }] })
        const consumer = await simple(mq, { subscriptions: { orders: '*', returns: '*', later: '*' } })
        for (const topic of ['returns', 'orders', 'later', 'returns']) {
          const receiving = consumer.receive({ awaitDurationMs: LONG_MS })
          await mq.rest()
          await send(mq, 'x', { topic })
          assert.equal(onlyOne(await receiving).topic, topic)
        }
      },
    ),
    rule(
      '8.3',
      'A receive that waits is refused when the topic is no longer readable',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0)
        const waiting = refused('NO_PERMISSION', () => consumer.receive({ awaitDurationMs: LONG_MS }))
        await mq.rest()
        await mq.admin.updateTopic({ topic: 'orders', permission: Permission.WRITE })
        await waiting
      },
    ),
    rule(
      '8.7',
      'Subscriptions can be added, changed and taken away, from the next receive on',
      { needs },
      async (world) => {
        const mq = await world.openShop(1, { topics: [{ topic: 'returns', queues: 1 }] })
        const consumer = await simple(mq, { subscriptions: { orders: 'paid' } })
        await send(mq, 'returned', { topic: 'returns' })
        assert.deepEqual(await receiveTexts(consumer), [])
        await consumer.subscribe('returns', '*')
        assert.deepEqual(await receiveTexts(consumer), ['returned'])
        await consumer.subscribe('orders', 'open')
        for (const tag of ['paid', 'open']) await send(mq, tag, { tag })
        await consumer.unsubscribe('returns')
        await send(mq, 'returned again', { topic: 'returns' })
        assert.deepEqual([await receiveTexts(consumer), await receiveTexts(consumer)], [['open'], []])
        await consumer.unsubscribe('orders')
        await refused('INVALID_PARAMETER', () => receive(consumer))
      },
    ),
    rule('8.7', 'Wrong options make no simple consumer and no group', { needs }, async (world) => {
      const mq = await world.openShop()
      const wrong = [
        { subscriptions: {} },
        { group: 'no spaces' },
        { group: 'DEFAULT_CONSUMER' },
        { awaitDurationMs: -1 },
        { invisibleDurationMs: 5 } as object,
      ]
      for (const options of wrong) await refused('INVALID_PARAMETER', () => simple(mq, options))
      await refused('SUBSCRIPTION_PARSE_FAILED', () => simple(mq, { subscriptions: { orders: '||' } }))
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule(
      '8.7',
      'A signal ends a receive with ABORTED, and it takes nothing',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0)
        const ending = new AbortController()
        const { signal } = ending
        const aborted = refused('ABORTED', () => consumer.receive({ awaitDurationMs: LONG_MS, signal }))
        await mq.rest()
        ending.abort()
        await aborted
        await refused('ABORTED', () => receive(consumer, { signal }))
        await send(mq, 'x')
        assert.deepEqual(await receiveTexts(consumer), ['x'])
      },
    ),
    rule(
      '8.7',
      'Close ends receives that wait with nothing, and refuses what comes',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const message = await receiveOne(consumer)
        const waiting = consumer.receive({ awaitDurationMs: LONG_MS })
        await mq.rest()
        await consumer.close()
        assert.deepEqual(await waiting, [])
        const calls: (() => Promise<unknown>)[] = [
          () => receive(consumer),
          () => consumer.ack(message),
          () => consumer.nack(message),
          () => consumer.changeInvisibleDuration(message, 1000),
          () => consumer.subscribe('orders', 'a'),
          () => consumer.unsubscribe('orders'),
        ]
        for (const call of calls) await refused('CLOSED', call)
      },
    ),
  ],
}
