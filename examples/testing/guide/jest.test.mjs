import 'pocketmq/testing/jest'
import { expect, test } from '@jest/globals'
import { createTestMQ } from 'pocketmq/testing'

test('A paid order is billed', async () => {
  const mq = await createTestMQ()
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
  await mq.close()
})
