/** Delayed messages: when they come, and what they are like. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, failing, numbers, pull, queueOf, refused, send, subscribe, textsOf } from '../kit.ts'
import { arrived, delayed, expectIn, SOON_MS, sendIn } from '../kit-delays.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const LEVELS = '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'.split(' ')
const THREE_DAYS_MS = 3 * 86_400_000
const FIELDS = { tag: 'paid', keys: ['o-1'], properties: { region: 'eu' } }

const inTime = { needs: delayed } as const
const inTimeDiffering = { needs: delayed, differs: true } as const
const offline = { needs: ['delay'] } as const
const offlineDiffering = { needs: ['delay'], differs: true } as const

function levelRule(delay: string, index: number): ConformanceRule {
  const delayTimeLevel = index + 1
  return rule('10.1', `Level ${delayTimeLevel} delivers after ${delay}`, inTime, async (world) => {
    const mq = await world.openShop()
    await send(mq, 'x', { delayTimeLevel })
    await expectIn(mq, delay, ['x'])
  })
}

const levels: readonly ConformanceRule[] = [
  ...LEVELS.map(levelRule),
  rule('10.1', 'The option messageDelayLevel makes other levels', inTime, async (world) => {
    const mq = await world.openShop(1, { messageDelayLevel: '3s 1m' })
    await send(mq, 'x', { delayTimeLevel: 2 })
    await expectIn(mq, '1m', ['x'])
  }),
  rule('10.1', 'Level 0 delivers at once', offline, async (world) => {
    const mq = await world.openShop()
    const [receipt] = await send(mq, 'x', { delayTimeLevel: 0 })
    assert.equal(receipt?.queueOffset, 0)
    assert.deepEqual(await arrived(mq), ['x'])
  }),
  rule(
    '10.1',
    'A level above the last one is refused, and nothing is kept',
    offlineDiffering,
    async (world) => {
      const mq = await world.openShop()
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', { delayTimeLevel: 19 }))
      assert.deepEqual(await mq.admin.delayedMessages('orders'), [])
      assert.deepEqual(await arrived(mq), [])
    },
  ),
  rule('10.1', 'A level below 0, or no whole one, is refused', offlineDiffering, async (world) => {
    const mq = await world.openShop()
    for (const delayTimeLevel of [-1, 1.5, Number.NaN])
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', { delayTimeLevel }))
  }),
  rule('10.1', 'Messages of one level come in the order of their sends', inTime, async (world) => {
    const mq = await world.openShop()
    await send(mq, numbers(20), { delayTimeLevel: 2 })
    await expectIn(mq, '5s', numbers(20))
  }),
]

const times: readonly ConformanceRule[] = [
  rule(
    '10.2',
    'A message with a deliveryTimestamp comes at that time, and not before',
    inTime,
    async (world) => {
      const mq = await world.openShop()
      await sendIn(mq, 98_765)
      await expectIn(mq, 98_765, ['x'])
    },
  ),
  rule('10.2', 'It comes in the millisecond that was asked for', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    for (const delayMs of [1, 999, 1000, 1001]) await sendIn(mq, delayMs, String(delayMs))
    const { deliveries } = await subscribe(mq)
    const start = mq.now()
    await mq.advance('2s')
    assert.deepEqual(
      deliveries.map(({ message, timestamp }) => [message.text(), timestamp - start]),
      [1, 999, 1000, 1001].map((ms) => [String(ms), ms]),
    )
  }),
  rule('10.2', 'A time that is over delivers at once, as any other message', offline, async (world) => {
    const mq = await world.openShop()
    for (const deliveryTimestamp of [0, mq.now() - 1]) await send(mq, 'x', { deliveryTimestamp })
    assert.deepEqual(await arrived(mq), ['x', 'x'])
    assert.deepEqual(await mq.admin.delayedMessages('orders'), [])
  }),
  rule('10.2', 'A time may lie three days ahead, and not more', inTime, async (world) => {
    const mq = await world.openShop()
    await refused('MESSAGE_ILLEGAL', () => sendIn(mq, THREE_DAYS_MS + 1000))
    await sendIn(mq, THREE_DAYS_MS)
    await expectIn(mq, THREE_DAYS_MS, ['x'])
  }),
  rule('10.2', 'The option timerMaxDelayMs sets another bound', offline, async (world) => {
    const mq = await world.openShop(1, { timerMaxDelayMs: 60_000 })
    await refused('MESSAGE_ILLEGAL', () => sendIn(mq, 61_000))
    await sendIn(mq, 60_000)
  }),
  rule('10.2', 'A time that is no whole number is refused', offlineDiffering, async (world) => {
    const mq = await world.openShop()
    for (const deliveryTimestamp of [-1, 0.5, Number.NaN])
      await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', { deliveryTimestamp }))
  }),
  rule('10.2', 'An earlier time overtakes a later one', inTime, async (world) => {
    const mq = await world.openShop()
    for (const delay of ['30s', '10s', '20s']) await sendIn(mq, delay, delay)
    await mq.advance('40s')
    assert.deepEqual(await arrived(mq), ['10s', '20s', '30s'])
  }),
  rule('10.2', 'Messages of one time come in the order of their sends', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const deliveryTimestamp = mq.now() + 5000
    await send(mq, numbers(300), { deliveryTimestamp })
    await mq.advance('5s')
    assert.deepEqual(await arrived(mq), numbers(300))
  }),
  rule('10.2', 'A level and a time together are refused', offlineDiffering, async (world) => {
    const mq = await world.openShop()
    const both = { delayTimeLevel: 1, deliveryTimestamp: mq.now() + 5000 }
    await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', both))
  }),
  rule('10.2', 'A message with a messageGroup cannot be delayed', offline, async (world) => {
    const mq = await world.openShop()
    const both = { messageGroup: 'o-1', deliveryTimestamp: mq.now() + 5000 }
    await refused('MESSAGE_ILLEGAL', () => send(mq, 'x', both))
  }),
  rule('10.2', 'A batch with a delayed message is refused as a whole', offline, async (world) => {
    const mq = await world.openShop()
    const producer = await mq.producer()
    for (const delay of [{ delayTimeLevel: 1 }, { deliveryTimestamp: mq.now() + 5000 }]) {
      const [first, second] = ['a', 'b'].map((body) => ({ topic: 'orders', body }))
      await refused('MESSAGE_ILLEGAL', () => producer.send([first!, { ...second!, ...delay }]))
    }
    assert.deepEqual(await arrived(mq), [])
  }),
]

const contents: readonly ConformanceRule[] = [
  rule('10.2', 'What comes is what was sent, under the same id', inTime, async (world) => {
    const mq = await world.openShop()
    const born = mq.now()
    const { messageId } = await sendIn(mq, '10s', 'later', FIELDS)
    await mq.advance(10_000 + SOON_MS)
    const [message] = await mq.admin.browse('orders')
    assert.deepEqual(
      [message?.messageId, message?.text(), message?.tag, message?.keys, message?.properties.region],
      [messageId, 'later', 'paid', ['o-1'], 'eu'],
    )
    assert.deepEqual([message?.bornTimestamp, message?.queueOffset], [born, 0])
    assert.ok(message!.storeTimestamp >= born + 10_000, 'it is stored when it comes')
  }),
  rule('10.2', 'It shows its delay in fields, and in no property', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const deliveryTimestamp = mq.now() + 1000
    await send(mq, 'x', { delayTimeLevel: 1 })
    await send(mq, 'x', { deliveryTimestamp })
    await mq.advance('1s')
    const shown = (await mq.admin.browse('orders')).map((message) => [
      message.delayTimeLevel,
      message.deliveryTimestamp,
      Object.keys(message.properties),
    ])
    assert.deepEqual(shown, [
      [1, undefined, []],
      [undefined, deliveryTimestamp, []],
    ])
  }),
  rule('10.1', 'Before its time no consumer and no query finds it', offline, async (world) => {
    const mq = await world.openShop()
    const { deliveries } = await subscribe(mq)
    const { messageId } = await sendIn(mq, '1h', 'x', FIELDS)
    await mq.rest()
    assert.deepEqual(deliveries, [])
    assert.deepEqual(await mq.admin.queryMessagesById(messageId), [])
    assert.deepEqual(await mq.admin.queryMessagesByKey('orders', 'o-1'), [])
    assert.equal(await mq.admin.maxOffset(await queueOf(mq)), 0)
    assert.equal((await mq.admin.consumerProgress('billing')).lag, 0)
  }),
  rule(
    '10.2',
    'The receipt says when it comes, and has no place in the queue',
    offlineDiffering,
    async (world) => {
      const mq = await world.openShop()
      const { queue, queueOffset, offsetMessageId, deliveryTimestamp } = await sendIn(mq, '1h')
      assert.deepEqual(queue, await queueOf(mq))
      assert.deepEqual([queueOffset, offsetMessageId], [-1, ''])
      assert.equal(deliveryTimestamp, mq.now() + 3_600_000)
    },
  ),
  rule('10.1', 'It comes to the queue that it was sent to', inTime, async (world) => {
    const mq = await world.openShop(4)
    const [receipt] = await send(mq, 'x', { delayTimeLevel: 1, queueId: 2 })
    assert.equal(receipt?.queue.queueId, 2)
    await mq.advance(1000 + SOON_MS)
    assert.deepEqual(textsOf(await mq.admin.browse(await queueOf(mq, 2))), ['x'])
  }),
  rule('10.2', 'Filters by tag see it as any other', inTime, async (world) => {
    const mq = await world.openShop()
    const { texts } = await subscribe(mq, { subscriptions: { orders: 'paid' } })
    for (const tag of ['paid', 'open']) await sendIn(mq, '10s', tag, { tag })
    await mq.advance(10_000 + SOON_MS)
    assert.deepEqual(texts(), ['paid'])
  }),
  rule('10.2', 'A pull that waits gets it', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    await mq.admin.createGroup({ group: 'billing' })
    await sendIn(mq, '10s')
    const pulling = pull(mq, { suspendMs: 60_000 })
    await mq.advance('10s')
    assert.deepEqual(textsOf((await pulling).messages), ['x'])
  }),
  rule('10.1', 'A send that is not awaited is delayed as well', inTime, async (world) => {
    const mq = await world.openShop()
    const producer = await mq.producer()
    producer.sendOneway({ topic: 'orders', body: 'x', delayTimeLevel: 2 })
    await mq.rest()
    await expectIn(mq, '5s', ['x'])
  }),
  rule(
    '9.1',
    'A failure retries it by the levels of retries, and does not delay it again',
    inTime,
    async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { listener: failing(1) })
      await send(mq, 'x', { delayTimeLevel: 18 })
      await mq.advance(7_200_000 + SOON_MS)
      assert.equal(deliveries.length, 1)
      await mq.advance(10_000 + SOON_MS)
      assert.deepEqual(
        deliveries.map(({ message }) => message.reconsumeTimes),
        [0, 1],
      )
    },
  ),
  rule('9.2', 'It becomes a dead letter as any other', inTime, async (world) => {
    const mq = await world.openShop()
    await subscribe(mq, { listener: failing(), maxReconsumeTimes: 0 })
    await sendIn(mq, '10s', 'x', FIELDS)
    await mq.advance(10_000 + SOON_MS)
    assert.deepEqual(textsOf(await mq.admin.deadLetters('billing')), ['x'])
  }),
]

/** What a test does to the topic of a message that waits. */
async function openWithWaiting(mq: EngineMQ, count = 1): Promise<void> {
  for (const body of numbers(count)) await sendIn(mq, '10s', body)
}

const fates: readonly ConformanceRule[] = [
  rule(
    '10.1',
    'What was accepted comes, though the topic takes no messages any more',
    inTime,
    async (world) => {
      const mq = await world.openShop()
      await openWithWaiting(mq)
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ })
      await refused('NO_PERMISSION', () => openWithWaiting(mq))
      await expectIn(mq, '10s', ['0'])
    },
  ),
  rule('10.1', 'Deleting the topic loses what waits, and says how much', inTimeDiffering, async (world) => {
    const mq = await world.openShop()
    const lost = eventsOf(mq, 'message-lost')
    await openWithWaiting(mq, 3)
    await mq.admin.deleteTopic('orders')
    assert.deepEqual(
      lost.map(({ reason, delayedCount }) => [reason, delayedCount]),
      [['deleted', 3]],
    )
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    await mq.advance('1m')
    assert.deepEqual(await arrived(mq), [])
  }),
  rule('10.1', 'Retention does not touch what waits', inTimeDiffering, async (world) => {
    const retention = { maxAgeMs: 3_600_000, intervalMs: 600_000 }
    const mq = await world.openShop(1, { retention })
    await sendIn(mq, '8h')
    for (let hour = 0; hour < 8; hour++) {
      await send(mq, 'between')
      await mq.advance('1h')
    }
    assert.equal((await arrived(mq)).at(-1), 'x')
  }),
  rule(
    '10.2',
    'A clock that is set forward brings what is due then',
    { needs: [...delayed, 'clockJump'] },
    async (world) => {
      const mq = await world.openShop()
      await sendIn(mq, '1h')
      mq.jump(3_600_000)
      await mq.advance('1m')
      assert.deepEqual(await arrived(mq), ['x'])
    },
  ),
  rule(
    '10.1',
    'A clock that is set back makes it wait for its time, also with a level',
    { needs: [...delayed, 'clockJump'], differs: true },
    async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x', { delayTimeLevel: 5 })
      mq.jump(-3_600_000)
      await mq.advance(3_660_000 - 1)
      assert.deepEqual(await arrived(mq), [])
      await mq.advance(1)
      assert.deepEqual(await arrived(mq), ['x'])
    },
  ),
  rule(
    '10.2',
    'A restart before its time changes nothing',
    { needs: [...delayed, 'durable', 'reopen'] },
    async (world) => {
      const before = await world.openShop()
      await sendIn(before, '1m', 'by time')
      await send(before, 'by level', { delayTimeLevel: 6 })
      const mq = await world.reopen(before, '30s')
      await mq.advance('29s')
      assert.deepEqual(await arrived(mq), [])
      await mq.advance('2s')
      assert.deepEqual(await arrived(mq), ['by time'])
      await mq.advance('1m')
      assert.deepEqual(await arrived(mq), ['by time', 'by level'])
    },
  ),
  rule(
    '10.2',
    'What became due meanwhile comes when the engine opens, once',
    { needs: [...delayed, 'durable', 'reopen'] },
    async (world) => {
      const before = await world.openShop()
      await openWithWaiting(before, 3)
      const mq = await world.reopen(before, '1h')
      await mq.advance(SOON_MS)
      assert.deepEqual([...(await arrived(mq))].sort(), numbers(3))
      const again = await world.reopen(mq, '1h')
      await again.advance('1h')
      assert.equal((await arrived(again)).length, 3)
    },
  ),
  rule(
    '10.2',
    'A kill neither loses nor repeats it',
    { needs: [...delayed, 'durable', 'crash'] },
    async (world) => {
      const mq = await world.openShop()
      await openWithWaiting(mq, 2)
      const second = await world.crash(mq)
      await second.advance(10_000 + SOON_MS)
      assert.deepEqual([...(await arrived(second))].sort(), numbers(2))
      const third = await world.crash(second)
      await third.advance('1h')
      assert.equal((await arrived(third)).length, 2)
    },
  ),
  rule(
    '10.2',
    'In SYNC_FLUSH a power cut does not either',
    { needs: [...delayed, 'durable', 'crash'] },
    async (world) => {
      const mq = await world.openShop(1, { flushDiskType: 'SYNC_FLUSH' })
      await openWithWaiting(mq, 2)
      const second = await world.crash(mq, 'power')
      await second.advance(10_000 + SOON_MS)
      assert.deepEqual([...(await arrived(second))].sort(), numbers(2))
    },
  ),
]

export const delayedMessages: ConformanceChapter = {
  title: 'Delayed messages',
  rules: [...levels, ...times, ...contents, ...fates],
}
