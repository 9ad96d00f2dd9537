import { describe, expect, test, vi } from 'vitest'
import type { PullRequest } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

/** The pulls of `orders` that the consumers make from now on. */
function watchPulls(host: ClientHost): PullRequest[] {
  const pulls: PullRequest[] = []
  host.replace({
    pullMessage: (request) => {
      if (request.queue.topic === 'orders') pulls.push(request)
      return host.broker.pullMessage(request)
    },
  })
  return pulls
}

describe('A pull loop', () => {
  test('asks for as many messages, and waits as long, as the options say', async () => {
    const host = await openShop()
    const pulls = watchPulls(host)
    await host.consumer({ pullBatchSize: 7, suspendMs: 1234, listener: () => undefined })
    await host.clock.settle()
    expect(pulls).toEqual([
      expect.objectContaining({ group: 'billing', offset: 0, maxCount: 7, suspendMs: 1234 }),
    ])
  })

  test('has one pull under way for each queue', async () => {
    const host = await openShop(3)
    const pulls = watchPulls(host)
    await host.consumer({ listener: () => undefined })
    await host.clock.settle()
    expect(pulls.map(({ queue }) => queue.queueId).sort()).toEqual([0, 1, 2])
  })

  test('stops fetching at the count of unfinished messages, and goes on when one finishes, without polling', async () => {
    const host = await openShop()
    await host.send(numbers(100))
    const gates = numbers(100).map(() => new Signal())
    const pulls = watchPulls(host)
    const consumer = await host.consumer({
      concurrency: 100,
      pullBatchSize: 10,
      pullThresholdForQueue: 25,
      listener: (message) => gates[Number(message.text())]?.promise,
    })
    await host.clock.settle()
    expect(consumer.stats.unfinishedCount).toBe(30)
    await host.clock.advance(60_000)
    expect(pulls).toHaveLength(3)
    for (let i = 0; i < 5; i++) gates[i]?.resolve()
    await host.clock.settle()
    expect(pulls).toHaveLength(3)
    gates[5]?.resolve()
    await host.clock.settle()
    expect(pulls).toHaveLength(4)
    expect(consumer.stats.unfinishedCount).toBe(34)
    for (const gate of gates) gate.resolve()
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 100, unfinishedCount: 0 })
  })

  test('stops fetching at the bytes of unfinished messages', async () => {
    const host = await openShop()
    await host.send(numbers(50).map(() => 'x'.repeat(1000)))
    const gate = new Signal()
    const consumer = await host.consumer({
      concurrency: 100,
      pullBatchSize: 1,
      pullThresholdSizeForQueueBytes: 10_000,
      listener: () => gate.promise,
    })
    await host.clock.settle()
    expect(consumer.stats.unfinishedCount).toBeGreaterThanOrEqual(9)
    expect(consumer.stats.unfinishedCount).toBeLessThanOrEqual(10)
    gate.resolve()
    await host.clock.settle()
    expect(consumer.stats.succeededCount).toBe(50)
  })

  test('stops fetching when one stuck message has too many finished ones behind it', async () => {
    const host = await openShop()
    await host.send(numbers(100))
    const stuck = new Signal()
    const consumer = await host.consumer({
      consumeConcurrentlyMaxSpan: 40,
      pullBatchSize: 10,
      listener: (message) => (message.text() === '0' ? stuck.promise : undefined),
    })
    await host.clock.settle()
    expect(consumer.stats).toMatchObject({ succeededCount: 39, unfinishedCount: 1 })
    expect(await host.offset()).toBe(0)
    stuck.resolve()
    await host.clock.settle()
    expect(consumer.stats.succeededCount).toBe(100)
  })

  test('fetches ahead while listeners are busy', async () => {
    const host = await openShop()
    await host.send(numbers(100))
    const consumer = await host.consumer({ concurrency: 1, listener: () => new Promise(() => undefined) })
    await host.clock.settle()
    expect(consumer.stats.unfinishedCount).toBe(100)
  })

  test('rests a second after a failed pull, tells of it once, and goes on', async () => {
    const host = await openShop()
    const seen: string[] = []
    const pullMessage = vi.fn((_request: PullRequest) =>
      Promise.reject(new MQError('STORE_CORRUPTED', 'queue 0 is broken')),
    )
    host.replace({ pullMessage })
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.send(['x'])
    await host.clock.advance(3500)
    expect(pullMessage.mock.calls.filter(([{ queue }]) => queue.topic === 'orders')).toHaveLength(4)
    expect(host.events('error')).toHaveLength(2)
    expect(host.events('error')[0]).toEqual(mqError('STORE_CORRUPTED'))
    host.restore('pullMessage')
    await host.clock.advance(1000)
    expect(seen).toEqual(['x'])
  })

  test('tries again when it cannot find out where to start', async () => {
    const host = await openShop()
    const seen: string[] = []
    host.replace({ queryConsumerOffset: () => Promise.reject(new MQError('SYSTEM_ERROR', 'no answer')) })
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.send(['x'])
    await host.clock.advance(1500)
    expect(seen).toEqual([])
    host.restore('queryConsumerOffset')
    await host.clock.advance(1000)
    expect(seen).toEqual(['x'])
  })

  test('goes on at the oldest message when retention has taken what came next', async () => {
    const host = await openShop()
    await host.send(numbers(10))
    const seen: string[] = []
    host.replace({
      pullMessage: async (request) => {
        if (request.queue.topic !== 'orders' || request.offset >= 6) return host.broker.pullMessage(request)
        return { status: 'OFFSET_ILLEGAL', messages: [], nextBeginOffset: 6, minOffset: 6, maxOffset: 10 }
      },
    })
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.clock.settle()
    expect(seen).toEqual(['6', '7', '8', '9'])
    expect(await host.offset()).toBe(10)
  })

  test('goes on at the end of a queue that ends before the offset', async () => {
    const host = await openShop()
    await host.send(numbers(3))
    const seen: string[] = []
    host.replace({ queryConsumerOffset: async () => 50 })
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.clock.settle()
    await host.send(['new'])
    await host.clock.settle()
    expect(seen).toEqual(['new'])
  })

  test('passes over a long stretch that its filter lets nothing of through, and leaves turns to others', async () => {
    const host = await openShop()
    for (let i = 0; i < 60; i++) await host.send(numbers(1000), { tag: 'noise' })
    await host.send(['needle'], { tag: 'wanted' })
    const found = new Signal<string>()
    let turns = 0
    let isDone = false
    const turn = (): void => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    await host.consumer({
      subscriptions: { orders: 'wanted' },
      listener: (message) => found.resolve(message.text()),
    })
    expect(await found.promise).toBe('needle')
    isDone = true
    expect(turns).toBeGreaterThanOrEqual(2)
  })

  test('commits what its filter passed over, though nothing was consumed', async () => {
    const host = await openShop()
    await host.send(numbers(5), { tag: 'noise' })
    await host.consumer({ subscriptions: { orders: 'wanted' }, listener: () => undefined })
    await host.clock.settle()
    expect(await host.offset()).toBe(5)
  })
})

describe('Offsets set from outside', () => {
  async function reset(host: ClientHost, offset: number): Promise<void> {
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, offset]]))
    await host.clock.settle()
  }

  test('send a group back', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.send(numbers(4))
    await host.clock.settle()
    await reset(host, 2)
    expect(seen).toEqual(['0', '1', '2', '3', '2', '3'])
    expect(await host.offset()).toBe(4)
  })

  test('let a group skip what it has fetched and not started', async () => {
    const host = await openShop()
    const seen: string[] = []
    const gate = new Signal()
    const consumer = await host.consumer({
      concurrency: 1,
      listener: async (message) => {
        seen.push(message.text())
        await gate.promise
      },
    })
    await host.send(numbers(10))
    await host.clock.settle()
    await reset(host, 8)
    gate.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['0', '8', '9'])
    expect(await host.offset()).toBe(10)
    expect(consumer.stats.unfinishedCount).toBe(0)
  })

  test('are not overwritten by listeners that were busy before', async () => {
    const host = await openShop()
    const gates = [new Signal(), new Signal(), new Signal(), new Signal()]
    const seen: string[] = []
    await host.consumer({
      concurrency: 2,
      listener: async (message) => {
        seen.push(message.text())
        await gates[seen.length - 1]?.promise
      },
    })
    await host.send(['a', 'b'])
    await host.clock.settle()
    await reset(host, 0)
    gates[0]?.resolve()
    gates[1]?.resolve()
    await host.clock.settle()
    expect(await host.offset()).toBe(0)
    gates[2]?.resolve()
    gates[3]?.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['a', 'b', 'a', 'b'])
    expect(await host.offset()).toBe(2)
  })

  test('reach a loop that is still finding out where to start', async () => {
    const host = await openShop()
    await host.send(numbers(5))
    const asked = new Signal()
    let isFirst = true
    host.replace({
      queryConsumerOffset: async (group, queue) => {
        const offset = await host.broker.queryConsumerOffset(group, queue)
        if (queue.topic !== 'orders' || !isFirst) return offset
        isFirst = false
        await asked.promise
        return offset
      },
    })
    const seen: string[] = []
    const starting = host.consumer({ listener: (message) => void seen.push(message.text()) })
    await host.clock.settle()
    await reset(host, 3)
    asked.resolve()
    await starting
    await host.clock.settle()
    expect(seen).toEqual(['3', '4'])
  })
})
