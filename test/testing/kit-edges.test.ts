/** What the test instance does at its edges: endless work, crashes that never come, sends that hang. */
import { expect, test } from 'vitest'
import { createTestMQ } from '../../src/testing/index.ts'
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
