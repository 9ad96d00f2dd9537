import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { Signal } from '../helpers/signal.ts'
import { INVISIBLE_MS, letters, onlyOne, openPopShop, type PopShop, RETRY_TOPIC } from './pop-set-up.ts'

/** Receives and lets the time pass, so many times. */
async function waste(shop: PopShop, times: number): Promise<number[]> {
  const attempts: number[] = []
  for (let i = 0; i < times; i++) {
    attempts.push(...(await shop.receive()).map(({ deliveryAttempt }) => deliveryAttempt))
    await shop.clock.advance(INVISIBLE_MS)
  }
  return attempts
}

describe('A message that is not acknowledged in time', () => {
  test('is received again at the millisecond in which its time is over, with one more attempt', async () => {
    const shop = await openPopShop()
    await shop.send(['a'], { tag: 'paid' })
    const { message: first } = onlyOne(await shop.receive())
    await shop.clock.advance(INVISIBLE_MS - 1)
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(1)
    const { message, deliveryAttempt } = onlyOne(await shop.receive())
    expect(deliveryAttempt).toBe(2)
    expect(message.deliveryAttempt).toBe(2)
    expect(message.messageId).toBe(first.messageId)
    expect([message.text(), message.topic, message.tag]).toEqual(['a', 'orders', 'paid'])
    expect(message.properties).toMatchObject({
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: first.offsetMessageId,
    })
  })

  test('is told, and so is its dead letter', async () => {
    const shop = await openPopShop({ group: { retryMaxTimes: 1 } })
    await shop.send(['a'])
    const { message } = onlyOne(await shop.receive())
    await shop.clock.advance(INVISIBLE_MS)
    const what = { group: 'billing', topic: 'orders', messageId: message.messageId }
    expect(shop.test.events('retry')).toMatchObject([
      {
        ...what,
        reconsumeTimes: 1,
        dueTimestamp: shop.clock.now(),
        reason: expect.stringContaining('not ack'),
      },
    ])
    await waste(shop, 1)
    expect(shop.test.events('dead-letter')).toMatchObject([
      {
        ...what,
        deadLetterTopic: '%DLQ%billing',
        reconsumeTimes: 2,
        reason: expect.stringContaining('attempt 2'),
      },
    ])
  })

  test('is delivered 17 times, and becomes a dead letter then', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    expect(await waste(shop, 18)).toEqual(Array.from({ length: 17 }, (_, i) => i + 1))
    const letter = await shop.test.view('%DLQ%billing')
    expect([letter.text(), letter.reconsumeTimes]).toEqual(['a', 17])
    expect(letter.properties.DLQ_REASON).toContain('attempt 17')
    expect(shop.alarms).toEqual([])
  })

  test.each([
    ['retryMaxTimes 0', { retryMaxTimes: 0 }],
    ['no retry queue', { retryQueueNums: 0 }],
  ])('becomes a dead letter at once when its group has %s', async (_, group) => {
    const shop = await openPopShop({ group })
    await shop.send(['a', 'b'])
    expect(await waste(shop, 2)).toEqual([1, 1])
    expect(shop.test.events('dead-letter')).toHaveLength(2)
    expect(shop.test.store.catalog.topic(RETRY_TOPIC)).toBeUndefined()
  })

  test('shares its commit with others, each in its own run', async () => {
    const shop = await openPopShop()
    await shop.send(letters(100))
    await shop.receive({ maxCount: 3 })
    await shop.receive({ maxCount: 30 })
    await shop.clock.advance(INVISIBLE_MS)
    const bodies: string[] = []
    for (let some = await shop.bodies(); some.length > 0; some = await shop.bodies()) bodies.push(...some)
    expect(bodies.toSorted()).toEqual(letters(100).toSorted())
    expect(await shop.progress()).toMatchObject({ invisibleCount: 100 })
  })

  test('goes to a random one of as many retry queues as the group has', async () => {
    const shop = await openPopShop({ group: { retryQueueNums: 4 } })
    await shop.send(['a'])
    await waste(shop, 1)
    // The random source of the set-up always answers the middle.
    expect(onlyOne(await shop.receive()).message.queue).toMatchObject({ topic: RETRY_TOPIC, queueId: 2 })
  })

  test('comes with those that its filter let through far apart', async () => {
    const shop = await openPopShop()
    for (let i = 0; i < 5; i++) {
      await shop.send([`wanted${i}`], { tag: 'paid' })
      await shop.send(letters(50), { tag: 'open' })
    }
    const popped = await shop.receive({ topics: { orders: 'paid' } })
    expect(shop.alarms).toHaveLength(5)
    await shop.ack(popped[0]!, popped[4]!)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['wanted1', 'wanted2', 'wanted3'])
  })
})

describe('When the time of messages is over', () => {
  test('an acknowledgement on its way counts', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first] = await shop.receive()
    const { store } = shop.test
    const commit = store.commit.bind(store)
    const held = new Signal()
    store.commit = async (change) => {
      store.commit = commit
      await held.promise
      return commit(change)
    }
    const acking = shop.ack(first!)
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual([])
    held.resolve()
    await acking
    await shop.clock.advance(0)
    expect(await shop.bodies()).toEqual(['b'])
  })

  test('an acknowledgement on its way that fails leaves its message to be delivered again', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first] = await shop.receive()
    const { store } = shop.test
    const commit = store.commit.bind(store)
    const held = new Signal()
    store.commit = async () => {
      store.commit = commit
      await held.promise
    }
    const acking = shop.ack(first!).catch(() => 'failed')
    await shop.clock.advance(INVISIBLE_MS)
    held.reject(new Error('disk'))
    expect(await acking).toBe('failed')
    await shop.clock.advance(0)
    expect(await shop.bodies()).toEqual(['a', 'b'])
  })

  test('they are delivered again although a commit fails at first, once', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const [first] = await shop.receive()
    const { store } = shop.test
    const commit = store.commit.bind(store)
    let failures = 2
    store.commit = (change) => (failures-- > 0 ? Promise.reject(new Error('disk')) : commit(change))
    await shop.clock.advance(INVISIBLE_MS)
    await expect(shop.ack(first!)).rejects.toMatchObject({ code: 'INVALID_RECEIPT_HANDLE' })
    await shop.clock.advance(5000)
    expect(await shop.bodies()).toEqual(['a', 'b'])
    expect(shop.alarms).toHaveLength(1)
  })

  test('one that retention has removed is reported lost, and the others come', async () => {
    const shop = await openPopShop()
    await shop.send(letters(4))
    await shop.receive()
    shop.test.log().minOffset = 2
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['m2', 'm3'])
    const queue = shop.test.queue()
    expect(shop.test.events('message-lost')).toEqual([
      { reason: 'retention', queue, fromOffset: 0, toOffset: 1, group: 'billing' },
      { reason: 'retention', queue, fromOffset: 1, toOffset: 2, group: 'billing' },
    ])
  })

  test('one that is damaged is reported lost, and the others come', async () => {
    const shop = await openPopShop()
    await shop.send(letters(2))
    await shop.receive()
    const { store } = shop.test
    const readRecord = store.readRecord.bind(store)
    store.readRecord = async (queueUid, queueOffset) => {
      if (queueOffset === 0) throw new MQError('STORE_CORRUPTED', 'queue 0, offset 0')
      return readRecord(queueUid, queueOffset)
    }
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['m1'])
    expect(shop.test.events('message-lost')).toMatchObject([{ reason: 'corruption', fromOffset: 0 }])
  })
})

describe('Deleting', () => {
  test('a topic reports what was invisible of it, and takes its retries along', async () => {
    const shop = await openPopShop()
    await shop.send(letters(3))
    const popped = await shop.receive()
    await shop.change(popped[2]!, 1000)
    await shop.clock.advance(1000)
    await shop.receive()
    expect(shop.test.store.catalog.topic(RETRY_TOPIC)).toBeDefined()
    await shop.ack(popped[0]!)
    await shop.test.broker.deleteTopic('orders')
    const lost = shop.test.events('message-lost')
    expect(lost.map(({ queue, fromOffset, reason }) => [queue.topic, fromOffset, reason])).toEqual([
      ['orders', 1, 'deleted'],
      [RETRY_TOPIC, 0, 'deleted'],
    ])
    expect(shop.test.store.catalog.topic(RETRY_TOPIC)).toBeUndefined()
    expect(shop.alarms).toEqual([])
    await shop.test.createTopic()
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual([])
  })

  test('a topic leaves the retries of another whose name ends alike', async () => {
    const shop = await openPopShop()
    await shop.test.createTopic('back-orders')
    await shop.send(['a'], { topic: 'back-orders' })
    await shop.receive({ topics: { 'back-orders': '*' } })
    await shop.clock.advance(INVISIBLE_MS)
    await shop.test.broker.deleteTopic('orders')
    expect(await shop.bodies({ topics: { 'back-orders': '*' } })).toEqual(['a'])
  })

  test('a group takes its retries and what is invisible along, and leaves those of a group named alike', async () => {
    const shop = await openPopShop()
    await shop.test.broker.createGroup({ ...(await shop.test.broker.queryGroups())[0]!, group: 'billing2' })
    await shop.send(['a'])
    for (const group of ['billing', 'billing2']) await shop.receive({ group })
    await shop.clock.advance(INVISIBLE_MS)
    for (const group of ['billing', 'billing2']) await shop.receive({ group })
    await shop.test.broker.deleteGroup('billing')
    const topics = (await shop.test.broker.queryTopics()).map(({ topic }) => topic)
    expect(topics).toEqual(['%RETRY%billing2', '%RETRY%billing2+orders', 'orders'])
    expect(shop.alarms).toHaveLength(1)
  })

  test('the retry topic alone reports what was invisible of it; it is made again when it is needed', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    await waste(shop, 1)
    await shop.receive()
    await shop.test.broker.deleteTopic(RETRY_TOPIC)
    expect(shop.test.events('message-lost')).toMatchObject([{ reason: 'deleted' }])
    await shop.send(['b'])
    await waste(shop, 1)
    expect(await shop.bodies()).toEqual(['b'])
  })
})

test('Progress counts what waits in the retry topic, also before it was received from', async () => {
  const shop = await openPopShop()
  await shop.send(letters(3))
  await waste(shop, 1)
  expect(await shop.progress()).toEqual({ lag: 3, invisibleCount: 0, pendingRetryCount: 0 })
  await shop.receive({ maxCount: 2 })
  expect(await shop.progress()).toEqual({ lag: 1, invisibleCount: 2, pendingRetryCount: 0 })
})

test('A message received from the retry topic of push consumers is retried for whoever received it', async () => {
  const shop = await openPopShop()
  await shop.send(['a'])
  await shop.test.fail(await shop.test.view())
  await shop.clock.advance(10_000)
  const topics = { '%RETRY%billing': '*' }
  expect(await shop.bodies({ topics })).toEqual(['a'])
  await shop.clock.advance(INVISIBLE_MS)
  const { message, deliveryAttempt } = onlyOne(await shop.receive({ topics }))
  expect([message.text(), message.topic, deliveryAttempt]).toEqual(['a', 'orders', 3])
})
