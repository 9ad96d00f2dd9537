/** Replies: from consumers of every kind, more than one, too late, to nobody, and to what is no request. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { replyingEngine } from '../../src/consumer/replying-engine.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { ReplyReceipt } from '../../src/model/reply.ts'
import { matchAll } from '../../src/model/subscription.ts'
import { realTime } from '../../src/model/system-clock.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { openHost } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const request = { topic: 'prices', body: 'apples' }
const subscriptions = { prices: '*' }

async function openShop(): Promise<{ readonly mq: TestMQ; readonly producer: Producer }> {
  const mq = await createTestMQ({ topics: [{ topic: 'prices', queues: 1 }] })
  onTestFinished(() => mq.close().then(() => undefined))
  return { mq, producer: await mq.createProducer({ group: 'shop' }) }
}

/** What `work` answers for the first message that a consumer is given. */
async function withMessage<Answer>(
  mq: TestMQ,
  work: (message: MessageView) => Promise<Answer>,
): Promise<Answer> {
  const simple = await mq.createSimpleConsumer({ group: 'clerks', subscriptions })
  const [message] = await simple.receive({ awaitDurationMs: 0 })
  if (message === undefined) return expect.fail('There is no message.')
  return work(message)
}

describe('A request is answered by', () => {
  test.each([
    ['concurrent', 'clustering'],
    ['orderly', 'clustering'],
    ['concurrent', 'broadcasting'],
    ['orderly', 'broadcasting'],
  ] as const)('a push consumer, %s and %s', async (mode, messageModel) => {
    const { mq, producer } = await openShop()
    const listener = async (message: MessageView) => void (await message.reply('12 EUR'))
    await mq.createPushConsumer({ group: 'clerks', subscriptions, mode, messageModel, listener })
    expect((await producer.request(request)).text()).toBe('12 EUR')
  })

  test('a listener of batches, each for itself', async () => {
    const { mq, producer } = await openShop()
    const asking = ['a', 'b', 'c'].map((body) => producer.request({ topic: 'prices', body }))
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions,
      consumeMessageBatchMaxSize: 8,
      listener: async (messages) => {
        await Promise.all(messages.map((message) => message.reply(message.text().toUpperCase())))
      },
    })
    expect((await Promise.all(asking)).map((reply) => reply.text())).toEqual(['A', 'B', 'C'])
  })

  test('a lite pull consumer that polls, and one that loops', async () => {
    const { mq, producer } = await openShop()
    const lite = await mq.createLitePullConsumer({ group: 'clerks', subscriptions })
    const first = producer.request(request)
    for (const message of await lite.poll()) await message.reply('polled')
    expect((await first).text()).toBe('polled')
    const second = producer.request(request)
    for await (const message of lite) {
      await message.reply('looped')
      break
    }
    expect((await second).text()).toBe('looped')
  })

  test('a simple consumer, also after the acknowledgement', async () => {
    const { mq, producer } = await openShop()
    const simple = await mq.createSimpleConsumer({ group: 'clerks', subscriptions })
    const asking = producer.request(request)
    const [message] = await simple.receive()
    await simple.ack(message!)
    expect(await message!.reply('received')).toMatchObject({ status: 'DELIVERED' })
    expect((await asking).text()).toBe('received')
  })

  test('a pull consumer', async () => {
    const { mq, producer } = await openShop()
    const puller = await mq.createPullConsumer({ group: 'clerks' })
    const [queue] = await puller.fetchSubscribeMessageQueues('prices')
    await producer.send({ topic: 'prices', body: 'no request' })
    const asking = producer.request(request)
    await mq.clock.rest()
    const result = await puller.pull(queue!, '*', 0, 32)
    expect(result).toMatchObject({ status: 'FOUND', nextBeginOffset: 2, minOffset: 0, maxOffset: 2 })
    expect(result.messages.map(({ isRequest }) => isRequest)).toEqual([false, true])
    await result.messages[1]!.reply('pulled')
    expect((await asking).text()).toBe('pulled')
  })

  test('whoever gets it again after a failure', async () => {
    const { mq, producer } = await openShop()
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions,
      listener: async (message) => {
        if (message.deliveryAttempt < 3) throw new Error('not yet')
        await message.reply(`at attempt ${message.deliveryAttempt}`)
      },
    })
    const asking = producer.request(request, { timeoutMs: 60_000 })
    await mq.clock.advance(50_000)
    expect((await asking).text()).toBe('at attempt 3')
  })

  test('who consumes in order and fails first, which wraps the message twice', async () => {
    const { mq, producer } = await openShop()
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions,
      mode: 'orderly',
      listener: async (message) => {
        if (message.deliveryAttempt < 3) return 'SUSPEND_CURRENT_QUEUE_A_MOMENT'
        await message.reply(`at attempt ${message.deliveryAttempt}, ${message.isRequest}`)
        return 'SUCCESS'
      },
    })
    const asking = producer.request(request, { timeoutMs: 60_000 })
    await mq.clock.advance(10_000)
    expect((await asking).text()).toBe('at attempt 3, true')
  })
})

describe('Of several replies', () => {
  test('the first counts, and the others are dropped and counted', async () => {
    const { mq, producer } = await openShop()
    const receipts: ReplyReceipt[] = []
    const member = async (name: string, waitMs: number) =>
      mq.createPushConsumer({
        group: 'clerks',
        clientId: name,
        subscriptions,
        messageModel: 'broadcasting',
        listener: async (message) => {
          await mq.clock.sleep(waitMs)
          receipts.push(await message.reply(name))
        },
      })
    for (const [name, waitMs] of [
      ['slow', 30],
      ['quick', 10],
      ['steady', 20],
    ] as const)
      await member(name, waitMs)
    const asking = producer.request(request)
    await mq.clock.advance(100)
    expect((await asking).text()).toBe('quick')
    expect(receipts.map(({ status }) => status)).toEqual(['DELIVERED', 'DROPPED', 'DROPPED'])
    expect(new Set(receipts.map(({ messageId }) => messageId)).size).toBe(3)
    expect(producer.stats.droppedReplyCount).toBe(2)
  })

  test('of one consumer the first counts too', async () => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request)
    await mq.clock.rest()
    const statuses = await withMessage(mq, async (message) => [
      (await message.reply('one')).status,
      (await message.reply('two')).status,
    ])
    expect(statuses).toEqual(['DELIVERED', 'DROPPED'])
    expect((await asking).text()).toBe('one')
  })

  test('each finds its producer, also where producers of two groups share a name', async () => {
    const { mq } = await openShop()
    const [one, two] = await Promise.all(
      ['one', 'two'].map((group) => mq.createProducer({ group, clientId: 'same' })),
    )
    await mq.createPushConsumer({
      group: 'clerks',
      subscriptions,
      listener: async (message) => void (await message.reply(`to ${message.text()}`)),
    })
    const replies = await Promise.all([
      one!.request({ topic: 'prices', body: 'one' }),
      two!.request({ topic: 'prices', body: 'two' }),
    ])
    expect(replies.map((reply) => reply.text())).toEqual(['to one', 'to two'])
    await one!.close()
    expect((await two!.request({ topic: 'prices', body: 'two' })).text()).toBe('to two')
  })
})

describe('A reply is refused', () => {
  test('to a message that is no request, and nothing is sent', async () => {
    const { mq, producer } = await openShop()
    await producer.send(request)
    await withMessage(mq, async (message) => {
      expect(message.isRequest).toBe(false)
      await expect(message.reply('x')).rejects.toEqual(mqError('CREATE_REPLY_MESSAGE', 'is no request'))
      await expect(message.reply('x')).rejects.toMatchObject({ responseCode: 10007 })
    })
  })

  test('to a request that was looked up', async () => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request, { timeoutMs: 1000 })
    const timedOut = expect(asking).rejects.toEqual(mqError('REQUEST_TIMEOUT'))
    await mq.clock.rest()
    const found = await mq.admin.queryMessageByOffset(
      { topic: 'prices', brokerName: 'localhost', queueId: 0 },
      0,
    )
    expect(found.isRequest).toBe(true)
    await expect(found.reply('x')).rejects.toEqual(mqError('CREATE_REPLY_MESSAGE', 'looked up'))
    await mq.clock.advance(1000)
    await timedOut
  })

  test('to a reply', async () => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request)
    await mq.clock.rest()
    await withMessage(mq, (message) => message.reply('x'))
    await expect((await asking).reply('y')).rejects.toEqual(mqError('CREATE_REPLY_MESSAGE', 'is no request'))
  })

  test('when its request is a dead letter that was sent again: that is a message as any other', async () => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request, { timeoutMs: 1000 })
    const timedOut = expect(asking).rejects.toEqual(mqError('REQUEST_TIMEOUT'))
    const clerk = await mq.createPushConsumer({
      group: 'clerks',
      subscriptions,
      maxReconsumeTimes: 0,
      listener: () => 'FAILURE',
    })
    await mq.settled()
    await clerk.close()
    await mq.admin.resendDeadLetters('clerks')
    expect(await withMessage(mq, async ({ isRequest }) => isRequest)).toBe(false)
    await mq.clock.advance(1000)
    await timedOut
  })

  const tooLarge = 'x'.repeat(4 * 1024 * 1024)
  test.each([
    ['empty', '', 'empty'],
    ['nothing', undefined, 'A reply must be'],
    ['a number', 12, 'A reply must be'],
    ['too large', tooLarge, 'may take'],
    ['without a body', { tag: 'x' }, 'body'],
    ['with a topic', { body: 'x', topic: 'prices' }, "no field 'topic'"],
    ['with a delay', { body: 'x', delayTimeLevel: 1 }, "no field 'delayTimeLevel'"],
    ['with a reserved property', { body: 'x', properties: { TTL: '1' } }, "'TTL' is reserved"],
    ['with a tag that is none', { body: 'x', tag: 'a||b' }, 'The tag'],
  ])('that is %s', async (_what, reply, text) => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request)
    await mq.clock.rest()
    await withMessage(mq, async (message) => {
      await expect(message.reply(reply as never)).rejects.toEqual(mqError('MESSAGE_ILLEGAL', text))
      await message.reply('sound')
    })
    expect((await asking).text()).toBe('sound')
  })

  test('once the engine is closed', async () => {
    const host = await openHost()
    await host.createTopic('prices')
    const producer = await host.producer()
    const failing = expect(producer.request(request)).rejects.toEqual(mqError('CLOSED', 'engine'))
    const engine = replyingEngine(host.engine, host.ids)
    const queue = host.queue('prices')
    await realTime.turn()
    await engine.ensureGroup('clerks')
    const message = await pullOne(engine, queue)
    await host.broker.close()
    await failing
    await expect(message.reply('x')).rejects.toEqual(mqError('CLOSED', 'engine is closed'))
  })

  test('when a request says of itself only half of what it must', async () => {
    const host = await openHost()
    const request = { isRequest: true, messageId: 'A', properties: { REPLY_TO_CLIENT: 'b' } }
    const sending = host.broker.requests.sendReply({ group: 'clerks', request, reply: {} } as never)
    await expect(sending).rejects.toEqual(mqError('CREATE_REPLY_MESSAGE'))
  })
})

describe('A reply', () => {
  test('keeps what its body was when it was called', async () => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request)
    await mq.clock.rest()
    await withMessage(mq, async (message) => {
      const body = Buffer.from([1, 2, 3])
      const replying = message.reply(body)
      body.fill(0)
      await replying
    })
    expect([...(await asking).body]).toEqual([1, 2, 3])
  })

  test('comes from a message that shows itself as the stored one does', async () => {
    const { mq, producer } = await openShop()
    void producer.request(request).catch(() => undefined)
    await mq.clock.rest()
    const puller = await mq.createPullConsumer({ group: 'clerks' })
    const [queue] = await puller.fetchSubscribeMessageQueues('prices')
    const [pulled] = (await puller.pull(queue!, '*', 0, 1)).messages
    const stored = await mq.admin.queryMessageByOffset(queue!, 0)
    expect(JSON.stringify(pulled)).toBe(JSON.stringify(stored))
    const { storeSize, storeTimestamp, bornTimestamp, queueOffset, keys, tag, offsetMessageId } = stored
    const same = { storeSize, storeTimestamp, bornTimestamp, queueOffset, keys, tag, offsetMessageId }
    expect(pulled).toMatchObject({ ...same, reconsumeTimes: 0, deliveryAttempt: 1, messageGroup: undefined })
    expect(pulled!.body.equals(stored.body)).toBe(true)
  })

  test('is in the ledger, under the message that is its request', async () => {
    const { mq, producer } = await openShop()
    const asking = producer.request(request)
    await mq.clock.rest()
    await withMessage(mq, (message) => message.reply('x'))
    await asking
    const [sent] = mq.ledger.of('sent')
    expect(mq.ledger.of('replied')).toMatchObject([
      { messageId: sent?.messageId, topic: 'prices', group: 'clerks', status: 'DELIVERED' },
    ])
  })

  test('can be made to fail, or to come late', async () => {
    const { mq, producer } = await openShop()
    mq.faults.fail('sendReply', { code: 'SYSTEM_BUSY', times: 1 })
    const asking = producer.request(request)
    await mq.clock.rest()
    await withMessage(mq, async (message) => {
      await expect(message.reply('x')).rejects.toEqual(mqError('SYSTEM_BUSY'))
      mq.faults.delay('sendReply', { byMs: 4000 })
      const replying = message.reply('x')
      const timedOut = expect(asking).rejects.toEqual(mqError('REQUEST_TIMEOUT'))
      await mq.clock.advance(4000)
      await timedOut
      expect((await replying).status).toBe('DROPPED')
    })
  })
})

describe('A reply that is odd', () => {
  test.each([
    [
      'has a getter that throws',
      {
        get body() {
          throw new TypeError('odd')
        },
      },
    ],
    [
      'is a proxy that throws',
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new TypeError('odd')
          },
        },
      ),
    ],
  ])('because it %s is illegal', async (_, reply) => {
    const { mq, producer } = await openShop()
    void producer.request(request).catch(() => undefined)
    await withMessage(mq, (message) =>
      expect(message.reply(reply as never)).rejects.toEqual(mqError('MESSAGE_ILLEGAL', 'odd')),
    )
  })

  test('because a class has its fields is as good as any', async () => {
    class Price {
      get body() {
        return Object.defineProperty(Buffer.from('12 EUR'), 'length', { value: 2 })
      }
      get tag() {
        return 'net'
      }
    }
    const { mq, producer } = await openShop()
    const asking = producer.request(request)
    await withMessage(mq, (message) => message.reply(new Price()))
    const reply = await asking
    expect([reply.text(), reply.tag]).toEqual(['12 EUR', 'net'])
  })
})

async function pullOne(
  engine: ReturnType<typeof replyingEngine>,
  queue: MessageView['queue'],
): Promise<MessageView> {
  const request = { group: 'clerks', queue, offset: 0, maxCount: 1, filter: matchAll, suspendMs: 0 }
  return (await engine.pullMessage(request)).messages[0]!
}
