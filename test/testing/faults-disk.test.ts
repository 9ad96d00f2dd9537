import { describe, expect, test } from 'vitest'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { bill, countBodies, sendInWords } from './billing.ts'

async function sendOne(mq: TestMQ) {
  const producer = await mq.createProducer({ group: 'shop' })
  return producer.send({ topic: 'orders', body: 'x' })
}

describe('A slow disk', () => {
  test('makes a flushed send wait, by as much as its calls take', async () => {
    await using mq = await createTestMQ({
      flushDiskType: 'SYNC_FLUSH',
      topics: [{ topic: 'orders', queues: 1 }],
    })
    const slow = mq.faults.slowDisk({ delayMs: 300 })
    const before = mq.clock.now()
    const receipt = await mq.clock.runUntil(sendOne(mq))
    expect(receipt.status).toBe('SEND_OK')
    // One call writes, one flushes.
    expect(mq.clock.now() - before).toBe(600)
    expect(slow.hitCount).toBeGreaterThanOrEqual(2)
    slow.remove()
    await sendOne(mq)
    expect(mq.clock.now() - before).toBe(600)
  })

  test('answers FLUSH_DISK_TIMEOUT when the flush takes too long, and stores the message', async () => {
    await using mq = await createTestMQ({
      flushDiskType: 'SYNC_FLUSH',
      syncFlushTimeoutMs: 5000,
      topics: [{ topic: 'orders', queues: 1 }],
    })
    mq.faults.slowDisk({ delayMs: 6000 })
    const before = mq.clock.now()
    const receipt = await mq.clock.runUntil(sendOne(mq))
    expect(receipt.status).toBe('FLUSH_DISK_TIMEOUT')
    expect(mq.clock.now() - before).toBe(11_000)
    mq.faults.clear()
    await mq.clock.advance('1m')
    await bill(mq, () => undefined)
    await mq.settled()
    expect(countBodies(mq)).toEqual({ x: 1 })
  })

  test('does not delay what is only written', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    mq.faults.slowDisk({ delayMs: 1000 })
    expect((await sendOne(mq)).status).toBe('SEND_OK')
  })

  test('is slow for the next life too', async () => {
    await using mq = await createTestMQ()
    await sendOne(mq)
    mq.faults.slowDisk({ delayMs: 10 })
    const before = mq.clock.now()
    await using reopened = await mq.crash()
    expect(mq.clock.now()).toBeGreaterThan(before)
    expect((await reopened.admin.topicStatus('orders')).reduce((sum, each) => sum + each.maxOffset, 0)).toBe(
      1,
    )
    reopened.faults.clear()
  })

  test('does not delay a fork', async () => {
    await using mq = await createTestMQ()
    await sendOne(mq)
    mq.faults.slowDisk({ delayMs: 1000 })
    const before = mq.clock.now()
    await using fork = await mq.fork()
    await sendOne(fork)
    expect([mq.clock.now(), fork.clock.now()]).toEqual([before, before])
    mq.faults.clear()
  })

  test('is waited for by settled(), within its horizon', async () => {
    await using mq = await createTestMQ({
      flushDiskType: 'SYNC_FLUSH',
      topics: [{ topic: 'orders', queues: 1 }],
    })
    await bill(mq, () => undefined)
    await mq.settled()
    mq.faults.slowDisk({ delayMs: 100 })
    const sending = sendInWords(mq, 'a')
    await mq.settled({ horizon: '10s' })
    expect(await sending).toEqual(['SEND_OK'])
    expect(countBodies(mq)).toEqual({ a: 1 })
    mq.faults.clear()
  })
})

describe('A full disk', () => {
  test('refuses sends with DISK_FULL and takes them again when there is room', async () => {
    await using mq = await createTestMQ()
    const states: string[] = []
    mq.on('store-state', ({ state }) => states.push(state))
    expect(await sendInWords(mq, 'a')).toEqual(['SEND_OK'])
    const full = mq.faults.fullDisk()
    expect(await sendInWords(mq, 'b', 'c')).toEqual(['DISK_FULL not-attempted', 'DISK_FULL not-attempted'])
    expect(mq.state).toBe('read-only')
    expect(full.hitCount).toBe(2)
    full.remove()
    expect(await sendInWords(mq, 'd')).toEqual(['SEND_OK'])
    expect([mq.state, states]).toEqual(['open', ['read-only', 'open']])
  })

  test('is full for the very next send, and has room for the one after it is removed', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' })
    const full = mq.faults.fullDisk()
    await expect(producer.send({ topic: 'orders', body: 'b' })).rejects.toEqual(mqError('DISK_FULL'))
    full.remove()
    expect((await producer.send({ topic: 'orders', body: 'c' })).status).toBe('SEND_OK')
  })

  test('lets consumers go on', async () => {
    await using mq = await createTestMQ()
    await sendInWords(mq, 'a', 'b')
    mq.faults.fullDisk()
    await bill(mq, ({ reconsumeTimes }) => {
      if (reconsumeTimes === 0) throw new Error('not yet')
    })
    await mq.settled({ horizon: '1m' })
    expect(countBodies(mq)).toEqual({ a: 2, b: 2 })
  })

  test('is full for the next life too', async () => {
    await using mq = await createTestMQ()
    await sendInWords(mq, 'a')
    mq.faults.fullDisk()
    await using reopened = await mq.crash()
    expect(await sendInWords(reopened, 'b')).toEqual(['DISK_FULL not-attempted'])
    mq.faults.clear()
    expect(await sendInWords(reopened, 'c')).toEqual(['SEND_OK'])
  })

  test('can refuse every write, and nothing is lost when there is room again', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    mq.on('error', () => undefined)
    await bill(mq, () => undefined)
    expect(await sendInWords(mq, 'a')).toEqual(['SEND_OK'])
    await mq.settled()
    await mq.clock.advance('1m')
    const full = mq.faults.fullDisk({ refuseWrites: true })
    expect(await sendInWords(mq, 'b')).toEqual(['DISK_FULL not-attempted'])
    await mq.clock.advance('1m')
    expect(full.hitCount).toBeGreaterThan(0)
    full.remove()
    await mq.clock.advance('1m')
    expect(await sendInWords(mq, 'c')).toEqual(['SEND_OK'])
    await mq.settled()
    expect(countBodies(mq)).toEqual({ a: 1, c: 1 })
    expect((await mq.admin.check()).problems).toEqual([])
  })
})
