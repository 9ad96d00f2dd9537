import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { messageIdFor } from '../../src/model/message-id-for.ts'
import type { TransactionResolution } from '../../src/model/transaction.ts'
import type { TestMQ } from '../../src/testing/test-mq.ts'
import { createTestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'

const UNKNOWN_ID = `01${'0'.repeat(32)}`

/** The entries of a message as one line each, without times. */
async function lines(mq: TestMQ, messageId: string): Promise<string[]> {
  const { entries } = await mq.admin.trace(messageId)
  return entries.map(({ type, group, clientId, queue, queueOffset, outcome, reason }) =>
    [type, group, clientId, queue?.topic, queueOffset, outcome, reason]
      .filter((each) => each !== undefined)
      .join(' '),
  )
}

async function types(mq: TestMQ, messageId: string): Promise<string[]> {
  return (await mq.admin.trace(messageId)).entries.map(({ type }) => type)
}

describe('admin.trace without tracing', () => {
  test('tells where a message lies and when it was stored', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId, queue, storeTimestamp } = await producer.send({ topic: 'orders', body: 'x' })
    expect(await mq.admin.trace(messageId)).toEqual({
      messageId,
      topic: 'orders',
      entries: [{ type: 'stored', timestamp: storeTimestamp, queue, queueOffset: 0 }],
    })
  })

  test('tells of retries that wait, of those that came, and why it was given up', async () => {
    await using mq = await createTestMQ()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 1,
      listener: () => ConsumeResult.FAILURE,
    })
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId, queue } = await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled({ horizon: 0 })
    const { entries } = await mq.admin.trace(messageId)
    const dueTimestamp = mq.clock.now() + 10_000
    expect(entries.slice(1)).toEqual([
      {
        type: 'retry-scheduled',
        timestamp: dueTimestamp,
        dueTimestamp,
        group: 'billing',
        queue,
        queueOffset: 0,
        reconsumeTimes: 1,
      },
    ])
    await mq.settled({ horizon: '1h' })
    expect(await lines(mq, messageId)).toEqual([
      'stored orders 0',
      'retried billing %RETRY%billing 0',
      'dead-lettered billing %DLQ%billing 0 The listener returned FAILURE.',
    ])
  })

  test('finds a delayed message while it waits, and tells later that it did', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    const sentTimestamp = mq.clock.now()
    const deliveryTimestamp = sentTimestamp + 60_000
    for (let i = 0; i < 3; i++) await producer.send({ topic: 'others', body: 'x', delayTimeLevel: 5 })
    const { messageId, queue } = await producer.send({ topic: 'orders', body: 'x', deliveryTimestamp })
    const scheduled = { type: 'scheduled', timestamp: sentTimestamp, dueTimestamp: deliveryTimestamp }
    expect(await mq.admin.trace(messageId)).toEqual({
      messageId,
      topic: 'orders',
      entries: [{ ...scheduled, queue }],
    })
    await mq.clock.advance(60_000)
    expect((await mq.admin.trace(messageId)).entries).toEqual([
      scheduled,
      { type: 'stored', timestamp: deliveryTimestamp, queue, queueOffset: 0 },
    ])
  })

  test('finds the half of a transaction, and after the last check that it was given up', async () => {
    await using mq = await createTestMQ({ transactionCheckMax: 1 })
    const transactionChecker = (): TransactionResolution => 'UNKNOWN'
    const producer = await mq.createProducer({ group: 'shop', transactionChecker })
    const transaction = producer.beginTransaction()
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' }, { transaction })
    expect(await lines(mq, messageId)).toEqual(['prepared shop orders'])
    await mq.clock.advance('1h')
    expect(await lines(mq, messageId)).toEqual([
      'prepared shop',
      'given-up TRANS_CHECK_MAX_TIME_TOPIC 0 Nobody knew how its transaction ended, after 1 checks.',
    ])
    expect((await mq.admin.trace(messageId)).topic).toBe('orders')
  })

  test('knows nothing of what was never sent', async () => {
    await using mq = await createTestMQ()
    await expect(mq.admin.trace(UNKNOWN_ID)).rejects.toEqual(
      mqError('NO_MESSAGE', 'Nothing is known of the message'),
    )
    await expect(mq.admin.trace('x')).rejects.toEqual(mqError('INVALID_PARAMETER', "'x' is no message id."))
  })
})

describe('admin.trace with tracing', () => {
  test('tells who sent it, each delivery with its consumer, duration and outcome', async () => {
    await using mq = await createTestMQ({ trace: true })
    await mq.createPushConsumer({
      group: 'billing',
      clientId: 'b1',
      subscriptions: { orders: '*' },
      listener: async ({ reconsumeTimes }) => {
        await mq.clock.sleep(250)
        if (reconsumeTimes === 0) throw new Error('no printer')
      },
    })
    const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled({ horizon: '1h' })
    expect(await lines(mq, messageId)).toEqual([
      'sent shop p1 orders 0 SUCCESS',
      'stored orders 0',
      'delivered billing b1 orders 0 EXCEPTION Error: no printer',
      'retried billing %RETRY%billing 0',
      'delivered billing b1 %RETRY%billing 0 SUCCESS',
    ])
    const { entries } = await mq.admin.trace(messageId)
    const [first, second] = entries.filter(({ type }) => type === 'delivered')
    expect([first?.durationMs, second?.durationMs]).toEqual([250, 250])
    expect(second!.timestamp - first!.timestamp).toBe(10_250)
  })

  test('tells of each message of a batch', async () => {
    await using mq = await createTestMQ({ trace: true })
    const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
    const { messageIds } = await producer.send(['x', 'y'].map((body) => ({ topic: 'orders', body })))
    expect(await lines(mq, messageIds[1]!)).toEqual(['sent shop p1 orders 1 SUCCESS', 'stored orders 1'])
  })

  test('tells of a repeated send where the first one was stored, and that it stored nothing', async () => {
    await using mq = await createTestMQ({ trace: true, deduplicationWindowMs: 60_000 })
    const producer = await mq.createProducer({ group: 'shop' })
    const messageId = messageIdFor('o-42')
    const { queue } = await producer.send({ topic: 'orders', body: 'x' }, { messageId })
    await producer.send({ topic: 'orders', body: 'x' }, { messageId })
    const { entries } = await mq.admin.trace(messageId)
    expect(entries.map(({ type, isDuplicate }) => [type, isDuplicate])).toEqual([
      ['sent', undefined],
      ['sent', true],
      ['stored', undefined],
    ])
    expect(entries.map((entry) => [entry.queue, entry.queueOffset])).toEqual(new Array(3).fill([queue, 0]))
  })

  test.each([
    ['its producer', 0, 'commit'],
    ['a check', 6000, undefined],
  ])('tells of a commit by %s before what it brings about', async (_, waitMs, end) => {
    await using mq = await createTestMQ({ trace: true })
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => mq.clock.sleep(5),
    })
    const transactionChecker = (): TransactionResolution => 'COMMIT'
    const producer = await mq.createProducer({ group: 'pay', transactionChecker })
    const transaction = producer.beginTransaction()
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' }, { transaction })
    mq.faults.delay('endTransaction', { byMs: 3 })
    const askedTimestamp = mq.clock.now() + waitMs
    if (end !== undefined) await mq.clock.runUntil(transaction.commit())
    await mq.clock.advance(waitMs + 1000)
    expect(await types(mq, messageId)).toEqual(['sent', 'prepared', 'committed', 'stored', 'delivered'])
    const { entries } = await mq.admin.trace(messageId)
    expect(entries[2]?.timestamp).toBe(askedTimestamp)
  })

  test('tells what a message waited for that was recalled, where it was moved to, or that was rolled back', async () => {
    await using mq = await createTestMQ({ trace: true })
    const transactionChecker = (): TransactionResolution => 'UNKNOWN'
    const producer = await mq.createProducer({ group: 'shop', transactionChecker })
    const [first, second] = [mq.clock.now() + 60_000, mq.clock.now() + 90_000]
    const delayed = await producer.send({ topic: 'orders', body: 'x', deliveryTimestamp: first })
    const dues = async () =>
      (await mq.admin.trace(delayed.messageId)).entries.map((each) => each.dueTimestamp)
    const handle = await mq.admin.rescheduleMessage('orders', delayed.recallHandle!, second)
    expect(await dues()).toEqual([undefined, second])
    await producer.recall('orders', handle)
    expect(await types(mq, delayed.messageId)).toEqual(['sent', 'scheduled', 'recalled'])
    expect(await dues()).toEqual([undefined, first, undefined])
    const transaction = producer.beginTransaction()
    const half = await producer.send({ topic: 'orders', body: 'x' }, { transaction })
    await transaction.rollback()
    expect(await types(mq, half.messageId)).toEqual(['sent', 'prepared', 'rolled-back'])
  })

  test('tells what became of messages that were never stored', async () => {
    await using mq = await createTestMQ({ trace: true })
    const transactionChecker = (): TransactionResolution => 'UNKNOWN'
    const producer = await mq.createProducer({ group: 'shop', clientId: 'p1', transactionChecker })
    const deliveryTimestamp = mq.clock.now() + 60_000
    const delayed = await producer.send({ topic: 'orders', body: 'x', deliveryTimestamp })
    await producer.recall('orders', delayed.recallHandle!)
    expect(await types(mq, delayed.messageId)).toEqual(['sent', 'scheduled', 'recalled'])
    const transaction = producer.beginTransaction()
    const half = await producer.send({ topic: 'orders', body: 'x' }, { transaction })
    await transaction.rollback()
    expect(await types(mq, half.messageId)).toEqual(['sent', 'prepared', 'rolled-back'])
    expect((await mq.admin.trace(half.messageId)).topic).toBe('orders')
  })

  test('tells what a check answered', async () => {
    await using mq = await createTestMQ({ trace: true })
    const transactionChecker = (): TransactionResolution => 'COMMIT'
    const producer = await mq.createProducer({ group: 'shop', clientId: 'p1', transactionChecker })
    const transaction = producer.beginTransaction()
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' }, { transaction })
    await mq.clock.advance('1m')
    expect(await lines(mq, messageId)).toEqual([
      'sent shop p1 orders SUCCESS',
      'prepared shop',
      'committed shop p1 The transactionChecker said so.',
      'stored orders 0',
    ])
  })

  test('tells of consumers that ask, and what they said afterwards', async () => {
    await using mq = await createTestMQ({ trace: true })
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    const simple = await mq.createSimpleConsumer({
      group: 's',
      clientId: 's1',
      subscriptions: { orders: '*' },
    })
    const [first] = await simple.receive()
    await simple.nack(first!, { reason: 'busy' })
    await mq.clock.advance('1m')
    const [second] = await simple.receive()
    await simple.ack(second!)
    await mq.clock.advance(1)
    const lite = await mq.createLitePullConsumer({
      group: 'l',
      clientId: 'l1',
      subscriptions: { orders: '*' },
    })
    await lite.poll()
    await mq.clock.advance(1)
    const pull = await mq.createPullConsumer({ group: 'p', clientId: 'c1' })
    const { queue } = first!
    await pull.pull({ ...queue, topic: 'orders' }, '*', 0, 1)
    expect((await lines(mq, messageId)).slice(2)).toEqual([
      'received s s1 orders 0',
      'returned s s1 orders 0 busy',
      'retried s %RETRY%s+orders 0',
      'received s s1 %RETRY%s+orders 0',
      'acknowledged s s1 %RETRY%s+orders 0',
      'received l l1 orders 0',
      'received p c1 orders 0',
    ])
  })

  test('survives a crash, but for what was not written yet', async () => {
    const mq = await createTestMQ({ trace: true })
    const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
    const { messageId: early } = await producer.send({ topic: 'orders', body: 'x' })
    await mq.clock.advance(5000)
    const { messageId: late } = await producer.send({ topic: 'orders', body: 'x' })
    await using reopened = await mq.crash()
    expect(await types(reopened, early)).toEqual(['sent', 'stored'])
    expect(await types(reopened, late)).toEqual(['stored'])
  })

  test('is written when the instance closes, in few messages, and traces itself never', async () => {
    const mq = await createTestMQ({ trace: true })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'x' })
    for (let i = 0; i < 249; i++) void producer.send({ topic: 'orders', body: 'x' })
    await mq.close()
    await using reopened = await mq.crash()
    expect(await reopened.admin.browse('RMQ_SYS_TRACE_TOPIC')).toHaveLength(3)
    await reopened.createPushConsumer({
      group: 'exporter',
      subscriptions: { RMQ_SYS_TRACE_TOPIC: '*' },
      consumeFromWhere: 'FIRST_OFFSET',
      listener: () => undefined,
    })
    await reopened.settled()
    await reopened.clock.advance('1m')
    expect(await reopened.admin.browse('RMQ_SYS_TRACE_TOPIC')).toHaveLength(3)
  })

  test('is not traced where a group fails to consume it', async () => {
    await using mq = await createTestMQ({ trace: true })
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    await mq.admin.trace(messageId)
    const attempts: number[] = []
    await mq.createPushConsumer({
      group: 'exporter',
      subscriptions: { RMQ_SYS_TRACE_TOPIC: '*' },
      consumeFromWhere: 'FIRST_OFFSET',
      listener: (_, { deliveryAttempt }) => {
        attempts.push(deliveryAttempt)
        if (deliveryAttempt === 1) throw new Error('not now')
      },
    })
    await mq.settled({ horizon: '1h' })
    await mq.clock.advance('1m')
    expect(attempts).toEqual([1, 2])
    expect(await mq.admin.browse('RMQ_SYS_TRACE_TOPIC')).toHaveLength(1)
  })

  test('waits at close for what is being sent', async () => {
    const mq = await createTestMQ({ trace: true })
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId: first } = await producer.send({ topic: 'orders', body: 'x' })
    mq.faults.delay('sendMessage', { byMs: 100 })
    const sending = producer.send({ topic: 'orders', body: 'x' })
    await mq.close()
    const { messageId } = await sending
    await using reopened = await mq.crash()
    expect(await types(reopened, first)).toEqual(['sent', 'stored'])
    expect(await types(reopened, messageId)).toEqual(['sent', 'stored'])
  })

  test('drops what it cannot write, and says so once', async () => {
    const warnings: string[] = []
    const silent = (): void => undefined
    const warn = (text: string): void => void warnings.push(text)
    const logger = { debug: silent, info: silent, error: silent, warn }
    await using mq = await createTestMQ({ trace: true, logger })
    const producer = await mq.createProducer({ group: 'shop' })
    for (let i = 0; i < 12_000; i++) void producer.send({ topic: 'orders', body: 'x' })
    await mq.settled()
    const { messageId } = await producer.send({ topic: 'orders', body: 'x' })
    expect(await types(mq, messageId)).toEqual(['sent', 'stored'])
    expect(warnings).toEqual(['What is traced is not all written from now on: more happens than is written'])
  })
})
