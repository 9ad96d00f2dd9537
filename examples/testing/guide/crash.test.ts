import { createTestMQ, expectMQ, type TestMQ } from 'pocketmq/testing'
import { test } from 'vitest'

const startBilling = (mq: TestMQ, listener: () => Promise<void>) =>
  mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener })

test('An order survives a crash in the middle of its listener', async () => {
  await using mq = await createTestMQ()
  const crash = mq.faults.crash({ at: 'in-listener', group: 'billing' })
  await startBilling(mq, async () => undefined)
  const shop = await mq.createProducer({ group: 'shop' })
  const { messageId } = await shop.send({ topic: 'orders', body: 'order 1' })

  await using reopened = await crash.reopened
  await startBilling(reopened, async () => undefined)
  await reopened.settled()
  expectMQ(reopened).message(messageId).deliveredTo('billing', { times: 2 }).consumedBy('billing')
})
