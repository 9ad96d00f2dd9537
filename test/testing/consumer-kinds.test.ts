/** What a test instance says and does for every kind of consumer, not only for members that share queues in any order. */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { Message } from '../../src/model/message.ts'
import { sql } from '../../src/model/sql/sql-filter.ts'
import type { Explanation } from '../../src/testing/explain/explanation.ts'
import { createTestMQ, expectMQ, mqMatchers, type TestMQ } from '../../src/testing/index.ts'
import type { TestMQOptions } from '../../src/testing/test-options.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

async function open(options: TestMQOptions = {}): Promise<TestMQ> {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }], ...options })
  onTestFinished(async () => void (await mq.close()))
  return mq
}

/** Sends orders, and answers their ids. */
async function send(mq: TestMQ, ...messages: Partial<Message>[]): Promise<string[]> {
  const producer = await mq.createProducer({ group: 'shop' })
  const ids: string[] = []
  for (const message of messages)
    ids.push((await producer.send({ topic: 'orders', body: 'hello', ...message })).messageId)
  await producer.close()
  return ids
}

function join(mq: TestMQ, options: Partial<PushConsumerOptions> = {}): Promise<PushConsumer> {
  return mq.createPushConsumer({
    group: 'billing',
    clientId: 'a',
    subscriptions: { orders: '*' },
    listener: () => undefined,
    ...options,
  } as PushConsumerOptions)
}

/** Fails the first `times` times. */
function failing(times = Number.POSITIVE_INFINITY) {
  let count = 0
  return () => {
    if (++count <= times) throw new Error('no ink')
  }
}

function inShort({ verdict, gate, opensTimestamp }: Explanation) {
  return [verdict, gate?.name, opensTimestamp]
}

describe('Of a member that consumes in order', () => {
  test('explain tells when the queue that rests goes on, and what waits behind', async () => {
    const mq = await open()
    await join(mq, { mode: 'orderly', listener: failing(1) })
    const [first = '', second = ''] = await send(mq, {}, {})
    const due = mq.clock.now() + 1000

    const held = await mq.explain(first, 'billing')
    expect(inShort(held)).toEqual(['waiting', 'listener', due])
    expect(held.text()).toContain('its queue rests')
    expect(held.copies[0]?.gates.find(({ name }) => name === 'retry')?.reason).toContain('is retry 1')
    const behind = await mq.explain(second, 'billing')
    expect(inShort(behind)).toEqual(['waiting', 'listener', undefined])
    expect(behind.text()).toContain('It waits for offset 0 of its queue')

    await mq.clock.advanceTo(due - 1)
    expect(mq.ledger.of('delivered')).toHaveLength(1)
    await mq.clock.advanceTo(due)
    const done = await mq.explain(first, 'billing')
    expect(done.verdict).toBe('consumed')
    expect(done.text()).toContain('attempt 2')
  })

  test('settled goes through the rests within its horizon, and no further', async () => {
    const mq = await open()
    await join(mq, { mode: 'orderly', listener: failing(3) })
    const [id = ''] = await send(mq, {})
    await mq.settled()
    expect([mq.ledger.of('delivered').length, mq.clock.now()]).toEqual([1, Date.UTC(2027, 0, 1)])
    await mq.settled({ horizon: '1s' })
    expect(mq.ledger.of('delivered')).toHaveLength(2)
    await mq.settled({ horizon: '1m' })
    expectMQ(mq).message(id).deliveredTo('billing', { times: 4 }).consumedBy('billing', { times: 1 })
  })

  test('explain finds the dead letter, which counts all the failures', async () => {
    const mq = await open()
    await join(mq, { mode: 'orderly', maxReconsumeTimes: 2, listener: failing() })
    const [id = ''] = await send(mq, {})
    await mq.settled({ horizon: '1m' })
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('dead-letter')
    expect(explanation.copies.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['original', 'dead-letter'],
      ['dead-letter', 'dead-letter'],
    ])
    expect(explanation.text()).toContain('Attempt 3 failed: Error: no ink')
  })

  test('an answer after the timeout counts, for explain, settled and the ledger', async () => {
    const mq = await open({ patienceMs: 5 })
    const done = new Signal()
    await join(mq, { mode: 'orderly', consumeTimeoutMs: 1000, listener: () => done.promise as Promise<void> })
    const [id = ''] = await send(mq, {})
    await mq.clock.advance('5s')
    const explanation = await mq.explain(id, 'billing')
    expect(inShort(explanation)).toEqual(['delivering', 'listener', undefined])
    expect(explanation.text()).toContain('its queue waits for it')
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', 'in the listener'))
    done.resolve()
    await mq.settled()
    expectMQ(mq).message(id).consumedBy('billing', { times: 1 })
    expect(mq.ledger.of('failed')).toEqual([])
  })
})

describe('settled, where only time brings what is next,', () => {
  const RETRYING = { messageModel: 'broadcasting', broadcastFailure: 'retry' } as const
  const LIMITED = { rateLimit: { messages: 1, perMs: 5000 } } as const

  test.each<[string, Partial<PushConsumerOptions>, number]>([
    ['a queue that rests', { mode: 'orderly', suspendCurrentQueueTimeMs: 5000 }, 1],
    [
      'a message group that rests',
      { mode: 'orderly', enableFifoConsumeAccelerator: true, suspendCurrentQueueTimeMs: 5000 },
      1,
    ],
    ['messages that a broadcasting member keeps', { ...RETRYING, concurrency: 1 }, 3],
    ['no room behind such messages', { ...RETRYING, pullThresholdForQueue: 2, pullBatchSize: 1 }, 2],
    ['a rate limit', { ...LIMITED, mode: 'orderly' }, 1],
    ['a rate limit and no room', { ...LIMITED, pullThresholdForQueue: 1, pullBatchSize: 1 }, 1],
    ['a pull that failed', {}, 1],
  ])(
    'waits for none of it beyond its horizon, and for all of it within: %s',
    async (what, options, count) => {
      const mq = await open()
      await join(mq, { ...options, listener: failing(what.includes('rate limit') ? 0 : 3) })
      if (what === 'a pull that failed') mq.faults.fail('pullMessage', { times: 2 })
      await send(mq, {}, {}, {})
      await mq.settled()
      expect([mq.ledger.of('delivered').length, mq.clock.now()]).toEqual([count, Date.UTC(2027, 0, 1)])
      await mq.settled({ horizon: '1h' })
      const { queues } = await mq.admin.consumerProgress('billing')
      expect(queues.filter(({ lag }) => lag > 0)).toEqual([])
    },
  )

  test('waits for what can happen now beside what rests', async () => {
    const mq = await open({ topics: [{ topic: 'orders', queues: 2 }] })
    const consumer = await join(mq, { mode: 'orderly', listener: failing(1) })
    await send(mq, {}, {})
    await mq.settled()
    expect(mq.ledger.of('acknowledged')).toHaveLength(1)
    consumer.pause()
    await send(mq, {})
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', "'a' is paused"))
  })
})

describe('A nasty schedule', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'keeps the order of queues that are consumed in order, seed %i',
    async (seed) => {
      const mq = await open({ schedule: 'nasty', seed, topics: [{ topic: 'orders', queues: 2 }] })
      const options = { mode: 'orderly', listener: failing(3) } as const
      await join(mq, options)
      await join(mq, { ...options, clientId: 'b' })
      const ids = await send(mq, ...Array.from({ length: 20 }, (_, i) => ({ body: String(i) })))
      await mq.settled({ horizon: '1h' })
      for (const queueId of [0, 1]) {
        const offsets = mq.ledger
          .of('delivered')
          .filter(({ queue }) => queue.queueId === queueId)
          .map(({ queueOffset }) => queueOffset)
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
      }
      for (const id of ids) expectMQ(mq).message(id).consumedBy('billing')
    },
  )

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'keeps the order of message groups that are consumed at the same time, seed %i',
    async (seed) => {
      const mq = await open({ schedule: 'nasty', seed, topics: [{ topic: 'orders', queues: 2 }] })
      const options = { mode: 'orderly', enableFifoConsumeAccelerator: true, listener: failing(3) } as const
      await join(mq, options)
      await join(mq, { ...options, clientId: 'b' })
      const groups = ['ann', 'bob', 'cyd', 'dan']
      const ids = await send(mq, ...Array.from({ length: 24 }, (_, i) => ({ messageGroup: groups[i % 4] })))
      await mq.settled({ horizon: '1h' })
      for (const group of groups) {
        const offsets = mq.ledger
          .of('delivered')
          .filter(({ messageId }) => mq.ledger.contentOf(messageId)?.messageGroup === group)
          .map(({ queueOffset }) => queueOffset)
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
      }
      for (const id of ids) expectMQ(mq).message(id).consumedBy('billing')
    },
  )

  test.each([1, 2, 3, 4])('loses nothing of what is polled and received, seed %i', async (seed) => {
    const mq = await open({ schedule: 'nasty', seed })
    const subscriptions = { orders: '*' }
    const polling = await mq.createLitePullConsumer({ group: 'billing', subscriptions })
    const receiving = await mq.createSimpleConsumer({ group: 'print', subscriptions })
    const ids = await send(mq, ...Array.from({ length: 20 }, (_, i) => ({ body: String(i) })))
    const [polled, received] = [new Set<string>(), new Set<string>()]
    while (polled.size < ids.length) {
      for (const { messageId } of await mq.clock.runUntil(polling.poll())) polled.add(messageId)
    }
    await polling.commit()
    while (received.size < ids.length) {
      const messages = await mq.clock.runUntil(receiving.receive({ maxMessages: 3 }))
      for (const { messageId } of messages) received.add(messageId)
      await receiving.ack(messages)
    }
    await mq.settled({ horizon: '1h' })
    expect((await mq.admin.consumerProgress('print')).invisibleCount).toBe(0)
    expect([...polled].toSorted()).toEqual(ids.toSorted())
    expect([...received].toSorted()).toEqual(ids.toSorted())
  })
})

describe('Of broadcasting members', () => {
  const broadcasting = { messageModel: 'broadcasting' } as const

  test('explain tells the way to each of them', async () => {
    const mq = await open()
    await join(mq, broadcasting)
    const paused = await join(mq, { ...broadcasting, clientId: 'b' })
    paused.pause()
    const [id = ''] = await send(mq, {})
    await mq.clock.rest()
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.copies.map(({ clientId, verdict }) => [clientId, verdict])).toEqual([
      ['a', 'consumed'],
      ['b', 'blocked'],
    ])
    expect(inShort(explanation)).toEqual(['blocked', 'pause', undefined])
    expect(explanation.text()).toContain("offset 0 for 'b': blocked")
    paused.resume()
    expect((await mq.explain(id, 'billing')).verdict).toBe('consumed')
  })

  test('explain tells of each that is away and comes back, until it is forgotten', async () => {
    const mq = await open()
    await join(mq, broadcasting)
    const away = await join(mq, { ...broadcasting, clientId: 'b' })
    const nameless = await join(mq, { ...broadcasting, clientId: undefined })
    const [seen = ''] = await send(mq, {})
    await mq.settled()
    await away.close()
    await nameless.close()
    const [unseen = ''] = await send(mq, {})
    await mq.settled()

    expect((await mq.explain(seen, 'billing')).verdict).toBe('consumed')
    const explanation = await mq.explain(unseen, 'billing')
    expect(inShort(explanation)).toEqual(['blocked', 'subscription', undefined])
    expect(explanation.text()).toContain("'b' is away")
    expect(explanation.copies.map(({ clientId, verdict }) => [clientId, verdict])).toEqual([
      ['a', 'consumed'],
      ['b', 'blocked'],
    ])
    const back = await join(mq, { ...broadcasting, clientId: 'b' })
    expect((await mq.explain(unseen, 'billing')).verdict).toBe('consumed')
    await back.close()
    const [last = ''] = await send(mq, {})
    expect((await mq.explain(last, 'billing')).verdict).toBe('blocked')
    await mq.admin.forgetConsumer('billing', 'b')
    expect((await mq.explain(last, 'billing')).verdict).toBe('consumed')
  })

  test('assertions may name one of them', async () => {
    const mq = await open()
    await join(mq, broadcasting)
    await join(mq, { ...broadcasting, clientId: 'b', listener: failing() })
    const [id = ''] = await send(mq, {})
    await mq.settled()
    const message = expectMQ(mq).message(id)
    message
      .consumedBy('billing', { clientId: 'a', times: 1 })
      .deliveredTo('billing', { clientId: 'b', times: 1 })
    message.not.consumedBy('billing', { clientId: 'b' }).consumedBy('billing', { times: 1 })
    expect(() => message.consumedBy('billing', { clientId: 'b' })).toThrow(
      `Expected 'billing' to have consumed the message ${id} as 'b'; it never did.`,
    )
    expect(() => message.consumedBy('billing', { clientId: '' })).toThrow('clientId')
    expect(() => message.retried('billing', { clientId: 'b' } as object)).toThrow('clientId')
    expect(mqMatchers.toHaveConsumed.call({}, mq, 'billing', { clientId: 'a' }).pass).toBe(true)
    expect(mqMatchers.toHaveDelivered.call({}, mq, 'billing', { clientId: 'c' }).pass).toBe(false)
  })

  test('settled waits for each that is there, and for none that is away', async () => {
    const mq = await open()
    const away = await join(mq, { ...broadcasting, clientId: 'b' })
    await away.close()
    const paused = await join(mq, broadcasting)
    paused.pause()
    await send(mq, {})
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', "'a' is paused"))
    paused.resume()
    await mq.settled()
    expect(mq.ledger.of('acknowledged')).toMatchObject([{ clientId: 'a' }])
  })

  test('settled does not wait for what the group had left when its members still shared the queues', async () => {
    const mq = await open()
    const sharing = await join(mq)
    await send(mq, {})
    await mq.settled()
    await sharing.close()
    await send(mq, {})
    await join(mq, { ...broadcasting, consumeFromWhere: 'LAST_OFFSET' })
    await mq.settled()
    expect((await mq.admin.consumerProgress('billing')).lag).toBe(1)
  })

  test('explain tells what was dropped, and why', async () => {
    const mq = await open()
    await join(mq, { ...broadcasting, listener: failing() })
    const [id = ''] = await send(mq, {})
    await mq.settled()
    const explanation = await mq.explain(id, 'billing')
    expect(inShort(explanation)).toEqual(['dropped', 'dead-letter', undefined])
    expect(explanation.text()).toContain('Error: no ink')
    expect(mq.ledger.of('dropped')).toHaveLength(1)
  })

  test('explain tells when one that keeps its failures tries again', async () => {
    const mq = await open()
    await join(mq, { ...broadcasting, broadcastFailure: 'retry', listener: failing(1) })
    const [id = ''] = await send(mq, {})
    const due = mq.clock.now() + 5000
    expect(inShort(await mq.explain(id, 'billing'))).toEqual(['waiting', 'listener', due])
    await mq.clock.advanceTo(due)
    expect((await mq.explain(id, 'billing')).verdict).toBe('consumed')
    expectMQ(mq).message(id).deliveredTo('billing', { times: 2 })
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'a nasty schedule keeps every message for every member, seed %i',
    async (seed) => {
      const mq = await open({ schedule: 'nasty', seed })
      await join(mq, broadcasting)
      await join(mq, { ...broadcasting, clientId: undefined })
      await join(mq, { group: 'audit' })
      const ids = await send(mq, ...Array.from({ length: 12 }, (_, i) => ({ body: String(i) })))
      await mq.settled({ horizon: '1h' })
      for (const id of ids) {
        const clientIds = mq.ledger
          .history(id)
          .flatMap((entry) =>
            entry.type === 'acknowledged' && entry.group === 'billing' ? [entry.clientId] : [],
          )
        expect(new Set(clientIds).size).toBe(2)
      }
    },
  )

  test('one that comes back after a crash under its name goes on where it was', async () => {
    const mq = await open()
    await join(mq, broadcasting)
    await send(mq, {})
    await mq.settled()
    const reopened = await mq.crash()
    onTestFinished(async () => void (await reopened.close()))
    const [id] = await send(reopened, {})
    await join(reopened, broadcasting)
    await reopened.settled()
    expect(
      reopened.ledger
        .of('delivered')
        .map(({ messageId }) => messageId)
        .slice(1),
    ).toEqual([id])
  })
})

describe('Filters and limits', () => {
  test('explain judges SQL filters as the engine does', async () => {
    const mq = await open()
    await join(mq, { subscriptions: { orders: sql("amount > 10 AND TAGS = 'paid' AND KEYS IS NOT NULL") } })
    const paid = { tag: 'paid', keys: 'o-1' }
    const [large = '', small = '', untagged = ''] = await send(
      mq,
      { ...paid, properties: { amount: '11' } },
      { ...paid, properties: { amount: '9' } },
      { keys: 'o-2', properties: { amount: '12' } },
    )
    await mq.settled()
    expect((await mq.explain(large, 'billing')).verdict).toBe('consumed')
    for (const id of [small, untagged]) {
      const explanation = await mq.explain(id, 'billing')
      expect(explanation.verdict).toBe('filtered')
      expect(explanation.text()).toContain('amount > 10')
    }
  })

  test('settled is not held up by what an SQL filter does not let pass', async () => {
    const mq = await open()
    const consumer = await join(mq, { subscriptions: { orders: sql('amount > 10') } })
    consumer.pause()
    await send(mq, { properties: { amount: '9' } })
    await mq.settled()
    await send(mq, { properties: { amount: '11' } })
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', 'is paused'))
  })

  test('explain tells when a rate limit lets the next one start', async () => {
    const mq = await open()
    await join(mq, { rateLimit: { messages: 1, perMs: 60_000 } })
    const start = mq.clock.now()
    const [, second = ''] = await send(mq, {}, {})
    const explanation = await mq.explain(second, 'billing')
    expect(inShort(explanation)).toEqual(['waiting', 'listener', start + 60_000])
    expect(explanation.text()).toContain('rateLimit')
    await mq.settled({ horizon: '1m' })
    expect((await mq.explain(second, 'billing')).verdict).toBe('consumed')
  })
})

describe('Of a consumer that is polled', () => {
  test('explain says who has to poll, and does not take a polled message for one that was skipped', async () => {
    const mq = await open()
    const consumer = await mq.createLitePullConsumer({
      group: 'billing',
      clientId: 'a',
      subscriptions: { orders: '*' },
    })
    const [id = ''] = await send(mq, {})
    const before = await mq.explain(id, 'billing')
    expect(inShort(before)).toEqual(['blocked', 'fetch', undefined])
    expect(before.text()).toContain("the application of 'a' polls")
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', 'polls'))

    expect(await mq.clock.runUntil(consumer.poll())).toHaveLength(1)
    await consumer.commit()
    await mq.settled()
    const after = await mq.explain(id, 'billing')
    expect(after.verdict).toBe('consumed')
    expect(after.text()).toContain("'a' consumed it")
  })

  test('explain says who has polled, and the ledger what was polled, and what was committed', async () => {
    const mq = await open()
    const options = { group: 'billing', subscriptions: { orders: '*' } }
    const consumer = await mq.createLitePullConsumer({ ...options, clientId: 'a' })
    const [first = '', second = ''] = await send(mq, { tag: 'paid' }, {})
    await consumer.poll()
    expectMQ(mq).message(first).deliveredTo('billing', { times: 1 })
    expectMQ(mq).message(first).not.consumedBy('billing')
    expect(() => expectMQ(mq).message(first).consumedBy('billing')).toThrow('It has not settled yet.')
    expect(mq.ledger.of('delivered')[0]).toMatchObject({ clientId: 'a', deliveryAttempt: 1, queueOffset: 0 })
    const held = await mq.explain(first, 'billing')
    expect(inShort(held)).toEqual(['delivering', 'listener', undefined])
    expect(held.text()).toContain("'a' polled it")
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', "'a' polled it"))

    await consumer.commit([[{ topic: 'orders', brokerName: 'localhost', queueId: 0 }, 1]])
    expectMQ(mq).message({ tag: 'paid' }).consumedBy('billing', { times: 1 })
    expectMQ(mq).message(second).not.consumedBy('billing')
    await consumer.poll({ timeoutMs: 0 })
    await mq.clock.advance('5s')
    await consumer.poll({ timeoutMs: 0 })
    await mq.settled()
    expectMQ(mq).message(second).consumedBy('billing', { times: 1 })
  })

  test('a loop counts, and what it had not committed when the instance crashed is delivered again', async () => {
    const mq = await open()
    const options = { group: 'billing', subscriptions: { orders: '*' }, clientId: 'a' }
    const consumer = await mq.createLitePullConsumer(options)
    const [first = '', second = ''] = await send(mq, {}, {})
    const loop = consumer.messages()
    await loop.next()
    await loop.next()
    await mq.clock.rest()
    expectMQ(mq).message(first).consumedBy('billing', { times: 1 })
    expectMQ(mq).message(second).not.consumedBy('billing')
    const reopened = await mq.crash()
    onTestFinished(async () => void (await reopened.close()))
    expect((await reopened.explain(second, 'billing')).verdict).toBe('blocked')
    const again = await reopened.createLitePullConsumer(options)
    expect((await reopened.explain(second, 'billing')).text()).toContain("the application of 'a' polls")
    await again.poll()
    await again.commit()
    expectMQ(reopened)
      .message(second)
      .deliveredTo('billing', { times: 2 })
      .consumedBy('billing', { times: 1 })
    expectMQ(reopened).message(first).deliveredTo('billing', { times: 1 })
  })

  test('what a member had polled is not in its hands any more after a reset, or when it has left', async () => {
    const mq = await open()
    const options = { group: 'billing', subscriptions: { orders: '*' } }
    const consumer = await mq.createLitePullConsumer({ ...options, clientId: 'a', autoCommit: false })
    const [id = ''] = await send(mq, {})
    await consumer.poll()
    await mq.admin.resetOffset({ group: 'billing', topic: 'orders', offset: 'min' })
    expect((await mq.explain(id, 'billing')).verdict).toBe('blocked')
    await consumer.poll()
    expect((await mq.explain(id, 'billing')).verdict).toBe('delivering')
    await consumer.close()
    const other = await mq.createLitePullConsumer({ ...options, clientId: 'a' })
    expect((await mq.explain(id, 'billing')).verdict).toBe('blocked')
    await other.poll()
    await other.commit()
    expectMQ(mq).message(id).deliveredTo('billing', { times: 3 }).consumedBy('billing', { times: 1 })
  })

  test('broadcasting members are told apart', async () => {
    const mq = await open()
    const options = {
      group: 'billing',
      messageModel: 'broadcasting',
      subscriptions: { orders: '*' },
    } as const
    const ann = await mq.createLitePullConsumer({ ...options, clientId: 'ann' })
    const bob = await mq.createLitePullConsumer({ ...options, clientId: 'bob' })
    const [id = ''] = await send(mq, {})
    await ann.poll()
    await bob.poll()
    await ann.commit()
    expect(mq.ledger.of('delivered').map(({ clientId }) => clientId)).toEqual(['ann', 'bob'])
    expect(mq.ledger.of('acknowledged').map(({ clientId }) => clientId)).toEqual(['ann'])
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.copies.map(({ clientId, verdict }) => [clientId, verdict])).toEqual([
      ['ann', 'consumed'],
      ['bob', 'delivering'],
    ])
    await expect(mq.settled({ deadlineMs: 0 })).rejects.toEqual(mqError('NOT_SETTLED', "'bob' polled it"))
    await bob.commit()
    await mq.settled()
    expectMQ(mq).message(id).consumedBy('billing', { times: 2 })
    const [next = ''] = await send(mq, {})
    expect((await mq.explain(next, 'billing')).text()).toContain("the application of 'ann' polls")
  })

  test('faults lose and delay what it commits, and crash before that', async () => {
    const mq = await open()
    const options = { group: 'billing', subscriptions: { orders: '*' }, clientId: 'a' }
    const consumer = await mq.createLitePullConsumer(options)
    const [id = ''] = await send(mq, {})
    const lost = mq.faults.loseAcknowledgements({ group: 'billing', times: 1 })
    await consumer.poll()
    await consumer.commit()
    expect([lost.hitCount, (await mq.admin.consumerProgress('billing')).lag]).toEqual([1, 1])
    await consumer.seekToBegin(consumer.assignment()[0]!)
    const crash = mq.faults.crash({ at: 'before-acknowledge', group: 'billing' })
    await consumer.poll()
    void consumer.commit().catch(() => undefined)
    const reopened = await crash.reopened
    onTestFinished(async () => void (await reopened.close()))
    const again = await reopened.createLitePullConsumer(options)
    await again.poll()
    await again.commit()
    await reopened.settled()
    expectMQ(reopened).message(id).deliveredTo('billing', { times: 3 })
    expect((await reopened.admin.consumerProgress('billing')).lag).toBe(0)
  })
})

describe('Of simple consumers', () => {
  async function openSimple(options: { readonly consumeMessageOrderly?: boolean } = {}) {
    const mq = await open()
    const consumer = await mq.createSimpleConsumer({
      group: 'billing',
      clientId: 'a',
      subscriptions: { orders: '*' },
      ...options,
    })
    return { mq, consumer }
  }

  test('explain says who has to receive, who has received, and when that is over', async () => {
    const { mq, consumer } = await openSimple()
    const [id = ''] = await send(mq, {})
    const before = await mq.explain(id, 'billing')
    expect(inShort(before)).toEqual(['blocked', 'fetch', undefined])
    expect(before.text()).toContain("the application of 'a' receives from 'orders'")

    await consumer.receive({ invisibleDurationMs: 30_000 })
    const due = mq.clock.now() + 30_000
    expect(inShort(await mq.explain(id, 'billing'))).toEqual(['delivering', 'listener', due])
    await mq.clock.advanceTo(due)
    const again = await mq.explain(id, 'billing')
    expect(again.copies.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['original', 'retried'],
      ['retry', 'blocked'],
    ])

    const [message] = await consumer.receive()
    await consumer.ack(message!)
    const after = await mq.explain(id, 'billing')
    expect(after.copies.map(({ verdict }) => verdict)).toEqual(['retried', 'consumed'])
    expect(after.text()).toContain("'a' consumed it")
  })

  test('the ledger knows what was received, acknowledged and given back', async () => {
    const { mq, consumer } = await openSimple()
    const other = await mq.createSimpleConsumer({
      group: 'billing',
      clientId: 'b',
      subscriptions: { orders: '*' },
    })
    const [first = '', second = '', third = ''] = await send(mq, { tag: 'paid' }, {}, {})
    const [one, two] = await consumer.receive({ maxMessages: 2 })
    const [three] = await other.receive()
    for (const id of [first, second, third]) expectMQ(mq).message(id).deliveredTo('billing', { times: 1 })
    expect(mq.ledger.of('delivered').map(({ clientId }) => clientId)).toEqual(['a', 'a', 'b'])
    expectMQ(mq).message(first).not.consumedBy('billing')

    await consumer.changeInvisibleDuration(one!, 60_000)
    // Any member of the group may settle what another one received.
    await other.ack([one!, three!])
    await other.ack(one!)
    await consumer.nack(two!)
    expectMQ(mq).message({ tag: 'paid' }).consumedBy('billing', { times: 1 })
    expectMQ(mq).message(third).consumedBy('billing', { times: 1 })
    expectMQ(mq).message(second).not.consumedBy('billing')
    expect(mq.ledger.of('failed')).toMatchObject([
      { messageId: second, clientId: 'a', reason: 'It was given back.' },
    ])

    await mq.clock.advance('10s')
    const [again] = await consumer.receive()
    await consumer.ack(again!)
    expectMQ(mq).message(second).retried('billing').consumedBy('billing', { times: 1 })
    expect(mq.ledger.of('acknowledged').at(-1)).toMatchObject({ messageId: second, deliveryAttempt: 2 })
    expect((await mq.explain(second, 'billing')).verdict).toBe('consumed')
  })

  test('what could not be acknowledged is not, and what was received before a crash may still be', async () => {
    const { mq, consumer } = await openSimple()
    const [first = '', second = ''] = await send(mq, {}, {})
    const [late] = await consumer.receive({ maxMessages: 1, invisibleDurationMs: 1000 })
    await mq.clock.advance(1000)
    await expect(consumer.ack(late!)).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE'))
    expectMQ(mq).message(first).not.consumedBy('billing')
    const held = (await consumer.receive({ invisibleDurationMs: 60_000 })).find(
      ({ messageId }) => messageId === second,
    )
    const reopened = await mq.crash()
    onTestFinished(async () => void (await reopened.close()))
    const again = await reopened.createSimpleConsumer({
      group: 'billing',
      clientId: 'b',
      subscriptions: { orders: '*' },
    })
    await again.ack(held!)
    expectMQ(reopened).message(second).consumedBy('billing', { times: 1 })
    expect(reopened.ledger.of('acknowledged')).toMatchObject([{ clientId: 'a' }])
  })

  test('a crash before an acknowledgement delivers again', async () => {
    const { mq, consumer } = await openSimple()
    const [id = ''] = await send(mq, {})
    const crash = mq.faults.crash({ at: 'before-acknowledge', topic: undefined, group: 'billing' })
    const [message] = await consumer.receive({ invisibleDurationMs: 1000 })
    void consumer.ack(message!).catch(() => undefined)
    const reopened = await crash.reopened
    onTestFinished(async () => void (await reopened.close()))
    await reopened.clock.advance(1000)
    const again = await reopened.createSimpleConsumer({ group: 'billing', subscriptions: { orders: '*' } })
    await again.ack(await again.receive())
    expectMQ(reopened).message(id).deliveredTo('billing', { times: 2 }).consumedBy('billing', { times: 1 })
  })

  test('explain knows what a FIFO group has settled behind others', async () => {
    const { mq, consumer } = await openSimple({ consumeMessageOrderly: true })
    const [first = '', second = ''] = await send(mq, {}, {})
    const received = await consumer.receive({ maxMessages: 2, invisibleDurationMs: 30_000 })
    await consumer.ack(received[1]!)
    const due = mq.clock.now() + 30_000
    expect(inShort(await mq.explain(first, 'billing'))).toEqual(['delivering', 'listener', due])
    expect((await mq.explain(second, 'billing')).verdict).toBe('consumed')
    await mq.clock.advanceTo(due)
    expect(inShort(await mq.explain(first, 'billing'))).toEqual(['blocked', 'fetch', undefined])
  })

  test('settled waits for none of them, and within its horizon for the end of their times', async () => {
    const { mq, consumer } = await openSimple()
    await send(mq, {})
    await mq.settled()
    await consumer.receive({ invisibleDurationMs: 30_000 })
    await mq.settled()
    expect(await consumer.receive({ awaitDurationMs: 0 })).toEqual([])
    await mq.settled({ horizon: '1m' })
    expect(await consumer.receive({ awaitDurationMs: 0 })).toMatchObject([{ deliveryAttempt: 2 }])
  })

  test('faults reach what they ask of the engine', async () => {
    const { mq, consumer } = await openSimple()
    await send(mq, {})
    const busy = mq.faults.fail('popMessage', { topic: 'orders', times: 1 })
    const other = mq.faults.fail('popMessage', { topic: 'invoices' })
    await expect(consumer.receive()).rejects.toEqual(mqError('SYSTEM_BUSY', 'The test asked for this'))
    const lost = mq.faults.loseAcknowledgements({ group: 'billing', times: 1 })
    await consumer.ack((await consumer.receive({ invisibleDurationMs: 10_000 })) as never)
    await mq.clock.advance('10s')
    const [again] = await consumer.receive()
    expect(again?.deliveryAttempt).toBe(2)

    const late = mq.faults.delayAcknowledgements({ byMs: 1000, times: 1 })
    await consumer.ack(again!)
    expect((await mq.admin.consumerProgress('billing')).invisibleCount).toBe(1)
    await mq.clock.advance(1000)
    expect((await mq.admin.consumerProgress('billing')).invisibleCount).toBe(0)
    expect([busy, lost, late].map(({ hitCount }) => hitCount)).toEqual([1, 1, 1])
    expect(mq.faults.unused()).toEqual([other])
  })
})

describe('The linter', () => {
  test('counts only members that share queues as too many for them', async () => {
    const mq = await open({ strict: 'warn' })
    for (const clientId of ['a', 'b']) {
      await join(mq, { group: 'audit', clientId, messageModel: 'broadcasting' })
      await mq.createSimpleConsumer({ group: 'print', clientId, subscriptions: { orders: '*' } })
    }
    expect(mq.lint.notes).toEqual([])
    for (const clientId of ['a', 'b']) await join(mq, { clientId })
    expect(mq.lint.notes).toMatchObject([{ code: 'SURPLUS_CONSUMERS', group: 'billing' }])
  })

  test('knows an SQL filter when it sees one', async () => {
    const mq = await open({ strict: 'warn' })
    const consumer = await join(mq)
    expect(mq.lint.notes).toEqual([])
    await consumer.subscribe('orders', sql('amount > 10'))
    expect(mq.lint.notes).toMatchObject([{ code: 'BROKER_SETTING_NEEDED' }])
  })

  test('knows the settings of members that have no name of their own', async () => {
    const mq = await open({ strict: 'warn', topics: [{ topic: 'orders', queues: 2 }] })
    await join(mq, { clientId: undefined, mode: 'orderly' })
    await join(mq, { clientId: undefined })
    expect(mq.lint.findings.map(({ code }) => code)).toContain('CONSUMER_KIND_MISMATCH')
  })
})
