import { describe, expect, test } from 'vitest'
import { DEFAULT_MESSAGE_DELAY_LEVEL } from '../../src/model/delay-levels.ts'
import { parseDuration } from '../../src/model/duration.ts'
import { MQError } from '../../src/model/errors.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { matchAll, parseTagExpression } from '../../src/model/subscription.ts'
import { Permission } from '../../src/model/topic.ts'
import { mqError } from '../helpers/expect-error.ts'
import { DAY_MS, delivered, MINUTE_MS, sendDelayed, sendIn, texts, waiting } from './delayed-set-up.ts'
import { bodies, openShop, type TestBroker } from './set-up.ts'

const LEVELS = DEFAULT_MESSAGE_DELAY_LEVEL.split(' ').map(
  (text, index) => [index + 1, text, parseDuration(text) ?? Number.NaN] as const,
)

/** It is in no queue a millisecond before the time, and in one at the time. */
async function expectDueIn(shop: TestBroker, delayMs: number): Promise<void> {
  await shop.clock.advance(delayMs - 1)
  expect(await texts(shop)).toEqual([])
  await shop.clock.advance(1)
  expect(await texts(shop)).toHaveLength(1)
}

describe('A delay level', () => {
  test.each(LEVELS)('%i is %s', async (delayTimeLevel, _, delayMs) => {
    const shop = await openShop()
    const receipt = await sendDelayed(shop, { delayTimeLevel })
    expect(receipt.deliveryTimestamp).toBe(shop.clock.now() + delayMs)
    await expectDueIn(shop, delayMs)
  })

  test('has the delay of the table that was set', async () => {
    const shop = await openShop({ messageDelayLevel: '7ms 2h' })
    await sendDelayed(shop, { delayTimeLevel: 1 })
    await expectDueIn(shop, 7)
    await sendDelayed(shop, { delayTimeLevel: 2 })
    await shop.clock.advance(7_199_999)
    expect(await texts(shop)).toHaveLength(1)
    await shop.clock.advance(1)
    expect(await texts(shop)).toHaveLength(2)
  })

  test('of 0 is no delay', async () => {
    const shop = await openShop()
    await sendDelayed(shop, { delayTimeLevel: 0 })
    const [message] = await delivered(shop)
    expect(message?.delayTimeLevel).toBeUndefined()
  })

  test.each([
    [19, {}],
    [3, { messageDelayLevel: '1s 2s' }],
  ])('of %i above the table is refused', async (delayTimeLevel, settings) => {
    const shop = await openShop(settings)
    await expect(sendDelayed(shop, { delayTimeLevel })).rejects.toThrow(
      mqError('MESSAGE_ILLEGAL', `no delay level ${delayTimeLevel}`),
    )
    expect(await waiting(shop)).toEqual([])
  })

  test.each([-1, 1.5, Number.NaN, '3'])('of %s is refused', async (delayTimeLevel) => {
    const shop = await openShop()
    expect(() => shop.outgoing({ delayTimeLevel: delayTimeLevel as number })).toThrow(
      mqError('MESSAGE_ILLEGAL', 'delayTimeLevel must be a whole number'),
    )
  })
})

describe('A delivery timestamp', () => {
  test('is kept to the millisecond', async () => {
    const shop = await openShop()
    await sendIn(shop, 12_345)
    await expectDueIn(shop, 12_345)
  })

  test.each([-DAY_MS, -1, 0])('%i ms from now stores it like any other', async (fromNowMs) => {
    const shop = await openShop()
    const receipt = await sendDelayed(shop, { deliveryTimestamp: shop.clock.now() + fromNowMs })
    expect(receipt).toMatchObject({
      queueOffset: 0,
      status: 'SEND_OK',
      offsetMessageId: expect.stringMatching(/./),
    })
    expect(receipt.recallHandle).toBeUndefined()
    const [message] = await delivered(shop)
    expect(message?.deliveryTimestamp).toBe(shop.clock.now() + fromNowMs)
    expect(await waiting(shop)).toEqual([])
  })

  test.each([
    [3 * DAY_MS, {}],
    [MINUTE_MS, { timerMaxDelayMs: MINUTE_MS }],
    [3650 * DAY_MS, { timerMaxDelayMs: 3650 * DAY_MS }],
  ])('may lie %i ms ahead, and not a millisecond more', async (mostMs, settings) => {
    const shop = await openShop(settings)
    await expect(sendIn(shop, mostMs + 1)).rejects.toThrow(mqError('MESSAGE_ILLEGAL', 'timerMaxDelayMs'))
    await sendIn(shop, mostMs)
    shop.clock.jump(mostMs - MINUTE_MS)
    await expectDueIn(shop, MINUTE_MS)
  })

  test.each([-1, 0.5, Number.POSITIVE_INFINITY, '2030-01-01'])('of %s is refused', async (time) => {
    const shop = await openShop()
    expect(() => shop.outgoing({ deliveryTimestamp: time as number })).toThrow(
      mqError('MESSAGE_ILLEGAL', 'deliveryTimestamp must be a whole number'),
    )
  })

  test('of zero is over', async () => {
    const shop = await openShop()
    await sendDelayed(shop, { deliveryTimestamp: 0 })
    expect(await texts(shop)).toEqual(['x'])
  })
})

describe('Together', () => {
  test('both delays, or a delay and a message group, are refused', async () => {
    const shop = await openShop()
    expect(() => shop.outgoing({ delayTimeLevel: 1, deliveryTimestamp: 5 })).toThrow(
      mqError('MESSAGE_ILLEGAL', 'not both'),
    )
    for (const delay of [{ delayTimeLevel: 1 }, { deliveryTimestamp: 5 }, { delayTimeLevel: 0 }])
      expect(() => shop.outgoing({ ...delay, messageGroup: 'g' })).toThrow(
        mqError('MESSAGE_ILLEGAL', 'order'),
      )
  })
})

describe('Messages fall due', () => {
  test('in the order of their times, and within one time in that of the sends', async () => {
    const shop = await openShop()
    const delays = [30, 10, 20, 10, 30, 20, 10]
    for (const [index, delayMs] of delays.entries())
      await sendIn(shop, delayMs, { body: `${delayMs}.${index}` })
    await shop.clock.advance(30)
    expect(await texts(shop)).toEqual(['10.1', '10.3', '10.6', '20.2', '20.5', '30.0', '30.4'])
  })

  test('in this order also when all are overdue, over more than one commit', async () => {
    const shop = await openShop()
    const sends = Array.from({ length: 700 }, (_, i) =>
      sendIn(shop, 1000 - (i % 7), { body: `${i % 7}.${i}` }),
    )
    await Promise.all(sends)
    shop.clock.jump(5000)
    await shop.clock.advance(1000)
    const found = await texts(shop)
    const expected = Array.from({ length: 700 }, (_, i) => i)
      .sort((a, b) => (b % 7) - (a % 7) || a - b)
      .map((i) => `${i % 7}.${i}`)
    expect(found).toEqual(expected)
  })

  test('from a level and a time alike', async () => {
    const shop = await openShop()
    await sendDelayed(shop, { delayTimeLevel: 1, body: 'level' })
    await sendIn(shop, 1000, { body: 'time' })
    await sendIn(shop, 999, { body: 'earlier' })
    await shop.clock.advance(1000)
    expect(await texts(shop)).toEqual(['earlier', 'level', 'time'])
  })

  test('each in its own millisecond', async () => {
    const shop = await openShop()
    for (const delayMs of [10, 11, 12]) await sendIn(shop, delayMs, { body: String(delayMs) })
    await shop.clock.advance(10)
    expect(await texts(shop)).toEqual(['10'])
    await shop.clock.advance(1)
    expect(await texts(shop)).toEqual(['10', '11'])
  })

  test('without holding up what is sent meanwhile', async () => {
    const shop = await openShop()
    await sendIn(shop, 10, { body: 'delayed' })
    await shop.send({ body: 'at once' })
    expect(await texts(shop)).toEqual(['at once'])
    await shop.clock.advance(10)
    expect(await texts(shop)).toEqual(['at once', 'delayed'])
  })

  test('and wake a pull that waits', async () => {
    const shop = await openShop()
    await sendIn(shop, 10)
    const pull = shop.pull({ suspendMs: 1000 })
    await shop.clock.advance(10)
    expect(bodies(await pull)).toEqual(['x'])
  })
})

describe('The receipt of a delayed message', () => {
  test('says when it is delivered, and that it has no place yet', async () => {
    const shop = await openShop()
    const receipt = await sendIn(shop, MINUTE_MS)
    expect(JSON.parse(JSON.stringify(receipt))).toEqual({
      status: 'SEND_OK',
      durability: 'MEMORY',
      messageId: expect.stringMatching(/^01[0-9A-F]{32}$/),
      messageIds: [receipt.messageId],
      offsetMessageId: '',
      queue: shop.queue(),
      queueOffset: -1,
      messageCount: 1,
      storeTimestamp: shop.clock.now(),
      deliveryTimestamp: shop.clock.now() + MINUTE_MS,
      recallHandle: expect.stringMatching(/^[\w-]+$/),
    } satisfies SendReceipt)
  })

  test('has no handle when it was sent with a level', async () => {
    const shop = await openShop()
    const receipt = await sendDelayed(shop, { delayTimeLevel: 3 })
    expect(receipt.recallHandle).toBeUndefined()
  })
})

describe('What is delivered', () => {
  const fields = { body: 'later', tag: 'paid', keys: ['o-1', 'o-2'], properties: { region: 'eu' } }

  test.each([
    ['a time', { deliveryTimestamp: Date.UTC(2027, 0, 1) + 5000 }, 5000],
    ['a level', { delayTimeLevel: 2 }, 5000],
  ])('after %s is what was sent, at home in its queue', async (_, delay, delayMs) => {
    const shop = await openShop()
    const born = shop.clock.now()
    const { messageId } = await sendDelayed(shop, { ...fields, ...delay })
    await shop.clock.advance(delayMs)
    const [message] = await delivered(shop)
    expect(message).toMatchObject({
      messageId,
      topic: 'orders',
      tag: 'paid',
      keys: ['o-1', 'o-2'],
      properties: { region: 'eu' },
      bornTimestamp: born,
      storeTimestamp: born + delayMs,
      queue: shop.queue(),
      queueOffset: 0,
      reconsumeTimes: 0,
      deliveryAttempt: 1,
      delayTimeLevel: undefined,
      deliveryTimestamp: undefined,
      ...delay,
    })
    expect(message?.text()).toBe('later')
    expect(message?.properties).toEqual({ region: 'eu' })
    expect(JSON.parse(JSON.stringify(message))).toMatchObject({ ...delay, properties: { region: 'eu' } })
    expect(await shop.broker.queryMessagesById(messageId)).toHaveLength(1)
  })

  test('is found by no query before its time', async () => {
    const shop = await openShop()
    const { messageId } = await sendIn(shop, 10, fields)
    const byKey = { topic: 'orders', key: 'o-1', begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 8 }
    expect(await shop.broker.queryMessagesById(messageId)).toEqual([])
    expect(await shop.broker.queryMessagesByKey(byKey)).toEqual([])
    await shop.clock.advance(10)
    expect(await shop.broker.queryMessagesById(messageId)).toHaveLength(1)
    expect(await shop.broker.queryMessagesByKey(byKey)).toHaveLength(1)
  })

  test('lies in the queue that was chosen when it was sent', async () => {
    const shop = await openShop()
    await shop.createTopic('wide', 3)
    await sendDelayed(shop, { topic: 'wide', delayTimeLevel: 1 }, { queueId: 2 })
    await shop.clock.advance(1000)
    const counts = [0, 1, 2].map((queueId) => shop.log('wide', queueId).maxOffset)
    expect(counts).toEqual([0, 0, 1])
  })

  test('meets filters by tag', async () => {
    const shop = await openShop()
    await sendIn(shop, 10, { tag: 'paid', body: 'paid' })
    await sendIn(shop, 10, { tag: 'refunded', body: 'refunded' })
    await shop.clock.advance(10)
    expect(bodies(await shop.pull({ filter: parseTagExpression('refunded') }))).toEqual(['refunded'])
    expect(bodies(await shop.pull({ filter: matchAll }))).toEqual(['paid', 'refunded'])
  })

  test('has a body of its own', async () => {
    const shop = await openShop()
    const body = Buffer.from('before')
    const sent = sendIn(shop, 10, { body })
    body.write('behind')
    await sent
    await shop.clock.advance(10)
    expect(await texts(shop)).toEqual(['before'])
  })
})

describe('A delayed message that fails', () => {
  test('is retried as any other, and not delayed again', async () => {
    const shop = await openShop()
    await sendDelayed(shop, { delayTimeLevel: 18 })
    await shop.clock.advance(7_200_000)
    await shop.fail((await delivered(shop))[0]!)
    await shop.clock.advance(9_999)
    expect(await delivered(shop, 0, '%RETRY%billing')).toEqual([])
    await shop.clock.advance(1)
    const [retry] = await delivered(shop, 0, '%RETRY%billing')
    expect(retry).toMatchObject({ topic: 'orders', reconsumeTimes: 1, delayTimeLevel: 18 })
    expect(await waiting(shop)).toEqual([])
  })

  test('becomes a dead letter at once, with its delay to be seen', async () => {
    const shop = await openShop()
    const { deliveryTimestamp } = await sendIn(shop, 10)
    await shop.clock.advance(10)
    await shop.fail((await delivered(shop))[0]!, { delayLevel: -1 })
    const [letter] = await delivered(shop, 0, '%DLQ%billing')
    expect(letter).toMatchObject({ deliveryTimestamp, properties: { RETRY_TOPIC: 'orders' } })
    expect(letter?.properties).not.toHaveProperty('TIMER_DELIVER_MS')
  })
})

describe('When the wall clock is set', () => {
  test('forward, what is due comes within a minute', async () => {
    const shop = await openShop()
    await sendIn(shop, 3_600_000)
    shop.clock.jump(3_600_000)
    await shop.clock.advance(MINUTE_MS)
    expect(await texts(shop)).toEqual(['x'])
  })

  test('back, nothing comes before its time on the clock', async () => {
    const shop = await openShop()
    await sendIn(shop, MINUTE_MS)
    shop.clock.jump(-3_600_000)
    await shop.clock.advance(3_600_000 + MINUTE_MS - 1)
    expect(await texts(shop)).toEqual([])
    await shop.clock.advance(1)
    expect(await texts(shop)).toEqual(['x'])
  })
})

describe('While it waits, the topic', () => {
  test('may lose its permissions: what was accepted is delivered', async () => {
    const shop = await openShop()
    await sendIn(shop, 10)
    const closed = { topic: 'orders', readQueueNums: 1, writeQueueNums: 1, permission: Permission.NONE }
    await shop.broker.updateTopic(closed)
    await shop.clock.advance(10)
    expect(await texts(shop)).toEqual(['x'])
    await expect(sendIn(shop, 10)).rejects.toThrow(mqError('NO_PERMISSION'))
  })

  test('may lose the queue: it lies there, hidden as the others', async () => {
    const shop = await openShop()
    await shop.createTopic('wide', 2)
    await sendDelayed(shop, { topic: 'wide', delayTimeLevel: 1 }, { queueId: 1 })
    const sized = (queues: number) => ({
      topic: 'wide',
      readQueueNums: queues,
      writeQueueNums: queues,
      permission: Permission.READ_WRITE,
    })
    await shop.broker.updateTopic(sized(1))
    await shop.clock.advance(1000)
    await shop.broker.updateTopic(sized(2))
    expect(await delivered(shop, 1, 'wide')).toHaveLength(1)
  })

  test('may be deleted: then it is lost, and that is told with the number', async () => {
    const shop = await openShop()
    for (const delayMs of [10, 20, 30]) await sendIn(shop, delayMs)
    await shop.broker.deleteTopic('orders')
    expect(shop.events('message-lost')).toEqual([
      { reason: 'deleted', queue: shop.queue(), fromOffset: 0, toOffset: 0, delayedCount: 3 },
    ])
    expect(shop.store.alarms.size).toBe(0)
    await shop.createTopic()
    await shop.clock.advance(MINUTE_MS)
    expect(await texts(shop)).toEqual([])
    expect((await shop.broker.check()).problems).toEqual([])
  })

  test('is deleted in the turn in which a message is sent to it: the message is refused, or the loss is told', async () => {
    for (const sendFirst of [true, false]) {
      const shop = await openShop()
      const begin = [() => sendIn(shop, 10), () => shop.broker.deleteTopic('orders')]
      if (!sendFirst) begin.reverse()
      const ends = await Promise.allSettled(begin.map((act) => act()))
      const isTaken = ends[sendFirst ? 0 : 1]!.status === 'fulfilled'
      expect(ends[sendFirst ? 1 : 0]!.status).toBe('fulfilled')
      const told = shop.events('message-lost').map(({ delayedCount }) => delayedCount)
      expect([isTaken, told]).toEqual([isTaken, isTaken ? [1] : []])
      expect(isTaken || !sendFirst).toBe(true)
      expect(shop.store.alarms.size).toBe(0)
    }
  })

  test('takes messages as before when it could not be deleted', async () => {
    const shop = await openShop()
    shop.store.flush = () => Promise.reject(new MQError('SYSTEM_BUSY', 'not now'))
    await expect(shop.broker.deleteTopic('orders')).rejects.toEqual(mqError('SYSTEM_BUSY'))
    await sendIn(shop, 10)
    expect(await waiting(shop)).toHaveLength(1)
  })

  test('must exist when it is sent', async () => {
    const shop = await openShop()
    await expect(sendDelayed(shop, { topic: 'unknown', delayTimeLevel: 1 })).rejects.toThrow(
      mqError('TOPIC_NOT_EXIST'),
    )
  })
})
