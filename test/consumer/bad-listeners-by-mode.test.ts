/** What `bad-listeners.test.ts` shows of concurrent groups, for listeners of all other modes. */
import { describe, expect, test, vi } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const MINUTE = 60_000
const letters = (text: string): string[] => text.split('')

const ORDERLY = { mode: 'orderly' } as const
const BROADCASTING = { messageModel: 'broadcasting', broadcastFailure: 'retry' } as const
const MODES = [
  ['orderly', ORDERLY],
  ['broadcasting', BROADCASTING],
  ['broadcasting orderly', { ...BROADCASTING, ...ORDERLY }],
  ['orderly by message groups', { ...ORDERLY, enableFifoConsumeAccelerator: true }],
] as const

/** A listener that answers the first message with this, and succeeds from then on. */
function answeringOnce(answer: () => unknown, seen: string[]) {
  return ((message: { text(): string }) => {
    seen.push(message.text())
    return seen.length === 1 ? answer() : undefined
  }) as () => undefined
}

const thenable = (then: (resolve: (value: unknown) => void, reject: (error: Error) => void) => void) => ({
  then,
})

const BAD_ANSWERS: [string, () => unknown, string][] = [
  ['returns FAILURE', () => ConsumeResult.FAILURE, 'FAILURE'],
  ['returns garbage', () => 42, 'returned 42'],
  ['returns null', () => null, 'returned null'],
  [
    'throws',
    () => {
      throw new RangeError('no stock')
    },
    'RangeError: no stock',
  ],
  ['rejects with nothing', () => Promise.reject(), 'threw undefined'],
  ['settles twice', () => thenable((resolve, reject) => [reject(new Error('no')), resolve(1)]), 'Error: no'],
]

describe.each(MODES)('A listener in mode %s', (_, options) => {
  test.each(BAD_ANSWERS)('gets its message again when it %s', async (_, answer, reason) => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({ ...options, listener: answeringOnce(answer, seen) })
    await host.send(['a'])
    await host.clock.advance(5000)
    expect(seen).toEqual(['a', 'a'])
    expect(host.events('retry')).toEqual([
      expect.objectContaining({ reconsumeTimes: 1, reason: expect.stringContaining(reason) }),
    ])
    expect(consumer.stats).toMatchObject({
      succeededCount: 1,
      failedCount: 1,
      runningCount: 0,
      unfinishedCount: 0,
    })
    expect(host.events('error')).toEqual([])
  })

  test('counts once, whoever settles it first, when it settles twice', async () => {
    const host = await openShop()
    const seen: string[] = []
    const twice = () =>
      thenable((resolve, reject) => [resolve(undefined), reject(new Error('late')), resolve(1)])
    const consumer = await host.consumer({ ...options, listener: answeringOnce(twice, seen) })
    await host.send(letters('ab'))
    await host.clock.advance(5000)
    expect(seen).toEqual(['a', 'b'])
    expect(consumer.stats).toMatchObject({ succeededCount: 2, failedCount: 0, runningCount: 0 })
  })

  test('may send to the topic that it consumes', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const seen: string[] = []
    await host.consumer({
      ...options,
      listener: async (message) => {
        seen.push(message.text())
        if (seen.length < 5) await producer.send({ topic: 'orders', body: `${message.text()}x` })
      },
    })
    await producer.send({ topic: 'orders', body: 'a' })
    await host.clock.settle()
    expect(seen).toEqual(['a', 'ax', 'axx', 'axxx', 'axxxx'])
  })

  test('may close its consumer, if it does not wait for it', async () => {
    const host = await openShop()
    const seen: string[] = []
    const closed = new Signal<unknown>()
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      ...options,
      concurrency: 1,
      listener: async (message) => {
        seen.push(message.text())
        await host.clock.settle()
        void consumer?.close().then(closed.resolve)
      },
    })
    await host.send(letters('abc'))
    expect(await closed.promise).toEqual({ drained: true, unfinishedCount: 0 })
    expect(seen).toEqual(['a'])
  })

  test('delays the end for no longer than closeTimeoutMs when it waits for its own consumer to close', async () => {
    const host = await openShop()
    const reports: unknown[] = []
    let consumer: PushConsumer | undefined
    consumer = await host.consumer({
      ...options,
      closeTimeoutMs: 500,
      listener: async () => {
        await host.clock.settle()
        reports.push(await consumer?.close())
      },
    })
    await host.send(['a'])
    await host.clock.settle()
    expect(reports).toEqual([])
    await host.clock.advance(500)
    expect(reports).toEqual([{ drained: false, unfinishedCount: 1 }])
  })

  test('that hangs keeps neither the other queues nor other consumers from theirs', async () => {
    const host = await openShop(3)
    const [seen, other]: [string[], string[]] = [[], []]
    await host.consumer({
      ...options,
      concurrency: 1,
      consumeTimeoutMs: MINUTE,
      listener: (message) => {
        seen.push(message.text())
        return message.text() === 'a' ? new Promise(() => undefined) : undefined
      },
    })
    await host.consumer({
      ...options,
      group: 'other',
      listener: (message) => void other.push(message.text()),
    })
    await host.send(['a'], {}, 0)
    await host.send(['b'], {}, 1)
    await host.send(['c'], {}, 2)
    await host.clock.settle()
    expect([seen, other.sort()]).toEqual([['a'], letters('abc')])
    await host.clock.advance(MINUTE)
    expect(seen.slice(0, 3).sort()).toEqual(letters('abc'))
    expect(host.events('warning')).toEqual([expect.objectContaining({ code: 'LISTENER_TIMEOUT' })])
  })

  test('leaves turns to others between calls that block', async () => {
    const host = await openShop()
    await host.send(letters('abc'))
    let nowMs = 0
    const monotonicMs = vi.spyOn(host.clock, 'monotonicMs').mockImplementation(() => nowMs)
    const turnsOfCalls: number[] = []
    let turn = 0
    const nextTurn = (): void => {
      turn += 1
      if (turnsOfCalls.length < 3) host.clock.defer(nextTurn)
    }
    host.clock.defer(nextTurn)
    await host.consumer({
      ...options,
      consumeFromWhere: 'FIRST_OFFSET',
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
})

describe('An orderly listener that takes too long', () => {
  test('has its signal fired and is told of, but keeps its queue, since nothing may overtake', async () => {
    const host = await openShop()
    const gate = new Signal<ConsumeResult | undefined>()
    const seen: string[] = []
    let context: ConsumeContext | undefined
    const consumer = await host.consumer({
      ...ORDERLY,
      consumeTimeoutMs: 1000,
      listener: (message, given) => {
        seen.push(message.text())
        context ??= given
        return seen.length === 1 ? gate.promise : undefined
      },
    })
    await host.send(letters('ab'))
    await host.clock.settle()
    expect(context?.signal.aborted).toBe(false)
    await host.clock.advance(10 * MINUTE)
    expect(context?.signal.reason).toEqual(mqError('CONSUME_MSG_TIMEOUT', '1000 ms'))
    expect(host.events('warning')).toEqual([
      expect.objectContaining({ code: 'LISTENER_TIMEOUT', message: expect.stringContaining('waits for it') }),
    ])
    expect(seen).toEqual(['a'])
    expect(consumer.stats).toMatchObject({ timedOutCount: 1, runningCount: 1 })
    gate.resolve(undefined)
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b'])
    expect(consumer.stats).toMatchObject({ succeededCount: 2, failedCount: 0, runningCount: 0 })
    expect(await host.offset()).toBe(2)
  })

  test('has its message delivered again when it fails in the end', async () => {
    const host = await openShop()
    const gate = new Signal<ConsumeResult>()
    const seen: string[] = []
    await host.consumer({
      ...ORDERLY,
      consumeTimeoutMs: 1000,
      listener: (message) => {
        seen.push(message.text())
        return seen.length === 1 ? gate.promise : undefined
      },
    })
    await host.send(letters('ab'))
    await host.clock.advance(2000)
    gate.resolve(ConsumeResult.FAILURE)
    await host.clock.advance(1000)
    expect(seen).toEqual(letters('aab'))
  })

  test('takes up no place meanwhile, and does not take one too many when it is done', async () => {
    const host = await openShop(3)
    const gates = new Map<string, Signal>()
    const consumer = await host.consumer({
      ...ORDERLY,
      concurrency: 1,
      consumeTimeoutMs: 1000,
      listener: (message) => {
        const gate = new Signal()
        gates.set(message.text(), gate)
        return gate.promise
      },
    })
    for (const queueId of [0, 1, 2]) await host.send([`${queueId}a`, `${queueId}b`], {}, queueId)
    await host.clock.advance(1000)
    expect([...gates.keys()]).toEqual(['0a', '1a'])
    gates.get('0a')?.resolve()
    await host.clock.settle()
    expect([...gates.keys()]).toEqual(['0a', '1a'])
    expect(consumer.stats.runningCount).toBe(1)
    gates.get('1a')?.resolve()
    await host.clock.settle()
    expect([...gates.keys()]).toEqual(['0a', '1a', '2a'])
  })
})

describe('A broadcasting listener that takes too long', () => {
  test('loses its message, and its late answer is ignored', async () => {
    const host = await openShop()
    const gate = new Signal()
    const consumer = await host.consumer({
      messageModel: 'broadcasting',
      consumeTimeoutMs: 1000,
      listener: () => gate.promise,
    })
    await host.send(['a'])
    await host.clock.advance(1000)
    expect(host.events('message-dropped')).toEqual([
      expect.objectContaining({ reason: expect.stringContaining('1000 ms') }),
    ])
    expect(host.events('warning')).toEqual([
      expect.objectContaining({ code: 'LISTENER_TIMEOUT', message: expect.stringContaining('is dropped') }),
    ])
    gate.resolve()
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({
      timedOutCount: 1,
      droppedCount: 1,
      succeededCount: 0,
      unfinishedCount: 0,
    })
  })
})
