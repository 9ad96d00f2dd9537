// A consumer tested with Jest: `NODE_OPTIONS=--experimental-vm-modules npx jest`. The import of `pocketmq/testing/jest` may also
// stand in `setupFilesAfterEnv`.
import 'pocketmq/testing/jest'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createTestMQ, snapshotOf } from 'pocketmq/testing'

/** What is tested: it charges orders, and comes back two hours later when the bank is closed. */
async function startBilling(mq, bank = { isOpen: true }) {
  const invoices = await mq.createProducer({ group: 'invoices' })
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: async (order, context) => {
      const { amount } = order.json()
      if (amount === undefined) throw new Error('the order has no amount')
      context.delayLevelWhenNextConsume = 18
      if (!bank.isOpen) return 'FAILURE'
      await invoices.send({ topic: 'invoices', keys: order.keys, body: JSON.stringify({ total: amount }) })
    },
  })
  return mq.createProducer({ group: 'shop' })
}

let mq
beforeEach(async () => {
  mq = await createTestMQ()
})
afterEach(() => mq.close())

test('An order is charged', async () => {
  const shop = await startBilling(mq)
  await shop.send({ topic: 'orders', keys: 'o-1', body: '{"amount":7}' })
  await mq.settled()

  expect(mq).toHaveConsumed('billing', { keys: 'o-1', times: 1 })
  expect(mq).toHaveSent({ topic: 'invoices', keys: 'o-1', json: { total: expect.any(Number) }, times: 1 })
})

test('An order is charged two hours later when the bank was closed', async () => {
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
  const shop = await startBilling(mq)
  await shop.send({ topic: 'orders', keys: 'o-2', body: '{}' })
  await mq.settled({ horizon: '5h' })

  expect(mq).toHaveRetried('billing', { keys: 'o-2', times: 16 })
  expect(mq).toHaveDeadLettered('billing', { keys: 'o-2', reason: 'the order has no amount' })
})

test('A whole story is compared with a snapshot', async () => {
  const shop = await mq.createProducer({ group: 'shop' })
  await shop.send({ topic: 'orders', tag: 'paid', body: 'order 1' })

  expect(snapshotOf(mq)).toEqual([expect.objectContaining({ message: 'message-1', body: 'order 1' })])
})
