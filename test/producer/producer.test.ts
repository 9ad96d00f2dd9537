import { describe, expect, test, vi } from 'vitest'
import type { MQErrorCode } from '../../src/model/errors.ts'
import type { Message } from '../../src/model/message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { Permission } from '../../src/model/topic.ts'
import { openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const order: Message = { topic: 'orders', body: 'a book' }

describe('Sending a message', () => {
  test('stores it and answers with the proof', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const receipt = await producer.send({
      ...order,
      tag: 'paid',
      keys: ['o-42'],
      properties: { region: 'eu' },
    })
    const stored = await host.broker.viewMessageByOffsetId(receipt.offsetMessageId)
    expect(receipt).toMatchObject({
      status: 'SEND_OK',
      durability: 'MEMORY',
      queueOffset: 0,
      messageCount: 1,
    })
    expect(stored.messageId).toBe(receipt.messageId)
    expect(stored.text()).toBe('a book')
    expect(stored).toMatchObject({ tag: 'paid', keys: ['o-42'], properties: { region: 'eu' } })
    expect(stored.bornTimestamp).toBe(host.clock.now())
  })

  test('copies the body before it returns, so the buffer may be used again at once', async () => {
    const host = await openHost()
    const producer = await host.producer()
    const body = Buffer.from('first')
    const whileTheTopicIsMade = producer.send({ topic: 'orders', body })
    body.write('other')
    await whileTheTopicIsMade
    body.write('third')
    const whenTheRouteIsKnown = producer.send({ topic: 'orders', body })
    body.write('.....')
    const receipts = [await whileTheTopicIsMade, await whenTheRouteIsKnown]
    const views = await Promise.all(
      receipts.map(({ offsetMessageId }) => host.broker.viewMessageByOffsetId(offsetMessageId)),
    )
    expect(views.map((view) => view.text())).toEqual(['first', 'third'])
  })

  test('lets the queues take turns, from a random one on', async () => {
    const host = await openShop(4)
    host.randoms.push(0.75)
    const producer = await host.producer()
    const receipts: SendReceipt[] = []
    for (let i = 0; i < 6; i++) receipts.push(await producer.send(order))
    expect(receipts.map(({ queue }) => queue.queueId)).toEqual([3, 0, 1, 2, 3, 0])
  })

  test('creates the topic with the first send, once for sends that are not awaited, and keeps their order', async () => {
    const host = await openHost()
    const producer = await host.producer()
    const receipts = await Promise.all(
      Array.from({ length: 12 }, (_, i) => producer.send({ topic: 'orders', body: `order ${i}` })),
    )
    expect(await host.broker.queryTopics()).toHaveLength(1)
    const messages = await Promise.all(
      receipts.map(({ offsetMessageId }) => host.broker.viewMessageByOffsetId(offsetMessageId)),
    )
    const ofQueue = messages.filter(({ queue }) => queue.queueId === messages[0]?.queue.queueId)
    expect(ofQueue.map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2])
    expect(ofQueue.map((message) => message.text())).toEqual(['order 0', 'order 4', 'order 8'])
  })

  test('asks for the route once, and again only after it changed', async () => {
    const host = await openShop()
    const publishRoute = vi.fn((topic: string) => host.broker.publishRoute(topic))
    host.replace({ publishRoute })
    const producer = await host.producer()
    for (let i = 0; i < 3; i++) await producer.send(order)
    expect(publishRoute).toHaveBeenCalledTimes(1)
    await host.broker.updateTopic({
      topic: 'orders',
      readQueueNums: 2,
      writeQueueNums: 2,
      permission: Permission.READ_WRITE,
    })
    const receipts = [await producer.send(order), await producer.send(order)]
    expect(publishRoute).toHaveBeenCalledTimes(2)
    expect(receipts.map(({ queue }) => queue.queueId).sort()).toEqual([0, 1])
  })

  test('does not keep a route that changed while it was on its way', async () => {
    const host = await openShop()
    const answers = [new Signal(), new Signal()]
    const asked = answers.values()
    host.replace({
      publishRoute: async (topic) => {
        await asked.next().value?.promise
        return host.broker.publishRoute(topic)
      },
    })
    const producer = await host.producer()
    const first = producer.send(order)
    await host.broker.updateTopic({
      topic: 'orders',
      readQueueNums: 2,
      writeQueueNums: 2,
      permission: Permission.READ_WRITE,
    })
    const second = producer.send(order)
    answers[0]?.resolve()
    await Promise.all([first, second])
    const third = producer.send(order)
    answers[1]?.resolve()
    await expect(third).resolves.toMatchObject({ status: 'SEND_OK' })
    await expect(asked.next()).toMatchObject({ done: true })
  })

  test('fails without keeping the failure when the route cannot be had', async () => {
    const host = await openHost({ broker: { autoCreateTopicEnable: false } })
    const producer = await host.producer()
    await expect(producer.send(order)).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
    await host.createTopic()
    await expect(producer.send(order)).resolves.toMatchObject({ status: 'SEND_OK' })
  })

  test.each<[string, unknown, MQErrorCode]>([
    ['no message', undefined, 'MESSAGE_ILLEGAL'],
    ['a topic that is no name', { topic: 'no spaces', body: 'x' }, 'INVALID_PARAMETER'],
    ['an empty body', { topic: 'orders', body: '' }, 'MESSAGE_ILLEGAL'],
    ['a body that is an object', { topic: 'orders', body: {} }, 'MESSAGE_ILLEGAL'],
    ['a misspelt field', { topic: 'orders', body: 'x', tags: 'paid' }, 'MESSAGE_ILLEGAL'],
    ['a reserved property', { topic: 'orders', body: 'x', properties: { KEYS: 'x' } }, 'MESSAGE_ILLEGAL'],
    ['more than 4 MiB', { topic: 'orders', body: Buffer.alloc(4 * 1024 * 1024) }, 'MESSAGE_ILLEGAL'],
    ['a system topic', { topic: 'SCHEDULE_TOPIC_XXXX', body: 'x' }, 'NO_PERMISSION'],
    ['a dead-letter topic that does not exist', { topic: '%DLQ%billing', body: 'x' }, 'TOPIC_NOT_EXIST'],
  ])('rejects %s, and never throws', async (_, message, code) => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send(message as Message)).rejects.toEqual(mqError(code))
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test('rejects where the topic does not permit writing', async () => {
    const host = await openHost()
    await host.createTopic('orders', 1, Permission.READ)
    const producer = await host.producer()
    await expect(producer.send(order)).rejects.toEqual(mqError('NO_PERMISSION'))
  })

  test('rejects with what the engine rejects with', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const error = new Error('the disk is on fire')
    host.replace({ sendMessage: () => Promise.reject(error) })
    await expect(producer.send(order)).rejects.toBe(error)
  })

  test('hands out the very promise of the engine', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await producer.send(order)
    const promise = new Promise<SendReceipt>(() => undefined)
    host.replace({ sendMessage: () => promise })
    expect(producer.send(order)).toBe(promise)
  })
})

describe('Sending a batch', () => {
  test('stores it in one queue at consecutive offsets', async () => {
    const host = await openShop(4)
    const producer = await host.producer()
    const receipt = await producer.send([order, { ...order, body: 'a lamp' }, { ...order, body: 'a pen' }])
    expect(receipt).toMatchObject({ messageCount: 3, queueOffset: 0 })
    const messages = await Promise.all(
      [0, 1, 2].map((offset) => host.broker.viewMessage(receipt.queue, offset)),
    )
    expect(messages.map(({ messageId }) => messageId)).toEqual(receipt.messageIds)
    expect(messages.map((message) => message.text())).toEqual(['a book', 'a lamp', 'a pen'])
  })

  test('stores nothing of it when one message is illegal', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send([order, { topic: 'orders', body: '' }])).rejects.toEqual(
      mqError('MESSAGE_ILLEGAL'),
    )
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test.each<[string, Message[], string]>([
    ['an empty one', [], 'empty'],
    ['one for two topics', [order, { topic: 'other', body: 'x' }], 'one topic'],
    ['one for a retry topic', [{ topic: '%RETRY%billing', body: 'x' }], 'retry topic'],
    [
      'one of more than 4 MiB',
      Array(5).fill({ topic: 'orders', body: Buffer.alloc(1024 * 1024) }),
      'splitIntoBatches',
    ],
    ['one of too many messages', Array(65_536).fill(order), 'splitIntoBatches'],
  ])('refuses %s', async (_, batch, text) => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send(batch)).rejects.toEqual(mqError('MESSAGE_ILLEGAL', text))
  })

  test('advises against one of more than 1 MiB', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await producer.send(Array(3).fill({ topic: 'orders', body: Buffer.alloc(512 * 1024) }))
    expect(host.events('warning')).toEqual([expect.objectContaining({ code: 'LARGE_BATCH' })])
  })
})

describe('Sending to a chosen queue', () => {
  test('sends to the queue that is given', async () => {
    const host = await openShop(4)
    const producer = await host.producer()
    const receipt = await producer.send(order, {
      queue: { topic: 'orders', brokerName: 'localhost', queueId: 2 },
    })
    expect(receipt.queue.queueId).toBe(2)
  })

  test('sends to the queue that the selector chooses, by the message and the argument', async () => {
    const host = await openShop(4)
    const producer = await host.producer()
    const selector = vi.fn((queues, message: Message, arg: number) => queues[arg + message.body.length - 6])
    const receipt = await producer.send(order, { selector, arg: 3 })
    expect(receipt.queue.queueId).toBe(3)
    expect(selector).toHaveBeenCalledTimes(1)
    expect(selector.mock.calls[0]?.[0]).toHaveLength(4)
  })

  test('asks the selector once for a batch, with its first message', async () => {
    const host = await openShop(4)
    const producer = await host.producer()
    const seen: Message[] = []
    const receipt = await producer.send([order, { topic: 'orders', body: 'other' }], {
      selector: (queues, message) => {
        seen.push(message)
        return queues[1]!
      },
    })
    expect(seen).toEqual([order])
    expect(receipt).toMatchObject({ messageCount: 2, queue: { queueId: 1 } })
  })

  test('rejects with the cause when the selector throws', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const cause = new RangeError('no such region')
    const sent = producer.send(order, {
      selector: () => {
        throw cause
      },
    })
    await expect(sent).rejects.toEqual(mqError('INVALID_PARAMETER', 'no such region'))
    await expect(sent).rejects.toHaveProperty('cause', cause)
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a promise', Promise.resolve()],
    ['a queue of its own making', { topic: 'orders', brokerName: 'localhost', queueId: 0 }],
  ])('rejects when the selector answers %s', async (_, answer) => {
    const host = await openShop()
    const producer = await host.producer()
    const sent = producer.send(order, { selector: () => answer as never })
    await expect(sent).rejects.toEqual(mqError('INVALID_PARAMETER', 'one of the queues'))
  })

  test.each<[string, object, string]>([
    [
      'a queue of another topic',
      { queue: { topic: 'other', brokerName: 'localhost', queueId: 0 } },
      "'orders'",
    ],
    [
      'a queue that does not exist',
      { queue: { topic: 'orders', brokerName: 'localhost', queueId: 7 } },
      'orders@localhost@7',
    ],
    ['a queue of another broker', { queue: { topic: 'orders', brokerName: 'b', queueId: 0 } }, 'orders@b@0'],
    ['a queue that is none', { queue: 'orders' }, 'queueId'],
    [
      'a queue and a selector',
      { queue: { topic: 'orders', brokerName: 'localhost', queueId: 0 }, selector: () => undefined },
      'not both',
    ],
    ['a selector that is no function', { selector: 'hash' }, 'function'],
    ['an argument without a selector', { arg: 1 }, 'selector'],
    ['a timeout of 0', { timeoutMs: 0 }, 'timeoutMs'],
    ['a signal that is none', { signal: {} }, 'AbortSignal'],
    ['an unknown option', { timeout: 5 }, "'timeout'"],
  ])('refuses %s', async (_, options, text) => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send(order, options)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })
})

describe('Giving up a send', () => {
  test('passes the timeout of the producer, or that of the send, to the engine', async () => {
    const host = await openShop()
    const sendMessage = vi.fn((request) => host.broker.sendMessage(request))
    host.replace({ sendMessage })
    const producer = await host.producer({ sendMsgTimeoutMs: 700 })
    await producer.send(order)
    await producer.send(order, { timeoutMs: 50 })
    expect(sendMessage.mock.calls.map(([{ timeoutMs }]) => timeoutMs)).toEqual([700, 50])
  })

  test('waits 3 seconds for room unless told otherwise', async () => {
    const host = await openShop()
    const sendMessage = vi.fn((request) => host.broker.sendMessage(request))
    host.replace({ sendMessage })
    const producer = await host.producer()
    await producer.send(order)
    expect(sendMessage.mock.calls[0]?.[0].timeoutMs).toBe(3000)
  })

  test('rejects at once when the signal is aborted already', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const sent = producer.send(order, { signal: AbortSignal.abort('changed my mind') })
    await expect(sent).rejects.toMatchObject({
      code: 'ABORTED',
      cause: 'changed my mind',
      outcome: 'not-attempted',
    })
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test('rejects when the signal fires while the route is on its way', async () => {
    const host = await openHost()
    const producer = await host.producer()
    const controller = new AbortController()
    const sent = producer.send(order, { signal: controller.signal })
    controller.abort()
    await expect(sent).rejects.toEqual(mqError('ABORTED'))
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })
})

describe('Sending one way', () => {
  test('stores the message', async () => {
    const host = await openShop()
    const producer = await host.producer()
    producer.sendOneway(order)
    producer.sendOneway([order, order])
    producer.sendOneway(order, { queue: host.queue() })
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 3, onewayFailedCount: 0 })
    await producer.close()
    expect(await host.broker.maxOffset(host.queue())).toBe(4)
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 0, onewayFailedCount: 0 })
  })

  test('throws at once what is wrong with the arguments', async () => {
    const host = await openShop()
    const producer = await host.producer()
    expect(() => producer.sendOneway({ topic: 'orders', body: '' })).toThrow(mqError('MESSAGE_ILLEGAL'))
    expect(() => producer.sendOneway({ topic: 'SELF_TEST_TOPIC', body: 'x' })).toThrow(
      mqError('NO_PERMISSION'),
    )
    expect(() => producer.sendOneway(order, { timeoutMs: -1 })).toThrow(mqError('INVALID_PARAMETER'))
    expect(producer.stats.onewayOutstandingCount).toBe(0)
  })

  test('counts and tells a later failure, which nobody can catch', async () => {
    const host = await openHost({ broker: { autoCreateTopicEnable: false } })
    const producer = await host.producer()
    producer.sendOneway(order)
    await producer.close()
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 0, onewayFailedCount: 1 })
    expect(host.events('error')).toEqual([mqError('TOPIC_NOT_EXIST')])
  })

  test('is waited for by close', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await producer.send(order)
    const stored = new Signal<SendReceipt>()
    host.replace({ sendMessage: () => stored.promise })
    producer.sendOneway(order)
    let isClosed = false
    const closing = producer.close().then(() => {
      isClosed = true
    })
    await host.clock.settle()
    expect(isClosed).toBe(false)
    stored.reject(new Error('lost'))
    await closing
    expect(producer.stats.onewayFailedCount).toBe(1)
  })
})

describe('The end of one-way sends', () => {
  test('is not waited for without end: an error tells how many are left to chance', async () => {
    const host = await openShop()
    const producer = await host.producer({ group: 'shop', closeTimeoutMs: 500 })
    await producer.send(order)
    const stored = new Signal<SendReceipt>()
    host.replace({ sendMessage: () => stored.promise })
    producer.sendOneway(order)
    producer.sendOneway(order)
    let isClosed = false
    const closing = producer.close().then(() => {
      isClosed = true
    })
    await host.clock.advance(499)
    expect([isClosed, host.events('error')]).toEqual([false, []])
    await host.clock.advance(1)
    await closing
    expect(host.events('error')).toEqual([mqError('SEND_TIMEOUT', "2 one-way sends of 'shop'")])
    expect(host.events('error')[0]?.outcome).toBe('unknown')
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 2, onewayFailedCount: 0 })
    stored.reject(new Error('lost'))
    await host.clock.settle()
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 0, onewayFailedCount: 2 })
  })

  test('leaves no timer when they are stored in time', async () => {
    const host = await openShop()
    const producer = await host.producer({ closeTimeoutMs: 500 })
    producer.sendOneway(order)
    await producer.close()
    await host.clock.advance(1000)
    expect(host.events('error')).toEqual([])
  })
})

describe('A producer', () => {
  test('refuses to send once it is closed', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await Promise.all([producer.close(), producer.close()])
    await expect(producer.send(order)).rejects.toEqual(mqError('CLOSED'))
    await expect(producer.send([order])).rejects.toEqual(mqError('CLOSED'))
    expect(() => producer.sendOneway(order)).toThrow(mqError('CLOSED'))
    expect(host.closedClients).toEqual([producer])
  })

  test('closes at the end of its scope', async () => {
    const host = await openShop()
    {
      await using producer = await host.producer()
      await producer.send(order)
    }
    expect(host.closedClients).toHaveLength(1)
  })

  test.each<[string, object, string]>([
    ['no group', { group: undefined }, 'group'],
    ['a group that is no name', { group: 'no spaces' }, 'no spaces'],
    ['the group that RocketMQ reserves', { group: 'DEFAULT_PRODUCER' }, 'reserved'],
    ['a misspelt option', { sendMsgTimeout: 5 }, 'sendMsgTimeoutMs'],
    ['a timeout that is no whole number', { sendMsgTimeoutMs: 0.5 }, 'sendMsgTimeoutMs'],
    ['a blank client id', { clientId: ' ' }, 'clientId'],
  ])('is refused with %s', async (_, options, text) => {
    const host = await openHost()
    await expect(host.producer(options)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })

  test('bears the name that it is given, or one of its own', async () => {
    const host = await openHost()
    expect((await host.producer({ clientId: 'till-1' })).clientId).toBe('till-1')
    expect((await host.producer()).clientId).not.toBe((await host.producer()).clientId)
  })
})
