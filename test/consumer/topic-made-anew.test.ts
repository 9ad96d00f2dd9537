/** A topic that is deleted and made anew while a member of a group is busy with the old one. */
import { PocketMQ } from 'pocketmq'
import { expect, test } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { openShop } from '../helpers/client-host.ts'

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

test('A topic made anew while its route could not be asked is consumed as the new one', async () => {
  const host = await openShop(1)
  const seen: string[] = []
  await host.consumer({ listener: (message) => void seen.push(message.text()) })
  await host.send(['old'])
  await host.clock.settle()
  host.replace({ queryRoute: () => Promise.reject(new MQError('SERVICE_NOT_AVAILABLE', 'away')) })
  await host.broker.deleteTopic('orders')
  await host.createTopic('orders', 1)
  await host.clock.settle()
  host.restore('queryRoute')
  await host.send(['new'])
  await host.clock.advance(5000)
  expect(seen).toEqual(['old', 'new'])
})
