import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, onTestFinished, test } from 'vitest'
import type { PushConsumerOptions } from '../src/consumer/push-consumer-options.ts'
import { createTestMQ, type TestMQ } from '../src/testing/test-mq.ts'

/** Who is calling; what runs for nobody in particular must not run in the context of a stranger. */
const caller = new AsyncLocalStorage<string>()

function openOwned(): Promise<TestMQ> {
  return caller.run('instance', async () => {
    const mq = await createTestMQ()
    onTestFinished(async () => void (await mq.close()))
    return mq
  })
}

/** A consumer of `orders`, and the contexts in which its listener was called, by message. */
async function consume(mq: TestMQ, options: Partial<PushConsumerOptions> = {}, failures = 0) {
  const contexts: string[] = []
  const complete = {
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: async (message: { deliveryAttempt: number }) => {
      contexts.push(String(caller.getStore()))
      await null
      contexts.push(String(caller.getStore()))
      if (message.deliveryAttempt <= failures) throw new Error('no printer')
    },
    ...options,
  } as PushConsumerOptions
  const consumer = await caller.run('consumer', () => mq.createPushConsumer(complete))
  return { consumer, contexts }
}

/** Sends from within requests of strangers; the first one makes the topic. */
async function sendFromRequests(mq: TestMQ, fields: object = {}): Promise<void> {
  const producer = await mq.createProducer({ group: 'shop' })
  for (const request of ['request 1', 'request 2', 'request 3'])
    await caller.run(request, async () => {
      await producer.send({ topic: 'orders', body: request, ...fields })
      await mq.clock.rest()
    })
}

const KINDS: readonly (readonly [string, Partial<PushConsumerOptions>])[] = [
  ['concurrent', {}],
  ['orderly', { mode: 'orderly' }],
  ['accelerated', { mode: 'orderly', enableFifoConsumeAccelerator: true }],
  [
    'broadcasting',
    { messageModel: 'broadcasting', consumeFromWhere: 'FIRST_OFFSET', broadcastFailure: 'retry' },
  ],
]

test.each(KINDS)('The listener of a %s consumer runs in the context of its consumer', async (_, options) => {
  const mq = await openOwned()
  const { contexts } = await consume(mq, options, 1)
  await sendFromRequests(mq, { messageGroup: 'o-1' })
  await caller.run('test', () => mq.clock.advance('10m'))
  expect(contexts).toHaveLength(12)
  expect(new Set(contexts)).toEqual(new Set(['consumer']))
})

test('A delayed message is consumed in the context of its consumer', async () => {
  const mq = await openOwned()
  const { contexts } = await consume(mq)
  await sendFromRequests(mq, { delayTimeLevel: 1 })
  await caller.run('test', () => mq.clock.advance('1m'))
  expect(contexts).toEqual(new Array(6).fill('consumer'))
})

test('What a stranger resumes or subscribes to is consumed in the context of its consumer', async () => {
  const mq = await openOwned()
  const { consumer, contexts } = await consume(mq, { subscriptions: { others: '*' } })
  consumer.pause()
  await sendFromRequests(mq)
  await caller.run('stranger', async () => {
    await consumer.subscribe('orders', '*')
    consumer.resume()
    await mq.clock.rest()
  })
  await sendFromRequests(mq)
  expect(contexts.length).toBeGreaterThanOrEqual(6)
  expect(new Set(contexts)).toEqual(new Set(['consumer']))
})

test('Hooks of a consumer run in the context of their consumer', async () => {
  const mq = await openOwned()
  const contexts: unknown[] = []
  const note = (): void => void contexts.push(caller.getStore())
  await consume(mq, { consumeHooks: [{ before: note, after: note }] })
  await sendFromRequests(mq)
  expect(contexts).toEqual(new Array(6).fill('consumer'))
})

test('A transactionChecker runs in the context of its producer', async () => {
  const mq = await openOwned()
  const contexts: unknown[] = []
  const producer = await caller.run('producer', () =>
    mq.createProducer({
      group: 'pay',
      transactionChecker: () => {
        contexts.push(caller.getStore())
        return 'UNKNOWN'
      },
    }),
  )
  await caller.run('request', () =>
    producer.send({ topic: 'orders', body: 'x' }, { transaction: producer.beginTransaction() }),
  )
  await caller.run('test', () => mq.clock.advance('1m'))
  expect(contexts.length).toBeGreaterThan(1)
  expect(new Set(contexts)).toEqual(new Set(['producer']))
})

test('Listeners of events run in the context of the instance', async () => {
  const mq = await openOwned()
  const contexts: unknown[] = []
  const note = (): void => void contexts.push(caller.getStore())
  mq.on('retry', note).on('dead-letter', note).on('error', note)
  await consume(mq, { maxReconsumeTimes: 1 }, 2)
  await sendFromRequests(mq)
  await caller.run('test', () => mq.clock.advance('1h'))
  const producer = await mq.createProducer({ group: 'hints' })
  mq.faults.failSend({ code: 'DISK_FULL' })
  caller.run('request', () => producer.sendOneway({ topic: 'orders', body: 'x' }))
  await mq.clock.rest()
  expect(contexts).toEqual(new Array(7).fill('instance'))
})

test('Who watches the queues of a topic is told in the context in which it asked', async () => {
  const mq = await openOwned()
  const contexts: unknown[] = []
  const consumer = await mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' } })
  caller.run('watcher', () => consumer.onQueuesChanged('orders', () => contexts.push(caller.getStore())))
  await sendFromRequests(mq)
  expect(contexts).toEqual(['watcher'])
})

test('Hooks of a producer, and what a send answers, stay in the context of the sender', async () => {
  const mq = await openOwned()
  const contexts: unknown[] = []
  const note = (): void => void contexts.push(caller.getStore())
  const producer = await mq.createProducer({ group: 'shop', sendHooks: [{ before: note, after: note }] })
  await Promise.all(
    ['request 1', 'request 2'].map((request) =>
      caller.run(request, () => producer.send({ topic: 'orders', body: request }).then(note)),
    ),
  )
  const each = (name: string): string[] => new Array(3).fill(name)
  expect(contexts.sort()).toEqual([...each('request 1'), ...each('request 2')])
})
