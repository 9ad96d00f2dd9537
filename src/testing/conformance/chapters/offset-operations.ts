/** Offsets of another group, and skipping what has piled up. */
import { strict as assert } from 'node:assert'
import { gate, numbers, queueOf, refused, send, subscribe } from '../kit.ts'
import {
  drain,
  INVISIBLE_MS,
  lite,
  offsetsOf,
  openMidst,
  openSimple,
  receive,
  receiveTexts,
  SOON_MS,
  simple,
} from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const group = 'billing'
const topic = 'orders'
const clone = { srcGroup: group, destGroup: 'copy' } as const

export const offsetOperations: ConformanceChapter = {
  title: 'Cloning and skipping',
  rules: [
    rule('12.3', 'A new group begins where another one is, by cloning its offsets', async (world) => {
      const mq = await openMidst(world)
      const cloned = await mq.admin.cloneGroupOffset({ ...clone, topic })
      assert.deepEqual(
        cloned.map(({ queue, offset }) => [queue.topic, queue.queueId, offset]),
        [
          [topic, 0, 3],
          [topic, 1, 4],
        ],
      )
      const { texts } = await subscribe(mq, { group: 'copy' })
      await mq.until('the rest is delivered', () => texts().length === 3)
      await mq.rest()
      assert.deepEqual(texts().sort(), ['3', '4', '4'])
    }),
    rule('12.3', 'Cloning moves a group that runs, forward and back', { differs: true }, async (world) => {
      const mq = await openMidst(world)
      const copy = await lite(mq, { group: 'copy' })
      assert.equal((await drain(mq, copy, 10)).length, 10)
      await mq.admin.cloneGroupOffset({ ...clone, topic })
      assert.deepEqual((await drain(mq, copy, 3)).sort(), ['3', '4', '4'])
      const { texts } = await subscribe(mq, { group: 'third' })
      await mq.until('all are delivered', () => texts().length === 10)
      await mq.admin.cloneGroupOffset({ ...clone, destGroup: 'third', topic })
      await mq.until('the rest is delivered again', () => texts().length === 13)
    }),
    rule('12.3', 'A group of simple consumers can be a copy', { needs: ['pop'] }, async (world) => {
      const mq = await openMidst(world)
      await mq.admin.cloneGroupOffset({ ...clone, topic })
      assert.deepEqual((await receiveTexts(await simple(mq, { group: 'copy' }))).sort(), ['3', '4', '4'])
    }),
    rule('12.3', 'A copy does not follow, and the source stays where it is', async (world) => {
      const mq = await openMidst(world)
      await mq.admin.cloneGroupOffset({ ...clone, topic })
      await mq.engine.updateConsumerOffset(group, await queueOf(mq), 5)
      await mq.engine.updateConsumerOffset('copy', await queueOf(mq, 1), 5)
      assert.deepEqual(
        [await offsetsOf(mq, group), await offsetsOf(mq, 'copy')],
        [
          [5, 4],
          [3, 5],
        ],
      )
    }),
    rule('12.3', 'Queues that the source has no offset for are not copied', async (world) => {
      const mq = await openMidst(world)
      await mq.admin.createGroup({ group: 'half' })
      await mq.engine.updateConsumerOffset('half', await queueOf(mq, 1), 2)
      await mq.admin.cloneGroupOffset({ srcGroup: 'half', destGroup: 'copy', topic })
      assert.deepEqual(await offsetsOf(mq, 'copy'), [undefined, 2])
    }),
    rule('12.3', 'A source without offsets leaves the destination where it is', async (world) => {
      const mq = await openMidst(world)
      await mq.admin.createGroup({ group: 'new' })
      await subscribe(mq, { group: 'caches', messageModel: 'broadcasting', clientId: 'A' })
      for (const srcGroup of ['new', 'caches']) {
        assert.deepEqual(await mq.admin.cloneGroupOffset({ srcGroup, destGroup: group, topic }), [])
        assert.deepEqual(await offsetsOf(mq, group), [3, 4])
      }
    }),
    rule('12.3', 'A reset says where to: by a time or by an offset', async (world) => {
      const mq = await openMidst(world)
      const both = { timestamp: 0, offset: 'min' } as const
      for (const [where, text] of [
        [{}, /needs a timestamp or an offset/],
        [both, /not both/],
      ] as const) {
        const error = await refused('INVALID_PARAMETER', () =>
          mq.admin.resetOffset({ group, topic, ...where }),
        )
        assert.match(error.message, text)
      }
    }),
    rule(
      '12.3',
      'Without a topic every topic is cloned, but not the retries',
      { differs: true },
      async (world) => {
        const mq = await openMidst(world)
        await mq.admin.createTopic({ topic: 'returns', queues: 1 })
        await send(mq, numbers(2), { topic: 'returns' })
        await mq.engine.updateConsumerOffset(group, await queueOf(mq, 0, 'returns'), 1)
        await mq.engine.updateConsumerOffset(group, await queueOf(mq, 0, '%RETRY%billing'), 0)
        const cloned = await mq.admin.cloneGroupOffset(clone)
        const places = cloned.map(({ queue, offset }) => `${queue.topic} ${queue.queueId} ${offset}`)
        assert.deepEqual(places.sort(), ['orders 0 3', 'orders 1 4', 'returns 0 1'])
      },
    ),
    rule('12.3', 'What cannot be cloned is refused', async (world) => {
      const mq = await openMidst(world)
      await refused('INVALID_PARAMETER', () =>
        mq.admin.cloneGroupOffset({ srcGroup: group, destGroup: group }),
      )
      await refused('INVALID_PARAMETER', () =>
        mq.admin.cloneGroupOffset({ ...clone, destGroup: 'no spaces' }),
      )
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () =>
        mq.admin.cloneGroupOffset({ ...clone, srcGroup: 'nobody' }),
      )
      await refused('TOPIC_NOT_EXIST', () => mq.admin.cloneGroupOffset({ ...clone, topic: 'nowhere' }))
    }),
    rule('12.3', 'Skipping what has piled up concerns every queue of the one topic', async (world) => {
      const mq = await openMidst(world)
      await mq.admin.createTopic({ topic: 'returns', queues: 1 })
      await send(mq, numbers(2), { topic: 'returns' })
      await mq.engine.updateConsumerOffset(group, await queueOf(mq, 0, 'returns'), 1)
      const skipped = await mq.admin.skipAccumulatedMessage({ group, topic })
      assert.deepEqual(
        skipped.map(({ queue, offset }) => [queue.queueId, offset]),
        [
          [0, 5],
          [1, 5],
        ],
      )
      assert.deepEqual(await offsetsOf(mq, group), [5, 5])
      assert.equal((await mq.admin.consumerProgress(group)).lag, 1)
    }),
    rule('12.3', 'Skipping leaves members that run with what comes next', async (world) => {
      const mq = await world.openShop()
      const hold = gate()
      const { texts } = await subscribe(mq, { concurrency: 1, listener: () => hold.isOpen })
      await send(mq, numbers(10))
      await mq.until('the first runs', () => texts().length === 1)
      await mq.admin.skipAccumulatedMessage({ group, topic })
      await send(mq, 'next')
      hold.open()
      await mq.until('the next is delivered', () => texts().includes('next'))
      assert.deepEqual(texts(), ['0', 'next'])
    }),
    rule(
      '12.3',
      'Skipping keeps nothing back that simple consumers have received',
      { needs: ['pop', 'virtualTime'] },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 10)
        await receive(consumer, { maxMessages: 2 })
        await mq.admin.skipAccumulatedMessage({ group, topic })
        await send(mq, 'next')
        assert.deepEqual(await receiveTexts(consumer, { invisibleDurationMs: 3_600_000 }), ['next'])
        await mq.advance(INVISIBLE_MS + SOON_MS)
        assert.deepEqual((await receiveTexts(consumer)).sort(), ['0', '1'])
      },
    ),
    rule('12.3', 'Skipping for an unknown group, or in an unknown topic, is refused', async (world) => {
      const mq = await openMidst(world)
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () =>
        mq.admin.skipAccumulatedMessage({ group: 'nobody', topic }),
      )
      await refused('TOPIC_NOT_EXIST', () => mq.admin.skipAccumulatedMessage({ group, topic: 'nowhere' }))
    }),
  ],
}
