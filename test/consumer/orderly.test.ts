import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const FAILURE = ConsumeResult.FAILURE
const letters = (text: string): string[] => text.split('')

/** The listener fails for a message as often as this says, and notes each call. */
function failing(failures: Record<string, number>, seen: string[] = []) {
  const left = { ...failures }
  return (message: MessageView) => {
    const text = message.text()
    seen.push(`${text}${message.deliveryAttempt}`)
    if ((left[text] ?? 0) === 0) return ConsumeResult.SUCCESS
    left[text] = (left[text] ?? 0) - 1
    return ConsumeResult.SUSPEND_CURRENT_QUEUE_A_MOMENT
  }
}

function held({ stats }: PushConsumer): number[] {
  return stats.queues.filter(({ topic }) => topic === 'orders').map(({ queueId }) => queueId)
}

describe('An orderly consumer', () => {
  test('delivers the messages of a queue one after another, each when the one before has settled', async () => {
    const host = await openShop()
    const gates = letters('abc').map(() => new Signal())
    const seen: string[] = []
    const consumer = await host.consumer({
      mode: 'orderly',
      listener: (message) => {
        seen.push(message.text())
        return gates[seen.length - 1]?.promise
      },
    })
    await host.send(letters('abc'))
    await host.clock.settle()
    expect(seen).toEqual(['a'])
    expect(consumer.stats).toMatchObject({ runningCount: 1, unfinishedCount: 3 })
    gates[0]?.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b'])
    expect(await host.offset()).toBe(1)
    gates[1]?.resolve()
    gates[2]?.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(await host.offset()).toBe(3)
  })

  test('works on several queues at the same time, up to its concurrency, in turns', async () => {
    const host = await openShop(3)
    const gates = new Map<string, Signal>()
    const seen: string[] = []
    await host.consumer({
      mode: 'orderly',
      concurrency: 2,
      listener: (message) => {
        seen.push(message.text())
        const gate = new Signal()
        gates.set(message.text(), gate)
        return gate.promise
      },
    })
    for (const queueId of [0, 1, 2]) await host.send([`${queueId}x`, `${queueId}y`], {}, queueId)
    await host.clock.settle()
    expect(seen).toEqual(['0x', '1x'])
    gates.get('0x')?.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['0x', '1x', '2x'])
    gates.get('2x')?.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['0x', '1x', '2x', '0y'])
  })

  test('delivers a failed message again before anything behind it, after a second each time', async () => {
    const host = await openShop()
    const start = host.clock.now()
    const times: number[] = []
    const seen: string[] = []
    const listen = failing({ b: 3 }, seen)
    await host.consumer({
      mode: 'orderly',
      listener: (message) => {
        times.push(host.clock.now() - start)
        return listen(message)
      },
    })
    await host.send(letters('abc'))
    await host.clock.advance(10_000)
    expect(seen).toEqual(['a1', 'b1', 'b2', 'b3', 'b4', 'c1'])
    expect(times).toEqual([0, 0, 1000, 2000, 3000, 3000])
    expect(await host.offset()).toBe(3)
  })

  test('goes on with other queues while one rests', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    await host.consumer({ mode: 'orderly', listener: failing({ x: 1 }, seen) })
    await host.send(['x', 'y'], {}, 0)
    await host.send(['a', 'b'], {}, 1)
    await host.clock.settle()
    expect(seen).toEqual(['x1', 'a1', 'b1'])
    await host.clock.advance(1000)
    expect(seen).toEqual(['x1', 'a1', 'b1', 'x2', 'y1'])
  })

  test.each([
    ['as the options say', { suspendCurrentQueueTimeMs: 250 }, undefined, 250],
    ['as its listener says', { suspendCurrentQueueTimeMs: 250 }, 700, 700],
    ['never shorter than 10 ms', {}, 0, 10],
    ['10 ms when its listener says less than -1, as in RocketMQ', {}, -2, 10],
    ['never longer than 30 s', {}, 100_000, 30_000],
    ['as the options say when its listener says nonsense', {}, Number.NaN, 1000],
  ])('rests %s', async (_, options, wishedMs, restMs) => {
    const host = await openShop()
    const seen: number[] = []
    const start = host.clock.now()
    await host.consumer({
      mode: 'orderly',
      ...options,
      listener: (_message, context) => {
        seen.push(host.clock.now() - start)
        if (wishedMs !== undefined) context.suspendCurrentQueueTimeMs = wishedMs
        return seen.length === 1 ? FAILURE : undefined
      },
    })
    await host.send(['x'])
    await host.clock.advance(60_000)
    expect(seen).toEqual([0, restMs])
    expect(host.events('retry')).toEqual([
      expect.objectContaining({ reconsumeTimes: 1, dueTimestamp: start + restMs }),
    ])
  })

  test('tries for ever unless it is told not to, without a retry topic or a dead letter', async () => {
    const host = await openShop()
    let count = 0
    const consumer = await host.consumer({
      mode: 'orderly',
      listener: () => {
        count += 1
        return FAILURE
      },
    })
    await host.send(['x', 'y'])
    await host.clock.advance(100_000)
    expect(count).toBe(101)
    expect(await host.broker.maxOffset(host.queue('%RETRY%billing'))).toBe(0)
    expect(host.events('dead-letter')).toEqual([])
    expect(await host.offset()).toBe(0)
    expect(consumer.stats).toMatchObject({ failedCount: 101, unfinishedCount: 2, runningCount: 0 })
    expect((await host.broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
  })

  test('makes a dead letter of a message that has had all its attempts, and goes on behind it', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ mode: 'orderly', maxReconsumeTimes: 2, listener: failing({ a: 9 }, seen) })
    await host.send(letters('ab'))
    await host.clock.advance(5000)
    expect(seen).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(host.events('dead-letter')).toEqual([
      expect.objectContaining({
        reconsumeTimes: 3,
        topic: 'orders',
        reason: expect.stringContaining('SUSPEND'),
      }),
    ])
    expect(await host.offset()).toBe(2)
  })

  test('makes a dead letter at once when its listener wishes so', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({
      mode: 'orderly',
      listener: (message, context) => {
        seen.push(message.text())
        context.delayLevelWhenNextConsume = -1
        return message.text() === 'a' ? FAILURE : undefined
      },
    })
    await host.send(letters('ab'))
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b'])
    expect(host.events('dead-letter')).toHaveLength(1)
  })

  test('keeps a message in its place when its dead letter cannot be stored', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ mode: 'orderly', maxReconsumeTimes: 0, listener: failing({ a: 9 }, seen) })
    host.replace({ sendMessageBack: () => Promise.reject(new Error('disk full')) })
    await host.send(letters('ab'))
    await host.clock.advance(999)
    expect(seen).toEqual(['a1'])
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR', 'disk full')])
    host.restore('sendMessageBack')
    await host.clock.advance(1)
    expect(seen).toEqual(['a1', 'a2', 'b1'])
    expect(host.events('dead-letter')).toHaveLength(1)
  })

  test('consumes the topics of a strict order, which have one queue, in the order they were sent', async () => {
    const host = await openShop(1)
    const producer = await host.producer()
    const seen: string[] = []
    await host.consumer({ mode: 'orderly', listener: failing({ 7: 2, 19: 1 }, seen) })
    for (let i = 0; i < 30; i++) await producer.send({ topic: 'orders', body: String(i) })
    await host.clock.advance(10_000)
    const order = seen.map((line) => Number(line.slice(0, -1)))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(new Set(order).size).toBe(30)
  })

  test('fetches ahead, however long the first message takes', async () => {
    const host = await openShop()
    await host.send(Array.from({ length: 200 }, (_, i) => String(i)))
    const consumer = await host.consumer({
      mode: 'orderly',
      consumeConcurrentlyMaxSpan: 10,
      listener: () => new Promise(() => undefined),
    })
    await host.clock.settle()
    expect(consumer.stats.unfinishedCount).toBe(200)
  })

  test('starts nothing while it is paused, also when a rest is over', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({ mode: 'orderly', listener: failing({ a: 1 }, seen) })
    await host.send(letters('ab'))
    await host.clock.settle()
    consumer.pause()
    await host.clock.advance(5000)
    expect(seen).toEqual(['a1'])
    consumer.resume()
    await host.clock.settle()
    expect(seen).toEqual(['a1', 'a2', 'b1'])
  })
})

describe('An orderly consumer of batches', () => {
  test('has one batch of a queue in flight, and delivers it again as a whole', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.send(letters('abcde'))
    await host.consumer({
      mode: 'orderly',
      consumeMessageBatchMaxSize: 2,
      listener: (messages) => {
        seen.push(messages.map((message) => `${message.text()}${message.deliveryAttempt}`).join(''))
        return seen.length === 2 ? FAILURE : undefined
      },
    })
    await host.clock.advance(1000)
    expect(seen).toEqual(['a1b1', 'c1d1', 'c2d2', 'e1'])
    expect(await host.offset()).toBe(5)
  })

  test('delivers again what lies behind the ackIndex, and nothing before it', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.send(letters('abcd'))
    await host.consumer({
      mode: 'orderly',
      consumeMessageBatchMaxSize: 3,
      listener: (messages, context) => {
        seen.push(messages.map((message) => message.text()).join(''))
        if (seen.length === 1) context.ackIndex = 0
      },
    })
    await host.clock.settle()
    expect(await host.offset()).toBe(1)
    await host.clock.advance(1000)
    expect(seen).toEqual(['abc', 'bcd'])
  })

  test('gives up only what has had its attempts', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({
      mode: 'orderly',
      maxReconsumeTimes: 1,
      consumeMessageBatchMaxSize: 3,
      listener: (messages) => {
        seen.push(messages.map((message) => `${message.text()}${message.deliveryAttempt}`).join(''))
        return FAILURE
      },
    })
    await host.send(['a'])
    await host.clock.settle()
    await host.send(['b'])
    await host.clock.advance(1000)
    expect(seen).toEqual(['a1', 'a2b1'])
    expect(host.events('dead-letter')).toHaveLength(1)
    expect(await host.offset()).toBe(1)
    await host.clock.advance(1000)
    expect(seen).toEqual(['a1', 'a2b1', 'b2'])
    expect(host.events('dead-letter')).toHaveLength(2)
    expect(await host.offset()).toBe(2)
  })
})

describe('The attempts of an orderly message', () => {
  test('go on counting where another member left off', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    const a = await host.consumer({ clientId: 'a', mode: 'orderly', listener: failing({ x: 2 }, seen) })
    await host.send(['x', 'y'], {}, 1)
    await host.clock.advance(1000)
    const b = await host.consumer({ clientId: 'b', mode: 'orderly', listener: failing({}, seen) })
    await host.clock.settle()
    expect([held(a), held(b)]).toEqual([[0], [1]])
    expect(seen).toEqual(['x1', 'x2', 'x3', 'y1'])
    expect(await host.broker.queryAttempts('billing', host.queue('orders', 1))).toEqual([])
  })

  test('are forgotten when the group has passed the message, and when its offset is reset', async () => {
    const host = await openShop()
    await host.consumer({ mode: 'orderly', listener: failing({ a: 1, c: 9 }) })
    await host.send(letters('abc'))
    const attempts = () => host.broker.queryAttempts('billing', host.queue())
    await host.clock.settle()
    expect(await attempts()).toEqual([{ queueOffset: 0, reconsumeTimes: 1 }])
    await host.clock.advance(1000)
    expect(await attempts()).toEqual([{ queueOffset: 2, reconsumeTimes: 1 }])
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 3]]))
    await host.clock.settle()
    expect(await attempts()).toEqual([])
  })

  test('do not decide about a group that has other dealings with the queue', async () => {
    const host = await openShop()
    await host.consumer({ mode: 'orderly', listener: failing({ a: 1 }) })
    await host.send(letters('ab'))
    await host.clock.settle()
    await host.consumer({ group: 'other', mode: 'orderly', listener: () => undefined })
    await host.clock.settle()
    expect(await host.broker.queryAttempts('other', host.queue())).toEqual([])
    expect(await host.offset(0, 'other')).toBe(2)
  })

  test('do not stop deliveries when they cannot be stored', async () => {
    const host = await openShop()
    const seen: string[] = []
    host.replace({ updateAttempts: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')) })
    await host.consumer({ mode: 'orderly', listener: failing({ a: 2 }, seen) })
    await host.send(letters('ab'))
    await host.clock.advance(2000)
    expect(seen).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(host.events('error')).toEqual([mqError('WRITE_FAILED'), mqError('WRITE_FAILED')])
  })
})

describe('A queue of an orderly group', () => {
  test('changes hands only when its listener has settled, and what rests is delivered by the new owner', async () => {
    const host = await openShop(2)
    const gate = new Signal()
    const seen: string[] = []
    const a = await host.consumer({
      clientId: 'a',
      mode: 'orderly',
      listener: async (message) => {
        seen.push(`a ${message.text()}`)
        await gate.promise
      },
    })
    await host.send(['x', 'y'], {}, 1)
    await host.clock.settle()
    const b = await host.consumer({
      clientId: 'b',
      mode: 'orderly',
      listener: (message) => void seen.push(`b ${message.text()}`),
    })
    await host.clock.advance(300_000)
    expect([held(a), held(b), seen]).toEqual([[0], [], ['a x']])
    gate.resolve()
    await host.clock.settle()
    expect([held(b), seen]).toEqual([[1], ['a x', 'b y']])
  })

  test('is handed over at once while it rests, and the old owner does not come back to it', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    await host.consumer({ clientId: 'a', mode: 'orderly', listener: failing({ x: 9 }, seen) })
    await host.send(['x', 'y'], {}, 1)
    await host.clock.settle()
    expect(seen).toEqual(['x1'])
    await host.consumer({
      clientId: 'b',
      mode: 'orderly',
      listener: (message) => void seen.push(`b ${message.text()}`),
    })
    await host.clock.advance(60_000)
    expect(seen).toEqual(['x1', 'b x', 'b y'])
  })

  test('goes on at once where its offset is set, although it rests', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ mode: 'orderly', listener: failing({ a: 9 }, seen) })
    await host.send(letters('abc'))
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    await host.clock.settle()
    expect(seen).toEqual(['a1', 'b1', 'c1'])
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await host.clock.advance(5000)
    expect(seen).toEqual(['a1', 'b1', 'c1', 'c1'])
  })

  test('has nothing else in flight when its offset is set while a listener is busy', async () => {
    const host = await openShop()
    const gate = new Signal<ConsumeResult>()
    const seen: string[] = []
    const consumer = await host.consumer({
      mode: 'orderly',
      listener: (message) => {
        seen.push(message.text())
        return seen.length === 1 ? gate.promise : undefined
      },
    })
    await host.send(letters('abc'))
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    await host.clock.advance(1000)
    expect(seen).toEqual(['a'])
    gate.resolve(FAILURE)
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(host.events('retry')).toEqual([])
    expect(await host.offset()).toBe(3)
    expect(consumer.stats).toMatchObject({ runningCount: 0, unfinishedCount: 0 })
  })

  test('does not begin to rest when the consumer is gone before the attempt is stored', async () => {
    const host = await openShop()
    const gate = new Signal()
    host.replace({ updateAttempts: () => gate.promise })
    const consumer = await host.consumer({ mode: 'orderly', closeTimeoutMs: 500, listener: () => FAILURE })
    await host.send(letters('ab'))
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.advance(500)
    expect(await closing).toEqual({ drained: false, unfinishedCount: 1 })
    const { timerCount } = host.clock
    gate.resolve()
    await host.clock.settle()
    expect(host.clock.timerCount).toBe(timerCount)
  })

  test('is given back at close although it rests, with everything before it committed', async () => {
    const host = await openShop()
    const consumer = await host.consumer({ mode: 'orderly', listener: failing({ b: 9 }) })
    await host.send(letters('abc'))
    await host.clock.settle()
    expect(await consumer.close()).toEqual({ drained: true, unfinishedCount: 0 })
    expect(await host.offset()).toBe(1)
    await host.clock.advance(60_000)
    expect(host.clock.timerCount).toBeLessThanOrEqual(1)
  })
})

async function clusterOf(host: ClientHost, ...modes: ('orderly' | 'concurrent')[]): Promise<void> {
  for (const mode of modes) await host.consumer({ mode, listener: () => undefined })
}

describe('An orderly group', () => {
  test('is told of a member that does not keep the order', async () => {
    const host = await openShop()
    await clusterOf(host, 'orderly', 'concurrent')
    expect(host.events('warning')).toEqual([
      expect.objectContaining({
        code: 'SUBSCRIPTION_MISMATCH',
        message: expect.stringContaining('another mode (concurrent)'),
      }),
    ])
  })

  test('is told nothing when all agree', async () => {
    const host = await openShop()
    await clusterOf(host, 'orderly', 'orderly')
    expect(host.events('warning')).toEqual([])
  })
})
