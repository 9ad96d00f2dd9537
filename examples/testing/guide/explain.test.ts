import { createTestMQ } from 'pocketmq/testing'
import { expect, test } from 'vitest'

test('A failed order waits for its retry', async () => {
  await using mq = await createTestMQ()
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: () => {
      throw new Error('the bank is closed')
    },
  })
  const shop = await mq.createProducer({ group: 'shop' })
  const { messageId } = await shop.send({ topic: 'orders', body: 'order 1' })
  await mq.settled()

  const explanation = await mq.explain(messageId, 'billing')
  expect(explanation.verdict).toBe('waiting')
  expect(explanation.opensTimestamp).toBe(mq.clock.now() + 10_000)
  expect(String(explanation)).toContain('the bank is closed')
})
