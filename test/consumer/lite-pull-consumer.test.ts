/** Polls, commits and offsets of a lite pull consumer (semantics section 8.1). */
import { describe, expect, test, vi } from 'vitest'
import type { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.ts'
import type { PollOptions } from '../../src/consumer/poll-options.ts'
import type { PullRequest } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const NOW = { timeoutMs: 0 }

const numbers = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => String(from + i))

const texts = (messages: readonly MessageView[]): string[] => messages.map((message) => message.text())

/** Polls until nothing is left. */
async function drain(host: ClientHost, consumer: LitePullConsumer): Promise<string[]> {
  const seen: string[] = []
  for (;;) {
    await host.clock.settle()
    const messages = await consumer.poll(NOW)
    if (messages.length === 0) return seen
    seen.push(...texts(messages))
  }
}

// biome-ignore lint/correctness/useYield: it throws first
function* throwing(): Generator<never> {
  throw new Error('a bug of the application')
}

describe('A poll', () => {
  test('answers messages of one queue, at most a pull of them, and queues take turns', async () => {
    const host = await openShop(2)
    await host.send(numbers(15), {}, 0)
    await host.send(numbers(15, 100), {}, 1)
    const consumer = await host.lite()
    await host.clock.settle()
    const polls = [
      await consumer.poll(NOW),
      await consumer.poll(NOW),
      await consumer.poll(NOW),
      await consumer.poll(NOW),
    ]
    expect(polls.map((messages) => messages.length)).toEqual([10, 10, 5, 5])
    expect(polls.map(([first]) => first?.queue.queueId)).toEqual([0, 1, 0, 1])
    expect(polls.flatMap(texts).sort()).toEqual([...numbers(15), ...numbers(15, 100)].sort())
  })

  test('waits for messages, and answers nothing when its time is over', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const settled = vi.fn()
    const poll = consumer.poll({ timeoutMs: 1000 })
    void poll.then(settled)
    await host.clock.advance(999)
    expect(settled).not.toHaveBeenCalled()
    await host.clock.advance(1)
    expect(await poll).toEqual([])
    const next = consumer.poll({ timeoutMs: 1000 })
    await host.send(['a'])
    expect(texts(await next)).toEqual(['a'])
  })

  test('waits as long as the consumer says when it does not say so itself', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pollTimeoutMs: 300 })
    const settled = vi.fn()
    void consumer.poll().then(settled)
    await host.clock.advance(299)
    expect(settled).not.toHaveBeenCalled()
    await host.clock.advance(1)
    expect(settled).toHaveBeenCalledWith([])
  })

  test('waits without end when it is told to, and leaves no timer behind', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.clock.settle()
    const before = host.clock.timerCount
    const poll = consumer.poll({ timeoutMs: Number.POSITIVE_INFINITY })
    expect(host.clock.timerCount).toBe(before)
    await host.send(['a'])
    expect(texts(await poll)).toEqual(['a'])
    const timed = consumer.poll({ timeoutMs: 5000 })
    await host.send(['b'])
    expect(texts(await timed)).toEqual(['b'])
    expect(host.clock.timerCount).toBe(before)
  })

  test('that does not wait answers at once', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    expect(await consumer.poll(NOW)).toEqual([])
  })

  test('that does not wait gets what is there, however many came before it in this turn', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 1, pullThresholdForQueue: 5000, consumeMaxSpan: 5000 })
    await host.send(numbers(3000))
    await host.clock.settle()
    let count = 0
    while ((await consumer.poll(NOW)).length > 0) count += 1
    expect(count).toBe(3000)
  })

  test('leaves turns of the event loop to others, though there is always something', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 1, pullThresholdForQueue: 5000, consumeMaxSpan: 5000 })
    await host.send(numbers(3000))
    await host.clock.settle()
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    for (let i = 0; i < 3000; i++) await consumer.poll()
    isDone = true
    expect(turns).toBeGreaterThanOrEqual(2)
  })

  test('serves others in the order in which they came', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 1, autoCommit: false })
    const polls = [consumer.poll(), consumer.poll({ timeoutMs: 10 }), consumer.poll(), consumer.poll()]
    await host.clock.advance(10)
    await host.send(['a', 'b'])
    await host.clock.advance(5000)
    expect((await Promise.all(polls)).map(texts)).toEqual([['a'], [], ['b'], []])
  })

  test.each<[string, unknown, string]>([
    ['a negative time', { timeoutMs: -1 }, 'negative'],
    ['no time', { timeoutMs: Number.NaN }, 'negative'],
    ['a misspelt option', { timeout: 5 }, "no option 'timeout'"],
    ['a number', 1000, 'object'],
    ['a signal that is none', { signal: {} }, 'AbortSignal'],
  ])('is refused with %s', async (_, options, text) => {
    const host = await openShop()
    const consumer = await host.lite()
    await expect(consumer.poll(options as PollOptions)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })

  test('ends with its signal, and takes nothing', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const controller = new AbortController()
    const poll = consumer.poll({ signal: controller.signal })
    controller.abort('enough')
    await expect(poll).rejects.toEqual(mqError('ABORTED'))
    await expect(consumer.poll({ signal: controller.signal })).rejects.toMatchObject({ cause: 'enough' })
    await host.send(['a'])
    expect(await drain(host, consumer)).toEqual(['a'])
  })

  test('gets only what its expression lets pass', async () => {
    const host = await openShop()
    const consumer = await host.lite({ subscriptions: { orders: 'paid' } })
    await host.send(['a', 'b'], { tag: 'paid' })
    await host.send(['c'], { tag: 'open' })
    expect(await drain(host, consumer)).toEqual(['a', 'b'])
    await host.clock.advance(100)
    expect(await consumer.position(host.queue())).toBe(3)
  })

  test('goes on when a pull failed, a second later, and the application is told', async () => {
    const host = await openShop()
    host.replace({ pullMessage: () => Promise.reject(new MQError('STORE_CORRUPTED', 'broken')) })
    const consumer = await host.lite()
    await host.send(['a'])
    await host.clock.settle()
    expect(host.events('error')).toEqual([mqError('STORE_CORRUPTED')])
    host.restore('pullMessage')
    await host.clock.advance(1000)
    expect(texts(await consumer.poll(NOW))).toEqual(['a'])
  })

  test('finds nothing of the group’s retries and makes none', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    expect(consumer.assignment().map(({ topic }) => topic)).toEqual(['orders'])
  })
})

describe('Automatic commits', () => {
  test('take in what earlier polls returned, at the start of a poll, and not more often than the interval', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 5 })
    await host.send(numbers(20))
    await host.clock.settle()
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(await consumer.committed(host.queue())).toBeUndefined()
    await consumer.poll(NOW)
    await host.clock.advance(4999)
    expect(await consumer.committed(host.queue())).toBeUndefined()
    await host.clock.advance(1)
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(await consumer.committed(host.queue())).toBe(10)
  })

  test('are made by polls only, not by time', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(['a'])
    await host.clock.settle()
    await consumer.poll(NOW)
    await host.clock.advance(60_000)
    expect(await consumer.committed(host.queue())).toBeUndefined()
  })

  test('keep the first offset of a group that does not start at the beginning', async () => {
    const host = await openShop()
    await host.send(numbers(4))
    host.replace({ minOffset: async () => 2 })
    const consumer = await host.lite({ consumeFromWhere: 'LAST_OFFSET' })
    await host.clock.settle()
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(await consumer.committed(host.queue())).toBe(4)
  })

  test('can be switched off', async () => {
    const host = await openShop()
    const consumer = await host.lite({ autoCommit: false, autoCommitIntervalMs: 1 })
    await host.send(numbers(30))
    expect(await drain(host, consumer)).toHaveLength(30)
    await host.clock.advance(60_000)
    await consumer.poll(NOW)
    await consumer.close()
    expect(await host.offset()).toBeUndefined()
  })

  test('that fail are told and made up for', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(['a'])
    await host.clock.settle()
    await consumer.poll(NOW)
    host.replace({ updateConsumerOffset: () => Promise.reject(new MQError('SYSTEM_ERROR', 'no')) })
    await host.clock.advance(5000)
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR')])
    host.restore('updateConsumerOffset')
    await host.clock.advance(1000)
    expect(await host.offset()).toBe(1)
  })
})

describe('Committing', () => {
  test('stores what was handed out, at once', async () => {
    const host = await openShop(2)
    const consumer = await host.lite({ autoCommit: false, pullBatchSize: 3 })
    await host.send(numbers(5), {}, 0)
    await host.send(numbers(5), {}, 1)
    await host.clock.settle()
    await consumer.poll(NOW)
    await consumer.commit()
    expect([await host.offset(0), await host.offset(1)]).toEqual([3, 0])
    expect(await consumer.committed(host.queue())).toBe(3)
  })

  test('stores the offsets that it is given, forward and back', async () => {
    const host = await openShop(2)
    const consumer = await host.lite({ autoCommit: false })
    await host.send(numbers(5), {}, 0)
    await host.send(numbers(5), {}, 1)
    await host.clock.settle()
    await consumer.commit(new Map([[host.queue('orders', 0), 4]]))
    await consumer.commit([
      [host.queue('orders', 0), 2],
      [host.queue('orders', 1), 5],
    ])
    expect([await host.offset(0), await host.offset(1)]).toEqual([2, 5])
  })

  test.each<[string, unknown, string]>([
    ['another queue', [[{ topic: 'orders', brokerName: 'localhost', queueId: 7 }, 1]], 'assigned list'],
    ['an offset below 0', [[{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, -1]], 'offset'],
    ['an offset beyond the end', [[{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, 9]], '0 to 2'],
    ['no queue', [[undefined, 1]], 'queue'],
    ['a number', 5, 'Map'],
    ['nothing in the place of a pair', [null], 'pairs'],
    ['a number in the place of a pair', [1], 'pairs'],
    ['a set of numbers', new Set([5]), 'pairs'],
    ['a queue without an offset', [[{ topic: 'orders', brokerName: 'localhost', queueId: 0 }]], 'offset'],
    ['what throws when it is gone through', throwing(), 'Map'],
  ])('refuses %s', async (_, offsets, text) => {
    const host = await openShop()
    await host.send(['a', 'b'])
    const consumer = await host.lite()
    await host.clock.settle()
    await expect(consumer.commit(offsets as never)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
    expect(await host.offset()).toBeUndefined()
  })

  test('finishes of what was handed out only what lies before the offset', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(20))
    await host.clock.settle()
    await consumer.poll(NOW)
    await consumer.commit([[host.queue(), 5]])
    await consumer.close()
    expect(await host.offset()).toBe(5)
  })

  test('rejects when it could not be stored, and the next one makes up for it', async () => {
    const host = await openShop()
    const consumer = await host.lite({ autoCommit: false })
    await host.send(['a'])
    await host.clock.settle()
    await consumer.poll(NOW)
    host.replace({ updateConsumerOffset: () => Promise.reject(new MQError('SYSTEM_ERROR', 'no')) })
    await expect(consumer.commit()).rejects.toEqual(mqError('SYSTEM_ERROR'))
    host.restore('updateConsumerOffset')
    await consumer.commit()
    expect(await host.offset()).toBe(1)
  })

  test('goes to the broker one after another for each queue', async () => {
    const host = await openShop()
    const consumer = await host.lite({ autoCommit: false })
    await host.send(numbers(9))
    await host.clock.settle()
    const gate = new Signal()
    const offsets: number[] = []
    host.replace({
      updateConsumerOffset: async (group, queue, offset, mayGoBack) => {
        offsets.push(offset)
        if (offsets.length === 1) await gate.promise
        return host.broker.updateConsumerOffset(group, queue, offset, mayGoBack)
      },
    })
    const commits = [8, 3, 5].map((offset) => consumer.commit([[host.queue(), offset]]))
    await host.clock.settle()
    expect(offsets).toEqual([8])
    gate.resolve()
    await Promise.all(commits)
    expect(offsets).toEqual([8, 3, 5])
    expect(await host.offset()).toBe(5)
  })
})

describe('Seeking', () => {
  test('goes on elsewhere, forward and back, and drops what was fetched', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 4 })
    await host.send(numbers(12))
    await host.clock.settle()
    expect(texts(await consumer.poll())).toEqual(numbers(4))
    await consumer.seek(host.queue(), 9)
    expect(await consumer.position(host.queue())).toBe(9)
    expect(texts(await consumer.poll())).toEqual(['9', '10', '11'])
    await consumer.seek(host.queue(), 2)
    expect(texts(await consumer.poll())).toEqual(['2', '3', '4', '5'])
    await consumer.seekToEnd(host.queue())
    await host.send(['new'])
    expect(texts(await consumer.poll())).toEqual(['new'])
    await consumer.seekToBegin(host.queue())
    expect(texts(await consumer.poll())).toEqual(numbers(4))
  })

  test('is not needed to know where the first poll will begin', async () => {
    const host = await openShop()
    await host.send(numbers(4))
    await (await host.puller()).updateConsumeOffset(host.queue(), 3)
    const consumer = await host.lite()
    expect(await consumer.position(host.queue())).toBe(3)
    expect(texts(await consumer.poll())).toEqual(['3'])
    expect(await consumer.position(host.queue())).toBe(4)
  })

  test('finds the first message of a time', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(3))
    await host.clock.advance(1000)
    const then = host.clock.now()
    await host.send(['later'])
    expect(await consumer.offsetForTimestamp(host.queue(), then)).toBe(3)
    expect(await consumer.offsetForTimestamp(host.queue(), then + 1)).toBe(4)
    await consumer.seekToTimestamp(host.queue(), then)
    expect(texts(await consumer.poll())).toEqual(['later'])
  })

  test('is not a commit, but the next commit goes back', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(10))
    await host.clock.settle()
    await consumer.poll(NOW)
    await consumer.commit()
    await consumer.seek(host.queue(), 2)
    await host.clock.settle()
    expect(await host.offset()).toBe(10)
    await consumer.commit()
    expect(await host.offset()).toBe(2)
  })

  test('lets automatic commits go back too', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 4 })
    await host.send(numbers(8))
    await drain(host, consumer)
    await consumer.commit()
    await consumer.seek(host.queue(), 0)
    await host.clock.advance(5000)
    await consumer.poll()
    await consumer.poll()
    await host.clock.advance(5000)
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(await host.offset()).toBe(8)
    await consumer.seek(host.queue(), 3)
    await consumer.close()
    expect(await host.offset()).toBe(3)
  })

  test('during a poll gives the poll messages of the new place', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(5))
    await drain(host, consumer)
    const poll = consumer.poll()
    await consumer.seek(host.queue(), 1)
    expect(texts(await poll)).toEqual(['1', '2', '3', '4'])
  })

  test('drops the answer of a pull that was made before', async () => {
    const host = await openShop()
    await host.send(numbers(5))
    const gate = new Signal()
    let isFirst = true
    host.replace({
      pullMessage: async (request) => {
        const result = await host.broker.pullMessage(request)
        if (isFirst) {
          isFirst = false
          await gate.promise
        }
        return result
      },
    })
    const consumer = await host.lite()
    await host.clock.settle()
    await consumer.seek(host.queue(), 3)
    gate.resolve()
    expect(texts(await consumer.poll())).toEqual(['3', '4'])
    expect(await consumer.poll(NOW)).toEqual([])
  })

  test('counts although the consumer was still finding out where to start', async () => {
    const host = await openShop()
    await host.send(numbers(5))
    const gate = new Signal()
    host.replace({
      queryConsumerOffset: async () => {
        await gate.promise
        return undefined
      },
    })
    const consumer = await host.lite()
    await consumer.seek(host.queue(), 3)
    gate.resolve()
    await host.clock.settle()
    expect(texts(await consumer.poll())).toEqual(['3', '4'])
  })

  test.each<[string, number, string]>([
    ['behind the end', 4, 'seek offset = 4, min offset = 0, max offset = 3'],
    ['before the beginning', -1, 'whole number'],
    ['between two messages', 1.5, 'whole number'],
  ])('refuses an offset %s', async (_, offset, text) => {
    const host = await openShop()
    await host.send(numbers(3))
    const consumer = await host.lite()
    await expect(consumer.seek(host.queue(), offset)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })

  test('refuses an offset that retention has taken', async () => {
    const host = await openShop()
    await host.send(numbers(3))
    const consumer = await host.lite()
    host.replace({ minOffset: async () => 2 })
    await expect(consumer.seek(host.queue(), 1)).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'min offset = 2'),
    )
  })

  test('refuses a queue that it does not have', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const queue = host.queue('orders', 5)
    const refusal = mqError('INVALID_PARAMETER', 'not in the assigned list')
    await expect(consumer.seek(queue, 0)).rejects.toEqual(refusal)
    await expect(consumer.seekToBegin(queue)).rejects.toEqual(refusal)
    await expect(consumer.position(queue)).rejects.toEqual(refusal)
    expect(() => consumer.pause([queue])).toThrow(refusal as Error)
  })

  test('that is overtaken by a reset of the group gives way to it', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(6))
    await host.clock.settle()
    await consumer.seek(host.queue(), 1)
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 4]]))
    await host.clock.settle()
    expect(texts(await consumer.poll())).toEqual(['4', '5'])
  })
})

describe('Pausing', () => {
  test('stops the fetching of a queue, also of what comes while a pull waits; polls still get what was fetched', async () => {
    const host = await openShop(2)
    const consumer = await host.lite()
    await host.send(['a'], {}, 0)
    await host.clock.settle()
    consumer.pause([host.queue('orders', 0)])
    await host.send(['b'], {}, 0)
    await host.send(['c'], {}, 1)
    expect(await drain(host, consumer)).toEqual(['a', 'c'])
    consumer.resume([host.queue('orders', 0)])
    expect(await drain(host, consumer)).toEqual(['b'])
  })

  test('survives a seek', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(numbers(4))
    await host.clock.settle()
    consumer.pause([host.queue()])
    await consumer.seek(host.queue(), 1)
    expect(await drain(host, consumer)).toEqual([])
    consumer.resume([host.queue()])
    expect(await drain(host, consumer)).toEqual(['1', '2', '3'])
  })

  test('does not hurry a queue that rests after a failure', async () => {
    const host = await openShop()
    const pullMessage = vi.fn((_request: PullRequest) => Promise.reject(new MQError('SYSTEM_ERROR', 'no')))
    host.replace({ pullMessage })
    const consumer = await host.lite()
    await host.clock.settle()
    for (let i = 0; i < 5; i++) {
      consumer.pause([host.queue()])
      consumer.resume([host.queue()])
      await host.clock.settle()
    }
    expect(pullMessage).toHaveBeenCalledTimes(1)
  })
})

describe('Thresholds', () => {
  test('of a queue stop its fetching until a poll comes back', async () => {
    const host = await openShop()
    await host.send(numbers(100))
    const pulls = watchPulls(host)
    const consumer = await host.lite({ pullThresholdForQueue: 20 })
    await host.clock.settle()
    expect(pulls).toHaveLength(2)
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(pulls).toHaveLength(2)
    await consumer.poll(NOW)
    await host.clock.settle()
    expect(pulls).toHaveLength(3)
    await consumer.commit()
    expect(await drain(host, consumer)).toHaveLength(80)
  })

  test('of bytes and of the span stop it too', async () => {
    const host = await openShop()
    await host.send(numbers(100).map(() => 'x'.repeat(1000)))
    const pulls = watchPulls(host)
    await (await host.lite({ pullThresholdSizeForQueueBytes: 15_000 })).close()
    const [first] = [await host.lite({ pullThresholdSizeForQueueBytes: 15_000, group: 'bytes' })]
    await host.clock.settle()
    const ofBytes = pulls.filter(({ group }) => group === 'bytes')
    expect(ofBytes).toHaveLength(2)
    await first.close()
    await host.lite({ consumeMaxSpan: 30, group: 'span' })
    await host.clock.settle()
    expect(pulls.filter(({ group }) => group === 'span')).toHaveLength(3)
  })

  test('of all queues hold every queue back, and let all go on', async () => {
    const host = await openShop(4)
    for (let queueId = 0; queueId < 4; queueId++) await host.send(numbers(50, queueId * 100), {}, queueId)
    const pulls = watchPulls(host)
    const consumer = await host.lite({ pullThresholdForAll: 60, pullBatchSize: 10 })
    await host.clock.settle()
    expect(pulls.length).toBeGreaterThanOrEqual(6)
    expect(pulls.length).toBeLessThanOrEqual(9)
    const seen = await drain(host, consumer)
    expect(seen).toHaveLength(200)
    expect(new Set(seen).size).toBe(200)
  })

  test('forget what a seek dropped', async () => {
    const host = await openShop()
    await host.send(numbers(100))
    const consumer = await host.lite({ pullThresholdForAll: 20 })
    await host.clock.settle()
    for (let i = 0; i < 10; i++) {
      await consumer.seek(host.queue(), 50)
      await host.clock.settle()
    }
    expect(await drain(host, consumer)).toEqual(numbers(50, 50))
  })

  function watchPulls(host: ClientHost): PullRequest[] {
    const pulls: PullRequest[] = []
    host.replace({
      pullMessage: (request) => {
        if (request.suspendMs > 0) pulls.push(request)
        return host.broker.pullMessage(request)
      },
    })
    return pulls
  }
})

describe('An offset that the queue does not have', () => {
  test('moves silently to the oldest message when retention was faster', async () => {
    const host = await openShop()
    await host.send(numbers(10))
    host.replace({
      pullMessage: async (request) => {
        if (request.offset >= 6) return host.broker.pullMessage(request)
        return { status: 'OFFSET_ILLEGAL', messages: [], nextBeginOffset: 6, minOffset: 6, maxOffset: 10 }
      },
    })
    const consumer = await host.lite()
    expect(await drain(host, consumer)).toEqual(['6', '7', '8', '9'])
    expect(host.events('error')).toEqual([])
  })

  test('moves to the end when the queue ends before it', async () => {
    const host = await openShop()
    await host.send(numbers(3))
    host.replace({ queryConsumerOffset: async () => 50 })
    const consumer = await host.lite()
    await host.clock.settle()
    await host.send(['new'])
    expect(await drain(host, consumer)).toEqual(['new'])
  })
})

describe('What is set or made anew from outside', () => {
  test('as the offset of the group is where polls go on; what they returned before is not committed', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 4 })
    await host.send(numbers(10))
    await host.clock.settle()
    await consumer.poll(NOW)
    await consumer.commit()
    await consumer.poll(NOW)
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    await host.clock.advance(10_000)
    expect(texts(await consumer.poll(NOW))).toEqual(['1', '2', '3', '4'])
    await host.clock.settle()
    expect(await host.offset()).toBe(1)
    await consumer.close()
    expect(await host.offset()).toBe(1)
  })

  test.each<[string, boolean]>([
    ['subscribed', true],
    ['assigned', false],
  ])('as a topic of that name is read from its first message when it is %s', async (_, subscribes) => {
    const host = await openShop()
    const consumer = await host.lite(subscribes ? {} : { subscriptions: undefined })
    if (!subscribes) await consumer.assign([host.queue()])
    await host.send(numbers(8))
    await drain(host, consumer)
    await consumer.commit()
    await host.broker.deleteTopic('orders')
    await host.createTopic('orders')
    await host.send(['new'])
    expect(await drain(host, consumer)).toEqual(['new'])
    await consumer.commit()
    expect(await host.offset()).toBe(1)
  })

  test('as the permission of a topic stops the fetching, and lets it go on', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.send(['a'])
    expect(await drain(host, consumer)).toEqual(['a'])
    const config = { topic: 'orders', readQueueNums: 1, writeQueueNums: 1 }
    await host.broker.updateTopic({ ...config, permission: 2 })
    await host.send(['b'])
    expect(await drain(host, consumer)).toEqual([])
    await host.broker.updateTopic({ ...config, permission: 6 })
    expect(await drain(host, consumer)).toEqual(['b'])
    expect(host.events('error')).toEqual([])
  })
})

describe('Assigning queues', () => {
  const byHand = { subscriptions: undefined }

  test('consumes them, and only them, without becoming a member of the group', async () => {
    const host = await openShop(3)
    for (let queueId = 0; queueId < 3; queueId++) await host.send([`${queueId}`], {}, queueId)
    const consumer = await host.lite(byHand)
    expect(consumer.assignment()).toEqual([])
    await consumer.assign([host.queue('orders', 2), host.queue('orders', 0), host.queue('orders', 2)])
    expect(consumer.assignment().map(({ queueId }) => queueId)).toEqual([0, 2])
    expect((await drain(host, consumer)).sort()).toEqual(['0', '2'])
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    await consumer.commit()
    expect([await host.offset(0), await host.offset(1), await host.offset(2)]).toEqual([1, undefined, 1])
  })

  test('replaces the assignment; a queue that stays goes on where it was', async () => {
    const host = await openShop(2)
    await host.send(numbers(20), {}, 0)
    await host.send(['x'], {}, 1)
    const consumer = await host.lite(byHand)
    await consumer.assign([host.queue('orders', 0)])
    await host.clock.settle()
    expect(texts(await consumer.poll())).toEqual(numbers(10))
    await consumer.assign([host.queue('orders', 0), host.queue('orders', 1)])
    expect((await drain(host, consumer)).sort()).toEqual([...numbers(10, 10), 'x'].sort())
    await consumer.assign([host.queue('orders', 1)])
    await host.send(['y'], {}, 0)
    await host.send(['z'], {}, 1)
    expect(await drain(host, consumer)).toEqual(['z'])
  })

  test('takes no share from those who subscribe, and gets what they get', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    const member = await host.consumer({ listener: (message) => void seen.push(message.text()) })
    const consumer = await host.lite(byHand)
    await consumer.assign([host.queue('orders', 0)])
    await host.send(['a'], {}, 0)
    await host.send(['b'], {}, 1)
    expect(await drain(host, consumer)).toEqual(['a'])
    expect(seen.sort()).toEqual(['a', 'b'])
    expect(member.stats.queues).toHaveLength(3)
    expect(host.events('warning')).toEqual([])
  })

  test('waits for a queue that does not exist yet', async () => {
    const host = await openShop()
    const consumer = await host.lite(byHand)
    await consumer.assign([host.queue('later', 1)])
    await host.createTopic('later', 2)
    await host.send(['a'], { topic: 'later' }, 1)
    expect(await drain(host, consumer)).toEqual(['a'])
  })

  test('filters as the options say', async () => {
    const host = await openShop()
    const consumer = await host.lite({ ...byHand, subExpressionForAssign: { orders: 'paid' } })
    await consumer.assign([host.queue()])
    await host.send(['a'], { tag: 'paid' })
    await host.send(['b'], { tag: 'open' })
    expect(await drain(host, consumer)).toEqual(['a'])
  })

  test('excludes subscribing, and the other way round', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const refusal = mqError('INVALID_PARAMETER', 'mutually exclusive')
    await expect(consumer.assign([host.queue()])).rejects.toEqual(refusal)
    await expect(host.lite({ subExpressionForAssign: { orders: 'a' } })).rejects.toEqual(refusal)
  })

  test.each([
    [[]],
    [undefined],
    [[{ topic: 'orders' }]],
    [[{ topic: 'orders', brokerName: 'b', queueId: -1 }]],
  ])('refuses %j', async (queues) => {
    const host = await openShop()
    const consumer = await host.lite(byHand)
    await expect(consumer.assign(queues as never)).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })

  test('leaves a poll empty-handed as long as nothing is assigned', async () => {
    const host = await openShop()
    await host.send(['a'])
    const consumer = await host.lite(byHand)
    const poll = consumer.poll({ timeoutMs: 100 })
    await host.clock.advance(100)
    expect(await poll).toEqual([])
    const next = consumer.poll()
    await consumer.assign([host.queue()])
    expect(texts(await next)).toEqual(['a'])
  })
})

describe('Queues of a topic', () => {
  test('can be asked for', async () => {
    const host = await openShop(3)
    const consumer = await host.lite()
    expect((await consumer.fetchMessageQueues('orders')).map(({ queueId }) => queueId)).toEqual([0, 1, 2])
    await expect(consumer.fetchMessageQueues('nothing')).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
  })

  test('are told when they change, in the order of the changes, until nobody wants to know', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const told: [string, number][] = []
    const stop = consumer.onQueuesChanged('later', (topic, queues) => told.push([topic, queues.length]))
    await host.createTopic('later', 2)
    await host.broker.updateTopic({ topic: 'later', readQueueNums: 3, writeQueueNums: 3, permission: 6 })
    await host.broker.updateTopic({ topic: 'later', readQueueNums: 3, writeQueueNums: 2, permission: 6 })
    await host.broker.deleteTopic('later')
    await host.clock.settle()
    stop()
    await host.createTopic('later', 1)
    await host.clock.settle()
    expect(told).toEqual([
      ['later', 2],
      ['later', 3],
      ['later', 0],
    ])
  })

  test('may be told to listeners that throw, reject, hang or close the consumer', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const told = vi.fn()
    consumer.onQueuesChanged('later', () => {
      throw new Error('first')
    })
    consumer.onQueuesChanged('later', () => Promise.reject(new Error('second')))
    consumer.onQueuesChanged('later', () => new Promise(() => undefined))
    consumer.onQueuesChanged('later', () => consumer.close())
    consumer.onQueuesChanged('later', told)
    await host.createTopic('later')
    await host.clock.settle()
    expect(host.events('error').map(({ message }) => message)).toEqual(['first', 'second'])
    expect(told).not.toHaveBeenCalled()
    expect(host.closedClients).toContain(consumer)
  })

  test('are consumed from the turn in which they appear', async () => {
    const host = await openShop()
    const consumer = await host.lite({ subscriptions: { later: '*' } })
    expect(consumer.assignment()).toEqual([])
    await host.createTopic('later', 2)
    await host.send(['a'], { topic: 'later' }, 1)
    expect(await drain(host, consumer)).toEqual(['a'])
  })
})

describe('Closing', () => {
  test('ends polls that wait, empty-handed, and refuses what comes after', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const poll = consumer.poll()
    await consumer.close()
    expect(await poll).toEqual([])
    const closed = mqError('CLOSED')
    await expect(consumer.poll()).rejects.toEqual(closed)
    await expect(consumer.commit()).rejects.toEqual(closed)
    await expect(consumer.seek(host.queue(), 0)).rejects.toEqual(closed)
    await expect(consumer.committed(host.queue())).rejects.toEqual(closed)
    await expect(consumer.position(host.queue())).rejects.toEqual(closed)
    await expect(consumer.assign([host.queue()])).rejects.toEqual(closed)
    await expect(consumer.offsetForTimestamp(host.queue(), 0)).rejects.toEqual(closed)
    await expect(consumer.fetchMessageQueues('orders')).rejects.toEqual(closed)
    expect(() => consumer.pause([host.queue()])).toThrow(closed as Error)
    expect(() => consumer.onQueuesChanged('orders', () => undefined)).toThrow(closed as Error)
    expect(await host.broker.queryConsumerIds('billing')).toEqual([])
    expect(host.closedClients).toEqual([consumer])
  })

  test('commits what the application came back from, and not what it is busy with', async () => {
    const host = await openShop()
    const consumer = await host.lite({ pullBatchSize: 4 })
    await host.send(numbers(20))
    await host.clock.settle()
    await consumer.poll(NOW)
    await consumer.poll(NOW)
    await consumer.close()
    expect(await host.offset()).toBe(4)
    const next = await host.lite({ pullBatchSize: 20 })
    await host.clock.settle()
    expect(texts(await next.poll(NOW))[0]).toBe('4')
  })

  test('answers the same when it is asked again, and leaves no timer behind', async () => {
    const host = await openShop()
    const before = host.clock.timerCount
    const consumer = await host.lite()
    await host.send(numbers(3))
    await host.clock.settle()
    await consumer.poll(NOW)
    void consumer.poll({ timeoutMs: 100 })
    const closing = consumer.close()
    expect(consumer.close()).toBe(closing)
    await closing
    await host.clock.advance(60_000)
    expect(host.clock.timerCount).toBe(before)
  })

  test('during a seek refuses it', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    const gate = new Signal()
    host.replace({
      maxOffset: async (queue) => {
        await gate.promise
        return host.broker.maxOffset(queue)
      },
    })
    const seek = consumer.seek(host.queue(), 0)
    const closing = consumer.close()
    gate.resolve()
    await expect(seek).rejects.toEqual(mqError('CLOSED'))
    await closing
  })

  test('happens when the signal fires', async () => {
    const host = await openShop()
    const controller = new AbortController()
    const consumer = await host.lite({ signal: controller.signal })
    const poll = consumer.poll()
    controller.abort()
    expect(await poll).toEqual([])
    await host.clock.settle()
    expect(host.closedClients).toEqual([consumer])
    await expect(host.lite({ signal: controller.signal })).rejects.toEqual(mqError('ABORTED'))
  })

  test('happens at the end of its scope', async () => {
    const host = await openShop()
    {
      await using consumer = await host.lite()
      expect(consumer.assignment()).toHaveLength(1)
    }
    expect(host.closedClients).toHaveLength(1)
  })

  test('of the engine refuses polls that wait and that come', async () => {
    const host = await openShop()
    const consumer = await host.lite()
    await host.clock.settle()
    const poll = consumer.poll()
    const refused = expect(poll).rejects.toEqual(mqError('CLOSED'))
    await host.broker.close()
    await refused
    await expect(consumer.poll()).rejects.toEqual(mqError('CLOSED'))
  })

  test('is not needed when the start failed', async () => {
    const host = await openShop()
    host.replace({ registerConsumer: () => Promise.reject(new MQError('WRITE_FAILED', 'no')) })
    await expect(host.lite()).rejects.toEqual(mqError('WRITE_FAILED'))
    host.restore('registerConsumer')
    expect((await host.lite()).assignment()).toHaveLength(1)
  })
})
