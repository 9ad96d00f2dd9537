import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { DeliveryTrace, SendTrace } from '../../src/model/tracing.ts'
import { createTestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'

/** Subscribes for as long as the test runs. */
function listen(name: string, listener: (message: unknown) => void): void {
  subscribe(name, listener)
  onTestFinished(() => void unsubscribe(name, listener))
}

/** The parts of a tracing channel that were told, in order. */
function phasesOf<Trace>(name: string): { phase: string; trace: Trace }[] {
  const told: { phase: string; trace: Trace }[] = []
  for (const phase of ['start', 'end', 'asyncStart', 'asyncEnd', 'error'])
    listen(`tracing:${name}:${phase}`, (trace) => told.push({ phase, trace: trace as Trace }))
  return told
}

describe('The channel pocketmq:send', () => {
  test('tells of a send before it, and when it is stored', async () => {
    await using mq = await createTestMQ()
    const told = phasesOf<SendTrace>('pocketmq:send')
    const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
    const receipt = await producer.send({
      topic: 'orders',
      body: 'xy',
      tag: 't',
      keys: ['k'],
      messageGroup: 'o-1',
    })
    expect(told.map(({ phase }) => phase)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
    const { trace } = told[0]!
    expect(trace).toMatchObject({
      group: 'shop',
      clientId: 'p1',
      type: 'FIFO',
      queue: receipt.queue,
      timestamp: mq.clock.now(),
      durationMs: 0,
      result: { messageId: receipt.messageId },
    })
    const [message] = trace.messages
    expect(message).toMatchObject({
      messageId: receipt.messageId,
      tag: 't',
      keys: ['k'],
      messageGroup: 'o-1',
      bodyBytes: 2,
    })
  })

  test('tells the type of each kind of send, and the error of one that fails', async () => {
    await using mq = await createTestMQ()
    const told = phasesOf<SendTrace>('pocketmq:send')
    const producer = await mq.createProducer({ group: 'shop', transactionChecker: () => 'UNKNOWN' })
    await producer.send({ topic: 'orders', body: 'x', delayTimeLevel: 1 })
    await producer.send({ topic: 'orders', body: 'x' }, { transaction: producer.beginTransaction() })
    await producer.send(['x', 'y'].map((body) => ({ topic: 'orders', body })))
    mq.faults.failSend({ code: 'DISK_FULL' })
    await expect(producer.send({ topic: 'orders', body: 'x' })).rejects.toEqual(mqError('DISK_FULL', ''))
    const ended = told.filter(({ phase }) => phase === 'asyncEnd').map(({ trace }) => trace)
    expect(ended.map(({ type, messages }) => `${type} ${messages.length}`)).toEqual([
      'DELAY 1',
      'TRANSACTION 1',
      'NORMAL 2',
      'NORMAL 1',
    ])
    expect(ended.map(({ error }) => error !== undefined)).toEqual([false, false, false, true])
    expect(told.filter(({ phase }) => phase === 'error')).toHaveLength(1)
  })

  test('lets properties travel with a message, but never makes a send fail', async () => {
    await using mq = await createTestMQ()
    listen('tracing:pocketmq:send:start', (message) => {
      const trace = message as SendTrace
      trace.setProperty('traceparent', 'p-1')
      trace.setProperty('region', 'overwritten')
      trace.setProperty('KEYS', 'reserved')
      trace.setProperty('big', 'x'.repeat(40_000))
    })
    listen('tracing:pocketmq:send:asyncEnd', (message) => (message as SendTrace).setProperty('late', 'x'))
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageIds } = await producer.send([
      { topic: 'orders', body: 'x', properties: { region: 'eu' } },
      { topic: 'orders', body: 'y' },
    ])
    const stored = await Promise.all(messageIds.map((id) => mq.admin.queryMessageById(id)))
    expect(stored.map(({ properties }) => ({ ...properties }))).toEqual([
      { region: 'eu', traceparent: 'p-1' },
      { traceparent: 'p-1', region: 'overwritten' },
    ])
  })

  test('begins and ends with its listener, also for a producer that was there before', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    let count = 0
    const listener = (): void => void count++
    await producer.send({ topic: 'orders', body: 'x' })
    subscribe('tracing:pocketmq:send:start', listener)
    await producer.send({ topic: 'orders', body: 'x' })
    unsubscribe('tracing:pocketmq:send:start', listener)
    await producer.send({ topic: 'orders', body: 'x' })
    expect(count).toBe(1)
  })
})

describe('The channel pocketmq:deliver', () => {
  test.each(['concurrent', 'orderly'] as const)('tells of each call of a listener, %s', async (mode) => {
    await using mq = await createTestMQ()
    const told = phasesOf<DeliveryTrace>('pocketmq:deliver')
    await mq.createPushConsumer({
      group: 'billing',
      clientId: 'b1',
      mode,
      subscriptions: { orders: '*' },
      listener: async ({ deliveryAttempt }) => {
        await mq.clock.sleep(20)
        return deliveryAttempt === 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
      },
    })
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled({ horizon: '1h' })
    const once = ['start', 'end', 'asyncStart', 'asyncEnd']
    expect(told.map(({ phase }) => phase)).toEqual([
      'start',
      'end',
      'error',
      'asyncStart',
      'asyncEnd',
      ...once,
    ])
    const [first, , , , , second] = told.map(({ trace }) => trace)
    expect(first).toMatchObject({
      group: 'billing',
      clientId: 'b1',
      status: 'FAILED',
      durationMs: 20,
      error: 'The listener returned FAILURE.',
    })
    expect(first!.messages.map((message) => message.messageId)).toEqual([messageId])
    expect(second).toMatchObject({ status: 'SUCCESS' })
    expect(second).not.toHaveProperty('error')
  })

  test('binds stores around the listener, also behind its awaits', async () => {
    await using mq = await createTestMQ()
    const storage = new AsyncLocalStorage<string>()
    const { start } = tracingChannel<string, DeliveryTrace>('pocketmq:deliver')
    start.bindStore(storage, ({ messages }) => `for ${messages[0]?.text()}`)
    onTestFinished(() => void start.unbindStore(storage))
    const seen: unknown[] = []
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: async () => {
        await mq.clock.sleep(5)
        seen.push(storage.getStore())
      },
    })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled({ horizon: '1s' })
    expect(seen).toEqual(['for x'])
  })
})

describe('The other channels', () => {
  test('tell of retries, dead letters, receipts, recalls and ends of transactions', async () => {
    await using mq = await createTestMQ()
    const told: [name: string, message: object][] = []
    for (const name of ['retry', 'dead-letter', 'receive', 'settle', 'recall', 'end-transaction'])
      listen(`pocketmq:${name}`, (message) => told.push([name, message as object]))
    const consumer = await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 1,
      listener: () => ConsumeResult.FAILURE,
    })
    const producer = await mq.createProducer({
      group: 'shop',
      clientId: 'p1',
      transactionChecker: () => 'UNKNOWN',
    })
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled({ horizon: '1h' })
    await consumer.close()
    const simple = await mq.createSimpleConsumer({
      group: 's',
      clientId: 's1',
      subscriptions: { orders: '*' },
    })
    const [received] = await simple.receive()
    await simple.ack(received!)
    const deliveryTimestamp = mq.clock.now() + 1000
    const { recallHandle } = await producer.send({ topic: 'orders', body: 'x', deliveryTimestamp })
    await producer.recall('orders', recallHandle!)
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'orders', body: 'x' }, { transaction })
    await transaction.commit()
    expect(told).toMatchObject([
      ['retry', { group: 'billing', messageId, reconsumeTimes: 1 }],
      ['dead-letter', { group: 'billing', messageId, deadLetterTopic: '%DLQ%billing' }],
      ['receive', { group: 's', clientId: 's1', messages: [{ messageId }] }],
      ['settle', { group: 's', clientId: 's1', settlement: 'ACK', messages: [{ messageId }] }],
      ['recall', { group: 'shop', clientId: 'p1', topic: 'orders' }],
      ['end-transaction', { group: 'shop', clientId: 'p1', resolution: 'COMMIT', isFromCheck: false }],
    ])
  })

  test('tell nothing of a settlement that is refused', async () => {
    await using mq = await createTestMQ()
    let count = 0
    listen('pocketmq:settle', () => void count++)
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'x' })
    const simple = await mq.createSimpleConsumer({ group: 's', subscriptions: { orders: '*' } })
    const [received] = await simple.receive({ invisibleDurationMs: 10_000 })
    await mq.clock.advance('11s')
    await expect(simple.ack(received!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', ''))
    expect(count).toBe(0)
  })
})
