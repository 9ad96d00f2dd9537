/** Consumer groups: how they come into being, their settings, how they end, and that none disturbs another. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, failing, numbers, pull, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const DEFAULTS = {
  consumeEnable: true,
  consumeBroadcastEnable: true,
  retryQueueNums: 1,
  consumeMessageOrderly: false,
  retryMaxTimes: 16,
} as const

async function retryQueueNums(mq: EngineMQ): Promise<number | undefined> {
  return (await mq.admin.topics()).find(({ topic }) => topic === '%RETRY%billing')?.writeQueueNums
}

export const groups: ConformanceChapter = {
  title: 'Consumer groups',
  rules: [
    rule('1.5', 'The first consumer makes its group', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq)
      assert.deepEqual(await mq.admin.groups(), [{ group: 'billing', ...DEFAULTS }])
    }),
    rule('1.5', 'A group gets its retry topic of one queue with its first consumer', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq)
      assert.equal(await retryQueueNums(mq), 1)
    }),
    rule('1.9', 'How many queues the retry topic has is a setting of the group', async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing', retryQueueNums: 3 })
      await subscribe(mq)
      assert.equal(await retryQueueNums(mq), 3)
    }),
    rule('1.9', 'Settings of a group that are not named stay as they are', async (world) => {
      const mq = await world.open()
      await mq.admin.createGroup({ group: 'billing', retryQueueNums: 2 })
      await mq.admin.createGroup({ group: 'billing', consumeBroadcastEnable: false })
      assert.deepEqual(await mq.admin.groups(), [
        { group: 'billing', ...DEFAULTS, consumeBroadcastEnable: false, retryQueueNums: 2 },
      ])
    }),
    rule('1.9', 'A group that may not consume gets nothing', async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing', consumeEnable: false })
      const { texts } = await subscribe(mq)
      await send(mq, 'x')
      await refused('NO_PERMISSION', () => pull(mq))
      await mq.rest()
      assert.deepEqual(texts(), [])
    }),
    rule(
      '1.9',
      'A group that may consume again goes on where it stopped',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const { texts } = await subscribe(mq)
        await send(mq, 'before')
        await mq.until('the first arrives', () => texts().length === 1)
        await mq.admin.createGroup({ group: 'billing', consumeEnable: false })
        await send(mq, 'meanwhile')
        await mq.advance('10s')
        assert.deepEqual(texts(), ['before'])
        await mq.admin.createGroup({ group: 'billing', consumeEnable: true })
        await mq.advance('2s')
        assert.deepEqual(texts(), ['before', 'meanwhile'])
      },
    ),
    rule('6.8', 'Every group gets every message', async (world) => {
      const mq = await world.openShop(4)
      const [billing, shipping] = [await subscribe(mq), await subscribe(mq, { group: 'shipping' })]
      await send(mq, numbers(20))
      await mq.until('both groups have all', () => billing.texts().length + shipping.texts().length === 40)
      assert.deepEqual(new Set(billing.texts()), new Set(numbers(20)))
      assert.deepEqual(new Set(shipping.texts()), new Set(numbers(20)))
    }),
    rule('6.8', 'A group that comes later gets what is stored', async (world) => {
      const mq = await world.openShop()
      const billing = await subscribe(mq)
      await send(mq, numbers(3))
      await mq.until('the first group has all', () => billing.texts().length === 3)
      const shipping = await subscribe(mq, { group: 'shipping' })
      await mq.until('the second group has all', () => shipping.texts().length === 3)
    }),
    rule('6.8', 'A group that is stuck does not hold up another', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { listener: () => new Promise(() => undefined), concurrency: 1, closeTimeoutMs: 1 })
      const shipping = await subscribe(mq, { group: 'shipping' })
      await send(mq, numbers(5))
      await mq.until('the other group has all', () => shipping.texts().length === 5)
      await mq.until(
        'the other group is behind all',
        async () => (await committed(mq, { group: 'shipping' })) === 5,
      )
      assert.equal((await committed(mq)) ?? 0, 0)
    }),
    rule('6.8', 'Groups have offsets of their own', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq)
      await send(mq, numbers(2))
      await mq.until('the group has consumed', async () => (await committed(mq)) === 2)
      await mq.admin.createGroup({ group: 'shipping' })
      assert.equal(await committed(mq, { group: 'shipping' }), undefined)
    }),
    rule(
      '9.2',
      'A message that fails in one group is retried in no other',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const billing = await subscribe(mq, { listener: failing(1) })
        const shipping = await subscribe(mq, { group: 'shipping' })
        await send(mq, 'x')
        await mq.advance('1m')
        assert.equal(billing.deliveries.length, 2)
        assert.equal(shipping.deliveries.length, 1)
      },
    ),
    rule('12.3', 'A deleted group begins anew when it comes again', async (world) => {
      const mq = await world.openShop()
      const first = await subscribe(mq)
      await send(mq, 'x')
      await mq.until('it is consumed', async () => (await committed(mq)) === 1)
      await first.consumer.close()
      await mq.admin.deleteGroup('billing')
      assert.deepEqual(await mq.admin.groups(), [])
      assert.equal(await retryQueueNums(mq), undefined)
      const second = await subscribe(mq)
      await mq.until('it is delivered again', () => second.texts().length === 1)
    }),
    rule(
      '12.3',
      'The retries of a deleted group are not delivered to one of its name',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const first = await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.rest()
        await first.consumer.close()
        await mq.admin.deleteGroup('billing')
        const second = await subscribe(mq)
        await mq.advance('1m')
        assert.deepEqual(
          second.deliveries.map(({ message }) => message.reconsumeTimes),
          [0],
        )
      },
    ),
    rule('12.3', 'A group with members is not deleted', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await subscribe(mq)
      await refused('INVALID_PARAMETER', () => mq.admin.deleteGroup('billing'))
    }),
    rule('12.3', 'Deleting an unknown group is refused', async (world) => {
      const mq = await world.open()
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () => mq.admin.deleteGroup('billing'))
    }),
    rule(
      '6.1',
      'One instance may have several members of a group, and several producers',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const [a, b] = [await subscribe(mq), await subscribe(mq)]
        assert.notEqual(a.consumer.clientId, b.consumer.clientId)
        assert.deepEqual(
          await mq.engine.queryConsumerIds('billing'),
          [a.consumer.clientId, b.consumer.clientId].sort(),
        )
        await mq.createProducer({ group: 'shop' })
        await mq.createProducer({ group: 'shop' })
      },
    ),
    rule('6.9', 'No two members of a group have one client id', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { clientId: 'one' })
      await refused('INVALID_PARAMETER', () => subscribe(mq, { clientId: 'one' }))
    }),
  ],
}
