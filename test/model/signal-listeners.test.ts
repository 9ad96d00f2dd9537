import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { listen, unlisten } from '../../src/model/signal-listeners.ts'
import { createTestMQ } from '../../src/testing/test-mq.ts'

/** More than Node.js takes for a leak. */
const MANY = 12
const subscriptions = { orders: '*' }

function listenerCount(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

function many<Value>(make: () => Value): Value[] {
  return Array.from({ length: MANY }, make)
}

describe('Listeners of one signal', () => {
  test('are one for the signal, and each is called once', () => {
    const controller = new AbortController()
    const { signal } = controller
    const calls: string[] = []
    const listeners = ['a', 'b', 'c'].map((name) => (): void => void calls.push(name))
    for (const listener of listeners) listen(signal, listener)
    expect(listenerCount(signal)).toBe(1)
    unlisten(signal, listeners[1]!)
    controller.abort()
    expect(calls).toEqual(['a', 'c'])
  })

  test('leave nothing behind, and may come again', () => {
    const controller = new AbortController()
    const { signal } = controller
    let count = 0
    const listener = (): void => void count++
    unlisten(signal, listener)
    listen(signal, listener)
    unlisten(signal, listener)
    unlisten(signal, listener)
    expect(listenerCount(signal)).toBe(0)
    listen(signal, listener)
    controller.abort()
    expect(count).toBe(1)
  })

  test('are taken back when one ends the others', () => {
    const controller = new AbortController()
    const { signal } = controller
    const calls: string[] = []
    const second = (): void => void calls.push('second')
    listen(signal, () => unlisten(signal, second))
    listen(signal, second)
    controller.abort()
    expect(calls).toEqual([])
  })

  test('are none without a signal', () => {
    listen(undefined, () => expect.unreachable())
    unlisten(undefined, () => expect.unreachable())
  })
})

describe('A signal', () => {
  test('that many calls share has one listener, which ends them all', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const lite = await mq.createLitePullConsumer({ group: 'lite', subscriptions, autoCommit: false })
    const pull = await mq.createPullConsumer({ group: 'pull' })
    const simple = await mq.createSimpleConsumer({ group: 'simple', subscriptions })
    const producer = await mq.createProducer({ group: 'shop' })
    const [queue] = await pull.fetchSubscribeMessageQueues('orders')
    for (const call of [
      (signal: AbortSignal) => lite.poll({ signal, timeoutMs: 60_000 }),
      (signal: AbortSignal) => pull.pullBlockIfNotFound(queue!, '*', 0, 1, { signal }),
      (signal: AbortSignal) => simple.receive({ signal, awaitDurationMs: 20_000 }),
      (signal: AbortSignal) => producer.request({ topic: 'questions', body: 'x' }, { signal }),
    ]) {
      const controller = new AbortController()
      const { signal } = controller
      const calls = many(() => call(signal))
      await mq.clock.advance(1)
      expect(listenerCount(signal)).toBe(1)
      controller.abort()
      const settled = await Promise.allSettled(calls)
      expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(MANY)
      expect(listenerCount(signal)).toBe(0)
    }
  })

  test('that many consumers share has one listener, which closes them all', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const controller = new AbortController()
    const { signal } = controller
    const started = many(() => [
      mq.createPushConsumer({ group: 'push', subscriptions, signal, listener: () => undefined }),
      mq.createLitePullConsumer({ group: 'lite', subscriptions, signal }),
      mq.createPullConsumer({ group: 'pull', signal }),
      mq.createSimpleConsumer({ group: 'simple', subscriptions, signal }),
    ])
    const consumers = await Promise.all(started.flat())
    expect(listenerCount(signal)).toBe(1)
    await consumers[0]!.close()
    controller.abort()
    await Promise.all(consumers.map((consumer) => consumer.close()))
    expect(listenerCount(signal)).toBe(0)
  })
})
