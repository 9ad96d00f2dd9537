/** A topic that is deleted and made anew while a member of a group is busy with the old one. */
import { PocketMQ } from 'pocketmq'
import { expect, test } from 'vitest'

test('A topic made anew is consumed from its first message, whatever the group had reached in the old one', async () => {
  await using mq = await PocketMQ.open({ storage: 'memory' })
  const producer = await mq.createProducer({ group: 'senders' })
  await mq.admin.createTopic({ topic: 'orders', queues: 1 })
  const got: string[] = []
  const all = deferred()
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    listener: async (message) => {
      await new Promise((resolve) => setImmediate(resolve))
      got.push(message.text())
      if (got.filter((text) => text.startsWith('new')).length === 20) all.resolve(undefined)
    },
  })
  for (let i = 0; i < 10; i++) await producer.send({ topic: 'orders', body: `old ${i}` })

  await mq.admin.deleteTopic('orders')
  await mq.admin.createTopic({ topic: 'orders', queues: 1 })
  for (let i = 0; i < 20; i++) await producer.send({ topic: 'orders', body: `new ${i}` })

  await all.promise
  const wanted = Array.from({ length: 20 }, (_, i) => `new ${i}`)
  expect(new Set(got.filter((text) => text.startsWith('new')))).toEqual(new Set(wanted))
})

function deferred(): { promise: Promise<unknown>; resolve: (value: unknown) => void } {
  let resolve: (value: unknown) => void = () => undefined
  const promise = new Promise<unknown>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
