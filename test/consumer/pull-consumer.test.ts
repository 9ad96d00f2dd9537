/** Single pulls, offsets, shares and failed messages of a pull consumer (semantics section 8.2). */
import { describe, expect, test, vi } from 'vitest'
import type { PullConsumer } from '../../src/consumer/pull-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import type { PullResult } from '../../src/model/results.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

const texts = ({ messages }: PullResult): string[] => messages.map((message) => message.text())

/** A consumer over a queue with the messages 0 to 9, of which the even ones are paid. */
async function withTen(): Promise<{ host: ClientHost; consumer: PullConsumer }> {
  const host = await openShop()
  for (const text of numbers(10)) await host.send([text], { tag: Number(text) % 2 === 0 ? 'paid' : 'open' })
  return { host, consumer: await host.puller() }
}

describe('A pull', () => {
  test('answers messages from an offset on, and where to go on', async () => {
    const { host, consumer } = await withTen()
    const result = await consumer.pull(host.queue(), '*', 3, 4)
    expect(result).toMatchObject({ status: 'FOUND', nextBeginOffset: 7, minOffset: 0, maxOffset: 10 })
    expect(texts(result)).toEqual(['3', '4', '5', '6'])
  })

  test('lets pass what its expression names, whatever the one before named', async () => {
    const { host, consumer } = await withTen()
    expect(texts(await consumer.pull(host.queue(), 'paid', 0, 32))).toEqual(['0', '2', '4', '6', '8'])
    expect(texts(await consumer.pull(host.queue(), 'open', 0, 32))).toEqual(['1', '3', '5', '7', '9'])
    expect(texts(await consumer.pull(host.queue(), 'paid || open', 8, 32))).toEqual(['8', '9'])
    expect(texts(await consumer.pull(host.queue(), '', 8, 1))).toEqual(['8'])
  })

  test.each<[string, string, number, object]>([
    ['NO_NEW_MSG at the end of the queue', '*', 10, { status: 'NO_NEW_MSG', nextBeginOffset: 10 }],
    ['NO_MATCHED_MSG when nothing passed', 'lost', 2, { status: 'NO_MATCHED_MSG', nextBeginOffset: 10 }],
    ['OFFSET_ILLEGAL behind the end', '*', 11, { status: 'OFFSET_ILLEGAL', nextBeginOffset: 10 }],
  ])('answers %s, at once', async (_, expression, offset, expected) => {
    const { host, consumer } = await withTen()
    const result = await consumer.pull(host.queue(), expression, offset, 32)
    expect(result).toMatchObject({ ...expected, messages: [], minOffset: 0, maxOffset: 10 })
  })

  test('asks for no more than 1024 messages, whatever it is asked for', async () => {
    const { host, consumer } = await withTen()
    const pullMessage = vi.fn(host.broker.pullMessage.bind(host.broker))
    host.replace({ pullMessage })
    await consumer.pull(host.queue(), '*', 0, 100_000)
    expect(pullMessage.mock.calls[0]?.[0].maxCount).toBe(1024)
  })

  test('commits nothing and makes nobody a member', async () => {
    const { host, consumer } = await withTen()
    await consumer.pull(host.queue(), '*', 0, 32)
    expect(await consumer.fetchConsumeOffset(host.queue())).toBeUndefined()
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    expect((await host.broker.queryGroups()).map(({ group }) => group)).toEqual(['billing'])
  })

  test('leaves a group that exists as it is', async () => {
    const host = await openShop()
    const config = { group: 'billing', consumeEnable: false, consumeBroadcastEnable: true, retryQueueNums: 3 }
    await host.broker.createGroup({ ...config } as never)
    const consumer = await host.puller()
    expect((await host.broker.queryGroups())[0]).toMatchObject(config)
    await expect(consumer.pull(host.queue(), '*', 0, 1)).rejects.toEqual(mqError('NO_PERMISSION', 'billing'))
  })

  test.each<[string, unknown[], string]>([
    ['no queue', [undefined, '*', 0, 1], 'queue'],
    ['half a queue', [{ topic: 'orders', queueId: 0 }, '*', 0, 1], 'brokerName'],
    ['an illegal topic', [{ topic: 'or ders', brokerName: 'localhost', queueId: 0 }, '*', 0, 1], 'topic'],
    ['an unknown queue', [{ topic: 'orders', brokerName: 'localhost', queueId: 7 }, '*', 0, 1], 'queue 7'],
    ['an unknown broker', [{ topic: 'orders', brokerName: 'b', queueId: 0 }, '*', 0, 1], "'b'"],
    ['an offset below 0', [{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, '*', -1, 1], 'offset'],
    ['no messages', [{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, '*', 0, 0], 'maxCount'],
    ['half a message', [{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, '*', 0, 0.5], 'maxCount'],
    [
      'no time',
      [{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, '*', 0, 1, { timeoutMs: 0 }],
      'timeoutMs',
    ],
    [
      'a misspelt option',
      [{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, '*', 0, 1, { timeout: 5 }],
      "'timeout'",
    ],
    [
      'a signal that is none',
      [{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, '*', 0, 1, { signal: 1 }],
      'AbortSignal',
    ],
  ])('is refused with %s', async (_, args, text) => {
    const { consumer } = await withTen()
    await expect(Reflect.apply(consumer.pull, consumer, args)).rejects.toEqual(
      mqError('INVALID_PARAMETER', text),
    )
  })

  test('is refused with an expression that cannot be parsed, and for a topic that does not exist', async () => {
    const { host, consumer } = await withTen()
    await expect(consumer.pull(host.queue(), ' || ', 0, 1)).rejects.toEqual(
      mqError('SUBSCRIPTION_PARSE_FAILED'),
    )
    await expect(consumer.pull(host.queue(), undefined as never, 0, 1)).rejects.toEqual(
      mqError('SUBSCRIPTION_PARSE_FAILED'),
    )
    await expect(consumer.pull(host.queue('nothing'), '*', 0, 1)).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
  })

  test('is given up when the disk takes too long, and its late answer counts no more', async () => {
    const { host, consumer } = await withTen()
    const gate = new Signal()
    const timerCount = host.clock.timerCount
    host.replace({
      pullMessage: async (request) => {
        await gate.promise
        return host.broker.pullMessage(request)
      },
    })
    const first = consumer.pull(host.queue(), '*', 0, 1)
    const second = consumer.pull(host.queue(), '*', 0, 1, { timeoutMs: 500 })
    const refused = Promise.all([
      expect(first).rejects.toEqual(mqError('PULL_TIMEOUT', '10000 ms')),
      expect(second).rejects.toEqual(mqError('PULL_TIMEOUT', '500 ms')),
    ])
    await host.clock.advance(10_000)
    await refused
    gate.resolve()
    await host.clock.settle()
    expect(host.clock.timerCount).toBe(timerCount)
  })

  test('tells of a failure as it is', async () => {
    const { host, consumer } = await withTen()
    host.replace({ pullMessage: () => Promise.reject(new MQError('STORE_CORRUPTED', 'broken')) })
    await expect(consumer.pull(host.queue(), '*', 0, 1)).rejects.toEqual(mqError('STORE_CORRUPTED'))
  })

  test('of a queue of a topic that was made anew is refused until the queue is fetched again', async () => {
    const { host, consumer } = await withTen()
    const [old] = await consumer.fetchSubscribeMessageQueues('orders')
    await host.broker.deleteTopic('orders')
    await host.createTopic('orders')
    await host.send(['new'])
    await expect(consumer.pull(old!, '*', 0, 1)).rejects.toEqual(mqError('TOPIC_NOT_EXIST', 'anew'))
    const [queue] = await consumer.fetchSubscribeMessageQueues('orders')
    expect(texts(await consumer.pull(queue!, '*', 0, 1))).toEqual(['new'])
  })
})

describe('A pull that waits', () => {
  test('answers as soon as there is something', async () => {
    const { host, consumer } = await withTen()
    expect(texts(await consumer.pullBlockIfNotFound(host.queue(), '*', 9, 32))).toEqual(['9'])
    const waiting = consumer.pullBlockIfNotFound(host.queue(), '*', 10, 32)
    await host.clock.advance(19_999)
    await host.send(['new'])
    expect(texts(await waiting)).toEqual(['new'])
    expect(host.clock.nextTimerMs).toBe(1)
  })

  test('answers NO_NEW_MSG after 20 seconds, or when it is told to', async () => {
    const { host, consumer } = await withTen()
    const settled = vi.fn()
    void consumer.pullBlockIfNotFound(host.queue(), '*', 10, 32).then(settled)
    void consumer.pullBlockIfNotFound(host.queue(), '*', 10, 32, { timeoutMs: 50 }).then(settled)
    const atOnce = await consumer.pullBlockIfNotFound(host.queue(), '*', 10, 32, { timeoutMs: 0 })
    expect(atOnce.status).toBe('NO_NEW_MSG')
    await host.clock.advance(49)
    expect(settled).toHaveBeenCalledTimes(0)
    await host.clock.advance(1)
    expect(settled).toHaveBeenCalledTimes(1)
    await host.clock.advance(19_949)
    expect(settled).toHaveBeenCalledTimes(1)
    await host.clock.advance(1)
    expect(settled).toHaveBeenCalledTimes(2)
    expect(settled.mock.calls[1]?.[0]).toMatchObject({ status: 'NO_NEW_MSG', nextBeginOffset: 10 })
  })

  test('ends with its signal, and when the consumer closes; then nobody waits any more', async () => {
    const { host, consumer } = await withTen()
    const signals: (AbortSignal | undefined)[] = []
    host.replace({
      pullMessage: (request) => {
        signals.push(request.signal)
        return host.broker.pullMessage(request)
      },
    })
    const timerCount = host.clock.timerCount
    const controller = new AbortController()
    const { signal } = controller
    const aborted = consumer.pullBlockIfNotFound(host.queue(), '*', 10, 32, { signal })
    const cut = consumer.pullBlockIfNotFound(host.queue(), '*', 10, 32)
    controller.abort('enough')
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' })
    await expect(consumer.pull(host.queue(), '*', 0, 1, { signal })).rejects.toEqual(mqError('ABORTED'))
    const closing = consumer.close()
    await expect(cut).rejects.toEqual(mqError('CLOSED'))
    await closing
    expect(signals.map((each) => each?.aborted)).toEqual([true, true])
    await host.clock.advance(60_000)
    expect(host.clock.timerCount).toBe(timerCount)
  })
})

describe('Offsets of a pull consumer', () => {
  test('are stored as the application says, forward and back', async () => {
    const { host, consumer } = await withTen()
    await consumer.updateConsumeOffset(host.queue(), 8)
    await consumer.updateConsumeOffset(host.queue(), 3)
    expect(await consumer.fetchConsumeOffset(host.queue())).toBe(3)
    expect(await host.offset()).toBe(3)
    const { queues } = await host.broker.consumerProgress('billing')
    expect(queues.find(({ queue }) => queue.topic === 'orders')).toMatchObject({ consumerOffset: 3, lag: 7 })
  })

  test.each([-1, 11, 1.5, Number.NaN])('may not be %d', async (offset) => {
    const { host, consumer } = await withTen()
    await expect(consumer.updateConsumeOffset(host.queue(), offset)).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'offset'),
    )
  })

  test('of a queue can be asked for, also by time', async () => {
    const host = await openShop()
    const consumer = await host.puller()
    expect(await consumer.earliestMsgStoreTime(host.queue())).toBeUndefined()
    const first = host.clock.now()
    await host.send(['a', 'b'])
    await host.clock.advance(1000)
    await host.send(['c'])
    expect(await consumer.minOffset(host.queue())).toBe(0)
    expect(await consumer.maxOffset(host.queue())).toBe(3)
    expect(await consumer.searchOffset(host.queue(), first + 1)).toBe(2)
    expect(await consumer.earliestMsgStoreTime(host.queue())).toBe(first)
  })

  test('of a queue that retention is at work on are those of the message that is left', async () => {
    const { host, consumer } = await withTen()
    const gone = vi.fn(() => Promise.reject(new MQError('NO_MESSAGE', 'gone')))
    host.replace({
      viewMessage: (queue, offset) => {
        host.restore('viewMessage')
        return offset === 0 ? gone() : host.broker.viewMessage(queue, offset)
      },
    })
    expect(await consumer.earliestMsgStoreTime(host.queue())).toBe(host.clock.now())
    expect(gone).toHaveBeenCalledTimes(1)
  })
})

describe('The share of a pull consumer', () => {
  const ids = (queues: readonly { readonly queueId: number }[]): number[] =>
    queues.map(({ queueId }) => queueId)

  test('is what falls to it as a member, which it becomes by asking', async () => {
    const host = await openShop(4)
    const a = await host.puller({ clientId: 'a' })
    const b = await host.puller({ clientId: 'b' })
    expect(ids(await a.fetchSubscribeMessageQueues('orders'))).toEqual([0, 1, 2, 3])
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    expect(ids(await a.fetchMessageQueuesInBalance('orders'))).toEqual([0, 1, 2, 3])
    await b.fetchMessageQueuesInBalance('orders')
    await host.clock.settle()
    expect(ids(await a.fetchMessageQueuesInBalance('orders'))).toEqual([0, 1])
    expect(ids(await b.fetchMessageQueuesInBalance('orders'))).toEqual([2, 3])
    await a.close()
    expect(ids(await b.fetchMessageQueuesInBalance('orders'))).toEqual([0, 1, 2, 3])
    expect(await host.broker.queryConsumerIds('billing')).toEqual(['b'])
  })

  test('has a queue only when the push consumer that had it is done', async () => {
    const host = await openShop(2)
    const gate = new Signal()
    await host.consumer({ clientId: 'a', listener: () => gate.promise })
    await host.send(['x'], {}, 1)
    await host.clock.settle()
    const b = await host.puller({ clientId: 'b' })
    expect(await b.fetchMessageQueuesInBalance('orders')).toEqual([])
    gate.resolve()
    await host.clock.settle()
    expect(ids(await b.fetchMessageQueuesInBalance('orders'))).toEqual([1])
    expect(await b.fetchConsumeOffset(host.queue('orders', 1))).toBe(1)
  })

  test('takes several topics, also asked for at a time, and one that comes later', async () => {
    const host = await openShop(2)
    await host.createTopic('returns', 3)
    const consumer = await host.puller()
    const shares = await Promise.all(
      ['orders', 'returns', 'later'].map((topic) => consumer.fetchMessageQueuesInBalance(topic)),
    )
    expect(shares.map(ids)).toEqual([[0, 1], [0, 1, 2], []])
    await host.createTopic('later')
    await host.clock.settle()
    expect(ids(await consumer.fetchMessageQueuesInBalance('later'))).toEqual([0])
  })

  test('can be asked for again when joining failed', async () => {
    const host = await openShop()
    const consumer = await host.puller()
    host.replace({ registerConsumer: () => Promise.reject(new MQError('WRITE_FAILED', 'no')) })
    await expect(consumer.fetchMessageQueuesInBalance('orders')).rejects.toEqual(mqError('WRITE_FAILED'))
    host.restore('registerConsumer')
    expect(ids(await consumer.fetchMessageQueuesInBalance('orders'))).toEqual([0])
  })

  test('is kept as long as it is open: leases are renewed, and a lost one is taken again', async () => {
    const host = await openShop()
    const consumer = await host.puller({ clientId: 'a' })
    await consumer.fetchMessageQueuesInBalance('orders')
    await host.clock.advance(10 * 60_000)
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toEqual([])
    await host.broker.unlockQueues('billing', 'a', [host.queue()])
    await host.clock.settle()
    expect(ids(await consumer.fetchMessageQueuesInBalance('orders'))).toEqual([0])
    await consumer.close()
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toHaveLength(1)
  })

  test('closed while it joins leaves nothing behind', async () => {
    const host = await openShop()
    const consumer = await host.puller()
    const refused = expect(consumer.fetchMessageQueuesInBalance('orders')).rejects.toEqual(mqError('CLOSED'))
    await consumer.close()
    await refused
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toHaveLength(1)
  })
})

describe('A message that is sent back', () => {
  test('comes again through the retry topic of the group, later and later, and becomes a dead letter', async () => {
    const host = await openShop()
    const consumer = await host.puller({ maxReconsumeTimes: 1 })
    await host.send(['a'])
    const { messages } = await consumer.pull(host.queue(), '*', 0, 1)
    expect(await consumer.sendMessageBack(messages[0]!)).toEqual({
      outcome: 'retry',
      reconsumeTimes: 1,
      dueTimestamp: host.clock.now() + 10_000,
    })
    await host.clock.advance(10_000)
    const [retryQueue] = await consumer.fetchSubscribeMessageQueues('%RETRY%billing')
    const retried = await consumer.pull(retryQueue!, '*', 0, 32)
    expect(retried.messages[0]).toMatchObject({ topic: 'orders', reconsumeTimes: 1, deliveryAttempt: 2 })
    expect(await consumer.sendMessageBack(retried.messages[0]!, { reason: 'no stock' })).toMatchObject({
      outcome: 'dead-letter',
    })
    expect(host.events('dead-letter')).toEqual([expect.objectContaining({ reason: 'no stock' })])
  })

  test.each<[number, object]>([
    [5, { outcome: 'retry', dueTimestamp: 60_000 }],
    [-1, { outcome: 'dead-letter' }],
  ])('at delay level %i does as it says', async (delayLevel, expected) => {
    const host = await openShop()
    const consumer = await host.puller()
    await host.send(['a'])
    const { messages } = await consumer.pull(host.queue(), '*', 0, 1)
    const result = await consumer.sendMessageBack(messages[0]!, { delayLevel })
    const dueTimestamp = result.outcome === 'retry' ? result.dueTimestamp - host.clock.now() : undefined
    expect({ ...result, dueTimestamp }).toMatchObject(expected)
  })

  test.each<[string, unknown, unknown]>([
    ['no message', undefined, {}],
    ['a message to send', { topic: 'orders', body: 'a' }, {}],
    ['a copy of a message', 'copied', {}],
    ['a copy of a message, as a dead letter', 'copied', { delayLevel: -1 }],
    ['parts of a message', 'parts', {}],
    ['parts of a message, as a dead letter', 'parts', { delayLevel: -1 }],
    ['something made after a message', 'heir', {}],
    ['a message with a number among its properties', 'bent', { delayLevel: -1 }],
    ['a level that is a symbol', 'stored', { delayLevel: Symbol('now') }],
    ['half a level', 'stored', { delayLevel: 0.5 }],
    ['a level below -1', 'stored', { delayLevel: -2 }],
    ['an unknown option', 'stored', { level: 3 }],
    ['a reason that is none', 'stored', { reason: 5 }],
  ])('is refused with %s', async (_, given, options) => {
    const { host, consumer } = await withTen()
    const { messages } = await consumer.pull(host.queue(), '*', 0, 1)
    const [stored] = messages
    const { messageId, offsetMessageId, topic, body, keys, reconsumeTimes, bornTimestamp } = stored!
    const plain = { messageId, offsetMessageId, topic, body, keys, reconsumeTimes, bornTimestamp }
    const made: Record<string, unknown> = {
      stored,
      copied: { ...stored },
      parts: { messageId, offsetMessageId, topic },
      heir: Object.create(stored!),
      bent: { ...plain, properties: { weight: 5 } },
    }
    const message = typeof given === 'string' ? made[given] : given
    await expect(consumer.sendMessageBack(message as never, options as object)).rejects.toEqual(
      mqError('INVALID_PARAMETER'),
    )
  })
})

describe('The end of a pull consumer', () => {
  test('refuses everything from then on', async () => {
    const { host, consumer } = await withTen()
    const queue = host.queue()
    const { messages } = await consumer.pull(queue, '*', 0, 1)
    const closing = consumer.close()
    expect(consumer.close()).toBe(closing)
    await closing
    const calls = [
      consumer.pull(queue, '*', 0, 1),
      consumer.pullBlockIfNotFound(queue, '*', 0, 1),
      consumer.fetchSubscribeMessageQueues('orders'),
      consumer.fetchMessageQueuesInBalance('orders'),
      consumer.updateConsumeOffset(queue, 0),
      consumer.fetchConsumeOffset(queue),
      consumer.minOffset(queue),
      consumer.maxOffset(queue),
      consumer.searchOffset(queue, 0),
      consumer.earliestMsgStoreTime(queue),
      consumer.sendMessageBack(messages[0]!),
    ]
    const outcomes = await Promise.allSettled(calls)
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.code)).toEqual(
      calls.map(() => 'CLOSED'),
    )
    expect(host.closedClients).toContain(consumer)
  })

  test('comes with its signal, or with its scope', async () => {
    const host = await openShop()
    const controller = new AbortController()
    const first = await host.puller({ signal: controller.signal })
    controller.abort()
    await host.clock.settle()
    await expect(host.puller({ signal: controller.signal })).rejects.toEqual(mqError('ABORTED'))
    {
      await using second = await host.puller()
      expect(second.group).toBe('billing')
    }
    expect(host.closedClients).toHaveLength(2)
    expect(host.closedClients[0]).toBe(first)
  })
})

describe('Options of a pull consumer', () => {
  test.each<[string, object, string]>([
    ['no group', { group: undefined }, 'group'],
    ['a reserved group', { group: 'DEFAULT_CONSUMER' }, 'reserved'],
    ['subscriptions', { subscriptions: { orders: '*' } }, "'subscriptions'"],
    ['a negative wait', { suspendMs: -1 }, 'suspendMs'],
    ['no time for a pull', { consumerPullTimeoutMs: 0 }, 'consumerPullTimeoutMs'],
    ['a strategy that is none', { allocateStrategy: {} }, 'allocate()'],
    ['half a retry', { maxReconsumeTimes: 0.5 }, 'maxReconsumeTimes'],
  ])('are refused with %s', async (_, options, text) => {
    const host = await openShop()
    await expect(host.puller(options)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })
})
