/** Requests and their replies, from the producer that asks to the consumer that answers. */
import { getEventListeners } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { realTime } from '../../src/model/system-clock.ts'
import { PocketMQ } from '../../src/pocketmq.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { openHost } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const request = { topic: 'prices', body: 'apples' }

async function openShop(): Promise<{ readonly mq: TestMQ; readonly producer: Producer }> {
  const mq = await createTestMQ({ topics: [{ topic: 'prices', queues: 1 }] })
  onTestFinished(() => mq.close().then(() => undefined))
  return { mq, producer: await mq.createProducer({ group: 'shop', clientId: 'asker' }) }
}

/** A consumer that replies with this text to each request. */
function answering(mq: TestMQ, text: string, group = 'clerks') {
  return mq.createPushConsumer({
    group,
    subscriptions: { prices: '*' },
    listener: async (message) => void (await message.reply(text)),
  })
}

/** What a promise rejects with. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('It resolved.'),
    (error: unknown) => error,
  )
}

describe('A request', () => {
  test('is answered by a consumer, with everything that a reply can carry', async () => {
    const { mq, producer } = await openShop()
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => {
        const body = JSON.stringify({ price: 12, of: message.text() })
        await message.reply({ body, tag: 'sale', keys: ['k1', 'k2'], properties: { currency: 'EUR' } })
      },
    })
    const reply = await producer.request({ ...request, properties: { shop: 'north' } })
    expect(reply.json()).toEqual({ price: 12, of: 'apples' })
    expect(reply).toMatchObject({
      tag: 'sale',
      keys: ['k1', 'k2'],
      topic: 'DefaultCluster_REPLY_TOPIC',
      queue: { topic: 'DefaultCluster_REPLY_TOPIC', brokerName: 'localhost', queueId: 0 },
      queueOffset: -1,
      offsetMessageId: '',
      bornTimestamp: mq.clock.now(),
      storeTimestamp: mq.clock.now(),
      reconsumeTimes: 0,
      deliveryAttempt: 1,
      storeSize: 0,
      messageGroup: undefined,
      isRequest: false,
    })
    expect(reply.messageId).toMatch(/^01[0-9A-F]{32}$/)
    expect(reply.body.toString()).toBe(reply.text())
  })

  test('says who asks, for how long; and the reply repeats it', async () => {
    const { mq, producer } = await openShop()
    const asked = new Promise<Readonly<Record<string, string>>>((resolve) => {
      void mq.createPushConsumer({
        group: 'clerks',
        subscriptions: { prices: '*' },
        listener: async (message) => {
          expect(message.isRequest).toBe(true)
          resolve(message.properties)
          await message.reply({ body: 'x', properties: { mine: '1' } })
        },
      })
    })
    const reply = await producer.request({ ...request, properties: { shop: 'north' } }, { timeoutMs: 1234 })
    const properties = await asked
    expect(properties).toEqual({
      CORRELATION_ID: expect.stringMatching(/^[0-9A-F]{34}$/),
      REPLY_TO_CLIENT: 'asker',
      TTL: '1234',
      shop: 'north',
    })
    const now = String(mq.clock.now())
    expect({ ...reply.properties }).toEqual({
      MSG_TYPE: 'reply',
      CORRELATION_ID: properties.CORRELATION_ID,
      REPLY_TO_CLIENT: 'asker',
      TTL: '1234',
      PUSH_REPLY_TIME: now,
      ARRIVE_TIME: now,
      mine: '1',
    })
  })

  test('finds its own reply among those of others', async () => {
    const { mq, producer } = await openShop()
    const other = await mq.createProducer({ group: 'shop' })
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      concurrency: 20,
      listener: async (message) => {
        await mq.clock.sleep(20 - Number(message.text()))
        await message.reply(`${message.text()}!`)
      },
    })
    const bodies = Array.from({ length: 20 }, (_, index) => String(index))
    const asking = bodies.map((body, index) =>
      (index % 2 === 0 ? producer : other).request({ topic: 'prices', body }),
    )
    expect(producer.stats.requestOutstandingCount).toBe(10)
    await mq.clock.advance(100)
    const replies = await Promise.all(asking)
    expect(replies.map((reply) => reply.text())).toEqual(bodies.map((body) => `${body}!`))
    expect(producer.stats).toMatchObject({ requestOutstandingCount: 0, droppedReplyCount: 0 })
  })

  test('is stored and consumed as any other message, and its reply is not stored', async () => {
    const { mq, producer } = await openShop()
    await answering(mq, '12 EUR')
    await producer.request(request)
    await mq.settled()
    expect((await mq.admin.consumerProgress('clerks')).lag).toBe(0)
    const topics = (await mq.admin.topics()).map(({ topic }) => topic)
    expect(topics).not.toContain('DefaultCluster_REPLY_TOPIC')
    expect(await mq.admin.check()).toMatchObject({ ok: true, messageCount: 1 })
  })

  test('goes to the queue that its options or its message group choose', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'prices', queues: 4 }] })
    const producer = await mq.createProducer({ group: 'shop' })
    const queues: number[] = []
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => {
        queues.push(message.queue.queueId)
        await message.reply('x')
      },
    })
    await producer.request(request, { selector: (all) => all[3]! })
    await producer.request(request, { queue: { topic: 'prices', brokerName: 'localhost', queueId: 2 } })
    for (let i = 0; i < 3; i++) await producer.request({ ...request, messageGroup: 'user_42' })
    expect(queues.slice(0, 2)).toEqual([3, 2])
    expect(new Set(queues.slice(2)).size).toBe(1)
  })
})

describe('A request without a reply', () => {
  test('rejects when its time is over, not before, and is consumed all the same', async () => {
    const { mq, producer } = await openShop()
    const failing = failureOf(producer.request(request, { timeoutMs: 500 }))
    await mq.clock.advance(499)
    expect(producer.stats.requestOutstandingCount).toBe(1)
    await mq.clock.advance(1)
    expect(await failing).toEqual(
      mqError('REQUEST_TIMEOUT', "within 500 ms; the request is stored in 'prices'"),
    )
    expect(await failing).toMatchObject({ responseCode: 10006, outcome: undefined })
    expect(producer.stats.requestOutstandingCount).toBe(0)

    const statuses: string[] = []
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => void statuses.push((await message.reply('late')).status),
    })
    await mq.settled()
    expect(statuses).toEqual(['DROPPED'])
    expect(producer.stats.droppedReplyCount).toBe(1)
  })

  test('is dropped for nobody when another producer of the same client takes it', async () => {
    const mq = await createTestMQ()
    const [first, second] = await Promise.all(
      ['shop', 'office'].map((group) => mq.createProducer({ group, clientId: 'one' })),
    )
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => void (await message.reply('12')),
    })
    const asking = [first, second].map((producer) => producer!.request(request))
    await mq.settled()
    expect(await Promise.all(asking)).toHaveLength(2)
    expect([first, second].map((producer) => producer!.stats.droppedReplyCount)).toEqual([0, 0])
  })

  test('waits as long as the producer says when nothing else is said', async () => {
    const mq = await createTestMQ()
    onTestFinished(() => mq.close().then(() => undefined))
    const patient = await mq.createProducer({ group: 'shop', sendMsgTimeoutMs: 7000 })
    const failing = failureOf(patient.request(request))
    await mq.clock.advance(6999)
    expect(patient.stats.requestOutstandingCount).toBe(1)
    await mq.clock.advance(1)
    expect(await failing).toEqual(mqError('REQUEST_TIMEOUT', '7000 ms'))
  })

  test('rejects when its time is over although the send is not answered', async () => {
    const { mq, producer } = await openShop()
    mq.faults.delay('sendMessage', { byMs: 400 })
    const failing = failureOf(producer.request(request, { timeoutMs: 500 }))
    await mq.clock.advance(500)
    expect(await failing).toMatchObject({ code: 'REQUEST_TIMEOUT', outcome: undefined })
    mq.faults.delay('sendMessage', { byMs: 400 })
    const unheard = failureOf(producer.request(request, { timeoutMs: 300 }))
    await mq.clock.advance(300)
    expect(await unheard).toMatchObject({ outcome: 'unknown' })
  })

  test('rejects as the send does when that fails, and waits no more', async () => {
    const { mq, producer } = await openShop()
    mq.faults.fail('sendMessage', { code: 'SYSTEM_BUSY' })
    expect(await failureOf(producer.request(request))).toMatchObject({
      code: 'SYSTEM_BUSY',
      outcome: 'not-attempted',
    })
    expect(producer.stats.requestOutstandingCount).toBe(0)
  })

  test('is ended by its signal, before and after it is stored', async () => {
    const { mq, producer } = await openShop()
    const aborted = AbortSignal.abort('enough')
    expect(await failureOf(producer.request(request, { signal: aborted }))).toMatchObject({
      code: 'ABORTED',
      outcome: 'not-attempted',
    })
    const controller = new AbortController()
    const failing = failureOf(producer.request(request, { signal: controller.signal }))
    await mq.clock.rest()
    controller.abort('enough')
    expect(await failing).toEqual(mqError('ABORTED', "stored in 'prices'"))
    expect(await failing).toMatchObject({ cause: 'enough' })
    expect(producer.stats.requestOutstandingCount).toBe(0)
    expect(await mq.admin.maxOffset({ topic: 'prices', brokerName: 'localhost', queueId: 0 })).toBe(1)
  })

  test('whose signal fires while it is stored rejects when it is', async () => {
    const { producer } = await openShop()
    const controller = new AbortController()
    const failing = failureOf(producer.request(request, { signal: controller.signal }))
    controller.abort('enough')
    expect(await failing).toEqual(mqError('ABORTED'))
  })

  test('whose signal fires while the answer of the send is on its way waits for that', async () => {
    const host = await openHost()
    await host.createTopic('prices')
    const producer = await host.producer()
    await producer.send(request)
    const answered = new Signal()
    host.replace({
      sendMessage: async ({ signal: _, ...send }) => {
        const receipt = await host.broker.sendMessage(send)
        await answered.promise
        return receipt
      },
    })
    const controller = new AbortController()
    const asking = producer.request(request, { signal: controller.signal })
    const failing = failureOf(asking)
    controller.abort('enough')
    await host.broker.flush()
    expect(producer.stats.requestOutstandingCount).toBe(1)
    answered.resolve()
    expect(await failing).toEqual(mqError('ABORTED', "stored in 'prices'"))
    expect(producer.stats.requestOutstandingCount).toBe(0)
  })

  test('leaves neither a timer nor a listener behind, however it ends', async () => {
    const host = await openHost()
    await host.createTopic('prices')
    const producer = await host.producer()
    const { signal } = new AbortController()
    const { requests } = host.broker
    const before = host.clock.timerCount
    host.replace({
      requests: {
        takeReplies: (clientId, taker) => {
          answer = (reply) => taker.take(reply.properties.CORRELATION_ID!, reply)
          return requests.takeReplies(clientId, taker)
        },
        sendReply: (reply) => requests.sendReply(reply),
      },
    })
    let answer: (request: MessageView) => boolean = () => false
    const asking = producer.request(request, { signal })
    expect(getEventListeners(signal, 'abort')).not.toEqual([])
    await realTime.turn()
    const stored = await host.broker.viewMessage(host.queue('prices'), 0)
    expect(answer(stored)).toBe(true)
    expect((await asking).messageId).toBe(stored.messageId)
    expect([host.clock.timerCount, getEventListeners(signal, 'abort')]).toEqual([before, []])
  })

  test('rejects with CLOSED when the producer closes, and later replies have nobody to go to', async () => {
    const { mq, producer } = await openShop()
    const failing = failureOf(producer.request(request))
    await mq.clock.rest()
    const closing = producer.close()
    expect(await failing).toEqual(mqError('CLOSED', "producer of 'shop'"))
    await closing
    const errors: unknown[] = []
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => void errors.push(await failureOf(message.reply('x'))),
    })
    await mq.settled()
    expect(errors).toEqual([mqError('REQUESTER_NOT_ONLINE', "'asker'")])
    expect(errors[0]).toMatchObject({ responseCode: 1 })
    expect(await failureOf(producer.request(request))).toEqual(mqError('CLOSED'))
  })

  test('rejects with CLOSED when the instance closes', async () => {
    const { mq, producer } = await openShop()
    const failing = failureOf(producer.request(request))
    await mq.clock.rest()
    await mq.close()
    expect(await failing).toEqual(mqError('CLOSED'))
  })

  test('is answered by listeners that finish while the instance closes', async () => {
    const { mq, producer } = await openShop()
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => {
        await mq.clock.sleep(100)
        await message.reply('just in time')
      },
    })
    const asking = producer.request(request)
    await mq.clock.rest()
    await mq.close()
    expect((await asking).text()).toBe('just in time')
  })

  test('rejects with CLOSED at a crash; the request is stored, and its reply is to nobody', async () => {
    const { mq, producer } = await openShop()
    const failing = failureOf(producer.request(request))
    await mq.clock.rest()
    await using reopened = await mq.crash()
    expect(await failing).toEqual(mqError('CLOSED', 'crashed'))
    const errors: unknown[] = []
    await reopened.createPushConsumer({
      group: 'clerks',
      subscriptions: { prices: '*' },
      listener: async (message) => void errors.push(await failureOf(message.reply('x'))),
    })
    await reopened.settled()
    expect(errors).toEqual([mqError('REQUESTER_NOT_ONLINE', "'asker'")])
  })

  test('keeps the process running, and no longer than it waits', async () => {
    const mq = await PocketMQ.open({ storage: 'memory' })
    const producer = await mq.createProducer({ group: 'shop' })
    const channels = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
    const before = channels()
    const controller = new AbortController()
    const failing = failureOf(producer.request(request, { signal: controller.signal, timeoutMs: 60_000 }))
    expect(channels()).toBe(before + 1)
    controller.abort()
    await failing
    await realTime.turn()
    expect(channels()).toBe(before)
    await mq.close()
  })
})

describe('What cannot be a request is refused:', () => {
  const sent = { orders: 1 }
  test.each([
    ['a batch', [request, request], {}, 'MESSAGE_ILLEGAL', 'batch'],
    ['a message with a delay level', { ...request, delayTimeLevel: 3 }, {}, 'MESSAGE_ILLEGAL', 'delayed'],
    ['one with a time', { ...request, deliveryTimestamp: 1 }, {}, 'MESSAGE_ILLEGAL', 'delayed'],
    ['part of a transaction', request, { transaction: sent }, 'INVALID_PARAMETER', 'transaction'],
    ['an unknown option', request, { timeout: 1 }, 'INVALID_PARAMETER', "'timeout'"],
    ['options that are none', request, null, 'INVALID_PARAMETER', 'object'],
    ['a time that is none', request, { timeoutMs: 0 }, 'INVALID_PARAMETER', 'timeoutMs'],
    ['no message', undefined, {}, 'MESSAGE_ILLEGAL', 'object'],
    ['an empty body', { topic: 'prices', body: '' }, {}, 'MESSAGE_ILLEGAL', 'empty'],
    ['a system topic', { ...request, topic: 'TBW102' }, {}, 'NO_PERMISSION', 'system topic'],
  ] as const)('%s', async (_what, message, options, code, text) => {
    const { mq, producer } = await openShop()
    const failing = producer.request(message as never, options as never)
    await expect(failing).rejects.toEqual(mqError(code, text))
    expect(producer.stats.requestOutstandingCount).toBe(0)
    expect(mq.ledger.entries).toEqual([])
  })

  test('anything, where the engine passes no replies on', async () => {
    const host = await openHost()
    const producer = await host.producer()
    host.replace({ requests: undefined } as object)
    await expect(producer.request(request)).rejects.toEqual(mqError('UNSUPPORTED', 'replies'))
  })
})
