import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { MessageDroppedEvent } from '../../src/model/events.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { MessageOf } from '../../src/model/typed-message.ts'
import { defineTopic, type TypedTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ, expectMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { checkOrder, type Order, schemaOf } from '../helpers/schemas.ts'
import { Signal } from '../helpers/signal.ts'

const orders = defineTopic({ name: 'orders', schema: schemaOf<Order>(checkOrder) })
/** The same, by a schema that answers later. */
const later = defineTopic({ name: 'orders', schema: schemaOf<Order>(async (value) => checkOrder(value)) })
const REASON = 'SCHEMA: amount: must be a number'

const good = (id: string): string => JSON.stringify({ id, amount: 1 })
const bad = (id: string): string => JSON.stringify({ id })

async function open() {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }], patienceMs: 20 })
  const producer = await mq.createProducer({ group: 'shop' })
  const send = (...bodies: string[]) => producer.send(bodies.map((body) => ({ topic: 'orders', body })))
  const deadLetters = async () =>
    (await mq.admin.deadLetters('billing')).map(
      (letter) => `${letter.json<Order>().id}: ${letter.properties.DLQ_REASON}`,
    )
  const offset = async () => {
    const { queues } = await mq.admin.consumerProgress('billing')
    return queues.find(({ queue }) => queue.topic === 'orders')?.consumerOffset
  }
  return { mq, send, deadLetters, offset }
}

/** What a listener was given: calls of ids. */
function listening(
  answer: (message: MessageOf<typeof orders>) => ConsumeResult | undefined = () => undefined,
) {
  const seen: string[] = []
  const listener = (message: MessageOf<typeof orders>) => {
    seen.push(`${message.value.id}${message.deliveryAttempt}`)
    return answer(message)
  }
  return { seen, listener }
}

const MODES: [string, Partial<PushConsumerOptions>, TypedTopic][] = [
  ['concurrent', {}, orders],
  ['concurrent, later', {}, later],
  ['orderly', { mode: 'orderly' }, orders],
  ['orderly, later', { mode: 'orderly' }, later],
  ['by message groups', { mode: 'orderly', enableFifoConsumeAccelerator: true }, orders],
]

describe('A push consumer of a typed topic', () => {
  test.each(MODES)(
    'gets values, and what is none becomes a dead letter at once, %s',
    async (_, mode, topic) => {
      const { mq, send, deadLetters, offset } = await open()
      const { seen, listener } = listening()
      const options = { group: 'billing', topics: [topic], listener, ...mode }
      const consumer = await mq.createPushConsumer(options as never)
      await send(good('a'), bad('b'), good('c'), 'text', good('d'))
      await mq.settled()
      expect(seen).toEqual(['a1', 'c1', 'd1'])
      const letters = await mq.admin.deadLetters('billing')
      expect(letters.map((letter) => letter.text())).toEqual([bad('b'), 'text'])
      expect(letters[0]?.properties.DLQ_REASON).toBe(REASON)
      expect(letters[1]?.properties.DLQ_REASON).toMatch(/^SCHEMA: body: it is no JSON: /)
      expect(await deadLettersOf(mq)).toEqual([0, 0])
      expect(consumer.stats).toMatchObject({
        succeededCount: 3,
        failedCount: 2,
        runningCount: 0,
        unfinishedCount: 0,
      })
      await consumer.close()
      expect(await offset()).toBe(5)
      expect(await deadLetters().catch(() => 'one is no JSON')).toBe('one is no JSON')
    },
  )

  test.each(MODES)('is told by an event why, %s', async (_, mode, topic) => {
    const { mq, send } = await open()
    const reasons: string[] = []
    mq.on('dead-letter', ({ reason }) => reasons.push(reason))
    mq.on('retry', () => reasons.push('a retry'))
    await mq.createPushConsumer({
      group: 'billing',
      topics: [topic],
      listener: () => undefined,
      ...mode,
    } as never)
    await send(bad('a'))
    await mq.clock.advance('3h')
    expect(reasons).toEqual([REASON])
  })

  test.each(['concurrent', 'orderly'] as const)(
    'when broadcasting drops it, with an event, %s',
    async (mode) => {
      const { mq, send } = await open()
      const dropped: MessageDroppedEvent[] = []
      mq.on('message-dropped', (event) => dropped.push(event))
      const { seen, listener } = listening()
      const broadcasting = { messageModel: 'broadcasting', broadcastFailure: 'retry' } as const
      await mq.createPushConsumer({ group: 'billing', topics: [orders], mode, ...broadcasting, listener })
      await send(bad('a'), good('b'))
      await mq.clock.advance('1h')
      expect(seen).toEqual(['b1'])
      expect(dropped).toEqual([expect.objectContaining({ topic: 'orders', reason: REASON, queueOffset: 0 })])
      expect(await mq.admin.deadLetters('billing')).toEqual([])
    },
  )

  test('has a fresh value at each attempt', async () => {
    const { mq, send } = await open()
    const amounts: number[] = []
    await mq.createPushConsumer({
      group: 'billing',
      topics: [orders],
      mode: 'orderly',
      listener: ({ value, deliveryAttempt }) => {
        amounts.push(value.amount)
        Object.assign(value, { amount: 99 })
        return deliveryAttempt < 3 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
      },
    })
    await send(good('a'))
    await mq.settled({ horizon: '1m' })
    expect(amounts).toEqual([1, 1, 1])
  })

  test('sees the value in retries too, checked again', async () => {
    const { mq, send } = await open()
    const { seen, listener } = listening(({ deliveryAttempt }) =>
      deliveryAttempt < 2 ? 'FAILURE' : undefined,
    )
    await mq.createPushConsumer({ group: 'billing', topics: [orders], listener })
    await send(good('a'))
    await mq.settled({ horizon: '1m' })
    expect(seen).toEqual(['a1', 'a2'])
  })

  test('retries when its schema throws, since that says nothing about the message', async () => {
    const { mq, send, deadLetters } = await open()
    let isDown = true
    const schema = schemaOf<Order>((value) => {
      if (isDown) throw new Error('no database')
      return checkOrder(value)
    })
    const topic = defineTopic({ name: 'orders', schema })
    const reasons: string[] = []
    mq.on('retry', ({ reason }) => reasons.push(reason))
    const { seen, listener } = listening()
    await mq.createPushConsumer({ group: 'billing', topics: [topic], listener })
    await send(good('a'))
    await mq.clock.rest()
    isDown = false
    await mq.settled({ horizon: '1m' })
    expect(reasons).toEqual(["The schema of 'orders' failed: no database"])
    expect(seen).toEqual(['a2'])
    expect(await deadLetters()).toEqual([])
  })

  test('waits in order while its schema throws', async () => {
    const { mq, send } = await open()
    let isDown = true
    const schema = schemaOf<Order>(async (value) => {
      if (isDown && (value as Order).id === 'b') throw new Error('no database')
      return checkOrder(value)
    })
    const topic = defineTopic({ name: 'orders', schema })
    const { seen, listener } = listening()
    await mq.createPushConsumer({ group: 'billing', topics: [topic], mode: 'orderly', listener })
    await send(good('a'), good('b'), good('c'))
    await mq.clock.advance('5s')
    expect(seen).toEqual(['a1'])
    isDown = false
    await mq.settled({ horizon: '1m' })
    expect(seen.map((call) => call[0])).toEqual(['a', 'b', 'c'])
  })

  test.each(['concurrent', 'orderly'] as const)(
    'gives its schema the time of a listener, %s',
    async (mode) => {
      const { mq, send } = await open()
      const gate = new Signal()
      let isSlow = true
      const schema = schemaOf<Order>(async (value) => {
        if (isSlow) await gate.promise
        return checkOrder(value)
      })
      const topic = defineTopic({ name: 'orders', schema })
      const { seen, listener } = listening()
      await mq.createPushConsumer({
        group: 'billing',
        topics: [topic],
        mode,
        consumeTimeoutMs: 1000,
        listener,
      })
      await send(good('a'))
      await mq.clock.advance('2s')
      isSlow = false
      gate.resolve()
      await mq.settled({ horizon: '1m' })
      expect(seen).toEqual(['a2'])
    },
  )

  test('keeps a dead letter that cannot be stored, and tries again', async () => {
    const { mq, send, deadLetters } = await open()
    mq.faults.fail('sendMessageBack', { times: 1 })
    const { seen, listener } = listening()
    await mq.createPushConsumer({ group: 'billing', topics: [orders], mode: 'orderly', listener })
    await send(bad('a'), good('b'))
    await mq.settled({ horizon: '1m' })
    expect(seen).toEqual(['b1'])
    expect(await deadLetters()).toEqual([`a: ${REASON}`])
  })

  test.each(['concurrent', 'orderly'] as const)('loses no place by what it refuses, %s', async (mode) => {
    const { mq, send } = await open()
    const { seen, listener } = listening()
    await mq.createPushConsumer({ group: 'billing', topics: [orders], mode, concurrency: 2, listener })
    await send(bad('a'), bad('b'), bad('c'), good('d'))
    await mq.settled()
    expect(seen).toEqual(['d1'])
  })

  test('calls no hook for what it does not hand out', async () => {
    const { mq, send } = await open()
    const heard: unknown[] = []
    await mq.createPushConsumer({
      group: 'billing',
      topics: [orders],
      mode: 'orderly',
      consumeHooks: [
        {
          before: ({ messages }) => heard.push(messages.map((message) => message.text())),
          after: (_, { status }) => heard.push(status),
        },
      ],
      listener: () => undefined,
    })
    await send(good('a'), bad('b'))
    await mq.settled()
    expect(heard).toEqual([[good('a')], 'SUCCESS'])
  })

  test('counts in the assertions of tests', async () => {
    const { mq } = await open()
    await mq.createPushConsumer({ group: 'billing', topics: [orders], listener: () => undefined })
    const producer = await mq.createProducer({ group: 'p' })
    const { messageId } = await producer.send({ topic: 'orders', body: bad('a') })
    await mq.settled()
    expectMQ(mq).message(messageId).deadLettered('billing')
  })
})

async function deadLettersOf(mq: Awaited<ReturnType<typeof open>>['mq']): Promise<number[]> {
  const letters = await mq.admin.deadLetters('billing')
  return letters.map(({ reconsumeTimes }) => reconsumeTimes - 1)
}

describe('A listener of batches of values', () => {
  const BATCHES = [
    ['concurrent', {}, ['a', 'c', 'd'], ['e']],
    ['orderly', { mode: 'orderly' }, ['a'], ['c', 'd', 'e']],
  ] as const
  test.each(BATCHES)('gets the good ones, %s', async (_, mode, ...calls) => {
    const { mq, send, deadLetters } = await open()
    const seen: string[][] = []
    await mq.createPushConsumer({
      group: 'billing',
      topics: [orders],
      ...mode,
      consumeMessageBatchMaxSize: 4,
      listener: (messages) => {
        seen.push(messages.map(({ value }) => value.id))
      },
    })
    await send(good('a'), bad('b'), good('c'), good('d'), good('e'))
    await mq.settled()
    expect(seen).toEqual(calls)
    expect(await deadLetters()).toEqual([`b: ${REASON}`])
  })

  test('counts its ackIndex among those that it gets', async () => {
    const { mq, send, deadLetters } = await open()
    const seen: string[] = []
    await mq.createPushConsumer({
      group: 'billing',
      topics: [later],
      consumeMessageBatchMaxSize: 8,
      listener: (messages, context) => {
        seen.push(messages.map(({ value, deliveryAttempt }) => value.id + deliveryAttempt).join())
        context.ackIndex = 0
      },
    })
    await send(bad('x'), good('a'), bad('y'), good('b'), good('c'))
    await mq.settled({ horizon: '1m' })
    expect(seen).toEqual(['a1,b1,c1', 'b2,c2', 'c3'])
    expect(await deadLetters()).toEqual([`x: ${REASON}`, `y: ${REASON}`])
  })

  test('is given up for the good ones alone when it takes too long', async () => {
    const { mq, send, deadLetters } = await open()
    const warnings: string[] = []
    const retried: string[] = []
    mq.on('warning', ({ message }) => warnings.push(message))
    mq.on('retry', ({ messageId }) => retried.push(messageId))
    const hanging = new Signal()
    await mq.createPushConsumer({
      group: 'billing',
      topics: [orders],
      consumeMessageBatchMaxSize: 8,
      consumeTimeoutMs: 1000,
      listener: (_, { deliveryAttempt }) => (deliveryAttempt === 1 ? hanging.promise : undefined),
    })
    const { messageIds } = await send(bad('x'), good('a'), good('b'))
    await mq.clock.advance('1m')
    expect(warnings).toEqual([expect.stringContaining(messageIds[1]!)])
    expect(retried).toEqual(messageIds.slice(1))
    expect(await deadLetters()).toEqual([`x: ${REASON}`])
  })

  test('is not called when there is none', async () => {
    const { mq, send, offset } = await open()
    let calls = 0
    const consumer = await mq.createPushConsumer({
      group: 'billing',
      topics: [orders],
      consumeMessageBatchMaxSize: 8,
      listener: () => void calls++,
    })
    await send(bad('a'), bad('b'))
    await mq.settled()
    await consumer.close()
    expect(calls).toBe(0)
    expect(await offset()).toBe(2)
  })

  test('in order, what failed with it comes again in order', async () => {
    const { mq, send, deadLetters } = await open()
    const seen: string[] = []
    await mq.createPushConsumer({
      group: 'billing',
      topics: [orders],
      mode: 'orderly',
      consumeMessageBatchMaxSize: 8,
      listener: (messages, context) => {
        seen.push(messages.map(({ value, deliveryAttempt }) => value.id + deliveryAttempt).join())
        if (context.deliveryAttempt === 1 && messages.length > 1) return ConsumeResult.FAILURE
        return undefined
      },
    })
    await send(good('a'), good('b'), bad('x'), bad('y'), good('c'), good('d'))
    await mq.settled({ horizon: '1m' })
    expect(seen).toEqual(['a1,b1', 'a2,b2', 'c1,d1', 'c2,d2'])
    expect(await deadLetters()).toEqual([`x: ${REASON}`, `y: ${REASON}`])
  })
})

describe('Which topics a consumer of typed topics consumes', () => {
  const refunds = defineTopic({ name: 'refunds', schema: schemaOf<Order>(checkOrder) })

  test('without subscriptions: everything of these; with: what they say, others without a value', async () => {
    const { mq, send } = await open()
    const seen: string[] = []
    const listener = (message: MessageView) => {
      seen.push(`${message.topic} ${'value' in message}`)
    }
    await mq.createPushConsumer({ group: 'a', topics: [orders], listener })
    const subscriptions = { [orders.name]: 'paid', plain: '*' }
    await mq.createPushConsumer({ group: 'b', subscriptions, topics: [orders], listener })
    const producer = await mq.createProducer({ group: 'p' })
    await producer.send({ topic: 'plain', body: 'text' })
    await send(good('a'))
    await mq.settled()
    expect(seen.sort()).toEqual(['orders true', 'plain false'])
  })

  test('may be changed among those that it knows', async () => {
    const { mq } = await open()
    const { listener } = listening()
    const topics = [orders, refunds]
    const push = await mq.createPushConsumer({
      group: 'a',
      subscriptions: { orders: '*' },
      topics,
      listener,
    } as never)
    const simple = await mq.createSimpleConsumer({
      group: 'b',
      subscriptions: { orders: '*', plain: '*' },
      topics,
    })
    const lite = await mq.createLitePullConsumer({ group: 'c', topics })
    for (const consumer of [push, simple, lite]) {
      await consumer.subscribe('refunds', '*')
      await expect(consumer.subscribe('others', '*')).rejects.toEqual(
        mqError('INVALID_PARAMETER', "'others'"),
      )
    }
    await simple.subscribe('plain', 'a')
  })

  test('must be named once, and by defineTopic', async () => {
    const { mq } = await open()
    const { listener } = listening()
    const create = (topics: unknown) => mq.createPushConsumer({ group: 'a', topics, listener } as never)
    await expect(create([orders, later])).rejects.toEqual(mqError('INVALID_PARAMETER', 'twice'))
    await expect(create([{ name: 'orders' }])).rejects.toEqual(mqError('INVALID_PARAMETER', 'defineTopic'))
    await expect(create([])).rejects.toEqual(mqError('INVALID_PARAMETER', 'subscriptions'))
    await expect(create(undefined)).rejects.toEqual(mqError('INVALID_PARAMETER', 'subscriptions'))
  })
})

describe('Consumers that the application asks', () => {
  const REFUSED = mqError('SCHEMA_MISMATCH', 'amount: must be a number')

  test.each([orders, later])('lite pull: the value, or why there is none', async (topic) => {
    const { mq, send } = await open()
    const lite = await mq.createLitePullConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      topics: [topic],
    })
    await send(good('a'), bad('b'))
    const [first, second] = await lite.poll({ timeoutMs: 0 })
    expect(first?.value).toEqual({ id: 'a', amount: 1 })
    expect(first?.value).toBe(first?.value)
    expect(() => second?.value).toThrow(REFUSED)
    expect(second?.text()).toBe(bad('b'))
  })

  test('lite pull, in a loop', async () => {
    const { mq, send } = await open()
    const lite = await mq.createLitePullConsumer({ group: 'billing', topics: [later] })
    await lite.assign(await lite.fetchMessageQueues('orders'))
    await send(good('a'), bad('b'))
    const seen: unknown[] = []
    for await (const message of lite) {
      try {
        seen.push(message.value.id)
      } catch (error) {
        seen.push(error)
        break
      }
    }
    expect(seen).toEqual(['a', REFUSED])
    const others = [{ topic: 'others', brokerName: 'b', queueId: 0 }]
    await expect(lite.assign(others)).rejects.toEqual(mqError('INVALID_PARAMETER', "'others'"))
  })

  test('simple: a received message can be settled, whatever its value', async () => {
    const { mq, send, deadLetters } = await open()
    await mq.admin.createGroup({ group: 'billing', retryMaxTimes: 0 })
    const simple = await mq.createSimpleConsumer({ group: 'billing', topics: [later] })
    await send(good('a'), bad('b'))
    const [first, second] = await simple.receive({ awaitDurationMs: 0 })
    expect(first?.value.amount).toBe(1)
    expect(() => second?.value).toThrow(REFUSED)
    await simple.ack(first!)
    await simple.nack(second!)
    await mq.clock.rest()
    expect((await deadLetters()).map((letter) => letter[0])).toEqual(['b'])
  })

  test('pull: the value of what is pulled, and only from its topics', async () => {
    const { mq, send } = await open()
    const pull = await mq.createPullConsumer({ group: 'billing', topics: [orders] })
    const [queue] = await pull.fetchSubscribeMessageQueues('orders')
    await send(good('a'), bad('b'))
    const { status, messages } = await pull.pull(queue!, '*', 0, 32)
    expect([status, messages[0]?.value.id]).toEqual(['FOUND', 'a'])
    expect(() => messages[1]?.value).toThrow(REFUSED)
    expect(await pull.sendMessageBack(messages[1]!, { delayLevel: -1 })).toMatchObject({
      outcome: 'dead-letter',
    })
    const other = { topic: 'others', brokerName: 'b', queueId: 0 }
    await expect(pull.pull(other, '*', 0, 1)).rejects.toEqual(mqError('INVALID_PARAMETER', "'others'"))
    expect(await pull.pullBlockIfNotFound(queue!, '*', 2, 1, { timeoutMs: 0 })).toMatchObject({
      messages: [],
    })
  })

  test('a schema that throws says so when the value is read', async () => {
    const { mq, send } = await open()
    const schema = schemaOf<Order>(() => Promise.reject(new Error('odd')))
    const topics = [defineTopic({ name: 'orders', schema })] as const
    const lite = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' }, topics })
    await send(good('a'))
    const [message] = await lite.poll({ timeoutMs: 0 })
    expect(() => message?.value).toThrow(mqError('INVALID_PARAMETER', "The schema of 'orders' failed: odd"))
  })
})
