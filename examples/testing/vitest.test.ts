/** A consumer tested with Vitest. The import of `pocketmq/testing/vitest` may also stand in `setupFiles`. */
import 'pocketmq/testing/vitest'
import { ConsumeResult, type PocketMQ } from 'pocketmq'
import { createTestMQ, snapshotOf } from 'pocketmq/testing'
import { expect, test } from 'vitest'

/** What is tested: it charges orders, and comes back two hours later when the bank is closed. */
async function startBilling(mq: PocketMQ, bank: { isOpen: boolean } = { isOpen: true }) {
  const invoices = await mq.createProducer({ group: 'invoices' })
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: async (order, context) => {
      const { amount } = order.json<{ amount?: number }>()
      if (amount === undefined) throw new Error('the order has no amount')
      context.delayLevelWhenNextConsume = 18
      if (!bank.isOpen) return ConsumeResult.FAILURE
      await invoices.send({ topic: 'invoices', keys: order.keys, body: JSON.stringify({ total: amount }) })
      return ConsumeResult.SUCCESS
    },
  })
  return mq.createProducer({ group: 'shop' })
}

test('An order is charged', async () => {
  await using mq = await createTestMQ()
  const shop = await startBilling(mq)
  await shop.send({ topic: 'orders', keys: 'o-1', body: '{"amount":7}' })
  await mq.settled()

  expect(mq).toHaveConsumed('billing', { keys: 'o-1', times: 1 })
  expect(mq).toHaveSent({ topic: 'invoices', keys: 'o-1', json: { total: 7 }, times: 1 })
})

test('An order is charged two hours later when the bank was closed', async () => {
  await using mq = await createTestMQ()
  const bank = { isOpen: false }
  const shop = await startBilling(mq, bank)
  await shop.send({ topic: 'orders', keys: 'o-1', body: '{"amount":7}' })
  await mq.settled()
  expect(mq).not.toHaveSent({ topic: 'invoices' })

  bank.isOpen = true
  await mq.clock.advance('2h')
  expect(mq).toHaveRetried('billing', { keys: 'o-1', times: 1 })
  expect(mq).toHaveSent({ topic: 'invoices', keys: 'o-1' })
})

test('An order without an amount becomes a dead letter that says so', async () => {
  await using mq = await createTestMQ()
  const shop = await startBilling(mq)
  await shop.send({ topic: 'orders', keys: 'o-2', body: '{}' })
  await mq.settled({ horizon: '5h' })

  expect(mq).toHaveRetried('billing', { keys: 'o-2', times: 16 })
  expect(mq).toHaveDeadLettered('billing', { keys: 'o-2', reason: 'the order has no amount' })
})

test('A whole story is compared with a snapshot', async () => {
  await using mq = await createTestMQ()
  const shop = await startBilling(mq)
  await shop.send({ topic: 'orders', keys: 'o-1', body: '{"amount":7}' })
  await mq.settled()

  expect(snapshotOf(mq, { topic: 'orders' })).toMatchInlineSnapshot(`
    [
      {
        "json": {
          "amount": 7,
        },
        "keys": [
          "o-1",
        ],
        "life": [
          {
            "at": "+0s",
            "producerGroup": "shop",
            "type": "sent",
          },
          {
            "at": "+0s",
            "status": "SEND_OK",
            "type": "stored",
          },
          {
            "at": "+0s",
            "deliveryAttempt": 1,
            "group": "billing",
            "type": "delivered",
          },
          {
            "at": "+0s",
            "deliveryAttempt": 1,
            "group": "billing",
            "type": "acknowledged",
          },
        ],
        "message": "message-1",
        "topic": "orders",
      },
    ]
  `)
})
