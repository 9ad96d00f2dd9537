import 'pocketmq/testing/vitest'
import { createTestMQ } from 'pocketmq/testing'
import { expect, test } from 'vitest'

test('A paid order is billed', async () => {
  await using mq = await createTestMQ()
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: 'paid' },
    listener: () => undefined,
  })
  const shop = await mq.createProducer({ group: 'shop' })
  await shop.send({ topic: 'orders', tag: 'paid', body: 'order 1' })
  await mq.settled()
  expect(mq).toHaveConsumed('billing', { topic: 'orders', times: 1 })
  expect(mq).not.toHaveSent({ topic: 'refunds' })
})
