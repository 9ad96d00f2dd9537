/** Which queue a message goes to. */
import { strict as assert } from 'node:assert'
import type { Message } from '../../../model/message.ts'
import type { MessageQueue } from '../../../model/message-queue.ts'
import {
  type HashArgument,
  type QueueSelector,
  selectByHash,
  selectByRandom,
} from '../../../producer/queue-selector.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { numbers, queueOf, refused, send, textsOf } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const message = { topic: 'orders', body: 'x' } as const

async function queueIdByHash(mq: EngineMQ, arg: HashArgument): Promise<number> {
  const { queue } = await (await mq.producer()).send(message, { selector: selectByHash, arg })
  return queue.queueId
}

async function queueIds(mq: EngineMQ, count: number): Promise<number[]> {
  return (await send(mq, numbers(count))).map(({ queue }) => queue.queueId)
}

export const queueChoice: ConformanceChapter = {
  title: 'Choice of queues',
  rules: [
    rule('3.3', 'Queues take turns', async (world) => {
      const mq = await world.openShop(5)
      const ids = await queueIds(mq, 15)
      const [first = 0] = ids
      assert.deepEqual(
        ids,
        ids.map((_, index) => (first + index) % 5),
      )
    }),
    rule('3.3', 'Producers begin their turns at random queues', async (world) => {
      const mq = await world.openShop(16)
      const starts = new Set<number>()
      for (const number of numbers(12)) {
        const producer = await mq.createProducer({ group: 'shop', clientId: number })
        starts.add((await producer.send(message)).queue.queueId)
      }
      assert.ok(starts.size > 1)
    }),
    rule('3.3', 'Every topic has turns of its own', async (world) => {
      const mq = await world.openShop(3, { topics: [{ topic: 'invoices', queues: 3 }] })
      const orders: number[] = []
      for (let round = 0; round < 6; round++) {
        orders.push(...(await queueIds(mq, 1)))
        await send(mq, 'x', { topic: 'invoices' })
      }
      assert.deepEqual(
        orders.map((id) => (id - orders[0]! + 3) % 3),
        [0, 1, 2, 0, 1, 2],
      )
    }),
    rule('3.3', 'Only queues that may be written take turns', async (world) => {
      const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 4, writeQueueNums: 2 }] })
      assert.deepEqual(new Set(await queueIds(mq, 8)), new Set([0, 1]))
    }),
    rule('3.2', 'A message goes to the queue that its send names', async (world) => {
      const mq = await world.openShop(4)
      for (const queueId of [3, 1, 1])
        assert.equal((await send(mq, 'x', { queueId }))[0]?.queue.queueId, queueId)
    }),
    rule('3.2', 'A queue of another topic is refused', async (world) => {
      const mq = await world.openShop(1, { topics: [{ topic: 'invoices', queues: 1 }] })
      const queue = await queueOf(mq, 0, 'invoices')
      const producer = await mq.producer()
      await refused('INVALID_PARAMETER', () => producer.send(message, { queue }))
    }),
    rule('3.2', 'A queue that the topic does not have is refused', async (world) => {
      const mq = await world.openShop(2)
      const producer = await mq.producer()
      const known = await queueOf(mq)
      for (const other of [{ queueId: 2 }, { queueId: -1 }, { brokerName: 'elsewhere' }])
        await refused('INVALID_PARAMETER', () => producer.send(message, { queue: { ...known, ...other } }))
    }),
    rule('3.4', 'The hash of a string chooses the queue that it chooses in Java', async (world) => {
      const mq = await world.openShop(4)
      const vectors = { a: 1, 'order-1': 2, 'order-2': 1, 'order-3': 0, user_42: 2, 'group-9': 3 }
      for (const [arg, queueId] of Object.entries(vectors))
        assert.equal(await queueIdByHash(mq, arg), queueId, arg)
    }),
    rule('3.4', 'Whole numbers and booleans hash as they do in Java', async (world) => {
      const mq = await world.openShop(4)
      const vectors = [
        [7, 3],
        [-7, 3],
        [2 ** 31, 0],
        [2 ** 32 + 2, 3],
        [-(2 ** 31) - 2, 3],
        [5n, 1],
        [true, 3],
        [false, 1],
      ] as const
      for (const [arg, queueId] of vectors) assert.equal(await queueIdByHash(mq, arg), queueId, String(arg))
    }),
    rule('3.4', 'The hash of anything else is refused', { differs: true }, async (world) => {
      const mq = await world.openShop(4)
      for (const arg of [undefined, null, {}, 1.5])
        await refused('INVALID_PARAMETER', () => queueIdByHash(mq, arg as never))
    }),
    rule('3.5', 'Messages with an equal argument stay in order in one queue', async (world) => {
      const mq = await world.openShop(4)
      const producer = await mq.producer()
      const orders = ['o-1', 'o-2', 'o-3']
      await Promise.all(
        numbers(30).map((body, index) =>
          producer.send(
            { topic: 'orders', body, keys: orders[index % 3]! },
            { selector: selectByHash, arg: orders[index % 3]! },
          ),
        ),
      )
      for (const order of orders) {
        const stored = (await mq.admin.queryMessagesByKey('orders', order)).toSorted(
          (a, b) => a.queueOffset - b.queueOffset,
        )
        assert.equal(new Set(stored.map(({ queue }) => queue.queueId)).size, 1)
        assert.deepEqual(
          textsOf(stored),
          numbers(30).filter((_, index) => orders[index % 3] === order),
        )
      }
    }),
    rule('3.5', 'Another number of queues sends an argument elsewhere', async (world) => {
      const mq = await world.openShop(4)
      assert.equal(await queueIdByHash(mq, 6), 2)
      await mq.admin.updateTopic({ topic: 'orders', queues: 5 })
      assert.equal(await queueIdByHash(mq, 6), 1)
    }),
    rule('3.4', 'The random selector reaches every queue', async (world) => {
      const mq = await world.openShop(3)
      const producer = await mq.producer()
      const receipts = await Promise.all(
        numbers(60).map(() => producer.send(message, { selector: selectByRandom })),
      )
      assert.deepEqual(new Set(receipts.map(({ queue }) => queue.queueId)), new Set([0, 1, 2]))
    }),
    rule(
      '3.4',
      'A selector is given the writable queues in order, the message and its argument',
      async (world) => {
        const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 4, writeQueueNums: 3 }] })
        const calls: [number[], Message, string][] = []
        const selector: QueueSelector<string> = (queues, sent, arg) => {
          calls.push([queues.map(({ queueId }) => queueId), sent, arg])
          return queues[2]!
        }
        const { queue } = await (await mq.producer()).send(message, { selector, arg: 'vip' })
        assert.deepEqual(calls, [[[0, 1, 2], message, 'vip']])
        assert.equal(queue.queueId, 2)
      },
    ),
    rule('2.8', 'A selector is asked once for a batch, with its first message', async (world) => {
      const mq = await world.openShop(2)
      const asked: string[] = []
      const selector: QueueSelector = (queues, { body }) => {
        asked.push(String(body))
        return queues[1]!
      }
      const batch = numbers(3).map((body) => ({ topic: 'orders', body }))
      const { queue } = await (await mq.producer()).send(batch, { selector })
      assert.deepEqual([asked, queue.queueId], [['0'], 1])
    }),
    rule('3.2', 'A selector that throws or answers nothing refuses the send', async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      const wrong: (() => MessageQueue | undefined)[] = [
        () => {
          throw new Error('no idea')
        },
        () => undefined,
        () => ({ topic: 'orders', brokerName: 'elsewhere', queueId: 0 }),
      ]
      for (const selector of wrong)
        await refused('INVALID_PARAMETER', () =>
          producer.send(message, { selector: selector as QueueSelector }),
        )
      assert.deepEqual(await mq.admin.browse('orders'), [])
    }),
  ],
}
