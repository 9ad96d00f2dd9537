import { describe, expect, test } from 'vitest'
import { Announcer } from '../../src/broker/announcer.ts'
import { Serial } from '../../src/broker/serial.ts'
import { silentLogger } from '../../src/model/logger.ts'
import { openBroker, openShop } from './set-up.ts'

describe('The embedded broker', () => {
  test('says which optional parts it offers, and offers them', async () => {
    const { broker } = await openBroker()
    const parts = ['pop', 'transactions', 'delay', 'requests']
    const offered = Object.fromEntries(parts.map((part) => [part, true]))
    const others = { deduplication: true, traces: true, durable: false, severalBrokers: false }
    expect(broker.supports).toEqual({ ...offered, ...others })
    expect(parts.filter((part) => part in broker)).toEqual(parts)
  })

  test('hands out the clock, the randomness and the logger that it was given', async () => {
    const { broker, clock } = await openBroker()
    expect(broker.clock).toBe(clock)
    expect(broker.logger).toBe(silentLogger)
    expect(broker.random.next()).toBe(0.5)
  })

  test('flushes and checks its store', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.broker.flush()
    expect(await shop.broker.check()).toMatchObject({ ok: true, messageCount: 1 })
  })

  test('closes twice as well as once', async () => {
    const { broker } = await openBroker()
    await Promise.all([broker.close(), broker.close()])
  })

  test('leaves no timer of its own behind', async () => {
    const shop = await openShop()
    await shop.broker.lockQueues('billing', 'c1', [shop.queue()])
    await shop.send()
    await shop.fail(await shop.view())
    const pulling = shop.pull({ offset: 1, suspendMs: 15_000 })
    await Promise.all([expect(pulling).rejects.toMatchObject({ code: 'CLOSED' }), shop.broker.close()])
    await shop.store.close()
    expect(shop.clock.timerCount).toBe(0)
  })
})

describe('Announcements', () => {
  test('reach every listener until it stops listening', async () => {
    const shop = await openBroker()
    const heard: string[] = []
    const stop = shop.broker.watch(({ type }) => heard.push(type))
    await shop.createTopic('a')
    stop()
    await shop.createTopic('b')
    expect(heard).toEqual(['route-changed'])
  })

  test('disturb nobody when a listener throws, and the failure is logged', () => {
    const logged: unknown[] = []
    const logger = { ...silentLogger, error: (_: string, details?: unknown) => logged.push(details) }
    const failure = new Error('listener')
    const fail = (): never => {
      throw failure
    }
    const announcer = new Announcer(fail, logger)
    const heard: string[] = []
    announcer.watch(fail)
    announcer.watch(({ type }) => heard.push(type))

    announcer.tell({ type: 'consumer-ids-changed', group: 'billing' })
    announcer.emit('topic-changed', { topic: 'orders' })

    expect(heard).toEqual(['consumer-ids-changed'])
    expect(logged).toEqual([failure, failure])
  })
})

describe('A series of acts', () => {
  test('runs one after another', async () => {
    const serial = new Serial()
    const order: string[] = []
    const act = (name: string) => async () => {
      order.push(`${name} begins`)
      await Promise.resolve()
      order.push(`${name} ends`)
      return name
    }
    expect(await Promise.all([serial.run(act('a')), serial.run(act('b'))])).toEqual(['a', 'b'])
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
  })

  test('goes on after one that fails', async () => {
    const serial = new Serial()
    const failing = serial.run(() => Promise.reject(new Error('no')))
    const next = serial.run(async () => 'yes')
    await expect(failing).rejects.toThrow('no')
    expect(await next).toBe('yes')
  })
})
