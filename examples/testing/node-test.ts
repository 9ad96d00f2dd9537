/** A consumer tested with Node's own test runner: `node --import tsx --test examples/testing/node-test.ts`. */
import { deepEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { ConsumeResult, type PocketMQ } from 'pocketmq'
import { createTestMQ, expectMQ, snapshotOf } from 'pocketmq/testing'

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
  const { messageId } = await shop.send({ topic: 'orders', keys: 'o-1', body: '{"amount":7}' })
  await mq.settled()

  expectMQ(mq).message(messageId).consumedBy('billing', { times: 1 })
  expectMQ(mq).sent({ topic: 'invoices', keys: 'o-1', json: { total: 7 }, times: 1 })
})

test('An order is charged two hours later when the bank was closed', async () => {
  await using mq = await createTestMQ()
  const bank = { isOpen: false }
  const shop = await startBilling(mq, bank)
  const { messageId } = await shop.send({ topic: 'orders', keys: 'o-1', body: '{"amount":7}' })
  await mq.settled()
  expectMQ(mq).not.sent({ topic: 'invoices' })

  bank.isOpen = true
  await mq.clock.advance('2h')
  expectMQ(mq).message(messageId).retried('billing', { times: 1 }).consumedBy('billing')
})

test('An order without an amount becomes a dead letter that says so', async () => {
  await using mq = await createTestMQ()
  const shop = await startBilling(mq)
  const { messageId } = await shop.send({ topic: 'orders', body: '{}' })
  await mq.settled({ horizon: '5h' })

  const message = expectMQ(mq).message(messageId)
  message.retried('billing', { times: 16 }).deadLettered('billing', { reason: 'the order has no amount' })
  message.not.consumedBy('billing')
})

test('A whole story is compared', async () => {
  await using mq = await createTestMQ()
  const shop = await mq.createProducer({ group: 'shop' })
  await shop.send({ topic: 'orders', tag: 'paid', body: 'order 1' })

  const [order] = snapshotOf(mq)
  deepEqual(order, {
    message: 'message-1',
    topic: 'orders',
    tag: 'paid',
    body: 'order 1',
    life: [
      { at: '+0s', type: 'sent', producerGroup: 'shop' },
      { at: '+0s', type: 'stored', status: 'SEND_OK' },
    ],
  })
})
