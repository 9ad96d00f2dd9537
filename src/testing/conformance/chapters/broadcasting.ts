/** Broadcasting: every member of a group gets every message, from where it starts. */
import { strict as assert } from 'node:assert'
import type { ConsumeFromWhere } from '../../../consumer/start-offset.ts'
import {
  committed,
  eventsOf,
  gate,
  numbers,
  openAgedShop,
  queueOf,
  refused,
  send,
  subscribe,
} from '../kit.ts'
import { allocated, allocationOf, join } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const broadcasting = { messageModel: 'broadcasting' } as const

/** The wishes of a member without offsets on a young queue, and what it gets of `old` and `new`. */
const STARTS: readonly (readonly [
  wish: string,
  options: { readonly consumeFromWhere?: ConsumeFromWhere; readonly agoMs?: number },
  texts: readonly string[],
])[] = [
  ['behind the last message unless told otherwise', {}, []],
  ['behind the last message with LAST_OFFSET', { consumeFromWhere: 'LAST_OFFSET' }, []],
  ['at the oldest message with FIRST_OFFSET', { consumeFromWhere: 'FIRST_OFFSET' }, ['a', 'b']],
  ['at the wished time with TIMESTAMP', { consumeFromWhere: 'TIMESTAMP', agoMs: 60_000 }, ['a', 'b']],
  ['behind what lies before that time', { consumeFromWhere: 'TIMESTAMP', agoMs: 59_999 }, ['b']],
  ['30 minutes ago with TIMESTAMP and no time', { consumeFromWhere: 'TIMESTAMP' }, ['a', 'b']],
]

function startRule([wish, { agoMs, consumeFromWhere }, expected]: (typeof STARTS)[number]): ConformanceRule {
  return rule('6.2', `A new member starts ${wish}, also on a young queue`, { needs }, async (world) => {
    const mq = await world.openShop()
    await send(mq, 'a')
    await mq.advance('30s')
    await send(mq, 'b')
    await mq.advance('30s')
    const consumeTimestamp = agoMs === undefined ? undefined : mq.now() - agoMs
    const { texts } = await subscribe(mq, { ...broadcasting, consumeFromWhere, consumeTimestamp })
    await mq.rest()
    assert.deepEqual(texts(), expected)
    await send(mq, 'new')
    await mq.until('what comes next is delivered', () => texts().includes('new'))
    assert.deepEqual(texts(), [...expected, 'new'])
  })
}

function everyoneRule(mode: 'concurrent' | 'orderly'): ConformanceRule {
  return rule('6.7', `Every member gets every message of every queue, ${mode}`, async (world) => {
    const mq = await world.openShop(4)
    const members = await join(mq, ['A', 'B', 'C'], { ...broadcasting, mode })
    assert.equal(allocationOf(members), '0,1,2,3 | 0,1,2,3 | 0,1,2,3')
    await send(mq, numbers(40))
    await mq.until('all have all', () => members.every(({ deliveries }) => deliveries.length >= 40))
    await mq.rest()
    for (const { texts } of members)
      assert.deepEqual(
        texts()
          .map(Number)
          .sort((a, b) => a - b),
        numbers(40).map(Number),
      )
  })
}

export const broadcastingModel: ConformanceChapter = {
  title: 'Broadcasting',
  rules: [
    ...(['concurrent', 'orderly'] as const).map(everyoneRule),
    rule('6.8', 'A member has all queues, whatever its strategy gives it', async (world) => {
      const mq = await world.openShop(3)
      const allocateStrategy = { name: 'NOTHING', allocate: () => [] }
      const members = await join(mq, ['A', 'B'], { ...broadcasting, allocateStrategy })
      assert.equal(allocationOf(members), '0,1,2 | 0,1,2')
    }),
    rule('6.1', 'A group of broadcasting members has no retry topic', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq, broadcasting)
      assert.deepEqual(
        (await mq.admin.topics()).map(({ topic }) => topic),
        ['orders'],
      )
      assert.deepEqual(consumer.stats.queues, [await queueOf(mq)])
    }),
    rule('6.6', 'Broadcasting members take no leases', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { ...broadcasting, mode: 'orderly' })
      const queues = [await queueOf(mq)]
      assert.deepEqual(await mq.engine.lockQueues('billing', 'stranger', queues), queues)
    }),
    rule('6.7', 'A slow member holds up no other', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const slow = await subscribe(mq, { ...broadcasting, concurrency: 1, listener: () => hold.isOpen })
      const fast = await subscribe(mq, broadcasting)
      await send(mq, numbers(20))
      await mq.until('the fast one has all', () => fast.deliveries.length === 20)
      assert.equal(slow.deliveries.length, 1)
      hold.open()
      await mq.until('the slow one has all', () => slow.deliveries.length === 20)
    }),
    rule('6.7', 'Members come and go, and the others notice nothing', async (world) => {
      const mq = await world.openShop(2)
      const [stays, goes] = await join(mq, ['A', 'B'], broadcasting)
      await send(mq, numbers(4))
      await goes!.consumer.close()
      await send(mq, ['4', '5'])
      const [comes] = await join(mq, ['C'], broadcasting)
      await send(mq, ['6', '7'])
      await mq.until(
        'all is delivered',
        () => stays!.deliveries.length === 8 && comes!.deliveries.length === 2,
      )
      assert.deepEqual([stays!.texts().sort(), comes!.texts().sort()], [numbers(8), ['6', '7']])
    }),
    rule('6.8', 'Groups that share and groups that broadcast get the same messages', async (world) => {
      const mq = await world.openShop(2)
      const all = await join(mq, ['A', 'B'], broadcasting)
      const shared = await join(mq, ['C', 'D'], { group: 'shipping' })
      await send(mq, numbers(10))
      const countOf = (members: typeof all): number =>
        members.reduce((sum, { deliveries }) => sum + deliveries.length, 0)
      await mq.until('all is delivered', () => countOf(all) === 20 && countOf(shared) === 10)
      await mq.rest()
      assert.deepEqual([countOf(all), countOf(shared)], [20, 10])
    }),
    rule('6.7', 'Each member may subscribe to something else', { differs: true }, async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'invoices', queues: 1 }] })
      const warnings = eventsOf(mq, 'warning')
      const [paid] = await join(mq, ['A'], { ...broadcasting, subscriptions: { orders: 'paid' } })
      const [all] = await join(mq, ['B'], { ...broadcasting, subscriptions: { orders: '*', invoices: '*' } })
      await send(mq, 'a', { tag: 'paid' })
      await send(mq, 'b', { tag: 'new' })
      await send(mq, 'c', { topic: 'invoices' })
      await mq.until('each has what it wants', () => paid!.texts().length === 1 && all!.texts().length === 3)
      await mq.rest()
      assert.deepEqual([paid!.texts(), all!.texts().sort(), warnings], [['a'], ['a', 'b', 'c'], []])
    }),
    rule('6.4', 'A member pauses for itself', async (world) => {
      const mq = await world.openShop()
      const [paused, other] = await join(mq, ['A', 'B'], broadcasting)
      paused!.consumer.pause()
      await send(mq, numbers(3))
      await mq.until('the other has all', () => other!.deliveries.length === 3)
      await mq.rest()
      assert.deepEqual(paused!.texts(), [])
      paused!.consumer.resume()
      await mq.until('it goes on', () => paused!.deliveries.length === 3)
    }),
    ...STARTS.map(startRule),
    rule('6.2', 'A member that is there gets what is sent next, wherever it starts', async (world) => {
      const mq = await world.openShop(4)
      await send(mq, numbers(8))
      const { texts } = await subscribe(mq, { ...broadcasting, consumeFromWhere: 'LAST_OFFSET' })
      await send(mq, ['a', 'b', 'c', 'd'])
      await mq.until('all four arrive', () => texts().length === 4)
      assert.deepEqual(texts().sort(), ['a', 'b', 'c', 'd'])
    }),
    rule(
      '6.2',
      'A topic that appears while a member is there is read from its beginning',
      { differs: true },
      async (world) => {
        const mq = await world.open()
        const { texts } = await subscribe(mq, { ...broadcasting, consumeFromWhere: 'LAST_OFFSET' })
        await send(mq, numbers(10))
        await mq.until('all are delivered', () => texts().length === 10)
      },
    ),
    rule(
      '6.2',
      'A queue that is added while a member is there is read from its beginning',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(1)
        const { texts } = await subscribe(mq, { ...broadcasting, consumeFromWhere: 'LAST_OFFSET' })
        await mq.admin.updateTopic({ topic: 'orders', queues: 3 })
        await send(mq, 'a', { queueId: 1 })
        await send(mq, 'b', { queueId: 2 })
        await mq.until('both are delivered', () => texts().length === 2)
        assert.deepEqual(texts().sort(), ['a', 'b'])
      },
    ),
    rule('6.2', 'On a topic that it subscribes to later, a member starts where it wishes', async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'invoices', queues: 1 }] })
      await send(mq, 'old', { topic: 'invoices' })
      const { texts, consumer } = await subscribe(mq, broadcasting)
      await consumer.subscribe('invoices', '*')
      await send(mq, 'new', { topic: 'invoices' })
      await mq.until('the new one arrives', () => texts().length > 0)
      assert.deepEqual(texts(), ['new'])
    }),
    rule(
      '1.9',
      'A group that may not broadcast refuses members that do',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        await mq.admin.createGroup({ group: 'billing', consumeBroadcastEnable: false })
        await refused('NO_PERMISSION', () => subscribe(mq, broadcasting))
        const { texts } = await subscribe(mq)
        await send(mq, 'x')
        await mq.until('members that share are welcome', () => texts().length === 1)
      },
    ),
    rule(
      '1.9',
      'A group that may not broadcast any more delivers nothing, until it may again',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { texts } = await subscribe(mq, broadcasting)
        await send(mq, 'before')
        await mq.rest()
        await mq.admin.createGroup({ group: 'billing', consumeBroadcastEnable: false })
        await send(mq, 'meanwhile')
        await mq.advance('10s')
        assert.deepEqual(texts(), ['before'])
        await mq.admin.createGroup({ group: 'billing', consumeBroadcastEnable: true })
        await mq.advance('2s')
        assert.deepEqual(texts(), ['before', 'meanwhile'])
      },
    ),
    rule(
      '5.5',
      'In a group of both message models broadcasting members take shares that they leave to nobody',
      async (world) => {
        const mq = await world.openShop(2)
        const [all] = await join(mq, ['A'], broadcasting)
        const [shared] = await join(mq, ['B'])
        await allocated(mq, [all!, shared!], '0,1 | 1')
        await send(mq, 'a', { queueId: 0 })
        await send(mq, 'b', { queueId: 1 })
        await mq.until(
          'each consumes in its way',
          () => all!.texts().length === 2 && shared!.texts().length === 1,
        )
        await mq.rest()
        assert.deepEqual([all!.texts().sort(), shared!.texts()], [['a', 'b'], ['b']])
        assert.equal(await committed(mq, { queueId: 1 }), 1)
      },
    ),
    rule('5.5', 'A group of both message models is told so', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const warnings = eventsOf(mq, 'warning')
      await join(mq, ['A'], broadcasting)
      assert.equal(warnings.length, 0)
      await join(mq, ['B'])
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['SUBSCRIPTION_MISMATCH'],
      )
      assert.match(warnings[0]!.message, /'B'.*message model.*'A'/)
    }),
    rule(
      '4.5',
      'A member that is away is told by name what retention took from it',
      { needs, differs: true },
      async (world) => {
        const mq = await openAgedShop(world)
        const lost = eventsOf(mq, 'message-lost')
        const wish = { ...broadcasting, clientId: 'A', consumeFromWhere: 'FIRST_OFFSET' } as const
        const first = await subscribe(mq, {
          ...wish,
          concurrency: 1,
          listener: () => new Promise(() => undefined),
          closeTimeoutMs: 1,
        })
        await mq.rest()
        const closing = first.consumer.close()
        await mq.advance(1)
        await closing
        await mq.advance('6h')
        await send(mq, 'new')
        await mq.advance('6h')
        const gone = lost.filter(({ group }) => group === 'billing')
        assert.deepEqual(
          gone.map(({ clientId, reason }) => [clientId, reason]),
          gone.map(() => ['A', 'retention']),
        )
        assert.deepEqual([gone[0]?.fromOffset, gone.at(-1)?.toOffset], [2, 4])
        const again = await subscribe(mq, wish)
        await mq.until('what is left is delivered', () => again.texts().length === 1)
        assert.deepEqual(again.texts(), ['new'])
      },
    ),
  ],
}
