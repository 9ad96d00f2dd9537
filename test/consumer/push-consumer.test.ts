import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { MessageView } from '../../src/model/message.ts'
import { openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

describe('A push consumer', () => {
  test('calls the listener once for each message, in the order of the queue', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.send(numbers(100))
    await host.clock.settle()
    expect(seen).toEqual(numbers(100))
  })

  test.each([null, undefined, 5, {}, { topic: 'orders' }])(
    'refuses to look into what is no queue: %j',
    async (queue) => {
      const host = await openShop()
      const consumer = await host.consumer({ listener: () => undefined })
      expect(() => consumer.inspectQueue(queue as never)).toThrow(mqError('INVALID_PARAMETER') as Error)
    },
  )

  test('reads a young queue from its beginning, so a new group misses nothing', async () => {
    const host = await openShop()
    await host.send(numbers(5))
    const seen: string[] = []
    await host.consumer({
      consumeFromWhere: 'LAST_OFFSET',
      listener: (message) => void seen.push(message.text()),
    })
    await host.clock.settle()
    expect(seen).toEqual(numbers(5))
  })

  test('goes on where the group stopped', async () => {
    const host = await openShop()
    const seen: string[] = []
    const listener = (message: MessageView): void => void seen.push(message.text())
    const first = await host.consumer({ listener })
    await host.send(['a', 'b'])
    await host.clock.settle()
    await first.close()
    await host.send(['c'])
    await host.consumer({ listener })
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  test('has an offset from its first assignment on, so it misses nothing while it is away', async () => {
    const host = await openShop()
    const consumer = await host.consumer({ listener: () => undefined })
    await host.clock.settle()
    await consumer.close()
    expect(await host.offset()).toBe(0)
    expect(await host.offset(0, 'billing', '%RETRY%billing')).toBe(0)
  })

  test('takes every answer that means success', async () => {
    const host = await openShop()
    const answers = [
      undefined,
      ConsumeResult.SUCCESS,
      Promise.resolve(),
      Promise.resolve(ConsumeResult.SUCCESS),
    ]
    const left = [...answers]
    const consumer = await host.consumer({ listener: () => left.shift() })
    await host.send(numbers(answers.length))
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 4, failedCount: 0, unfinishedCount: 0 })
    expect(await host.offset()).toBe(4)
  })

  test('tells the listener the queue and the attempt', async () => {
    const host = await openShop(4)
    const seen: unknown[] = []
    await host.consumer({
      listener: (message, { queue, deliveryAttempt }) => {
        seen.push([queue, deliveryAttempt])
        expect(queue).toBe(message.queue)
      },
    })
    await host.send(['x'], {}, 2)
    await host.clock.settle()
    expect(seen).toEqual([[{ topic: 'orders', brokerName: 'localhost', queueId: 2 }, 1]])
  })

  test('consumes only what its expression lets through, and passes over the rest', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({
      subscriptions: { orders: 'paid || refunded' },
      listener: (message) => void seen.push(message.text()),
    })
    for (const tag of ['paid', 'open', 'refunded', undefined, 'open']) await host.send([String(tag)], { tag })
    await host.clock.settle()
    expect(seen).toEqual(['paid', 'refunded'])
    await consumer.close()
    expect(await host.offset()).toBeGreaterThanOrEqual(3)
  })

  test('never sees a tag that only has the same hash, and its offset passes it', async () => {
    const host = await openShop()
    await host.send(['x', 'y'], { tag: 'BB' })
    const seen: string[] = []
    await host.consumer({
      subscriptions: { orders: 'Aa' },
      listener: (message) => void seen.push(message.text()),
    })
    await host.clock.settle()
    expect(seen).toEqual([])
    expect(await host.offset()).toBe(2)
  })

  test('consumes several topics', async () => {
    const host = await openShop()
    await host.createTopic('returns')
    const seen: string[] = []
    await host.consumer({
      subscriptions: { orders: '*', returns: '*' },
      listener: (message) => void seen.push(`${message.topic} ${message.text()}`),
    })
    await host.send(['1'])
    await host.send(['2'], { topic: 'returns' })
    await host.clock.settle()
    expect(seen).toEqual(['orders 1', 'returns 2'])
  })

  test('creates no topic, and consumes it as soon as it is there', async () => {
    const host = await openHost()
    const seen: string[] = []
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.clock.settle()
    expect((await host.broker.queryTopics()).map(({ topic }) => topic)).toEqual(['%RETRY%billing'])
    const producer = await host.producer()
    await producer.send({ topic: 'orders', body: 'first' })
    await host.clock.settle()
    expect(seen).toEqual(['first'])
  })

  test('consumes queues that are added while it runs', async () => {
    const host = await openShop(1)
    const seen: string[] = []
    const consumer = await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.broker.updateTopic({ topic: 'orders', readQueueNums: 3, writeQueueNums: 3, permission: 6 })
    await host.send(['new'], {}, 2)
    await host.clock.settle()
    expect(seen).toEqual(['new'])
    expect(consumer.stats.queues).toHaveLength(4)
  })

  test('stops to consume a topic that is deleted, without a fuss, and begins anew when it is made again', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.send(['a', 'b', 'c'])
    await host.clock.settle()
    await host.broker.deleteTopic('orders')
    await host.clock.advance(5000)
    expect(consumer.stats.queues.map(({ topic }) => topic)).toEqual(['%RETRY%billing'])
    await host.createTopic()
    await host.send(['d'])
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
    expect(host.events('error')).toEqual([])
  })

  test('gives every group every message', async () => {
    const host = await openShop()
    const seen: string[] = []
    for (const group of ['billing', 'shipping']) {
      await host.consumer({ group, listener: (message) => void seen.push(`${group} ${message.text()}`) })
    }
    await host.send(['x'])
    await host.clock.settle()
    expect(seen.sort()).toEqual(['billing x', 'shipping x'])
  })

  test('runs as many listeners at a time as it may, over all queues', async () => {
    const host = await openShop(4)
    const gate = new Signal()
    let most = 0
    const consumer = await host.consumer({
      concurrency: 7,
      listener: () => {
        most = Math.max(most, consumer.stats.runningCount)
        return gate.promise
      },
    })
    for (let queueId = 0; queueId < 4; queueId++) await host.send(numbers(10), {}, queueId)
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ runningCount: 7, unfinishedCount: 40 })
    gate.resolve()
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ runningCount: 0, unfinishedCount: 0, succeededCount: 40 })
    expect(most).toBe(7)
  })

  test('lets queues take turns, so a long one does not hold up the others', async () => {
    const host = await openShop(3)
    await host.send(numbers(50), {}, 0)
    await host.send(['b0', 'b1'], {}, 1)
    await host.send(['c0', 'c1'], {}, 2)
    const seen: number[] = []
    const gate = new Signal()
    await host.consumer({
      concurrency: 1,
      listener: (message) => {
        seen.push(message.queue.queueId)
        return gate.promise
      },
    })
    await host.clock.settle()
    gate.resolve()
    await host.clock.settle()
    expect(seen).toHaveLength(54)
    expect(seen.slice(0, 7)).toEqual([0, 0, 1, 2, 0, 1, 2])
  })

  test('hands out nothing while it is paused, and everything after', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({ listener: (message) => void seen.push(message.text()) })
    consumer.pause()
    await host.send(numbers(100))
    await host.clock.advance(60_000)
    expect(seen).toEqual([])
    consumer.resume()
    await host.clock.settle()
    expect(seen).toEqual(numbers(100))
  })

  test('lets the event loop turn while it works through a backlog that listeners finish at once', async () => {
    const host = await openShop()
    await host.send(numbers(20_000))
    let consumed = 0
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    const done = new Signal()
    await host.consumer({
      listener: async () => {
        consumed += 1
        if (consumed === 20_000) done.resolve()
      },
    })
    await done.promise
    isDone = true
    expect(turns).toBeGreaterThan(10)
  })

  test('does not call listeners that answer at once from within each other', async () => {
    const host = await openShop()
    await host.send(numbers(5000))
    let depth = 0
    let deepest = 0
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      listener: () => {
        depth += 1
        deepest = Math.max(deepest, depth)
        consumer?.resume()
        depth -= 1
      },
    })
    await host.clock.settle()
    expect(consumer.stats.succeededCount).toBe(5000)
    expect(deepest).toBe(1)
  })

  test('is refused with options that are wrong, before it joins its group', async () => {
    const host = await openShop()
    await expect(host.consumer({ listener: () => undefined, group: 'no spaces' })).rejects.toEqual(
      mqError('INVALID_PARAMETER'),
    )
    await expect(host.consumer({ listener: () => undefined, broadcastFailure: 'retry' })).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'broadcasting'),
    )
    expect(await host.broker.queryGroups()).toEqual([])
  })

  test('does not start when it may not join its group', async () => {
    const host = await openShop()
    host.replace({ registerConsumer: () => Promise.reject(new Error('no')) })
    await expect(host.consumer({ listener: () => undefined })).rejects.toThrow('no')
    await host.send(['x'])
    expect(host.clock.timerCount).toBeLessThanOrEqual(1)
  })
})

describe('A batch listener', () => {
  test('takes arrays of messages of one queue, up to the size that it asks for', async () => {
    const host = await openShop(2)
    await host.send(numbers(10), {}, 0)
    await host.send(numbers(3), {}, 1)
    const sizes: number[] = []
    const consumer = await host.consumer({
      consumeMessageBatchMaxSize: 4,
      listener: (messages, { queue }) => {
        expect(messages.every((message) => message.queue === queue)).toBe(true)
        expect(Object.isFrozen(messages)).toBe(true)
        sizes.push(messages.length)
      },
    })
    await host.clock.settle()
    expect(sizes.sort()).toEqual([2, 3, 4, 4])
    expect(consumer.stats.succeededCount).toBe(13)
  })

  test('takes arrays of one when it asks for one', async () => {
    const host = await openShop()
    await host.send(numbers(2))
    const seen: number[] = []
    await host.consumer({
      consumeMessageBatchMaxSize: 1,
      listener: (messages) => void seen.push(messages.length),
    })
    await host.clock.settle()
    expect(seen).toEqual([1, 1])
  })

  test('may acknowledge the first messages only; the others are retried one by one', async () => {
    const host = await openShop()
    await host.send(numbers(4))
    const seen: string[][] = []
    const consumer = await host.consumer({
      consumeMessageBatchMaxSize: 8,
      listener: (messages, context) => {
        seen.push(messages.map((message) => message.text()))
        if (messages.length > 1) context.ackIndex = 1
      },
    })
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 2, failedCount: 2 })
    expect(await host.offset()).toBe(4)
    expect(host.events('retry')).toHaveLength(2)
    await host.clock.advance(10_000)
    expect(seen.flat()).toEqual(['0', '1', '2', '3', '2', '3'])
  })

  test.each([
    ['before the first', -1, 0],
    ['behind the last', 99, 4],
    ['no number', Number.NaN, 0],
    ['between two', 1.5, 2],
  ])('is understood when its ackIndex is %s', async (_, ackIndex, succeededCount) => {
    const host = await openShop()
    await host.send(numbers(4))
    const consumer = await host.consumer({
      consumeMessageBatchMaxSize: 4,
      listener: (_messages, context) => {
        context.ackIndex = ackIndex
      },
    })
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({
      succeededCount,
      failedCount: 4 - succeededCount,
      unfinishedCount: 0,
    })
  })

  test('is retried with all its messages when it fails', async () => {
    const host = await openShop()
    await host.send(numbers(3))
    await host.consumer({ consumeMessageBatchMaxSize: 3, listener: () => ConsumeResult.FAILURE })
    await host.clock.settle()
    expect(host.events('retry')).toHaveLength(3)
  })
})
