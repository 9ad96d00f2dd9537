import { describe, expect, test } from 'vitest'
import { Admin } from '../../src/admin/admin.ts'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { MQErrorCode } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { defaultGroupConfig, Permission } from '../../src/model/topic.ts'
import { type ClientHost, openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const texts = (messages: readonly MessageView[]): string[] => messages.map((message) => message.text())

/** A group that makes a dead letter of every message, and is gone again. */
async function makeDeadLetters(host: ClientHost, ...bodies: string[]): Promise<void> {
  const consumer = await host.consumer({ maxReconsumeTimes: 0, listener: () => ConsumeResult.FAILURE })
  await host.send(bodies, { tag: 'paid', keys: ['o-1', 'o-2'], properties: { region: 'eu' } })
  await host.clock.settle()
  await consumer.close()
}

describe('Topics', () => {
  test('are created with 4 queues unless told otherwise', async () => {
    const host = await openHost()
    const admin = new Admin(host)
    await admin.createTopic({ topic: 'a' })
    await admin.createTopic({ topic: 'b', queues: 8 })
    await admin.createTopic({ topic: 'c', readQueueNums: 3, writeQueueNums: 2, permission: Permission.READ })
    expect(await admin.topics()).toEqual([
      { topic: 'a', readQueueNums: 4, writeQueueNums: 4, permission: Permission.READ_WRITE },
      { topic: 'b', readQueueNums: 8, writeQueueNums: 8, permission: Permission.READ_WRITE },
      { topic: 'c', readQueueNums: 3, writeQueueNums: 2, permission: Permission.READ },
    ])
  })

  test('may be created again with the same settings, not with others', async () => {
    const admin = new Admin(await openHost())
    await admin.createTopic({ topic: 'a', queues: 2 })
    await admin.createTopic({ topic: 'a', queues: 2 })
    await expect(admin.createTopic({ topic: 'a', queues: 3 })).rejects.toEqual(mqError('TOPIC_EXIST_ALREADY'))
  })

  test('keep what an update leaves out', async () => {
    const admin = new Admin(await openHost())
    await admin.createTopic({ topic: 'a', queues: 2, permission: Permission.READ })
    await admin.updateTopic({ topic: 'a', writeQueueNums: 1 })
    expect(await admin.topics()).toEqual([
      { topic: 'a', readQueueNums: 2, writeQueueNums: 1, permission: Permission.READ },
    ])
    await admin.updateTopic({ topic: 'a', queues: 5 })
    expect(await admin.topics()).toEqual([
      { topic: 'a', readQueueNums: 5, writeQueueNums: 5, permission: Permission.READ },
    ])
  })

  test('show the offsets of their queues and when the last message was stored', async () => {
    const host = await openShop(2)
    await host.send(['x', 'y'], {}, 1)
    expect(await new Admin(host).topicStatus('orders')).toEqual([
      { queue: host.queue('orders', 0), minOffset: 0, maxOffset: 0, lastStoreTimestamp: undefined },
      { queue: host.queue('orders', 1), minOffset: 0, maxOffset: 2, lastStoreTimestamp: host.clock.now() },
    ])
  })

  test('are gone when they are deleted', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    await admin.deleteTopic('orders')
    expect(await admin.topics()).toEqual([])
    await expect(admin.deleteTopic('orders')).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
    await expect(admin.updateTopic({ topic: 'orders' })).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
  })
})

describe('Groups', () => {
  test('are created with defaults, and keep what a later call leaves out', async () => {
    const admin = new Admin(await openHost())
    await admin.createGroup({ group: 'billing', retryQueueNums: 2 })
    await admin.createGroup({ group: 'billing', consumeEnable: false })
    const billing = { ...defaultGroupConfig('billing'), consumeEnable: false, retryQueueNums: 2 }
    expect(await admin.groups()).toEqual([billing])
  })

  test('are gone when they are deleted', async () => {
    const admin = new Admin(await openHost())
    await admin.createGroup({ group: 'billing' })
    await admin.deleteGroup('billing')
    expect(await admin.groups()).toEqual([])
    await expect(admin.consumerProgress('billing')).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST'))
  })
})

describe('Messages are found', () => {
  test('by their id, as they were sent and in all their copies', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    const producer = await host.producer()
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    await host.consumer({ maxReconsumeTimes: 1, listener: () => ConsumeResult.FAILURE })
    await host.clock.advance(10_000)
    const copies = await admin.queryMessagesById(messageId)
    expect(copies.map(({ queue }) => queue.topic)).toEqual(['orders', '%RETRY%billing', '%DLQ%billing'])
    expect((await admin.queryMessageById(messageId)).queue.topic).toBe('orders')
  })

  test('by the address of a copy', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const { offsetMessageId } = await producer.send({ topic: 'orders', body: 'x' })
    expect((await new Admin(host).queryMessageById(offsetMessageId)).text()).toBe('x')
  })

  test('by key, newest first, within a time and a number', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    for (const body of ['a', 'b', 'c']) {
      await host.send([body], { keys: ['o-42', 'customer-7'] })
      await host.clock.advance(1000)
    }
    const now = host.clock.now()
    expect(texts(await admin.queryMessagesByKey('orders', 'o-42'))).toEqual(['c', 'b', 'a'])
    expect(texts(await admin.queryMessagesByKey('orders', 'customer-7', { max: 2 }))).toEqual(['c', 'b'])
    expect(
      texts(await admin.queryMessagesByKey('orders', 'o-42', { begin: now - 2000, end: now - 2000 })),
    ).toEqual(['b'])
    expect(await admin.queryMessagesByKey('orders', 'o')).toEqual([])
  })

  test('by time, oldest first, over all queues', async () => {
    const host = await openShop(2)
    const admin = new Admin(host)
    const start = host.clock.now()
    for (const [i, body] of ['a', 'b', 'c', 'd'].entries()) {
      await host.send([body], {}, i % 2)
      await host.clock.advance(1000)
    }
    expect(texts(await admin.queryMessagesByTime('orders', {}))).toEqual(['a', 'b', 'c', 'd'])
    expect(
      texts(await admin.queryMessagesByTime('orders', { begin: start + 1000, end: start + 2000 })),
    ).toEqual(['b', 'c'])
    expect(texts(await admin.queryMessagesByTime('orders', { begin: start + 500, max: 1 }))).toEqual(['b'])
  })

  test('by offset, and by browsing a queue or a topic', async () => {
    const host = await openShop(2)
    const admin = new Admin(host)
    await host.send(['a', 'b', 'c'], {}, 0)
    await host.clock.advance(1000)
    await host.send(['d'], {}, 1)
    expect((await admin.queryMessageByOffset(host.queue(), 1)).text()).toBe('b')
    expect(texts(await admin.browse(host.queue(), { offset: 1 }))).toEqual(['b', 'c'])
    expect(texts(await admin.browse(host.queue(), { max: 2 }))).toEqual(['a', 'b'])
    expect(texts(await admin.browse('orders'))).toEqual(['a', 'b', 'c', 'd'])
    expect(await admin.browse(host.queue(), { offset: 99 })).toEqual([])
  })

  test.each<[string, (admin: Admin, host: ClientHost) => Promise<unknown>, MQErrorCode]>([
    ['an id that nobody has', (admin) => admin.queryMessageById(`01${'0'.repeat(32)}`), 'NO_MESSAGE'],
    ['an address where nothing is', (admin) => admin.queryMessageById('0'.repeat(32)), 'NO_MESSAGE'],
    [
      'an offset that is not there',
      (admin, host) => admin.queryMessageByOffset(host.queue(), 7),
      'NO_MESSAGE',
    ],
    ['what is no id', (admin) => admin.queryMessageById('o-42'), 'INVALID_PARAMETER'],
    ['what is no text', (admin) => admin.queryMessageById(42 as never), 'INVALID_PARAMETER'],
    ['an empty key', (admin) => admin.queryMessagesByKey('orders', ''), 'INVALID_PARAMETER'],
    ['a topic that does not exist', (admin) => admin.browse('other'), 'TOPIC_NOT_EXIST'],
    ['a topic that is no name', (admin) => admin.queryMessagesByTime('no spaces', {}), 'INVALID_PARAMETER'],
    [
      'a time that ends before it begins',
      (admin) => admin.queryMessagesByTime('orders', { begin: 2, end: 1 }),
      'INVALID_PARAMETER',
    ],
    [
      'a misspelt option',
      (admin) => admin.queryMessagesByTime('orders', { from: 2 } as never),
      'INVALID_PARAMETER',
    ],
    ['half an offset', (admin, host) => admin.queryMessageByOffset(host.queue(), 0.5), 'INVALID_PARAMETER'],
    ['a queue that is none', (admin) => admin.browse({ topic: 'orders' } as never), 'INVALID_PARAMETER'],
    ['an offset of a whole topic', (admin) => admin.browse('orders', { offset: 1 }), 'INVALID_PARAMETER'],
  ])('not by %s', async (_, query, code) => {
    const host = await openShop()
    await expect(query(new Admin(host), host)).rejects.toEqual(mqError(code))
  })
})

describe('Offsets', () => {
  test('of a queue can be asked for, also by time', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    await host.send(['a'])
    await host.clock.advance(1000)
    await host.send(['b'])
    expect([await admin.minOffset(host.queue()), await admin.maxOffset(host.queue())]).toEqual([0, 2])
    expect(await admin.searchOffset(host.queue(), host.clock.now() - 500)).toBe(1)
    await expect(admin.searchOffset(host.queue(), -5)).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })

  test('of a group show how far it is behind', async () => {
    const host = await openShop()
    const consumer = await host.consumer({ listener: () => undefined })
    await host.send(['a', 'b'])
    await host.clock.settle()
    await consumer.close()
    await host.send(['c', 'd', 'e'])
    const progress = await new Admin(host).consumerProgress('billing')
    expect(progress).toMatchObject({ group: 'billing', lag: 3, pendingRetryCount: 0 })
    const orders = progress.queues.find(({ queue }) => queue.topic === 'orders')
    expect(orders).toMatchObject({ brokerOffset: 5, consumerOffset: 2, lag: 3 })
  })

  test.each<[string, object, number]>([
    ['a time', { timestamp: Date.UTC(2027, 0, 1) + 1500 }, 2],
    ['the end, as RocketMQ writes it', { timestamp: -1 }, 3],
    ['the end', { offset: 'max' }, 3],
    ['the beginning', { offset: 'min' }, 0],
    ['an offset of one queue', { offset: 1, queueId: 0 }, 1],
  ])('of a group can be set to %s', async (_, to, expected) => {
    const host = await openShop()
    await host.broker.createGroup(defaultGroupConfig('billing'))
    for (const body of ['a', 'b', 'c']) {
      await host.send([body])
      await host.clock.advance(1000)
    }
    const set = await new Admin(host).resetOffset({ group: 'billing', topic: 'orders', ...to })
    expect(set).toEqual([{ queue: host.queue(), offset: expected }])
    expect(await host.offset()).toBe(expected)
  })

  test('of one queue can be set alone', async () => {
    const host = await openShop(2)
    await host.broker.createGroup(defaultGroupConfig('billing'))
    await host.send(['a'], {}, 0)
    await host.send(['b'], {}, 1)
    await new Admin(host).resetOffset({ group: 'billing', topic: 'orders', offset: 'max', queueId: 1 })
    expect([await host.offset(0), await host.offset(1)]).toEqual([undefined, 1])
  })

  test.each<[string, object, MQErrorCode]>([
    ['to nowhere', {}, 'INVALID_PARAMETER'],
    ['to two places', { timestamp: 0, offset: 'min' }, 'INVALID_PARAMETER'],
    ['to a number in every queue', { offset: 0 }, 'INVALID_PARAMETER'],
    ['to a number behind the end', { offset: 7, queueId: 0 }, 'INVALID_PARAMETER'],
    ['in a queue that does not exist', { offset: 'min', queueId: 7 }, 'INVALID_PARAMETER'],
    ['of a topic that does not exist', { topic: 'other', offset: 'min' }, 'TOPIC_NOT_EXIST'],
    ['of a group that does not exist', { offset: 'min' }, 'SUBSCRIPTION_GROUP_NOT_EXIST'],
  ])('cannot be set %s', async (_, to, code) => {
    const host = await openShop()
    const reset = new Admin(host).resetOffset({ group: 'billing', topic: 'orders', ...to })
    await expect(reset).rejects.toEqual(mqError(code))
  })
})

describe('Dead letters', () => {
  test('can be looked at though applications may neither read nor write them', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    expect(await admin.deadLetters('billing')).toEqual([])
    await makeDeadLetters(host, 'a', 'b', 'c')
    const letters = await admin.deadLetters('billing')
    expect(texts(letters).sort()).toEqual(['a', 'b', 'c'])
    expect(letters[0]?.properties).toMatchObject({
      RETRY_TOPIC: 'orders',
      DLQ_REASON: 'The listener returned FAILURE.',
    })
    expect(texts(await admin.deadLetters('billing', { offset: 1, max: 1 }))).toEqual([letters[1]?.text()])
    expect((await admin.topics()).find(({ topic }) => topic === '%DLQ%billing')?.permission).toBe(
      Permission.NONE,
    )
  })

  test('are sent again as new messages to the topic that they came from', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    await makeDeadLetters(host, 'a')
    const [letter] = await admin.deadLetters('billing')
    const receipts = [
      await admin.resendDeadLetter('billing', letter!),
      await admin.resendDeadLetter('billing', 0),
    ]
    const sent = await Promise.all(
      receipts.map(({ offsetMessageId }) => admin.queryMessageById(offsetMessageId)),
    )
    for (const message of sent) {
      expect(message).toMatchObject({
        topic: 'orders',
        tag: 'paid',
        keys: ['o-1', 'o-2'],
        properties: { region: 'eu' },
      })
      expect([message.text(), message.reconsumeTimes]).toEqual(['a', 0])
      expect(message.messageId).not.toBe(letter?.messageId)
    }
    expect(await admin.deadLetters('billing')).toHaveLength(1)
  })

  test('are sent again all together, and next time only those that came since', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    await makeDeadLetters(host, 'a', 'b', 'c')
    expect(await admin.resendDeadLetters('billing')).toEqual({ resentCount: 3, nextOffset: 3 })
    expect(await admin.resendDeadLetters('billing', { offset: 3 })).toEqual({ resentCount: 0, nextOffset: 3 })
    expect(await admin.resendDeadLetters('billing', { max: 1 })).toEqual({ resentCount: 1, nextOffset: 1 })
    expect(await admin.maxOffset(host.queue())).toBe(3 + 4)
  })

  test('stay where they are when one cannot be sent, and the error says which', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    await makeDeadLetters(host, 'a', 'b')
    let count = 0
    host.replace({
      sendMessage: (request) => {
        count += 1
        return count === 2 ? Promise.reject(new Error('no room')) : host.broker.sendMessage(request)
      },
    })
    await expect(admin.resendDeadLetters('billing')).rejects.toEqual(
      mqError('SYSTEM_ERROR', 'offset 1 was not sent, 1 before it'),
    )
  })

  test.each<[string, (admin: Admin, host: ClientHost) => Promise<unknown>, MQErrorCode]>([
    [
      'a message that is none',
      async (admin, host) =>
        admin.resendDeadLetter('billing', await admin.queryMessageByOffset(host.queue(), 0)),
      'INVALID_PARAMETER',
    ],
    [
      'the dead letter of another group',
      async (admin) => admin.resendDeadLetter('other', (await admin.deadLetters('billing'))[0]!),
      'INVALID_PARAMETER',
    ],
    ['an offset where none is', (admin) => admin.resendDeadLetter('billing', 9), 'NO_MESSAGE'],
    ['one of a group that has none', (admin) => admin.resendDeadLetter('other', 0), 'NO_MESSAGE'],
  ])('are not sent again: %s', async (_, resend, code) => {
    const host = await openShop()
    await makeDeadLetters(host, 'a')
    await expect(resend(new Admin(host), host)).rejects.toEqual(mqError(code))
  })
})

describe('The store', () => {
  test('can be checked and flushed', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    await host.send(['a', 'b'])
    expect(await admin.check()).toMatchObject({ ok: true, problems: [], messageCount: 2 })
    await admin.flush()
  })
})
