/** Tag filters: what an expression means, and that what does not pass counts as consumed. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, eventsOf, failing, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const TAGS = ['paid', 'open', 'Paid', 'paid2', 'pa', undefined]

/** Sends a message with each tag, the tag as its body, and answers which of them a subscriber gets. */
async function passing(world: ConformanceWorld, expression: string): Promise<string[]> {
  const mq = await world.openShop()
  const { texts } = await subscribe(mq, { subscriptions: { orders: expression } })
  for (const tag of TAGS) await send(mq, String(tag), tag === undefined ? {} : { tag })
  await behindAll(mq, TAGS.length)
  return texts()
}

/** Waits until the group is behind everything, also behind what its filter does not let pass. */
async function behindAll(mq: EngineMQ, offset: number): Promise<void> {
  await mq.within('10s', 'the group is behind everything', async () => (await committed(mq)) === offset)
}

export const filters: ConformanceChapter = {
  title: 'Tag filters',
  rules: [
    rule('5.3', 'The expression * lets everything pass', async (world) => {
      assert.deepEqual(await passing(world, '*'), TAGS.map(String))
    }),
    rule('5.3', 'An empty expression lets everything pass', async (world) => {
      assert.deepEqual(await passing(world, ''), TAGS.map(String))
    }),
    rule('5.3', 'A tag lets pass what has exactly this tag', async (world) => {
      assert.deepEqual(await passing(world, 'paid'), ['paid'])
    }),
    rule('5.3', 'Tags joined by || let pass what has one of them', async (world) => {
      assert.deepEqual(await passing(world, 'paid || open || absent'), ['paid', 'open'])
    }),
    rule('5.3', 'White space around tags and empty parts do not matter', async (world) => {
      assert.deepEqual(await passing(world, '  paid||open  || '), ['paid', 'open'])
    }),
    rule('5.3', 'A message without a tag passes no filter that names tags', async (world) => {
      assert.deepEqual(await passing(world, 'undefined || null'), [])
    }),
    rule('5.3', 'Nothing but separators is refused', async (world) => {
      const mq = await world.openShop()
      for (const orders of ['||', ' || ', '||||'])
        await refused('SUBSCRIPTION_PARSE_FAILED', () => subscribe(mq, { subscriptions: { orders } }))
      assert.deepEqual(await mq.admin.groups(), [])
    }),
    rule(
      '5.3',
      'A blank expression, a single | and a * among tags are refused',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        for (const orders of ['   ', 'a | b', 'a|b', 'a || *', '* || a'])
          await refused('SUBSCRIPTION_PARSE_FAILED', () => subscribe(mq, { subscriptions: { orders } }))
      },
    ),
    rule('5.3', 'An expression that is no string is refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      for (const orders of [null, undefined, 5, ['a']])
        await refused('SUBSCRIPTION_PARSE_FAILED', () =>
          subscribe(mq, { subscriptions: { orders } as unknown as Record<string, string> }),
        )
    }),
    rule('6.1', 'A consumer subscribes to one topic at least', async (world) => {
      const mq = await world.openShop()
      await refused('INVALID_PARAMETER', () => subscribe(mq, { subscriptions: {} }))
    }),
    rule('5.3', 'Tags with equal hash codes are told apart, and the other is passed over', async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, { subscriptions: { orders: 'Aa' } })
      for (const tag of ['BB', 'Aa', 'BB']) await send(mq, tag, { tag })
      await behindAll(mq, 3)
      assert.deepEqual(texts(), ['Aa'])
    }),
    rule('5.3', 'What does not pass counts as consumed', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { subscriptions: { orders: 'paid' } })
      await send(mq, ['a', 'b', 'c'], { tag: 'open' })
      await behindAll(mq, 3)
      assert.equal((await mq.admin.consumerProgress('billing')).lag, 0)
    }),
    rule('6.3', 'What does not pass does not move the offset past a message that runs', async (world) => {
      const mq = await world.openShop()
      const options = { listener: () => new Promise<undefined>(() => undefined), closeTimeoutMs: 1 }
      await subscribe(mq, { subscriptions: { orders: 'paid' }, ...options })
      await send(mq, 'runs', { tag: 'paid' })
      await send(mq, ['a', 'b'], { tag: 'open' })
      await mq.rest()
      assert.equal((await committed(mq)) ?? 0, 0)
    }),
    rule('5.3', 'Every topic of a subscription has its own expression', async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'invoices', queues: 1 }] })
      const { texts } = await subscribe(mq, { subscriptions: { orders: 'a', invoices: 'b' } })
      for (const topic of ['orders', 'invoices'])
        for (const tag of ['a', 'b']) await send(mq, `${topic} ${tag}`, { topic, tag })
      await mq.within('10s', 'both arrive', () => texts().length === 2)
      assert.deepEqual(texts().sort(), ['invoices b', 'orders a'])
    }),
    rule('5.3', 'Every group has its own expression', async (world) => {
      const mq = await world.openShop()
      const [a, b] = [
        await subscribe(mq, { group: 'a', subscriptions: { orders: 'a' } }),
        await subscribe(mq, { group: 'b', subscriptions: { orders: 'b' } }),
      ]
      for (const tag of ['a', 'b', 'a']) await send(mq, tag, { tag })
      await mq.within('10s', 'all arrive', () => a.texts().length + b.texts().length === 3)
      assert.deepEqual([a.texts(), b.texts()], [['a', 'a'], ['b']])
    }),
    rule('5.4', 'Retries pass whatever the expression says', async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, { subscriptions: { orders: 'paid' }, listener: failing(1) })
      await send(mq, 'x', { tag: 'paid' })
      await mq.within('12s', 'the retry arrives', () => texts().length === 2)
    }),
    rule(
      '5.5',
      'Members that subscribe to different things are warned of',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const warnings = eventsOf(mq, 'warning')
        await subscribe(mq, { subscriptions: { orders: 'a || b' } })
        await subscribe(mq, { subscriptions: { orders: 'b||a' } })
        assert.deepEqual(warnings, [])
        await subscribe(mq, { subscriptions: { orders: 'a' } })
        assert.deepEqual(
          warnings.map(({ code }) => code),
          ['SUBSCRIPTION_MISMATCH'],
        )
      },
    ),
  ],
}
