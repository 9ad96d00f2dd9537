/** Retries: when they come, how many, and what they carry. */
import { strict as assert } from 'node:assert'
import { toMs } from '../../duration.ts'
import { committed, eventsOf, failing, numbers, queueOf, refused, send, stuck, subscribe } from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const

/** The delays of retries 1 to 16, levels 3 to 18 of RocketMQ's table. */
const DELAYS = '10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'.split(' ')

function delayRule(delay: string, index: number): ConformanceRule {
  const number = index + 1
  return rule(
    '9.1',
    `Retry ${number} comes ${delay} after the failure before it`,
    { needs },
    async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing() })
      await send(mq, 'x')
      await mq.rest()
      for (const earlier of DELAYS.slice(0, index)) await mq.advance(earlier)
      assert.equal(deliveries.length, number)
      await mq.advance(toMs(delay) - 1)
      assert.equal(deliveries.length, number, 'it comes too early')
      await mq.advance(1)
      assert.equal(deliveries.length, number + 1, 'it does not come in time')
    },
  )
}

export const retries: ConformanceChapter = {
  title: 'Retries',
  rules: [
    ...DELAYS.map(delayRule),
    rule(
      '9.1',
      'A message that always fails is delivered 17 times in 4 h 45 min 40 s',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.rest()
        const start = mq.now()
        await mq.advance('10h')
        assert.equal(deliveries.length, 17)
        assert.equal(deliveries.at(-1)!.timestamp - start, ((4 * 60 + 45) * 60 + 40) * 1000)
      },
    ),
    rule('9.1', 'Every attempt counts the failures before it', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing() })
      await send(mq, 'x')
      await mq.advance('10h')
      const counts = numbers(17).map(Number)
      assert.deepEqual(
        deliveries.map(({ message }) => message.reconsumeTimes),
        counts,
      )
      assert.deepEqual(
        deliveries.map(({ message }) => message.deliveryAttempt),
        counts.map((count) => count + 1),
      )
      assert.deepEqual(
        deliveries.map(({ context }) => context.deliveryAttempt),
        counts.map((count) => count + 1),
      )
    }),
    rule('9.1', 'After more than 16 retries the longest delay repeats', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing(), maxReconsumeTimes: 18 })
      await send(mq, 'x')
      await mq.advance('10h')
      assert.equal(deliveries.length, 19)
      const [before, ...last] = deliveries.slice(-3).map(({ timestamp }) => timestamp)
      assert.deepEqual(
        last.map((timestamp) => timestamp - before!),
        [7_200_000, 14_400_000],
      )
    }),
    rule('9.1', 'The table of delays is a setting', { needs }, async (world) => {
      const mq = await world.openShop(1, { messageDelayLevel: '1s 2s 3s 4s' })
      const { deliveries } = await subscribe(mq, { listener: failing(), maxReconsumeTimes: 3 })
      await send(mq, 'x')
      await mq.rest()
      const start = mq.now()
      await mq.advance('1m')
      assert.deepEqual(
        deliveries.map(({ timestamp }) => timestamp - start),
        [0, 3000, 7000, 11_000],
      )
    }),
    rule('9.1', 'Once it succeeds a message is not delivered again', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing(2) })
      await send(mq, 'x')
      await mq.advance('10h')
      assert.equal(deliveries.length, 3)
      assert.equal((await mq.admin.consumerProgress('billing')).pendingRetryCount, 0)
    }),
    rule('9.2', 'A retry carries what the message carried', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing(1) })
      const [receipt] = await send(mq, 'body', {
        tag: 'paid',
        keys: ['a', 'b'],
        properties: { region: 'eu' },
      })
      await mq.advance('10s')
      const { message } = deliveries[1]!
      assert.deepEqual(
        [message.text(), message.tag, [...message.keys], message.properties.region, message.messageId],
        ['body', 'paid', ['a', 'b'], 'eu', receipt?.messageId],
      )
      assert.equal(message.bornTimestamp, deliveries[0]?.message.bornTimestamp)
    }),
    rule(
      '9.2',
      'A retry shows the topic that the message was sent to, and lies in the retry topic',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { listener: failing(2) })
        await send(mq, 'x')
        await mq.advance('40s')
        for (const { message, context } of deliveries.slice(1)) {
          assert.equal(message.topic, 'orders')
          assert.equal(message.queue.topic, '%RETRY%billing')
          assert.deepEqual(context.queue, message.queue)
        }
      },
    ),
    rule(
      '9.2',
      'Every retry is a copy with an address and a store time of its own',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { listener: failing(2) })
        await send(mq, 'x')
        await mq.advance('40s')
        const copies = deliveries.map(({ message }) => message)
        assert.equal(new Set(copies.map(({ offsetMessageId }) => offsetMessageId)).size, 3)
        assert.deepEqual(
          copies.map(({ storeTimestamp }) => storeTimestamp - copies[0]!.storeTimestamp),
          [0, 10_000, 40_000],
        )
      },
    ),
    rule('9.2', 'Retries name the topic and the first copy in their properties', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing(2) })
      const [receipt] = await send(mq, 'x')
      await mq.advance('40s')
      assert.equal(deliveries[0]?.message.properties.RETRY_TOPIC, undefined)
      for (const { message } of deliveries.slice(1)) {
        assert.equal(message.properties.RETRY_TOPIC, 'orders')
        assert.equal(message.properties.ORIGIN_MESSAGE_ID, receipt?.offsetMessageId)
      }
    }),
    rule(
      '9.2',
      'The offset of the queue moves past a message that waits for its retry',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { texts } = await subscribe(mq, {
          listener: (message) => (message.text() === 'bad' ? 'FAILURE' : 'SUCCESS'),
        })
        await send(mq, ['bad', 'good'])
        await mq.rest()
        assert.deepEqual([texts(), await committed(mq)], [['bad', 'good'], 2])
      },
    ),
    rule('9.2', 'A retry is consumed while others wait', { needs }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing() })
      await send(mq, 'a')
      await mq.advance('5s')
      await send(mq, 'b')
      await mq.advance('5s')
      assert.deepEqual(
        deliveries.map(({ message }) => message.text()),
        ['a', 'b', 'a'],
      )
      await mq.advance('5s')
      assert.equal(deliveries.length, 4)
    }),
    rule('9.2', 'Many messages that fail together come again together', { needs }, async (world) => {
      const mq = await world.openShop(4)
      const { texts } = await subscribe(mq, { listener: failing(100) })
      await send(mq, numbers(100))
      await mq.rest()
      assert.equal(texts().length, 100)
      await mq.advance('10s')
      assert.deepEqual(
        texts()
          .slice(100)
          .map(Number)
          .sort((a, b) => a - b),
        numbers(100).map(Number),
      )
    }),
    rule('9.2', 'A retry waits for a member of its group', { needs }, async (world) => {
      const mq = await world.openShop()
      const first = await subscribe(mq, { listener: failing() })
      await send(mq, 'x')
      await mq.rest()
      await first.consumer.close()
      await mq.advance('1h')
      const second = await subscribe(mq)
      await mq.until('it is delivered', () => second.deliveries.length === 1)
      assert.equal(second.deliveries[0]?.message.reconsumeTimes, 1)
    }),
    rule('9.2', 'A retry that is not finished is not counted as failed again', { needs }, async (world) => {
      const mq = await world.openShop()
      const first = await subscribe(mq, { ...stuck, clientId: 'A' })
      await send(mq, 'x')
      await mq.rest()
      const closing = first.consumer.close()
      await mq.advance('1s')
      await closing
      const second = await subscribe(mq, { clientId: 'B' })
      await mq.until('it is delivered', () => second.deliveries.length === 1)
      assert.equal(second.deliveries[0]?.message.reconsumeTimes, 0)
    }),
    rule('1.9', 'Retries go to all queues of the retry topic', { needs }, async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing', retryQueueNums: 3 })
      const { deliveries } = await subscribe(mq, { listener: failing(60) })
      await send(mq, numbers(60))
      await mq.advance('10s')
      const ids = deliveries.slice(60).map(({ message }) => message.queue.queueId)
      assert.deepEqual([ids.length, new Set(ids)], [60, new Set([0, 1, 2])])
    }),
    rule(
      '1.9',
      'Without a retry queue a failed message becomes a dead letter at once',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        await mq.admin.createGroup({ group: 'billing', retryQueueNums: 0 })
        const letters = eventsOf(mq, 'dead-letter')
        await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.until('it is a dead letter', () => letters.length === 1)
      },
    ),
    rule(
      '9.2',
      'The progress of a group counts retries that wait',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await subscribe(mq, { listener: failing() })
        await send(mq, numbers(3))
        await mq.rest()
        assert.equal((await mq.admin.consumerProgress('billing')).pendingRetryCount, 3)
      },
    ),
    rule('9.2', 'A failure and its retry are told', { needs }, async (world) => {
      const mq = await world.openShop()
      const events = eventsOf(mq, 'retry')
      await subscribe(mq, {
        listener: () => {
          throw new TypeError('no price')
        },
      })
      const [receipt] = await send(mq, 'x')
      await mq.rest()
      const [event] = events
      assert.deepEqual(
        { ...event, reason: undefined },
        {
          group: 'billing',
          topic: 'orders',
          messageId: receipt?.messageId,
          reconsumeTimes: 1,
          dueTimestamp: mq.now() + 10_000,
          reason: undefined,
        },
      )
      assert.match(event!.reason, /no price/)
    }),
    rule('9.2', 'Sending a message back for an unknown group is refused', async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x')
      const message = await mq.admin.queryMessageByOffset(await queueOf(mq), 0)
      const request = { message, delayLevel: 0, maxReconsumeTimes: 16, reason: 'no' }
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () =>
        mq.engine.sendMessageBack({ ...request, group: 'nobody' }),
      )
    }),
    rule(
      '9.2',
      'A retry whose topic was deleted is told as lost',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const lost = eventsOf(mq, 'message-lost')
        const { deliveries } = await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.rest()
        await mq.admin.deleteTopic('orders')
        await mq.advance('1m')
        assert.equal(deliveries.length, 1)
        assert.deepEqual(
          lost.map(({ reason, group }) => [reason, group]),
          [['deleted', 'billing']],
        )
      },
    ),
  ],
}
