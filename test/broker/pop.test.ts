import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { parseTagExpression } from '../../src/model/subscription.ts'
import { Permission } from '../../src/model/topic.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bodiesOf, INVISIBLE_MS, letters, onlyOne, openPopShop, RETRY_TOPIC } from './pop-set-up.ts'

const shopFilter = parseTagExpression('*')
const paidFilter = parseTagExpression('paid')

describe('A receive', () => {
  test('answers messages with a handle, their attempt, and the time until which they are invisible', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const popped = await shop.receive()
    expect(bodiesOf(popped)).toEqual(['a', 'b'])
    const nextVisibleTimestamp = shop.clock.now() + INVISIBLE_MS
    for (const each of popped) expect(each).toMatchObject({ deliveryAttempt: 1, nextVisibleTimestamp })
    expect(new Set(popped.map(({ receiptHandle }) => receiptHandle)).size).toBe(2)
  })

  test('gets nothing of what is invisible', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    expect(await shop.bodies()).toEqual(['a', 'b'])
    expect(await shop.bodies()).toEqual([])
    await shop.clock.advance(INVISIBLE_MS - 1)
    expect(await shop.bodies()).toEqual([])
  })

  test('gets what nobody else gets, however many run at a time', async () => {
    const shop = await openPopShop({ queueNums: 2 })
    await shop.send(letters(100), { queueId: 0 })
    await shop.send(letters(100), { queueId: 1 })
    const all = await Promise.all(Array.from({ length: 10 }, () => shop.receive({ maxCount: 20 })))
    const places = all.flat().map(({ message }) => message.offsetMessageId)
    expect(places).toHaveLength(200)
    expect(new Set(places).size).toBe(200)
  })

  test('gets no more than it asked for, and fills up from the next queues', async () => {
    const shop = await openPopShop({ queueNums: 3 })
    for (const queueId of [0, 1, 2]) await shop.send(letters(4), { queueId })
    expect((await shop.receive({ maxCount: 10 })).length).toBe(10)
    expect((await shop.receive({ maxCount: 10 })).length).toBe(2)
  })

  test('begins with another queue each time, so that none is left behind', async () => {
    const shop = await openPopShop({ queueNums: 3 })
    for (const queueId of [0, 1, 2]) await shop.send(letters(50), { queueId })
    const queueIds: number[] = []
    for (let i = 0; i < 6; i++) {
      queueIds.push(onlyOne(await shop.receive({ maxCount: 1 })).message.queue.queueId)
    }
    expect(queueIds).toEqual([0, 1, 2, 0, 1, 2])
  })

  test('answers messages of the first topic that has some', async () => {
    const shop = await openPopShop()
    await shop.test.createTopic('returns')
    await shop.send(['returned'], { topic: 'returns' })
    expect(await shop.bodies({ topics: { orders: '*', returns: '*' } })).toEqual(['returned'])
    await shop.send(['returned'], { topic: 'returns' })
    await shop.send(['ordered'])
    expect(await shop.bodies({ topics: { orders: '*', returns: '*' } })).toEqual(['ordered'])
  })

  test('takes a topic that does not exist for one without messages', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    expect(await shop.bodies({ topics: { nowhere: '*' } })).toEqual([])
    expect(await shop.bodies({ topics: { nowhere: '*', orders: '*' } })).toEqual(['a'])
  })

  test('passes over what its filter keeps out, for good', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'], { tag: 'paid' })
    await shop.send(['c'], { tag: 'open' })
    await shop.send(['d'], { tag: 'paid' })
    await shop.send(['e'], { tag: 'open' })
    expect(await shop.bodies({ topics: { orders: 'paid' } })).toEqual(['a', 'b', 'd'])
    expect(await shop.bodies({ topics: { orders: 'paid' } })).toEqual([])
    expect(await shop.offset()).toBe(5)
    expect(await shop.bodies({ topics: { orders: '*' } })).toEqual([])
  })

  test('finds the one message in thousands that its filter lets through', async () => {
    const shop = await openPopShop()
    for (let i = 0; i < 3; i++) await shop.send(letters(1000), { tag: 'open' })
    await shop.send(['found'], { tag: 'paid' })
    expect(await shop.bodies({ topics: { orders: 'paid' } })).toEqual(['found'])
    expect(await shop.progress()).toMatchObject({ lag: 0 })
  })

  test('moves the group behind what it took, and counts it as invisible', async () => {
    const shop = await openPopShop()
    await shop.send(letters(40))
    await shop.receive({ maxCount: 10 })
    expect(await shop.offset()).toBe(10)
    expect(await shop.progress()).toEqual({ lag: 30, invisibleCount: 10, pendingRetryCount: 0 })
  })

  test('reads what lies on the disk', async () => {
    const shop = await openPopShop({ queueNums: 2 })
    for (const queueId of [0, 1]) await shop.send(letters(3), { queueId })
    for (const queueId of [0, 1]) {
      const log = shop.test.log('orders', queueId)
      const batchAt = log.batchAt.bind(log)
      log.batchAt = async (offset) => batchAt(offset)
    }
    const [first, second] = await Promise.all([shop.receive(), shop.receive()])
    expect([...first, ...second]).toHaveLength(6)
  })

  test('answers what other queues have when one cannot be read, and fails when that is all', async () => {
    const shop = await openPopShop({ queueNums: 2 })
    for (const queueId of [0, 1]) await shop.send(['a'], { queueId })
    shop.test.log('orders', 0).batchAt = async () => {
      throw new MQError('STORE_CORRUPTED', 'queue 0 of orders')
    }
    expect(onlyOne(await shop.receive()).message.queue.queueId).toBe(1)
    await expect(shop.receive()).rejects.toEqual(mqError('STORE_CORRUPTED'))
    expect(await shop.offset(0)).toBeUndefined()
  })

  test('takes nothing when its commit fails, and the next one gets it', async () => {
    const shop = await openPopShop()
    await shop.send(['a', 'b'])
    const commit = shop.test.store.commit
    shop.test.store.commit = async () => {
      throw new MQError('WRITE_FAILED', 'full')
    }
    await expect(shop.receive()).rejects.toEqual(mqError('WRITE_FAILED'))
    shop.test.store.commit = commit
    expect(await shop.bodies()).toEqual(['a', 'b'])
    expect(shop.alarms).toHaveLength(1)
  })
})

describe('A group that was never here begins', () => {
  test('at the beginning of a queue that still has it', async () => {
    const shop = await openPopShop()
    await shop.send(['old'])
    expect(await shop.bodies()).toEqual(['old'])
  })

  test('with the last message of a queue that has lost its beginning, as RocketMQ does', async () => {
    const shop = await openPopShop()
    await shop.send(letters(5))
    shop.test.log().minOffset = 2
    expect(await shop.bodies()).toEqual(['m4'])
  })

  test('for good, also when there was nothing yet', async () => {
    const shop = await openPopShop()
    expect(await shop.bodies()).toEqual([])
    expect(await shop.offset()).toBe(0)
    await shop.send(letters(5))
    shop.test.log().minOffset = 2
    expect(await shop.bodies()).toEqual(['m2', 'm3', 'm4'])
  })
})

describe('A receive is refused', () => {
  test('for an unknown group', async () => {
    const shop = await openPopShop()
    await expect(shop.receive({ group: 'nobody' })).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST'))
  })

  test('for a group that may not consume', async () => {
    const shop = await openPopShop({ group: { consumeEnable: false } })
    await expect(shop.receive()).rejects.toEqual(mqError('NO_PERMISSION', 'consumeEnable'))
  })

  test('for a topic without read permission', async () => {
    const shop = await openPopShop()
    await shop.test.createTopic('inbox', 1, Permission.WRITE)
    await expect(shop.receive({ topics: { inbox: '*' } })).rejects.toEqual(mqError('NO_PERMISSION', 'inbox'))
  })

  test('after the broker is closed', async () => {
    const shop = await openPopShop()
    await shop.test.broker.close()
    await expect(shop.receive()).rejects.toEqual(mqError('CLOSED'))
  })

  test('when its group is deleted while a queue is read', async () => {
    const shop = await openPopShop()
    await shop.send(['a'])
    const log = shop.test.log()
    const batchAt = log.batchAt.bind(log)
    log.batchAt = async (offset) => {
      await shop.test.broker.deleteGroup('billing')
      return batchAt(offset)
    }
    await expect(shop.receive()).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST'))
    expect(shop.alarms).toEqual([])
  })
})

describe('Retries', () => {
  test('are received with new messages, first at every fifth receive', async () => {
    const shop = await openPopShop()
    await shop.send(['retried'])
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    await shop.send(letters(20))
    const bodies: string[] = []
    for (let i = 0; i < 6; i++) bodies.push(...(await shop.bodies({ maxCount: 1 })))
    expect(bodies).toEqual(['m0', 'm1', 'm2', 'm3', 'retried', 'm4'])
  })

  test('fill up what new messages leave room for', async () => {
    const shop = await openPopShop()
    await shop.send(['retried'])
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    await shop.send(['new'])
    expect(await shop.bodies()).toEqual(['new', 'retried'])
  })

  test('are received whatever the filter is now, and have the topic that they were sent to', async () => {
    const shop = await openPopShop()
    await shop.send(['a'], { tag: 'paid' })
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    const { message } = onlyOne(await shop.receive({ topics: { orders: 'open' } }))
    expect(message).toMatchObject({ topic: 'orders', tag: 'paid', queue: { topic: RETRY_TOPIC } })
  })

  test('of one topic never come to who receives from another', async () => {
    const shop = await openPopShop()
    await shop.test.createTopic('returns')
    await shop.send(['a'])
    await shop.receive()
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies({ topics: { returns: '*' } })).toEqual([])
    expect(await shop.bodies()).toEqual(['a'])
  })

  test('of one group never come to another', async () => {
    const shop = await openPopShop()
    await shop.test.join({ group: 'shipping' })
    await shop.send(['a'])
    await shop.receive()
    await shop.receive({ group: 'shipping' })
    await shop.clock.advance(INVISIBLE_MS)
    expect(await shop.bodies()).toEqual(['a'])
    expect(await shop.bodies()).toEqual([])
    expect(await shop.bodies({ group: 'shipping' })).toEqual(['a'])
  })
})

describe('A receive by the same group as a push consumer', () => {
  test.each(['push first', 'pop first'])('is warned of, %s', async (order) => {
    const shop = await openPopShop()
    const { broker } = shop.test
    const subscriptions = new Map()
    const member = { group: 'billing', messageModel: 'clustering', subscriptions } as const
    const kinds = order === 'push first' ? (['push', 'pop'] as const) : (['pop', 'push'] as const)
    for (const consumeType of kinds)
      await broker.registerConsumer({ ...member, clientId: consumeType, consumeType })
    expect(shop.test.events('warning')).toMatchObject([{ code: 'MIXED_CONSUMPTION' }])
  })

  test('is not warned of among simple consumers, which may subscribe to different topics', async () => {
    const shop = await openPopShop()
    const { broker } = shop.test
    const member = { group: 'billing', messageModel: 'clustering', consumeType: 'pop' } as const
    const [orders, returns] = ['orders', 'returns'].map((topic) => new Map([[topic, shopFilter]]))
    await broker.registerConsumer({ ...member, clientId: 'a', subscriptions: orders! })
    await broker.registerConsumer({ ...member, clientId: 'b', subscriptions: returns! })
    expect(shop.test.events('warning')).toEqual([])
    await broker.registerConsumer({
      ...member,
      clientId: 'c',
      subscriptions: new Map([['orders', paidFilter]]),
    })
    expect(shop.test.events('warning')).toMatchObject([{ code: 'SUBSCRIPTION_MISMATCH' }])
  })

  test('takes no part in the allocation of queues', async () => {
    const shop = await openPopShop()
    const { broker } = shop.test
    const member = { group: 'billing', messageModel: 'clustering', subscriptions: new Map() } as const
    await broker.registerConsumer({ ...member, clientId: 'simple', consumeType: 'pop' })
    await broker.registerConsumer({ ...member, clientId: 'pusher', consumeType: 'push' })
    expect(await broker.queryConsumerIds('billing')).toEqual(['pusher'])
    await expect(broker.deleteGroup('billing')).rejects.toEqual(mqError('INVALID_PARAMETER', '2 consumers'))
  })
})
