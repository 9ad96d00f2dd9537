import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const { FAILURE, SUCCESS } = ConsumeResult
const MINUTE = 60_000
const ACCELERATED = { mode: 'orderly', enableFifoConsumeAccelerator: true } as const

/** The message groups of these messages are their letters; one that begins with a dash has none. */
const groupOf = (name: string): string | undefined => (name.startsWith('-') ? undefined : name[0])

/** Sends messages such as `a1 b1 a2`, in this order. */
async function send(host: ClientHost, names: string): Promise<void> {
  const producer = await host.producer()
  for (const body of names.split(' '))
    await producer.send({ topic: 'orders', body, messageGroup: groupOf(body) })
  await producer.close()
}

/** A member whose listener waits for a signal of each message, and notes what it was called for and what has settled. */
class Desk {
  readonly started: string[] = []
  readonly done: string[] = []
  readonly #gates = new Map<string, Signal<ConsumeResult>>()

  readonly listener = async (message: MessageView): Promise<ConsumeResult> => {
    const name = message.text()
    this.started.push(message.deliveryAttempt === 1 ? name : `${name} again`)
    const answer = await this.#gate(name).promise
    this.#gates.delete(name)
    if (answer === SUCCESS) this.done.push(name)
    return answer
  }

  settle(name: string, answer: ConsumeResult = SUCCESS): void {
    this.#gate(name).resolve(answer)
  }

  join(host: ClientHost, options: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
    return host.consumer({ ...ACCELERATED, ...(options as object), listener: this.listener })
  }

  #gate(name: string): Signal<ConsumeResult> {
    const gate = this.#gates.get(name) ?? new Signal<ConsumeResult>()
    this.#gates.set(name, gate)
    return gate
  }
}

/** A listener that fails for a message as often as this says, and notes each call with its attempt. */
function failing(failures: Record<string, number>, seen: string[] = []) {
  const left = { ...failures }
  return (message: MessageView) => {
    const name = message.text()
    seen.push(`${name}:${message.deliveryAttempt}`)
    if ((left[name] ?? 0) === 0) return SUCCESS
    left[name] = (left[name] ?? 0) - 1
    return FAILURE
  }
}

const attempts = (host: ClientHost, queueId = 0) =>
  host.broker.queryAttempts('billing', host.queue('orders', queueId))

describe('An accelerated orderly consumer', () => {
  test('works on the message groups of a queue at the same time, and on each in its order', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host)
    await send(host, 'a1 b1 a2 b2 c1 a3')
    await host.clock.settle()
    expect(desk.started).toEqual(['a1', 'b1', 'c1'])
    expect(consumer.stats).toMatchObject({ runningCount: 3, unfinishedCount: 6 })
    desk.settle('b1')
    await host.clock.settle()
    expect(desk.started).toEqual(['a1', 'b1', 'c1', 'b2'])
    for (const name of ['a1', 'a2', 'a3', 'b2', 'c1']) desk.settle(name)
    await host.clock.settle()
    expect(desk.started.filter((name) => name.startsWith('a'))).toEqual(['a1', 'a2', 'a3'])
    expect(await host.offset()).toBe(6)
  })

  test('counts messages without a group as one group', async () => {
    const host = await openShop()
    const desk = new Desk()
    await desk.join(host)
    await send(host, '-1 -2 a1 -3')
    await host.clock.settle()
    expect(desk.started).toEqual(['-1', 'a1'])
    desk.settle('-1')
    await host.clock.settle()
    expect(desk.started).toEqual(['-1', 'a1', '-2'])
  })

  test('works on as many groups at a time as its concurrency says, in turns, over all queues', async () => {
    const host = await openShop(4)
    const desk = new Desk()
    await desk.join(host, { concurrency: 2 })
    await send(host, 'a1 a2 b1 b2 c1 d1')
    await host.clock.settle()
    expect(desk.started).toHaveLength(2)
    for (let i = 0; i < 6; i++) {
      desk.settle(desk.started.find((name) => !desk.done.includes(name))!)
      await host.clock.settle()
      expect(desk.started.length - desk.done.length).toBeLessThanOrEqual(2)
    }
    expect(desk.done.toSorted()).toEqual(['a1', 'a2', 'b1', 'b2', 'c1', 'd1'])
  })

  test('commits no further than the first message that is not done', async () => {
    const host = await openShop()
    const desk = new Desk()
    await desk.join(host)
    await send(host, 'a1 b1 b2 c1 a2')
    for (const name of ['b1', 'b2', 'c1']) desk.settle(name)
    await host.clock.settle()
    expect(desk.done).toEqual(['b1', 'c1', 'b2'])
    expect(await host.offset()).toBe(0)
    desk.settle('a1')
    await host.clock.settle()
    expect(await host.offset()).toBe(4)
  })

  test('lets a failed message hold back its own group only, and delivers it again after a second each time', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ ...ACCELERATED, listener: failing({ a1: 2 }, seen) })
    await send(host, 'a1 b1 a2 b2 -1')
    await host.clock.settle()
    expect(seen).toEqual(['a1:1', 'b1:1', 'b2:1', '-1:1'])
    expect(await host.offset()).toBe(0)
    await host.clock.advance(999)
    expect(seen).toHaveLength(4)
    await host.clock.advance(1)
    expect(seen.slice(4)).toEqual(['a1:2'])
    await host.clock.advance(1000)
    expect(seen.slice(5)).toEqual(['a1:3', 'a2:1'])
    expect(await host.offset()).toBe(5)
  })

  test('remembers how often the messages of several groups failed, until the offset has passed them', async () => {
    const host = await openShop()
    await host.consumer({ ...ACCELERATED, listener: failing({ a1: 3, b2: 2, c1: 1 }) })
    await send(host, 'a1 b1 b2 c1')
    await host.clock.settle()
    expect(await attempts(host)).toEqual([
      { queueOffset: 0, reconsumeTimes: 1 },
      { queueOffset: 2, reconsumeTimes: 1 },
      { queueOffset: 3, reconsumeTimes: 1 },
    ])
    await host.clock.advance(1000)
    expect((await attempts(host)).map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([2, 2, 1])
    await host.clock.advance(2000)
    expect(await attempts(host)).toEqual([])
    expect(await host.offset()).toBe(4)
  })

  test('makes dead letters of what has had all its attempts, each group for itself', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({
      ...ACCELERATED,
      maxReconsumeTimes: 1,
      listener: failing({ a1: 9, b1: 1, c1: 9 }, seen),
    })
    await send(host, 'a1 b1 c1 a2 b2 c2')
    await host.clock.advance(1000)
    expect(seen.toSorted()).toEqual(['a1:1', 'a1:2', 'a2:1', 'b1:1', 'b1:2', 'b2:1', 'c1:1', 'c1:2', 'c2:1'])
    expect(host.events('dead-letter').map(({ reconsumeTimes }) => reconsumeTimes)).toEqual([2, 2])
    expect(await host.offset()).toBe(6)
  })

  test('tries for ever unless it is told not to, while other groups go on', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ ...ACCELERATED, listener: failing({ a1: Number.POSITIVE_INFINITY }, seen) })
    await send(host, 'a1 a2')
    await host.clock.advance(10_000)
    await send(host, 'b1')
    await host.clock.settle()
    expect(seen).toEqual([...Array.from({ length: 11 }, (_, i) => `a1:${i + 1}`), 'b1:1'])
  })

  test('fetches no further than consumeConcurrentlyMaxSpan from the first message that is not done', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host, { consumeConcurrentlyMaxSpan: 4, pullBatchSize: 1 })
    for (const name of ['b1', 'b2', 'b3', 'b4', 'b5']) desk.settle(name)
    await send(host, 'a1 b1 b2 b3 b4 b5')
    await host.clock.settle()
    expect(desk.done).toEqual(['b1', 'b2', 'b3'])
    expect(consumer.inspectQueue(host.queue()).queue).toMatchObject({ span: 4, committableOffset: 0 })
    desk.settle('a1')
    await host.clock.settle()
    expect(desk.done).toEqual(['b1', 'b2', 'b3', 'a1', 'b4', 'b5'])
  })

  test('starts nothing while it is paused, also when the rests of groups are over', async () => {
    const host = await openShop()
    const seen: string[] = []
    const consumer = await host.consumer({ ...ACCELERATED, listener: failing({ a1: 1, b1: 1 }, seen) })
    await send(host, 'a1 b1 a2')
    await host.clock.settle()
    consumer.pause()
    await host.clock.advance(5000)
    await send(host, 'c1')
    await host.clock.settle()
    expect(seen).toEqual(['a1:1', 'b1:1'])
    consumer.resume()
    await host.clock.settle()
    expect(seen.slice(2).toSorted()).toEqual(['a1:2', 'a2:1', 'b1:2', 'c1:1'])
    expect(await host.offset()).toBe(4)
  })

  test('lets a listener that does not settle keep its group, but not its place, and says which group waits', async () => {
    const host = await openShop()
    const desk = new Desk()
    await desk.join(host, { concurrency: 1, consumeTimeoutMs: MINUTE })
    await send(host, 'a1 a2 b1')
    await host.clock.advance(MINUTE - 1)
    expect(desk.started).toEqual(['a1'])
    await host.clock.advance(1)
    expect(desk.started).toEqual(['a1', 'b1'])
    expect(host.events('warning')).toEqual([
      expect.objectContaining({
        code: 'LISTENER_TIMEOUT',
        message: expect.stringContaining("Message group 'a' in queue 0 of 'orders' waits for it"),
      }),
    ])
    desk.settle('b1')
    desk.settle('a1')
    await host.clock.settle()
    expect(desk.started).toEqual(['a1', 'b1', 'a2'])
    expect(desk.done).toEqual(['a1', 'b1'].toSorted().toReversed())
  })

  test('calls a batch listener for messages of one group', async () => {
    const host = await openShop()
    const seen: string[] = []
    await send(host, 'a1 b1 a2 a3 b2 -1')
    await host.consumer({
      ...ACCELERATED,
      consumeMessageBatchMaxSize: 2,
      listener: (messages, context) => {
        seen.push(messages.map((message) => `${message.text()}:${message.deliveryAttempt}`).join(' '))
        if (seen.length === 1) context.ackIndex = 0
      },
    })
    await host.clock.settle()
    expect(seen).toEqual(['a1:1 a2:1', 'b1:1 b2:1', '-1:1'])
    expect(await host.offset()).toBe(2)
    await host.clock.advance(1000)
    expect(seen.slice(3)).toEqual(['a2:2 a3:1'])
    expect(await host.offset()).toBe(6)
  })

  test('keeps within its rate limit', async () => {
    const host = await openShop()
    const seen: string[] = []
    await send(host, 'a1 b1 c1 a2')
    await host.consumer({
      ...ACCELERATED,
      rateLimit: { messages: 2, perMs: 1000 },
      listener: (message) => void seen.push(message.text()),
    })
    await host.clock.settle()
    expect(seen).toEqual(['a1', 'b1'])
    await host.clock.advance(1000)
    expect(seen).toEqual(['a1', 'b1', 'c1', 'a2'])
  })

  test('keeps what failed in its place when neither attempts nor dead letters can be stored', async () => {
    const host = await openShop()
    const seen: string[] = []
    host.replace({
      updateAttempts: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')),
      sendMessageBack: () => Promise.reject(new MQError('DISK_FULL', 'no disk')),
    })
    await host.consumer({ ...ACCELERATED, maxReconsumeTimes: 1, listener: failing({ a1: 3 }, seen) })
    await send(host, 'a1 a2 b1')
    await host.clock.advance(3000)
    expect(seen).toEqual(['a1:1', 'b1:1', 'a1:2', 'a1:3', 'a1:4', 'a2:1'])
    expect(host.events('error').map(({ code }) => code)).toEqual([
      'WRITE_FAILED',
      'DISK_FULL',
      'WRITE_FAILED',
      'DISK_FULL',
      'WRITE_FAILED',
    ])
  })

  test('is for orderly mode only', async () => {
    const host = await openShop()
    const options = { enableFifoConsumeAccelerator: true, listener: () => undefined }
    const refused = mqError('INVALID_PARAMETER', "enableFifoConsumeAccelerator needs mode 'orderly'")
    await expect(host.consumer(options)).rejects.toEqual(refused)
    await expect(host.consumer({ ...options, mode: 'concurrent' })).rejects.toEqual(refused)
    await expect(host.consumer({ ...options, messageModel: 'broadcasting' })).rejects.toEqual(refused)
    const wrong = {
      ...ACCELERATED,
      enableFifoConsumeAccelerator: 'yes' as unknown as true,
      listener: () => undefined,
    }
    await expect(host.consumer(wrong)).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'enableFifoConsumeAccelerator'),
    )
  })

  test('works alike for broadcasting members, each for itself', async () => {
    const host = await openShop()
    const seen: string[] = []
    const options = { ...ACCELERATED, messageModel: 'broadcasting', maxReconsumeTimes: 1 } as const
    await host.consumer({ ...options, clientId: 'ann', listener: failing({ a1: 9 }, seen) })
    await host.consumer({ ...options, clientId: 'bob', listener: failing({}) })
    await send(host, 'a1 b1 a2')
    await host.clock.advance(1000)
    expect(seen).toEqual(['a1:1', 'b1:1', 'a1:2', 'a2:1'])
    expect(host.events('message-dropped')).toEqual([
      expect.objectContaining({ clientId: 'ann', reconsumeTimes: 2 }),
    ])
  })
})

describe('A queue of an accelerated group', () => {
  test('changes hands when all that runs has settled, and the new owner goes on in the order of each group', async () => {
    const host = await openShop(2)
    const old = new Desk()
    await old.join(host, { clientId: 'a' })
    // Both groups choose queue 1 of two, which falls to the second member.
    await send(host, 'b1 b2 c1 c2 b3')
    await host.clock.settle()
    expect(old.started).toEqual(['b1', 'c1'])
    const young = new Desk()
    await young.join(host, { clientId: 'b' })
    old.settle('c1')
    await host.clock.advance(MINUTE)
    expect([old.started, young.started]).toEqual([['b1', 'c1'], []])
    old.settle('b1')
    await host.clock.settle()
    // What was done behind the offset is known to be done: a hand-over repeats nothing.
    expect(young.started).toEqual(['b2', 'c2'])
    for (const name of ['b2', 'b3', 'c2']) young.settle(name)
    await host.clock.settle()
    expect(young.done).toEqual(['b2', 'c2', 'b3'])
    expect(await host.offset(1)).toBe(5)
  })

  test('goes at once while its groups rest, with the attempts of each', async () => {
    const host = await openShop(2)
    const seen: string[] = []
    const sent = 'a1 c1 a2 c2'
    await host.consumer({ ...ACCELERATED, clientId: 'x', listener: failing({ a1: 9, c1: 9 }, seen) })
    await send(host, sent)
    await host.clock.advance(1000)
    expect(seen.toSorted()).toEqual(['a1:1', 'a1:2', 'c1:1', 'c1:2'])
    const young: string[] = []
    const x = await host.consumer({ ...ACCELERATED, clientId: 'a', listener: failing({}, young) })
    const y = await host.consumer({ ...ACCELERATED, clientId: 'b', listener: failing({}, young) })
    await host.clock.settle()
    expect(
      [x, y].flatMap(({ stats }) => stats.queues.filter(({ topic }) => topic === 'orders')),
    ).toHaveLength(2)
    expect(young.toSorted()).toEqual(['a1:3', 'a2:1', 'c1:3', 'c2:1'])
    await host.clock.advance(MINUTE)
    expect(seen).toHaveLength(4)
  })

  test('goes on where its offset is set at once, but in a group only when its listener has settled', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host)
    await send(host, 'a1 b1 a2 b2 a3')
    desk.settle('b1', FAILURE)
    await host.clock.settle()
    expect(desk.started).toEqual(['a1', 'b1'])
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await host.clock.settle()
    // Group b had begun to rest, for a message that is gone now; group a is busy with one that is gone.
    expect(desk.started).toEqual(['a1', 'b1', 'b2'])
    expect(await attempts(host)).toEqual([])
    desk.settle('a1', FAILURE)
    await host.clock.settle()
    expect(desk.started).toEqual(['a1', 'b1', 'b2', 'a2'])
    expect(host.events('retry')).toHaveLength(1)
    for (const name of ['b2', 'a2', 'a3']) desk.settle(name)
    await host.clock.settle()
    expect(desk.done).toEqual(['b2', 'a2', 'a3'])
    expect(await host.offset()).toBe(5)
    expect(consumer.stats).toMatchObject({ runningCount: 0, unfinishedCount: 0 })
  })

  test('delivers once more what was done behind the offset when it is set back, group by group in order', async () => {
    const host = await openShop()
    const seen: string[] = []
    await host.consumer({ ...ACCELERATED, listener: failing({}, seen) })
    await send(host, 'a1 b1 a2')
    await host.clock.settle()
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 0]]))
    await host.clock.settle()
    expect(seen).toEqual(['a1:1', 'b1:1', 'a2:1', 'a1:1', 'b1:1', 'a2:1'])
  })

  test('is given back at close although groups rest, with everything before them committed', async () => {
    const host = await openShop()
    const consumer = await host.consumer({ ...ACCELERATED, listener: failing({ a2: 9 }) })
    await send(host, 'a1 b1 a2 b2')
    await host.clock.settle()
    expect(await consumer.close()).toEqual({ drained: true, unfinishedCount: 0 })
    expect(await host.offset()).toBe(2)
    await host.clock.advance(MINUTE)
    expect(await attempts(host)).toEqual([
      { queueOffset: 2, reconsumeTimes: 1 },
      { queueOffset: 3, reconsumeTimes: 0 },
    ])
    const seen: string[] = []
    await host.consumer({ ...ACCELERATED, listener: failing({}, seen) })
    await host.clock.settle()
    expect(seen).toEqual(['a2:2'])
    expect(await host.offset()).toBe(4)
    expect(await attempts(host)).toEqual([])
  })

  test('is read to its end by the next owner although everything left of it is done', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host, { closeTimeoutMs: 500 })
    await send(host, 'a1 b1')
    desk.settle('b1')
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.advance(500)
    await closing
    const seen: string[] = []
    await host.consumer({
      ...ACCELERATED,
      pullBatchSize: 1,
      pullIntervalMs: 100,
      listener: failing({}, seen),
    })
    await host.clock.settle()
    expect([seen, await host.offset()]).toEqual([['a1:1'], 1])
    await host.clock.advance(100)
    expect(seen).toEqual(['a1:1'])
    expect(await host.offset()).toBe(2)
    await send(host, 'b2')
    await host.clock.advance(100)
    expect(seen).toEqual(['a1:1', 'b2:1'])
  })

  test('repeats what was done when that could not be stored', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host, { closeTimeoutMs: 500 })
    await send(host, 'a1 b1')
    desk.settle('b1')
    await host.clock.settle()
    host.replace({ updateAttempts: () => Promise.reject(new MQError('WRITE_FAILED', 'no room')) })
    const closing = consumer.close()
    await host.clock.advance(500)
    await closing
    expect(host.events('error')).toEqual([mqError('WRITE_FAILED')])
    host.restore('updateAttempts')
    const seen: string[] = []
    await host.consumer({ ...ACCELERATED, listener: failing({}, seen) })
    await host.clock.settle()
    expect(seen).toEqual(['a1:1', 'b1:1'])
  })

  test('is known to the next owner, however long it takes to store it', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host, { closeTimeoutMs: 500 })
    await send(host, 'a1 b1 c1')
    desk.settle('b1')
    desk.settle('c1')
    await host.clock.settle()
    const gate = new Signal()
    const { broker } = host
    host.replace({
      updateAttempts: async (group, queue, attempts) => {
        await gate.promise
        await broker.updateAttempts(group, queue, attempts)
      },
    })
    const closing = consumer.close()
    const seen: string[] = []
    await host.consumer({ ...ACCELERATED, listener: failing({}, seen) })
    await host.clock.advance(500)
    expect(seen).toEqual([])
    gate.resolve()
    await closing
    await host.clock.settle()
    expect(seen).toEqual(['a1:1'])
    expect(host.events('error')).toEqual([])
  })

  test('is delivered whole after a reset, also when that comes while it is stored what was done', async () => {
    for (const isResetFirst of [true, false]) {
      const host = await openShop()
      const desk = new Desk()
      const consumer = await desk.join(host, { closeTimeoutMs: 500 })
      await send(host, 'a1 b1')
      desk.settle('b1')
      await host.clock.settle()
      const reset = () => host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 0]]))
      const mark = () =>
        host.broker.updateAttempts('billing', host.queue(), [{ queueOffset: 1, reconsumeTimes: 0 }])
      await Promise.all(isResetFirst ? [reset(), mark()] : [mark(), reset()])
      expect(await attempts(host)).toEqual([])
      const closing = consumer.close()
      await host.clock.advance(500)
      await closing
      const seen: string[] = []
      await host.consumer({ ...ACCELERATED, listener: failing({}, seen) })
      await host.clock.settle()
      expect(seen).toEqual(['a1:1', 'b1:1'])
    }
  })

  test('tells at close how many listeners had not settled', async () => {
    const host = await openShop()
    const desk = new Desk()
    const consumer = await desk.join(host, { closeTimeoutMs: 500 })
    await send(host, 'a1 b1 a2')
    await host.clock.settle()
    const closing = consumer.close()
    await host.clock.advance(500)
    expect(await closing).toEqual({ drained: false, unfinishedCount: 2 })
    desk.settle('a1')
    await host.clock.advance(MINUTE)
    expect(desk.started).toEqual(['a1', 'b1'])
  })

  test('keeps the attempts of each group over a crash, and repeats only what lies behind the first unfinished one', async () => {
    const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const seen: string[] = []
    const join = (on: typeof mq, failures: Record<string, number>) =>
      on.createPushConsumer({
        ...ACCELERATED,
        group: 'billing',
        subscriptions: { orders: '*' },
        listener: failing(failures, seen),
      })
    await join(mq, { a2: 9, b1: 9 })
    const producer = await mq.createProducer({ group: 'shop' })
    for (const body of ['a1', 'a2', 'b1', 'c1', 'c2']) {
      await producer.send({ topic: 'orders', body, messageGroup: groupOf(body) })
    }
    await mq.clock.advance(1500)
    expect(seen.toSorted()).toEqual(['a1:1', 'a2:1', 'a2:2', 'b1:1', 'b1:2', 'c1:1', 'c2:1'])
    seen.length = 0
    await using reopened = await mq.crash()
    await join(reopened, {})
    await reopened.settled()
    expect(seen).toEqual(['a2:3', 'b1:3', 'c1:1', 'c2:1'])
  })
})

describe('Whoever asks about an accelerated consumer', () => {
  test('hears which message of the group goes first, and when a group goes on', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const gate = new Signal()
    await mq.createPushConsumer({
      ...ACCELERATED,
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: async (message) => {
        if (message.text() === 'a1') await gate.promise
        if (message.text() === 'b1') return FAILURE
        return SUCCESS
      },
    })
    const producer = await mq.createProducer({ group: 'shop' })
    const ids = new Map<string, string>()
    for (const body of ['a1', 'b1', 'c1', 'a2', 'b2', 'c2']) {
      const { messageId } = await producer.send({ topic: 'orders', body, messageGroup: groupOf(body) })
      ids.set(body, messageId)
    }
    const explain = async (name: string) => mq.explain(ids.get(name)!, 'billing')
    expect(String(await explain('a1'))).toContain('In the listener of')
    expect(String(await explain('a2'))).toContain(
      'It waits for offset 0 of its queue, which is in the listener.',
    )
    expect(String(await explain('b2'))).toContain(
      'It waits for offset 1 of its queue, which is not finished.',
    )
    expect((await explain('b1')).opensTimestamp).toBe(mq.clock.now() + 1000)
    expect(String(await explain('b1'))).toContain('its message group rests')
    expect(String(await explain('a1'))).toContain('its message group waits for it')
    expect((await explain('c2')).verdict).toBe('consumed')
    gate.resolve()
    await mq.clock.advance(1)
    expect((await explain('a2')).verdict).toBe('consumed')
  })
})
