/** Requests and replies: who gets which reply, when there is none, and what cannot be asked or answered. */
import { strict as assert } from 'node:assert'
import type { MQErrorCode } from '../../../model/errors.ts'
import type { MessageView } from '../../../model/message.ts'
import { failing, queueOf, refused, send, subscribe, textsOf } from '../kit.ts'
import { lite, onlyOne, pollTexts, puller, receiveOne, simple } from '../kit-receivers.ts'
import { ask, pulledRequest, replying, soon } from '../kit-requests.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['requests'] as const
const timed = ['requests', 'virtualTime'] as const

const PUSH_KINDS = [
  ['A push consumer', {}],
  ['An orderly push consumer', { mode: 'orderly' }],
  ['A broadcasting push consumer', { messageModel: 'broadcasting' }],
] as const

function pushRule([title, options]: (typeof PUSH_KINDS)[number]): ConformanceRule {
  return rule('3.8', `${title} replies to a request`, { needs }, async (world) => {
    const mq = await world.openShop()
    const statuses = await replying(mq, undefined, options)
    const { answered } = await ask(mq)
    assert.equal((await answered()).text(), 'APPLES')
    await mq.until('the replier knows', () => statuses.length === 1)
    assert.deepEqual(statuses, ['DELIVERED'])
  })
}

const REFUSED_REQUESTS: readonly (readonly [string, object | readonly object[], object, MQErrorCode])[] = [
  ['A batch', [{ topic: 'orders', body: 'a' }], {}, 'MESSAGE_ILLEGAL'],
  ['A message with a delay level', { topic: 'orders', body: 'a', delayTimeLevel: 3 }, {}, 'MESSAGE_ILLEGAL'],
  [
    'A message with a delivery time',
    { topic: 'orders', body: 'a', deliveryTimestamp: 1 },
    {},
    'MESSAGE_ILLEGAL',
  ],
  ['The message of a transaction', { topic: 'orders', body: 'a' }, { transaction: {} }, 'INVALID_PARAMETER'],
]

function refusedRequestRule([
  title,
  message,
  options,
  code,
]: (typeof REFUSED_REQUESTS)[number]): ConformanceRule {
  return rule('3.8', `${title} cannot be a request`, { needs, differs: true }, async (world) => {
    const mq = await world.openShop()
    const producer = await mq.producer()
    await refused(code, () => producer.request(message as never, options as never))
    assert.equal(await mq.admin.maxOffset(await queueOf(mq)), 0)
  })
}

const REFUSED_REPLIES: readonly (readonly [string, unknown, boolean])[] = [
  ['An empty reply', '', false],
  ['A reply above 4 MiB', 'x'.repeat(4 * 1024 * 1024), false],
  ['A reply with a reserved property', { body: 'x', properties: { CORRELATION_ID: 'x' } }, false],
  ['A reply with a topic of its own', { body: 'x', topic: 'orders' }, true],
]

function refusedReplyRule([title, reply, differs]: (typeof REFUSED_REPLIES)[number]): ConformanceRule {
  return rule('3.8', `${title} is refused, and another one may follow`, { needs, differs }, async (world) => {
    const mq = await world.openShop()
    const { answered, message } = await pulledRequest(mq)
    await refused('MESSAGE_ILLEGAL', () => message.reply(reply as never))
    await message.reply('sound')
    assert.equal((await answered()).text(), 'sound')
  })
}

export const requests: ConformanceChapter = {
  title: 'Requests and replies',
  rules: [
    ...PUSH_KINDS.map(pushRule),
    rule('3.8', 'A lite pull consumer replies to a request', { needs }, async (world) => {
      const mq = await world.openShop()
      const consumer = await lite(mq)
      const { answered } = await ask(mq)
      let polled: readonly MessageView[] = []
      await mq.until('it is polled', async () => {
        polled = await consumer.poll({ timeoutMs: 0 })
        return polled.length === 1
      })
      await onlyOne(polled).reply('polled')
      assert.equal((await answered()).text(), 'polled')
    }),
    rule('3.8', 'A pull consumer replies to a request', { needs }, async (world) => {
      const { answered, message } = await pulledRequest(await world.openShop())
      assert.equal((await message.reply('pulled')).status, 'DELIVERED')
      assert.equal((await answered()).text(), 'pulled')
    }),
    rule(
      '3.8',
      'A simple consumer replies to a request',
      { needs: ['requests', 'pop'], differs: true },
      async (world) => {
        const mq = await world.openShop()
        const consumer = await simple(mq)
        const { answered } = await ask(mq)
        await mq.until('it is stored', async () => (await mq.admin.maxOffset(await queueOf(mq))) === 1)
        const message = await receiveOne(consumer)
        await message.reply('received')
        await consumer.ack(message)
        assert.equal((await answered()).text(), 'received')
      },
    ),
    rule('3.8', 'A request says who asks, what to call it, and for how long', { needs }, async (world) => {
      const mq = await world.openShop()
      const { message, producer, answered } = await pulledRequest(mq, { timeoutMs: 4321 })
      const { CORRELATION_ID, REPLY_TO_CLIENT, TTL, ...others } = message.properties
      assert.deepEqual({ REPLY_TO_CLIENT, TTL }, { REPLY_TO_CLIENT: producer.clientId, TTL: '4321' })
      assert.ok(CORRELATION_ID)
      assert.deepEqual({ ...others }, {})
      assert.equal(message.isRequest, true)
      await message.reply('x')
      await answered()
    }),
    rule(
      '3.8',
      'A reply says which request it is for, and when it was passed on',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { message, answered } = await pulledRequest(mq)
        await message.reply('x')
        const { properties, topic } = await answered()
        const { CORRELATION_ID, REPLY_TO_CLIENT, TTL } = message.properties
        const same = { CORRELATION_ID, REPLY_TO_CLIENT, TTL, MSG_TYPE: 'reply' }
        const { PUSH_REPLY_TIME, ARRIVE_TIME, ...others } = properties
        assert.deepEqual({ ...others }, same)
        assert.ok(Number(PUSH_REPLY_TIME) <= Number(ARRIVE_TIME) && Number(ARRIVE_TIME) <= mq.now())
        assert.match(topic, /_REPLY_TOPIC$/)
      },
    ),
    rule('3.8', 'A reply has a body, a tag, keys and properties', { needs }, async (world) => {
      const mq = await world.openShop()
      const { message, answered } = await pulledRequest(mq)
      const body = Buffer.from([0, 1, 255])
      await message.reply({ body, tag: 'sale', keys: ['k1', 'k2'], properties: { currency: 'EUR' } })
      const { tag, keys, properties, body: bytes } = await answered()
      assert.deepEqual([tag, keys, properties.currency], ['sale', ['k1', 'k2'], 'EUR'])
      assert.ok(bytes.equals(body))
    }),
    rule('3.8', 'Each of many requests gets its own reply', { needs }, async (world) => {
      const mq = await world.openShop(4)
      await replying(mq)
      const other = await mq.createProducer({ group: 'shop' })
      const one = await mq.producer()
      const bodies = Array.from({ length: 60 }, (_, index) => `q${index}`)
      const asking = bodies.map((body, index) =>
        (index % 2 === 0 ? one : other).request({ topic: 'orders', body }),
      )
      const replies = await soon(mq, Promise.all(asking))
      assert.deepEqual(
        textsOf(replies),
        bodies.map((body) => body.toUpperCase()),
      )
    }),
    rule('3.8', 'A request is a message as any other to every group', { needs }, async (world) => {
      const mq = await world.openShop()
      await replying(mq)
      const audit = await subscribe(mq, { group: 'audit' })
      const { answered } = await ask(mq, 'apples', {})
      await answered()
      await mq.until('the other group has it', () => audit.texts().length === 1)
      const stored = await mq.admin.queryMessageByOffset(await queueOf(mq), 0)
      assert.deepEqual([stored.text(), audit.texts()], ['apples', ['apples']])
    }),
    rule('3.8', 'A request goes to the queue that its options choose', { needs }, async (world) => {
      const mq = await world.openShop(4)
      const queues: number[] = []
      await replying(mq, ({ queue }) => `${queues.push(queue.queueId)}`)
      const producer = await mq.producer()
      await soon(mq, producer.request({ topic: 'orders', body: 'a' }, { queue: await queueOf(mq, 2) }))
      await soon(mq, producer.request({ topic: 'orders', body: 'b' }, { selector: (all) => all[3]! }))
      await soon(mq, producer.request({ topic: 'orders', body: 'c', messageGroup: 'a' }))
      await soon(mq, producer.request({ topic: 'orders', body: 'd', messageGroup: 'a' }))
      assert.deepEqual(queues, [2, 3, 2, 2])
    }),
    rule('3.8', 'A request may create its topic, and waits for who consumes it', { needs }, async (world) => {
      const mq = await world.open()
      const { answered } = await ask(mq)
      await mq.until('the topic is there', async () =>
        (await mq.admin.topics()).some(({ topic }) => topic === 'orders'),
      )
      await replying(mq)
      assert.equal((await answered()).text(), 'APPLES')
    }),
    rule('3.8', 'A request that failed is answered when it comes again', { needs: timed }, async (world) => {
      const mq = await world.openShop()
      const failFirst = failing(1)
      await subscribe(mq, {
        listener: async (message, context) => {
          if ((await failFirst(message, context)) === 'FAILURE') return 'FAILURE'
          await message.reply(`attempt ${message.deliveryAttempt}`)
          return 'SUCCESS'
        },
      })
      const { answered } = await ask(mq, 'apples', { timeoutMs: 60_000 })
      await mq.advance('15s')
      assert.equal((await answered()).text(), 'attempt 2')
    }),
    rule(
      '3.8',
      'Without a reply it rejects when its time is over, not before',
      { needs: timed },
      async (world) => {
        const mq = await world.openShop()
        const { reply, producer } = await ask(mq, 'apples', { timeoutMs: 500 })
        await mq.advance(499)
        assert.equal(producer.stats.requestOutstandingCount, 1)
        await mq.advance(1)
        assert.equal(producer.stats.requestOutstandingCount, 0)
        const error = await refused('REQUEST_TIMEOUT', () => reply)
        assert.equal(error.responseCode, 10006)
      },
    ),
    rule('3.8', 'A request whose time is over is delivered all the same', { needs: timed }, async (world) => {
      const mq = await world.openShop()
      const { reply } = await ask(mq, 'apples', { timeoutMs: 500 })
      await mq.advance('1h')
      await refused('REQUEST_TIMEOUT', () => reply)
      const subscriber = await subscribe(mq)
      await mq.until('it is delivered', () => subscriber.texts().length === 1)
      assert.equal(subscriber.deliveries[0]?.message.isRequest, true)
    }),
    rule(
      '3.8',
      'A late reply is dropped, counted, and its sender told',
      { needs: timed, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { reply, message, producer } = await pulledRequest(mq, { timeoutMs: 500 })
        await mq.advance(500)
        await refused('REQUEST_TIMEOUT', () => reply)
        assert.equal((await message.reply('late')).status, 'DROPPED')
        assert.equal(producer.stats.droppedReplyCount, 1)
      },
    ),
    rule('3.8', 'Of the replies of several members the first counts', { needs }, async (world) => {
      const mq = await world.openShop()
      const statuses = await Promise.all(
        ['a', 'b', 'c'].map((clientId) =>
          replying(mq, () => clientId, { clientId, messageModel: 'broadcasting' }),
        ),
      )
      const { answered, producer } = await ask(mq)
      await mq.until('all have replied', () => statuses.flat().length === 3)
      const winner = (await answered()).text()
      assert.deepEqual(statuses['abc'.indexOf(winner)], ['DELIVERED'])
      assert.deepEqual(statuses.flat().sort(), ['DELIVERED', 'DROPPED', 'DROPPED'])
      assert.equal(producer.stats.droppedReplyCount, 2)
    }),
    rule('3.8', 'A second reply to a request is dropped', { needs, differs: true }, async (world) => {
      const { message, answered } = await pulledRequest(await world.openShop())
      assert.equal((await message.reply('one')).status, 'DELIVERED')
      assert.equal((await message.reply('two')).status, 'DROPPED')
      assert.equal((await answered()).text(), 'one')
    }),
    rule('3.8', 'A reply to a producer that is closed is refused', { needs }, async (world) => {
      const mq = await world.openShop()
      const { message, reply, producer } = await pulledRequest(mq)
      await producer.close()
      const error = await refused('REQUESTER_NOT_ONLINE', () => message.reply('x'))
      assert.equal(error.responseCode, 1)
      await refused('CLOSED', () => reply)
    }),
    rule(
      '3.8',
      'After a kill the request is there, and its reply is to nobody',
      { needs: ['requests', 'crash'], differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { reply } = await ask(mq)
        await mq.until('it is stored', async () => (await mq.admin.maxOffset(await queueOf(mq))) === 1)
        const reopened = await world.crash(mq)
        await refused('CLOSED', () => reply)
        const consumer = await puller(reopened)
        const { messages } = await consumer.pull(await queueOf(reopened), '*', 0, 1)
        assert.equal(onlyOne(messages).isRequest, true)
        await refused('REQUESTER_NOT_ONLINE', () => onlyOne(messages).reply('x'))
      },
    ),
    rule('3.8', 'A producer that closes ends its requests', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const { reply, producer } = await ask(mq)
      await mq.rest()
      await producer.close()
      await refused('CLOSED', () => reply)
      await refused('CLOSED', () => producer.request({ topic: 'orders', body: 'x' }))
    }),
    rule('3.8', 'A signal ends the wait for a reply', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const controller = new AbortController()
      const { message, reply, producer } = await pulledRequest(mq, { signal: controller.signal })
      await mq.rest()
      controller.abort()
      await refused('ABORTED', () => reply)
      assert.equal(producer.stats.requestOutstandingCount, 0)
      assert.equal((await message.reply('late')).status, 'DROPPED')
    }),
    rule(
      '3.8',
      'A request that is not stored rejects as a send does',
      { needs, differs: true },
      async (world) => {
        const mq = await world.open({ autoCreateTopicEnable: false })
        const { reply, producer } = await ask(mq)
        await refused('TOPIC_NOT_EXIST', () => reply)
        await refused('NO_PERMISSION', () => producer.request({ topic: 'TBW102', body: 'x' }))
        await refused('MESSAGE_ILLEGAL', () => producer.request({ topic: 'orders', body: '' }))
        assert.equal(producer.stats.requestOutstandingCount, 0)
      },
    ),
    rule('3.8', 'A reply is stored nowhere', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const { message, answered } = await pulledRequest(mq)
      await message.reply('x')
      const { messageId, queueOffset, offsetMessageId } = await answered()
      assert.deepEqual([queueOffset, offsetMessageId], [-1, ''])
      await refused('NO_MESSAGE', () => mq.admin.queryMessageById(messageId))
      const topics = (await mq.admin.topics()).map(({ topic }) => topic)
      assert.ok(!topics.includes('DefaultCluster_REPLY_TOPIC'))
    }),
    rule('3.8', 'A message that was sent cannot be replied to', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      await send(mq, 'a')
      const consumer = await puller(mq)
      const { messages } = await consumer.pull(await queueOf(mq), '*', 0, 1)
      assert.equal(onlyOne(messages).isRequest, false)
      const error = await refused('CREATE_REPLY_MESSAGE', () => onlyOne(messages).reply('x'))
      assert.equal(error.responseCode, 10007)
    }),
    rule(
      '3.8',
      'A request that was looked up cannot be replied to',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { message, answered } = await pulledRequest(mq)
        const found = await mq.admin.queryMessageByOffset(message.queue, 0)
        await refused('CREATE_REPLY_MESSAGE', () => found.reply('x'))
        await message.reply('x')
        await refused('CREATE_REPLY_MESSAGE', async () => (await answered()).reply('y'))
      },
    ),
    rule(
      '3.8',
      'The dead letter of a request is no request when it is sent again',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await ask(mq)
        const clerk = await subscribe(mq, { maxReconsumeTimes: 0, listener: failing() })
        await mq.until(
          'it is a dead letter',
          async () => (await mq.admin.deadLetters('billing')).length === 1,
        )
        await clerk.consumer.close()
        await mq.admin.resendDeadLetters('billing')
        const consumer = await lite(mq)
        assert.deepEqual(await pollTexts(mq, consumer, 1), ['apples'])
        const again = await mq.admin.queryMessageByOffset(await queueOf(mq), 1)
        assert.equal(again.isRequest, false)
      },
    ),
    ...REFUSED_REQUESTS.map(refusedRequestRule),
    ...REFUSED_REPLIES.map(refusedReplyRule),
  ],
}
