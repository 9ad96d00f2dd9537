import { createTestMQ, expectMQ } from 'pocketmq/testing'
import { test } from 'vitest'

test('An order is billed two hours later when the bank is closed', async () => {
  await using mq = await createTestMQ()
  let isBankOpen = false
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: (_, context) => {
      context.delayLevelWhenNextConsume = 18
      if (!isBankOpen) throw new Error('the bank is closed')
    },
  })
  const shop = await mq.createProducer({ group: 'shop' })
  const { messageId } = await shop.send({ topic: 'orders', body: 'order 1' })
  await mq.settled()

  isBankOpen = true
  await mq.clock.advance('2h')

  expectMQ(mq).message(messageId).deliveredTo('billing', { times: 2 }).consumedBy('billing')
})
