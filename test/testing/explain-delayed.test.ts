import { describe, expect, test } from 'vitest'
import { createTestMQ, expectMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill } from './billing.ts'

const ONE_QUEUE = { topics: [{ topic: 'orders', queues: 1 }] }

/** Sends a message for a time so long from now. */
async function sendIn(mq: TestMQ, delayMs: number) {
  const producer = await mq.createProducer({ group: 'shop' })
  return producer.send({ topic: 'orders', body: 'later', deliveryTimestamp: mq.clock.now() + delayMs })
}

describe('A test instance', () => {
  test('explains what waits for its time, and how long it does', async () => {
    await using mq = await createTestMQ()
    await bill(mq, () => undefined)
    const { messageId, deliveryTimestamp } = await sendIn(mq, 60_000)
    const explanation = await mq.explain(messageId, 'billing')
    expect(explanation.verdict).toBe('waiting')
    expect(explanation.opensTimestamp).toBe(deliveryTimestamp)
    expect(String(explanation)).toContain('It waits for its time until 2027-01-01T00:01:00')
    await mq.clock.advance('1m')
    expect((await mq.explain(messageId, 'billing')).verdict).toBe('consumed')
  })

  test('explains it also when the ledger did not see it sent', async () => {
    await using mq = await createTestMQ()
    const { messageId } = await sendIn(mq, 60_000)
    await using fork = await mq.fork()
    await bill(fork, () => undefined)
    expect((await fork.explain(messageId, 'billing')).verdict).toBe('waiting')
  })

  test('explains what was recalled, deleted with its topic, or taken by a power cut', async () => {
    await using mq = await createTestMQ(ONE_QUEUE)
    await bill(mq, () => undefined)
    const producer = await mq.createProducer({ group: 'shop' })
    const { messageId: recalled, recallHandle = '' } = await sendIn(mq, 60_000)
    await producer.recall('orders', recallHandle)
    expect(String(await mq.explain(recalled, 'billing'))).toContain('It was recalled')
    await mq.clock.advance('1s')
    const { messageId: lost } = await sendIn(mq, 60_000)
    await using next = await mq.crash('power')
    await bill(next, () => undefined)
    expect((await next.explain(lost, 'billing')).verdict).toBe('lost')
    const { messageId: deleted } = await sendIn(next, 60_000)
    await next.admin.deleteTopic('orders')
    expect(await next.explain(deleted, 'billing')).toMatchObject({ verdict: 'expired' })
  })

  test('moves time to it, and settles over it when the horizon holds it', async () => {
    await using mq = await createTestMQ()
    const { deliveryTimestamp, messageId } = await sendIn(mq, 3_600_000)
    await bill(mq, () => undefined)
    await mq.settled()
    expectMQ(mq).message(messageId).deliveredTo('billing', { times: 0 })
    expect(await mq.clock.runNext()).toBe(deliveryTimestamp)
    await mq.settled()
    const { messageId: second } = await sendIn(mq, 3_600_000)
    await mq.settled({ horizon: '1h' })
    for (const id of [messageId, second]) expectMQ(mq).message(id).consumedBy('billing', { times: 1 })
  })

  test('notes a jump of the wall clock at once', async () => {
    await using mq = await createTestMQ()
    await bill(mq, () => undefined)
    const { messageId } = await sendIn(mq, 3_600_000)
    mq.clock.jump(3_600_000)
    await mq.settled()
    expectMQ(mq).message(messageId).consumedBy('billing', { times: 1 })
  })

  test('writes down a delayed message as it was sent, without the names of its fields', async () => {
    await using mq = await createTestMQ()
    const { messageId } = await sendIn(mq, 10)
    expect(mq.ledger.of('sent')).toMatchObject([{ messageId, properties: {} }])
    expect(mq.ledger.of('sent')[0]?.properties).toEqual({})
    expect(mq.ledger.of('stored')).toMatchObject([{ messageId, queueOffset: -1 }])
  })

  test.each([
    ['loses the receipt of a delayed send', true],
    ['refuses a delayed send', false],
  ])('%s', async (_, isStored) => {
    await using mq = await createTestMQ(ONE_QUEUE)
    if (isStored) mq.faults.loseReceipt({ topic: 'orders' })
    else mq.faults.failSend({ topic: 'orders', code: 'SYSTEM_BUSY' })
    await expect(sendIn(mq, 10)).rejects.toThrow(mqError(isStored ? 'SEND_TIMEOUT' : 'SYSTEM_BUSY'))
    expect(mq.ledger.of('stored')).toHaveLength(isStored ? 1 : 0)
    await mq.clock.advance(10)
    expect(await mq.admin.browse('orders')).toHaveLength(isStored ? 1 : 0)
  })
})
