import { describe, expect, test } from 'vitest'
import { matchAll } from '../../src/model/subscription.ts'
import { Permission } from '../../src/model/topic.ts'
import { mqError } from '../helpers/expect-error.ts'
import { FaultMedium } from '../helpers/fault-medium.ts'
import { Signal } from '../helpers/signal.ts'
import { holdCommits, openOn } from './delayed-set-up.ts'
import { bodies, openShop, watchPromise } from './set-up.ts'
import {
  commit,
  halfCount,
  INTERVAL_MS,
  join,
  rollback,
  sendHalf,
  stored,
  TIMEOUT_MS,
  texts,
} from './transaction-set-up.ts'

describe('The half of a transaction', () => {
  test('is stored, and its receipt says so', async () => {
    const shop = await openShop()
    const receipt = await sendHalf(shop)
    expect(JSON.parse(JSON.stringify(receipt))).toEqual({
      status: 'SEND_OK',
      durability: 'MEMORY',
      messageId: receipt.transactionId,
      messageIds: [receipt.transactionId],
      transactionId: expect.stringMatching(/^[0-9A-F]{34}$/),
      offsetMessageId: '',
      queue: shop.queue(),
      queueOffset: -1,
      messageCount: 1,
      storeTimestamp: shop.clock.now(),
    })
    expect(halfCount(shop)).toBe(1)
  })

  test('is seen by no pull, receive, query and count', async () => {
    const shop = await openShop()
    const { messageId } = await sendHalf(shop, { keys: ['o-42'] })
    await shop.broker.ensureGroup('poppers')
    const now = shop.clock.now()
    const range = { begin: 0, end: now + 1000, maxCount: 32 }
    const received = await shop.broker.pop.popMessage({
      group: 'poppers',
      clientId: 'c1',
      subscriptions: new Map([['orders', matchAll]]),
      maxCount: 32,
      invisibleDurationMs: 30_000,
      awaitDurationMs: 0,
    })
    expect(received).toEqual([])
    expect((await shop.pull()).status).toBe('NO_NEW_MSG')
    expect(await shop.broker.maxOffset(shop.queue())).toBe(0)
    expect(await shop.broker.queryMessagesById(messageId)).toEqual([])
    expect(await shop.broker.queryMessagesByKey({ topic: 'orders', key: 'o-42', ...range })).toEqual([])
    expect(await shop.broker.queryTopicStatus('orders')).toMatchObject([{ minOffset: 0, maxOffset: 0 }])
    const { queues } = await shop.broker.consumerProgress('billing')
    expect(queues.map(({ lag }) => lag)).toEqual([0, 0])
    const delayed = { topic: 'orders', begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 10 }
    expect(await shop.broker.delay.queryDelayedMessages(delayed)).toEqual([])
  })

  test('needs what every send needs', async () => {
    const shop = await openShop()
    await expect(sendHalf(shop, { topic: 'missing' })).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
    await shop.createTopic('closed', 1, Permission.READ)
    await expect(sendHalf(shop, { topic: 'closed' })).rejects.toThrow(mqError('NO_PERMISSION'))
    expect(halfCount(shop)).toBe(0)
  })
})

describe('A commit', () => {
  test('puts the message into its queue, as it was sent', async () => {
    const shop = await openShop()
    const sent = { tag: 'paid', keys: ['o-42', 'c-7'], properties: { region: 'eu' }, body: 'order 42' }
    const half = await sendHalf(shop, sent)
    const bornTimestamp = shop.clock.now()
    await shop.clock.advance(1000)
    await commit(shop, half)

    const [message] = await stored(shop)
    expect(message).toMatchObject({
      messageId: half.messageId,
      topic: 'orders',
      tag: 'paid',
      keys: ['o-42', 'c-7'],
      properties: { region: 'eu', TRAN_MSG: 'true', PGROUP: 'producers' },
      bornTimestamp,
      storeTimestamp: bornTimestamp + 1000,
      queueOffset: 0,
      reconsumeTimes: 0,
    })
    expect(message?.text()).toBe('order 42')
    expect(await shop.broker.queryMessagesById(half.messageId)).toHaveLength(1)
    expect(halfCount(shop)).toBe(0)
  })

  test('puts it behind all that its queue has by then', async () => {
    const shop = await openShop()
    const first = await sendHalf(shop, { body: 'half 1' })
    const second = await sendHalf(shop, { body: 'half 2' })
    await shop.send({ body: 'plain' })
    await commit(shop, second)
    await commit(shop, first)
    expect(await texts(shop)).toEqual(['plain', 'half 2', 'half 1'])
  })

  test('wakes who waits for the queue', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const pulled = shop.pull({ suspendMs: 15_000 })
    expect(watchPromise(pulled).settled).toBe(false)
    await commit(shop, half)
    expect(bodies(await pulled)).toEqual(['order 1'])
  })

  test('again is the same as once, also at the same time', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    await Promise.all([commit(shop, half), commit(shop, half)])
    await commit(shop, half)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('after a rollback is refused, and the other way round', async () => {
    const shop = await openShop()
    const [dropped, delivered] = [await sendHalf(shop, { body: 'a' }), await sendHalf(shop, { body: 'b' })]
    await rollback(shop, dropped)
    await commit(shop, delivered)
    await expect(commit(shop, dropped)).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was rolled back'))
    await expect(rollback(shop, delivered)).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was committed'))
    expect(await texts(shop)).toEqual(['b'])
  })

  test('at the same time as a rollback: the first one counts, the other is refused', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop)
    const ends = await Promise.allSettled([rollback(shop, half), commit(shop, half)])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(await texts(shop)).toEqual([])
  })

  test('by another group is refused, and the transaction stays open', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const refused = mqError(
      'ILLEGAL_OPERATION',
      "belongs to the producer group 'producers', not to 'thieves'",
    )
    await expect(commit(shop, half, 'thieves')).rejects.toThrow(refused)
    await expect(rollback(shop, half, 'thieves')).rejects.toThrow(refused)
    await commit(shop, half)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('of a transaction that nobody began is refused', async () => {
    const shop = await openShop()
    await expect(shop.broker.transactions.endTransaction('nothing', 'producers', 'COMMIT')).rejects.toThrow(
      mqError('ILLEGAL_OPERATION', 'The transaction nothing is not open'),
    )
  })

  test('that the store refuses leaves the transaction open, and may be tried again', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const { parking } = shop.store
    const end = parking.end.bind(parking)
    parking.end = () => Promise.reject(new Error('the disk is tired'))
    await expect(commit(shop, half)).rejects.toThrow('the disk is tired')
    await expect(rollback(shop, half)).rejects.toThrow('the disk is tired')
    parking.end = end
    await commit(shop, half)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('while another one fails takes its place', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const { parking } = shop.store
    const end = parking.end.bind(parking)
    parking.end = async () => {
      parking.end = end
      throw new Error('the disk is tired')
    }
    const ends = await Promise.allSettled([rollback(shop, half), commit(shop, half)])
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(await texts(shop)).toEqual(['order 1'])
  })
})

describe('UNKNOWN', () => {
  test('changes nothing, also for what does not exist', async () => {
    const shop = await openShop()
    const { transactionId } = await sendHalf(shop)
    await shop.broker.transactions.endTransaction(transactionId, 'producers', 'UNKNOWN')
    await shop.broker.transactions.endTransaction('nothing', 'producers', 'UNKNOWN')
    expect(halfCount(shop)).toBe(1)
    expect(await texts(shop)).toEqual([])
  })
})

describe('An end and a check at the same time', () => {
  test('a commit that waits while the check is counted takes the new alarm', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const answerer = join(shop)
    const release = holdCommits(shop)
    await shop.clock.advance(TIMEOUT_MS)
    const committed = commit(shop, half)
    release()
    await committed
    expect(await texts(shop)).toEqual(['order 1'])
    expect(halfCount(shop)).toBe(0)
    await shop.clock.advance(3_600_000)
    expect(answerer.asked.length).toBeLessThanOrEqual(1)
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('a check that waits while the commit is written is not made', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const answerer = join(shop)
    const { parking } = shop.store
    const end = parking.end.bind(parking)
    const released = new Signal()
    parking.end = (...parameters) => released.promise.then(() => end(...parameters))
    const committed = commit(shop, half)
    await shop.clock.advance(TIMEOUT_MS)
    released.resolve()
    await committed
    await shop.clock.advance(3_600_000)
    expect(answerer.asked).toEqual([])
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('a transaction that ends while its check is read does not come back', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const read = shop.store.parking.message.bind(shop.store.parking)
    shop.store.parking.message = async (alarm) => {
      const message = await read(alarm)
      shop.store.parking.message = read
      // What the index still has when the commit is not applied yet.
      await commit(shop, half)
      return message
    }
    await shop.clock.advance(TIMEOUT_MS)
    expect(shop.broker.transactions.openCount).toBe(0)
    await commit(shop, half)
    await expect(rollback(shop, half)).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was committed'))
    expect(await texts(shop)).toEqual(['order 1'])
  })

  test('a commit that waits while the transaction is given up comes too late', async () => {
    const shop = await openShop({ transactionCheckMax: 1 })
    // The first one that is given up makes the topic.
    await sendHalf(shop, { body: 'order 0' })
    await shop.clock.advance(1)
    const half = await sendHalf(shop, { body: 'order 1' })
    await shop.clock.advance(TIMEOUT_MS + INTERVAL_MS - 1)
    const release = holdCommits(shop)
    await shop.clock.advance(1)
    const committed = commit(shop, half)
    release()
    await expect(committed).rejects.toThrow(mqError('ILLEGAL_OPERATION', 'it was given up'))
    expect(await texts(shop)).toEqual([])
    expect(await texts(shop, 'TRANS_CHECK_MAX_TIME_TOPIC')).toEqual(['order 0', 'order 1'])
  })

  test('an answer that contradicts the end is of no concern', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop, { body: 'order 1' })
    const answer = new Signal<'ROLLBACK'>()
    join(shop, () => answer.promise)
    await shop.clock.advance(TIMEOUT_MS)
    await commit(shop, half)
    answer.resolve('ROLLBACK')
    await shop.clock.advance(0)
    expect(await texts(shop)).toEqual(['order 1'])
    expect(shop.events('error')).toEqual([])
  })
})

describe('A topic that is deleted', () => {
  test('takes its halves along, and says how many', async () => {
    const shop = await openShop()
    await sendHalf(shop)
    await sendHalf(shop)
    const answerer = join(shop)
    await shop.broker.deleteTopic('orders')
    expect(shop.events('message-lost')).toMatchObject([{ reason: 'deleted', delayedCount: 2 }])
    expect([halfCount(shop), shop.broker.transactions.openCount]).toEqual([0, 0])
    await shop.clock.advance(3_600_000)
    expect(answerer.asked).toEqual([])
  })

  test('leaves nothing to commit, and everything rolled back, also when it is made anew', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop)
    await shop.broker.deleteTopic('orders')
    await shop.createTopic()
    await expect(commit(shop, half)).rejects.toThrow(mqError('TOPIC_NOT_EXIST', half.transactionId))
    await rollback(shop, half)
    expect(await texts(shop)).toEqual([])
  })

  test('while a commit is read: the commit is refused', async () => {
    const medium = new FaultMedium()
    const shop = await openOn(medium)
    await shop.createTopic()
    const half = await sendHalf(shop)
    // Now it lies in the index alone.
    await shop.clock.advance(1000)
    const { parking } = shop.store
    const read = parking.bytes.bind(parking)
    parking.bytes = async (alarm) => {
      const bytes = await read(alarm)
      await shop.broker.deleteTopic('orders')
      return bytes
    }
    await expect(commit(shop, half)).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
    await rollback(shop, half)
    expect(halfCount(shop)).toBe(0)
  })

  test('in the same commit as the half is stored: it is lost', async () => {
    const shop = await openShop()
    const sending = sendHalf(shop)
    const deleting = shop.broker.deleteTopic('orders')
    const [half] = await Promise.all([sending, deleting])
    expect(shop.broker.transactions.openCount).toBe(0)
    await expect(commit(shop, half)).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
    await rollback(shop, half)
    await shop.clock.advance(3_600_000)
    expect(halfCount(shop)).toBe(0)
  })
})

describe('A broker that is closed', () => {
  test('refuses ends', async () => {
    const shop = await openShop()
    const half = await sendHalf(shop)
    await shop.broker.close()
    await expect(commit(shop, half)).rejects.toThrow(mqError('CLOSED'))
    await expect(rollback(shop, half)).rejects.toThrow(mqError('CLOSED'))
  })

  test('does not tell of answers that come now', async () => {
    const shop = await openShop()
    await sendHalf(shop)
    const answer = new Signal<'COMMIT'>()
    join(shop, () => answer.promise)
    await shop.clock.advance(TIMEOUT_MS)
    await shop.close()
    answer.resolve('COMMIT')
    await shop.clock.advance(0)
    expect(shop.events('error')).toEqual([])
  })
})
