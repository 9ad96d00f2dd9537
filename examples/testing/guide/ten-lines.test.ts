import { createTestMQ, expectMQ } from 'pocketmq/testing'
import { test } from 'vitest'

test('A paid order is billed', async () => {
  await using mq = await createTestMQ()
  const invoices = await mq.createProducer({ group: 'invoices' })
  const listener = async (): Promise<void> => void (await invoices.send({ topic: 'invoices', body: 'one' }))
  await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: 'paid' }, listener })
  const shop = await mq.createProducer({ group: 'shop' })
  await shop.send({ topic: 'orders', tag: 'paid', body: 'order 1' })
  await mq.settled()
  expectMQ(mq).sent({ topic: 'invoices', times: 1 })
})
