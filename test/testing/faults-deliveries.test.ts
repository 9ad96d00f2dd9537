import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill, countBodies, sendOrders } from './billing.ts'

async function lagOf(mq: TestMQ): Promise<number> {
  return (await mq.admin.consumerProgress('billing')).lag
}

describe('Acknowledgements that are held up', () => {
  test('are stored when their time has come', async () => {
    await using mq = await createTestMQ()
    const fault = mq.faults.delayAcknowledgements({ group: 'billing', topic: 'orders', byMs: 5000 })
    await bill(mq, () => undefined)
    await sendOrders(mq, 'a')
    await mq.clock.rest()
    expect(await lagOf(mq)).toBe(1)
    await mq.clock.advance(4999)
    expect(await lagOf(mq)).toBe(1)
    await mq.clock.advance(1)
    expect(await lagOf(mq)).toBe(0)
    expect(fault.hitCount).toBeGreaterThan(0)
  })

  test('are waited for by settled(), within its horizon', async () => {
    await using mq = await createTestMQ()
    mq.faults.delayAcknowledgements({ byMs: 5000 })
    await bill(mq, () => undefined)
    await sendOrders(mq, 'a')
    await expect(mq.settled({ horizon: '4s', deadlineMs: 10 })).rejects.toEqual(mqError('NOT_SETTLED'))
    await mq.settled({ horizon: '5s' })
  })

  test('are gone with a crash, so that the messages come again', async () => {
    await using mq = await createTestMQ()
    mq.faults.delayAcknowledgements({ byMs: 5000 })
    await bill(mq, () => undefined)
    await sendOrders(mq, 'a')
    await mq.clock.advance('1s')
    await using reopened = await mq.crash()
    mq.faults.clear()
    await reopened.clock.advance('1h')
    await bill(reopened, () => undefined)
    await reopened.settled()
    expect(countBodies(mq)).toEqual({ a: 2 })
  })

  test('do not reach the next life, late as they are', async () => {
    await using mq = await createTestMQ()
    mq.faults.delayAcknowledgements({ byMs: 5000 })
    await bill(mq, () => undefined)
    await sendOrders(mq, 'a')
    await mq.clock.rest()
    await using reopened = await mq.crash()
    expect(await reopened.clock.runNext()).toBeUndefined()
    await reopened.clock.advance('1h')
    await bill(reopened, () => undefined)
    await reopened.clock.rest()
    expect(countBodies(mq)).toEqual({ a: 2 })
  })
})

describe('Acknowledgements that are lost', () => {
  test('leave the messages to whoever consumes next', async () => {
    await using mq = await createTestMQ()
    mq.faults.loseAcknowledgements({ group: 'billing' })
    const first = await bill(mq, () => undefined)
    await sendOrders(mq, 'a', 'b')
    await mq.clock.rest()
    await first.close()
    mq.faults.clear()
    await bill(mq, () => undefined)
    await mq.settled()
    expect(countBodies(mq)).toEqual({ a: 2, b: 2 })
  })

  test('are covered by a later one', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    await bill(mq, () => undefined)
    await mq.clock.rest()
    const fault = mq.faults.loseAcknowledgements({ topic: 'orders', nth: 1 })
    await sendOrders(mq, 'a')
    await mq.clock.rest()
    expect([await lagOf(mq), fault.hitCount]).toEqual([1, 1])
    await sendOrders(mq, 'b')
    await mq.settled()
    expect(countBodies(mq)).toEqual({ a: 1, b: 1 })
  })
})

describe('Deliveries that are doubled', () => {
  test('call the listener again for what it has succeeded on', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const fault = mq.faults.duplicateDeliveries({ group: 'billing', nth: 2 })
    const attempts: number[] = []
    await bill(mq, ({ reconsumeTimes }) => void attempts.push(reconsumeTimes))
    await sendOrders(mq, 'a', 'b', 'c')
    await mq.settled()
    expect(countBodies(mq)).toEqual({ a: 1, b: 2, c: 1 })
    expect(mq.ledger.of('acknowledged')).toHaveLength(4)
    expect([attempts, fault.hitCount]).toEqual([[0, 0, 0, 0], 1])
  })

  test('do not double what failed', async () => {
    await using mq = await createTestMQ()
    mq.faults.duplicateDeliveries()
    await bill(mq, ({ reconsumeTimes }) => (reconsumeTimes < 2 ? ConsumeResult.FAILURE : undefined))
    await sendOrders(mq, 'a')
    await mq.settled({ horizon: '1h' })
    expect(mq.ledger.of('delivered').map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 2, 3, 3])
  })

  test('let the second answer count', async () => {
    await using mq = await createTestMQ()
    mq.faults.duplicateDeliveries({ nth: 1 })
    let calls = 0
    await bill(mq, (_, context) => {
      calls += 1
      if (calls === 1) context.delayLevelWhenNextConsume = 18
      return calls === 2 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
    })
    await sendOrders(mq, 'a')
    // Not after the two hours of level 18, which the first call asked for.
    await mq.settled({ horizon: '10s' })
    expect(calls).toBe(3)
    expect(mq.ledger.of('retried')).toHaveLength(1)
  })

  test('repeat whole batches', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    mq.faults.duplicateDeliveries({ nth: 1 })
    const batches: number[] = []
    await sendOrders(mq, 'a', 'b', 'c')
    await bill(mq, (messages) => void batches.push((messages as unknown as unknown[]).length), {
      consumeMessageBatchMaxSize: 2,
      concurrency: 1,
    })
    await mq.settled()
    expect(batches).toEqual([2, 2, 1])
  })
})

describe('A verb that fails', () => {
  test('sends a message back another time', async () => {
    await using mq = await createTestMQ()
    mq.on('error', () => undefined)
    mq.faults.fail('sendMessageBack', { topic: 'orders', group: 'billing', times: 2 })
    let calls = 0
    await bill(mq, () => (++calls < 4 ? ConsumeResult.FAILURE : undefined))
    await sendOrders(mq, 'a')
    await mq.settled({ horizon: '1m' })
    expect(mq.ledger.of('delivered').map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 1, 1, 2])
    expect(mq.faults.unused()).toEqual([])
  })

  test('commits the offset another time', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const errors: unknown[] = []
    mq.on('error', (error) => errors.push(error))
    await bill(mq, () => undefined)
    await mq.clock.rest()
    mq.faults.fail('updateConsumerOffset', { topic: 'orders', times: 1, code: 'SERVICE_NOT_AVAILABLE' })
    await sendOrders(mq, 'a')
    await mq.clock.rest()
    expect(errors).toEqual([mqError('SERVICE_NOT_AVAILABLE', 'fail(')])
    expect(await lagOf(mq)).toBe(1)
    await mq.clock.advance('1s')
    expect(await lagOf(mq)).toBe(0)
    expect(countBodies(mq)).toEqual({ a: 1 })
  })

  test('is held up until its time has come', async () => {
    await using mq = await createTestMQ()
    mq.faults.delay('pullMessage', { topic: 'orders', byMs: 700 })
    const texts: string[] = []
    await bill(mq, (message) => void texts.push(message.text()))
    await sendOrders(mq, 'a')
    await mq.clock.advance(699)
    expect(texts).toEqual([])
    await mq.clock.advance(1)
    expect(texts).toEqual(['a'])
  })
})
