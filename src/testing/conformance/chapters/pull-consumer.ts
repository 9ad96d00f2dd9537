/** Pull consumers: the application names queue and offset, is told where to go on, and keeps the offsets. */
import { strict as assert } from 'node:assert'
import type { PullConsumer } from '../../../consumer/pull-consumer.ts'
import type { MessageQueue } from '../../../model/message-queue.ts'
import type { PullResult } from '../../../model/results.ts'
import { Permission } from '../../../model/topic.ts'
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
import { onlyOne, puller } from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

interface PullShop {
  readonly mq: EngineMQ
  readonly consumer: PullConsumer
  readonly queue: MessageQueue
}

const needs = ['virtualTime'] as const
const NOWHERE_ID = 7

/** A pull consumer over one queue with the messages 0 to 9, of which the even ones are paid. */
async function openTen(world: ConformanceWorld): Promise<PullShop> {
  const mq = await world.openShop()
  for (const body of numbers(10)) await send(mq, body, { tag: Number(body) % 2 === 0 ? 'paid' : 'open' })
  return { mq, consumer: await puller(mq), queue: await queueOf(mq) }
}

/** What says where to go on. */
function outline({ status, messages, nextBeginOffset }: PullResult): readonly [string, string, number] {
  return [status, textsOf(messages).join(' '), nextBeginOffset]
}

/** Pulls once, and sends the message back. */
async function sendBack({ consumer, queue }: PullShop, options: object = {}) {
  const { messages } = await consumer.pull(queue, '*', 0, 1)
  return consumer.sendMessageBack(onlyOne(messages), options)
}

export const pullConsumers: ConformanceChapter = {
  title: 'Pull consumers',
  rules: [
    rule(
      '8.2',
      'A pull answers messages from its offset on, where to go on, and both ends',
      async (world) => {
        const { consumer, queue } = await openTen(world)
        const { messages, ...rest } = await consumer.pull(queue, '*', 3, 4)
        assert.deepEqual(rest, { status: 'FOUND', nextBeginOffset: 7, minOffset: 0, maxOffset: 10 })
        assert.deepEqual(textsOf(messages), ['3', '4', '5', '6'])
      },
    ),
    rule('8.2', 'Each pull has an expression of its own', async (world) => {
      const { consumer, queue } = await openTen(world)
      const found: string[] = []
      for (const expression of ['paid', 'open', 'paid || open', '', '*', 'paid'])
        found.push(outline(await consumer.pull(queue, expression, 6, 32))[1])
      assert.deepEqual(found, ['6 8', '7 9', '6 7 8 9', '6 7 8 9', '6 7 8 9', '6 8'])
    }),
    rule('4.6', 'At the end of a queue a pull answers NO_NEW_MSG at once, and stays', async (world) => {
      const { consumer, queue } = await openTen(world)
      assert.deepEqual(outline(await consumer.pull(queue, '*', 10, 32)), ['NO_NEW_MSG', '', 10])
    }),
    rule(
      '4.6',
      'Where nothing passes, a pull answers NO_MATCHED_MSG and goes on behind it',
      async (world) => {
        const { consumer, queue } = await openTen(world)
        assert.deepEqual(outline(await consumer.pull(queue, 'refunded', 0, 32)), ['NO_MATCHED_MSG', '', 10])
        assert.deepEqual(outline(await consumer.pull(queue, 'paid', 9, 32)), ['NO_MATCHED_MSG', '', 10])
      },
    ),
    rule('4.6', 'Behind the end a pull answers OFFSET_ILLEGAL and goes on at the end', async (world) => {
      const { mq, consumer, queue } = await openTen(world)
      const { nextBeginOffset, status } = await consumer.pull(queue, '*', 11, 32)
      assert.deepEqual([status, nextBeginOffset], ['OFFSET_ILLEGAL', 10])
      await send(mq, 'new')
      assert.deepEqual(outline(await consumer.pull(queue, '*', nextBeginOffset, 32)), ['FOUND', 'new', 11])
    }),
    rule(
      '4.6',
      'Before the oldest message a pull answers OFFSET_ILLEGAL and goes on at the oldest',
      { needs },
      async (world) => {
        const mq = await openAgedShop(world)
        const consumer = await puller(mq)
        const queue = await queueOf(mq)
        for (const offset of [0, 1])
          assert.deepEqual(outline(await consumer.pull(queue, '*', offset, 32)), ['OFFSET_ILLEGAL', '', 2])
        assert.deepEqual(outline(await consumer.pull(queue, '*', 2, 32)), ['FOUND', '2 3', 4])
      },
    ),
    rule('4.6', 'An empty queue has nothing new at 0, and no other offset', async (world) => {
      const mq = await world.openShop()
      const consumer = await puller(mq)
      const queue = await queueOf(mq)
      assert.deepEqual(outline(await consumer.pull(queue, '*', 0, 1)), ['NO_NEW_MSG', '', 0])
      assert.deepEqual(outline(await consumer.pull(queue, '*', 1, 1)), ['OFFSET_ILLEGAL', '', 0])
    }),
    rule('8.2', 'Who goes on where each pull says sees every message once, in order', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(100))
      const consumer = await puller(mq)
      const queue = await queueOf(mq)
      const seen: string[] = []
      for (let offset = 0; ; ) {
        const { status, messages, nextBeginOffset } = await consumer.pull(queue, '*', offset, 7)
        if (status !== 'FOUND') break
        seen.push(...textsOf(messages))
        offset = nextBeginOffset
      }
      assert.deepEqual(seen, numbers(100))
    }),
    rule(
      '8.2',
      'Whatever a pull asks for, it gets 1024 messages at most',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const batch = Array.from({ length: 1100 }, () => ({ topic: 'orders', body: 'x' }))
        await (await mq.producer()).send(batch)
        const consumer = await puller(mq)
        const { messages, nextBeginOffset } = await consumer.pull(await queueOf(mq), '*', 0, 100_000)
        assert.deepEqual([messages.length, nextBeginOffset], [1024, 1024])
      },
    ),
    rule('8.2', 'A pull commits nothing and makes nobody a member', { differs: true }, async (world) => {
      const { mq, consumer, queue } = await openTen(world)
      await consumer.pull(queue, '*', 0, 32)
      assert.equal(await consumer.fetchConsumeOffset(queue), undefined)
      assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
    }),
    rule('8.2', 'A blocking pull answers what is there at once', async (world) => {
      const { consumer, queue } = await openTen(world)
      const pulls = [
        await consumer.pullBlockIfNotFound(queue, '*', 9, 32),
        await consumer.pullBlockIfNotFound(queue, '*', 11, 32),
      ]
      assert.deepEqual(pulls.map(outline), [
        ['FOUND', '9', 10],
        ['OFFSET_ILLEGAL', '', 10],
      ])
    }),
    rule('8.2', 'A blocking pull is answered by the message that comes', async (world) => {
      const { mq, consumer, queue } = await openTen(world)
      const pulling = consumer.pullBlockIfNotFound(queue, 'paid', 10, 32)
      await mq.rest()
      await send(mq, 'new', { tag: 'paid' })
      assert.deepEqual(outline(await pulling), ['FOUND', 'new', 11])
    }),
    rule(
      '8.2',
      'A blocking pull waits 20 seconds, or as long as it says, and answers NO_NEW_MSG then',
      { needs },
      async (world) => {
        const { mq, consumer, queue } = await openTen(world)
        const answers: string[] = []
        const wait = (name: string, options = {}) =>
          consumer
            .pullBlockIfNotFound(queue, '*', 10, 32, options)
            .then((result) => answers.push(`${name} ${outline(result).join(' ')}`))
        const pulls = [wait('default'), wait('own', { timeoutMs: 1000 }), wait('none', { timeoutMs: 0 })]
        await mq.advance(999)
        assert.deepEqual(answers, ['none NO_NEW_MSG  10'])
        // RocketMQ looks every five seconds whether a pull has waited long enough.
        await mq.advance(18_999)
        assert.deepEqual(answers.slice(1), ['own NO_NEW_MSG  10'])
        await mq.advance(2 + 5000)
        await Promise.all(pulls)
        assert.deepEqual(answers.slice(2), ['default NO_NEW_MSG  10'])
      },
    ),
    rule(
      '8.2',
      'A signal ends a pull with ABORTED, before it and while it waits',
      { differs: true },
      async (world) => {
        const { mq, consumer, queue } = await openTen(world)
        const ending = new AbortController()
        const { signal } = ending
        const aborted = refused('ABORTED', () => consumer.pullBlockIfNotFound(queue, '*', 10, 32, { signal }))
        await mq.rest()
        ending.abort('enough')
        assert.equal((await aborted).cause, 'enough')
        await refused('ABORTED', () => consumer.pull(queue, '*', 0, 1, { signal }))
      },
    ),
    rule(
      '8.2',
      'Offsets are stored as the application says, forward and back',
      { differs: true },
      async (world) => {
        const { mq, consumer, queue } = await openTen(world)
        for (const offset of [8, 3, 10, 0]) {
          await consumer.updateConsumeOffset(queue, offset)
          assert.deepEqual([await consumer.fetchConsumeOffset(queue), await committed(mq)], [offset, offset])
        }
      },
    ),
    rule('8.2', 'Where a pull consumer has put the offset, others of its group go on', async (world) => {
      const { mq, consumer, queue } = await openTen(world)
      await consumer.updateConsumeOffset(queue, 8)
      const { texts } = await subscribe(mq, { concurrency: 1 })
      await mq.until('the rest is delivered', () => texts().length === 2)
      assert.deepEqual(texts(), ['8', '9'])
      await mq.until('the offset follows', async () => (await consumer.fetchConsumeOffset(queue)) === 10)
    }),
    rule('8.2', 'An offset beyond the end cannot be stored', { differs: true }, async (world) => {
      const { consumer, queue } = await openTen(world)
      await refused('INVALID_PARAMETER', () => consumer.updateConsumeOffset(queue, 11))
      assert.equal(await consumer.fetchConsumeOffset(queue), undefined)
    }),
    rule(
      '8.2',
      'Both ends of a queue, and the offset of a time, can be asked for',
      { needs },
      async (world) => {
        const mq = await openAgedShop(world)
        const consumer = await puller(mq)
        const queue = await queueOf(mq)
        const [oldest] = await mq.admin.browse(queue)
        assert.deepEqual([await consumer.minOffset(queue), await consumer.maxOffset(queue)], [2, 4])
        assert.equal(await consumer.earliestMsgStoreTime(queue), oldest?.storeTimestamp)
        assert.equal(await consumer.searchOffset(queue, oldest!.storeTimestamp + 1), 3)
        assert.equal(await consumer.searchOffset(queue, mq.now()), 4)
      },
    ),
    rule('8.2', 'An empty queue has no earliest time', async (world) => {
      const mq = await world.openShop()
      assert.equal(await (await puller(mq)).earliestMsgStoreTime(await queueOf(mq)), undefined)
    }),
    rule('8.2', 'The queues of a topic are those that can be read, in their order', async (world) => {
      const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 3, writeQueueNums: 5 }] })
      const consumer = await puller(mq)
      const queues = await consumer.fetchSubscribeMessageQueues('orders')
      assert.deepEqual(
        queues.map(({ topic, queueId }) => [topic, queueId]),
        [0, 1, 2].map((queueId) => ['orders', queueId]),
      )
      await refused('TOPIC_NOT_EXIST', () => consumer.fetchSubscribeMessageQueues('nowhere'))
    }),
    rule(
      '8.2',
      'Who asks for its share of the queues is a member of the group until it closes',
      async (world) => {
        const mq = await world.openShop(4)
        const [a, b] = [await puller(mq, { clientId: 'A' }), await puller(mq, { clientId: 'B' })]
        const shareOf = async (consumer: PullConsumer) =>
          (await consumer.fetchMessageQueuesInBalance('orders')).map(({ queueId }) => queueId)
        assert.deepEqual(await shareOf(a), [0, 1, 2, 3])
        await shareOf(b)
        await mq.until(
          'each has its share',
          async () => (await shareOf(a)).length === 2 && (await shareOf(b)).length === 2,
        )
        assert.deepEqual(
          [await shareOf(a), await shareOf(b)],
          [
            [0, 1],
            [2, 3],
          ],
        )
        await a.close()
        await mq.until('all queues are B’s', async () => (await shareOf(b)).length === 4)
        assert.deepEqual(await mq.engine.queryConsumerIds('billing'), ['B'])
      },
    ),
    rule(
      '8.2',
      'A message that is sent back comes again in the retry topic of the group',
      { needs },
      async (world) => {
        const shop = await openTen(world)
        const { mq, consumer } = shop
        const answer = await sendBack(shop)
        assert.deepEqual(answer, { outcome: 'retry', reconsumeTimes: 1, dueTimestamp: mq.now() + 10_000 })
        const retryQueue = onlyOne(await consumer.fetchSubscribeMessageQueues('%RETRY%billing'))
        await mq.advance(9999)
        assert.equal((await consumer.pull(retryQueue, '*', 0, 32)).status, 'NO_NEW_MSG')
        await mq.advance(1)
        const { topic, reconsumeTimes, deliveryAttempt } = onlyOne(
          (await consumer.pull(retryQueue, '*', 0, 32)).messages,
        )
        assert.deepEqual([topic, reconsumeTimes, deliveryAttempt], ['orders', 1, 2])
      },
    ),
    rule('8.2', 'A message can be sent back at a delay level', { needs }, async (world) => {
      const shop = await openTen(world)
      const answer = await sendBack(shop, { delayLevel: 5 })
      assert.deepEqual(answer, { outcome: 'retry', reconsumeTimes: 1, dueTimestamp: shop.mq.now() + 60_000 })
    }),
    rule(
      '8.2',
      'At level -1, or without a retry left, a message that is sent back becomes a dead letter',
      async (world) => {
        const shop = await openTen(world)
        const letters = eventsOf(shop.mq, 'dead-letter')
        assert.equal((await sendBack(shop, { delayLevel: -1, reason: 'no stock' })).outcome, 'dead-letter')
        const consumer = await puller(shop.mq, { maxReconsumeTimes: 0 })
        assert.equal((await sendBack({ ...shop, consumer })).outcome, 'dead-letter')
        await shop.mq.until('both are told', () => letters.length === 2)
        assert.equal(letters[0]?.reason, 'no stock')
      },
    ),
    rule('8.2', 'Unknown queues are refused, unknown topics too', async (world) => {
      const { consumer, queue } = await openTen(world)
      for (const wrong of [{ queueId: NOWHERE_ID }, { brokerName: 'elsewhere' }]) {
        const unknown = { ...queue, ...wrong }
        await refused('INVALID_PARAMETER', () => consumer.pull(unknown, '*', 0, 1))
        await refused('INVALID_PARAMETER', () => consumer.pullBlockIfNotFound(unknown, '*', 0, 1))
        await refused('INVALID_PARAMETER', () => consumer.updateConsumeOffset(unknown, 0))
        await refused('INVALID_PARAMETER', () => consumer.maxOffset(unknown))
      }
      const nowhere = { ...queue, topic: 'nowhere' }
      await refused('TOPIC_NOT_EXIST', () => consumer.pull(nowhere, '*', 0, 1))
      await refused('TOPIC_NOT_EXIST', () => consumer.fetchConsumeOffset(nowhere))
      await refused('TOPIC_NOT_EXIST', () => consumer.minOffset(nowhere))
    }),
    rule('8.2', 'An offset below 0, no count, no time and no expression are refused', async (world) => {
      const { consumer, queue } = await openTen(world)
      for (const [offset, maxCount] of [
        [-1, 1],
        [0.5, 1],
        [Number.NaN, 1],
        [0, 0],
        [0, 1.5],
      ] as const)
        await refused('INVALID_PARAMETER', () => consumer.pull(queue, '*', offset, maxCount))
      await refused('INVALID_PARAMETER', () => consumer.pull(queue, '*', 0, 1, { timeoutMs: 0 }))
      for (const expression of ['||', 'a | b'])
        await refused('SUBSCRIPTION_PARSE_FAILED', () => consumer.pull(queue, expression, 0, 1))
      for (const offset of [-1, 1.5])
        await refused('INVALID_PARAMETER', () => consumer.updateConsumeOffset(queue, offset))
    }),
    rule('5.1', 'What a topic or a group does not permit, a pull is refused', async (world) => {
      const { mq, consumer, queue } = await openTen(world)
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.WRITE })
      await refused('NO_PERMISSION', () => consumer.pull(queue, '*', 0, 1))
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ })
      assert.equal((await consumer.pull(queue, '*', 0, 1)).status, 'FOUND')
      await mq.admin.createGroup({ group: 'billing', consumeEnable: false })
      await refused('NO_PERMISSION', () => consumer.pull(queue, '*', 0, 1))
    }),
    rule('8.2', 'A consumer that is closed refuses what waits and what comes', async (world) => {
      const { mq, consumer, queue } = await openTen(world)
      const { messages } = await consumer.pull(queue, '*', 0, 1)
      const waiting = refused('CLOSED', () => consumer.pullBlockIfNotFound(queue, '*', 10, 1))
      await mq.rest()
      await consumer.close()
      await waiting
      const calls: (() => Promise<unknown>)[] = [
        () => consumer.pull(queue, '*', 0, 1),
        () => consumer.pullBlockIfNotFound(queue, '*', 0, 1),
        () => consumer.sendMessageBack(messages[0]!),
        () => consumer.updateConsumeOffset(queue, 1),
        () => consumer.fetchConsumeOffset(queue),
        () => consumer.fetchSubscribeMessageQueues('orders'),
        () => consumer.fetchMessageQueuesInBalance('orders'),
        () => consumer.minOffset(queue),
        () => consumer.searchOffset(queue, 0),
      ]
      for (const call of calls) await refused('CLOSED', call)
    }),
    rule(
      '8.2',
      'What a pull consumer has stored is there after a restart',
      { needs: ['reopen'] },
      async (world) => {
        const { mq, consumer, queue } = await openTen(world)
        await consumer.updateConsumeOffset(queue, 8)
        await consumer.updateConsumeOffset(queue, 4)
        const reopened = await world.reopen(mq)
        const again = await puller(reopened)
        const offset = await again.fetchConsumeOffset(await queueOf(reopened))
        assert.equal(offset, 4)
        assert.deepEqual(outline(await again.pull(await queueOf(reopened), '*', offset, 2)), [
          'FOUND',
          '4 5',
          6,
        ])
      },
    ),
  ],
}
