import { createTestMQ, expectMQ } from 'pocketmq/testing'
import { test } from 'vitest'

test('What is received and given back comes again', async () => {
  await using mq = await createTestMQ()
  const consumer = await mq.createSimpleConsumer({ group: 'billing', subscriptions: { orders: '*' } })
  const shop = await mq.createProducer({ group: 'shop' })
  const { messageId } = await shop.send({ topic: 'orders', body: 'order 1' })
  for (const message of await consumer.receive()) await consumer.nack(message)
  await mq.clock.advance('10s')
  for (const message of await consumer.receive()) await consumer.ack(message)
  expectMQ(mq).message(messageId).deliveredTo('billing', { times: 2 }).consumedBy('billing', { times: 1 })
})
