/** How far each broadcasting member is: its own offsets, who keeps them, and what is set from outside. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import {
  committed,
  gate,
  numbers,
  queueOf,
  refused,
  type SubscribeOptions,
  type Subscriber,
  send,
  stuck,
  subscribe,
} from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const needs = ['virtualTime'] as const
const broadcasting = { messageModel: 'broadcasting' } as const

/** A broadcasting member that comes back under its name. */
function named(mq: EngineMQ, clientId: string, options: SubscribeOptions = {}): Promise<Subscriber> {
  return subscribe(mq, { ...broadcasting, clientId, ...options })
}

async function offsetOf(mq: EngineMQ, clientId: string, queueId = 0): Promise<number | undefined> {
  return mq.engine.queryConsumerOffset('billing', await queueOf(mq, queueId), clientId)
}

async function consumed(mq: EngineMQ, clientId: string, offset: number): Promise<void> {
  await mq.until(`${clientId} is at ${offset}`, async () => (await offsetOf(mq, clientId)) === offset)
}

async function resetTo(mq: EngineMQ, offset: number | 'min' | 'max'): Promise<void> {
  const queueId = typeof offset === 'number' ? 0 : undefined
  await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId, offset })
}

/** A named member goes on after its instance has ended in some way. */
function lastingRule(
  end: string,
  need: 'reopen' | 'crash',
  endLife: (world: ConformanceWorld, mq: EngineMQ) => Promise<EngineMQ>,
): ConformanceRule {
  return rule(
    '6.7',
    `A member with a name goes on where it was after ${end}, each for itself`,
    { needs: ['durable', need] },
    async (world) => {
      const before = await world.openShop()
      await named(before, 'A')
      const slow = await named(before, 'B', { ...stuck, concurrency: 1 })
      await send(before, numbers(3))
      await consumed(before, 'A', 3)
      await before.until('the other is busy', () => slow.deliveries.length === 1)
      const after = await endLife(world, before)
      assert.deepEqual([await offsetOf(after, 'A'), (await offsetOf(after, 'B')) ?? 0], [3, 0])
      await send(after, '3')
      const [a, b] = [await named(after, 'A'), await named(after, 'B')]
      await after.until('both have the rest', () => a.deliveries.length === 1 && b.deliveries.length === 4)
      assert.deepEqual([a.texts(), b.texts().sort()], [['3'], numbers(4)])
    },
  )
}

export const broadcastOffsets: ConformanceChapter = {
  title: 'Offsets of broadcasting members',
  rules: [
    rule('6.7', 'Each member has its own offsets, and the group has none', async (world) => {
      const mq = await world.openShop()
      await named(mq, 'fast')
      await named(mq, 'slow', { ...stuck, concurrency: 1 })
      await send(mq, numbers(3))
      await consumed(mq, 'fast', 3)
      await mq.rest()
      assert.deepEqual([(await offsetOf(mq, 'slow')) ?? 0, await committed(mq)], [0, undefined])
    }),
    rule('6.3', 'The offset of a member is the lowest that it has not finished', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const { consumer } = await named(mq, 'A', {
        listener: (message) => (message.text() === '1' ? hold.isOpen : undefined),
      })
      await send(mq, numbers(4))
      await mq.until('the others are consumed', () => consumer.stats.succeededCount === 3)
      await consumed(mq, 'A', 1)
      await mq.rest()
      assert.equal(await offsetOf(mq, 'A'), 1)
      hold.open()
      await consumed(mq, 'A', 4)
    }),
    rule('6.7', 'A member with a name goes on where it stopped', async (world) => {
      const mq = await world.openShop(2)
      const first = await named(mq, 'A', { consumeFromWhere: 'FIRST_OFFSET' })
      await send(mq, numbers(6))
      await mq.until('all are consumed', () => first.consumer.stats.succeededCount === 6)
      await first.consumer.close()
      await send(mq, ['6', '7'])
      const again = await named(mq, 'A', { consumeFromWhere: 'FIRST_OFFSET' })
      await mq.until('the rest arrives', () => again.texts().length === 2)
      await mq.rest()
      assert.deepEqual(again.texts().sort(), ['6', '7'])
    }),
    lastingRule('a restart', 'reopen', (world, mq) => world.reopen(mq)),
    lastingRule('a kill', 'crash', (world, mq) => world.crash(mq)),
    rule('6.7', 'A member with a name keeps where it started, also when nothing came', async (world) => {
      const mq = await world.openShop()
      await send(mq, 'old')
      const first = await named(mq, 'A')
      await mq.rest()
      await first.consumer.close()
      await send(mq, 'meanwhile')
      const again = await named(mq, 'A')
      await mq.until('what came meanwhile arrives', () => again.texts().length > 0)
      assert.deepEqual(again.texts(), ['meanwhile'])
    }),
    rule('6.7', 'A member without a name starts anew each time', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const first = await subscribe(mq, broadcasting)
      await send(mq, 'before')
      await mq.until('it is consumed', () => first.consumer.stats.succeededCount === 1)
      await first.consumer.close()
      await send(mq, 'meanwhile')
      const again = await subscribe(mq, broadcasting)
      assert.notEqual(again.consumer.clientId, first.consumer.clientId)
      await send(mq, 'after')
      await mq.until('the next arrives', () => again.texts().length > 0)
      assert.deepEqual(again.texts(), ['after'])
    }),
    rule('6.7', 'What a closing member did not finish is delivered to it again', { needs }, async (world) => {
      const mq = await world.openShop()
      const first = await named(mq, 'A', { listener: stuck.listener, closeTimeoutMs: 3000, concurrency: 1 })
      await send(mq, ['a', 'b'])
      await mq.rest()
      const closing = first.consumer.close()
      await mq.advance('3s')
      assert.deepEqual(await closing, { drained: false, unfinishedCount: 1 })
      const again = await named(mq, 'A')
      await mq.until('both arrive', () => again.texts().length === 2)
      assert.deepEqual(again.texts().sort(), ['a', 'b'])
    }),
    rule('6.9', 'No two members have one name', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await named(mq, 'A')
      await refused('INVALID_PARAMETER', () => named(mq, 'A'))
      await named(mq, 'A', { group: 'shipping' })
    }),
    rule('6.7', 'One name in two groups is two members', async (world) => {
      const mq = await world.openShop()
      const shipping = await named(mq, 'A', { group: 'shipping' })
      await named(mq, 'A', { ...stuck, concurrency: 1 })
      await send(mq, numbers(3))
      await mq.until('the other group has all', () => shipping.consumer.stats.succeededCount === 3)
      await mq.rest()
      assert.equal((await offsetOf(mq, 'A')) ?? 0, 0)
    }),
    rule(
      '12.3',
      'The progress of a group lists each member, also one that is away',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const away = await named(mq, 'away')
        await send(mq, numbers(2))
        await consumed(mq, 'away', 2)
        await away.consumer.close()
        await named(mq, 'here')
        await send(mq, '2')
        await consumed(mq, 'here', 3)
        const { queues, lag } = await mq.admin.consumerProgress('billing')
        assert.deepEqual(
          queues.map(({ clientId, consumerOffset, lag: behind }) => [clientId, consumerOffset, behind]),
          [
            ['away', 2, 1],
            ['here', 3, 0],
          ],
        )
        assert.equal(lag, 1)
      },
    ),
    rule('12.3', 'Members are no groups', async (world) => {
      const mq = await world.openShop()
      await named(mq, 'A')
      assert.deepEqual(
        (await mq.admin.groups()).map(({ group }) => group),
        ['billing'],
      )
    }),
    rule(
      '12.3',
      'A reset moves every member, back and forward, and gives the group no offset',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const [a, b] = [await named(mq, 'A'), await subscribe(mq, broadcasting)]
        await send(mq, numbers(4))
        await mq.until('both have all', () => a.deliveries.length === 4 && b.deliveries.length === 4)
        await consumed(mq, 'A', 4)
        await resetTo(mq, 2)
        await mq.until('both have it again', () => a.deliveries.length === 6 && b.deliveries.length === 6)
        assert.deepEqual(
          [a.texts().slice(4).sort(), b.texts().slice(4).sort()],
          [
            ['2', '3'],
            ['2', '3'],
          ],
        )
        assert.equal(await committed(mq), undefined)
      },
    ),
    rule('12.3', 'A reset forward skips what members have not consumed', async (world) => {
      const mq = await world.openShop()
      const { consumer, texts } = await named(mq, 'A')
      consumer.pause()
      await send(mq, numbers(4))
      await mq.rest()
      await resetTo(mq, 3)
      consumer.resume()
      await mq.until('the last arrives', () => texts().length > 0)
      await mq.rest()
      assert.deepEqual(texts(), ['3'])
    }),
    rule('12.3', 'A reset reaches a member that is away', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const first = await named(mq, 'A')
      await send(mq, numbers(3))
      await consumed(mq, 'A', 3)
      await first.consumer.close()
      await resetTo(mq, 'min')
      assert.equal(await offsetOf(mq, 'A'), 0)
      const again = await named(mq, 'A')
      await mq.until('it gets all again', () => again.texts().length === 3)
      assert.deepEqual(again.texts().sort(), numbers(3))
    }),
    rule(
      '12.3',
      'The answer of a listener that runs at a reset does not move the offset back or forth',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const hold = gate()
        const { texts } = await named(mq, 'A', {
          concurrency: 1,
          listener: (message) => (message.text() === '0' ? hold.isOpen : undefined),
        })
        await send(mq, numbers(3))
        await mq.rest()
        await resetTo(mq, 2)
        hold.open()
        await mq.until('it goes on there', () => texts().includes('2'))
        await mq.advance('1m')
        assert.deepEqual([texts(), await offsetOf(mq, 'A')], [['0', '2'], 3])
      },
    ),
    rule('12.3', 'A member that is forgotten starts anew', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const first = await named(mq, 'A')
      await send(mq, 'a')
      await consumed(mq, 'A', 1)
      await first.consumer.close()
      await mq.admin.forgetConsumer('billing', 'A')
      assert.equal(await offsetOf(mq, 'A'), undefined)
      assert.deepEqual(
        (await mq.admin.consumerProgress('billing')).queues.map(({ clientId }) => clientId),
        [],
      )
      await send(mq, 'b')
      const again = await named(mq, 'A')
      await send(mq, 'c')
      await mq.until('the next arrives', () => again.texts().length > 0)
      assert.deepEqual(again.texts(), ['c'])
    }),
    rule(
      '12.3',
      'A member that is there is not forgotten, nor one that nobody knows',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { consumer } = await named(mq, 'A')
        await refused('INVALID_PARAMETER', () => mq.admin.forgetConsumer('billing', 'A'))
        await refused('INVALID_PARAMETER', () => mq.admin.forgetConsumer('billing', 'B'))
        await refused('INVALID_PARAMETER', () => mq.admin.forgetConsumer('billing', ''))
        await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () => mq.admin.forgetConsumer('shipping', 'A'))
        await consumer.close()
        await mq.admin.forgetConsumer('billing', 'A')
        await refused('INVALID_PARAMETER', () => mq.admin.forgetConsumer('billing', 'A'))
      },
    ),
    rule('12.3', 'Members go with their group', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const first = await named(mq, 'A')
      await send(mq, 'a')
      await consumed(mq, 'A', 1)
      await first.consumer.close()
      await mq.admin.deleteGroup('billing')
      const again = await named(mq, 'A', { consumeFromWhere: 'FIRST_OFFSET' })
      await mq.until('it starts anew', () => again.texts().length === 1)
    }),
    rule('12.4', 'Offsets of members go with their topic', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const { texts } = await named(mq, 'A')
      await send(mq, numbers(3))
      await consumed(mq, 'A', 3)
      await mq.admin.deleteTopic('orders')
      await mq.admin.createTopic({ topic: 'orders', queues: 1 })
      await send(mq, 'new')
      await mq.until('the new topic is read from its beginning', () => texts().length === 4)
      await consumed(mq, 'A', 1)
    }),
    rule(
      '6.7',
      'A lower offset of a member is ignored, and one beyond the end is refused',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { consumer } = await named(mq, 'A')
        await send(mq, numbers(3))
        await consumed(mq, 'A', 3)
        await consumer.close()
        const queue = await queueOf(mq)
        await mq.engine.updateConsumerOffset('billing', queue, 1, false, 'A')
        assert.equal(await offsetOf(mq, 'A'), 3)
        await refused('INVALID_PARAMETER', () =>
          mq.engine.updateConsumerOffset('billing', queue, 4, false, 'A'),
        )
        assert.equal(await offsetOf(mq, 'A'), 3)
      },
    ),
  ],
}
