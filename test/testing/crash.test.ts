import { describe, expect, test } from 'vitest'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill, countBodies, sendInWords, sendOrders } from './billing.ts'

const ONE_QUEUE = { topics: [{ topic: 'orders', queues: 1 }] }

/** What happened to the messages, in order. */
function typesOf(mq: TestMQ): string[] {
  return mq.ledger.entries.map(({ type }) => type).filter((type) => type !== 'sent' && type !== 'stored')
}

describe('A crash in the middle of a listener', () => {
  test('delivers the message again in the next life, and lets the old answer count no more', async () => {
    await using mq = await createTestMQ()
    let reopened: TestMQ | undefined
    let finish: () => void = () => undefined
    const isFinished = new Promise<void>((resolve) => {
      finish = resolve
    })
    await bill(mq, async () => {
      reopened = await mq.crash('kill')
      await isFinished
    })
    await sendOrders(mq, 'a')
    await expect.poll(() => reopened).toBeDefined()
    await using next = reopened!
    expect(typesOf(mq)).toEqual(['delivered'])
    finish()
    await bill(next, () => undefined)
    await next.settled()
    expect(typesOf(mq)).toEqual(['delivered', 'delivered', 'acknowledged'])
    expect(mq.ledger.of('delivered').map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 1])
    expect(next.ledger).toBe(mq.ledger)
  })

  test('neither retries nor loses what the old listener fails at', async () => {
    await using mq = await createTestMQ()
    const crash = mq.faults.crash({ at: 'in-listener', group: 'billing' })
    await bill(mq, async () => {
      await Promise.resolve()
      throw new Error('too late')
    })
    await sendOrders(mq, 'a')
    await using next = await crash.reopened
    await bill(next, () => undefined)
    await next.settled({ horizon: '3h' })
    expect(typesOf(mq)).toEqual(['delivered', 'delivered', 'acknowledged'])
  })

  test('may happen while time is being moved', async () => {
    await using mq = await createTestMQ({ patienceMs: 5 })
    const crash = mq.faults.crash({ at: 'in-listener' })
    await bill(mq, () => mq.clock.sleep('1m'))
    const producer = await mq.createProducer({ group: 'shop' })
    mq.faults.delay('sendMessage', { byMs: 1000 })
    producer.send({ topic: 'orders', body: 'a' }).catch(() => undefined)
    await mq.clock.advance('1h')
    await using next = await crash.reopened
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual({ a: 2 })
  })
})

describe('A crash that is scripted', () => {
  test.each([
    ['before-store', 'CLOSED unknown', { b: 1 }],
    ['after-store', 'CLOSED unknown', { a: 1, b: 1 }],
  ] as const)('%s: the sender is in doubt', async (at, words, counts) => {
    await using mq = await createTestMQ(ONE_QUEUE)
    const crash = mq.faults.crash({ at, topic: 'orders' })
    expect(await sendInWords(mq, 'a')).toEqual([words])
    await using next = await crash.reopened
    expect(await sendInWords(next, 'b')).toEqual(['SEND_OK'])
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual(counts)
    expect(crash.hitCount).toBe(1)
  })

  test.each([
    ['before-listener', ['delivered', 'acknowledged']],
    ['in-listener', ['delivered', 'delivered', 'acknowledged']],
    ['before-acknowledge', ['delivered', 'acknowledged', 'delivered', 'acknowledged']],
  ] as const)('%s: the message comes again', async (at, types) => {
    await using mq = await createTestMQ()
    const crash = mq.faults.crash({ at, group: 'billing' })
    await bill(mq, () => undefined)
    await sendOrders(mq, 'a')
    await using next = await crash.reopened
    await bill(next, () => undefined)
    await next.settled()
    expect(typesOf(mq)).toEqual(types)
    expect(mq.faults.unused()).toEqual([])
  })

  test('waits for its turn, and happens once', async () => {
    await using mq = await createTestMQ(ONE_QUEUE)
    const crash = mq.faults.crash({ at: 'before-acknowledge', nth: 3 })
    await bill(mq, () => undefined, { concurrency: 1 })
    await sendOrders(mq, 'a', 'b', 'c', 'd')
    await using next = await crash.reopened
    await bill(next, () => undefined, { concurrency: 1 })
    await next.settled()
    const counts = countBodies(mq)
    expect([counts.c, counts.d]).toEqual([2, 1])
    expect(crash.hitCount).toBe(1)
  })

  test('can cut the power', async () => {
    await using mq = await createTestMQ(ONE_QUEUE)
    await sendOrders(mq, 'old')
    await mq.clock.advance('1s')
    const crash = mq.faults.crash({ at: 'after-store', how: 'power' })
    await sendOrders(mq, 'new')
    await using next = await crash.reopened
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual({ old: 1 })
  })
})

describe('A power cut', () => {
  test('takes in ASYNC_FLUSH at most what was not flushed, from the end', async () => {
    await using mq = await createTestMQ({ ...ONE_QUEUE, flushIntervalMs: 500 })
    await sendOrders(mq, 'a', 'b')
    await mq.clock.advance(500)
    await sendOrders(mq, 'c')
    await mq.clock.advance(499)
    await sendOrders(mq, 'd')
    await using next = await mq.crash('power')
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual({ a: 1, b: 1 })
    expect((await next.admin.check()).problems).toEqual([])
  })

  test('takes nothing in SYNC_FLUSH that was acknowledged', async () => {
    await using mq = await createTestMQ({ ...ONE_QUEUE, flushDiskType: 'SYNC_FLUSH' })
    expect(await sendInWords(mq, 'a', 'b', 'c')).toEqual(['SEND_OK', 'SEND_OK', 'SEND_OK'])
    await using next = await mq.crash('power')
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual({ a: 1, b: 1, c: 1 })
  })

  test('takes offsets that were not flushed, so that messages come again', async () => {
    await using mq = await createTestMQ(ONE_QUEUE)
    await sendOrders(mq, 'a')
    await mq.clock.advance('1s')
    await bill(mq, () => undefined)
    await mq.settled()
    await using next = await mq.crash('power')
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual({ a: 2 })
  })

  test('takes no retry of which the flush was waited for', async () => {
    await using mq = await createTestMQ(ONE_QUEUE)
    await bill(mq, () => {
      throw new Error('not yet')
    })
    await sendOrders(mq, 'a')
    await mq.clock.advance('1s')
    await using next = await mq.crash('power')
    await bill(next, () => undefined)
    await next.settled({ horizon: '1m' })
    expect(mq.ledger.of('delivered').map(({ deliveryAttempt }) => deliveryAttempt)).toEqual([1, 2])
  })
})

describe('A crash', () => {
  test('leaves sends on their way in doubt, stored as a whole or not at all', async () => {
    await using mq = await createTestMQ(ONE_QUEUE)
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'first' })
    const sends = Array.from({ length: 20 }, (_, i) => producer.send({ topic: 'orders', body: `${i}` }))
    const crashing = mq.crash()
    const outcomes = await Promise.allSettled(sends)
    await using next = await crashing
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    for (const { reason } of refused) expect([reason.code, reason.outcome]).toEqual(['CLOSED', 'unknown'])
    await bill(next, () => undefined)
    await next.settled()
    expect((await next.admin.check()).problems).toEqual([])
    const delivered = Object.keys(countBodies(mq)).length
    expect(delivered).toBeGreaterThanOrEqual(1 + outcomes.length - refused.length)
  })

  test('refuses everything of the old life, without attempting it', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    const consumer = await bill(mq, () => undefined)
    await producer.send({ topic: 'orders', body: 'a' })
    await using next = await mq.crash()
    const refused = { name: 'MQError', code: 'CLOSED', outcome: 'not-attempted' }
    await expect(producer.send({ topic: 'orders', body: 'b' })).rejects.toMatchObject(refused)
    await expect(mq.createProducer({ group: 'shop' })).rejects.toMatchObject(refused)
    await expect(bill(mq, () => undefined)).rejects.toMatchObject(refused)
    await expect(mq.admin.topics()).rejects.toMatchObject(refused)
    await expect(mq.crash()).rejects.toEqual(mqError('CLOSED', 'has crashed'))
    await consumer.close()
    await mq.close()
    expect(await sendInWords(next, 'c')).toEqual(['SEND_OK'])
  })

  test('is silent in the old life', async () => {
    await using mq = await createTestMQ()
    const events: unknown[] = []
    for (const name of ['error', 'warning', 'store-state', 'group-changed'] as const)
      mq.on(name, (event: unknown) => events.push(event))
    const consumer = await bill(mq, () => undefined)
    await sendOrders(mq, 'a')
    await mq.settled()
    events.length = 0
    await using next = await mq.crash()
    await consumer.close()
    await next.clock.advance('1h')
    expect(events).toEqual([])
  })

  test('ends the wait of settled()', async () => {
    await using mq = await createTestMQ()
    await bill(mq, () => new Promise(() => undefined))
    await sendOrders(mq, 'a')
    const settling = mq.settled({ deadlineMs: 60_000 }).catch((error: unknown) => error)
    await mq.clock.rest()
    await using next = await mq.crash()
    expect(await settling).toEqual(mqError('CLOSED', 'crashed'))
    await next.settled()
  })

  test('lets no listener of the old life hold the time', async () => {
    await using mq = await createTestMQ({ patienceMs: 600_000 })
    await bill(mq, () => new Promise(() => undefined))
    await sendOrders(mq, 'a')
    await expect.poll(() => mq.ledger.of('delivered')).toHaveLength(1)
    await using next = await mq.crash()
    await next.clock.advance('1h')
    expect(mq.ledger.of('delivered')).toHaveLength(1)
  })

  test('ends the wait of close()', async () => {
    const mq = await createTestMQ({ patienceMs: 5 })
    await bill(mq, () => new Promise(() => undefined))
    await sendOrders(mq, 'a')
    await mq.clock.rest()
    const closing = mq.close()
    await using next = await mq.crash()
    expect(await closing).toEqual({ drained: false, unfinishedCount: 0 })
    await bill(next, () => undefined)
    await next.settled()
    expect(countBodies(mq)).toEqual({ a: 2 })
  })

  test('can follow on another at once, again and again', async () => {
    let mq = await createTestMQ()
    const first = mq
    for (let i = 0; i < 20; i++) {
      await bill(mq, () => new Promise(() => undefined))
      await sendOrders(mq, `${i}`)
      mq = await mq.crash(i % 2 === 0 ? 'kill' : 'power')
    }
    await bill(mq, () => undefined)
    await mq.settled()
    expect((await mq.admin.check()).problems).toEqual([])
    expect(first.ledger).toBe(mq.ledger)
    await mq.close()
  })

  test('has nothing to do when the instance is closed', async () => {
    const mq = await createTestMQ()
    await sendOrders(mq, 'a')
    await mq.close()
    await using next = await mq.crash()
    expect((await next.admin.topics()).map(({ topic }) => topic)).toContain('orders')
  })
})
