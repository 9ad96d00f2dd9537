/** Finding messages: by id, by address, by key, by time, by offset. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import { failing, numbers, queueOf, refused, send, subscribe, textsOf } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const UNKNOWN_ID = `01${'0'.repeat(32)}`
/** One of no store, one that a RocketMQ broker at 127.0.0.1:10911 may have given, and one that a store might have. */
const UNKNOWN_ADDRESSES = ['F'.repeat(32), '7F00000100002A9F00000000000F6A00', '0'.repeat(32)]

export const queries: ConformanceChapter = {
  title: 'Queries',
  rules: [
    rule('12.1', 'A message is found by its id as soon as it is stored', async (world) => {
      const mq = await world.openShop(4)
      const receipts = await send(mq, numbers(20), { tag: 'paid', keys: 'k' })
      for (const [index, { messageId }] of receipts.entries()) {
        const message = await mq.admin.queryMessageById(messageId)
        assert.deepEqual([message.text(), message.tag, message.messageId], [String(index), 'paid', messageId])
      }
    }),
    rule('12.1', 'A message of a batch is found by its own id', async (world) => {
      const mq = await world.openShop()
      const batch = numbers(5).map((body) => ({ topic: 'orders', body }))
      const { messageIds } = await (await mq.producer()).send(batch)
      const found = await Promise.all(messageIds.map((id) => mq.admin.queryMessageById(id)))
      assert.deepEqual(textsOf(found), numbers(5))
    }),
    rule('12.1', 'An id that no message has is refused', async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x')
      await refused('NO_MESSAGE', () => mq.admin.queryMessageById(UNKNOWN_ID))
      assert.deepEqual(await mq.admin.queryMessagesById(UNKNOWN_ID), [])
    }),
    rule('12.1', 'What is no id is refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      for (const id of ['', 'x', UNKNOWN_ID.slice(2), `02${UNKNOWN_ID.slice(2)}`, `${UNKNOWN_ID}0`])
        await refused(id.length === 32 ? 'NO_MESSAGE' : 'INVALID_PARAMETER', () =>
          mq.admin.queryMessageById(id),
        )
    }),
    rule(
      '12.1',
      'An id finds the message first, and all its copies on demand',
      { needs: ['virtualTime'], differs: true },
      async (world) => {
        const mq = await world.openShop()
        await subscribe(mq, { listener: failing(), maxReconsumeTimes: 2 })
        const [receipt] = await send(mq, 'x')
        await mq.advance('1h')
        const { messageId } = receipt!
        assert.equal((await mq.admin.queryMessageById(messageId)).queue.topic, 'orders')
        const copies = await mq.admin.queryMessagesById(messageId)
        assert.deepEqual(
          copies.map(({ queue, reconsumeTimes }) => [queue.topic, reconsumeTimes]),
          [
            ['orders', 0],
            ['%RETRY%billing', 1],
            ['%RETRY%billing', 2],
            ['%DLQ%billing', 3],
          ],
        )
      },
    ),
    rule('12.1', 'A stored copy is found by its offset message id', async (world) => {
      const mq = await world.openShop(4)
      for (const { offsetMessageId, messageId } of await send(mq, numbers(8)))
        assert.equal((await mq.admin.queryMessageById(offsetMessageId)).messageId, messageId)
    }),
    rule('12.1', 'An offset message id of nothing is refused', async (world) => {
      const mq = await world.openShop()
      for (const id of UNKNOWN_ADDRESSES) await refused('NO_MESSAGE', () => mq.admin.queryMessageById(id))
    }),
    rule(
      '12.1',
      'An offset message id finds nothing once the topic is deleted',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const [receipt] = await send(mq, 'x')
        await mq.admin.deleteTopic('orders')
        await mq.admin.createTopic({ topic: 'orders', queues: 1 })
        await send(mq, 'y')
        await refused('NO_MESSAGE', () => mq.admin.queryMessageById(receipt!.offsetMessageId))
      },
    ),
    rule('12.1', 'Messages are found by any of their keys', async (world) => {
      const mq = await world.openShop(2)
      await send(mq, 'a', { keys: ['o-1', 'c-7'] })
      await send(mq, 'b', { keys: ['o-2', 'c-7'] })
      assert.deepEqual(textsOf(await mq.admin.queryMessagesByKey('orders', 'o-1')), ['a'])
      assert.deepEqual(textsOf(await mq.admin.queryMessagesByKey('orders', 'c-7')).sort(), ['a', 'b'])
    }),
    rule('12.1', 'A key is compared whole', async (world) => {
      const mq = await world.openShop()
      for (const keys of ['o-1', 'o-10', 'O-1', 'xo-1']) await send(mq, keys, { keys })
      assert.deepEqual(textsOf(await mq.admin.queryMessagesByKey('orders', 'o-1')), ['o-1'])
    }),
    rule('4.1', 'Keys with equal hash codes are told apart', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await send(mq, 'Aa', { keys: 'Aa' })
      await send(mq, 'BB', { keys: 'BB' })
      assert.deepEqual(textsOf(await mq.admin.queryMessagesByKey('orders', 'Aa')), ['Aa'])
    }),
    rule('12.1', 'A key is looked for in one topic', async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'invoices', queues: 1 }] })
      await send(mq, 'order', { keys: 'k' })
      await send(mq, 'invoice', { keys: 'k', topic: 'invoices' })
      assert.deepEqual(textsOf(await mq.admin.queryMessagesByKey('orders', 'k')), ['order'])
    }),
    rule(
      '12.1',
      'A retry is found by its key in the retry topic',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        await subscribe(mq, { listener: failing(1) })
        await send(mq, 'x', { keys: 'k' })
        await mq.advance('10s')
        assert.equal((await mq.admin.queryMessagesByKey('orders', 'k')).length, 1)
        assert.equal((await mq.admin.queryMessagesByKey('%RETRY%billing', 'k')).length, 1)
      },
    ),
    rule('12.1', 'A key that no message has finds nothing', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x')
      assert.deepEqual(await mq.admin.queryMessagesByKey('orders', 'k'), [])
    }),
    rule('12.1', 'A key of an unknown topic is refused', async (world) => {
      const mq = await world.open()
      await refused('TOPIC_NOT_EXIST', () => mq.admin.queryMessagesByKey('orders', 'k'))
    }),
    rule(
      '12.1',
      'Messages found by key are the newest first, 64 unless told otherwise',
      { needs: ['virtualTime'], differs: true },
      async (world) => {
        const mq = await world.openShop()
        for (const body of numbers(7)) {
          await send(
            mq,
            numbers(10).map((number) => `${body}-${number}`),
            { keys: 'k' },
          )
          await mq.advance(1000)
        }
        const found = await mq.admin.queryMessagesByKey('orders', 'k')
        assert.equal(found.length, 64)
        const times = found.map(({ storeTimestamp }) => storeTimestamp)
        assert.deepEqual(
          times,
          times.toSorted((a, b) => b - a),
        )
        assert.deepEqual(textsOf(await mq.admin.queryMessagesByKey('orders', 'k', { max: 2 })), [
          '6-9',
          '6-8',
        ])
      },
    ),
    rule(
      '12.1',
      'A search by key keeps to its time, both ends included',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        const start = mq.now()
        for (const body of numbers(5)) {
          await send(mq, body, { keys: 'k' })
          await mq.advance(1000)
        }
        const range = { begin: start + 1000, end: start + 3000 }
        const found = await mq.admin.queryMessagesByKey('orders', 'k', range)
        assert.deepEqual(textsOf(found).sort(), ['1', '2', '3'])
        await refused('INVALID_PARAMETER', () =>
          mq.admin.queryMessagesByKey('orders', 'k', { begin: 2, end: 1 }),
        )
      },
    ),
    rule(
      '12.4',
      'Messages of a time are found oldest first over all queues',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop(2)
        const start = mq.now()
        for (const [index, body] of numbers(6).entries()) {
          await send(mq, body, { queueId: index % 2 })
          await mq.advance(1000)
        }
        const range = { begin: start + 1000, end: start + 4000 }
        assert.deepEqual(textsOf(await mq.admin.queryMessagesByTime('orders', range)), ['1', '2', '3', '4'])
        assert.deepEqual(textsOf(await mq.admin.queryMessagesByTime('orders', { ...range, max: 2 })), [
          '1',
          '2',
        ])
      },
    ),
    rule('12.1', 'A message is found by its queue and offset', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(5))
      assert.equal((await mq.admin.queryMessageByOffset(await queueOf(mq), 3)).text(), '3')
    }),
    rule('12.1', 'An offset without a message is refused', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(5))
      const queue = await queueOf(mq)
      await refused('NO_MESSAGE', () => mq.admin.queryMessageByOffset(queue, 5))
      await refused('INVALID_PARAMETER', () => mq.admin.queryMessageByOffset(queue, -1))
      await refused('TOPIC_NOT_EXIST', () => mq.admin.queryMessageByOffset({ ...queue, topic: 'nowhere' }, 0))
    }),
    rule('12.4', 'A queue is browsed from an offset on', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(10))
      const queue = await queueOf(mq)
      assert.deepEqual(textsOf(await mq.admin.browse(queue, { offset: 7 })), ['7', '8', '9'])
      assert.deepEqual(textsOf(await mq.admin.browse(queue, { offset: 2, max: 2 })), ['2', '3'])
      assert.deepEqual(await mq.admin.browse(queue, { offset: 10 }), [])
    }),
    rule('12.1', 'Queries see topics that may not be read', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const [receipt] = await send(mq, 'x', { keys: 'k' })
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.NONE })
      assert.equal((await mq.admin.queryMessageById(receipt!.messageId)).text(), 'x')
      assert.equal((await mq.admin.queryMessagesByKey('orders', 'k')).length, 1)
      assert.equal((await mq.admin.browse('orders')).length, 1)
    }),
    rule('12.1', 'Queries move no offset', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(3), { keys: 'k' })
      await mq.admin.browse('orders')
      await mq.admin.queryMessagesByKey('orders', 'k')
      const { texts } = await subscribe(mq)
      await mq.until('all are delivered', () => texts().length === 3)
    }),
  ],
}
