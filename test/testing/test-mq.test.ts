import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'

async function send(mq: TestMQ, ...bodies: string[]): Promise<void> {
  const producer = await mq.createProducer({ group: 'shop' })
  for (const body of bodies) await producer.send({ topic: 'orders', body })
  await producer.close()
}

/** A member of `billing` that takes down the bodies that it gets. */
async function collect(mq: TestMQ, texts: string[]): Promise<PushConsumer> {
  return mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    consumeFromWhere: 'FIRST_OFFSET',
    listener: (message) => {
      texts.push(message.text())
    },
  })
}

describe('A test instance', () => {
  test('delivers without time moving', async () => {
    await using mq = await createTestMQ()
    const texts: string[] = []
    await collect(mq, texts)
    await send(mq, 'a', 'b')
    await mq.settled()
    expect(texts.toSorted()).toEqual(['a', 'b'])
    expect(mq.clock.now()).toBe(Date.UTC(2027, 0, 1))
  })

  test('begins at the time that it is told', async () => {
    const startTime = new Date('2030-05-06T07:08:09Z')
    await using mq = await createTestMQ({ startTime })
    expect(mq.clock.now()).toBe(startTime.getTime())
    await send(mq, 'a')
    expect(mq.ledger.of('stored')[0]?.timestamp).toBe(startTime.getTime())
  })

  test('takes the options of an instance', async () => {
    await using mq = await createTestMQ({
      autoCreateTopicEnable: false,
      topics: [{ topic: 'known', queues: 2 }],
    })
    await expect(send(mq, 'a')).rejects.toEqual(mqError('TOPIC_NOT_EXIST'))
    expect(await mq.admin.topicStatus('known')).toHaveLength(2)
  })

  test.each([
    [{ clock: {} }, 'its own clock'],
    [{ storage: 'memory' }, 'its own storage'],
    [{ sede: 1 }, "unknown option 'sede'"],
    [{ seed: -1 }, 'seed'],
    [{ schedule: 'wild' }, 'schedule'],
    [{ startTime: 'yesterday' }, 'startTime'],
    [{ patienceMs: '1s' }, 'patienceMs'],
    [null, 'an object'],
  ])('refuses the options %j', async (options, text) => {
    await expect(createTestMQ(options as object)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })

  test('shares nothing with the hundreds beside it', async () => {
    const instances = await Promise.all(Array.from({ length: 200 }, () => createTestMQ()))
    const texts = instances.map((): string[] => [])
    await Promise.all(instances.map((mq, index) => collect(mq, texts[index]!)))
    await Promise.all(instances.map((mq, index) => send(mq, `order ${index}`)))
    await instances[0]?.clock.advance('1h')
    await Promise.all(instances.map((mq) => mq.settled()))
    expect(texts).toEqual(instances.map((_, index) => [`order ${index}`]))
    expect(instances[1]?.clock.now()).toBe(Date.UTC(2027, 0, 1))
    await Promise.all(instances.map((mq) => mq.close()))
  })

  test('makes the same ledger of the same calls', async () => {
    const runs = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        await using mq = await createTestMQ({ seed })
        await collect(mq, [])
        await send(mq, 'a', 'b', 'c')
        await mq.settled()
        return mq.ledger.entries.map(({ type, messageId, timestamp }) => [type, messageId, timestamp])
      }),
    )
    expect(runs[1]).toEqual(runs[0])
    expect(runs[2]).not.toEqual(runs[0])
  })

  test('lets neither Date nor the timers of the application notice', async () => {
    await using mq = await createTestMQ()
    const signal = AbortSignal.timeout(3_600_000)
    const globals = () => [Date, Date.now, queueMicrotask, performance.now]
    const before = globals()
    await mq.clock.advance('3d')
    expect(globals()).toEqual(before)
    expect(signal.aborted).toBe(false)
  })

  test('stops a listener that feeds itself', async () => {
    await using mq = await createTestMQ({ runawayLimit: 300 })
    const producer = await mq.createProducer({ group: 'loop' })
    const consumer = await mq.createPushConsumer({
      group: 'loop',
      subscriptions: { orders: '*' },
      listener: async (message) => void (await producer.send({ topic: 'orders', body: message.text() })),
    })
    await producer.send({ topic: 'orders', body: 'again' })
    await expect(mq.clock.advance('1s')).rejects.toEqual(mqError('CLOCK_RUNAWAY', 'send to the topic'))
    consumer.pause()
  })

  test('removes what is too old when its time has come', async () => {
    await using mq = await createTestMQ()
    await send(mq, 'old')
    await mq.clock.advance('4h')
    await send(mq, 'young')
    await mq.clock.advance('3d')
    const status = await mq.admin.topicStatus('orders')
    expect(status.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)).toBe(1)
  })

  test('closes although a listener hangs, in virtual time', async () => {
    const mq = await createTestMQ({ patienceMs: 5 })
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => new Promise<undefined>(() => undefined),
    })
    await send(mq, 'a')
    await mq.clock.rest()
    expect(await mq.close()).toEqual({ drained: false, unfinishedCount: 1 })
    expect(mq.clock.now()).toBe(Date.UTC(2027, 0, 1) + 10_000)
  })

  test('names consumers of every kind so that a run is repeated exactly', async () => {
    await using mq = await createTestMQ()
    const subscriptions = { orders: '*' }
    const push = { group: 'push', subscriptions, listener: () => undefined }
    const consumers = [
      await mq.createPushConsumer(push),
      await mq.createLitePullConsumer({ group: 'lite', subscriptions }),
      await mq.createPullConsumer({ group: 'pull' }),
      await mq.createSimpleConsumer({ group: 'simple', subscriptions, clientId: 'mine' }),
      await mq.createSimpleConsumer({ group: 'simple', subscriptions }),
    ]
    expect(consumers.map(({ clientId }) => clientId)).toEqual([
      'push-1',
      'lite-2',
      'pull-3',
      'mine',
      'simple-4',
    ])
    await expect(mq.createPullConsumer(undefined as never)).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })

  test('lets nobody sleep on when it closes; a crash wakes nobody, since its clock goes on', async () => {
    const mq = await createTestMQ()
    const sleeping = mq.clock.sleep('1m').then(() => mq.clock.now())
    const next = await mq.crash()
    await next.clock.advance('1m')
    expect(await sleeping).toBe(next.clock.now())
    const refused = expect(next.clock.sleep('1m')).rejects.toEqual(mqError('CLOSED'))
    await next.close()
    await refused
  })

  test('runs on a real disk too', async () => {
    const path = await mkdtemp(join(tmpdir(), 'pocketmq-test-'))
    onTestFinished(() => rm(path, { recursive: true }))
    {
      await using mq = await createTestMQ({ path })
      await mq.createPushConsumer({
        group: 'billing',
        subscriptions: { orders: '*' },
        listener: () => ConsumeResult.FAILURE,
      })
      await send(mq, 'a')
      await mq.settled({ horizon: '5h' })
      expect(mq.ledger.of('dead-lettered')).toHaveLength(1)
      await expect(mq.fork()).rejects.toEqual(mqError('UNSUPPORTED'))
      await expect(mq.crash()).rejects.toEqual(mqError('UNSUPPORTED'))
    }
    await using again = await createTestMQ({ path })
    expect(await again.admin.deadLetters('billing')).toHaveLength(1)
  })
})

describe('settled()', () => {
  test('moves time as far as the horizon asks for, and no further than needed', async () => {
    await using mq = await createTestMQ()
    let attempts = 0
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => (++attempts < 3 ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS),
    })
    await send(mq, 'a')
    await mq.settled()
    expect([attempts, mq.clock.now()]).toEqual([1, Date.UTC(2027, 0, 1)])
    await mq.settled({ horizon: '10s' })
    expect(attempts).toBe(2)
    await mq.settled({ horizon: '1h' })
    expect([attempts, mq.clock.now()]).toEqual([3, Date.UTC(2027, 0, 1) + 40_000])
  })

  test('waits for listeners that do something real', async () => {
    await using mq = await createTestMQ()
    let isDone = false
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: async () => {
        await import('node:dns/promises')
        isDone = true
      },
    })
    await send(mq, 'a')
    await mq.settled()
    expect(isDone).toBe(true)
  })

  test('names what is open when its deadline is over', async () => {
    await using mq = await createTestMQ({ patienceMs: 5 })
    let release: () => void = () => undefined
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      clientId: 'clerk',
      listener: () => new Promise<undefined>((resolve) => (release = () => resolve(undefined))),
    })
    await send(mq, 'a')
    const [sent] = mq.ledger.of('sent')
    const error = await mq.settled({ deadlineMs: 20 }).catch((caught: unknown) => caught)
    expect(error).toEqual(mqError('NOT_SETTLED', `orders ${sent?.messageId} for group 'billing'`))
    expect(error).toEqual(mqError('NOT_SETTLED', "in the listener of 'clerk'"))
    release()
    await mq.settled()
  })

  test('does not count groups without members, nor what is due later', async () => {
    await using mq = await createTestMQ()
    const consumer = await collect(mq, [])
    await consumer.close()
    await send(mq, 'nobody is there')
    await mq.settled()
  })

  test.each([{ horizon: 'soon' }, { horizon: -1 }, { deadlineMs: 'never' }, { horizont: 1 }])(
    'refuses %j',
    async (options) => {
      await using mq = await createTestMQ()
      await expect(mq.settled(options as object)).rejects.toEqual(mqError('INVALID_PARAMETER'))
    },
  )
})

describe('fork()', () => {
  test('copies what is stored, and nothing that happens later', async () => {
    await using template = await createTestMQ()
    await template.clock.advance('1h')
    await send(template, 'seed')
    const forks = await Promise.all([template.fork(), template.fork()])
    const [first, second] = forks as [TestMQ, TestMQ]
    expect(first.clock.now()).toBe(template.clock.now())
    await send(first, 'only here')
    await first.clock.advance('1d')
    const texts: string[][] = [[], [], []]
    await Promise.all([first, second, template].map((mq, index) => collect(mq, texts[index]!)))
    await Promise.all([first, second, template].map((mq) => mq.settled()))
    expect(texts).toEqual([['seed', 'only here'], ['seed'], ['seed']])
    expect(second.clock.now()).toBe(template.clock.now())
    await Promise.all(forks.map((mq) => mq.close()))
  })

  test('sees what was sent after an earlier fork', async () => {
    await using template = await createTestMQ()
    await send(template, 'a')
    await using first = await template.fork()
    await send(template, 'b')
    await using second = await template.fork()
    const texts: string[][] = [[], []]
    await collect(first, texts[0]!)
    await collect(second, texts[1]!)
    await Promise.all([first.settled(), second.settled()])
    expect(texts.map((each) => each.toSorted())).toEqual([['a'], ['a', 'b']])
  })

  test('makes message ids of its own', async () => {
    await using template = await createTestMQ()
    await send(template, 'a')
    await using fork = await template.fork()
    await send(fork, 'b')
    await using forkOfFork = await fork.fork()
    await send(forkOfFork, 'c')
    const ids = [template, fork, forkOfFork].flatMap((mq) =>
      mq.ledger.of('sent').map(({ messageId }) => messageId),
    )
    expect(new Set(ids).size).toBe(3)
  })

  test('keeps retries that are on their way', async () => {
    await using template = await createTestMQ()
    const consumer = await template.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => ConsumeResult.FAILURE,
    })
    await send(template, 'a')
    await template.settled()
    await consumer.close()
    await using fork = await template.fork()
    const texts: string[] = []
    await collect(fork, texts)
    await fork.clock.advance('10s')
    expect(texts).toEqual(['a'])
  })
})
