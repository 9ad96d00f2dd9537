import { describe, expect, onTestFinished, test } from 'vitest'
import type { AllocateStrategy } from '../../src/allocate/allocate.ts'
import { allocateAveragely } from '../../src/allocate/averagely.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { ConsumerRegistration, Engine } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import { silentLogger } from '../../src/model/logger.ts'
import type { Message } from '../../src/model/message.ts'
import { MessageIdGenerator } from '../../src/model/message-id.ts'
import { type OutgoingMessage, prepareMessage } from '../../src/model/outgoing-message.ts'
import { splitIntoBatches } from '../../src/model/split-into-batches.ts'
import { matchAll, parseTagExpression } from '../../src/model/subscription.ts'
import type { ProducerOptions } from '../../src/producer/producer-options.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { type ListenerCall, layeredCall, layeredEngine } from '../../src/testing/layer.ts'
import { Linter } from '../../src/testing/linter.ts'
import type { TestMQOptions } from '../../src/testing/test-options.ts'
import { Signal } from '../helpers/signal.ts'

const HOUR = 3_600_000
const MiB = 1024 ** 2

async function open(options: TestMQOptions = {}): Promise<TestMQ> {
  const mq = await createTestMQ({ strict: 'warn', topics: [{ topic: 'orders', queues: 2 }], ...options })
  onTestFinished(async () => void (await mq.close()))
  return mq
}

function join(mq: TestMQ, options: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
  return mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: () => undefined,
    ...options,
  } as PushConsumerOptions)
}

async function send(mq: TestMQ, ...messages: readonly (Partial<Message> | readonly Message[])[]) {
  const producer = await mq.createProducer({ group: 'shop' })
  for (const message of messages) {
    await producer.send(Array.isArray(message) ? message : { topic: 'orders', body: 'hello', ...message })
  }
  await producer.close()
}

/** A listener that never ends. */
const hang = (): Promise<void> => new Promise(() => undefined)

function found({ lint }: Pick<TestMQ, 'lint'>): string[] {
  return [...lint.findings, ...lint.notes].map(({ code }) => code)
}

/** The linter before an engine that has what is not built in yet. */
function seam(answers: Partial<Engine> = {}) {
  let realMs = 0
  let virtualMs = 0
  const lint = new Linter({
    settings: { level: 'warn', ignore: [] },
    logger: silentLogger,
    now: () => virtualMs,
    monotonicMs: () => virtualMs,
    realMs: () => realMs,
  })
  const done = async (): Promise<never> => undefined as never
  const double = {
    clock: { now: () => virtualMs },
    registerConsumer: done,
    unregisterConsumer: done,
    registerProducer: done,
    unregisterProducer: done,
    sendMessage: done,
    delay: { sendDelayedMessage: done, recallMessage: done },
    transactions: { sendHalfMessage: done, endTransaction: done, answerChecks: () => () => undefined },
    ...answers,
  } as unknown as Engine
  const engine = layeredEngine(double, [lint.layer()])
  const ids = new MessageIdGenerator(engine.clock, { next: () => 0 })
  const request = (topic: string, change: Partial<OutgoingMessage> = {}) => ({
    producerGroup: 'shop',
    queue: { topic, brokerName: 'localhost', queueId: 0 },
    messages: { ...prepareMessage({ topic, body: 'x' }, ids.next(), 0), ...change },
    timeoutMs: 1,
  })
  const tick = (virtual: number, real: number): void => {
    virtualMs += virtual
    realMs += real
  }
  return { lint, engine, request, tick }
}

function registration(change: Partial<ConsumerRegistration> = {}): ConsumerRegistration {
  return {
    group: 'billing',
    clientId: 'a',
    messageModel: 'clustering',
    consumeType: 'push',
    subscriptions: new Map([['orders', matchAll]]),
    ...change,
  }
}

test('The quick start has nothing to be found fault with', async () => {
  await using mq = await createTestMQ({ strict: 'throw' })
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: () => undefined,
  })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'hello' })
  await mq.settled()
  expect(mq.lint.findings).toEqual([])
  expect(mq.lint.notes.map(({ code }) => code)).toEqual(['TOPIC_AUTO_CREATED'])
})

describe('SUBSCRIPTION_MISMATCH', () => {
  test.each([
    ['other tags', { orders: 'paid' }],
    ['other topics', { orders: '*', invoices: '*' }],
  ])('finds members that ask for %s', async (_, subscriptions) => {
    const mq = await open()
    await join(mq, { clientId: 'a' })
    await join(mq, { clientId: 'b', subscriptions })
    expect(mq.lint.findings).toMatchObject([
      { code: 'SUBSCRIPTION_MISMATCH', severity: 'breaks', group: 'billing' },
    ])
    expect(mq.lint.findings[0]?.message).toContain("'a' to 'orders' with '*'")
  })

  test('finds them when both start at once', async () => {
    const mq = await open()
    await Promise.all([join(mq), join(mq, { subscriptions: { orders: 'paid' } })])
    expect(found(mq)).toEqual(['SUBSCRIPTION_MISMATCH'])
  })

  test('does not mind the same in other words, another group, or one after the other', async () => {
    const mq = await open()
    const first = await join(mq, { subscriptions: { orders: 'paid || sent' } })
    await join(mq, { subscriptions: { orders: 'sent||paid' } })
    await join(mq, { group: 'audit' })
    await first.close()
    const alone = await join(mq, { group: 'mail', subscriptions: { orders: 'paid' } })
    await alone.close()
    await join(mq, { group: 'mail', subscriptions: { orders: 'sent' } })
    expect(found(mq)).toEqual([])
  })

  test('does not mind what went with a crash', async () => {
    const mq = await open()
    await join(mq)
    const next = await mq.crash()
    onTestFinished(async () => void (await next.close()))
    await join(next, { subscriptions: { orders: 'paid' } })
    expect(found(next)).toEqual([])
  })

  test('does not mind the retry topic, which not all kinds of consumers have', async () => {
    const { lint, engine } = seam()
    await engine.registerConsumer(registration())
    const withRetry = new Map([['orders', matchAll] as const, ['%RETRY%billing', matchAll] as const])
    await engine.registerConsumer(registration({ clientId: 'b', subscriptions: withRetry }))
    expect(found({ lint })).toEqual([])
  })
})

describe('CONSUMER_KIND_MISMATCH', () => {
  test.each<Partial<ConsumerRegistration>>([{ messageModel: 'broadcasting' }, { consumeType: 'pull' }])(
    'finds a member with %o in a group of clustering push consumers',
    async (kind) => {
      const { lint, engine } = seam()
      await engine.registerConsumer(registration())
      await engine.registerConsumer(registration({ clientId: 'b', ...kind }))
      expect(lint.findings).toMatchObject([{ code: 'CONSUMER_KIND_MISMATCH', severity: 'breaks' }])
    },
  )

  test('does not mind two groups of different kinds, or a group whose members are alike', async () => {
    const { lint, engine } = seam()
    await engine.registerConsumer(registration())
    await engine.registerConsumer(registration({ clientId: 'b' }))
    await engine.registerConsumer(registration({ group: 'audit', messageModel: 'broadcasting' }))
    await engine.registerConsumer(
      registration({ group: 'audit', clientId: 'b', messageModel: 'broadcasting' }),
    )
    await engine.unregisterConsumer('billing', 'a')
    await engine.unregisterConsumer('billing', 'b')
    await engine.registerConsumer(registration({ messageModel: 'broadcasting' }))
    expect(lint.findings).toEqual([])
  })
})

describe('CONSUMER_SETTINGS_MISMATCH', () => {
  const other: AllocateStrategy = { ...allocateAveragely, name: 'MINE', allocate: (_, __, queues) => queues }

  test.each<[string, Partial<PushConsumerOptions>]>([
    ['allocateStrategy', { allocateStrategy: other }],
    ['consumeFromWhere', { consumeFromWhere: 'FIRST_OFFSET' }],
    ['maxReconsumeTimes', { maxReconsumeTimes: 3 }],
  ])('finds members that differ in %s', async (name, options) => {
    const mq = await open()
    await join(mq)
    await join(mq, options)
    expect(mq.lint.findings).toMatchObject([{ code: 'CONSUMER_SETTINGS_MISMATCH', severity: 'risky' }])
    expect(mq.lint.findings[0]?.message).toContain(name)
  })

  test('does not mind what only concerns the member itself', async () => {
    const mq = await open()
    await join(mq)
    await join(mq, { concurrency: 1, pullBatchSize: 8, consumeTimeoutMs: 1000 })
    expect(found(mq)).toEqual([])
  })
})

describe('QUEUES_NOT_ALLOCATED', () => {
  test('finds retries that a strategy gives to nobody', async () => {
    const mq = await open()
    await join(mq, {
      allocateStrategy: {
        name: 'MINE',
        allocate: (_, __, queues) => queues.filter(({ topic }) => topic === 'orders'),
      },
    })
    await mq.clock.rest()
    expect(mq.lint.findings).toMatchObject([
      { code: 'QUEUES_NOT_ALLOCATED', group: 'billing', topic: '%RETRY%billing', severity: 'risky' },
    ])
    expect(mq.lint.findings[0]?.message).toContain("'MINE'")
  })

  test('does not mind a strategy that shares out everything', async () => {
    const mq = await open()
    for (let i = 0; i < 3; i++) await join(mq)
    await mq.clock.rest()
    expect(mq.lint.findings).toEqual([])
  })
})

describe('TRANSACTION_CHECKER_MISMATCH', () => {
  async function start(checkers: readonly unknown[]): Promise<string[]> {
    const { lint, engine } = seam()
    for (const transactionChecker of checkers) {
      const checker = transactionChecker as ProducerOptions['transactionChecker']
      const options = { group: 'pay', ...(checker !== undefined && { transactionChecker: checker }) }
      const { group, clientId } = lint.noteProducer(options)
      await engine.registerProducer(group, clientId!)
    }
    return found({ lint })
  }

  test('finds producers of a group that check in different ways, or not at all', async () => {
    expect(await start([() => 'COMMIT', () => 'ROLLBACK'])).toEqual(['TRANSACTION_CHECKER_MISMATCH'])
    expect(await start([undefined, () => 'COMMIT'])).toEqual(['TRANSACTION_CHECKER_MISMATCH'])
  })

  test('does not mind the same checker, one made by the same factory, or none at all', async () => {
    const checker = () => 'COMMIT'
    const make = (answer: string) => () => answer
    expect(await start([checker, checker])).toEqual([])
    expect(await start([make('a'), make('b')])).toEqual([])
    expect(await start([undefined, undefined])).toEqual([])
  })

  test('does not mind a producer group named as a consumer group', async () => {
    const mq = await open()
    await join(mq, { group: 'shop' })
    await send(mq, {})
    expect(found(mq)).toEqual([])
  })
})

describe('MESSAGE_TYPE_MISMATCH', () => {
  test.each(['DELAY', 'TRANSACTION', 'FIFO', 'PRIORITY'] as const)(
    'finds a message of type %s among NORMAL ones',
    async (type) => {
      const { lint, engine, request } = seam()
      await engine.sendMessage(request('orders'))
      if (type === 'DELAY')
        await engine.delay!.sendDelayedMessage(request('orders'), { deliveryTimestamp: 1000 })
      if (type === 'TRANSACTION') await engine.transactions!.sendHalfMessage(request('orders'))
      if (type === 'FIFO')
        await engine.sendMessage(request('orders', { properties: [['__SHARDINGKEY', 'o-1']] }))
      if (type === 'PRIORITY')
        await engine.sendMessage(request('orders', { properties: [['_SYS_MSG_PRIORITY_', '9']] }))
      expect(lint.findings).toMatchObject([
        { code: 'MESSAGE_TYPE_MISMATCH', severity: 'breaks', topic: 'orders' },
      ])
      expect(lint.findings[0]?.message).toContain(`NORMAL messages, and gets one of type ${type}`)
    },
  )

  test('does not mind a topic for each type, nor what operators send', async () => {
    const { lint, engine, request } = seam()
    await engine.sendMessage(request('orders'))
    await engine.sendMessage(request('orders', { properties: [['region', 'eu']] }))
    await engine.delay!.sendDelayedMessage(request('reminders'), { deliveryTimestamp: 1000 })
    await engine.transactions!.sendHalfMessage(request('payments'))
    await engine.sendMessage({ ...request('payments'), producerGroup: 'TOOLS_PRODUCER' })
    expect(found({ lint })).toEqual([])
  })
})

describe('PROPERTIES_NOT_PORTABLE', () => {
  const many = (count: number, length = 1) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, 'x'.repeat(length)]))

  test.each([
    ['129 properties', many(129)],
    ['16 KiB of them', many(1, 16 * 1024)],
  ])('finds a message with more than %s', async (_, properties) => {
    const mq = await open()
    await send(mq, { properties })
    expect(mq.lint.findings).toMatchObject([{ code: 'PROPERTIES_NOT_PORTABLE', severity: 'breaks' }])
  })

  test('finds a message group that is too long', async () => {
    const { lint, engine, request } = seam()
    await engine.sendMessage(request('a', { properties: [['__SHARDINGKEY', 'x'.repeat(63)]] }))
    expect(found({ lint })).toEqual([])
    await engine.sendMessage(request('a', { properties: [['__SHARDINGKEY', 'x'.repeat(64)]] }))
    expect(found({ lint })).toEqual(['PROPERTIES_NOT_PORTABLE'])
  })

  test('does not mind what the proxy takes', async () => {
    const mq = await open()
    await send(mq, { properties: many(128) }, { properties: many(1, 16_000), tag: 't', keys: ['k'] })
    expect(found(mq)).toEqual([])
  })
})

describe('DELAY_TOO_LONG', () => {
  test('finds a delay of more than a day, and no shorter one', async () => {
    const { lint, engine, request, tick } = seam()
    tick(5 * HOUR, 0)
    await engine.delay!.sendDelayedMessage(request('reminders'), { deliveryTimestamp: 29 * HOUR })
    expect(found({ lint })).toEqual([])
    await engine.delay!.sendDelayedMessage(request('reminders'), { deliveryTimestamp: 29 * HOUR + 1 })
    expect(lint.findings).toMatchObject([{ code: 'DELAY_TOO_LONG', topic: 'reminders' }])
  })
})

describe('BODY_NEAR_LIMIT', () => {
  test('finds a body of three quarters of 4 MiB, and no smaller one', async () => {
    const mq = await open()
    await send(mq, { body: new Uint8Array(3 * MiB - 1) })
    expect(found(mq)).toEqual([])
    await send(mq, { body: new Uint8Array(3 * MiB) })
    expect(mq.lint.findings).toMatchObject([{ code: 'BODY_NEAR_LIMIT', severity: 'risky', topic: 'orders' }])
  })
})

describe('BATCH_TOO_LARGE', () => {
  const messages = (count: number, bytes: number): Message[] =>
    Array.from({ length: count }, () => ({ topic: 'orders', body: new Uint8Array(bytes) }))

  test('finds a batch of more than 1 MiB', async () => {
    const mq = await open()
    await send(mq, messages(3, MiB / 2))
    expect(mq.lint.findings).toMatchObject([{ code: 'BATCH_TOO_LARGE', severity: 'risky' }])
  })

  test('does not mind what splitIntoBatches makes, nor a message that cannot be split', async () => {
    const mq = await open()
    await send(mq, ...splitIntoBatches(messages(5, MiB / 3)), messages(1, 2 * MiB))
    expect(found(mq)).toEqual([])
  })
})

describe('SLOW_LISTENER', () => {
  test('finds a listener that runs past its timeout', async () => {
    const mq = await open({ patienceMs: 20 })
    let calls = 0
    await join(mq, {
      consumeTimeoutMs: 60_000,
      listener: async () => {
        calls += 1
        if (calls === 1) await mq.clock.sleep('2m')
      },
    })
    await send(mq, {})
    await mq.clock.advance('10m')
    expect(mq.lint.findings).toMatchObject([
      { code: 'SLOW_LISTENER', severity: 'risky', count: 1, topic: 'orders' },
    ])
  })

  test('finds one that never ends', async () => {
    const mq = await open({ patienceMs: 20, closeTimeoutMs: 1 })
    await join(mq, { consumeTimeoutMs: 60_000, listener: hang })
    await send(mq, {})
    await mq.clock.advance('1m')
    expect(found(mq)).toEqual(['SLOW_LISTENER'])
  })

  test('does not mind one that is in time, nor one that close gives up', async () => {
    const mq = await open({ patienceMs: 20 })
    await join(mq, { consumeTimeoutMs: 60_000, listener: () => mq.clock.sleep('59s') })
    await send(mq, {})
    await mq.clock.advance('1m')
    await join(mq, { group: 'audit', closeTimeoutMs: 5, listener: hang })
    await send(mq, {})
    await mq.close()
    expect(found(mq)).toEqual([])
  })

  test('finds one that takes that long in earnest, from a second on', async () => {
    const { lint, tick } = seam()
    const call = (consumeTimeoutMs: number, realMs: number) => {
      const listen = layeredCall(async () => {
        tick(0, realMs)
        return undefined
      }, [lint.layer()])
      return listen({
        group: 'billing',
        clientId: 'a',
        messages: [{ topic: 'orders', messageId: 'm', queueOffset: 0 }],
        context: { signal: new AbortController().signal },
        consumeTimeoutMs,
      } as unknown as ListenerCall)
    }
    await call(2000, 1999)
    await call(50, 900)
    expect(found({ lint })).toEqual([])
    await call(2000, 2000)
    expect(lint.findings).toMatchObject([
      { code: 'SLOW_LISTENER', message: expect.stringContaining('real time') },
    ])
  })
})

describe('REPEATED_EFFECT', () => {
  /** A listener that sends an invoice for each order, as `step` says, and fails at its first attempt. */
  async function bill(
    mq: TestMQ,
    step: (send: (message: Message) => Promise<unknown>, attempt: number, id: string) => Promise<unknown>,
  ): Promise<void> {
    const producer = await mq.createProducer({ group: 'billing' })
    await join(mq, {
      listener: async (message: { deliveryAttempt: number; messageId: string }) => {
        await step((invoice) => producer.send(invoice), message.deliveryAttempt, message.messageId)
        if (message.deliveryAttempt === 1) throw new Error('the database is away')
      },
    })
    await send(mq, {})
    await mq.clock.advance('10s')
    await mq.settled()
    expect(mq.ledger.of('delivered').length).toBeGreaterThan(1)
  }

  const INVOICES = { topics: [{ topic: 'orders', queues: 1 }, { topic: 'invoices' }] }

  test('finds a send that is done again when a message is retried', async () => {
    const mq = await open(INVOICES)
    await bill(mq, async (send) => {
      await mq.admin.topicStatus('orders')
      await send({ topic: 'invoices', body: 'an invoice' })
    })
    expect(mq.lint.findings).toMatchObject([
      { code: 'REPEATED_EFFECT', severity: 'risky', group: 'billing', topic: 'invoices', count: 1 },
    ])
    expect(mq.lint.findings[0]?.message).toContain('attempt 2')
  })

  test('knows it by its keys when only a time in the body differs', async () => {
    const mq = await open(INVOICES)
    await bill(mq, (send, attempt, id) =>
      send({ topic: 'invoices', keys: [id], body: `{"attempt":${attempt}}` }),
    )
    expect(found(mq)).toEqual(['REPEATED_EFFECT'])
  })

  test('finds it when a crash delivers the message again', async () => {
    const mq = await open({ ...INVOICES, patienceMs: 20 })
    const hanging = new Signal()
    const consume = async (life: TestMQ) => {
      const producer = await life.createProducer({ group: 'billing' })
      await join(life, {
        listener: async () => {
          await producer.send({ topic: 'invoices', body: 'an invoice' })
          await hanging.promise
        },
      })
    }
    await consume(mq)
    await send(mq, {})
    await mq.clock.rest()
    const next = await mq.crash()
    onTestFinished(async () => void (await next.close()))
    hanging.resolve()
    await consume(next)
    await next.settled()
    expect(found(next)).toEqual(['REPEATED_EFFECT'])
  })

  test('does not mind a listener that goes on where it stopped', async () => {
    const mq = await open(INVOICES)
    await bill(mq, (send, attempt, id) =>
      send({ topic: 'invoices', keys: [id], body: `line item ${'x'.repeat(attempt)}` }),
    )
    const other = await open(INVOICES)
    await bill(other, async (send, attempt) => {
      if (attempt === 1) await send({ topic: 'invoices', body: 'an invoice' })
    })
    expect([found(mq), found(other)]).toEqual([[], []])
  })

  test('does not mind the same send for another message, in another group, or twice in one delivery', async () => {
    const mq = await open(INVOICES)
    const producer = await mq.createProducer({ group: 'any' })
    const listener = async () => {
      await producer.send({ topic: 'invoices', body: 'an invoice' })
      await producer.send({ topic: 'invoices', body: 'an invoice' })
    }
    await join(mq, { listener })
    await join(mq, { group: 'audit', listener })
    await send(mq, {}, {})
    await mq.settled()
    expect(mq.ledger.of('stored')).toHaveLength(10)
    expect(found(mq)).toEqual([])
  })

  test('does not mind that a send is tried again which stored nothing', async () => {
    let attempts = 0
    const refuse = () =>
      ++attempts === 1
        ? Promise.reject(new MQError('SYSTEM_BUSY', 'Later.', { outcome: 'not-attempted' }))
        : Promise.resolve(undefined as never)
    const { lint, engine, request } = seam({ sendMessage: refuse })
    const deliver = () =>
      layeredCall(async () => {
        await engine.sendMessage(request('invoices')).catch(() => undefined)
        return undefined
      }, [lint.layer()])({
        group: 'billing',
        messages: [{ topic: 'orders', messageId: 'm', deliveryAttempt: 1 }],
        context: { signal: new AbortController().signal },
        consumeTimeoutMs: HOUR,
      } as unknown as ListenerCall)
    await deliver()
    await deliver()
    expect(found({ lint })).toEqual([])
    await deliver()
    expect(found({ lint })).toEqual(['REPEATED_EFFECT'])
  })
})

describe('Notes', () => {
  test('TOPIC_AUTO_CREATED: a topic that a send created, and none that was there', async () => {
    const mq = await open()
    await send(mq, {}, { topic: 'invoices' }, { topic: 'invoices' })
    expect(mq.lint.notes).toMatchObject([
      { code: 'TOPIC_AUTO_CREATED', severity: 'note', topic: 'invoices', count: 1 },
    ])
    expect(mq.lint.findings).toEqual([])
  })

  test('SUBSCRIBED_TOPIC_MISSING: a topic that was still not there at the end', async () => {
    const mq = await open()
    const consumer = await join(mq, { subscriptions: { orders: '*', ordres: '*', later: '*' } })
    await mq.admin.createTopic({ topic: 'later' })
    expect(found(mq)).toEqual([])
    await consumer.close()
    expect(mq.lint.notes).toMatchObject([{ code: 'SUBSCRIBED_TOPIC_MISSING', topic: 'ordres' }])
  })

  test('SURPLUS_CONSUMERS: more members than the largest topic has queues', async () => {
    const mq = await open({
      topics: [
        { topic: 'orders', queues: 1 },
        { topic: 'invoices', queues: 2 },
      ],
    })
    const subscriptions = { orders: '*', invoices: '*' }
    await join(mq, { subscriptions })
    await join(mq, { subscriptions })
    expect(found(mq)).toEqual([])
    await join(mq, { subscriptions })
    expect(mq.lint.notes).toMatchObject([{ code: 'SURPLUS_CONSUMERS', group: 'billing' }])
  })

  test('SURPLUS_CONSUMERS: also when the topic comes later', async () => {
    const mq = await open({ topics: [], defaultTopicQueueNums: 1 })
    await join(mq)
    await join(mq)
    expect(found(mq)).toEqual([])
    await send(mq, {})
    expect(found(mq)).toEqual(['TOPIC_AUTO_CREATED', 'SURPLUS_CONSUMERS'])
  })

  test('BATCH_SIZE_CAPPED: batches that no pull can fill', async () => {
    const mq = await open()
    await join(mq, { consumeMessageBatchMaxSize: 32 } as Partial<PushConsumerOptions>)
    expect(found(mq)).toEqual([])
    await join(mq, { group: 'audit', consumeMessageBatchMaxSize: 33 } as Partial<PushConsumerOptions>)
    expect(mq.lint.notes).toMatchObject([{ code: 'BATCH_SIZE_CAPPED', group: 'audit' }])
  })

  test('BROKER_SETTING_NEEDED: recalls and SQL expressions', async () => {
    const { lint, engine } = seam()
    const sql = { ...parseTagExpression('*'), type: 'SQL92' } as never
    await engine.registerConsumer(registration())
    expect(found({ lint })).toEqual([])
    await engine.registerConsumer(registration({ group: 'audit', subscriptions: new Map([['orders', sql]]) }))
    await engine.delay!.recallMessage('reminders', 'handle')
    expect(lint.notes.map(({ code }) => code)).toEqual(['BROKER_SETTING_NEEDED', 'BROKER_SETTING_NEEDED'])
  })
})
