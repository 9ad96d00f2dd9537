/** Progress of groups: stored offsets, lag, and setting an offset from outside. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, gate, numbers, openAgedShop, queueOf, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

/** A shop with a group that has consumed `count` messages, and its member. */
async function openConsumed(world: ConformanceWorld, count: number) {
  const mq = await world.openShop()
  const subscriber = await subscribe(mq, { concurrency: 1 })
  await send(mq, numbers(count))
  await mq.until('the offset is behind all', async () => (await committed(mq)) === count)
  return { mq, ...subscriber }
}

/** A shop with messages and a group that has consumed nothing. */
async function openUnconsumed(world: ConformanceWorld, count: number): Promise<EngineMQ> {
  const mq = await world.openShop()
  await mq.admin.createGroup({ group: 'billing' })
  await send(mq, numbers(count))
  return mq
}

const group = 'billing'
const topic = 'orders'

export const offsets: ConformanceChapter = {
  title: 'Offsets of groups',
  rules: [
    rule('6.7', 'A group that has consumed nothing has no offset', async (world) => {
      assert.equal(await committed(await openUnconsumed(world, 3)), undefined)
    }),
    rule('6.7', 'The stored offset is the next one to consume', async (world) => {
      const mq = await openUnconsumed(world, 3)
      await mq.engine.updateConsumerOffset(group, await queueOf(mq), 2)
      assert.equal(await committed(mq), 2)
    }),
    rule('6.7', 'A lower offset is ignored', { differs: true }, async (world) => {
      const mq = await openUnconsumed(world, 3)
      const queue = await queueOf(mq)
      for (const offset of [2, 1, 0]) {
        await mq.engine.updateConsumerOffset(group, queue, offset)
        assert.equal(await committed(mq), 2)
      }
    }),
    rule('6.7', 'An offset beyond the end is refused', { differs: true }, async (world) => {
      const mq = await openUnconsumed(world, 3)
      const queue = await queueOf(mq)
      await refused('INVALID_PARAMETER', () => mq.engine.updateConsumerOffset(group, queue, 4))
      assert.equal(await committed(mq), undefined)
    }),
    rule('6.7', 'Offsets of unknown groups and topics are refused', async (world) => {
      const mq = await openUnconsumed(world, 1)
      const queue = await queueOf(mq)
      const nowhere = { ...queue, topic: 'nowhere' }
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () => mq.engine.updateConsumerOffset('nobody', queue, 1))
      await refused('TOPIC_NOT_EXIST', () => mq.engine.updateConsumerOffset(group, nowhere, 1))
      await refused('TOPIC_NOT_EXIST', () => mq.engine.queryConsumerOffset(group, nowhere))
    }),
    rule('6.7', 'What a group has consumed is not delivered to it again', async (world) => {
      const { mq, consumer } = await openConsumed(world, 10)
      await consumer.close()
      const { texts } = await subscribe(mq)
      await send(mq, 'next')
      await mq.until('the next arrives', () => texts().length > 0)
      await mq.rest()
      assert.deepEqual(texts(), ['next'])
    }),
    rule(
      '12.3',
      'Progress has the end of each queue, the offset of the group, and the lag between',
      async (world) => {
        const mq = await world.openShop(2)
        await mq.admin.createGroup({ group })
        await send(mq, numbers(5), { queueId: 0 })
        await send(mq, numbers(3), { queueId: 1 })
        await mq.engine.updateConsumerOffset(group, await queueOf(mq, 0), 4)
        const { queues, lag } = await mq.admin.consumerProgress(group)
        const orders = queues.filter(({ queue }) => queue.topic === topic)
        assert.deepEqual(
          orders.map(({ brokerOffset, consumerOffset, lag }) => [brokerOffset, consumerOffset, lag]),
          [
            [5, 4, 1],
            [3, 0, 3],
          ],
        )
        assert.equal(lag, 4)
      },
    ),
    rule(
      '12.3',
      'Progress has the store time of the last message that was consumed',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await openUnconsumed(world, 0)
        for (const body of numbers(3)) {
          await send(mq, body)
          await mq.advance(1000)
        }
        await mq.engine.updateConsumerOffset(group, await queueOf(mq), 2)
        const { queues } = await mq.admin.consumerProgress(group)
        const last = queues.find(({ queue }) => queue.topic === topic)?.lastTimestamp
        assert.equal(last, (await mq.admin.browse(topic))[1]?.storeTimestamp)
      },
    ),
    rule('12.3', 'Progress includes the retry topic', async (world) => {
      const { mq } = await openConsumed(world, 1)
      const { queues } = await mq.admin.consumerProgress(group)
      assert.deepEqual(queues.map(({ queue }) => queue.topic).sort(), ['%RETRY%billing', topic])
    }),
    rule('12.3', 'A group that is behind nothing has no lag', async (world) => {
      const { mq } = await openConsumed(world, 10)
      assert.equal((await mq.admin.consumerProgress(group)).lag, 0)
    }),
    rule('12.3', 'The progress of an unknown group is refused', async (world) => {
      const mq = await world.open()
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () => mq.admin.consumerProgress('nobody'))
    }),
    rule(
      '12.3',
      'What was removed does not count as lag',
      { needs: ['virtualTime'], differs: true },
      async (world) => {
        const mq = await openAgedShop(world)
        await mq.admin.createGroup({ group })
        await mq.engine.updateConsumerOffset(group, await queueOf(mq), 1)
        assert.equal((await mq.admin.consumerProgress(group)).lag, 2)
      },
    ),
    rule(
      '12.3',
      'A reset to a time goes to the first message stored then',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        await mq.admin.createGroup({ group })
        await send(mq, 'a')
        await mq.advance('1m')
        const timestamp = mq.now()
        await send(mq, ['b', 'c'])
        const reset = await mq.admin.resetOffset({ group, topic, timestamp })
        assert.deepEqual(
          reset.map(({ offset }) => offset),
          [1],
        )
        assert.equal(await committed(mq), 1)
      },
    ),
    rule('12.3', 'A reset to a time after all messages, or to -1, goes behind them', async (world) => {
      for (const timestamp of [-1, 4_000_000_000_000]) {
        const mq = await openUnconsumed(world, 3)
        await mq.admin.resetOffset({ group, topic, timestamp })
        assert.equal(await committed(mq), 3)
      }
    }),
    rule('12.3', 'A reset to a time before all messages goes to the oldest', async (world) => {
      const { mq } = await openConsumed(world, 3)
      const reset = await mq.admin.resetOffset({ group, topic, timestamp: 0 })
      assert.deepEqual(
        reset.map(({ offset }) => offset),
        [0],
      )
    }),
    rule('12.3', 'A reset covers every queue of the topic, or the one that it names', async (world) => {
      const mq = await world.openShop(2)
      await mq.admin.createGroup({ group })
      for (const queueId of [0, 1]) await send(mq, numbers(3), { queueId })
      await mq.admin.resetOffset({ group, topic, offset: 'max' })
      assert.deepEqual([await committed(mq), await committed(mq, { queueId: 1 })], [3, 3])
      await mq.admin.resetOffset({ group, topic, offset: 1, queueId: 1 })
      assert.deepEqual([await committed(mq), await committed(mq, { queueId: 1 })], [3, 1])
    }),
    rule('12.3', 'A reset to an offset that the queue does not have is refused', async (world) => {
      const mq = await openUnconsumed(world, 3)
      for (const offset of [4, 99])
        await refused('INVALID_PARAMETER', () => mq.admin.resetOffset({ group, topic, offset, queueId: 0 }))
      await refused('INVALID_PARAMETER', () => mq.admin.resetOffset({ group, topic, offset: 0, queueId: 1 }))
      assert.equal(await committed(mq), undefined)
    }),
    rule('12.3', 'A reset needs a time or an offset, and a number needs its queue', async (world) => {
      const mq = await openUnconsumed(world, 3)
      const wrong = [{}, { timestamp: 0, offset: 'min' as const }, { offset: 1 }, { timestamp: -2 }]
      for (const where of wrong)
        await refused('INVALID_PARAMETER', () => mq.admin.resetOffset({ group, topic, ...where }))
    }),
    rule('12.3', 'A reset of an unknown group or topic is refused', async (world) => {
      const mq = await openUnconsumed(world, 1)
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () =>
        mq.admin.resetOffset({ group: 'nobody', topic, offset: 'min' }),
      )
      await refused('TOPIC_NOT_EXIST', () => mq.admin.resetOffset({ group, topic: 'nowhere', offset: 'min' }))
    }),
    rule('12.3', 'A reset back delivers again, at once', { differs: true }, async (world) => {
      const { mq, texts } = await openConsumed(world, 3)
      await mq.admin.resetOffset({ group, topic, offset: 'min' })
      await mq.until('all are delivered again', () => texts().length === 6)
      assert.deepEqual(texts(), [...numbers(3), ...numbers(3)])
    }),
    rule('12.3', 'A reset forward skips what lies between', async (world) => {
      const mq = await openUnconsumed(world, 5)
      await mq.admin.resetOffset({ group, topic, offset: 3, queueId: 0 })
      const { texts } = await subscribe(mq, { concurrency: 1 })
      await mq.until('the rest is delivered', () => texts().length === 2)
      assert.deepEqual(texts(), ['3', '4'])
    }),
    rule('12.3', 'A reset drops what members have fetched and not started', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const { texts } = await subscribe(mq, { concurrency: 1, listener: () => hold.isOpen })
      await send(mq, numbers(10))
      await mq.until('the first runs', () => texts().length === 1)
      await mq.admin.resetOffset({ group, topic, offset: 'max' })
      hold.open()
      await send(mq, 'next')
      await mq.until('the next is delivered', () => texts().includes('next'))
      assert.deepEqual(texts(), ['0', 'next'])
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 11)
    }),
    rule('12.3', 'What runs during a reset does not move the offset', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const { texts, consumer } = await subscribe(mq, { listener: () => hold.isOpen })
      await send(mq, numbers(3))
      await mq.until('they run', () => texts().length === 3)
      consumer.pause()
      await mq.admin.resetOffset({ group, topic, offset: 'min' })
      hold.open()
      await mq.rest()
      assert.equal(await committed(mq), 0)
      consumer.resume()
      await mq.until('they are delivered again', () => texts().length === 6)
    }),
    rule('12.3', 'A reset concerns no other group', async (world) => {
      const { mq } = await openConsumed(world, 3)
      const shipping = await subscribe(mq, { group: 'shipping' })
      await mq.until(
        'the other group has consumed',
        async () => (await committed(mq, { group: 'shipping' })) === 3,
      )
      await mq.admin.resetOffset({ group, topic, offset: 'min' })
      await mq.rest()
      assert.equal(shipping.texts().length, 3)
    }),
  ],
}
