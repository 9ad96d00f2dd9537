/** What the test instance does at its edges: endless work, crashes that never come, sends that hang. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createTestMQ, expectMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

test('settled() ends at its deadline although time goes on and on', async () => {
  await using mq = await createTestMQ()
  let isOver = false
  const tick = async (): Promise<void> => {
    while (!isOver) await mq.clock.sleep(10)
  }
  const ticking = tick()
  const settling = mq.settled({ horizon: '1000d', deadlineMs: 50 })
  await expect(settling).rejects.toEqual(mqError('NOT_SETTLED', 'the next thing is due at'))
  isOver = true
  await mq.clock.advance(10)
  await ticking
})

test('settled() names a send that is not answered', async () => {
  await using mq = await createTestMQ()
  const fault = mq.faults.delay('sendMessage', { byMs: 60_000 })
  const producer = await mq.createProducer({ group: 'shop' })
  const sending = producer.send({ topic: 'orders', body: 'a' }).catch((error: unknown) => error)
  await mq.clock.rest()
  const [sent] = mq.ledger.of('sent')
  const settling = mq.settled({ deadlineMs: 20 })
  await expect(settling).rejects.toEqual(
    mqError('NOT_SETTLED', `orders ${sent?.messageId}: its send has not been answered`),
  )
  fault.remove()
  await mq.clock.advance('2m')
  await sending
})

test('settled() says of a lost acknowledgement that it did not reach the engine', async () => {
  await using mq = await createTestMQ()
  const fault = mq.faults.loseAcknowledgements({ group: 'billing' })
  await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'a' })
  const settling = mq.settled({ deadlineMs: 20 })
  await expect(settling).rejects.toEqual(mqError('NOT_SETTLED', 'has not reached the engine'))
  fault.remove()
})

test('A crash that is never reached is not waited for', async () => {
  const mq = await createTestMQ()
  const removed = mq.faults.crash({ at: 'in-listener' })
  const left = mq.faults.crash({ at: 'after-store' })
  removed.remove()
  await expect(removed.reopened).rejects.toEqual(mqError('CLOSED', 'never reached'))
  await mq.close()
  await expect(left.reopened).rejects.toEqual(mqError('CLOSED', 'never reached'))
})

test('A crashed instance is not forked', async () => {
  await using mq = await createTestMQ()
  await using reopened = await mq.crash()
  await expect(mq.fork()).rejects.toEqual(mqError('CLOSED'))
  await (await reopened.fork()).close()
})

test('A move that is refused leaves the clock as it was', async () => {
  await using mq = await createTestMQ()
  for (const wrong of ['1.5h', -1, Number.NaN, 0.5])
    await expect(mq.clock.advance(wrong)).rejects.toEqual(mqError('INVALID_PARAMETER', 'no duration'))
  await mq.clock.advance('1h')
  expect(mq.clock.now()).toBe(Date.UTC(2027, 0, 1, 1))
})

test('A listener that feeds itself is stopped by the work that it makes', async () => {
  await using mq = await createTestMQ({ runawayMs: 200 })
  const producer = await mq.createProducer({ group: 'loop' })
  const consumer = await mq.createPushConsumer({
    group: 'loop',
    subscriptions: { orders: '*' },
    listener: async () => void (await producer.send({ topic: 'orders', body: 'again' })),
  })
  await producer.send({ topic: 'orders', body: 'first' })
  await expect(mq.settled()).rejects.toEqual(mqError('CLOCK_RUNAWAY', '200 ms of work'))
  consumer.pause()
})

test('A lost receipt does not hide that the message is stored', async () => {
  await using mq = await createTestMQ()
  mq.faults.loseReceipt({ nth: 1 })
  const producer = await mq.createProducer({ group: 'shop' })
  const send = () => producer.send({ topic: 'orders', keys: 'o-1', body: 'a' })
  await send().catch(send)
  expect(mq.ledger.of('stored')).toHaveLength(2)
  expectMQ(mq).sent({ keys: 'o-1', times: 2 })
})

test('A sleep of the test does not let time run past a listener that does something real', async () => {
  await using mq = await createTestMQ()
  void mq.clock.sleep('2h')
  let deliveries = 0
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: async () => {
      deliveries += 1
      for (let i = 0; i < 50; i++) await readFile(import.meta.filename)
    },
  })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'a' })
  await mq.clock.advance('1h')
  expect([deliveries, mq.ledger.of('acknowledged')[0]?.timestamp]).toEqual([1, Date.UTC(2027, 0, 1)])
})

test('Two may wait for the same to settle', async () => {
  await using mq = await createTestMQ()
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: (_, { deliveryAttempt }) => {
      if (deliveryAttempt < 3) throw new Error('not yet')
    },
  })
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'a' })
  await Promise.all([mq.settled({ horizon: '1m' }), mq.settled({ horizon: '1m' })])
  expect(mq.ledger.of('acknowledged')).toHaveLength(1)
})

test('What a full disk kept from opening opens when there is room', async () => {
  const mq = await createTestMQ()
  const producer = await mq.createProducer({ group: 'shop' })
  await producer.send({ topic: 'orders', body: 'a' })
  const fault = mq.faults.fullDisk({ refuseWrites: true })
  await expect(mq.crash()).rejects.toThrow()
  fault.remove()
  await using reopened = await mq.crash()
  const status = await reopened.admin.topicStatus('orders')
  expect(status.reduce((sum, { maxOffset }) => sum + maxOffset, 0)).toBe(1)
})

test('A negated message is refused, since not belongs behind it', async () => {
  await using mq = await createTestMQ()
  const { not } = expectMQ(mq) as unknown as { not: ReturnType<typeof expectMQ> }
  expect(() => not.message({})).toThrow('message(...).not')
})

test.each([
  [{ seeds: 1 }, "Did you mean 'seed'"],
  [{ stric: 'warn' }, "Did you mean 'strict'"],
  [{ strict: true }, "'off', 'warn' or 'throw'"],
  [{ flushDiskTyp: 'SYNC_FLUSH' }, "Did you mean 'flushDiskType'"],
])('The options %j are refused with advice', async (options, text) => {
  await expect(createTestMQ(options as object)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
})

test('A closed instance does not settle', async () => {
  const mq = await createTestMQ()
  await mq.close()
  await expect(mq.settled()).rejects.toEqual(mqError('CLOSED'))
})
