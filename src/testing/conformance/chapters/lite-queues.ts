/** Queues of lite pull consumers: assigned or shared, sought, paused and handed over. */
import { strict as assert } from 'node:assert'
import type { LitePullConsumer } from '../../../consumer/lite-pull-consumer.ts'
import type { LitePullConsumerOptions } from '../../../consumer/lite-pull-consumer-options.ts'
import type { MessageQueue } from '../../../model/message-queue.ts'
import type { EngineMQ } from '../engine-mq.ts'
import {
  committed,
  eventsOf,
  numbers,
  openAgedShop,
  queueOf,
  refused,
  send,
  subscribe,
  textsOf,
} from '../kit.ts'
import {
  assigned,
  drain,
  LONG_MS,
  lite,
  numbersFrom,
  openLite,
  pollNow,
  pollTexts,
} from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const needs = ['virtualTime'] as const

function idsOf(consumer: LitePullConsumer): number[] {
  return consumer.assignment().map(({ queueId }) => queueId)
}

/** A topic of two queues, of which member `A` has polled the messages 0 to 9 of 0 to 19 in the second; then `B` joins. */
async function openHandOver(
  world: ConformanceWorld,
  options: Partial<LitePullConsumerOptions> = {},
): Promise<{ readonly mq: EngineMQ; readonly a: LitePullConsumer; readonly b: LitePullConsumer }> {
  const mq = await world.openShop(2)
  await send(mq, numbers(20), { queueId: 1 })
  const a = await lite(mq, { clientId: 'A', ...options })
  assert.deepEqual(await pollTexts(mq, a, 10), numbers(10))
  const b = await lite(mq, { clientId: 'B', ...options })
  await mq.rest()
  return { mq, a, b }
}

export const liteQueues: ConformanceChapter = {
  title: 'Lite pull consumers: queues and positions',
  rules: [
    rule('8.1', 'Who subscribes cannot assign, and the other way round', async (world) => {
      const mq = await world.openShop()
      const consumer = await lite(mq)
      const queue = await queueOf(mq)
      await refused('INVALID_PARAMETER', () => consumer.assign([queue]))
      await refused('INVALID_PARAMETER', () => lite(mq, { subExpressionForAssign: { orders: 'a' } }))
      await send(mq, 'x')
      assert.deepEqual(await pollTexts(mq, consumer, 1), ['x'])
    }),
    rule('8.1', 'Queues that are assigned are consumed, and no others', async (world) => {
      const mq = await world.openShop(3)
      for (const queueId of [0, 1, 2]) await send(mq, String(queueId), { queueId })
      const consumer = await assigned(mq, [await queueOf(mq, 2), await queueOf(mq, 0)])
      assert.deepEqual(idsOf(consumer), [0, 2])
      assert.deepEqual((await drain(mq, consumer, 2)).sort(), ['0', '2'])
      await consumer.commit()
      const offsets = [0, 1, 2].map((queueId) => committed(mq, { queueId }))
      assert.deepEqual(await Promise.all(offsets), [1, undefined, 1])
    }),
    rule(
      '8.1',
      'An assignment replaces the one before, and a queue that stays goes on where it was',
      async (world) => {
        const mq = await world.openShop(2)
        const [first, second] = [await queueOf(mq), await queueOf(mq, 1)]
        await send(mq, numbers(15), { queueId: 0 })
        const consumer = await assigned(mq, [first])
        assert.deepEqual(await pollTexts(mq, consumer, 10), numbers(10))
        await consumer.assign([first, second])
        assert.deepEqual(await drain(mq, consumer, 5), numbersFrom(10, 5))
        await consumer.assign([second])
        await send(mq, 'passed by', { queueId: 0 })
        await send(mq, 'x', { queueId: 1 })
        assert.deepEqual(await drain(mq, consumer, 1), ['x'])
      },
    ),
    rule('8.1', 'An assignment of no queues, or of what is none, is refused', async (world) => {
      const mq = await world.openShop()
      const consumer = await assigned(mq, [await queueOf(mq)])
      for (const queues of [[], undefined, ['orders'], [{ topic: 'orders' }]])
        await refused('INVALID_PARAMETER', () => consumer.assign(queues as MessageQueue[]))
      assert.deepEqual(idsOf(consumer), [0])
    }),
    rule('8.1', 'Who assigns shares nothing: each gets every message', async (world) => {
      const mq = await world.openShop()
      const queue = await queueOf(mq)
      const consumers = [await assigned(mq, [queue]), await assigned(mq, [queue])]
      await send(mq, numbers(5))
      for (const consumer of consumers) assert.deepEqual(await pollTexts(mq, consumer, 5), numbers(5))
    }),
    rule('8.1', 'Who assigns takes no share from those who subscribe', { differs: true }, async (world) => {
      const mq = await world.openShop(2)
      const member = await lite(mq)
      await assigned(mq, [await queueOf(mq)])
      await mq.rest()
      assert.deepEqual(idsOf(member), [0, 1])
      assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [member.clientId])
    }),
    rule('8.1', 'A queue can be assigned before it exists', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const consumer = await assigned(mq, [{ ...(await queueOf(mq)), topic: 'later', queueId: 1 }])
      await mq.admin.createTopic({ topic: 'later', queues: 2 })
      await send(mq, 'x', { topic: 'later', queueId: 1 })
      assert.deepEqual(await pollTexts(mq, consumer, 1), ['x'])
    }),
    rule('8.1', 'A seek goes on elsewhere, forward and back, and drops what was fetched', async (world) => {
      const { mq, consumer } = await openLite(world, 12, { pullBatchSize: 4 })
      const queue = await queueOf(mq)
      assert.deepEqual(await pollTexts(mq, consumer, 4), numbers(4))
      await consumer.seek(queue, 9)
      assert.equal(await consumer.position(queue), 9)
      assert.deepEqual(await drain(mq, consumer, 3), numbersFrom(9, 3))
      await consumer.seek(queue, 2)
      assert.deepEqual(await pollTexts(mq, consumer, 4), numbersFrom(2, 4))
    }),
    rule('8.1', 'A seek goes to the beginning, the end or a time', { needs }, async (world) => {
      const mq = await openAgedShop(world)
      const consumer = await lite(mq)
      const queue = await queueOf(mq)
      const { storeTimestamp } = await mq.admin.queryMessageByOffset(queue, 3)
      await consumer.seekToBegin(queue)
      assert.equal(await consumer.position(queue), 2)
      await consumer.seekToTimestamp(queue, storeTimestamp)
      assert.equal(await consumer.position(queue), 3)
      assert.deepEqual(await drain(mq, consumer, 1), ['3'])
      const times = [0, storeTimestamp, storeTimestamp + 1].map((time) =>
        consumer.offsetForTimestamp(queue, time),
      )
      assert.deepEqual(await Promise.all(times), [2, 3, 4])
      await consumer.seekToBegin(queue)
      await consumer.seekToEnd(queue)
      await send(mq, 'new')
      assert.deepEqual(await drain(mq, consumer, 1), ['new'])
    }),
    rule(
      '8.1',
      'A seek to an offset that the queue does not have is refused, and names both ends',
      { needs },
      async (world) => {
        const mq = await openAgedShop(world)
        const consumer = await lite(mq, { consumeFromWhere: 'FIRST_OFFSET' })
        const queue = await queueOf(mq)
        for (const offset of [1, 5]) {
          const { message } = await refused('INVALID_PARAMETER', () => consumer.seek(queue, offset))
          assert.match(message, new RegExp(`seek offset = ${offset}, min offset = 2, max offset = 4`))
        }
        for (const offset of [-1, 2.5]) await refused('INVALID_PARAMETER', () => consumer.seek(queue, offset))
        assert.deepEqual(await drain(mq, consumer, 2), ['2', '3'])
        await consumer.seek(queue, 4)
      },
    ),
    rule('8.1', 'A queue that the consumer does not have cannot be sought', async (world) => {
      const mq = await world.openShop(2)
      const consumer = await assigned(mq, [await queueOf(mq)])
      const other = await queueOf(mq, 1)
      await refused('INVALID_PARAMETER', () => consumer.seek(other, 0))
      await refused('INVALID_PARAMETER', () => consumer.seekToBegin(other))
      await refused('INVALID_PARAMETER', () => consumer.seekToEnd(other))
      await refused('INVALID_PARAMETER', () => consumer.position(other))
    }),
    rule('8.1', 'A poll that waits gets what a seek brings', async (world) => {
      const { mq, consumer } = await openLite(world, 5)
      await pollTexts(mq, consumer, 5)
      const polling = consumer.poll({ timeoutMs: LONG_MS })
      await mq.rest()
      await consumer.seek(await queueOf(mq), 3)
      assert.deepEqual(textsOf(await polling), ['3', '4'])
    }),
    rule('8.1', 'A seek commits nothing, but the next commit may go back', async (world) => {
      const { mq, consumer } = await openLite(world, 10)
      await pollTexts(mq, consumer, 10)
      await consumer.commit()
      await consumer.seek(await queueOf(mq), 4)
      await mq.rest()
      assert.equal(await committed(mq), 10)
      await consumer.commit()
      assert.equal(await committed(mq), 4)
    }),
    rule('8.1', 'The position is that of the next message of a poll', async (world) => {
      const { mq, consumer } = await openLite(world, 15)
      const queue = await queueOf(mq)
      const positions = [await consumer.position(queue)]
      for (let poll = 0; poll < 2; poll++) {
        await consumer.poll({ timeoutMs: LONG_MS })
        positions.push(await consumer.position(queue))
      }
      assert.deepEqual(positions, [0, 10, 15])
    }),
    rule(
      '8.1',
      'A queue that is paused brings nothing new; what was fetched can still be polled',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const consumer = await lite(mq)
        const queue = await queueOf(mq)
        await send(mq, 'fetched', { queueId: 0 })
        await mq.rest()
        consumer.pause([queue])
        await send(mq, 'late', { queueId: 0 })
        await send(mq, 'other', { queueId: 1 })
        assert.deepEqual((await drain(mq, consumer, 2)).sort(), ['fetched', 'other'])
        consumer.resume([queue])
        assert.deepEqual(await pollTexts(mq, consumer, 1), ['late'])
      },
    ),
    rule('8.1', 'A pause outlasts a seek', async (world) => {
      const { mq, consumer } = await openLite(world, 4)
      const queue = await queueOf(mq)
      consumer.pause([queue])
      await consumer.seek(queue, 1)
      assert.deepEqual(await pollNow(mq, consumer), [])
      consumer.resume([queue])
      assert.deepEqual(await pollTexts(mq, consumer, 3), ['1', '2', '3'])
    }),
    rule(
      '8.1',
      'A queue that the consumer does not have cannot be paused',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const consumer = await assigned(mq, [await queueOf(mq)])
        const other = await queueOf(mq, 1)
        await refused('INVALID_PARAMETER', () => consumer.pause([other]))
        await refused('INVALID_PARAMETER', () => consumer.resume([other]))
      },
    ),
    rule('8.1', 'The queues of a topic can be asked for', async (world) => {
      const mq = await world.openShop(3)
      const consumer = await lite(mq)
      const queues = await consumer.fetchMessageQueues('orders')
      assert.deepEqual(
        queues.map(({ queueId }) => queueId),
        [0, 1, 2],
      )
      await refused('TOPIC_NOT_EXIST', () => consumer.fetchMessageQueues('nowhere'))
    }),
    rule(
      '8.1',
      'Who listens is told when the queues of a topic change, and only then',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const consumer = await lite(mq)
        const told: [string, number][] = []
        const stop = consumer.onQueuesChanged('later', (topic, queues) => told.push([topic, queues.length]))
        await mq.rest()
        await mq.admin.createTopic({ topic: 'later', queues: 2 })
        await mq.admin.updateTopic({ topic: 'later', readQueueNums: 3 })
        await mq.admin.updateTopic({ topic: 'later', writeQueueNums: 1 })
        await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
        await mq.admin.deleteTopic('later')
        await mq.until('all changes are told', () => told.length === 3)
        stop()
        await mq.admin.createTopic({ topic: 'later' })
        await mq.rest()
        assert.deepEqual(
          told,
          [2, 3, 0].map((count) => ['later', count]),
        )
      },
    ),
    rule(
      '8.1',
      'A listener for queues that fails is told of, and keeps no other from hearing',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const consumer = await lite(mq)
        const errors = eventsOf(mq, 'error')
        let count = 0
        consumer.onQueuesChanged('orders', () => {
          throw new Error('not now')
        })
        consumer.onQueuesChanged('orders', () => ++count)
        await refused('INVALID_PARAMETER', () => consumer.onQueuesChanged('orders', undefined as never))
        await mq.rest()
        await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
        await mq.until('both have heard', () => count === 1 && errors.length === 1)
        assert.match(errors[0]!.message, /not now/)
      },
    ),
    rule('8.1', 'Members share the queues, and each message goes to one of them', async (world) => {
      const mq = await world.openShop(4)
      const [a, b] = [await lite(mq, { clientId: 'A' }), await lite(mq, { clientId: 'B' })]
      await mq.until('each has two queues', () => idsOf(a).length === 2 && idsOf(b).length === 2)
      await send(mq, numbers(40))
      const seen = [...(await drain(mq, a, 20)), ...(await drain(mq, b, 20))]
      assert.deepEqual(
        seen.map(Number).sort((x, y) => x - y),
        numbers(40).map(Number),
      )
    }),
    rule('8.1', 'A queue that is added is shared, and read from its beginning', async (world) => {
      const { mq, consumer } = await openLite(world, 3)
      await pollTexts(mq, consumer, 3)
      await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
      await send(mq, 'x', { queueId: 1 })
      assert.deepEqual(await pollTexts(mq, consumer, 1), ['x'])
    }),
    rule(
      '8.1',
      'A queue changes hands when the application comes back, and nothing comes twice',
      { differs: true },
      async (world) => {
        const { mq, a, b } = await openHandOver(world)
        assert.deepEqual([idsOf(a), idsOf(b)], [[0], []])
        assert.deepEqual(await pollNow(mq, a), [])
        await mq.until('B has the queue', () => idsOf(b).length === 1)
        assert.deepEqual(await drain(mq, b, 10), numbersFrom(10, 10))
      },
    ),
    rule('8.1', 'A queue changes hands with a commit as well', { differs: true }, async (world) => {
      const { mq, a, b } = await openHandOver(world, { autoCommit: false })
      await a.commit()
      assert.deepEqual(await pollTexts(mq, b, 10), numbersFrom(10, 10))
      await mq.rest()
      assert.deepEqual(await pollNow(mq, a), [])
    }),
    rule(
      '8.1',
      'A queue whose application does not come back changes hands after 20 seconds, and comes again',
      { needs, differs: true },
      async (world) => {
        const { mq, a, b } = await openHandOver(world)
        await mq.advance(19_999)
        assert.deepEqual(idsOf(b), [])
        await mq.advance(1)
        assert.deepEqual(idsOf(b), [1])
        assert.deepEqual(await pollTexts(mq, b, 20), numbers(20))
        await b.commit()
        // What comes back so late counts no more.
        await a.poll({ timeoutMs: 0 })
        await a.commit()
        assert.equal(await committed(mq, { queueId: 1 }), 20)
      },
    ),
    rule(
      '8.1',
      'The queues of a member that closes go to the others, which repeat what it did not come back from',
      async (world) => {
        const { mq, a, b } = await openHandOver(world)
        await a.close()
        await mq.until('B has all queues', () => idsOf(b).length === 2)
        assert.deepEqual(await drain(mq, b, 20), numbers(20))
      },
    ),
    rule('8.1', 'A queue that changes hands cannot be sought', async (world) => {
      const { mq, a, b } = await openHandOver(world)
      const queue = await queueOf(mq, 1)
      await refused('INVALID_PARAMETER', () => a.seek(queue, 0))
      await refused('INVALID_PARAMETER', () => b.seek(queue, 0))
    }),
    rule(
      '8.1',
      'A queue that changes hands goes on where it was sought',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        await send(mq, numbers(20), { queueId: 1 })
        const a = await lite(mq, { clientId: 'A' })
        const queue = await queueOf(mq, 1)
        a.pause([queue])
        await a.seek(queue, 15)
        const b = await lite(mq, { clientId: 'B' })
        assert.deepEqual(await pollTexts(mq, b, 5), numbersFrom(15, 5))
      },
    ),
    rule('8.1', 'Push and lite pull consumers of a group share its queues', async (world) => {
      const mq = await world.openShop(2)
      const { texts } = await subscribe(mq, { clientId: 'A' })
      const b = await lite(mq, { clientId: 'B' })
      await mq.until('the queue changed hands', () => idsOf(b).length === 1)
      for (const queueId of [0, 1]) await send(mq, String(queueId), { queueId })
      assert.deepEqual(await pollTexts(mq, b, 1), ['1'])
      await mq.until('the other one is delivered', () => texts().length === 1)
      await mq.rest()
      assert.deepEqual(texts(), ['0'])
    }),
  ],
}
