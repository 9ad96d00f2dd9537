import { describe, expect, test } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

/** A host with the topics `orders` and `refunds`, and a consumer of `orders` that notes what it gets. */
async function shopOf(seen: string[]): Promise<{ host: ClientHost; consumer: PushConsumer }> {
  const host = await openShop()
  await host.createTopic('refunds')
  const consumer = await host.consumer({
    clientId: 'a',
    listener: (message) => void seen.push(`${message.topic} ${message.text()}`),
  })
  return { host, consumer }
}

const topicsOf = ({ stats }: PushConsumer): string[] => stats.queues.map(({ topic }) => topic).sort()

describe('Subscribing at run time', () => {
  test('begins with the queues of the topic before it resolves', async () => {
    const seen: string[] = []
    const { host, consumer } = await shopOf(seen)
    await host.send(['old'], { topic: 'refunds' })
    await consumer.subscribe('refunds', '*')
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing', 'orders', 'refunds'])
    await host.send(['x'])
    await host.clock.settle()
    expect(seen.sort()).toEqual(['orders x', 'refunds old'])
  })

  test('takes effect for a topic that does not exist yet as soon as it does', async () => {
    const seen: string[] = []
    const { host, consumer } = await shopOf(seen)
    await consumer.subscribe('later', '*')
    const producer = await host.producer()
    await producer.send({ topic: 'later', body: 'x' })
    await host.clock.settle()
    expect(seen).toEqual(['later x'])
  })

  test('with another expression changes what comes from then on, also while a pull waits', async () => {
    const seen: string[] = []
    const { host, consumer } = await shopOf(seen)
    await host.clock.settle()
    await consumer.subscribe('orders', 'paid')
    await host.send(['no'], { tag: 'new' })
    await host.send(['yes'], { tag: 'paid' })
    await host.clock.settle()
    expect(seen).toEqual(['orders yes'])
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing', 'orders'])
  })

  test('tells the group, so that the others share the new queues and a difference is noticed', async () => {
    const seen: string[] = []
    const { host, consumer } = await shopOf(seen)
    const other = await host.consumer({ clientId: 'b', listener: () => undefined })
    await consumer.subscribe('refunds', '*')
    expect(host.events('warning')).toEqual([expect.objectContaining({ code: 'SUBSCRIPTION_MISMATCH' })])
    await other.subscribe('refunds', '*')
    await host.clock.settle()
    expect(host.events('warning')).toHaveLength(1)
  })

  test.each<[string, string, unknown, string]>([
    ['a topic that is no name', 'no spaces', '*', 'no spaces'],
    ['the retry topic of its group', '%RETRY%billing', '*', 'anyway'],
  ])('refuses %s', async (_, topic, expression, text) => {
    const { consumer } = await shopOf([])
    await expect(consumer.subscribe(topic, expression as string)).rejects.toEqual(
      mqError('INVALID_PARAMETER', text),
    )
  })

  test('refuses an expression that cannot be parsed, and goes on as before', async () => {
    const { consumer } = await shopOf([])
    await expect(consumer.subscribe('refunds', 'a | b')).rejects.toEqual(mqError('SUBSCRIPTION_PARSE_FAILED'))
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing', 'orders'])
  })

  test('goes on as before when the group cannot be told', async () => {
    const { host, consumer } = await shopOf([])
    host.replace({ registerConsumer: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')) })
    await expect(consumer.subscribe('refunds', '*')).rejects.toEqual(mqError('WRITE_FAILED'))
    host.restore('registerConsumer')
    await consumer.unsubscribe('nothing')
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing', 'orders'])
  })
})

describe('Unsubscribing at run time', () => {
  test('lets running listeners finish, stores their offset, and takes nothing more', async () => {
    const host = await openShop()
    const gate = new Signal()
    const seen: string[] = []
    const consumer = await host.consumer({
      concurrency: 1,
      listener: async (message) => {
        seen.push(message.text())
        await gate.promise
      },
    })
    await host.send(['a', 'b'])
    await host.clock.settle()
    await consumer.unsubscribe('orders')
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing'])
    gate.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['a'])
    expect(await host.offset()).toBe(1)
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toHaveLength(1)
  })

  test('and subscribing again goes on where it stopped', async () => {
    const seen: string[] = []
    const { host, consumer } = await shopOf(seen)
    await host.send(['a'])
    await host.clock.settle()
    await consumer.unsubscribe('orders')
    await host.send(['b'])
    await consumer.subscribe('orders', '*')
    await host.clock.settle()
    expect(seen).toEqual(['orders a', 'orders b'])
  })

  test('does nothing for a topic that is not subscribed to', async () => {
    const { host, consumer } = await shopOf([])
    await consumer.unsubscribe('refunds')
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing', 'orders'])
    expect(host.events('warning')).toEqual([])
  })
})

describe('Changes of subscriptions', () => {
  test('that are made at the same time all take effect, in their order', async () => {
    const { consumer } = await shopOf([])
    await Promise.all([
      consumer.subscribe('refunds', '*'),
      consumer.unsubscribe('orders'),
      consumer.subscribe('orders', 'paid'),
      consumer.unsubscribe('refunds'),
    ])
    expect(topicsOf(consumer)).toEqual(['%RETRY%billing', 'orders'])
  })

  test('are refused once the consumer closes, and one that is under way does not outlive it', async () => {
    const { host, consumer } = await shopOf([])
    const gate = new Signal()
    host.replace({
      registerConsumer: async (registration) => {
        await gate.promise
        await host.broker.registerConsumer(registration)
      },
    })
    const subscribing = consumer.subscribe('refunds', '*')
    await host.clock.settle()
    const closing = consumer.close()
    await expect(consumer.unsubscribe('orders')).rejects.toEqual(mqError('CLOSED'))
    await host.clock.settle()
    gate.resolve()
    await Promise.all([subscribing, closing])
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    expect(topicsOf(consumer)).toEqual([])
  })

  test('may be made by the listener itself', async () => {
    const host = await openShop()
    await host.createTopic('refunds')
    const seen: string[] = []
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      listener: async (message) => {
        seen.push(message.text())
        if (message.text() === 'x') await consumer?.subscribe('refunds', '*')
      },
    })
    await host.send(['x'])
    await host.clock.settle()
    await host.send(['y'], { topic: 'refunds' })
    await host.clock.settle()
    expect(seen).toEqual(['x', 'y'])
  })
})
