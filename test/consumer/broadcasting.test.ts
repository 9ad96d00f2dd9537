import { describe, expect, test } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { Permission } from '../../src/model/topic.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const DAY = 86_400_000
const FAILURE = ConsumeResult.FAILURE
const letters = (text: string): string[] => text.split('')

type Answer = ConsumeResult | undefined | Promise<ConsumeResult | undefined>

/** A broadcasting member that notes what it gets. */
function member(
  host: ClientHost,
  seen: string[],
  options: Partial<PushConsumerOptions> = {},
  answer: (message: MessageView, context: ConsumeContext) => Answer = () => undefined,
): Promise<PushConsumer> {
  return host.consumer({
    messageModel: 'broadcasting',
    ...(options as object),
    listener: (message, context) => {
      seen.push(message.text())
      return answer(message, context)
    },
  })
}

describe('Broadcasting members', () => {
  test.each(['concurrent', 'orderly'] as const)('each get every message of every queue, %s', async (mode) => {
    const host = await openShop(3)
    const [a, b]: [string[], string[]] = [[], []]
    const consumers = [await member(host, a, { mode }), await member(host, b, { mode })]
    for (const queueId of [0, 1, 2]) await host.send([`${queueId}x`, `${queueId}y`], {}, queueId)
    await host.clock.settle()
    expect(a.toSorted()).toEqual(['0x', '0y', '1x', '1y', '2x', '2y'])
    expect(b.toSorted()).toEqual(a.toSorted())
    for (const { stats } of consumers)
      expect(stats.queues.map(({ topic }) => topic)).toEqual(Array(3).fill('orders'))
  })

  test('have no retry topic, and take no leases', async () => {
    const host = await openShop()
    await member(host, [])
    expect((await host.broker.queryTopics()).map(({ topic }) => topic)).toEqual(['orders'])
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toHaveLength(1)
  })

  test('have all queues, whatever the strategy would give them', async () => {
    const host = await openShop(3)
    const allocateStrategy = { name: 'NOTHING', allocate: () => [] }
    const consumer = await member(host, [], { allocateStrategy })
    expect(consumer.stats.queues).toHaveLength(3)
  })

  test('may come and go without disturbing each other', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen)
    const other = await member(host, [])
    await host.send(letters('ab'))
    await other.close()
    await host.send(letters('cd'))
    await host.clock.settle()
    expect(seen).toEqual(letters('abcd'))
  })

  test('consume nothing before they have joined, since nobody would keep their offsets', async () => {
    const host = await openShop()
    await host.send(letters('ab'))
    const admitted = new Signal()
    host.replace({
      registerConsumer: async (registration) => {
        await admitted.promise
        await host.broker.registerConsumer(registration)
      },
    })
    const seen: string[] = []
    const joining = member(host, seen, { clientId: 'a', consumeFromWhere: 'FIRST_OFFSET' })
    const topic = { topic: 'orders', readQueueNums: 2, writeQueueNums: 2, permission: Permission.READ_WRITE }
    await host.broker.updateTopic(topic)
    await host.clock.settle()
    expect(seen).toEqual([])
    admitted.resolve()
    await joining
    await host.clock.settle()
    expect(seen).toEqual(letters('ab'))
    expect(await host.broker.queryConsumerOffset('billing', host.queue(), 'a')).toBe(2)
  })

  test('are refused by a group that does not permit them', async () => {
    const host = await openShop()
    await host.broker.createGroup({ ...(await settings(host)), consumeBroadcastEnable: false })
    await expect(member(host, [])).rejects.toEqual(mqError('NO_PERMISSION', 'broadcasting'))
  })

  test('stop when their group does not permit them any more, and go on when it does', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen)
    const group = await settings(host)
    await host.broker.createGroup({ ...group, consumeBroadcastEnable: false })
    await host.send(['x'])
    await host.clock.advance(5000)
    expect(seen).toEqual([])
    expect(host.events('error')).toEqual([mqError('NO_PERMISSION', 'broadcasting')])
    await host.broker.createGroup(group)
    await host.clock.advance(1000)
    expect(seen).toEqual(['x'])
  })
})

async function settings(host: ClientHost) {
  await host.broker.ensureGroup('billing')
  const [group] = await host.broker.queryGroups()
  return group!
}

describe('The offsets of a broadcasting member', () => {
  test('are its own', async () => {
    const host = await openShop()
    const gate = new Signal()
    await member(host, [], { clientId: 'fast' })
    await member(host, [], { clientId: 'slow' }, async () => {
      await gate.promise
      return undefined
    })
    await host.send(letters('abc'))
    await host.clock.settle()
    const offsetOf = (clientId: string) => host.broker.queryConsumerOffset('billing', host.queue(), clientId)
    expect([await offsetOf('fast'), await offsetOf('slow')]).toEqual([3, 0])
    expect(await host.offset()).toBeUndefined()
    const { queues, lag } = await host.broker.consumerProgress('billing')
    expect(queues).toEqual([
      expect.objectContaining({ clientId: 'fast', consumerOffset: 3, lag: 0 }),
      expect.objectContaining({ clientId: 'slow', consumerOffset: 0, lag: 3 }),
    ])
    expect(lag).toBe(3)
  })

  test('are continued by a member of the same name', async () => {
    const host = await openShop()
    const seen: string[] = []
    const first = await member(host, seen, { clientId: 'printer' })
    await host.send(letters('ab'))
    await host.clock.settle()
    await first.close()
    await host.send(letters('cd'))
    await member(host, seen, { clientId: 'printer' })
    await host.clock.settle()
    expect(seen).toEqual(letters('abcd'))
  })

  test('end with a member that has no name', async () => {
    const host = await openShop()
    const seen: string[] = []
    const first = await member(host, seen)
    await host.send(letters('ab'))
    await host.clock.settle()
    expect((await host.broker.consumerProgress('billing')).queues).toHaveLength(1)
    await first.close()
    expect((await host.broker.consumerProgress('billing')).queues).toEqual([])
    await host.send(letters('cd'))
    await member(host, seen)
    await host.send(['e'])
    await host.clock.settle()
    expect(seen).toEqual(letters('abe'))
  })

  test('are no group to anybody', async () => {
    const host = await openShop()
    await member(host, [], { clientId: 'printer' })
    expect((await host.broker.queryGroups()).map(({ group }) => group)).toEqual(['billing'])
  })

  test('go with their group, and with their topic', async () => {
    const host = await openShop()
    const consumer = await member(host, [], {
      clientId: 'printer',
      subscriptions: { orders: '*', refunds: '*' },
    })
    await host.createTopic('refunds')
    await host.send(['x'])
    await host.send(['y'], { topic: 'refunds' })
    await host.clock.settle()
    await consumer.close()
    await host.broker.deleteTopic('refunds')
    const { queues } = await host.broker.consumerProgress('billing')
    expect(queues.map(({ queue }) => queue.topic)).toEqual(['orders'])
    await host.broker.deleteGroup('billing')
    await host.broker.ensureGroup('billing')
    expect(await host.broker.queryConsumerOffset('billing', host.queue(), 'printer')).toBeUndefined()
    expect([...host.store.catalog.groups()]).toHaveLength(1)
  })

  test('can be forgotten when the member will not come back', async () => {
    const host = await openShop()
    const consumer = await member(host, [], { clientId: 'printer' })
    await host.send(['x'])
    await host.clock.settle()
    await expect(host.broker.forgetConsumer('billing', 'printer')).rejects.toEqual(
      mqError(
        'INVALID_PARAMETER',
        "The member 'printer' of 'billing' is online; close it before it is forgotten.",
      ),
    )
    await consumer.close()
    await host.broker.forgetConsumer('billing', 'printer')
    expect((await host.broker.consumerProgress('billing')).queues).toEqual([])
    await expect(host.broker.forgetConsumer('billing', 'printer')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'printer'),
    )
  })

  test('do not mix with those of a group that is a part of its name', async () => {
    const host = await openShop()
    await member(host, [], { group: 'a', clientId: 'b@c' })
    await member(host, [], { group: 'a', clientId: 'c' })
    await host.send(['x'])
    await host.clock.settle()
    const { queues } = await host.broker.consumerProgress('a')
    expect(queues.map(({ clientId }) => clientId)).toEqual(['b@c', 'c'])
  })
})

describe('A broadcasting member without offsets', () => {
  const starts = [
    ['LAST_OFFSET', {}, ['new']],
    ['FIRST_OFFSET', {}, ['old', 'older', 'new']],
    ['TIMESTAMP', { consumeTimestamp: 1 }, ['old', 'older', 'new']],
  ] as const

  test.each(starts)(
    'starts a young queue at %s, unlike a group',
    async (consumeFromWhere, options, expected) => {
      const host = await openShop()
      await host.send(['old', 'older'])
      const seen: string[] = []
      await member(host, seen, { consumeFromWhere, ...options })
      await host.send(['new'])
      await host.clock.settle()
      expect(seen).toEqual(expected)
    },
  )

  test('starts at a time, up to the message', async () => {
    const host = await openShop()
    await host.send(['old'])
    await host.clock.advance(1000)
    const consumeTimestamp = host.clock.now()
    await host.send(['then'])
    const seen: string[] = []
    await member(host, seen, { consumeFromWhere: 'TIMESTAMP', consumeTimestamp })
    await host.clock.settle()
    expect(seen).toEqual(['then'])
  })

  test('misses nothing of a topic that comes into being under its eyes', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen, { subscriptions: { later: '*' } })
    const producer = await host.producer()
    await producer.send({ topic: 'later', body: 'first' })
    await host.clock.settle()
    expect(seen).toEqual(['first'])
  })

  test('misses nothing either when its engine answers only after the first messages are stored', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen, { subscriptions: { later: '*' } })
    const gate = new Signal()
    host.replace({
      minOffset: async (queue) => {
        await gate.promise
        return host.broker.minOffset(queue)
      },
    })
    const producer = await host.producer()
    await producer.send({ topic: 'later', body: 'first' })
    gate.resolve()
    await host.clock.settle()
    expect(seen).toEqual(['first'])
  })

  test('is started only when it knows where it begins, so that what is sent then reaches it', async () => {
    const host = await openShop()
    host.replace({
      queryConsumerOffset: async (...question) => {
        await host.clock.settle()
        return host.broker.queryConsumerOffset(...question)
      },
    })
    const seen: string[] = []
    await member(host, seen)
    await host.send(['new'])
    await host.clock.settle()
    expect(seen).toEqual(['new'])
  })

  test('misses nothing of a queue that is added under its eyes', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen)
    const [topic] = await host.broker.queryTopics()
    const updating = host.broker.updateTopic({ ...topic!, readQueueNums: 2, writeQueueNums: 2 })
    await updating
    await host.send(['first'], {}, 1)
    await host.clock.settle()
    expect(seen).toEqual(['first'])
  })

  test('starts where it wishes on a topic that it subscribes to later', async () => {
    const host = await openShop()
    await host.createTopic('refunds')
    await host.send(['old'], { topic: 'refunds' })
    const seen: string[] = []
    const consumer = await member(host, seen)
    await consumer.subscribe('refunds', '*')
    await host.send(['new'], { topic: 'refunds' })
    await host.clock.settle()
    expect(seen).toEqual(['new'])
  })

  test('keeps where it started, also when nothing came while it was there', async () => {
    const host = await openShop()
    await host.send(['old'])
    const seen: string[] = []
    const first = await member(host, seen, { clientId: 'printer' })
    await host.clock.settle()
    await first.close()
    await host.send(['new'])
    await member(host, seen, { clientId: 'printer' })
    await host.clock.settle()
    expect(seen).toEqual(['new'])
  })
})

describe('A message that a broadcasting member fails to consume', () => {
  test('is dropped, told and counted, and no other member notices', async () => {
    const host = await openShop()
    const [seen, other]: [string[], string[]] = [[], []]
    const consumer = await member(host, seen, { clientId: 'printer' }, (message) => {
      if (message.text() === 'b') throw new RangeError('no paper')
      return undefined
    })
    await member(host, other)
    await host.send(letters('abc'))
    await host.clock.advance(60 * 60_000)
    expect([seen, other]).toEqual([letters('abc'), letters('abc')])
    expect(host.events('message-dropped')).toEqual([
      expect.objectContaining({
        group: 'billing',
        clientId: 'printer',
        topic: 'orders',
        queueOffset: 1,
        reconsumeTimes: 1,
        reason: 'RangeError: no paper',
      }),
    ])
    expect(consumer.stats).toMatchObject({ droppedCount: 1, failedCount: 1, succeededCount: 2 })
    expect([host.events('retry'), host.events('dead-letter')]).toEqual([[], []])
    expect(await host.broker.queryConsumerOffset('billing', host.queue(), 'printer')).toBe(3)
  })

  test('is delivered again to this member alone when it wishes so, every 5 seconds, and dropped in the end', async () => {
    const host = await openShop()
    const [seen, other]: [string[], string[]] = [[], []]
    const attempts: number[] = []
    const options = { broadcastFailure: 'retry', maxReconsumeTimes: 2, clientId: 'printer' } as const
    const consumer = await member(host, seen, options, (message) => {
      if (message.text() !== 'b') return undefined
      attempts.push(message.deliveryAttempt)
      return FAILURE
    })
    await member(host, other)
    await host.send(letters('abc'))
    await host.clock.advance(4999)
    expect(seen).toEqual(letters('abc'))
    expect(await host.broker.queryConsumerOffset('billing', host.queue(), 'printer')).toBe(1)
    await host.clock.advance(5001)
    expect(seen).toEqual(letters('abcbb'))
    expect(attempts).toEqual([1, 2, 3])
    expect(host.events('retry').map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([1, 2])
    expect(host.events('message-dropped')).toEqual([expect.objectContaining({ reconsumeTimes: 3 })])
    expect(consumer.stats).toMatchObject({ droppedCount: 1, failedCount: 3, unfinishedCount: 0 })
    expect(await host.broker.queryConsumerOffset('billing', host.queue(), 'printer')).toBe(3)
    expect(other).toEqual(letters('abc'))
  })

  test('takes turns with what waits, so that a listener that hangs keeps its member from no queue', async () => {
    const host = await openShop(3)
    const seen: string[] = []
    const options = { broadcastFailure: 'retry', concurrency: 1, consumeTimeoutMs: 60_000 } as const
    await member(host, seen, options, () => new Promise(() => undefined))
    for (const queueId of [0, 1, 2]) await host.send([`${queueId}x`, `${queueId}y`], {}, queueId)
    await host.clock.advance(10 * 60_000)
    expect(new Set(seen)).toEqual(new Set(['0x', '0y', '1x', '1y', '2x', '2y']))
  })

  test('holds up its queue in orderly mode, as in RocketMQ, until it succeeds', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen, { mode: 'orderly' }, () => (seen.length < 4 ? FAILURE : undefined))
    await host.send(letters('ab'))
    await host.clock.advance(2999)
    expect(seen).toEqual(letters('aaa'))
    await host.clock.advance(1)
    expect(seen).toEqual(letters('aaaab'))
    expect(host.events('message-dropped')).toEqual([])
  })

  test('is dropped in orderly mode when the member wishes so', async () => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen, { mode: 'orderly', broadcastFailure: 'drop' }, () => FAILURE)
    await host.send(letters('ab'))
    await host.clock.settle()
    expect(seen).toEqual(letters('ab'))
    expect(host.events('message-dropped')).toHaveLength(2)
  })

  test.each(['concurrent', 'orderly'] as const)('is dropped at once by the level of -1, %s', async (mode) => {
    const host = await openShop()
    const seen: string[] = []
    await member(host, seen, { mode, broadcastFailure: 'retry' }, (_, context) => {
      context.delayLevelWhenNextConsume = -1
      return FAILURE
    })
    await host.send(['a'])
    await host.clock.advance(60_000)
    expect(seen).toEqual(['a'])
    expect(host.events('message-dropped')).toHaveLength(1)
  })

  test('is the only one of its batch that is dropped, when the others lie before the ackIndex', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({
      messageModel: 'broadcasting',
      consumeMessageBatchMaxSize: 3,
      listener: (messages, context) => {
        seen.push(messages.map((message) => message.text()).join(''))
        context.ackIndex = 1
      },
    })
    await host.send(letters('abc'))
    await host.clock.settle()
    expect(seen).toEqual(['abc'])
    expect(consumer.stats).toMatchObject({ succeededCount: 2, droppedCount: 1 })
  })

  test('is delivered again after a restart, when it was not dropped before', async () => {
    const host = await openShop()
    const seen: string[] = []
    const options = { broadcastFailure: 'retry', clientId: 'printer' } as const
    const first = await member(host, seen, options, (message) =>
      message.text() === 'a' ? FAILURE : undefined,
    )
    await host.send(letters('ab'))
    await host.clock.settle()
    await first.close()
    await member(host, seen, options)
    await host.clock.advance(4999)
    expect(seen).toEqual(letters('ab'))
    await host.clock.advance(1)
    // What was done behind it is not repeated.
    expect(seen).toEqual(letters('aba'))
    expect(host.events('message-dropped')).toEqual([])
  })

  test.each([
    // In order it is delivered at once after the restart, otherwise after its wait.
    ['concurrent', 5000, 10_000],
    ['orderly', 1000, 1000],
  ] as const)(
    'keeps its attempts over a restart of a member with a name, %s',
    async (mode, restMs, againMs) => {
      const host = await openShop()
      const attempts: number[] = []
      const options = { mode, broadcastFailure: 'retry', maxReconsumeTimes: 3, clientId: 'printer' } as const
      const fail = (message: MessageView) => {
        if (message.text() !== 'a') return undefined
        attempts.push(message.deliveryAttempt)
        return FAILURE
      }
      const first = await member(host, [], options, fail)
      await host.send(letters('ab'))
      await host.clock.advance(restMs)
      await first.close()
      expect(attempts).toEqual([1, 2])
      await member(host, [], options, fail)
      await host.clock.advance(againMs)
      expect(attempts).toEqual([1, 2, 3, 4])
      expect(host.events('message-dropped')).toEqual([expect.objectContaining({ reconsumeTimes: 4 })])
      expect(await host.broker.queryAttempts('billing', host.queue(), 'printer')).toEqual([])
      expect(await host.broker.queryConsumerOffset('billing', host.queue(), 'printer')).toBe(2)
    },
  )

  test('keeps the attempts of each member apart, and from those of the group', async () => {
    const host = await openShop()
    const options = { broadcastFailure: 'retry' } as const
    const failFor = (wanted: string) => (message: MessageView) =>
      message.text() === wanted ? FAILURE : undefined
    await member(host, [], { ...options, clientId: 'ann' }, failFor('a'))
    await member(host, [], { ...options, clientId: 'bob' }, failFor('b'))
    await member(host, [], options, failFor('a'))
    await host.send(letters('ab'))
    await host.clock.advance(5000)
    const attempts = (clientId?: string) => host.broker.queryAttempts('billing', host.queue(), clientId)
    expect(await attempts('ann')).toEqual([{ queueOffset: 0, reconsumeTimes: 2 }])
    expect(await attempts('bob')).toEqual([{ queueOffset: 1, reconsumeTimes: 2 }])
    expect(await attempts()).toEqual([])
    expect(await attempts('client-3')).toEqual([])
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    expect([await attempts('ann'), await attempts('bob')]).toEqual([[], []])
  })

  test('is delivered again all the same when its attempts cannot be stored', async () => {
    const host = await openShop()
    const seen: string[] = []
    host.replace({ updateAttempts: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')) })
    const options = { broadcastFailure: 'retry', clientId: 'printer' } as const
    await member(host, seen, options, () => (seen.length === 1 ? FAILURE : undefined))
    await host.send(['a'])
    await host.clock.advance(5000)
    expect(seen).toEqual(letters('aa'))
    expect(host.events('error')).toEqual([mqError('WRITE_FAILED')])
  })

  test('keeps its attempts over a crash, which repeats what was done behind it', async () => {
    const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const seen: string[] = []
    const join = (on: typeof mq) =>
      on.createPushConsumer({
        group: 'billing',
        clientId: 'printer',
        messageModel: 'broadcasting',
        broadcastFailure: 'retry',
        subscriptions: { orders: '*' },
        listener: (message) => {
          seen.push(`${message.text()}${message.deliveryAttempt}`)
          return seen.length < 4 && message.text() === 'a' ? FAILURE : undefined
        },
      })
    await join(mq)
    const producer = await mq.createProducer({ group: 'shop' })
    for (const body of letters('ab')) await producer.send({ topic: 'orders', body })
    await mq.clock.advance(5000)
    expect(seen).toEqual(['a1', 'b1', 'a2'])
    await using reopened = await mq.crash()
    await join(reopened)
    await reopened.settled({ horizon: '5s' })
    expect(seen).toEqual(['a1', 'b1', 'a2', 'b1', 'a3'])
  })
})

describe('Offsets set from outside', () => {
  test('move every broadcasting member, forward and back, named or not, and give the group none', async () => {
    const host = await openShop()
    const [named, unnamed]: [string[], string[]] = [[], []]
    await member(host, named, { clientId: 'printer' })
    await member(host, unnamed)
    await host.send(letters('abc'))
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 1]]))
    await host.clock.settle()
    expect([named, unnamed]).toEqual([letters('abcbc'), letters('abcbc')])
    expect(await host.offset()).toBeUndefined()
  })

  test('reach a named member that is away', async () => {
    const host = await openShop()
    const seen: string[] = []
    const first = await member(host, seen, { clientId: 'printer' })
    await host.send(letters('abc'))
    await host.clock.settle()
    await first.close()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await member(host, seen, { clientId: 'printer' })
    await host.clock.settle()
    expect(seen).toEqual(letters('abcc'))
  })

  test('skip what a member has not consumed, while its listener is busy', async () => {
    const host = await openShop()
    const gate = new Signal()
    const seen: string[] = []
    await member(host, seen, { mode: 'orderly' }, async () => {
      if (seen.length === 1) await gate.promise
      return undefined
    })
    await host.send(letters('abc'))
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 3]]))
    await host.send(['d'])
    gate.resolve()
    await host.clock.settle()
    expect(seen).toEqual(letters('ad'))
  })
})

describe('A broadcasting member that retention overtakes', () => {
  test('is told what it lost, though nobody else knows its offsets', async () => {
    const never = Number.POSITIVE_INFINITY
    const retention = { maxAgeMs: DAY, maxBytes: never, intervalMs: never }
    const host = await openShop(1, { store: { retention } })
    const seen: string[] = []
    const consumer = await member(host, seen, { pullBatchSize: 1, pullThresholdForQueue: 1 })
    consumer.pause()
    for (const body of letters('abcd')) {
      await host.send([body])
      await host.clock.advance(3 * DAY)
    }
    await host.store.trim()
    consumer.resume()
    await host.clock.settle()
    expect(seen).toEqual(letters('ad'))
    expect(host.events('message-lost')).toEqual([
      {
        reason: 'retention',
        queue: host.queue(),
        fromOffset: 1,
        toOffset: 3,
        group: 'billing',
        clientId: consumer.clientId,
      },
    ])
  })
})

describe('A group of both message models', () => {
  test('is told of it, and each member consumes in its way', async () => {
    const host = await openShop()
    const [shared, broadcast]: [string[], string[]] = [[], []]
    await member(host, broadcast, { clientId: 'z' })
    await host.consumer({ clientId: 'a', listener: (message) => void shared.push(message.text()) })
    await host.send(['x'])
    await host.clock.settle()
    expect([shared, broadcast]).toEqual([['x'], ['x']])
    expect(host.events('warning')).toEqual([
      expect.objectContaining({
        code: 'SUBSCRIPTION_MISMATCH',
        message: expect.stringMatching(/'a'.*another message model \(clustering\) than 'z'/),
      }),
    ])
  })
})
