import { createTestMQ, expectMQ, type TestMQ } from 'pocketmq/testing'
import { afterAll, beforeAll, test } from 'vitest'

let seeded: TestMQ
beforeAll(async () => {
  seeded = await createTestMQ()
  const shop = await seeded.createProducer({ group: 'shop' })
  for (let i = 1; i <= 100; i++) await shop.send({ topic: 'orders', keys: `o-${i}`, body: `order ${i}` })
})
afterAll(() => seeded.close())

test.each(['billing', 'shipping'])('%s gets all hundred orders', async (group) => {
  await using mq = await seeded.fork()
  await mq.createPushConsumer({ group, subscriptions: { orders: '*' }, listener: () => undefined })
  await mq.settled()
  expectMQ(mq).message({ topic: 'orders' }).consumedBy(group, { times: 100 })
})
