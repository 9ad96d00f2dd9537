import { describe, expect, test, vi } from 'vitest'
import type { AllocateStrategy } from '../../src/allocate/allocate.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { MQError } from '../../src/model/errors.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const numbers = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => String(from + i))

/** The queues of `orders` that a consumer holds. */
function held({ stats }: PushConsumer): number[] {
  return stats.queues.filter(({ topic }) => topic === 'orders').map(({ queueId }) => queueId)
}

async function member(host: ClientHost, clientId: string, seen: string[] = []): Promise<PushConsumer> {
  return host.consumer({ clientId, listener: (message) => void seen.push(`${clientId} ${message.text()}`) })
}

describe('Members of a group', () => {
  test('share the queues as the strategy says, at once, when one joins and when one leaves', async () => {
    const host = await openShop(8)
    const a = await member(host, 'a')
    expect(held(a)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const b = await member(host, 'b')
    await host.clock.settle()
    expect([held(a), held(b)]).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
    const c = await member(host, 'c')
    await host.clock.settle()
    expect([held(a), held(b).sort(), held(c)]).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7],
    ])
    await a.close()
    await host.clock.settle()
    expect([held(b).sort(), held(c).sort()]).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ])
  })

  test('are idle when there are more of them than queues', async () => {
    const host = await openShop(2)
    const members = [await member(host, 'a'), await member(host, 'b'), await member(host, 'c')]
    await host.clock.settle()
    expect(members.map(held)).toEqual([[0], [1], []])
  })

  test('consume each message once, however often queues change hands meanwhile', async () => {
    const host = await openShop(4)
    const seen: string[] = []
    const members: PushConsumer[] = []
    let sent = 0
    for (const step of ['join', 'join', 'join', 'leave', 'join', 'leave', 'leave']) {
      if (step === 'join') members.push(await member(host, `m${sent}`, seen))
      else await members.shift()?.close()
      for (let queueId = 0; queueId < 4; queueId++) {
        await host.send(numbers(50, sent), {}, queueId)
        sent += 50
      }
    }
    await host.clock.settle()
    const texts = seen.map((line) => line.split(' ')[1])
    expect(texts).toHaveLength(sent)
    expect(new Set(texts).size).toBe(sent)
  })

  test('hand a queue over only when its running listeners have settled and its offset is stored', async () => {
    const host = await openShop(2)
    const gate = new Signal()
    const seen: string[] = []
    const a = await host.consumer({
      clientId: 'a',
      concurrency: 1,
      listener: async (message) => {
        seen.push(`a ${message.text()}`)
        await gate.promise
      },
    })
    await host.send(['x', 'y'], {}, 1)
    await host.clock.settle()
    const b = await member(host, 'b', seen)
    await host.clock.advance(120_000)
    expect([held(a), held(b)]).toEqual([[0], []])
    expect(seen).toEqual(['a x'])
    gate.resolve()
    await host.clock.settle()
    expect(held(b)).toEqual([1])
    expect(seen).toEqual(['a x', 'b y'])
    expect(await host.offset(1)).toBe(2)
  })

  test('leave a reset offset alone when they hand its queue over meanwhile', async () => {
    const host = await openShop(2)
    const gate = new Signal()
    const seen: string[] = []
    await host.consumer({ clientId: 'a', listener: () => gate.promise })
    await host.send(['x', 'y'], {}, 1)
    await host.clock.settle()
    await member(host, 'b', seen)
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[1, 1]]))
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[1, 0]]))
    gate.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['b x', 'b y'])
    expect(await host.offset(1)).toBe(2)
  })

  test('leave a reset offset alone when they close meanwhile', async () => {
    const host = await openShop(1)
    const gate = new Signal()
    const a = await host.consumer({ clientId: 'a', listener: () => gate.promise })
    await host.send(['x', 'y'])
    await host.clock.settle()
    const closing = a.close()
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    gate.resolve()
    expect(await closing).toEqual({ drained: true, unfinishedCount: 0 })
    expect(await host.offset()).toBe(1)
  })

  test('take a queue back that was on its way out', async () => {
    const host = await openShop(2)
    const gate = new Signal()
    const seen: string[] = []
    const a = await host.consumer({
      clientId: 'a',
      listener: async (message) => {
        seen.push(message.text())
        await gate.promise
      },
    })
    await host.send(['x'], {}, 1)
    await host.clock.settle()
    const b = await member(host, 'b')
    await b.close()
    await host.clock.settle()
    expect(held(a)).toEqual([0])
    gate.resolve()
    await host.send(['y'], {}, 1)
    await host.clock.settle()
    expect(held(a)).toEqual([0, 1])
    expect(seen).toEqual(['x', 'y'])
  })

  test('renew their leases, so nobody takes a queue from one that is only slow', async () => {
    const host = await openShop(1)
    const a = await member(host, 'a')
    const b = await member(host, 'b')
    await host.clock.advance(10 * 60_000)
    expect([held(a), held(b)]).toEqual([[0], []])
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toEqual([])
  })

  test('drop a queue whose lease is lost, and commit nothing more for it', async () => {
    const host = await openShop(1)
    const gate = new Signal()
    const a = await host.consumer({ clientId: 'a', listener: () => gate.promise })
    await host.send(['x'])
    await host.clock.settle()
    const lockQueues = vi.fn(async () => [])
    host.replace({ lockQueues })
    await host.clock.advance(20_000)
    expect(lockQueues).toHaveBeenCalled()
    expect(held(a)).toEqual([])
    gate.resolve()
    await host.clock.settle()
    expect(await host.offset()).toBe(0)
    host.restore('lockQueues')
  })

  test('look at once whether they still hold a queue whose lease ended', async () => {
    const host = await openShop(1)
    const a = await member(host, 'a')
    await host.broker.unlockQueues('billing', 'a', [host.queue()])
    await host.clock.settle()
    expect(held(a)).toEqual([0])
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toEqual([])
  })

  test('try a failed assignment again a second later', async () => {
    const host = await openShop(1)
    host.replace({ queryRoute: () => Promise.reject(new MQError('SYSTEM_ERROR', 'no answer')) })
    const a = await member(host, 'a')
    expect(held(a)).toEqual([])
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR')])
    host.restore('queryRoute')
    await host.clock.advance(1000)
    expect(held(a)).toEqual([0])
  })
})

describe('A strategy of its own', () => {
  function consumerWith(host: ClientHost, allocate: AllocateStrategy['allocate']): Promise<PushConsumer> {
    return host.consumer({
      clientId: 'a',
      allocateStrategy: { name: 'MINE', allocate },
      listener: () => undefined,
    })
  }

  test('is asked with sorted queues and sorted members', async () => {
    const host = await openShop(3)
    await member(host, 'c')
    await member(host, 'b')
    const allocate = vi.fn<AllocateStrategy['allocate']>((_group, _id, queues) => queues.slice(0, 1))
    const a = await consumerWith(host, allocate)
    await host.clock.settle()
    const [group, id, queues, ids] =
      allocate.mock.calls.find(([, , given]) => given[0]?.topic === 'orders') ?? []
    expect([group, id, queues?.map(({ queueId }) => queueId), ids]).toEqual([
      'billing',
      'a',
      [0, 1, 2],
      ['a', 'b', 'c'],
    ])
    expect(held(a)).toEqual([0])
  })

  test.each<[string, AllocateStrategy['allocate'], string]>([
    [
      'throws',
      () => {
        throw new Error('no idea')
      },
      'no idea',
    ],
    ['gives a queue that does not exist', (_g, _i, queues) => [{ ...queues[0]!, queueId: 9 }], 'MINE'],
    ['gives no list', () => null as never, 'no list'],
    ['gives a list of nothing', () => [null] as never, 'undefined@undefined'],
  ])('changes nothing when it %s', async (_, allocate, text) => {
    const host = await openShop(1)
    const a = await consumerWith(host, allocate)
    expect(held(a)).toEqual([])
    expect(host.events('error')).toEqual([
      mqError(text === 'no idea' ? 'SYSTEM_ERROR' : 'INVALID_PARAMETER', text),
    ])
  })

  test('that fails for one topic keeps the member from none of the others, and from nothing that it has', async () => {
    const host = await openShop(2)
    await host.createTopic('refunds')
    let isConfused = false
    const a = await host.consumer({
      clientId: 'a',
      subscriptions: { refunds: '*', orders: '*' },
      allocateStrategy: {
        name: 'MINE',
        allocate: (_group, _id, queues, ids) => {
          if (isConfused && queues[0]?.topic === 'refunds') throw new Error('no idea')
          return ids.length === 1 ? queues : queues.slice(0, 1)
        },
      },
      listener: () => undefined,
    })
    isConfused = true
    await member(host, 'b')
    await host.clock.settle()
    expect(held(a)).toEqual([0])
    expect(a.stats.queues.map(({ topic }) => topic)).toContain('refunds')
    expect(host.events('error')).toEqual([mqError('SYSTEM_ERROR', 'no idea')])
  })

  test('whose first answer for a topic fails does not make its queues new to a broadcasting member', async () => {
    const host = await openShop(1)
    await host.send(['old'])
    const seen: string[] = []
    host.replace({ queryRoute: () => Promise.reject(new MQError('SYSTEM_ERROR', 'no answer')) })
    await host.consumer({
      messageModel: 'broadcasting',
      listener: (message) => void seen.push(message.text()),
    })
    host.restore('queryRoute')
    await host.clock.advance(1000)
    await host.send(['new'])
    await host.clock.settle()
    expect(seen).toEqual(['new'])
  })
})
