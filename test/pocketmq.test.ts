import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allocateAveragely, ConsumeResult, type OpenOptions, Permission, PocketMQ } from 'pocketmq'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { mqError } from './helpers/expect-error.ts'
import { ManualClock } from './helpers/manual-clock.ts'
import { Signal } from './helpers/signal.ts'

const order = { topic: 'orders', body: 'a book' }

async function openInMemory(options: OpenOptions = {}): Promise<PocketMQ> {
  const mq = await PocketMQ.open({ storage: 'memory', keepAlive: false, ...options })
  onTestFinished(async () => {
    await mq.close()
  })
  return mq
}

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pocketmq-test-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

describe('An instance', () => {
  test('sends and receives', async () => {
    const mq = await openInMemory()
    const received = new Signal<string>()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: async (message) => received.resolve(message.text()),
    })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send(order)
    expect(await received.promise).toBe('a book')
  })

  test('keeps on disk what it was sent, for the next time', async () => {
    const path = await directory()
    const first = await PocketMQ.open(path, { keepAlive: false })
    const { messageId, durability } = await (await first.createProducer({ group: 'shop' })).send(order)
    await first.close()
    const second = await PocketMQ.open({ path, keepAlive: false })
    const message = await second.admin.queryMessageById(messageId)
    await second.close()
    expect([durability, message.text()]).toEqual(['ASYNC_FLUSH', 'a book'])
  })

  test('makes the topics that it is asked for, and leaves those that exist as they are', async () => {
    const path = await directory()
    const first = await PocketMQ.open(path, { keepAlive: false, topics: [{ topic: 'orders', queues: 2 }] })
    await first.close()
    const second = await PocketMQ.open(path, {
      keepAlive: false,
      topics: [
        { topic: 'orders', queues: 8 },
        { topic: 'returns', permission: Permission.READ },
      ],
    })
    const topics = (await second.admin.topics()).map(({ topic, writeQueueNums }) => [topic, writeQueueNums])
    await second.close()
    expect(topics).toEqual([
      ['orders', 2],
      ['returns', 4],
    ])
  })

  test('opens dead letters to applications when it is told to', async () => {
    const clock = new ManualClock()
    const mq = await openInMemory({ clock, deadLetterPermission: 'read-write' })
    const fail = {
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 0,
      listener: () => ConsumeResult.FAILURE,
    }
    await mq.createPushConsumer({ group: 'billing', ...fail })
    await (await mq.createProducer({ group: 'shop' })).send(order)
    await clock.settle()
    const letters: string[] = []
    await mq.createPushConsumer({
      group: 'undertaker',
      subscriptions: { '%DLQ%billing': '*' },
      listener: (message) => void letters.push(message.text()),
    })
    await clock.settle()
    expect(letters).toEqual(['a book'])
  })

  test('follows its clock, its delays and its randomness', async () => {
    const clock = new ManualClock()
    const mq = await openInMemory({
      clock,
      random: { next: () => 0.99 },
      messageDelayLevel: '1s 2s 3s',
      brokerName: 'b-1',
    })
    const times: number[] = []
    const start = clock.now()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 2,
      listener: () => {
        times.push(clock.now() - start)
        return ConsumeResult.FAILURE
      },
    })
    const receipt = await (await mq.createProducer({ group: 'shop' })).send(order)
    await clock.advance(60_000)
    expect(times).toEqual([0, 3000, 6000])
    expect(receipt.queue).toEqual({ topic: 'orders', brokerName: 'b-1', queueId: 3 })
  })

  test('names its clients in the order in which they are made', async () => {
    const mq = await openInMemory()
    const names: string[] = []
    for (let i = 0; i < 11; i++) names.push((await mq.createProducer({ group: 'shop' })).clientId)
    expect(names.toSorted()).toEqual(names)
    expect(new Set(names).size).toBe(11)
  })

  test.each<[string, object, string]>([
    ['no place', {}, 'path'],
    ['a path, but nothing on disk', { path: './data', storage: 'memory' }, 'leave the path out'],
    ['a disk, but no path', { storage: 'disk' }, 'path'],
    ['a misspelt option', { storage: 'memory', flushDisktype: 'SYNC_FLUSH' }, "'flushDiskType'"],
    ['a misspelt nested option', { storage: 'memory', retention: { maxAge: 1 } }, 'maxAge'],
    ['an unknown permission', { storage: 'memory', deadLetterPermission: 'all' }, 'deadLetterPermission'],
    ['a topic without a name', { storage: 'memory', topics: [{ queues: 4 }] }, 'topic'],
    ['a topic without queues', { storage: 'memory', topics: [{ topic: 'a', queues: 0 }] }, 'queues'],
    ['a delay that is none', { storage: 'memory', messageDelayLevel: '1 fortnight' }, 'messageDelayLevel'],
    ['half a clock', { storage: 'memory', clock: { now: () => 0 } }, 'clock'],
    ['a logger that is none', { storage: 'memory', logger: {} }, 'logger'],
    ['no time to close', { storage: 'memory', closeTimeoutMs: 0 }, 'closeTimeoutMs'],
    ['an empty path', { path: '' }, 'path'],
  ])('is refused with %s', async (_, options, text) => {
    await expect(PocketMQ.open(options)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
  })

  test('may keep messages for ever', async () => {
    const mq = await openInMemory({
      retention: { maxAgeMs: Number.POSITIVE_INFINITY, maxBytes: Number.POSITIVE_INFINITY },
    })
    expect(mq.state).toBe('open')
  })

  test('gives its strategies by name', () => {
    expect(allocateAveragely.name).toBe('AVG')
  })
})

describe('Events of an instance', () => {
  test('tell what happens', async () => {
    const clock = new ManualClock()
    const mq = await openInMemory({ clock })
    const seen: unknown[] = []
    mq.on('topic-changed', ({ topic }) => seen.push(topic))
    mq.on('group-changed', ({ group, clientIds }) => seen.push([group, clientIds.length]))
    mq.on('dead-letter', ({ reason }) => seen.push(reason))
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 0,
      listener: () => ConsumeResult.FAILURE,
    })
    await (await mq.createProducer({ group: 'shop' })).send(order)
    await clock.settle()
    expect(seen).toEqual([
      '%RETRY%billing',
      ['billing', 1],
      'orders',
      '%DLQ%billing',
      'The listener returned FAILURE.',
    ])
  })

  test('may meet listeners that throw: nothing breaks, and an error event tells of it', async () => {
    const clock = new ManualClock()
    const error = vi.fn()
    const mq = await openInMemory({ clock, logger: { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error } })
    const told: unknown[] = []
    mq.on('error', (event) => told.push(event))
    mq.on('topic-changed', () => {
      throw new Error('a bug of the application')
    })
    await expect((await mq.createProducer({ group: 'shop' })).send(order)).resolves.toMatchObject({
      status: 'SEND_OK',
    })
    expect(told).toEqual([mqError('SYSTEM_ERROR', 'a bug of the application')])
    expect(error).toHaveBeenCalledTimes(1)
  })

  test('may meet a logger that throws: members join and leave as ever', async () => {
    const fail = (): never => {
      throw new Error('no disk for the log')
    }
    const clock = new ManualClock()
    const mq = await openInMemory({ clock, logger: { debug: fail, info: fail, warn: fail, error: fail } })
    await (await mq.createProducer({ group: 'shop' })).send(order)
    const told: unknown[] = []
    mq.on('error', (event) => told.push(event))
    const memberCounts: number[] = []
    mq.on('group-changed', ({ clientIds }) => memberCounts.push(clientIds.length))
    const consumer = await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      allocateStrategy: { name: 'MINE', allocate: fail },
      listener: () => undefined,
    })
    expect(told).toEqual([mqError('SYSTEM_ERROR', 'no disk for the log')])
    await consumer.close()
    expect(memberCounts).toEqual([1, 0])
  })

  test('may meet an error listener that throws', async () => {
    const mq = await openInMemory()
    const fail = (): never => {
      throw new Error('again')
    }
    mq.on('error', fail)
    mq.on('topic-changed', fail)
    await expect((await mq.createProducer({ group: 'shop' })).send(order)).resolves.toMatchObject({
      status: 'SEND_OK',
    })
  })

  test('tell of a one-way send that failed', async () => {
    const mq = await openInMemory({ autoCreateTopicEnable: false })
    const told = new Signal<unknown>()
    mq.on('error', told.resolve)
    const producer = await mq.createProducer({ group: 'shop' })
    producer.sendOneway(order)
    expect(await told.promise).toEqual(mqError('TOPIC_NOT_EXIST'))
  })
})

describe('Closing an instance', () => {
  test('lets listeners finish, who may still send, and reports', async () => {
    const clock = new ManualClock()
    const mq = await openInMemory({ clock })
    const producer = await mq.createProducer({ group: 'shop' })
    const gate = new Signal()
    const consumer = await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: async () => {
        await gate.promise
        await producer.send({ topic: 'invoices', body: 'for a book' })
      },
    })
    await producer.send(order)
    await clock.settle()
    const closing = mq.close()
    await clock.settle()
    gate.resolve()
    expect(await closing).toEqual({ drained: true, unfinishedCount: 0 })
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 0 })
  })

  test('waits for listeners no longer than closeTimeoutMs, which a consumer may set for itself', async () => {
    const clock = new ManualClock()
    const mq = await openInMemory({ clock, closeTimeoutMs: 2000 })
    for (const [group, closeTimeoutMs] of [
      ['slow', undefined],
      ['slower', 5000],
    ] as const) {
      await mq.createPushConsumer({
        group,
        closeTimeoutMs,
        subscriptions: { orders: '*' },
        listener: () => new Promise(() => undefined),
      })
    }
    await (await mq.createProducer({ group: 'shop' })).send(order)
    await clock.settle()
    const warnings: string[] = []
    mq.on('warning', ({ message }) => warnings.push(message))
    const closing = mq.close()
    await clock.advance(2000)
    expect(warnings).toHaveLength(1)
    await clock.advance(3000)
    expect(await closing).toEqual({ drained: false, unfinishedCount: 2 })
  })

  test('answers the same when it is asked again', async () => {
    const mq = await openInMemory()
    const [first, second] = await Promise.all([mq.close(), mq.close()])
    expect(second).toBe(first)
    expect(mq.state).toBe('closed')
  })

  test('happens at the end of its scope', async () => {
    let kept: PocketMQ
    {
      await using mq = await PocketMQ.open({ storage: 'memory' })
      kept = mq
    }
    expect(kept.state).toBe('closed')
  })

  test('closes what was closed before, and what was not', async () => {
    const mq = await openInMemory()
    const producers = [await mq.createProducer({ group: 'shop' }), await mq.createProducer({ group: 'shop' })]
    await producers[0]?.close()
    await mq.close()
    for (const producer of producers) await expect(producer.send(order)).rejects.toEqual(mqError('CLOSED'))
  })

  test.each<[string, (mq: PocketMQ) => Promise<unknown>]>([
    ['make a producer', (mq) => mq.createProducer({ group: 'shop' })],
    [
      'make a consumer',
      (mq) => mq.createPushConsumer({ group: 'g', subscriptions: { a: '*' }, listener: () => undefined }),
    ],
    ['create a topic', (mq) => mq.admin.createTopic({ topic: 'a' })],
    ['list topics', (mq) => mq.admin.topics()],
    ['look for a message', (mq) => mq.admin.queryMessageById(`01${'0'.repeat(32)}`)],
    ['see the progress of a group', (mq) => mq.admin.consumerProgress('billing')],
    ['flush', (mq) => mq.admin.flush()],
    ['check', (mq) => mq.admin.check()],
  ])('leaves nobody able to %s', async (_, act) => {
    const mq = await openInMemory()
    await mq.close()
    await expect(act(mq)).rejects.toEqual(mqError('CLOSED'))
  })

  test('catches clients that start meanwhile', async () => {
    const mq = await openInMemory()
    const starting = [
      mq.createProducer({ group: 'shop' }),
      mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined }),
    ]
    const refused = starting.map((start) => expect(start).rejects.toEqual(mqError('CLOSED')))
    await mq.close()
    await Promise.all(refused)
  })
})
