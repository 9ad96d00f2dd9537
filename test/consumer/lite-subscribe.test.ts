import { describe, expect, test } from 'vitest'
import type { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { watchPromise } from '../broker/set-up.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const undecided = { subscriptions: undefined } as const

const texts = (messages: readonly MessageView[]): string[] => messages.map((message) => message.text())
const topicsOf = (consumer: LitePullConsumer): string[] => consumer.assignment().map(({ topic }) => topic)

/** A host with the topics `orders` and `refunds`. */
async function openTwo(): Promise<ClientHost> {
  const host = await openShop()
  await host.createTopic('refunds')
  return host
}

async function poll(host: ClientHost, consumer: LitePullConsumer): Promise<string[]> {
  await host.clock.settle()
  return texts(await consumer.poll({ timeoutMs: 0 }))
}

describe('A lite pull consumer that subscribes at run time', () => {
  test('begins with the queues of the topic before that resolves, and keeps those it had', async () => {
    const host = await openTwo()
    const consumer = await host.lite()
    await host.send(['old'], { topic: 'refunds' })
    await consumer.subscribe('refunds', '*')
    expect(topicsOf(consumer)).toEqual(['orders', 'refunds'])
    await host.send(['x'])
    expect([...(await poll(host, consumer)), ...(await poll(host, consumer))].sort()).toEqual(['old', 'x'])
  })

  test('can begin without any topic, and joins its group then', async () => {
    const host = await openTwo()
    await host.send(['a'])
    const consumer = await host.lite({ ...undecided, clientId: 'lite' })
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    await consumer.subscribe('orders', '*')
    expect(await host.broker.queryConsumerIds('billing')).toEqual(['lite'])
    expect(await poll(host, consumer)).toEqual(['a'])
    await consumer.close()
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
  })

  test('resolves although one of the new queues is sought before its start is known', async () => {
    const host = await openTwo()
    await host.send(['a', 'b'], { topic: 'refunds' })
    const consumer = await host.lite()
    const gate = new Signal()
    host.replace({
      queryConsumerOffset: async (...parameters) => {
        await gate.promise
        return host.broker.queryConsumerOffset(...parameters)
      },
    })
    const subscribing = watchPromise(consumer.subscribe('refunds', '*'))
    await host.clock.settle()
    await consumer.seek(host.queue('refunds'), 1)
    await host.clock.settle()
    expect(subscribing.settled).toBe(true)
    gate.resolve()
    expect(await poll(host, consumer)).toEqual(['b'])
  })

  test('with another expression fetches by that one from then on; what is fetched stays', async () => {
    const host = await openTwo()
    const consumer = await host.lite()
    await host.send(['fetched'], { tag: 'open' })
    await host.clock.settle()
    await consumer.subscribe('orders', 'paid')
    await host.send(['no'], { tag: 'open' })
    await host.send(['yes'], { tag: 'paid' })
    expect([...(await poll(host, consumer)), ...(await poll(host, consumer))]).toEqual(['fetched', 'yes'])
  })

  test('shares the queues of the topic with the other members', async () => {
    const host = await openShop()
    await host.createTopic('refunds', 4)
    const consumers = [await host.lite({ clientId: 'a' }), await host.lite({ clientId: 'b' })]
    for (const consumer of consumers) await consumer.subscribe('refunds', '*')
    await host.clock.settle()
    const held = consumers.map(
      (consumer) => consumer.assignment().filter(({ topic }) => topic === 'refunds').length,
    )
    expect(held).toEqual([2, 2])
  })

  test('takes a topic that does not exist yet as soon as it does', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await consumer.subscribe('later', '*')
    await host.send(['x'], { topic: 'later' }).catch(() => undefined)
    const producer = await host.producer()
    await producer.send({ topic: 'later', body: 'x' })
    expect(await poll(host, consumer)).toEqual(['x'])
  })

  test('refuses what is wrong, and goes on as before', async () => {
    const host = await openTwo()
    const consumer = await host.lite()
    await expect(consumer.subscribe('no spaces', '*')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'no spaces'),
    )
    await expect(consumer.subscribe('refunds', 'a | b')).rejects.toEqual(mqError('SUBSCRIPTION_PARSE_FAILED'))
    host.replace({ registerConsumer: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')) })
    await expect(consumer.subscribe('refunds', '*')).rejects.toEqual(mqError('WRITE_FAILED'))
    host.restore('registerConsumer')
    expect(topicsOf(consumer)).toEqual(['orders'])
    await consumer.close()
    await expect(consumer.subscribe('refunds', '*')).rejects.toEqual(mqError('CLOSED'))
    await expect(consumer.unsubscribe('refunds')).rejects.toEqual(mqError('CLOSED'))
  })

  test('may still assign when the group could not be joined', async () => {
    const host = await openShop()
    const consumer = await host.lite(undecided)
    host.replace({ registerConsumer: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')) })
    await expect(consumer.subscribe('orders', '*')).rejects.toEqual(mqError('WRITE_FAILED'))
    await consumer.assign([host.queue()])
    await host.send(['a'])
    expect(await poll(host, consumer)).toEqual(['a'])
  })

  test('does not begin before it has joined, though the topic changes meanwhile', async () => {
    const host = await openShop()
    const joining = new Signal()
    const { broker } = host
    host.replace({
      registerConsumer: async (registration) => {
        await joining.promise
        return broker.registerConsumer(registration)
      },
    })
    const consumer = await host.lite({ ...undecided, messageModel: 'broadcasting', clientId: 'ann' })
    const subscribing = consumer.subscribe('orders', '*')
    await host.broker.updateTopic({ topic: 'orders', readQueueNums: 2, writeQueueNums: 2, permission: 6 })
    await host.clock.settle()
    expect(consumer.assignment()).toEqual([])
    joining.resolve()
    await subscribing
    expect(consumer.assignment()).toHaveLength(2)
  })
})

describe('A lite pull consumer that unsubscribes', () => {
  test('gives the queues away when the application comes back from what it took', async () => {
    const host = await openTwo()
    const consumer = await host.lite()
    await consumer.subscribe('refunds', '*')
    await host.send(['a', 'b'], {}, 0)
    await host.clock.settle()
    expect(texts(await consumer.poll())).toEqual(['a', 'b'])
    await consumer.unsubscribe('orders')
    expect(topicsOf(consumer)).toEqual(['refunds'])
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toEqual([])
    await consumer.poll({ timeoutMs: 0 })
    await host.clock.settle()
    expect(await host.offset()).toBe(2)
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toHaveLength(1)
  })

  test('drops what it had fetched, and gets it again when it subscribes again', async () => {
    const host = await openTwo()
    const consumer = await host.lite()
    await host.send(['a', 'b'])
    await host.clock.settle()
    await consumer.unsubscribe('orders')
    expect(await poll(host, consumer)).toEqual([])
    await consumer.subscribe('orders', '*')
    expect(await poll(host, consumer)).toEqual(['a', 'b'])
  })

  test('from something that it does not subscribe to does nothing', async () => {
    const host = await openTwo()
    const consumer = await host.lite()
    await consumer.unsubscribe('refunds')
    await expect(consumer.unsubscribe('no spaces')).rejects.toEqual(mqError('INVALID_PARAMETER'))
    expect(topicsOf(consumer)).toEqual(['orders'])
    const other = await host.lite({ ...undecided, group: 'other' })
    await other.unsubscribe('orders')
    await other.assign([host.queue()])
    await other.unsubscribe('orders')
    expect(topicsOf(other)).toEqual(['orders'])
  })

  test('from everything stays a member, and may subscribe again but not assign', async () => {
    const host = await openTwo()
    const consumer = await host.lite({ clientId: 'lite' })
    await consumer.unsubscribe('orders')
    expect(consumer.assignment()).toEqual([])
    expect(await host.broker.queryConsumerIds('billing')).toEqual(['lite'])
    await expect(consumer.assign([host.queue()])).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'this consumer subscribes to topics'),
    )
  })
})

describe('Subscribing and assigning', () => {
  test('exclude each other, whichever comes first', async () => {
    const host = await openShop()
    const assigning = await host.lite(undecided)
    await assigning.assign([host.queue()])
    await expect(assigning.subscribe('orders', '*')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'mutually exclusive: this consumer assigns its queues'),
    )
    const filtering = await host.lite({ ...undecided, subExpressionForAssign: { orders: 'paid' } })
    await expect(filtering.subscribe('orders', '*')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'mutually exclusive'),
    )
    const subscribing = await host.lite(undecided)
    await subscribing.subscribe('orders', '*')
    await expect(subscribing.assign([host.queue()])).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'mutually exclusive'),
    )
  })
})
