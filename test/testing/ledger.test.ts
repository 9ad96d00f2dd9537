import { describe, expect, test } from 'vitest'
import type { DelayVerbs } from '../../src/model/delay-verbs.ts'
import type { Engine, SendRequest } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import { formatMessageId, MessageIdGenerator } from '../../src/model/message-id.ts'
import { messageIdFor } from '../../src/model/message-id-for.ts'
import { prepareMessage } from '../../src/model/outgoing-message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import type { TransactionVerbs } from '../../src/model/transaction-verbs.ts'
import { HandedOut } from '../../src/testing/handed-out.ts'
import { createTestMQ, expectMQ, type LedgerEntry, type TestMQ } from '../../src/testing/index.ts'
import { Ledger } from '../../src/testing/ledger.ts'
import { ledgerLayer } from '../../src/testing/ledger-layer.ts'
import { SeededRandom } from '../../src/testing/seeded-random.ts'
import { mqError } from '../helpers/expect-error.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Signal } from '../helpers/signal.ts'
import { openShop } from './shop.ts'

/** The types of entries, oldest first. */
const typesOf = (entries: readonly LedgerEntry[]): string[] => entries.map(({ type }) => type)

describe('The ledger', () => {
  test('holds a message from its send to its acknowledgement, numbered and with virtual times', async () => {
    const { mq, order } = await openShop()
    await mq.clock.advance('5s')
    const { messageId, queue, queueOffset } = await order({
      tag: 'paid',
      keys: ['o-1', 'c-1'],
      properties: { region: 'eu' },
      body: Buffer.from('order 1'),
    })
    await mq.clock.rest()
    const timestamp = Date.UTC(2027, 0, 1, 0, 0, 5)
    const message = { timestamp, topic: 'orders', messageId }
    const delivery = { ...message, group: 'billing', clientId: 'billing-1', deliveryAttempt: 1 }
    expect(mq.ledger.of('sent')).toEqual([
      {
        number: 1,
        type: 'sent',
        ...message,
        producerGroup: 'shop',
        tag: 'paid',
        keys: ['o-1', 'c-1'],
        properties: { region: 'eu' },
        body: Buffer.from('order 1'),
      },
    ])
    // A listener may get a message before the sender hears that it is stored.
    const number = expect.any(Number)
    expect(mq.ledger.of('stored')).toEqual([
      { number, type: 'stored', ...message, queue, queueOffset, status: 'SEND_OK' },
    ])
    expect(mq.ledger.of('delivered')).toEqual([
      { number, type: 'delivered', ...delivery, queue, queueOffset },
    ])
    expect(mq.ledger.of('acknowledged')).toEqual([{ number: 4, type: 'acknowledged', ...delivery }])
    expect(mq.ledger.entries.map(({ number }) => number)).toEqual([1, 2, 3, 4])
    expect(mq.ledger.history(messageId)).toEqual(mq.ledger.entries)
    expect(mq.ledger.history('no such id')).toEqual([])
  })

  test('holds a repeated send as one that stored nothing, where the first one was stored', async () => {
    await using mq = await createTestMQ({ deduplicationWindowMs: 60_000 })
    const producer = await mq.createProducer({ group: 'shop' })
    const messageId = messageIdFor('o-42')
    const { queue } = await producer.send({ topic: 'orders', body: 'x' }, { messageId })
    await producer.send({ topic: 'orders', body: 'x' }, { messageId })
    await mq.settled()
    expect(typesOf(mq.ledger.history(messageId))).toEqual(['sent', 'stored', 'sent', 'deduplicated'])
    expect(mq.ledger.of('deduplicated')).toMatchObject([{ queue, queueOffset: 0 }])
    mq.ledger.clear()
    await producer.send({ topic: 'orders', body: 'x' }, { messageId })
    expectMQ(mq).sent({ topic: 'orders', outcome: 'stored' })
  })

  test('holds a failed message with its retry, and its end as a dead letter', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'broken', body: 'order 1' })
    await mq.clock.advance('40s')
    expect(typesOf(mq.ledger.history(messageId)).filter((type) => type !== 'stored')).toEqual([
      'sent',
      ...['delivered', 'failed', 'retried'],
      ...['delivered', 'failed', 'retried'],
      ...['delivered', 'failed', 'dead-lettered'],
    ])
    const reason = 'Error: no customer'
    const start = Date.UTC(2027, 0, 1)
    expect(mq.ledger.of('failed').map(({ deliveryAttempt, reason }) => [deliveryAttempt, reason])).toEqual([
      [1, reason],
      [2, reason],
      [3, reason],
    ])
    expect(mq.ledger.of('retried')).toMatchObject([
      {
        group: 'billing',
        topic: 'orders',
        reconsumeTimes: 1,
        timestamp: start,
        dueTimestamp: start + 10_000,
        reason,
      },
      { reconsumeTimes: 2, timestamp: start + 10_000, dueTimestamp: start + 40_000, reason },
    ])
    expect(mq.ledger.of('dead-lettered')).toMatchObject([
      { group: 'billing', topic: 'orders', deadLetterTopic: '%DLQ%billing', reconsumeTimes: 3, reason },
    ])
  })

  test('holds every message of a batch that is sent, and of one that is delivered', async () => {
    await using mq = await createTestMQ()
    const batches: number[] = []
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      consumeMessageBatchMaxSize: 8,
      listener: (messages, context) => {
        batches.push(messages.length)
        if (messages.length > 1) context.ackIndex = 1
      },
    })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send([1, 2, 3].map((number) => ({ topic: 'orders', body: `order ${number}` })))
    await mq.clock.rest()

    expect(batches).toEqual([3])
    expect(mq.ledger.of('sent').map(({ body }) => body.toString())).toEqual(['order 1', 'order 2', 'order 3'])
    expect(mq.ledger.of('stored').map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2])
    expect(mq.ledger.of('delivered').map(({ queueOffset }) => queueOffset)).toEqual([0, 1, 2])
    const [first, second, third] = mq.ledger.of('sent').map(({ messageId }) => messageId)
    expect(mq.ledger.of('acknowledged').map(({ messageId }) => messageId)).toEqual([first, second])
    const reason = 'It lay behind the ackIndex of its batch.'
    expect(mq.ledger.of('failed')).toMatchObject([{ messageId: third, reason }])
    expect(mq.ledger.of('retried')).toMatchObject([{ messageId: third, reason }])
  })

  test.each([
    ['FAILURE', 'The listener returned FAILURE.'],
    [null, 'The listener returned null; return ConsumeResult.SUCCESS'],
    [7, 'The listener returned 7; return ConsumeResult.SUCCESS'],
  ])('holds why the answer %j is a failure, in the words of the retry', async (answer, reason) => {
    const mq = await openWith(() => answer)
    const [failed] = mq.ledger.of('failed')
    expect(failed?.reason).toContain(reason)
    expect(mq.ledger.of('retried').map(({ reason }) => reason)).toEqual([failed?.reason])
    expect(mq.ledger.of('acknowledged')).toEqual([])
    await mq.close()
  })

  test('holds a listener that took too long as failed, whatever it answers later', async () => {
    const answer = new Signal()
    const mq = await openWith(() => answer.promise, { consumeTimeoutMs: 60_000 })
    await mq.clock.advance('60s')
    expect(mq.ledger.of('failed')).toMatchObject([
      { reason: expect.stringContaining('did not settle within') },
    ])
    answer.resolve()
    await mq.clock.rest()
    expect(mq.ledger.of('acknowledged')).toEqual([])
    expect(mq.ledger.of('failed')).toHaveLength(1)
    await mq.close()
  })

  test('knows what a message carries also after its entries were cleared', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'paid', body: 'order 1' })
    mq.ledger.clear()
    expect(mq.ledger.entries).toEqual([])
    expect(mq.ledger.contentOf(messageId)).toMatchObject({ tag: 'paid', body: Buffer.from('order 1') })
    expect(mq.ledger.contentOf('no such id')).toBeUndefined()
  })

  test('knows what a message carries that it saw delivered only, without what the retry added', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'flaky', properties: { region: 'eu' }, body: 'order 1' })
    const fork = await mq.fork()
    await fork.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    await fork.clock.advance('10s')
    expect(fork.ledger.of('sent')).toEqual([])
    expect(fork.ledger.contentOf(messageId)).toEqual({
      tag: 'flaky',
      keys: [],
      properties: { region: 'eu' },
      body: Buffer.from('order 1'),
    })
    await fork.close()
  })

  test('goes on after a crash', async () => {
    const { mq, order } = await openShop()
    const { messageId } = await order({ tag: 'flaky', body: 'order 1' })
    await mq.clock.rest()
    const next = await mq.crash()
    await next.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => undefined,
    })
    await next.clock.advance('10s')
    expect(typesOf(next.ledger.history(messageId)).slice(-3)).toEqual([
      'retried',
      'delivered',
      'acknowledged',
    ])
    await next.close()
  })

  test('tells of new entries until it is told to stop', async () => {
    const { mq, send } = await openShop()
    const seen: string[] = []
    const stop = mq.ledger.watch(({ type }) => seen.push(type))
    await send({ topic: 'notes', body: 'one' })
    stop()
    await send({ topic: 'notes', body: 'two' })
    expect(seen).toEqual(['sent', 'stored'])
  })
})

describe('The ledger before an engine', () => {
  test('holds sends that fail, with the error', async () => {
    const { ledger, verbs, request } = openDouble({
      sendMessage: () => Promise.reject(new MQError('DISK_FULL', 'full')),
    })
    await expect(verbs.sendMessage?.(request('order 1', 'order 2'))).rejects.toThrow('full')
    expect(typesOf(ledger.entries)).toEqual(['sent', 'sent', 'send-failed', 'send-failed'])
    expect(ledger.of('send-failed')).toMatchObject([
      { topic: 'orders', messageId: ledger.entries[0]?.messageId, error: mqError('DISK_FULL') },
      { topic: 'orders', messageId: ledger.entries[1]?.messageId, error: mqError('DISK_FULL') },
    ])
  })

  test('holds delayed sends, and what is recalled', async () => {
    const { ledger, verbs, requestOne } = openDouble()
    const order = requestOne('order 1')
    const { messageId } = await verbs.delay!.sendDelayedMessage(order, { deliveryTimestamp: 99 })
    expect(await verbs.delay?.recallMessage('orders', `handle of ${messageId}`)).toBe(messageId)
    await expect(verbs.delay?.recallMessage('orders', '')).rejects.toThrow('no such handle')
    expect(typesOf(ledger.entries)).toEqual(['sent', 'stored', 'recalled'])
    expect(ledger.of('recalled')).toMatchObject([{ topic: 'orders', messageId }])
  })

  test('holds how transactions end, those of this run that are known and decided', async () => {
    const { ledger, verbs, requestOne } = openDouble()
    const transactions = verbs.transactions!
    const one = await transactions.sendHalfMessage(requestOne('order 1'))
    const two = await transactions.sendHalfMessage(requestOne('order 2'))
    ledger.clear()
    await transactions.endTransaction(one.transactionId, 'shop', 'UNKNOWN')
    await transactions.endTransaction('of an earlier run', 'shop', 'COMMIT')
    expect(ledger.entries).toEqual([])
    await transactions.endTransaction(one.transactionId, 'shop', 'COMMIT')
    await transactions.endTransaction(two.transactionId, 'shop', 'ROLLBACK')
    expect(ledger.entries).toMatchObject([
      { type: 'committed', topic: 'orders', messageId: one.messageId, producerGroup: 'shop' },
      { type: 'rolled-back', topic: 'orders', messageId: two.messageId, producerGroup: 'shop' },
    ])
    expect(transactions.answerChecks('shop', 'shop-1', async () => 'UNKNOWN')()).toBe('stopped')
  })

  test('stands before no part that the engine does not have', () => {
    const { verbs } = openDouble({ delay: undefined, transactions: undefined })
    for (const part of ['delay', 'transactions', 'pop']) expect(verbs).not.toHaveProperty(part)
  })
})

/** An instance with one order in the listener. */
async function openWith(
  listener: () => unknown,
  options: { consumeTimeoutMs?: number } = {},
): Promise<TestMQ> {
  const mq = await createTestMQ({ patienceMs: 0 })
  const settings = { group: 'billing', subscriptions: { orders: '*' }, ...options }
  await mq.createPushConsumer({ ...settings, listener: listener as () => undefined })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'order 1' })
  await mq.clock.rest()
  return mq
}

/** A ledger before an engine that does as it is told. */
function openDouble(engine: Record<string, unknown> = {}) {
  const clock = new ManualClock()
  const ids = new MessageIdGenerator(clock, new SeededRandom(1))
  const queue = { topic: 'orders', brokerName: 'broker', queueId: 0 }
  const sending = { producerGroup: 'shop', queue, timeoutMs: 3000 }
  const prepare = (body: string) => prepareMessage({ topic: 'orders', body }, ids.next(), clock.now())
  const request = (...bodies: string[]): SendRequest => ({ ...sending, messages: bodies.map(prepare) })
  const requestOne = (body: string) => ({ ...sending, messages: prepare(body) })
  const receiptOf = ({ messages }: SendRequest): SendReceipt => {
    const [{ messageId } = { messageId: ids.next() }] = [messages].flat()
    return { messageId: formatMessageId(messageId), queue, queueOffset: 0, status: 'SEND_OK' } as SendReceipt
  }
  const delay: DelayVerbs = {
    checkDelay: () => undefined,
    sendDelayedMessage: async (sent) => {
      const receipt = receiptOf(sent)
      return { ...receipt, recallHandle: `handle of ${receipt.messageId}` }
    },
    recallMessage: async (_, handle) => {
      if (handle === '') throw new MQError('NO_MESSAGE', 'no such handle')
      return handle.replace('handle of ', '')
    },
    queryDelayedMessages: async () => [],
    rescheduleMessage: async (_, handle) => handle,
    deliverMessageNow: async (_, handle) => handle,
  }
  const transactions: TransactionVerbs = {
    answerChecks: () => () => 'stopped',
    sendHalfMessage: async (sent) => {
      const receipt = receiptOf(sent)
      return { ...receipt, transactionId: `transaction of ${receipt.messageId}` }
    },
    endTransaction: async () => undefined,
  }
  const ledger = new Ledger(() => clock.now())
  const double = { sendMessage: async (sent: SendRequest) => receiptOf(sent), delay, transactions, ...engine }
  const handedOut = new HandedOut(ledger, () => clock.now())
  const verbs = ledgerLayer(ledger, new Map(), handedOut).engine?.(double as unknown as Engine) ?? {}
  return { ledger, verbs, request, requestOne }
}
