import { explore } from 'pocketmq/testing'
import { expect, test } from 'vitest'

test('Billing is right in every order that a cluster may show', async () => {
  await explore({ seeds: 50 }, async (mq) => {
    const billed = new Map<string, number>()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      // Keyed by the message, so that a second delivery changes nothing.
      listener: (message) => void billed.set(message.messageId, Number(message.text())),
    })
    const shop = await mq.createProducer({ group: 'shop' })
    for (const amount of [1, 2, 3, 4]) await shop.send({ topic: 'orders', body: String(amount) })
    await mq.settled()
    expect([...billed.values()].reduce((sum, amount) => sum + amount, 0)).toBe(10)
  })
})
