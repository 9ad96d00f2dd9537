/** How large a message and a batch may be, and what a batch is. */
import { strict as assert } from 'node:assert'
import { MESSAGE_MAX_BYTES } from '../../../model/limits.ts'
import type { Message } from '../../../model/message.ts'
import { splitIntoBatches } from '../../../model/split-into-batches.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, numbers, queueOf, refused, send, subscribe, textsOf } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

/** What a message of the topic `orders` may weigh besides its body. */
const ORDERS_OVERHEAD_BYTES = 'orders'.length + 20
const ORDERS_MAX_BODY_BYTES = MESSAGE_MAX_BYTES - ORDERS_OVERHEAD_BYTES

function batchOf(count: number, bodyBytes: number): Message[] {
  return Array.from({ length: count }, () => ({ topic: 'orders', body: Buffer.alloc(bodyBytes, 'x') }))
}

async function sendBatch(mq: EngineMQ, batch: readonly Message[]) {
  return (await mq.producer()).send(batch)
}

/** The batch must be refused, and nothing of it stored. */
async function illegal(mq: EngineMQ, batch: readonly Message[]): Promise<void> {
  await refused('MESSAGE_ILLEGAL', () => sendBatch(mq, batch))
  assert.deepEqual(await mq.admin.browse('orders'), [])
}

export const sizes: ConformanceChapter = {
  title: 'Sizes and batches',
  rules: [
    rule(
      '2.6',
      'Topic, properties, body and 20 bytes may take 4 MiB together',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const [receipt] = await send(mq, 'x'.repeat(ORDERS_MAX_BODY_BYTES))
        assert.equal(receipt?.status, 'SEND_OK')
        assert.equal((await mq.admin.browse('orders'))[0]?.body.length, ORDERS_MAX_BODY_BYTES)
      },
    ),
    rule('2.6', 'A message that is larger by a byte is refused', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x'.repeat(ORDERS_MAX_BODY_BYTES + 1)))
      assert.deepEqual(await mq.admin.browse('orders'), [])
    }),
    rule('2.6', 'A body of more than 4 MiB is refused', async (world) => {
      const mq = await world.openShop()
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x'.repeat(MESSAGE_MAX_BYTES + 1)))
    }),
    rule('2.6', 'Sizes are bytes of UTF-8, not characters', async (world) => {
      const mq = await world.openShop()
      await refused('MESSAGE_ILLEGAL', () => send(mq, '€'.repeat(MESSAGE_MAX_BYTES / 2)))
    }),
    rule('2.6', 'Properties count towards the size of a message', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const properties = { p: 'x'.repeat(999) }
      await send(mq, 'x'.repeat(ORDERS_MAX_BODY_BYTES - 1000), { properties })
      await refused('MESSAGE_ILLEGAL', () =>
        send(mq, 'x'.repeat(ORDERS_MAX_BODY_BYTES - 999), { properties }),
      )
    }),
    rule('2.6', 'The tag, the keys and the name of the topic count too', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const body = 'x'.repeat(ORDERS_MAX_BODY_BYTES)
      for (const fields of [{ tag: 't' }, { keys: 'k' }, { topic: 'orders2' }])
        await refused('MESSAGE_ILLEGAL', () => send(mq, body, fields))
    }),
    rule('2.6', 'Properties may take 32,767 bytes when they are encoded', async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x', { properties: { p: 'x'.repeat(32_000) } })
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', { properties: { p: 'x'.repeat(32_768) } }))
    }),
    rule('2.6', 'Tag and keys count as properties', async (world) => {
      const mq = await world.openShop()
      const properties = { p: 'x'.repeat(32_000) }
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', { properties, keys: 'k'.repeat(800) }))
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', { properties, tag: 't'.repeat(800) }))
    }),
    rule('2.8', 'A batch is stored in one queue, one message after the other', async (world) => {
      const mq = await world.openShop(4)
      const receipt = await sendBatch(
        mq,
        numbers(10).map((body) => ({ topic: 'orders', body })),
      )
      const stored = await mq.admin.browse(receipt.queue)
      assert.deepEqual(textsOf(stored), numbers(10))
      const { queueOffset, messageCount, messageIds, messageId } = receipt
      assert.deepEqual([queueOffset, messageCount, messageIds.length, messageId], [0, 10, 10, messageIds[0]])
      assert.deepEqual(
        stored.map((message) => message.messageId),
        messageIds,
      )
    }),
    rule('2.8', 'Messages of a batch keep their own tags, keys and properties', async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq)
      await sendBatch(
        mq,
        ['a', 'b'].map((name) => ({
          topic: 'orders',
          body: name,
          tag: name,
          keys: name,
          properties: { name },
        })),
      )
      await mq.until('both arrive', () => deliveries.length === 2)
      for (const { message } of deliveries) {
        const name = message.text()
        assert.deepEqual([message.tag, message.keys[0], message.properties.name], [name, name, name])
      }
    }),
    rule('2.8', 'Nothing gets between the messages of a batch', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      const batch = numbers(5).map((body) => ({ topic: 'orders', body }))
      await Promise.all([
        producer.send({ topic: 'orders', body: 'before' }),
        producer.send(batch),
        producer.send({ topic: 'orders', body: 'after' }),
        producer.send(batch),
      ])
      const texts = textsOf(await mq.admin.browse(await queueOf(mq)))
      assert.deepEqual(texts, ['before', ...numbers(5), 'after', ...numbers(5)])
    }),
    rule('2.8', 'The messages of a batch share one store timestamp', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const receipt = await sendBatch(mq, batchOf(10, 10))
      const times = (await mq.admin.browse('orders')).map(({ storeTimestamp }) => storeTimestamp)
      assert.deepEqual(new Set(times), new Set([receipt.storeTimestamp]))
    }),
    rule('2.8', 'An empty batch is refused', async (world) => {
      await illegal(await world.openShop(), [])
    }),
    rule('2.8', 'A batch for two topics is refused', async (world) => {
      await illegal(await world.openShop(), [
        { topic: 'orders', body: 'x' },
        { topic: 'invoices', body: 'x' },
      ])
    }),
    rule('2.8', 'A batch for a retry topic is refused', async (world) => {
      const mq = await world.openShop()
      await subscribe(mq)
      await illegal(mq, [{ topic: '%RETRY%billing', body: 'x' }])
    }),
    rule('2.8', 'A batch with an illegal message is refused as a whole', async (world) => {
      await illegal(await world.openShop(), [
        { topic: 'orders', body: 'good' },
        { topic: 'orders', body: '' },
      ])
    }),
    rule('2.6', 'A batch may take 4 MiB, and not a byte more', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const half = MESSAGE_MAX_BYTES / 2 - ORDERS_OVERHEAD_BYTES
      await illegal(mq, [...batchOf(1, half), ...batchOf(1, half + 1)])
      assert.equal((await sendBatch(mq, batchOf(2, half))).messageCount, 2)
    }),
    rule('2.8', 'A batch above 1 MiB is stored with a warning', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const warnings = eventsOf(mq, 'warning')
      await sendBatch(mq, batchOf(2, 500_000))
      assert.deepEqual(warnings, [])
      await sendBatch(mq, batchOf(2, 600_000))
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['LARGE_BATCH'],
      )
    }),
    rule('2.8', 'A batch has at most 65,535 messages', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await illegal(
        mq,
        Array.from({ length: 65_536 }, () => ({ topic: 'orders', body: 'x' })),
      )
    }),
    rule(
      '2.8',
      'The helper splitIntoBatches makes batches that may be sent, in the order given',
      async (world) => {
        const mq = await world.openShop()
        const batches = [...splitIntoBatches(batchOf(50, 100_000))]
        assert.ok(batches.length > 4)
        for (const batch of batches) await sendBatch(mq, batch)
        assert.equal(await mq.admin.maxOffset(await queueOf(mq)), 50)
      },
    ),
    rule(
      '2.8',
      'The helper splitIntoBatches gives each topic and each large message a batch of its own',
      async () => {
        const [small, large, other] = [
          { topic: 'orders', body: 'x' },
          { topic: 'orders', body: 'x'.repeat(2_000_000) },
          { topic: 'invoices', body: 'x' },
        ] as const
        const batches = [...splitIntoBatches([small, small, large, small, other, small])]
        assert.deepEqual(batches, [[small, small], [large], [small], [other], [small]])
      },
    ),
    rule('2.8', 'The helper splitIntoBatches refuses a message that is too large by itself', async () => {
      const large = { topic: 'orders', body: 'x'.repeat(MESSAGE_MAX_BYTES) }
      await refused('MESSAGE_ILLEGAL', () => [...splitIntoBatches([large])])
    }),
  ],
}
