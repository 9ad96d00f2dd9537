import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { javaHashCode } from '../../src/model/java-hash.ts'
import { parseTagExpression } from '../../src/model/subscription.ts'
import { defaultGroupConfig, Permission } from '../../src/model/topic.ts'
import { bodies, openBroker, openShop, type TestBroker, watchPromise } from './set-up.ts'

/** A queue with offsets 3 to 7 left, as after retention: tags a a b b b. */
async function openTrimmed(): Promise<TestBroker> {
  const shop = await openShop()
  await shop.sendTags('a', 'a', 'a', 'a', 'a', 'b', 'b', 'b')
  shop.log().minOffset = 3
  return shop
}

/** From now on batches of the queue come from the disk. */
function readFromDisk(shop: TestBroker): void {
  const log = shop.log()
  const batchAt = log.batchAt.bind(log)
  log.batchAt = async (offset) => batchAt(offset)
}

// RocketMQ's rows NO_MATCHED_LOGIC_QUEUE and OFFSET_FOUND_NULL have no counterpart: every queue of a topic has its log,
// and what cannot be read is an error.
describe('A pull answers by the table of RocketMQ: with minimum 3, maximum 8 and', () => {
  test.each([
    ['OFFSET_TOO_SMALL', 2, '*', 'OFFSET_ILLEGAL', 3, 0],
    ['OFFSET_TOO_SMALL far below', 0, '*', 'OFFSET_ILLEGAL', 3, 0],
    ['FOUND at the minimum', 3, '*', 'FOUND', 8, 5],
    ['FOUND at the last message', 7, '*', 'FOUND', 8, 1],
    ['FOUND, next behind the last one looked at', 3, 'a', 'FOUND', 8, 2],
    ['NO_MATCHED_MESSAGE', 3, 'c', 'NO_MATCHED_MSG', 8, 0],
    ['OFFSET_OVERFLOW_ONE', 8, '*', 'NO_NEW_MSG', 8, 0],
    ['OFFSET_OVERFLOW_BADLY', 9, '*', 'OFFSET_ILLEGAL', 8, 0],
    ['OFFSET_OVERFLOW_BADLY far above', 1000, '*', 'OFFSET_ILLEGAL', 8, 0],
  ])('%s, offset %i, filter %s: %s, next %i, %i messages', async (_, offset, tags, status, next, count) => {
    const shop = await openTrimmed()
    const result = await shop.pull({ offset, filter: parseTagExpression(tags) })
    expect(result).toMatchObject({ status, nextBeginOffset: next, minOffset: 3, maxOffset: 8 })
    expect(result.messages).toHaveLength(count)
  })

  test.each([
    [0, 'NO_NEW_MSG'],
    [1, 'OFFSET_ILLEGAL'],
    [500, 'OFFSET_ILLEGAL'],
    [-1, 'OFFSET_ILLEGAL'],
  ])('NO_MESSAGE_IN_QUEUE, offset %i: %s, next 0', async (offset, status) => {
    const shop = await openShop()
    expect(await shop.pull({ offset })).toMatchObject({
      status,
      nextBeginOffset: 0,
      minOffset: 0,
      maxOffset: 0,
    })
  })

  test('MESSAGE_WAS_REMOVING, when retention takes a batch while it is read: NO_MATCHED_MSG, next where it stopped', async () => {
    const shop = await openTrimmed()
    const log = shop.log()
    log.batchAt = async () => {
      log.minOffset = 8
      throw new MQError('STORE_CORRUPTED', 'gone')
    }
    expect(await shop.pull({ offset: 3 })).toMatchObject({
      status: 'NO_MATCHED_MSG',
      nextBeginOffset: 3,
      minOffset: 8,
    })
  })
})

describe('A pull reads', () => {
  test('across batches, in order', async () => {
    const shop = await openShop()
    for (const body of ['a', 'b', 'c']) await shop.send({ body })
    const result = await shop.pull({ offset: 1 })
    expect(bodies(result)).toEqual(['b', 'c'])
    expect(result.messages.map((message) => message.queueOffset)).toEqual([1, 2])
  })

  test('no more than was asked for', async () => {
    const shop = await openShop()
    await shop.sendTags('a', 'b', 'a', 'a')
    const result = await shop.pull({ maxCount: 2, filter: parseTagExpression('a') })
    expect(result.messages.map((message) => message.queueOffset)).toEqual([0, 2])
    expect(result.nextBeginOffset).toBe(3)
  })

  test('at most 800 messages that the filter keeps out', async () => {
    const shop = await openShop()
    await shop.sendTags(...Array.from({ length: 1000 }, () => 'a'), 'b')
    const filter = parseTagExpression('b')
    expect(await shop.pull({ filter })).toMatchObject({ status: 'NO_MATCHED_MSG', nextBeginOffset: 800 })
    expect(await shop.pull({ filter, offset: 800 })).toMatchObject({ status: 'FOUND', nextBeginOffset: 1001 })
  })

  test('as many as were asked for, when that is more than 800', async () => {
    const shop = await openShop()
    await shop.sendTags(...Array.from({ length: 1000 }, () => 'a'))
    expect((await shop.pull({ maxCount: 900 })).messages).toHaveLength(900)
  })

  test('at most 256 KiB of bodies, but always one message', async () => {
    const shop = await openShop()
    const big = Buffer.alloc(100 * 1024)
    for (const body of [big, big, big, Buffer.alloc(300 * 1024), big]) await shop.send({ body })
    const counts: number[] = []
    for (let offset = 0; offset < 5; ) {
      const result = await shop.pull({ offset })
      counts.push(result.messages.length)
      offset = result.nextBeginOffset
    }
    expect(counts).toEqual([2, 1, 1, 1])
  })

  test('what lies on the disk just as what lies in memory', async () => {
    const shop = await openTrimmed()
    readFromDisk(shop)
    const filter = parseTagExpression('b')
    expect(await shop.pull({ offset: 3, filter })).toMatchObject({ status: 'FOUND', nextBeginOffset: 8 })
    expect(await shop.pull({ offset: 3, filter: parseTagExpression('c') })).toMatchObject({
      status: 'NO_MATCHED_MSG',
    })
  })

  test('up to a damaged batch first, and fails when nothing is left before it', async () => {
    const shop = await openShop()
    await shop.send({ body: 'sound' })
    await shop.send({ body: 'damaged' })
    const log = shop.log()
    const batchAt = log.batchAt.bind(log)
    log.batchAt = async (offset) => {
      if (offset === 1) throw new MQError('STORE_CORRUPTED', 'queue 0 of orders, offset 1')
      return batchAt(offset)
    }
    expect(await shop.pull()).toMatchObject({ status: 'FOUND', nextBeginOffset: 1 })
    await expect(shop.pull({ offset: 1 })).rejects.toMatchObject({ code: 'STORE_CORRUPTED' })
  })
})

describe('A tag filter', () => {
  test.each([
    ['*', [0, 1, 2, 3]],
    ['a', [0]],
    ['a || b', [0, 1]],
    ['c', []],
  ])('%s lets the messages %j of the tags a, b, d and none pass', async (expression, offsets) => {
    const shop = await openShop()
    await shop.sendTags('a', 'b', 'd', undefined)
    const result = await shop.pull({ filter: parseTagExpression(expression) })
    expect(result.messages.map((message) => message.queueOffset)).toEqual(offsets)
    expect(result.nextBeginOffset).toBe(4)
  })

  test('is not deceived by two tags of the same hash, and passes over the other', async () => {
    expect(javaHashCode('Aa')).toBe(javaHashCode('BB'))
    const shop = await openShop()
    await shop.sendTags('BB', 'Aa', 'BB')
    const result = await shop.pull({ filter: parseTagExpression('Aa') })
    expect(result.messages.map((message) => message.tag)).toEqual(['Aa'])
    expect(result.nextBeginOffset).toBe(3)
  })
})

describe('A pull is refused', () => {
  test('for an unknown group', async () => {
    const shop = await openShop()
    await expect(shop.pull({ group: 'nobody' })).rejects.toMatchObject({
      code: 'SUBSCRIPTION_GROUP_NOT_EXIST',
    })
  })

  test('for a group that may not consume', async () => {
    const shop = await openShop()
    await shop.broker.createGroup({ ...defaultGroupConfig('billing'), consumeEnable: false })
    await expect(shop.pull()).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })

  test('for an unknown topic', async () => {
    const shop = await openShop()
    await expect(shop.pull({ queue: shop.queue('nowhere') })).rejects.toMatchObject({
      code: 'TOPIC_NOT_EXIST',
    })
  })

  test('for a topic without read permission', async () => {
    const shop = await openShop()
    await shop.createTopic('inbox', 1, Permission.WRITE)
    await expect(shop.pull({ queue: shop.queue('inbox') })).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })

  test.each([-1, 1, 2, 3])(
    'for queue %i of a topic with one read and three write queues',
    async (queueId) => {
      const shop = await openBroker()
      await shop.join()
      await shop.broker.createTopic({ topic: 'orders', readQueueNums: 1, writeQueueNums: 3, permission: 6 })
      const pulling = shop.pull({ queue: shop.queue('orders', queueId) })
      await expect(pulling).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
    },
  )

  test('for a queue of another broker', async () => {
    const shop = await openShop()
    const queue = { ...shop.queue(), brokerName: 'elsewhere' }
    await expect(shop.pull({ queue })).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
  })

  test('after the broker is closed', async () => {
    const shop = await openShop()
    await shop.broker.close()
    await expect(shop.pull({ suspendMs: 1000 })).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('A pull that may wait', () => {
  test('answers NO_NEW_MSG when its time is up, not earlier', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000 })
    const watched = watchPromise(pulling)
    await shop.clock.advance(14_999)
    expect(watched.settled).toBe(false)
    await shop.clock.advance(1)
    expect(await pulling).toMatchObject({ status: 'NO_NEW_MSG', nextBeginOffset: 0 })
  })

  test('does not wait for what is not NO_NEW_MSG', async () => {
    const shop = await openTrimmed()
    expect(await shop.pull({ offset: 1, suspendMs: 15_000 })).toMatchObject({ status: 'OFFSET_ILLEGAL' })
    const filter = parseTagExpression('c')
    expect(await shop.pull({ offset: 3, suspendMs: 15_000, filter })).toMatchObject({
      status: 'NO_MATCHED_MSG',
    })
  })

  test('does not wait with a suspend time of 0', async () => {
    const shop = await openShop()
    expect(await shop.pull({ suspendMs: 0 })).toMatchObject({ status: 'NO_NEW_MSG' })
  })

  test('is answered in the turn of the append, before the send resolves', async () => {
    const shop = await openShop()
    const order: string[] = []
    const pulling = shop.pull({ suspendMs: 15_000 }).then((result) => order.push(`pulled ${bodies(result)}`))
    const sending = shop.send({ body: 'hello' }).then(() => order.push('sent'))
    await Promise.all([pulling, sending])
    expect(order).toEqual(['pulled hello', 'sent'])
  })

  test('is answered for every group that waits', async () => {
    const shop = await openShop()
    await shop.join({ group: 'shipping' })
    const pulling = ['billing', 'shipping', 'billing'].map((group) => shop.pull({ group, suspendMs: 15_000 }))
    await shop.send({ body: 'news' })
    expect((await Promise.all(pulling)).map(bodies)).toEqual([['news'], ['news'], ['news']])
  })

  test('is not disturbed by messages of other queues', async () => {
    const shop = await openShop()
    await shop.createTopic('other')
    const watched = watchPromise(shop.pull({ suspendMs: 15_000 }))
    await shop.send({ topic: 'other' })
    await shop.clock.settle()
    expect(watched.settled).toBe(false)
  })

  test('passes over messages that its filter keeps out and goes on waiting', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000, filter: parseTagExpression('b') })
    const watched = watchPromise(pulling)
    await shop.sendTags('a', 'a')
    await shop.clock.settle()
    expect(watched.settled).toBe(false)
    await shop.sendTags('a', 'b')
    expect(await pulling).toMatchObject({ status: 'FOUND', nextBeginOffset: 4 })
  })

  test('answers NO_MATCHED_MSG behind what it passed over when its time is up', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000, filter: parseTagExpression('b') })
    await shop.sendTags('a', 'a')
    await shop.clock.advance(15_000)
    expect(await pulling).toMatchObject({ status: 'NO_MATCHED_MSG', nextBeginOffset: 2 })
  })

  test('answers NO_MATCHED_MSG when it has passed over 800 messages', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000, filter: parseTagExpression('b') })
    const watched = watchPromise(pulling)
    await shop.sendTags(...Array.from({ length: 799 }, () => 'a'))
    await shop.clock.settle()
    expect(watched.settled).toBe(false)
    await shop.sendTags('a')
    expect(await pulling).toMatchObject({ status: 'NO_MATCHED_MSG', nextBeginOffset: 800 })
  })

  test('is answered also when the new messages have to be read', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000 })
    readFromDisk(shop)
    await shop.send({ body: 'slow' })
    expect(bodies(await pulling)).toEqual(['slow'])
  })

  test('ends with NO_NEW_MSG when its signal aborts', async () => {
    const shop = await openShop()
    const controller = new AbortController()
    const pulling = shop.pull({ suspendMs: 15_000, signal: controller.signal })
    controller.abort()
    expect(await pulling).toMatchObject({ status: 'NO_NEW_MSG', nextBeginOffset: 0 })
  })

  test('does not wait when its signal has aborted already', async () => {
    const shop = await openShop()
    expect(await shop.pull({ suspendMs: 15_000, signal: AbortSignal.abort() })).toMatchObject({
      status: 'NO_NEW_MSG',
    })
  })

  test('keeps nothing behind when it ends', async () => {
    const shop = await openShop()
    const { signal } = new AbortController()
    const timersBefore = shop.clock.timerCount
    for (let offset = 0; offset < 3; offset++) {
      const pulling = shop.pull({ suspendMs: 15_000, offset, signal })
      await shop.send()
      await pulling
    }
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(shop.clock.timerCount, 'one timer for all, which finds nothing').toBe(timersBefore + 1)
    await shop.clock.advance(15_000)
    expect(shop.clock.timerCount).toBe(timersBefore)
  })

  test('is refused when its topic is deleted', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000 })
    await Promise.all([
      expect(pulling).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' }),
      shop.broker.deleteTopic('orders'),
    ])
  })

  test('is refused when its topic loses the read permission, others go on waiting', async () => {
    const shop = await openShop()
    await shop.createTopic('other')
    const others = watchPromise(shop.pull({ queue: shop.queue('other'), suspendMs: 15_000 }))
    const pulling = shop.pull({ suspendMs: 15_000 })
    const update = { topic: 'orders', readQueueNums: 1, writeQueueNums: 1, permission: Permission.WRITE }
    await Promise.all([
      expect(pulling).rejects.toMatchObject({ code: 'NO_PERMISSION' }),
      shop.broker.updateTopic(update),
    ])
    expect(others.settled).toBe(false)
  })

  test('is refused when its group may no longer consume', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000 })
    const settings = { ...defaultGroupConfig('billing'), consumeEnable: false }
    await Promise.all([
      expect(pulling).rejects.toMatchObject({ code: 'NO_PERMISSION' }),
      shop.broker.createGroup(settings),
    ])
  })

  test('is refused with CLOSED when the broker closes', async () => {
    const shop = await openShop()
    const pulling = shop.pull({ suspendMs: 15_000 })
    await Promise.all([expect(pulling).rejects.toMatchObject({ code: 'CLOSED' }), shop.broker.close()])
  })
})
