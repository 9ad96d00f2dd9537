/** Order when queues change hands, and across restarts: nothing overtakes, nothing is lost, and attempts go on counting. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
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
import {
  allocated,
  attemptsOf,
  failingFor,
  join,
  OrderWatch,
  onDemand,
  pause,
  textsOfAll,
} from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const needs = ['virtualTime'] as const
const orderly = { mode: 'orderly' } as const

/** How an instance may end, and what a rule needs for that. */
const ENDS = [
  ['a restart', 'reopen', (world: ConformanceWorld, mq: EngineMQ) => world.reopen(mq)],
  ['a kill', 'crash', (world: ConformanceWorld, mq: EngineMQ) => world.crash(mq)],
] as const

/** Members come and go while messages do; answers the bodies that were sent, and all members that ever were. */
async function rebalanceBusily(mq: EngineMQ, watch: OrderWatch) {
  const listener = watch.around((_, context) => pause(mq, 10 * context.queue.queueId))
  const members = await join(mq, ['A'], { ...orderly, listener })
  const sent: string[] = []
  for (let round = 0; round < 12; round++) {
    const bodies = numbers(8).map((number) => `${round}-${number}`)
    sent.push(...bodies)
    await send(mq, bodies)
    if (round % 3 === 1) members.push(...(await join(mq, [`B${round}`], { ...orderly, listener })))
    if (round % 4 === 3) void members.at(-1)!.consumer.close()
    await mq.advance(15)
  }
  await mq.advance('1m')
  return { sent, members }
}

function attemptsRule([end, need, endLife]: (typeof ENDS)[number]): ConformanceRule {
  return rule(
    '6.6',
    `Attempts go on counting after ${end}`,
    { needs: ['durable', 'virtualTime', need], differs: true },
    async (world) => {
      const before = await world.openShop()
      const first = await subscribe(before, { ...orderly, listener: failingFor({ b: 9 }) })
      await send(before, ['a', 'b', 'c'])
      await before.advance(1000)
      assert.deepEqual(attemptsOf(first), ['a1', 'b1', 'b2'])
      const after = await endLife(world, before)
      const second = await subscribe(after, { ...orderly, listener: failingFor({ b: 3 }) })
      await after.advance(1000)
      assert.deepEqual(attemptsOf(second), ['b3', 'b4', 'c1'])
    },
  )
}

function maximumRule([end, need, endLife]: (typeof ENDS)[number]): ConformanceRule {
  return rule(
    '6.6',
    `A maximum counts the attempts from before ${end} too`,
    { needs: ['durable', 'virtualTime', need], differs: true },
    async (world) => {
      let mq = await world.openShop()
      await send(mq, ['a', 'b'])
      for (const life of [1, 2, 3]) {
        const member = await subscribe(mq, {
          ...orderly,
          maxReconsumeTimes: 3,
          listener: failingFor({ a: 9 }),
        })
        await mq.rest()
        assert.deepEqual(attemptsOf(member), [`a${life}`])
        mq = await endLife(world, mq)
      }
      const letters = eventsOf(mq, 'dead-letter')
      const last = await subscribe(mq, { ...orderly, maxReconsumeTimes: 3, listener: failingFor({ a: 9 }) })
      await mq.rest()
      assert.deepEqual(attemptsOf(last), ['a4', 'b1'])
      assert.deepEqual(
        letters.map(({ reconsumeTimes }) => reconsumeTimes),
        [4],
      )
    },
  )
}

function orderRule([end, need, endLife]: (typeof ENDS)[number]): ConformanceRule {
  return rule(
    '6.6',
    `The order is kept across ${end}, and nothing is lost`,
    { needs: ['durable', 'virtualTime', need] },
    async (world) => {
      let mq = await world.openShop(3)
      const watch = new OrderWatch()
      const seen = new Set<string>()
      for (let life = 0; life < 4; life++) {
        await subscribe(mq, {
          ...orderly,
          listener: watch.around(async (message) => {
            await pause(mq, 20)
            seen.add(message.text())
            return message.text().endsWith('4') && message.deliveryAttempt < 3 ? 'FAILURE' : 'SUCCESS'
          }),
        })
        await send(
          mq,
          numbers(9).map((number) => `${life}-${number}`),
        )
        await mq.advance(life === 3 ? '1m' : 70)
        if (life === 3) break
        mq = await endLife(world, mq)
        watch.forget()
      }
      watch.check()
      assert.equal(seen.size, 36)
    },
  )
}

export const orderlyHandOver: ConformanceChapter = {
  title: 'Order at hand-over and restart',
  rules: [
    rule(
      '6.6',
      'A queue changes hands when its listener has settled, not before',
      { needs },
      async (world) => {
        const mq = await world.openShop(2)
        const { listener, calls } = onDemand()
        const [first] = await join(mq, ['A'], { ...orderly, listener })
        await send(mq, ['a', 'b', 'c'], { queueId: 1 })
        await mq.rest()
        const [second] = await join(mq, ['B'], orderly)
        await mq.advance('10m')
        assert.deepEqual([first!.texts(), second!.texts(), calls.length], [['a'], [], 1])
        calls[0]?.answer()
        await mq.until('the new owner goes on', () => second!.texts().length === 2)
        assert.deepEqual([first!.texts(), second!.texts()], [['a'], ['b', 'c']])
        await allocated(mq, [first!, second!], '0 | 1')
      },
    ),
    rule('6.6', 'A queue that only rests changes hands at once', { needs, differs: true }, async (world) => {
      const mq = await world.openShop(2)
      const rest = { suspendCurrentQueueTimeMs: 30_000 }
      const [first] = await join(mq, ['A'], { ...orderly, ...rest, listener: failing() })
      await send(mq, ['a', 'b'], { queueId: 1 })
      await mq.rest()
      const [second] = await join(mq, ['B'], orderly)
      await mq.until('the new owner goes on', () => second!.texts().length === 2)
      await mq.advance('1m')
      assert.deepEqual([first!.texts(), second!.texts()], [['a'], ['a', 'b']])
    }),
    rule(
      '6.6',
      'Attempts go on counting where a queue changes hands',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const [first] = await join(mq, ['A'], { ...orderly, listener: failing() })
        await send(mq, ['a', 'b'], { queueId: 1 })
        await mq.advance(1000)
        const [second] = await join(mq, ['B'], { ...orderly, listener: failingFor({ a: 3 }) })
        await mq.advance(1000)
        assert.deepEqual(
          [attemptsOf(first!), attemptsOf(second!)],
          [
            ['a1', 'a2'],
            ['a3', 'a4', 'b1'],
          ],
        )
      },
    ),
    rule(
      '6.6',
      'Of a batch the first message keeps its attempts where a queue changes hands',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, ['a', 'b'])
        const first = await subscribeBatch(mq, 2, { ...orderly, listener: () => 'FAILURE' })
        await mq.advance(1000)
        await first.consumer.close()
        const { batches } = await subscribeBatch(mq, 2, orderly)
        await mq.until('it is delivered again', () => batches.length === 1)
        assert.deepEqual(batches.map(textsOf), [['a', 'b']])
        assert.deepEqual(
          batches[0]?.map(({ deliveryAttempt }) => deliveryAttempt),
          [3, 1],
        )
      },
    ),
    rule('6.6', 'Nothing overtakes while members come and go', { needs }, async (world) => {
      const mq = await world.openShop(4)
      const watch = new OrderWatch()
      const { sent, members } = await rebalanceBusily(mq, watch)
      watch.check()
      assert.deepEqual(new Set(textsOfAll(members)), new Set(sent))
    }),
    rule('6.6', 'Nothing is repeated while members come and go', { needs, differs: true }, async (world) => {
      const mq = await world.openShop(4)
      const { sent, members } = await rebalanceBusily(mq, new OrderWatch())
      assert.deepEqual(textsOfAll(members).sort(), sent.sort())
    }),
    rule('6.6', 'The offset is stored before the lease is given back', async (world) => {
      const mq = await world.openShop(2)
      const { listener, calls } = onDemand()
      await join(mq, ['A'], { ...orderly, listener })
      const queue = await queueOf(mq, 1)
      const offsets: Promise<number | undefined>[] = []
      mq.engine.watch((event) => {
        if (event.type === 'queue-unlocked' && event.queue.topic === 'orders')
          offsets.push(mq.engine.queryConsumerOffset('billing', queue))
      })
      await send(mq, ['a', 'b'], { queueId: 1 })
      await mq.until('the first runs', () => calls.length === 1)
      await join(mq, ['B'], orderly)
      await mq.rest()
      assert.equal(offsets.length, 0)
      calls[0]?.answer()
      await mq.until('the lease is given back', () => offsets.length === 1)
      assert.deepEqual(await Promise.all(offsets), [1])
    }),
    rule(
      '6.6',
      'A listener that takes longer than a lease lasts keeps its queue',
      { needs },
      async (world) => {
        const mq = await world.openShop(2)
        const { listener, calls } = onDemand()
        const [first] = await join(mq, ['A'], { ...orderly, listener })
        await send(mq, ['a', 'b'], { queueId: 0 })
        await send(mq, ['c', 'd'], { queueId: 1 })
        await mq.rest()
        const [second] = await join(mq, ['B'], orderly)
        await mq.advance(mq.engine.lockLeaseMs * 2.5)
        assert.deepEqual([first!.texts().sort(), second!.texts()], [['a', 'c'], []])
        for (const { answer } of calls) answer()
        await mq.until('both go on', () => calls.length === 3 && second!.texts().length === 1)
        assert.deepEqual([calls[2]?.message.text(), second!.texts()], ['b', ['d']])
        calls[2]?.answer()
        await mq.until('the offset is behind all', async () => (await committed(mq)) === 2)
      },
    ),
    rule('6.6', 'A member that closes hands over behind what its listeners finish', async (world) => {
      const mq = await world.openShop()
      const { listener, calls } = onDemand()
      const [first] = await join(mq, ['A'], { ...orderly, listener })
      const [second] = await join(mq, ['B'], orderly)
      await send(mq, ['a', 'b', 'c'])
      await mq.until('the first runs', () => calls.length === 1)
      const closing = first!.consumer.close()
      await mq.rest()
      assert.deepEqual(second!.texts(), [])
      calls[0]?.answer()
      assert.deepEqual(await closing, { drained: true, unfinishedCount: 0 })
      await mq.until('the other goes on', () => second!.texts().length === 2)
      assert.deepEqual([first!.texts(), second!.texts()], [['a'], ['b', 'c']])
    }),
    rule(
      '6.6',
      'What a closing member could not finish comes first to the next owner',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const [first] = await join(mq, ['A'], { ...orderly, ...stuck, closeTimeoutMs: 3000 })
        const [second] = await join(mq, ['B'], orderly)
        await send(mq, ['a', 'b'])
        await mq.rest()
        const closing = first!.consumer.close()
        await mq.advance(2999)
        assert.deepEqual(second!.texts(), [])
        await mq.advance(1)
        assert.deepEqual(await closing, { drained: false, unfinishedCount: 1 })
        await mq.until('the other goes on', () => second!.texts().length === 2)
        assert.deepEqual(attemptsOf(second!), ['a1', 'b1'])
      },
    ),
    rule(
      '6.4',
      'A paused member keeps its queues, and nobody else delivers from them',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const [first] = await join(mq, ['A'], orderly)
        const [second] = await join(mq, ['B'], orderly)
        first!.consumer.pause()
        await send(mq, ['a', 'b'])
        await mq.advance(mq.engine.lockLeaseMs * 1.5)
        assert.deepEqual([first!.texts(), second!.texts()], [[], []])
        first!.consumer.resume()
        await mq.until('it goes on', () => first!.texts().length === 2)
        assert.deepEqual(second!.texts(), [])
      },
    ),
    rule('6.6', 'What a paused member leaves goes to the others', async (world) => {
      const mq = await world.openShop()
      const [first] = await join(mq, ['A'], orderly)
      const [second] = await join(mq, ['B'], orderly)
      first!.consumer.pause()
      await send(mq, ['a', 'b'])
      await mq.rest()
      await first!.consumer.close()
      await mq.until('the other goes on', () => second!.texts().length === 2)
      assert.deepEqual([first!.texts(), second!.texts()], [[], ['a', 'b']])
    }),
    rule(
      '6.6',
      'A reset ends the rest of a queue, and the attempts begin anew',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const rest = { suspendCurrentQueueTimeMs: 30_000 }
        const member = await subscribe(mq, { ...orderly, ...rest, listener: failingFor({ b: 2 }) })
        await send(mq, ['a', 'b', 'c'])
        await mq.advance(30_000)
        assert.deepEqual(attemptsOf(member), ['a1', 'b1', 'b2'])
        await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset: 0 })
        await mq.until('it begins again', () => member.deliveries.length === 5)
        assert.deepEqual(attemptsOf(member).slice(3), ['a1', 'b1'])
        await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset: 2 })
        await mq.until('it skips what failed', () => member.deliveries.length === 6)
        assert.deepEqual(attemptsOf(member).slice(5), ['c1'])
      },
    ),
    rule(
      '6.6',
      'After a reset nothing is delivered before the running listener has settled',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { listener, calls } = onDemand()
        await subscribe(mq, { ...orderly, listener, closeTimeoutMs: 1 })
        await send(mq, ['a', 'b', 'c'])
        await mq.rest()
        await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset: 2 })
        await mq.advance('1m')
        assert.equal(calls.length, 1)
        calls[0]?.answer('FAILURE')
        await mq.until('it goes on there', () => calls.length === 2)
        assert.equal(calls[1]?.message.text(), 'c')
        assert.equal(await committed(mq), 2)
      },
    ),
    ...ENDS.flatMap((end) => [attemptsRule(end), maximumRule(end), orderRule(end)]),
    rule(
      '6.6',
      'With SYNC_FLUSH attempts survive a power cut',
      { needs: ['durable', 'virtualTime', 'crash'], differs: true },
      async (world) => {
        const before = await world.openShop(1, { flushDiskType: 'SYNC_FLUSH' })
        await subscribe(before, { ...orderly, listener: failing() })
        await send(before, 'a')
        await before.advance(2000)
        const after = await world.crash(before, 'power')
        const member = await subscribe(after, orderly)
        await after.until('it is delivered again', () => member.deliveries.length === 1)
        assert.deepEqual(attemptsOf(member), ['a4'])
      },
    ),
  ],
}
