import { describe, expect, test, vi } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const MINUTE = 60_000

/** A listener that answers each delivery with the next of these, then with success. */
function answering(...answers: (() => unknown)[]) {
  const left = [...answers]
  return (() => left.shift()?.()) as () => undefined
}

/** A promise of somebody else's making. */
function thenable(then: (resolve: (value: unknown) => void, reject: (error: Error) => void) => void): object {
  return { then }
}

/** An error that throws when it is asked what went wrong. */
class Wordless extends Error {
  override get message(): string {
    throw new Error('no words')
  }
}

/** An error whose message is not text. */
class Mute extends Error {
  override readonly message = Symbol('mute') as unknown as string
}

const trap = new Proxy(
  {},
  {
    has: () => {
      throw new Error('trap')
    },
  },
)

describe('A listener that fails', () => {
  test.each<[string, () => unknown, string]>([
    ['returns FAILURE', () => ConsumeResult.FAILURE, 'The listener returned FAILURE.'],
    ['resolves with FAILURE', async () => ConsumeResult.FAILURE, 'The listener returned FAILURE.'],
    [
      'throws',
      () => {
        throw new RangeError('no stock')
      },
      'RangeError: no stock',
    ],
    ['rejects', () => Promise.reject(new RangeError('no\nstock')), 'RangeError: no stock'],
    [
      'throws something else',
      () => {
        throw 'a string'
      },
      "The listener threw 'a string'.",
    ],
    ['rejects with nothing', () => Promise.reject(), 'The listener threw undefined.'],
    [
      'throws an object that has no text',
      () => {
        throw Object.create(null)
      },
      'The listener threw an object.',
    ],
    ['returns garbage', () => 42, 'The listener returned 42; return ConsumeResult'],
    ['returns null', () => null, 'The listener returned null;'],
    ['resolves with garbage', async () => ({ ok: true }), 'The listener returned an object;'],
    ['returns a symbol', () => Symbol('done'), 'The listener returned Symbol(done);'],
    [
      'returns a thenable that rejects',
      () => thenable((_, reject) => reject(new Error('late'))),
      'Error: late',
    ],
    ['returns what throws when it is looked at', () => trap, 'Error: trap'],
    ['throws an error without text', () => Promise.reject(new Wordless()), 'an error that has no text'],
    ['throws an error whose text is none', () => Promise.reject(new Mute()), 'an error that has no text'],
  ])('has its message retried later when it %s', async (_, fail, reason) => {
    const host = await openShop()
    const consumer = await host.consumer({ listener: answering(fail) })
    await host.send(['x'])
    await host.clock.settle()
    expect(host.events('retry')).toEqual([
      expect.objectContaining({ reconsumeTimes: 1, reason: expect.stringContaining(reason) }),
    ])
    expect(await host.offset()).toBe(1)
    await host.clock.advance(10_000)
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 1, runningCount: 0 })
    expect(host.events('error')).toEqual([])
  })

  test('may return a thenable of its own that succeeds', async () => {
    const host = await openShop()
    const consumer = await host.consumer({
      listener: answering(() => thenable((resolve) => resolve(undefined))),
    })
    await host.send(['x'])
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 0 })
  })

  test('sees the same message again, as itself, at growing intervals', async () => {
    const host = await openShop()
    const seen: [number, string, string, number][] = []
    const start = host.clock.now()
    await host.consumer({
      listener: ({ messageId, topic, deliveryAttempt }) => {
        seen.push([host.clock.now() - start, messageId, topic, deliveryAttempt])
        return deliveryAttempt < 4 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
      },
    })
    await host.send(['x'])
    await host.clock.advance(10 * MINUTE)
    expect(seen.map(([ms]) => ms)).toEqual([0, 10_000, 40_000, 100_000])
    expect(new Set(seen.map(([, messageId]) => messageId)).size).toBe(1)
    expect(seen.map(([, , topic, attempt]) => [topic, attempt])).toEqual(
      [1, 2, 3, 4].map((attempt) => ['orders', attempt]),
    )
  })

  test('is called 17 times, then its message is a dead letter', async () => {
    const host = await openShop()
    const listener = vi.fn(() => ConsumeResult.FAILURE)
    await host.consumer({ listener })
    await host.send(['x'])
    await host.clock.advance(24 * 60 * MINUTE)
    expect(listener).toHaveBeenCalledTimes(17)
    expect(host.events('dead-letter')).toEqual([
      expect.objectContaining({ reconsumeTimes: 17, topic: 'orders' }),
    ])
  })

  test('is called once when there are to be no retries', async () => {
    const host = await openShop()
    const listener = vi.fn(() => ConsumeResult.FAILURE)
    await host.consumer({ maxReconsumeTimes: 0, listener })
    await host.send(['x'])
    await host.clock.settle()
    expect(listener).toHaveBeenCalledTimes(1)
    expect(host.events('dead-letter')).toHaveLength(1)
  })

  test.each([
    ['at the level that it asks for', 1, 1000],
    ['by the number of retries when it asks for nothing', 0, 10_000],
    ['by the number of retries when it asks for nonsense', 1.5, 10_000],
  ])('is retried %s', async (_, level, delayMs) => {
    const host = await openShop()
    await host.consumer({
      listener: (_message, context) => {
        context.delayLevelWhenNextConsume = level
        return ConsumeResult.FAILURE
      },
    })
    await host.send(['x'])
    await host.clock.settle()
    expect(host.events('retry')[0]?.dueTimestamp).toBe(host.clock.now() + delayMs)
  })

  test('may make its message a dead letter at once', async () => {
    const host = await openShop()
    await host.consumer({
      listener: (_message, context) => {
        context.delayLevelWhenNextConsume = -1
        throw new Error('never')
      },
    })
    await host.send(['x'])
    await host.clock.settle()
    expect(host.events('dead-letter')).toEqual([expect.objectContaining({ reason: 'Error: never' })])
    expect(await host.offset()).toBe(1)
  })

  test('gets its message again after 5 seconds when it cannot be sent back, and nothing is committed until then', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({
      listener: (message) => {
        seen.push(message.text())
        return seen.length === 1 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
      },
    })
    host.replace({ sendMessageBack: () => Promise.reject(new Error('disk full')) })
    await host.send(['a', 'b'])
    await host.clock.advance(4999)
    expect(seen).toEqual(['a', 'b'])
    expect(await host.offset()).toBe(0)
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR', 'disk full')])
    await host.clock.advance(1)
    expect(seen).toEqual(['a', 'b', 'a'])
    expect(await host.offset()).toBe(2)
    expect(consumer.stats).toMatchObject({ unfinishedCount: 0, runningCount: 0 })
  })

  test('makes a dead letter of what retention took before it could be retried', async () => {
    const host = await openShop()
    await host.consumer({ listener: () => ConsumeResult.FAILURE })
    const levels: number[] = []
    host.replace({
      sendMessageBack: (request) => {
        levels.push(request.delayLevel)
        if (request.delayLevel >= 0) return Promise.reject(new MQError('NO_MESSAGE', 'gone'))
        return host.broker.sendMessageBack(request)
      },
    })
    await host.send(['x'])
    await host.clock.settle()
    expect(levels).toEqual([0, -1])
    expect(host.events('dead-letter')).toHaveLength(1)
    expect(await host.offset()).toBe(1)
  })
})

describe('A listener that takes too long', () => {
  test('has its message retried, its signal fired and its late answer ignored', async () => {
    const host = await openShop()
    const answers = [new Signal<ConsumeResult>(), new Signal<ConsumeResult>()]
    const contexts: ConsumeContext[] = []
    const consumer = await host.consumer({
      listener: (_message, context) => {
        contexts.push(context)
        expect(context.signal.aborted).toBe(false)
        return answers[contexts.length - 1]?.promise
      },
    })
    await host.send(['x'])
    await host.clock.advance(15 * MINUTE - 1)
    expect(host.events('retry')).toEqual([])
    await host.clock.advance(1)
    expect(host.events('retry')).toEqual([
      expect.objectContaining({ reason: expect.stringContaining('900000 ms') }),
    ])
    expect(host.events('warning')).toEqual([expect.objectContaining({ code: 'LISTENER_TIMEOUT' })])
    expect(contexts[0]?.signal.reason).toEqual(mqError('CONSUME_MSG_TIMEOUT'))
    expect(consumer.stats).toMatchObject({ runningCount: 0, timedOutCount: 1, succeededCount: 0 })
    answers[0]?.resolve(ConsumeResult.FAILURE)
    await host.clock.advance(10_000)
    expect(contexts).toHaveLength(2)
    answers[1]?.resolve(ConsumeResult.SUCCESS)
    await host.clock.settle()
    expect(host.events('retry')).toHaveLength(1)
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 0, unfinishedCount: 0 })
  })

  test('finds its signal fired also when it asks for it afterwards', async () => {
    const host = await openShop()
    let context: ConsumeContext | undefined
    await host.consumer({
      consumeTimeoutMs: 1000,
      listener: (_message, given) => {
        context ??= given
        return new Promise(() => undefined)
      },
    })
    await host.send(['x'])
    await host.clock.advance(1000)
    expect(context?.signal.reason).toEqual(mqError('CONSUME_MSG_TIMEOUT', '1000 ms'))
  })

  test('frees its place, so others can be consumed though it never settles', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({
      concurrency: 1,
      consumeTimeoutMs: 1000,
      listener: (message) => {
        seen.push(message.text())
        return message.text() === 'stuck' ? new Promise(() => undefined) : undefined
      },
    })
    await host.send(['stuck', 'next'])
    await host.clock.advance(999)
    expect(seen).toEqual(['stuck'])
    await host.clock.advance(1)
    expect(seen).toEqual(['stuck', 'next'])
    expect(await host.offset()).toBe(2)
    expect(consumer.stats.runningCount).toBe(0)
  })

  test('is found by one timer for all, at its own time', async () => {
    const host = await openShop()
    await host.consumer({ consumeTimeoutMs: 1000, listener: () => new Promise(() => undefined) })
    const timersBefore = host.clock.timerCount
    const timeouts = (): number => host.events('warning').length
    await host.send(['a'])
    await host.clock.advance(400)
    await host.send(['b', 'c'])
    await host.clock.settle()
    expect(host.clock.timerCount).toBe(timersBefore + 1)
    await host.clock.advance(600)
    expect(timeouts()).toBe(1)
    await host.clock.advance(399)
    expect(timeouts()).toBe(1)
    await host.clock.advance(1)
    expect(timeouts()).toBe(3)
  })

  test('loses all messages of its batch to retries', async () => {
    const host = await openShop()
    await host.send(['a', 'b'])
    await host.consumer({
      consumeTimeoutMs: 1000,
      consumeMessageBatchMaxSize: 2,
      listener: () => new Promise(() => undefined),
    })
    await host.clock.advance(1000)
    expect(host.events('retry')).toHaveLength(2)
  })
})

describe('A listener that does other things', () => {
  test('may send messages, also to the topic that it consumes', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const seen: string[] = []
    await host.consumer({
      listener: async (message) => {
        seen.push(message.text())
        if (seen.length < 5) await producer.send({ topic: 'orders', body: `after ${message.text()}` })
      },
    })
    await producer.send({ topic: 'orders', body: 'x' })
    await host.clock.settle()
    expect(seen).toHaveLength(5)
  })

  test('may close its consumer, if it does not wait for it', async () => {
    const host = await openShop()
    await host.send(['a', 'b', 'c'])
    const seen: string[] = []
    const closed = new Signal<unknown>()
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      concurrency: 1,
      listener: async (message) => {
        await host.clock.settle()
        seen.push(message.text())
        void consumer?.close().then(closed.resolve)
      },
    })
    expect(await closed.promise).toEqual({ drained: true, unfinishedCount: 0 })
    expect(seen).toEqual(['a'])
    expect(await host.offset()).toBe(1)
  })

  test('delays the end for no longer than closeTimeoutMs when it waits for its own consumer to close', async () => {
    const host = await openShop()
    await host.send(['a'])
    const reports: unknown[] = []
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      closeTimeoutMs: 500,
      listener: async () => {
        await host.clock.settle()
        reports.push(await consumer?.close())
      },
    })
    await host.clock.settle()
    expect(reports).toEqual([])
    await host.clock.advance(500)
    expect(reports).toEqual([{ drained: false, unfinishedCount: 1 }])
  })

  test('may pause and resume its consumer', async () => {
    const host = await openShop()
    const seen: string[] = []
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      concurrency: 1,
      listener: (message) => {
        seen.push(message.text())
        if (message.text() === 'a') consumer?.pause()
      },
    })
    await host.send(['a', 'b'])
    await host.clock.settle()
    expect(seen).toEqual(['a'])
    consumer.resume()
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b'])
  })

  test('may block for longer than its timeout: its answer counts, since nobody could have noticed', async () => {
    const host = await openShop()
    const consumer = await host.consumer({
      consumeTimeoutMs: 1000,
      listener: () => {
        host.clock.jump(5000)
      },
    })
    await host.send(['a', 'b'])
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 2, timedOutCount: 0 })
  })

  test('leaves turns to others between calls that block', async () => {
    const host = await openShop()
    await host.send(['a', 'b', 'c'])
    let nowMs = 0
    const monotonicMs = vi.spyOn(host.clock, 'monotonicMs').mockImplementation(() => nowMs)
    let turn = 0
    const nextTurn = (): void => {
      turn += 1
      if (turnsOfCalls.length < 3) setImmediate(nextTurn)
    }
    setImmediate(nextTurn)
    const turnsOfCalls: number[] = []
    await host.consumer({
      listener: () => {
        turnsOfCalls.push(turn)
        nowMs += 50
      },
    })
    await host.clock.settle()
    monotonicMs.mockRestore()
    expect(turnsOfCalls).toHaveLength(3)
    expect(new Set(turnsOfCalls).size).toBe(3)
  })

  test('cannot change the array of its batch', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await host.consumer({
      consumeMessageBatchMaxSize: 2,
      listener: (messages) => {
        ;(messages as MessageView[]).length = 0
      },
    })
    await host.clock.settle()
    expect(consumer.stats.failedCount).toBe(1)
  })
})
