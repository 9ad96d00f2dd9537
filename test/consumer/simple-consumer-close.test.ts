import { describe, expect, test } from 'vitest'
import { SimpleConsumer } from '../../src/consumer/simple-consumer.ts'
import type { SimpleConsumerOptions } from '../../src/consumer/simple-consumer-options.ts'
import { MQError } from '../../src/model/errors.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const WAIT = { awaitDurationMs: 20_000 }
const OPTIONS = { group: 'billing', subscriptions: { orders: '*' } }

function start(host: ClientHost, options: Partial<SimpleConsumerOptions> = {}): Promise<SimpleConsumer> {
  return SimpleConsumer.start(host, { ...OPTIONS, ...options })
}

describe('A receive', () => {
  test('that waits rejects with ABORTED when its signal fires, and takes nothing', async () => {
    const host = await openShop()
    const consumer = await start(host)
    const controller = new AbortController()
    const receiving = consumer.receive({ ...WAIT, signal: controller.signal })
    await host.clock.settle()
    controller.abort(new Error('enough'))
    await expect(receiving).rejects.toEqual(mqError('ABORTED'))
    await expect(receiving).rejects.toMatchObject({ cause: { message: 'enough' } })
    await host.send(['a'])
    expect(await consumer.receive({ awaitDurationMs: 0 })).toHaveLength(1)
  })

  test('is refused when its signal has fired already', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await start(host)
    await expect(consumer.receive({ signal: AbortSignal.abort() })).rejects.toEqual(mqError('ABORTED'))
    expect((await host.broker.consumerProgress('billing')).invisibleCount).toBe(0)
  })

  test('that found something answers it, although its signal has fired meanwhile', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await start(host)
    const controller = new AbortController()
    const receiving = consumer.receive({ ...WAIT, signal: controller.signal })
    controller.abort()
    expect(await receiving).toHaveLength(1)
  })

  test('leaves nothing on a signal that many share, and has one listener there at most', async () => {
    const host = await openShop()
    const consumer = await start(host)
    const controller = new AbortController()
    const { signal } = controller
    let listeners = 0
    let most = 0
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...parameters: Parameters<typeof add>) => {
      listeners += 1
      most = Math.max(most, listeners)
      add(...parameters)
    }
    signal.removeEventListener = (...parameters: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...parameters)
    }
    await Promise.all(Array.from({ length: 20 }, () => consumer.receive({ awaitDurationMs: 0, signal })))
    expect([listeners, most]).toEqual([0, 1])
    const receiving = Array.from({ length: 20 }, () => consumer.receive({ ...WAIT, signal }))
    await host.clock.settle()
    controller.abort()
    const outcomes = await Promise.allSettled(receiving)
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect([listeners, most]).toEqual([0, 1])
  })
})

describe('Closing a simple consumer', () => {
  test('ends receives that wait with an empty list, so that a loop ends calmly', async () => {
    const host = await openShop()
    const consumer = await start(host)
    const receiving = [consumer.receive(WAIT), consumer.receive(WAIT)]
    await host.clock.settle()
    await consumer.close()
    expect(await Promise.all(receiving)).toEqual([[], []])
    expect(host.closedClients).toEqual([consumer])
  })

  test('refuses everything from then on', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await start(host)
    const [message] = await consumer.receive()
    await consumer.close()
    const refused = mqError('CLOSED', 'billing')
    await expect(consumer.receive()).rejects.toEqual(refused)
    await expect(consumer.ack(message!)).rejects.toEqual(refused)
    await expect(consumer.nack(message!)).rejects.toEqual(refused)
    await expect(consumer.changeInvisibleDuration(message!, 1)).rejects.toEqual(refused)
    await expect(consumer.subscribe('orders', '*')).rejects.toEqual(refused)
    await expect(consumer.unsubscribe('orders')).rejects.toEqual(refused)
  })

  test('lets acknowledgements under way end', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await start(host)
    const messages = await consumer.receive()
    const held = new Signal()
    const commit = host.store.commit.bind(host.store)
    host.store.commit = async (change) => {
      await held.promise
      return commit(change)
    }
    const order: string[] = []
    const acking = consumer.ack(messages).then(() => order.push('acknowledged'))
    const closing = consumer.close().then(() => order.push('closed'))
    await host.clock.settle()
    held.resolve()
    await Promise.all([acking, closing])
    expect(order).toEqual(['acknowledged', 'closed'])
  })

  test('gives a receive under way what it found', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await start(host)
    const receiving = consumer.receive()
    await consumer.close()
    expect(await receiving).toHaveLength(1)
  })

  test('leaves its messages to the others, who may settle them before their time is over', async () => {
    const host = await openShop()
    await host.send(['a', 'b'])
    const [consumer, other] = [await start(host), await start(host)]
    const [first] = await consumer.receive({ invisibleDurationMs: 30_000 })
    await consumer.close()
    await other.ack(first!)
    await host.clock.advance(30_000)
    expect((await other.receive()).map((message) => message.text())).toEqual(['b'])
  })

  test('leaves the group, and answers the same when it is done twice', async () => {
    const host = await openShop()
    const consumer = await start(host)
    expect(consumer.close()).toBe(consumer.close())
    await consumer.close()
    await host.broker.deleteGroup('billing')
  })

  test('closes all the same when the engine fails to let it go', async () => {
    const host = await openShop()
    const consumer = await start(host)
    host.replace({ unregisterConsumer: () => Promise.reject(new MQError('SYSTEM_ERROR', 'no')) })
    await consumer.close()
    expect(host.events('error')).toMatchObject([{ code: 'SYSTEM_ERROR' }])
    expect(host.closedClients).toEqual([consumer])
  })

  test('is done by its signal, and by await using', async () => {
    const host = await openShop()
    const controller = new AbortController()
    const consumer = await start(host, { signal: controller.signal })
    controller.abort()
    await host.clock.settle()
    await expect(consumer.receive()).rejects.toEqual(mqError('CLOSED'))
    await expect(start(host, { signal: controller.signal })).rejects.toEqual(mqError('ABORTED'))
    {
      await using scoped = await start(host)
      expect(await scoped.receive({ awaitDurationMs: 0 })).toEqual([])
    }
    expect(host.closedClients).toHaveLength(2)
  })

  test('waits for a subscription under way, so that it does not come back as a member', async () => {
    const host = await openShop()
    const consumer = await start(host)
    const held = new Signal()
    const register = host.broker.registerConsumer.bind(host.broker)
    host.replace({
      registerConsumer: async (registration) => {
        await held.promise
        return register(registration)
      },
    })
    const subscribing = consumer.subscribe('returns', '*')
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.settle()
    held.resolve()
    await Promise.all([subscribing, closing])
    await host.broker.deleteGroup('billing')
  })

  test('whose group was deleted in its hands fails nothing', async () => {
    const host = await openShop()
    const consumer = await start(host)
    await host.broker.unregisterConsumer('billing', consumer.clientId)
    await host.broker.deleteGroup('billing')
    await expect(consumer.receive()).rejects.toEqual(mqError('SUBSCRIPTION_GROUP_NOT_EXIST'))
    await consumer.close()
  })
})

describe('An instance', () => {
  test('closes its simple consumers before its engine: receives that wait answer nothing', async () => {
    const mq = await createTestMQ()
    const consumer = await mq.createSimpleConsumer(OPTIONS)
    const receiving = consumer.receive(WAIT)
    await mq.clock.rest()
    await mq.close()
    expect(await receiving).toEqual([])
    await expect(mq.createSimpleConsumer(OPTIONS)).rejects.toEqual(mqError('CLOSED'))
    await expect(consumer.receive()).rejects.toEqual(mqError('CLOSED'))
  })

  test('gives no two members of a group the same name', async () => {
    await using mq = await createTestMQ()
    const consumer = await mq.createSimpleConsumer({ ...OPTIONS, clientId: 'c' })
    await expect(mq.createSimpleConsumer({ ...OPTIONS, clientId: 'c' })).rejects.toEqual(
      mqError('INVALID_PARAMETER', "already has a member 'c'"),
    )
    await consumer.close()
    await mq.createSimpleConsumer({ ...OPTIONS, clientId: 'c' })
  })

  test('comes to rest with messages that nobody asked for', async () => {
    await using mq = await createTestMQ()
    const consumer = await mq.createSimpleConsumer(OPTIONS)
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'a' })
    await mq.settled()
    expect(await consumer.receive()).toHaveLength(1)
    await mq.settled()
  })
})
