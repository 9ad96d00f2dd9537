/** What an instance tells of itself, and that those who listen cannot disturb it. */
import { strict as assert } from 'node:assert'
import { committed, eventsOf, numbers, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

export const events: ConformanceChapter = {
  title: 'Events',
  rules: [
    rule('1.4', 'Topics that are created, changed or deleted are told', async (world) => {
      const mq = await world.open()
      const changes = eventsOf(mq, 'topic-changed')
      await mq.admin.createTopic({ topic: 'a' })
      await mq.admin.updateTopic({ topic: 'a', queues: 8 })
      await mq.admin.updateTopic({ topic: 'a', queues: 8 })
      await mq.admin.deleteTopic('a')
      assert.deepEqual(changes, [{ topic: 'a' }, { topic: 'a' }, { topic: 'a' }])
    }),
    rule('6.9', 'Engines tell clients when members come and go', async (world) => {
      const mq = await world.openShop()
      const told: string[] = []
      mq.engine.watch((event) => {
        if (event.type === 'consumer-ids-changed') told.push(event.group)
      })
      const { consumer } = await subscribe(mq)
      await consumer.close()
      assert.deepEqual(told, ['billing', 'billing'])
    }),
    rule('12.3', 'Engines tell clients when offsets are reset', async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing' })
      const told: unknown[] = []
      mq.engine.watch((event) => told.push(event))
      await mq.admin.resetOffset({ group: 'billing', topic: 'orders', offset: 'min' })
      assert.deepEqual(told, [{ type: 'offset-reset', group: 'billing', topic: 'orders' }])
    }),
    rule('6.9', 'Whoever stops to watch hears nothing more', async (world) => {
      const mq = await world.openShop()
      let count = 0
      const unwatch = mq.engine.watch(() => {
        count += 1
      })
      unwatch()
      await mq.admin.createTopic({ topic: 'a' })
      assert.equal(count, 0)
    }),
    rule('14.2', 'An observer that throws disturbs nobody, and is told as an error', async (world) => {
      const mq = await world.openShop()
      const errors = eventsOf(mq, 'error')
      mq.on('retry', () => {
        throw new Error('observer')
      })
      await subscribe(mq, { listener: (message) => (message.text() === '0' ? 'FAILURE' : 'SUCCESS') })
      await send(mq, numbers(3))
      await mq.until('all are behind', async () => (await committed(mq)) === 3)
      assert.deepEqual(
        errors.map(({ message }) => message),
        ['observer'],
      )
    }),
    rule('14.2', 'Nothing is told while all goes well', async (world) => {
      const mq = await world.openShop(4)
      const told = [
        eventsOf(mq, 'warning'),
        eventsOf(mq, 'error'),
        eventsOf(mq, 'retry'),
        eventsOf(mq, 'message-lost'),
      ]
      await subscribe(mq)
      await send(mq, numbers(50))
      await mq.until('all are consumed', async () => (await mq.admin.consumerProgress('billing')).lag === 0)
      assert.deepEqual(told, [[], [], [], []])
    }),
    rule('4.2', 'An instance is open, then closed', async (world) => {
      const mq = await world.openShop()
      assert.equal(mq.state, 'open')
      await mq.close()
      assert.equal(mq.state, 'closed')
    }),
    rule('4.4', 'The check of a store that nothing happened to finds nothing', async (world) => {
      const mq = await world.openShop(2)
      await subscribe(mq)
      await send(mq, numbers(20), { keys: 'k' })
      await mq.until('all are consumed', async () => (await mq.admin.consumerProgress('billing')).lag === 0)
      const { ok, messageCount, problems } = await mq.admin.check()
      assert.deepEqual([ok, messageCount, problems], [true, 20, []])
    }),
  ],
}
