import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { bill, sendOrders } from './billing.ts'

const SEEDS = Array.from({ length: 50 }, (_, index) => index + 1)

/** Sends without waiting for one after the other, into two queues, consumed by two members. */
async function play(mq: TestMQ): Promise<void> {
  const options = { concurrency: 4 }
  await bill(
    mq,
    ({ tag, deliveryAttempt }) => {
      if (tag === 'flaky' && deliveryAttempt === 1) return ConsumeResult.FAILURE
      return ConsumeResult.SUCCESS
    },
    options,
  )
  await bill(mq, () => undefined, options)
  const producer = await mq.createProducer({ group: 'shop' })
  await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      producer.send({ topic: 'orders', body: `${i}`, ...(i % 5 === 0 && { tag: 'flaky' }) }),
    ),
  )
  await mq.settled({ horizon: '1h' })
}

/** A loaded machine takes its time: it is turns that are counted here. */
const LONGEST_MS = 60_000

function nasty(seed: number): Promise<TestMQ> {
  const topics = [{ topic: 'orders', queues: 2 }]
  return createTestMQ({ schedule: 'nasty', seed, topics, runawayMs: LONGEST_MS })
}

/** The ledger of a run, all of it. */
async function ledgerOf(seed: number) {
  await using mq = await nasty(seed)
  await play(mq)
  return mq.ledger.entries.map((entry) => JSON.parse(JSON.stringify(entry)))
}

/** Bodies in the order of their deliveries. */
async function orderOf(seed: number): Promise<string> {
  await using mq = await nasty(seed)
  await play(mq)
  return mq.ledger
    .of('delivered')
    .map(({ messageId }) => String(mq.ledger.contentOf(messageId)?.body))
    .join(' ')
}

describe('A nasty schedule', () => {
  test('makes the identical ledger of the same seed', async () => {
    for (const seed of SEEDS) expect(await ledgerOf(seed)).toEqual(await ledgerOf(seed))
  })

  test('delivers messages twice, and counts that as no retry', async () => {
    let doubledCount = 0
    for (const seed of SEEDS) {
      await using mq = await nasty(seed)
      await bill(mq, () => undefined)
      await sendOrders(mq, 'a', 'b', 'c', 'd')
      await mq.settled()
      expect(new Set(mq.ledger.of('delivered').map(({ deliveryAttempt }) => deliveryAttempt))).toEqual(
        new Set([1]),
      )
      expect(mq.ledger.of('retried')).toEqual([])
      if (mq.ledger.of('delivered').length > 4) doubledCount += 1
    }
    expect(doubledCount).toBeGreaterThan(10)
    expect(doubledCount).toBeLessThan(50)
  })

  test('repeats what lies in a queue, and skips nothing of it', async () => {
    for (const seed of SEEDS) {
      await using mq = await nasty(seed)
      await bill(mq, () => undefined, { concurrency: 1 })
      await bill(mq, () => undefined, { concurrency: 1 })
      await sendOrders(mq, ...Array.from({ length: 12 }, (_, i) => `${i}`))
      await mq.settled()
      const next = [0, 0]
      for (const { queue, queueOffset } of mq.ledger.of('delivered')) {
        expect(queueOffset).toBeLessThanOrEqual(next[queue.queueId]!)
        next[queue.queueId] = Math.max(next[queue.queueId]!, queueOffset + 1)
      }
      expect(next).toEqual([6, 6])
    }
  })

  test('lets members join who are gone when everything has come to rest', async () => {
    let visitCount = 0
    for (const seed of SEEDS) {
      await using mq = await nasty(seed)
      let members: readonly string[] = []
      mq.on('group-changed', ({ clientIds }) => {
        members = clientIds
        if (clientIds.some((id) => id.includes('passing'))) visitCount += 1
      })
      await bill(mq, () => undefined, { clientId: 'clerk' })
      await sendOrders(mq, 'a', 'b', 'c', 'd')
      await mq.settled()
      expect(members).toEqual(['clerk'])
    }
    expect(visitCount).toBeGreaterThan(10)
  })

  test('does not move time', async () => {
    await using mq = await nasty(3)
    const before = mq.clock.now()
    await bill(mq, () => undefined)
    await sendOrders(mq, 'a', 'b', 'c', 'd')
    await mq.settled()
    expect(mq.clock.now()).toBe(before)
  })

  test('calls no listener of a life that has ended', async () => {
    for (const seed of SEEDS) {
      await using mq = await nasty(seed)
      let hasCrashed = false
      const late: string[] = []
      await bill(mq, (message) => void (hasCrashed && late.push(message.text())))
      await sendOrders(mq, 'a', 'b', 'c', 'd')
      hasCrashed = true
      const count = mq.ledger.of('delivered').length
      await using next = await mq.crash()
      await next.clock.rest()
      expect(late).toEqual([])
      expect(mq.ledger.of('delivered')).toHaveLength(count)
    }
  })

  test('shuffles what is due at the same time', async () => {
    const orders = new Set<string>()
    for (const seed of SEEDS) {
      await using mq = await nasty(seed)
      const ends: string[] = []
      for (const name of ['a', 'b', 'c']) void mq.clock.sleep('1s').then(() => ends.push(name))
      await mq.clock.advance('1s')
      orders.add(ends.join(''))
    }
    expect(orders.size).toBe(6)
  })

  test('goes on in a fork, by another seed', async () => {
    await using mq = await nasty(1)
    await using fork = await mq.fork()
    await play(fork)
    expect(fork.seed).not.toBe(mq.seed)
    expect(fork.ledger.of('acknowledged').length).toBeGreaterThanOrEqual(12)
  })

  test('has turns enough for a queue that is consumed one by one', async () => {
    await using mq = await nasty(1)
    await bill(mq, () => undefined, { concurrency: 1 })
    const producer = await mq.createProducer({ group: 'shop' })
    await Promise.all(
      Array.from({ length: 2000 }, (_, i) => producer.send({ topic: 'orders', body: `${i}` })),
    )
    await mq.settled({ deadlineMs: 20_000 })
    expect(new Set(mq.ledger.of('acknowledged').map(({ messageId }) => messageId)).size).toBe(2000)
  })

  test('makes other orders of other seeds', async () => {
    const orders: string[] = []
    for (const seed of SEEDS) orders.push(await orderOf(seed))
    expect(new Set(orders).size).toBeGreaterThan(45)
  })
})
