/** Subscriptions that change while a consumer runs, and members of a group that do not agree. */
import { strict as assert } from 'node:assert'
import { sql } from '../../../model/sql/sql-filter.ts'
import type { EngineMQ } from '../engine-mq.ts'
import {
  committed,
  eventsOf,
  failing,
  numbers,
  queueOf,
  refused,
  type SubscribeOptions,
  type Subscriber,
  send,
  subscribe,
} from '../kit.ts'
import { allocated, allocationOf, join, onDemand } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const needs = ['virtualTime'] as const
const both = { orders: '*', invoices: '*' } as const

/** A shop with a second topic. */
function openWithInvoices(world: ConformanceWorld, queues = 1): Promise<EngineMQ> {
  return world.openShop(queues, { topics: [{ topic: 'invoices', queues }] })
}

const topicsOf = ({ consumer }: Subscriber): string[] =>
  consumer.stats.queues.map(({ topic }) => topic).sort()

/** What the second member of a group has that the first has not, and how the warning names it; none when they agree. */
const DIFFERENCES: readonly (readonly [what: string, options: SubscribeOptions, text: RegExp | undefined])[] =
  [
    ['one topic more', { subscriptions: { ...both, other: '*' } }, /subscriptions/],
    ['one topic less', { subscriptions: { orders: 'a || b' } }, /subscriptions/],
    ['another topic', { subscriptions: { orders: 'a || b', other: '*' } }, /subscriptions/],
    ['another expression', { subscriptions: { orders: 'a', invoices: '*' } }, /subscriptions/],
    ['SQL instead of tags', { subscriptions: { orders: 'a || b', invoices: sql('TRUE') } }, /subscriptions/],
    ['another mode', { mode: 'orderly' }, /mode \(orderly\)/],
    ['another message model', { messageModel: 'broadcasting' }, /message model \(broadcasting\)/],
    [
      'another strategy',
      { allocateStrategy: { name: 'MINE', allocate: () => [] } },
      /allocation strategy \(MINE\)/,
    ],
    ['the same tags in another order', { subscriptions: { orders: ' b||a ', invoices: '' } }, undefined],
    ['another concurrency', { concurrency: 1, pullBatchSize: 5, maxReconsumeTimes: 2 }, undefined],
  ]

function differenceRule([what, options, text]: (typeof DIFFERENCES)[number]): ConformanceRule {
  const title =
    text === undefined
      ? `Members of which one has ${what} agree`
      : `A member that has ${what} than the others of its group is told as a warning`
  return rule('5.5', title, { differs: true }, async (world) => {
    const mq = await openWithInvoices(world)
    const warnings = eventsOf(mq, 'warning')
    const subscriptions = { orders: 'a || b', invoices: '*' }
    await join(mq, ['A'], { subscriptions })
    await join(mq, ['C'], { group: 'shipping' })
    assert.equal(warnings.length, 0)
    await join(mq, ['B'], { subscriptions, ...options })
    await mq.rest()
    if (text === undefined) assert.deepEqual(warnings, [])
    else {
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['SUBSCRIPTION_MISMATCH'],
      )
      assert.match(warnings[0]!.message, text)
      for (const name of ["'A'", "'B'", "'billing'"]) assert.ok(warnings[0]!.message.includes(name), name)
    }
  })
}

export const subscribing: ConformanceChapter = {
  title: 'Subscriptions at run time, and members that disagree',
  rules: [
    rule('6.1', 'A subscription at run time begins before it resolves', { differs: true }, async (world) => {
      const mq = await openWithInvoices(world)
      await send(mq, 'old', { topic: 'invoices' })
      const member = await subscribe(mq)
      await member.consumer.subscribe('invoices', '*')
      assert.deepEqual(topicsOf(member), ['%RETRY%billing', 'invoices', 'orders'])
      await send(mq, 'new', { topic: 'invoices' })
      await send(mq, 'order')
      await mq.until('all arrive', () => member.texts().length === 3)
      assert.deepEqual(member.texts().sort(), ['new', 'old', 'order'])
    }),
    rule(
      '6.1',
      'A topic that is subscribed to and does not exist is consumed as soon as it does',
      async (world) => {
        const mq = await world.openShop()
        const { consumer, texts } = await subscribe(mq)
        await consumer.subscribe('later', '*')
        assert.ok((await mq.admin.topics()).every(({ topic }) => topic !== 'later'))
        await send(mq, numbers(3), { topic: 'later' })
        await mq.until('all arrive', () => texts().length === 3)
      },
    ),
    rule('6.1', 'Another expression counts for what comes from then on', async (world) => {
      const mq = await world.openShop()
      const member = await subscribe(mq, { subscriptions: { orders: 'a' } })
      await send(mq, 'a1', { tag: 'a' })
      await mq.until('the first arrives', () => member.texts().length === 1)
      await member.consumer.subscribe('orders', 'b')
      await send(mq, 'a2', { tag: 'a' })
      await send(mq, 'b1', { tag: 'b' })
      await mq.until('the next arrives', () => member.texts().length === 2)
      assert.deepEqual(member.texts(), ['a1', 'b1'])
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 3)
    }),
    rule('6.1', 'A subscription that is the same changes nothing', async (world) => {
      const mq = await world.openShop()
      const { consumer, texts } = await subscribe(mq)
      const changes = eventsOf(mq, 'group-changed')
      await send(mq, numbers(3))
      await consumer.subscribe('orders', '*')
      await mq.until('all arrive', () => texts().length === 3)
      await mq.rest()
      assert.deepEqual([texts().sort(), changes], [numbers(3), []])
    }),
    rule('6.1', 'A topic that is added is shared like the others', async (world) => {
      const mq = await openWithInvoices(world, 4)
      const members = await join(mq, ['A', 'B'])
      await allocated(mq, members, '0,1 | 2,3')
      for (const { consumer } of members) await consumer.subscribe('invoices', '*')
      await allocated(mq, members, '0,1 | 2,3', 'invoices')
    }),
    rule('6.1', 'A wrong subscription is refused, and nothing changes', async (world) => {
      const mq = await openWithInvoices(world)
      const member = await subscribe(mq)
      for (const topic of ['', 'a b', 'x'.repeat(128), '%RETRY%billing', 5 as never])
        await refused('INVALID_PARAMETER', () => member.consumer.subscribe(topic, '*'))
      for (const expression of ['||', 'a | b', 'a || *', '   '])
        await refused('SUBSCRIPTION_PARSE_FAILED', () => member.consumer.subscribe('invoices', expression))
      for (const topic of ['', 'a b', '%RETRY%billing'])
        await refused('INVALID_PARAMETER', () => member.consumer.unsubscribe(topic))
      assert.deepEqual(topicsOf(member), ['%RETRY%billing', 'orders'])
      await send(mq, 'x')
      await mq.until('it goes on', () => member.texts().length === 1)
    }),
    rule('6.1', 'A member that unsubscribes finishes what runs, and gives its queues back', async (world) => {
      const mq = await world.openShop()
      const { listener, calls } = onDemand()
      const member = await subscribe(mq, { concurrency: 1, listener })
      await send(mq, ['a', 'b'])
      await mq.until('the first runs', () => calls.length === 1)
      await member.consumer.unsubscribe('orders')
      assert.deepEqual(topicsOf(member), ['%RETRY%billing'])
      const queues = [await queueOf(mq)]
      assert.deepEqual(await mq.engine.lockQueues('billing', 'stranger', queues), [])
      calls[0]?.answer()
      await mq.until('the offset is stored', async () => (await committed(mq)) === 1)
      await mq.rest()
      assert.equal(calls.length, 1)
      assert.deepEqual(await mq.engine.lockQueues('billing', 'stranger', queues), queues)
    }),
    rule('6.1', 'A member that subscribes again goes on where it stopped', async (world) => {
      const mq = await world.openShop()
      const { consumer, texts } = await subscribe(mq)
      await send(mq, 'a')
      await mq.until('the first is consumed', async () => (await committed(mq)) === 1)
      await consumer.unsubscribe('orders')
      await send(mq, 'b')
      await mq.rest()
      assert.deepEqual(texts(), ['a'])
      await consumer.subscribe('orders', '*')
      await mq.until('the second arrives', () => texts().length === 2)
      assert.deepEqual(texts(), ['a', 'b'])
    }),
    rule(
      '6.1',
      'Retries of a topic come also when it is not subscribed to any more',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { consumer, texts } = await subscribe(mq, { listener: failing(1) })
        await send(mq, 'a')
        await mq.rest()
        await consumer.unsubscribe('orders')
        await mq.advance('10s')
        assert.deepEqual(texts(), ['a', 'a'])
      },
    ),
    rule('6.1', 'Unsubscribing from what is not subscribed to does nothing', async (world) => {
      const mq = await openWithInvoices(world)
      const member = await subscribe(mq)
      await member.consumer.unsubscribe('invoices')
      await member.consumer.unsubscribe('never-heard-of')
      assert.deepEqual(topicsOf(member), ['%RETRY%billing', 'orders'])
    }),
    rule('6.1', 'Changes that are made at the same time all count, in their order', async (world) => {
      const mq = await openWithInvoices(world)
      const member = await subscribe(mq)
      await Promise.all([
        member.consumer.subscribe('invoices', '*'),
        member.consumer.unsubscribe('orders'),
        member.consumer.subscribe('orders', 'a'),
        member.consumer.unsubscribe('invoices'),
      ])
      await mq.until('they count', () => topicsOf(member).join() === '%RETRY%billing,orders')
      await send(mq, 'x', { tag: 'b' })
      await send(mq, 'y', { tag: 'a' })
      await mq.until('what passes arrives', () => member.texts().length > 0)
      assert.deepEqual(member.texts(), ['y'])
    }),
    rule('6.1', 'A listener may subscribe and unsubscribe', async (world) => {
      const mq = await openWithInvoices(world)
      const member: Subscriber = await subscribe(mq, {
        listener: async (message) => {
          if (message.text() === 'go') await member.consumer.subscribe('invoices', '*')
          if (message.text() === 'stop') await member.consumer.unsubscribe('orders')
        },
      })
      await send(mq, 'go')
      await mq.until('it is subscribed', () => topicsOf(member).includes('invoices'))
      await send(mq, 'stop', { topic: 'invoices' })
      await mq.until('it is unsubscribed', () => !topicsOf(member).includes('orders'))
    }),
    rule('6.1', 'A closed consumer subscribes to nothing more', async (world) => {
      const mq = await openWithInvoices(world)
      const { consumer } = await subscribe(mq)
      await consumer.close()
      await refused('CLOSED', () => consumer.subscribe('invoices', '*'))
      await refused('CLOSED', () => consumer.unsubscribe('orders'))
      assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
    }),
    rule('6.4', 'A paused member subscribes, and starts nothing before it is resumed', async (world) => {
      const mq = await openWithInvoices(world)
      const member = await subscribe(mq)
      member.consumer.pause()
      await member.consumer.subscribe('invoices', '*')
      await send(mq, 'x', { topic: 'invoices' })
      await mq.rest()
      assert.deepEqual([topicsOf(member).length, member.texts()], [3, []])
      member.consumer.resume()
      await mq.until('it arrives', () => member.texts().length === 1)
    }),
    ...DIFFERENCES.map(differenceRule),
    rule(
      '5.5',
      'A difference that comes at run time is told once, and its end is not',
      { differs: true },
      async (world) => {
        const mq = await openWithInvoices(world)
        const warnings = eventsOf(mq, 'warning')
        const [first, second] = await join(mq, ['A', 'B'])
        await first!.consumer.subscribe('invoices', '*')
        await mq.until('it is told', () => warnings.length === 1)
        assert.match(warnings[0]!.message, /'A'.*subscriptions.*'B'/)
        await first!.consumer.subscribe('invoices', '*')
        await second!.consumer.subscribe('invoices', '*')
        await mq.rest()
        assert.equal(warnings.length, 1)
      },
    ),
    rule(
      '5.5',
      'A member that does not subscribe to a topic takes a share of it all the same',
      async (world) => {
        const mq = await openWithInvoices(world, 2)
        const [first] = await join(mq, ['A'], { subscriptions: both })
        const [second] = await join(mq, ['B'])
        await allocated(mq, [first!, second!], '0 | 1')
        assert.equal(allocationOf([first!, second!], 'invoices'), '0 | ')
        await send(mq, 'x', { topic: 'invoices', queueId: 1 })
        await mq.rest()
        assert.deepEqual([first!.texts(), second!.texts()], [[], []])
        await second!.consumer.subscribe('invoices', '*')
        await mq.until('it is delivered', () => second!.texts().length === 1)
      },
    ),
    rule('5.5', 'Of members with other expressions each passes over what the other wanted', async (world) => {
      const mq = await world.openShop(2)
      const [first] = await join(mq, ['A'], { subscriptions: { orders: 'a' } })
      const [second] = await join(mq, ['B'], { subscriptions: { orders: 'b' } })
      await allocated(mq, [first!, second!], '0 | 1')
      for (const queueId of [0, 1])
        for (const tag of ['a', 'b']) await send(mq, `${tag}${queueId}`, { tag, queueId })
      await mq.until('each has its own', () => first!.texts().length + second!.texts().length === 2)
      await mq.within(
        '1s',
        'both offsets are behind all',
        async () => (await committed(mq)) === 2 && (await committed(mq, { queueId: 1 })) === 2,
      )
      assert.deepEqual([first!.texts(), second!.texts()], [['a0'], ['b1']])
    }),
  ],
}
