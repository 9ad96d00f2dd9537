import { describe, expect, onTestFinished, test } from 'vitest'
import type { AllocateStrategy } from '../../src/allocate/allocate.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { Engine } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import type { Message } from '../../src/model/message.ts'
import type { MessageQueue } from '../../src/model/message-queue.ts'
import { Permission } from '../../src/model/topic.ts'
import type { Explanation } from '../../src/testing/explain/explanation.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import type { TestLayer } from '../../src/testing/layer.ts'
import { TestMQ } from '../../src/testing/test-mq.ts'
import type { TestMQOptions } from '../../src/testing/test-options.ts'
import { TestSession } from '../../src/testing/test-session.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const START = Date.UTC(2027, 0, 1)
const MINUTE = 60_000
/** One queue, so that a test knows where a message lies. */
const ORDERS = [{ topic: 'orders', queues: 1 }]

async function open(options: TestMQOptions = {}, nearest: readonly TestLayer[] = []): Promise<TestMQ> {
  const mq = await TestMQ.begin(TestSession.of({ topics: ORDERS, ...options }, nearest))
  onTestFinished(async () => void (await mq.close()))
  return mq
}

async function send(mq: TestMQ, message: Partial<Message> = {}): Promise<string> {
  const producer = await mq.createProducer({ group: 'shop' })
  const { messageId } = await producer.send({ topic: 'orders', body: 'hello', ...message })
  await producer.close()
  return messageId
}

/** A member of `billing`; `got` takes down the ids that it gets. */
function join(
  mq: TestMQ,
  options: Partial<PushConsumerOptions> = {},
  got: string[] = [],
): Promise<PushConsumer> {
  return mq.createPushConsumer({
    group: 'billing',
    clientId: 'a',
    subscriptions: { orders: '*' },
    listener: (message) => {
      got.push(message.messageId)
    },
    ...options,
  } as PushConsumerOptions)
}

/** A listener that never ends, so that its messages stay where they are until its timeout. */
const hang = (): Promise<void> => new Promise(() => undefined)

function gateOf({ gate }: Explanation) {
  return [gate?.name, gate?.verdict]
}

/** Nothing happens before the moment that was told, and it happens then. */
async function expectDeliveryAt(
  mq: TestMQ,
  { opensTimestamp }: Explanation,
  got: string[],
  id: string,
): Promise<void> {
  expect(opensTimestamp).toBeGreaterThan(mq.clock.now())
  await mq.clock.advanceTo(opensTimestamp! - 1)
  expect(got).not.toContain(id)
  await mq.clock.advanceTo(opensTimestamp!)
  expect(got).toContain(id)
}

/** The engine next to the store, as an outsider would use it. */
function tap(): { readonly layer: TestLayer; engine: () => Engine } {
  let found: Engine | undefined
  return {
    layer: {
      engine: (next) => {
        found = next
        return {}
      },
    },
    engine: () => found!,
  }
}

describe('explain, of a message on its way', () => {
  test('says who consumed it', async () => {
    const mq = await open()
    await join(mq)
    const id = await send(mq)
    const explanation = await mq.explain(id, 'billing')
    expect(explanation).toMatchObject({ verdict: 'consumed', gate: undefined, opensTimestamp: undefined })
    expect(explanation.text()).toContain("'a' consumed it at 2027-01-01T00:00:00.000Z, attempt 1.")
  })

  test('walks every gate, in order', async () => {
    const mq = await open()
    ;(await join(mq)).pause()
    const { copies } = await mq.explain(await send(mq), 'billing')
    expect(copies.map(({ gates }) => gates.map(({ name }) => name))).toEqual([
      [
        'stored',
        'topic',
        'group',
        'subscription',
        'filter',
        'assignment',
        'offset',
        'pause',
        'flow-control',
        'fetch',
        'listener',
        'retry',
        'dead-letter',
      ],
    ])
  })

  test('stays the same however often it is asked, and moves no time', async () => {
    const mq = await open()
    ;(await join(mq)).pause()
    const id = await send(mq)
    expect(await mq.explain(id, 'billing')).toEqual(await mq.explain(id, 'billing'))
    expect(mq.clock.now()).toBe(START)
  })

  test('can be asked by the listener itself, which holds nobody up by that', async () => {
    const mq = await open()
    const asked: Explanation[] = []
    await join(mq, {
      listener: async (message: { messageId: string }) => {
        asked.push(await mq.explain(message.messageId, 'billing'))
      },
    })
    await send(mq)
    await mq.clock.advance('1s')
    expect(asked.map(({ verdict }) => verdict)).toEqual(['delivering'])
  })

  test('topic: waits for the permission to read', async () => {
    const mq = await open({
      topics: [{ topic: 'orders', readQueueNums: 1, writeQueueNums: 1, permission: Permission.WRITE }],
    })
    const got: string[] = []
    await join(mq, {}, got)
    const id = await send(mq)
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('blocked')
    expect(gateOf(explanation)).toEqual(['topic', 'closed'])
    await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ_WRITE })
    await mq.settled()
    expect(got).toEqual([id])
  })

  test('topic: waits for consumers to see the queue', async () => {
    const mq = await open({ topics: [{ topic: 'orders', readQueueNums: 1, writeQueueNums: 2 }] })
    const got: string[] = []
    await join(mq, {}, got)
    const producer = await mq.createProducer({ group: 'shop' })
    const queue: MessageQueue = { topic: 'orders', brokerName: 'localhost', queueId: 1 }
    const { messageId } = await producer.send({ topic: 'orders', body: 'hello' }, { queue })
    const explanation = await mq.explain(messageId, 'billing')
    expect(gateOf(explanation)).toEqual(['topic', 'closed'])
    expect(explanation.gate?.reason).toContain('Consumers see 1 queues')
    await mq.admin.updateTopic({ topic: 'orders', readQueueNums: 2 })
    await mq.settled()
    expect(got).toEqual([messageId])
  })

  test('group: waits for consumeEnable', async () => {
    const mq = await open()
    const got: string[] = []
    await mq.admin.createGroup({ group: 'billing', consumeEnable: false })
    await join(mq, {}, got)
    const id = await send(mq)
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('blocked')
    expect(gateOf(explanation)).toEqual(['group', 'closed'])
    await mq.admin.createGroup({ group: 'billing', consumeEnable: true })
    // The member tries again a second after the refusal, which the next gate tells.
    await expectDeliveryAt(mq, await mq.explain(id, 'billing'), got, id)
  })

  test('subscription: a group without members, and one whose members want something else', async () => {
    const mq = await open()
    await mq.admin.createGroup({ group: 'billing' })
    const id = await send(mq)
    const alone = await mq.explain(id, 'billing')
    expect(alone.verdict).toBe('blocked')
    expect(alone.gate).toMatchObject({ name: 'subscription', reason: "The group 'billing' has no members." })
    await join(mq, { subscriptions: { invoices: '*' } })
    const elsewhere = await mq.explain(id, 'billing')
    expect(elsewhere.gate?.reason).toContain(
      "No member of 'billing' subscribes to 'orders', only to 'invoices'",
    )
  })

  test('filter: passes by what no member asks for', async () => {
    const mq = await open()
    const consumer = await join(mq, { subscriptions: { orders: 'paid || refunded' } })
    consumer.pause()
    const id = await send(mq, { tag: 'sent' })
    const before = await mq.explain(id, 'billing')
    consumer.resume()
    await mq.settled()
    const after = await mq.explain(id, 'billing')
    for (const explanation of [before, after]) {
      expect(explanation.verdict).toBe('filtered')
      expect(gateOf(explanation)).toEqual(['filter', 'closed'])
      expect(explanation.gate?.reason).toContain("the tag 'sent'; 'a' asks for 'paid || refunded'")
    }
  })

  test('filter: the member that has the queue decides, whatever others ask for', async () => {
    const mq = await open()
    const first = await join(mq, { subscriptions: { orders: 'paid' } })
    await join(mq, { clientId: 'b', subscriptions: { orders: 'sent' } })
    first.pause()
    const explanation = await mq.explain(await send(mq, { tag: 'sent' }), 'billing')
    expect(gateOf(explanation)).toEqual(['filter', 'closed'])
    expect(explanation.gate?.reason).toContain("The queue belongs to 'a'.")
  })

  test('assignment: the queue went to a member that does not subscribe', async () => {
    const mq = await open()
    await join(mq, { clientId: 'b' })
    await join(mq, { subscriptions: { invoices: '*' } })
    const explanation = await mq.explain(await send(mq), 'billing')
    expect(explanation.verdict).toBe('blocked')
    expect(gateOf(explanation)).toEqual(['assignment', 'closed'])
    expect(explanation.gate?.reason).toContain("gives queue 0 to 'a', which does not subscribe to 'orders'")
  })

  test('assignment: the strategy gives the queue to nobody', async () => {
    const allocateStrategy: AllocateStrategy = { name: 'NONE', allocate: () => [] }
    const mq = await open()
    await join(mq, { allocateStrategy })
    const explanation = await mq.explain(await send(mq), 'billing')
    expect(gateOf(explanation)).toEqual(['assignment', 'closed'])
  })

  test('assignment: the queue is handed over when the listener of its owner has ended', async () => {
    const mq = await open({ patienceMs: 20 })
    const got: string[] = []
    await join(mq, { clientId: 'b', listener: hang, consumeTimeoutMs: MINUTE, concurrency: 1 })
    await send(mq)
    const id = await send(mq)
    await join(mq, {}, got)
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('waiting')
    expect(gateOf(explanation)).toEqual(['assignment', 'waiting'])
    expect(explanation.gate?.reason).toContain("'b' hands queue 0 over as soon as its listener has settled")
    await expectDeliveryAt(mq, explanation, got, id)
  })

  test('assignment: somebody else holds the lease', async () => {
    const { layer, engine } = tap()
    const mq = await open({ lockLeaseMs: MINUTE }, [layer])
    const got: string[] = []
    const queue: MessageQueue = { topic: 'orders', brokerName: 'localhost', queueId: 0 }
    await engine().lockQueues('billing', 'outsider', [queue])
    await join(mq, {}, got)
    const id = await send(mq)
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.gate?.reason).toContain(
      "'outsider' holds the lease on queue 0 until 2027-01-01T00:01:00.000Z",
    )
    await expectDeliveryAt(mq, explanation, got, id)
  })

  test('pause: opens with resume, and a message under way does not meet it', async () => {
    const mq = await open({ patienceMs: 20 })
    const got: string[] = []
    const release = new Signal()
    const consumer = await join(mq, {
      listener: async (message: { messageId: string }) => {
        got.push(message.messageId)
        await release.promise
      },
    })
    const first = await send(mq)
    await mq.clock.rest()
    consumer.pause()
    const second = await send(mq)
    expect((await mq.explain(first, 'billing')).verdict).toBe('delivering')
    const explanation = await mq.explain(second, 'billing')
    expect(explanation.verdict).toBe('blocked')
    expect(gateOf(explanation)).toEqual(['pause', 'closed'])
    consumer.resume()
    release.resolve()
    await mq.settled()
    expect(got).toEqual([first, second])
  })
})

describe('explain, of a message that waits for room', () => {
  const cases: [name: string, limit: Partial<PushConsumerOptions>, text: string][] = [
    ['count', { pullThresholdForQueue: 1 }, 'pullThresholdForQueue is 1'],
    ['bytes', { pullThresholdSizeForQueueBytes: 1 }, 'pullThresholdSizeForQueueBytes is 1'],
    ['span', { consumeConcurrentlyMaxSpan: 1 }, 'consumeConcurrentlyMaxSpan is 1'],
    // The queue of the topic and that of the retry topic.
    [
      'count of all queues',
      { pullThresholdForTopic: 3 },
      '1 messages are unfinished, and pullThresholdForTopic is 3, which gives 1 to each of 2 queues',
    ],
    [
      'bytes of all queues',
      { pullThresholdSizeForTopicBytes: 2 },
      'bytes are unfinished, and pullThresholdSizeForTopicBytes is 2, which gives 1 to each of 2 queues',
    ],
  ]

  test.each(cases)(
    'flow-control: tells the threshold of %s, and when there is room',
    async (_, limit, text) => {
      const mq = await open({ patienceMs: 20 })
      const got: string[] = []
      let calls = 0
      await join(mq, {
        consumeTimeoutMs: MINUTE,
        ...limit,
        listener: (message: { messageId: string }) => {
          got.push(message.messageId)
          return ++calls === 1 ? hang() : Promise.resolve()
        },
      } as Partial<PushConsumerOptions>)
      await send(mq)
      await mq.clock.rest()
      const id = await send(mq)
      const explanation = await mq.explain(id, 'billing')
      expect(explanation.verdict).toBe('waiting')
      expect(gateOf(explanation)).toEqual(['flow-control', 'waiting'])
      expect(explanation.gate?.reason).toContain(text)
      await expectDeliveryAt(mq, explanation, got, id)
    },
  )

  test('fetch: a pull failed, and the next one follows', async () => {
    let failures = 0
    const layer: TestLayer = {
      engine: (next) => ({
        pullMessage: (request) =>
          request.queue.topic === 'orders' && failures++ === 0
            ? Promise.reject(new MQError('SYSTEM_ERROR', 'The disk coughed.'))
            : next.pullMessage(request),
      }),
    }
    const mq = await open({}, [layer])
    const got: string[] = []
    await join(mq, {}, got)
    const id = await send(mq)
    const explanation = await mq.explain(id, 'billing')
    expect(gateOf(explanation)).toEqual(['fetch', 'waiting'])
    expect(explanation.gate?.reason).toContain('The disk coughed.')
    await expectDeliveryAt(mq, explanation, got, id)
  })

  test('listener: says since when it is in one, and when that counts no more', async () => {
    const mq = await open({ patienceMs: 20 })
    await join(mq, { listener: hang, consumeTimeoutMs: 30 * MINUTE })
    const id = await send(mq)
    await mq.clock.advance('5m')
    mq.clock.jump(60 * MINUTE)
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('delivering')
    expect(explanation.opensTimestamp).toBe(START + 90 * MINUTE)
    expect(explanation.gate?.reason).toContain("In the listener of 'a', which has not settled")
    await mq.clock.advanceTo(explanation.opensTimestamp!)
    expect(gateOf(await mq.explain(id, 'billing'))).toEqual(['retry', 'waiting'])
  })

  test('listener: all calls are busy', async () => {
    const mq = await open({ patienceMs: 20 })
    const got: string[] = []
    await join(mq, {
      concurrency: 1,
      consumeTimeoutMs: MINUTE,
      listener: (message: { messageId: string }) => {
        got.push(message.messageId)
        return hang()
      },
    })
    await send(mq)
    const id = await send(mq)
    const explanation = await mq.explain(id, 'billing')
    expect(gateOf(explanation)).toEqual(['listener', 'waiting'])
    expect(explanation.gate?.reason).toContain('busy with 1 of 1 calls')
    await expectDeliveryAt(mq, explanation, got, id)
  })

  test('listener: a failure that could not be stored is delivered again', async () => {
    let failures = 0
    const layer: TestLayer = {
      engine: (next) => ({
        sendMessageBack: (request) =>
          failures++ === 0
            ? Promise.reject(new MQError('WRITE_FAILED', 'No.'))
            : next.sendMessageBack(request),
      }),
    }
    const mq = await open({}, [layer])
    const got: string[] = []
    await join(mq, {
      listener: (message: { messageId: string }) => {
        got.push(message.messageId)
        if (got.length === 1) throw new Error('busy')
      },
    })
    const id = await send(mq)
    await mq.clock.rest()
    expect(got.splice(0)).toEqual([id])
    got.push('before')
    const explanation = await mq.explain(id, 'billing')
    expect(gateOf(explanation)).toEqual(['listener', 'waiting'])
    await expectDeliveryAt(mq, explanation, got, id)
    expect((await mq.explain(id, 'billing')).verdict).toBe('consumed')
  })
})

describe('explain, of a message that failed', () => {
  test('retry: tells which attempt failed, why, and when the next one is due', async () => {
    const mq = await open()
    const got: string[] = []
    await join(mq, {
      maxReconsumeTimes: 2,
      listener: (message: { messageId: string; deliveryAttempt: number }) => {
        if (message.deliveryAttempt < 3) throw new Error(`no funds, ${message.deliveryAttempt}`)
        got.push(message.messageId)
      },
    })
    const id = await send(mq)
    const first = await mq.explain(id, 'billing')
    expect(first).toMatchObject({ verdict: 'waiting', opensTimestamp: START + 10_000 })
    expect(first.text()).toContain('no funds, 1')
    expect(first.gate?.reason).toBe('Retry 1 of 2 is due at 2027-01-01T00:00:10.000Z.')
    await mq.clock.advance('10s')

    const second = await mq.explain(id, 'billing')
    expect(second.copies.map(({ kind, verdict }) => [kind, verdict])).toEqual([
      ['original', 'retried'],
      ['retry', 'waiting'],
    ])
    expect(second.opensTimestamp).toBe(START + 40_000)
    await expectDeliveryAt(mq, second, got, id)
    expect((await mq.explain(id, 'billing')).verdict).toBe('consumed')
  })

  test('retry: a copy of it meets the gates as its original did', async () => {
    const mq = await open()
    const consumer = await join(mq, {
      listener: () => {
        throw new Error('no')
      },
    })
    const id = await send(mq)
    await mq.clock.rest()
    consumer.pause()
    await mq.clock.advance('10s')
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('blocked')
    expect(gateOf(explanation)).toEqual(['pause', 'closed'])
    expect(explanation.copies.at(-1)).toMatchObject({ kind: 'retry', deliveryAttempt: 2 })
  })

  test('dead-letter: tells why', async () => {
    const mq = await open()
    await join(mq, {
      maxReconsumeTimes: 0,
      listener: () => {
        throw new Error('no such account')
      },
    })
    const explanation = await mq.explain(await send(mq), 'billing')
    expect(explanation.verdict).toBe('dead-letter')
    expect(gateOf(explanation)).toEqual(['dead-letter', 'closed'])
    expect(explanation.gate?.reason).toContain('no such account')
    expect(explanation.copies.map(({ kind }) => kind)).toEqual(['original', 'dead-letter'])
  })

  test('is about one group: the failures of another are not in it', async () => {
    const mq = await open()
    await join(mq)
    await join(mq, {
      group: 'audit',
      listener: () => {
        throw new Error('no')
      },
    })
    const id = await send(mq)
    await mq.clock.advance('10s')
    expect(await mq.explain(id, 'billing')).toMatchObject({
      verdict: 'consumed',
      copies: [{ kind: 'original' }],
    })
    expect(await mq.explain(id, 'audit')).toMatchObject({
      verdict: 'waiting',
      copies: [{}, { kind: 'retry' }],
    })
  })
})

describe('explain, of a message that never came', () => {
  test('offset: a reset went past it', async () => {
    const mq = await open()
    const consumer = await join(mq)
    consumer.pause()
    const id = await send(mq)
    await mq.clock.advance('1m')
    await mq.admin.resetOffset({ group: 'billing', topic: 'orders', timestamp: mq.clock.now() })
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('skipped')
    expect(explanation.gate?.reason).toBe(
      "A reset put the group 'billing' at offset 1 at 2027-01-01T00:01:00.000Z, behind this one.",
    )
  })

  test('offset: a reset went past it while a listener had it, whose answer counts no more', async () => {
    const mq = await open({ patienceMs: 20 })
    const release = new Signal()
    await join(mq, { listener: () => release.promise })
    const id = await send(mq)
    await mq.clock.advance('1m')
    await mq.admin.resetOffset({ group: 'billing', topic: 'orders', timestamp: mq.clock.now() })
    expect(await mq.explain(id, 'billing')).toMatchObject({
      verdict: 'delivering',
      gate: { name: 'listener', reason: expect.stringContaining('its answer counts no more') },
    })
    release.resolve()
    await mq.settled()
    expect((await mq.explain(id, 'billing')).verdict).toBe('consumed')
  })

  test('offset: the group began behind it', async () => {
    const mq = await open({ retention: { maxAgeMs: 60 * MINUTE, intervalMs: MINUTE } })
    await send(mq)
    await mq.clock.advance('2h')
    const id = await send(mq)
    await mq.clock.advance('2h')
    await join(mq, { consumeFromWhere: 'LAST_OFFSET' })
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('skipped')
    expect(explanation.gate?.reason).toContain('had no offset and began at offset 2')
  })

  test('stored: retention was faster', async () => {
    const mq = await open({ retention: { maxAgeMs: 60 * MINUTE, intervalMs: MINUTE } })
    await mq.admin.createGroup({ group: 'billing' })
    const id = await send(mq)
    await mq.clock.advance('2h')
    await send(mq)
    await mq.clock.advance('2h')
    const explanation = await mq.explain(id, 'billing')
    expect(explanation.verdict).toBe('expired')
    expect(explanation.gate?.reason).toContain('Retention has removed it')
  })

  test('stored: its topic was deleted', async () => {
    const mq = await open()
    await mq.admin.createGroup({ group: 'billing' })
    const id = await send(mq)
    await mq.admin.deleteTopic('orders')
    expect(await mq.explain(id, 'billing')).toMatchObject({ verdict: 'expired', gate: { name: 'stored' } })
  })

  test('stored: a power cut took it', async () => {
    const mq = await open()
    await mq.admin.createGroup({ group: 'billing' })
    await mq.clock.advance('1s')
    const id = await send(mq)
    const next = await mq.crash('power')
    onTestFinished(async () => void (await next.close()))
    expect((await next.explain(id, 'billing')).verdict).toBe('lost')
    await expect(mq.explain(id, 'billing')).rejects.toEqual(mqError('CLOSED'))
  })

  test('stored: its send failed, or is not answered', async () => {
    const answers = [Promise.reject(new MQError('SYSTEM_BUSY', 'Later.')), hang() as Promise<never>]
    const mq = await open({}, [{ engine: () => ({ sendMessage: () => answers.shift()! }) }])
    await mq.admin.createGroup({ group: 'billing' })
    const producer = await mq.createProducer({ group: 'shop' })
    await expect(producer.send({ topic: 'orders', body: 'a' })).rejects.toEqual(mqError('SYSTEM_BUSY'))
    void producer.send({ topic: 'orders', body: 'b' })
    await mq.clock.rest()
    const [failed, open_] = mq.ledger.of('sent').map(({ messageId }) => messageId)
    expect((await mq.explain(failed!, 'billing')).gate?.reason).toContain('SYSTEM_BUSY: Later.')
    expect(await mq.explain(open_!, 'billing')).toMatchObject({
      verdict: 'not-stored',
      gate: { verdict: 'waiting' },
    })
  })

  test('cannot tell what a fork has not seen', async () => {
    const mq = await open()
    await join(mq)
    const id = await send(mq)
    await mq.settled()
    const fork = await mq.fork()
    onTestFinished(async () => void (await fork.close()))
    expect((await fork.explain(id, 'billing')).verdict).toBe('unknown')
  })

  test('refuses what is no id, and what nobody knows', async () => {
    const mq = await open()
    const id = await send(mq)
    await expect(mq.explain(id, 'billing')).rejects.toEqual(
      mqError('SUBSCRIPTION_GROUP_NOT_EXIST', 'billing'),
    )
    await join(mq)
    await expect(mq.explain('hello', 'billing')).rejects.toEqual(mqError('INVALID_PARAMETER', 'hello'))
    await expect(mq.explain(undefined as never, 'billing')).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await expect(mq.explain(id, 'not a group')).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await expect(mq.explain(`01${'0'.repeat(32)}`, 'billing')).rejects.toEqual(mqError('NO_MESSAGE'))
  })

  test('reads well in the failure of a test', async () => {
    const mq = await open()
    ;(await join(mq)).pause()
    const id = await send(mq, { tag: 'paid' })
    expect(`${await mq.explain(id, 'billing')}`.replaceAll(id, 'ID')).toMatchInlineSnapshot(`
      "Message ID for the group 'billing': blocked.
        'a' is paused; its resume() opens this.
        original in 'orders', queue 0, offset 0: blocked
          stored       passed   It lies in queue 0 at offset 0 since 2027-01-01T00:00:00.000Z.
          topic        passed   The topic 'orders' may be read.
          group        passed   The group 'billing' may consume.
          subscription passed   'a' subscribes to 'orders'.
          filter       passed   The message has the tag 'paid'; 'a' asks for '*'.
          assignment   passed   'a' has queue 0.
          offset       passed   The group 'billing' stands at offset 0.
          pause        closed   'a' is paused; its resume() opens this."
    `)
  })
})

test('settled is not held up by what no member asks for', async () => {
  const mq = await open()
  await join(mq, { subscriptions: { orders: 'paid' } })
  await send(mq, { tag: 'sent' })
  await mq.settled()
  expect(mq.ledger.of('delivered')).toEqual([])
  expect(mq.clock.now()).toBe(START)
})

describe('settled, when it rejects, tells', () => {
  async function openItems(mq: TestMQ): Promise<string> {
    const error: unknown = await mq.settled({ deadlineMs: 5 }).then(
      () => 'settled',
      (caught: unknown) => caught,
    )
    expect(error).toEqual(mqError('NOT_SETTLED'))
    return (error as Error).message
  }

  test('that the consumer is paused', async () => {
    const mq = await open()
    ;(await join(mq)).pause()
    const id = await send(mq)
    expect(await openItems(mq)).toContain(
      `orders ${id} for group 'billing': 'a' is paused; its resume() opens this`,
    )
  })

  test('that a listener hangs, and what waits for its turn', async () => {
    const mq = await open({ patienceMs: 20 })
    await join(mq, { listener: hang, concurrency: 1 })
    await send(mq)
    await send(mq)
    const text = await openItems(mq)
    expect(text).toContain("in the listener of 'a', which has not settled")
    expect(text).toContain('it waits for its turn')
  })

  test('that a listener goes on past its timeout', async () => {
    const mq = await open({ patienceMs: 20 })
    let calls = 0
    await join(mq, { consumeTimeoutMs: MINUTE, listener: () => (++calls === 1 ? hang() : undefined) })
    await send(mq)
    await mq.clock.advance('2m')
    expect(await openItems(mq)).toContain(
      "a listener of 'a' goes on since 2027-01-01T00:00:00.000Z, past its timeout",
    )
  })

  test('that thresholds are reached', async () => {
    const mq = await open({ patienceMs: 20 })
    await join(mq, { listener: hang, pullThresholdForQueue: 1 })
    await send(mq)
    await mq.clock.rest()
    await send(mq)
    expect(await openItems(mq)).toContain('pullThresholdForQueue is 1')
  })

  test('that a message is done, and its offset waits for one before it', async () => {
    const mq = await open({ patienceMs: 20 })
    let calls = 0
    await join(mq, { listener: () => (++calls === 1 ? hang() : undefined) })
    await send(mq)
    await send(mq)
    expect(await openItems(mq)).toContain('is done with it, and its offset waits for offset 0')
  })

  test('that its queue belongs to a member that does not subscribe', async () => {
    const mq = await open()
    await join(mq, { clientId: 'b' })
    await join(mq, { subscriptions: { invoices: '*' } })
    await send(mq)
    expect(await openItems(mq)).toContain('all members of a group must subscribe to the same')
  })

  test('nothing of members that have no queue: the surplus holds nobody up', async () => {
    await using mq = await createTestMQ({ topics: ORDERS })
    const got: string[] = []
    await join(mq, {}, got)
    await join(mq, { clientId: 'b' })
    const id = await send(mq)
    await mq.settled()
    expect(got).toEqual([id])
  })
})
