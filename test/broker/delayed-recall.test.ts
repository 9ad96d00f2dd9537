import { describe, expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { openShop as openClients } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { FaultMedium } from '../helpers/fault-medium.ts'
import {
  holdCommits,
  MINUTE_MS,
  openOn,
  sendDelayed,
  sendIn,
  texts,
  waiting,
  waitingTexts,
} from './delayed-set-up.ts'
import { openBroker, openShop, type TestBroker } from './set-up.ts'

function recall(shop: TestBroker, handle: string, topic = 'orders'): Promise<string> {
  return shop.broker.delay.recallMessage(topic, handle)
}

function reschedule(shop: TestBroker, handle: string, inMs: number): Promise<string> {
  return shop.broker.delay.rescheduleMessage('orders', handle, shop.clock.now() + inMs)
}

function deliverNow(shop: TestBroker, handle: string): Promise<string> {
  return shop.broker.delay.deliverMessageNow('orders', handle)
}

const ALL = { topic: 'orders', begin: 0, end: Number.MAX_SAFE_INTEGER, maxCount: 9 }

const tooLate = (text = 'does not wait any more'): object => mqError('ILLEGAL_OPERATION', text)

/** The verbs that decide about a waiting message, each with what it leaves in the queue when the time is over. */
const DECISIONS = [
  ['recall', recall, []],
  ['move', (shop: TestBroker, handle: string) => reschedule(shop, handle, 60_000), ['x']],
  ['deliver', deliverNow, ['x']],
] as const

describe('A recall', () => {
  test('takes the message back, and answers its id', async () => {
    const shop = await openShop()
    const { recallHandle, messageId } = await sendIn(shop, 10)
    expect(await recall(shop, recallHandle)).toBe(messageId)
    expect(await waiting(shop)).toEqual([])
    await shop.clock.advance(MINUTE_MS)
    expect(await texts(shop)).toEqual([])
    expect((await shop.broker.check()).problems).toEqual([])
  })

  test('takes one of several', async () => {
    const shop = await openShop()
    const sent = []
    for (const body of ['a', 'b', 'c']) sent.push(await sendIn(shop, 10, { body }))
    await recall(shop, sent[1]!.recallHandle)
    await shop.clock.advance(10)
    expect(await texts(shop)).toEqual(['a', 'c'])
  })

  test('works up to the last millisecond', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    await shop.clock.advance(9)
    await recall(shop, recallHandle)
    await shop.clock.advance(1)
    expect(await texts(shop)).toEqual([])
  })

  test('comes too late after the delivery, and says so', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    await shop.clock.advance(10)
    await expect(recall(shop, recallHandle)).rejects.toThrow(tooLate())
    expect(await texts(shop)).toEqual(['x'])
  })

  test('works once', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    const both = await Promise.allSettled([recall(shop, recallHandle), recall(shop, recallHandle)])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await expect(recall(shop, recallHandle)).rejects.toThrow(tooLate())
  })

  test('of a message with a level needs the handle that the query gives', async () => {
    const shop = await openShop()
    await sendDelayed(shop, { delayTimeLevel: 3 })
    const [found] = await waiting(shop)
    await recall(shop, found!.recallHandle)
    await shop.clock.advance(10_000)
    expect(await texts(shop)).toEqual([])
  })

  test('that the store refuses leaves the message where it is', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    const { commit } = shop.store
    shop.store.commit = () => Promise.reject(new MQError('WRITE_FAILED', 'full'))
    await expect(recall(shop, recallHandle)).rejects.toThrow(mqError('WRITE_FAILED'))
    shop.store.commit = commit.bind(shop.store)
    await shop.clock.advance(10)
    expect(await texts(shop)).toEqual(['x'])
  })
})

describe('A handle', () => {
  test('is for its topic alone', async () => {
    const shop = await openShop()
    await shop.createTopic('others')
    const { recallHandle } = await sendIn(shop, 10)
    await expect(recall(shop, recallHandle, 'others')).rejects.toThrow(tooLate("not for 'others'"))
    expect(await waitingTexts(shop)).toEqual(['x'])
  })

  const coded = (...words: unknown[]): string => Buffer.from(words.join(' ')).toString('base64url')

  test.each([
    ['nothing', ''],
    ['a word', 'hello'],
    ['another version', coded('v2', 'orders', 'localhost', 5, '01'.repeat(17), 1)],
    ['too few words', coded('v1', 'orders', 'localhost', 5, '01'.repeat(17))],
    ['too many words', coded('v1', 'orders', 'localhost', 5, '01'.repeat(17), 1, 2)],
    ['no time', coded('v1', 'orders', 'localhost', 'x', '01'.repeat(17), 1)],
    ['no number', coded('v1', 'orders', 'localhost', 5, '01'.repeat(17), 'x')],
  ])('that is %s is refused', async (_, handle) => {
    const shop = await openShop()
    await sendIn(shop, 10)
    for (const [, decide] of DECISIONS)
      await expect(decide(shop, handle)).rejects.toThrow(tooLate('is not a recall handle'))
    expect(await waitingTexts(shop)).toEqual(['x'])
  })

  test('of another broker, time, message or alarm finds nothing', async () => {
    const shop = await openShop()
    const { messageId, deliveryTimestamp: due } = await sendIn(shop, 10)
    const other = messageId.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
    const { id } = [...shop.store.alarms.values()][0]!
    const own = coded('v1', 'orders', 'localhost', due, messageId, id)
    for (const handle of [
      coded('v1', 'orders', 'elsewhere', due, messageId, id),
      coded('v1', 'orders', 'localhost', due! + 1, messageId, id),
      coded('v1', 'orders', 'localhost', due, other, id),
      coded('v1', 'orders', 'localhost', due, messageId, id + 1),
    ])
      for (const [, decide] of DECISIONS) await expect(decide(shop, handle)).rejects.toThrow(tooLate())
    expect(await recall(shop, own)).toBe(messageId)
  })

  test('of an alarm of another kind finds nothing', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.fail(await shop.view())
    const { id, dueTimestamp } = [...shop.store.alarms.values()][0]!
    const handle = coded('v1', 'orders', 'localhost', dueTimestamp, '01'.repeat(17), id)
    await expect(recall(shop, handle)).rejects.toThrow(tooLate())
    expect(shop.store.alarms.size).toBe(1)
  })

  test('of a topic that was deleted finds nothing, also in a new one of that name', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    await shop.broker.deleteTopic('orders')
    await expect(recall(shop, recallHandle)).rejects.toThrow(tooLate())
    await shop.createTopic()
    await expect(recall(shop, recallHandle)).rejects.toThrow(tooLate())
  })
})

describe('When the time comes while somebody decides', () => {
  test.each(DECISIONS)('to %s it in the same turn, one of both happens', async (_, decide, left) => {
    for (const recallFirst of [true, false]) {
      const shop = await openShop()
      const { recallHandle } = await sendIn(shop, 10)
      let deciding: Promise<PromiseSettledResult<string>[]> = Promise.resolve([])
      const begin = (): void => {
        deciding = Promise.allSettled([decide(shop, recallHandle)])
      }
      if (!recallFirst) shop.clock.setTimer(10, () => queueMicrotask(begin))
      await shop.clock.advance(9)
      if (recallFirst) begin()
      await shop.clock.advance(1)
      const [decided] = await deciding
      await shop.clock.advance(MINUTE_MS)
      expect(await texts(shop)).toEqual(decided?.status === 'fulfilled' ? left : ['x'])
      expect(shop.events('error')).toEqual([])
    }
  })

  test.each(DECISIONS)(
    'to %s it, and the decision is held up, the message waits',
    async (_, decide, left) => {
      const shop = await openShop()
      const { recallHandle } = await sendIn(shop, 10)
      const release = holdCommits(shop)
      const deciding = decide(shop, recallHandle)
      await shop.clock.advance(2000)
      expect(await texts(shop)).toEqual([])
      release()
      await deciding
      await shop.clock.advance(MINUTE_MS)
      expect(await texts(shop)).toEqual(left)
    },
  )

  test.each(DECISIONS)('to %s it, and the delivery is held up, it is too late', async (_, decide) => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    const release = holdCommits(shop)
    await shop.clock.advance(10)
    await expect(decide(shop, recallHandle)).rejects.toThrow(tooLate('at this moment'))
    release()
    await shop.clock.advance(0)
    expect(await texts(shop)).toEqual(['x'])
    await expect(decide(shop, recallHandle)).rejects.toThrow(tooLate())
  })

  test.each(DECISIONS)('to %s it on a disk that hangs, one of both happens', async (_, decide, left) => {
    const hanging = { journal: false }
    const medium = new FaultMedium({
      decide: ({ kind }) => (hanging.journal && kind.startsWith('journal') ? 'hangs' : 'works'),
    })
    const shop = await openOn(medium, undefined, { flushDiskType: 'SYNC_FLUSH' })
    await shop.createTopic()
    const { recallHandle } = await sendIn(shop, 10)
    hanging.journal = true
    await shop.clock.advance(9)
    const deciding = Promise.allSettled([decide(shop, recallHandle)])
    await shop.clock.advance(1000)
    expect(await texts(shop)).toEqual([])
    medium.gate.release()
    const [decided] = await deciding
    await shop.clock.advance(MINUTE_MS)
    expect(decided?.status).toBe('fulfilled')
    expect(await texts(shop)).toEqual(left)
  })

  test.each(DECISIONS)('to %s it, and the topic is being deleted, it is too late', async (_, decide) => {
    const hanging = { journal: false }
    const medium = new FaultMedium({
      decide: ({ kind }) => (hanging.journal && kind.startsWith('journal') ? 'hangs' : 'works'),
    })
    const shop = await openOn(medium, undefined, { flushDiskType: 'SYNC_FLUSH' })
    await shop.createTopic()
    const { recallHandle } = await sendIn(shop, 10)
    hanging.journal = true
    const deleting = shop.broker.deleteTopic('orders')
    await shop.clock.advance(1)
    await expect(decide(shop, recallHandle)).rejects.toThrow(tooLate())
    medium.gate.release()
    await deleting
    expect(shop.events('message-lost')).toMatchObject([{ delayedCount: 1 }])
    expect(shop.store.alarms.size).toBe(0)
  })

  test('to recall it, and the topic is deleted, it is lost', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    const deleting = shop.broker.deleteTopic('orders')
    const deciding = DECISIONS.map(([, decide]) => decide(shop, recallHandle))
    for (const each of await Promise.allSettled(deciding))
      expect(each).toMatchObject({ status: 'rejected', reason: mqError('ILLEGAL_OPERATION') })
    await deleting
    expect(shop.events('message-lost')).toMatchObject([{ delayedCount: 1 }])
    expect(shop.store.alarms.size).toBe(0)
  })
})

describe('A message that is given another time', () => {
  test.each([
    ['earlier', 5],
    ['later', 50],
    ['the same', 10],
  ])('comes %s', async (_, inMs) => {
    const shop = await openShop()
    const { recallHandle, messageId } = await sendIn(shop, 10)
    await reschedule(shop, recallHandle, inMs)
    await shop.clock.advance(inMs - 1)
    expect(await texts(shop)).toEqual([])
    await shop.clock.advance(1)
    expect(await shop.view()).toMatchObject({ messageId, queueOffset: 0 })
    await shop.clock.advance(MINUTE_MS)
    expect(await texts(shop)).toEqual(['x'])
  })

  test('that is over comes at once', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10)
    await reschedule(shop, recallHandle, -MINUTE_MS)
    await shop.clock.advance(0)
    expect(await texts(shop)).toEqual(['x'])
  })

  test('has a new handle, and the old one is void', async () => {
    const shop = await openShop()
    const { recallHandle, messageId } = await sendIn(shop, 10)
    const moved = await reschedule(shop, recallHandle, 20)
    for (const [, decide] of DECISIONS) await expect(decide(shop, recallHandle)).rejects.toThrow(tooLate())
    const again = await reschedule(shop, moved, 20)
    expect(again).not.toBe(moved)
    expect((await waiting(shop)).map((each) => each.recallHandle)).toEqual([again])
    expect(await recall(shop, again)).toBe(messageId)
  })

  test('comes behind those that had this time before', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, 10, { body: 'moved' })
    await sendIn(shop, 20, { body: 'there before' })
    await reschedule(shop, recallHandle, 20)
    await shop.clock.advance(20)
    expect(await texts(shop)).toEqual(['there before', 'moved'])
  })

  test('may lie no further ahead than any', async () => {
    const shop = await openShop({ timerMaxDelayMs: 100 })
    const { recallHandle } = await sendIn(shop, 10)
    await expect(reschedule(shop, recallHandle, 101)).rejects.toThrow(mqError('MESSAGE_ILLEGAL'))
    await reschedule(shop, recallHandle, 100)
  })

  test('shows that time, and is else what it was', async () => {
    const host = await openClients()
    const producer = await host.producer({ compressMsgBodyOverHowmuchBytes: 100 })
    const body = 'a book and another book, '.repeat(40)
    const sent = { topic: 'orders', body, tag: 't', keys: ['k1', 'k2'], properties: { p: 'v' } }
    const { messageId } = await producer.send({ ...sent, delayTimeLevel: 5 })
    const find = async () => (await host.broker.delay.queryDelayedMessages(ALL))[0]!
    const deliveryTimestamp = host.clock.now() + 20
    await host.broker.delay.rescheduleMessage('orders', (await find()).recallHandle, deliveryTimestamp)
    const { message } = await find()
    await host.clock.advance(20)
    for (const each of [message, await host.broker.viewMessage(host.queue(), 0)]) {
      expect(each).toMatchObject({ messageId, deliveryTimestamp, delayTimeLevel: undefined })
      const { tag, keys, properties } = each
      expect({
        topic: 'orders',
        body: each.text(),
        tag,
        keys,
        properties: { ...properties },
      }).toEqual(sent)
      expect(each.storeSize).toBeLessThan(body.length)
    }
  })
})

describe('A message that is delivered now', () => {
  test('is in its queue when that is answered', async () => {
    const shop = await openShop()
    const { recallHandle, messageId } = await sendIn(shop, 10)
    expect(await deliverNow(shop, recallHandle)).toBe(messageId)
    expect(await texts(shop)).toEqual(['x'])
    await shop.clock.advance(MINUTE_MS)
    expect(await texts(shop)).toEqual(['x'])
    expect(await waiting(shop)).toEqual([])
  })

  test('wakes a pull that waits', async () => {
    const shop = await openShop()
    const { recallHandle } = await sendIn(shop, MINUTE_MS)
    const pull = shop.pull({ suspendMs: 1000 })
    await deliverNow(shop, recallHandle)
    expect((await pull).messages).toHaveLength(1)
  })
})

describe('What waits', () => {
  test('is told earliest first, within bounds, and up to a number', async () => {
    const shop = await openShop()
    for (const delayMs of [30, 10, 20, 20]) await sendIn(shop, delayMs, { body: String(delayMs) })
    const now = shop.clock.now()
    const found = async (query: object) =>
      (await waiting(shop, query)).map(({ deliveryTimestamp }) => deliveryTimestamp - now)
    expect(await found({})).toEqual([10, 20, 20, 30])
    expect(await found({ begin: now + 11 })).toEqual([20, 20, 30])
    expect(await found({ begin: now + 10, end: now + 20 })).toEqual([10, 20, 20])
    expect(await found({ end: now + 9 })).toEqual([])
    expect(await found({ maxCount: 2 })).toEqual([10, 20])
  })

  test('is told for one topic, with the queue and the content', async () => {
    const shop = await openShop()
    await shop.createTopic('others', 2)
    await sendIn(shop, 10)
    await sendDelayed(shop, { topic: 'others', delayTimeLevel: 2, tag: 't', keys: ['k'] }, { queueId: 1 })
    const [found, ...more] = await waiting(shop, { topic: 'others' })
    expect(more).toEqual([])
    expect(found?.message).toMatchObject({
      tag: 't',
      keys: ['k'],
      delayTimeLevel: 2,
      queue: shop.queue('others', 1),
      queueOffset: -1,
      offsetMessageId: '',
    })
  })

  test('is told for no topic that does not exist', async () => {
    const shop = await openBroker()
    await expect(waiting(shop)).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
  })
})
