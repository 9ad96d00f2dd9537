import { test } from 'node:test'
import { createTestMQ, expectMQ } from 'pocketmq/testing'

test('A paid order is billed', async () => {
  await using mq = await createTestMQ()
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: 'paid' },
    listener: () => undefined,
  })
  const shop = await mq.createProducer({ group: 'shop' })
  const { messageId } = await shop.send({ topic: 'orders', tag: 'paid', body: 'order 1' })
  await mq.settled()
  expectMQ(mq).message(messageId).consumedBy('billing', { times: 1 })
})
