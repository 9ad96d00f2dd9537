/** Sending: what a receipt promises, in which order messages are stored, and what is refused. */
import { strict as assert } from 'node:assert'
import type { SendOptions } from '../../../producer/send-options.ts'
import { eventsOf, numbers, pull, queueOf, refused, send, textsOf } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const message = { topic: 'orders', body: 'x' } as const

export const sending: ConformanceChapter = {
  title: 'Sending',
  rules: [
    rule('3.6', 'The receipt says that the message is stored, and where', async (world) => {
      const mq = await world.openShop()
      await send(mq, 'before')
      const [receipt] = await send(mq, 'x')
      assert.equal(receipt?.status, 'SEND_OK')
      assert.deepEqual(receipt.queue, await queueOf(mq))
      assert.deepEqual([receipt.queueOffset, receipt.messageCount], [1, 1])
      assert.deepEqual(receipt.messageIds, [receipt.messageId])
    }),
    rule('3.6', 'The receipt says what its status rests on', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const [receipt] = await send(mq, 'x')
      assert.equal(receipt?.durability, mq.engine.supports.durable ? 'ASYNC_FLUSH' : 'MEMORY')
    }),
    rule(
      '4.3',
      'With SYNC_FLUSH a receipt means that the message is flushed',
      { needs: ['durable'] },
      async (world) => {
        const mq = await world.openShop(1, { flushDiskType: 'SYNC_FLUSH' })
        const [receipt] = await send(mq, 'x')
        assert.deepEqual([receipt?.status, receipt?.durability], ['SEND_OK', 'SYNC_FLUSH'])
      },
    ),
    rule('3.6', 'A message can be read as soon as its send resolves', async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing' })
      for (const body of numbers(5)) {
        await send(mq, body)
        assert.equal((await pull(mq)).messages.at(-1)?.text(), body)
      }
    }),
    rule('3.6', 'The store timestamp of the receipt is that of the message', async (world) => {
      const mq = await world.openShop()
      const [receipt] = await send(mq, 'x')
      assert.equal((await mq.admin.browse('orders'))[0]?.storeTimestamp, receipt?.storeTimestamp)
    }),
    rule('3.5', 'Sends that are awaited one by one are stored in their order', async (world) => {
      const mq = await world.openShop()
      for (const body of numbers(20)) await send(mq, body)
      assert.deepEqual(textsOf(await mq.admin.browse(await queueOf(mq))), numbers(20))
    }),
    rule('3.5', 'Sends that are not awaited are stored in the order of the calls', async (world) => {
      const mq = await world.openShop()
      const receipts = await send(mq, numbers(200))
      assert.deepEqual(
        receipts.map(({ queueOffset }) => queueOffset),
        numbers(200).map(Number),
      )
      assert.deepEqual(textsOf(await mq.admin.browse(await queueOf(mq))), numbers(200))
    }),
    rule(
      '3.5',
      'Sends to a topic that does not exist yet are stored in the order of the calls',
      async (world) => {
        const mq = await world.open({ defaultTopicQueueNums: 1 })
        await send(mq, numbers(20))
        assert.deepEqual(textsOf(await mq.admin.browse(await queueOf(mq))), numbers(20))
      },
    ),
    rule('3.5', 'Several producers may send to one queue, and nothing is lost', async (world) => {
      const mq = await world.openShop()
      const producers = await Promise.all(['a', 'b', 'c'].map((group) => mq.createProducer({ group })))
      await Promise.all(
        numbers(60).map((body, index) => producers[index % 3]!.send({ topic: 'orders', body })),
      )
      assert.deepEqual(new Set(textsOf(await mq.admin.browse(await queueOf(mq)))), new Set(numbers(60)))
    }),
    rule('3.2', 'A oneway send is stored like any other', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      producer.sendOneway(message)
      await mq.until('it is stored', () => producer.stats.onewayOutstandingCount === 0)
      assert.deepEqual(textsOf(await mq.admin.browse('orders')), ['x'])
    }),
    rule('3.2', 'A oneway send throws at once for a message that is illegal', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      const calls: (() => unknown)[] = []
      calls.push(() => producer.sendOneway({ topic: 'orders', body: '' }))
      calls.push(() => producer.sendOneway({ topic: 'SCHEDULE_TOPIC_XXXX', body: 'x' }))
      for (const call of calls) assert.throws(call)
    }),
    rule(
      '3.2',
      'What goes wrong later with a oneway send is an error event',
      { differs: true },
      async (world) => {
        const mq = await world.open({ autoCreateTopicEnable: false })
        const errors = eventsOf(mq, 'error')
        const producer = await mq.producer()
        producer.sendOneway(message)
        await mq.until('it has failed', () => producer.stats.onewayFailedCount === 1)
        assert.deepEqual(
          errors.map(({ code }) => code),
          ['TOPIC_NOT_EXIST'],
        )
      },
    ),
    rule('3.1', 'A producer that closes has stored its oneway sends', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      for (const body of numbers(20)) producer.sendOneway({ topic: 'orders', body })
      await producer.close()
      assert.equal(await mq.admin.maxOffset(await queueOf(mq)), 20)
    }),
    rule('3.1', 'A closed producer sends nothing', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      await producer.close()
      await refused('CLOSED', () => producer.send(message))
      await refused('CLOSED', () => producer.sendOneway(message))
      assert.deepEqual(await mq.admin.browse('orders'), [])
    }),
    rule('3.1', 'A closed producer does not disturb the others of its group', async (world) => {
      const mq = await world.openShop()
      const [a, b] = [await mq.createProducer({ group: 'shop' }), await mq.createProducer({ group: 'shop' })]
      await a.close()
      assert.equal((await b.send(message)).status, 'SEND_OK')
    }),
    rule('3.2', 'A send whose signal has fired stores nothing', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      const { outcome } = await refused('ABORTED', () =>
        producer.send(message, { signal: AbortSignal.abort() }),
      )
      assert.equal(outcome, 'not-attempted')
      assert.deepEqual(await mq.admin.browse('orders'), [])
    }),
    rule(
      '14.1',
      'Wrong options of a send are refused, and nothing is stored',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const producer = await mq.producer()
        const queue = await queueOf(mq)
        const wrong: unknown[] = [
          { queueId: 1 },
          { timeoutMs: 0 },
          { timeoutMs: '3s' },
          { arg: 'a' },
          { queue: 0 },
          { queue, selector: () => queue },
          { selector: 'hash' },
          { signal: true },
          null,
        ]
        for (const options of wrong)
          await refused('INVALID_PARAMETER', () => producer.send(message, options as SendOptions))
        assert.deepEqual(await mq.admin.browse('orders'), [])
      },
    ),
    rule('3.1', 'A producer’s timeout is a positive number of milliseconds', async (world) => {
      const mq = await world.open()
      for (const sendMsgTimeoutMs of [0, -1, 1.5, Number.NaN])
        await refused('INVALID_PARAMETER', () => mq.createProducer({ group: 'shop', sendMsgTimeoutMs }))
    }),
  ],
}
