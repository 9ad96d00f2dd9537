import { createTestMQ } from 'pocketmq/testing'
import { expect, test } from 'vitest'

test('Two members of one group want different messages', async () => {
  await using mq = await createTestMQ({ strict: 'warn', topics: [{ topic: 'orders' }] })
  const join = (expression: string) =>
    mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: expression },
      listener: () => undefined,
    })
  await join('paid')
  await join('refunded')

  expect(mq.lint.findings.map(({ code, group }) => [code, group])).toEqual([
    ['SUBSCRIPTION_MISMATCH', 'billing'],
  ])
  expect(mq.lint.summary()).toContain('SUBSCRIPTION_MISMATCH')
})
