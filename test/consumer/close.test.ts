import { describe, expect, test } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Signal } from '../helpers/signal.ts'

describe('Closing a consumer', () => {
  test('lets running listeners finish, starts nothing more, and commits', async () => {
    const host = await openShop()
    await host.send(['a', 'b', 'c', 'd'])
    const gate = new Signal()
    const seen: string[] = []
    const consumer = await host.consumer({
      concurrency: 2,
      listener: async (message) => {
        seen.push(message.text())
        await gate.promise
      },
    })
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.settle()
    gate.resolve()
    expect(await closing).toEqual({ drained: true, unfinishedCount: 0 })
    expect(seen).toEqual(['a', 'b'])
    expect(await host.offset()).toBe(2)
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    expect(host.closedClients).toContain(consumer)
  })

  test('gives up after closeTimeoutMs: signals fire, late answers do not count, messages come again', async () => {
    const host = await openShop()
    await host.send(['a', 'b', 'c'])
    const late = new Signal<ConsumeResult>()
    const contexts: ConsumeContext[] = []
    const consumer = await host.consumer({
      closeTimeoutMs: 3000,
      listener: (message, context) => {
        contexts.push(context)
        expect(context.signal.aborted).toBe(false)
        return message.text() === 'b' ? late.promise : undefined
      },
    })
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.advance(2999)
    expect(contexts[1]?.signal.aborted).toBe(false)
    await host.clock.advance(1)
    expect(await closing).toEqual({ drained: false, unfinishedCount: 1 })
    expect(contexts[1]?.signal.reason).toEqual(mqError('CLOSED'))
    expect(host.events('warning')).toEqual([expect.objectContaining({ code: 'CLOSE_TIMEOUT' })])
    expect(await host.offset()).toBe(1)
    late.resolve(ConsumeResult.FAILURE)
    await host.clock.settle()
    expect(host.events('retry')).toEqual([])
    const seen: string[] = []
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.clock.settle()
    expect(seen).toEqual(['b', 'c'])
  })

  test('gives up in time, and starts nothing, while an answer about its queues is on its way', async () => {
    const host = await openShop(2)
    await host.send(['a', 'b'])
    const seen: string[] = []
    const consumer = await host.consumer({
      concurrency: 1,
      closeTimeoutMs: 3000,
      listener: (message) => {
        seen.push(message.text())
        return new Promise(() => undefined)
      },
    })
    const other = await host.consumer({ listener: () => undefined })
    await host.clock.settle()
    const gate = new Signal()
    host.replace({
      lockQueues: async (...parameters) => {
        await gate.promise
        return host.broker.lockQueues(...parameters)
      },
    })
    await other.close()
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.advance(3000)
    gate.resolve()
    expect(await closing).toEqual({ drained: false, unfinishedCount: 1 })
    expect(consumer.stats.queues).toEqual([])
    expect(seen).toEqual(['a'])
  })

  test('waits for failures that are being sent back', async () => {
    const host = await openShop()
    const stored = new Signal()
    host.replace({
      sendMessageBack: async (request) => {
        await stored.promise
        return host.broker.sendMessageBack(request)
      },
    })
    await host.send(['a'])
    const consumer = await host.consumer({ listener: () => ConsumeResult.FAILURE })
    await host.clock.settle()
    let isClosed = false
    const closing = consumer.close().then((report) => {
      isClosed = true
      return report
    })
    await host.clock.settle()
    expect(isClosed).toBe(false)
    stored.resolve()
    expect(await closing).toEqual({ drained: true, unfinishedCount: 0 })
    expect(await host.offset()).toBe(1)
  })

  test('leaves a message for the next consumer that waits to be delivered again', async () => {
    const host = await openShop()
    host.replace({ sendMessageBack: () => Promise.reject(new Error('no')) })
    await host.send(['a', 'b'])
    const consumer = await host.consumer({
      listener: (message) => (message.text() === 'a' ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS),
    })
    await host.clock.settle()
    expect(await consumer.close()).toEqual({ drained: true, unfinishedCount: 0 })
    expect(await host.offset()).toBe(0)
    await host.clock.advance(10_000)
    expect(consumer.stats.failedCount).toBe(1)
  })

  test('answers the same when it is asked again, and leaves no timer behind', async () => {
    const host = await openShop()
    const clockOfClients = new ManualClock()
    host.replace({ clock: clockOfClients })
    const consumer = await host.consumer({ listener: () => undefined })
    await host.send(['a'])
    await host.clock.settle()
    expect(clockOfClients.timerCount).toBeGreaterThan(0)
    const [first, second] = await Promise.all([consumer.close(), consumer.close()])
    expect(first).toBe(second)
    expect(await consumer.close()).toBe(first)
    expect(clockOfClients.timerCount).toBe(0)
  })

  test('happens when the signal fires', async () => {
    const host = await openShop()
    const controller = new AbortController()
    const consumer = await host.consumer({ signal: controller.signal, listener: () => undefined })
    controller.abort()
    await host.clock.settle()
    expect(host.closedClients).toContain(consumer)
    expect(() => consumer.pause()).toThrow(mqError('CLOSED'))
    expect(() => consumer.resume()).toThrow(mqError('CLOSED'))
  })

  test('comes before the start when the signal has fired already', async () => {
    const host = await openShop()
    const started = host.consumer({ signal: AbortSignal.abort('no need'), listener: () => undefined })
    await expect(started).rejects.toMatchObject({ code: 'ABORTED', cause: 'no need' })
    expect(await host.broker.queryGroups()).toEqual([])
  })

  test('comes right after the start when the signal fires meanwhile', async () => {
    const host = await openShop()
    const controller = new AbortController()
    const starting = host.consumer({ signal: controller.signal, listener: () => undefined })
    controller.abort()
    const consumer = await starting
    await host.clock.settle()
    expect(host.closedClients).toContain(consumer)
  })

  test('works while it is paused, and at the end of its scope', async () => {
    const host = await openShop()
    await host.send(['a'])
    const seen: string[] = []
    {
      await using consumer = await host.consumer({ listener: (message) => void seen.push(message.text()) })
      consumer.pause()
      await host.clock.settle()
    }
    expect(host.closedClients).toHaveLength(2)
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
  })

  test('ends even if the engine fails to unlock, to commit and to unregister', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await host.consumer({ listener: () => undefined })
    const fail = (): Promise<never> => Promise.reject(new Error('out of order'))
    host.replace({ unlockQueues: fail, unregisterConsumer: fail, updateConsumerOffset: fail })
    expect(await consumer.close()).toEqual({ drained: true, unfinishedCount: 0 })
    expect(host.events('error').length).toBeGreaterThanOrEqual(3)
  })
})
