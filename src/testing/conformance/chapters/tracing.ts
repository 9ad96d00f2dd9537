/** The life of one message, as `admin.trace` tells it. */
import { AssertionError, strict as assert } from 'node:assert'
import type { TraceEntry } from '../../../admin/trace-message.ts'
import { messageIdFor } from '../../../model/message-id-for.ts'
import { TRACE_TOPIC } from '../../../model/topic.ts'
import type { Producer } from '../../../producer/producer.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { failing, refused, send, subscribe } from '../kit.ts'
import { sendIn } from '../kit-delays.ts'
import { begin, payer, ROLLBACK } from '../kit-transactions.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const order = { topic: 'orders', body: 'x' }
/** Delivering takes so long in these rules. */
const WORK_MS = 250

const differing = { differs: true } as const
const traced = { needs: ['traces'] } as const
const tracedInTime = { needs: ['traces', 'virtualTime'] } as const

/** A shop that writes down who did what. */
const openTraced = (world: ConformanceWorld): Promise<EngineMQ> => world.openShop(1, { trace: true })

const tracedProducer = (mq: EngineMQ): Promise<Producer> =>
  mq.createProducer({ group: 'shop', clientId: 'p1' })

async function typesOf(mq: EngineMQ, messageId: string): Promise<string[]> {
  return (await mq.admin.trace(messageId)).entries.map(({ type }) => type)
}

/** The entries of one type. */
async function entriesOf(mq: EngineMQ, messageId: string, type: TraceEntry['type']): Promise<TraceEntry[]> {
  return (await mq.admin.trace(messageId)).entries.filter((entry) => entry.type === type)
}

async function entryOf(mq: EngineMQ, messageId: string, type: TraceEntry['type']): Promise<TraceEntry> {
  const [entry] = await entriesOf(mq, messageId, type)
  if (entry === undefined) throw new AssertionError({ message: `The trace has no entry '${type}'.` })
  return entry
}

const stored: readonly ConformanceRule[] = [
  rule('12.2', 'A trace tells where a message is stored, and when', differing, async (world) => {
    const mq = await world.openShop()
    const [receipt] = await send(mq, 'x')
    const { messageId, queue, queueOffset, storeTimestamp } = receipt!
    assert.deepEqual(await mq.admin.trace(messageId), {
      messageId,
      topic: 'orders',
      entries: [{ type: 'stored', timestamp: storeTimestamp, queue: { ...queue }, queueOffset }],
    })
  }),
  rule('12.2', 'A trace of what was never sent is refused', differing, async (world) => {
    const mq = await world.openShop()
    await refused('NO_MESSAGE', () => mq.admin.trace(`01${'0'.repeat(32)}`))
    await refused('INVALID_PARAMETER', () => mq.admin.trace('o-42'))
  }),
  rule(
    '12.2',
    'A trace tells of the retry that waits, and at which time it comes',
    { needs: ['traces', 'virtualTime'], differs: true },
    async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { listener: failing() })
      const failedAt = mq.now()
      const [receipt] = await send(mq, 'x')
      await mq.rest()
      const { group, reconsumeTimes, dueTimestamp } = await entryOf(mq, receipt!.messageId, 'retry-scheduled')
      assert.deepEqual([group, reconsumeTimes, dueTimestamp], ['billing', 1, failedAt + 10_000])
    },
  ),
  rule(
    '12.2',
    'A trace tells of each retry, and of the dead letter with its reason',
    { needs: ['virtualTime'], differs: true },
    async (world) => {
      const mq = await world.openShop()
      await subscribe(mq, { listener: failing(), maxReconsumeTimes: 2 })
      const [receipt] = await send(mq, 'x')
      await mq.advance('1h')
      const { messageId } = receipt!
      assert.deepEqual(await typesOf(mq, messageId), ['stored', 'retried', 'retried', 'dead-lettered'])
      const { group, reason } = await entryOf(mq, messageId, 'dead-lettered')
      assert.deepEqual([group, reason], ['billing', 'The listener returned FAILURE.'])
    },
  ),
]

const waiting: readonly ConformanceRule[] = [
  rule(
    '12.2',
    'A trace finds a message that waits for its time, and tells it',
    { needs: ['traces', 'delay', 'virtualTime'], differs: true },
    async (world) => {
      const mq = await world.openShop()
      const { messageId } = await sendIn(mq, '1m')
      const due = mq.now() + 60_000
      assert.deepEqual(await typesOf(mq, messageId), ['scheduled'])
      assert.equal((await entryOf(mq, messageId, 'scheduled')).dueTimestamp, due)
      await mq.advance('2m')
      assert.deepEqual(await typesOf(mq, messageId), ['scheduled', 'stored'])
    },
  ),
  rule(
    '12.2',
    'A trace finds the half of a transaction, which no query does',
    { needs: ['traces', 'transactions'], differs: true },
    async (world) => {
      const mq = await world.openShop()
      const { receipt, transaction } = await begin(await payer(mq))
      const { group } = await entryOf(mq, receipt.messageId, 'prepared')
      assert.equal(group, 'pay')
      await transaction.commit()
      assert.deepEqual(await typesOf(mq, receipt.messageId), ['prepared', 'stored'])
    },
  ),
]

const doings: readonly ConformanceRule[] = [
  rule('12.2', 'A trace tells who sent a message, and that it was stored', traced, async (world) => {
    const mq = await openTraced(world)
    const { messageId } = await (await tracedProducer(mq)).send(order)
    const { group, clientId, outcome, durationMs } = await entryOf(mq, messageId, 'sent')
    assert.deepEqual([group, clientId, outcome, typeof durationMs], ['shop', 'p1', 'SUCCESS', 'number'])
  }),
  rule('12.2', 'Each message of a batch has a trace of its own', traced, async (world) => {
    const mq = await openTraced(world)
    const { messageIds } = await (await tracedProducer(mq)).send([order, order])
    const offsets = await Promise.all(
      messageIds.map(async (id) => (await entryOf(mq, id, 'sent')).queueOffset),
    )
    assert.deepEqual(offsets, [0, 1])
  }),
  rule(
    '12.2',
    'A trace tells of each delivery, with its consumer, duration and outcome',
    tracedInTime,
    async (world) => {
      const mq = await openTraced(world)
      const listener = failing(1)
      await subscribe(mq, {
        clientId: 'b1',
        listener: async (message, context) => {
          await new Promise<void>((resolve) => void mq.engine.clock.setTimer(WORK_MS, resolve))
          return listener(message, context)
        },
      })
      const { messageId } = await (await tracedProducer(mq)).send(order)
      await mq.advance('1m')
      const delivered = await entriesOf(mq, messageId, 'delivered')
      assert.deepEqual(
        delivered.map((each) => [
          each.group,
          each.clientId,
          each.durationMs,
          each.reconsumeTimes,
          each.outcome,
        ]),
        [
          ['billing', 'b1', WORK_MS, 0, 'FAILED'],
          ['billing', 'b1', WORK_MS, 1, 'SUCCESS'],
        ],
      )
    },
  ),
  rule('12.2', 'A trace tells why a delivery failed', traced, async (world) => {
    const mq = await openTraced(world)
    const { deliveries } = await subscribe(mq, {
      listener: () => {
        throw new Error('no printer')
      },
    })
    const { messageId } = await (await tracedProducer(mq)).send(order)
    await mq.until('it is delivered', () => deliveries.length > 0)
    await mq.rest()
    const { outcome, reason } = await entryOf(mq, messageId, 'delivered')
    assert.deepEqual([outcome, reason], ['EXCEPTION', 'Error: no printer'])
  }),
  rule(
    '12.2',
    'A trace tells that a message was received, and that it was acknowledged',
    { needs: ['traces', 'pop'] },
    async (world) => {
      const mq = await openTraced(world)
      const { messageId } = await (await tracedProducer(mq)).send(order)
      const consumer = await mq.createSimpleConsumer({
        group: 'billing',
        clientId: 's1',
        subscriptions: { orders: '*' },
      })
      const [message] = await consumer.receive()
      await consumer.ack(message!)
      const { entries } = await mq.admin.trace(messageId)
      assert.deepEqual(
        entries.slice(2).map(({ type, group, clientId }) => [type, group, clientId]),
        [
          ['received', 'billing', 's1'],
          ['acknowledged', 'billing', 's1'],
        ],
      )
    },
  ),
  rule(
    '12.2',
    'A trace tells that a message was taken back, which is stored nowhere',
    { needs: ['traces', 'delay'] },
    async (world) => {
      const mq = await openTraced(world)
      const { messageId, recallHandle } = await sendIn(mq, '1h')
      await (await mq.producer()).recall('orders', recallHandle)
      assert.deepEqual(await typesOf(mq, messageId), ['sent', 'scheduled', 'recalled'])
    },
  ),
  ...(['commit', 'rollback'] as const).map((end) =>
    rule(
      '12.2',
      `A trace tells of the ${end} of a transaction`,
      { needs: ['traces', 'transactions'] },
      async (world) => {
        const mq = await openTraced(world)
        const { receipt, transaction } = await begin(await payer(mq))
        await transaction[end]()
        const type = end === 'commit' ? 'committed' : 'rolled-back'
        assert.equal((await entryOf(mq, receipt.messageId, type)).group, 'pay')
        const types = ['sent', 'prepared', type, ...(end === 'commit' ? ['stored'] : [])]
        assert.deepEqual(await typesOf(mq, receipt.messageId), types)
      },
    ),
  ),
  rule(
    '12.2',
    'A trace tells how a transaction ended whose group was asked',
    { needs: ['traces', 'transactions', 'virtualTime'] },
    async (world) => {
      const mq = await openTraced(world)
      const { receipt } = await begin(await payer(mq, ROLLBACK))
      await mq.advance('1m')
      assert.equal((await entryOf(mq, receipt.messageId, 'rolled-back')).group, 'pay')
      assert.deepEqual(await typesOf(mq, receipt.messageId), ['sent', 'prepared', 'rolled-back'])
    },
  ),
  rule(
    '12.2',
    'A trace tells that a repeated send stored nothing, and where the first one lies',
    { needs: ['traces', 'deduplication'] },
    async (world) => {
      const mq = await world.openShop(2, { trace: true, deduplicationWindowMs: 60_000 })
      const producer = await tracedProducer(mq)
      const messageId = messageIdFor('o-42')
      const { queue, queueOffset } = await producer.send(order, { messageId })
      await producer.send(order, { messageId })
      const sent = await entriesOf(mq, messageId, 'sent')
      assert.deepEqual(
        sent.map((each) => [each.queue?.queueId, each.queueOffset, each.isDuplicate]),
        [
          [queue.queueId, queueOffset, undefined],
          [queue.queueId, queueOffset, true],
        ],
      )
    },
  ),
]

const topic: readonly ConformanceRule[] = [
  rule('12.2', 'Traces are messages of a topic, with the message ids as keys', traced, async (world) => {
    const mq = await openTraced(world)
    const { messageId } = await (await tracedProducer(mq)).send(order)
    await mq.admin.trace(messageId)
    assert.equal((await mq.admin.queryMessagesByKey(TRACE_TOPIC, messageId)).length, 1)
  }),
  rule('12.2', 'Consuming traces is not traced', tracedInTime, async (world) => {
    const mq = await openTraced(world)
    await (await tracedProducer(mq)).send(order)
    await mq.advance('10s')
    const { deliveries } = await subscribe(mq, {
      subscriptions: { [TRACE_TOPIC]: '*' },
      consumeFromWhere: 'FIRST_OFFSET',
    })
    await mq.advance('1m')
    assert.equal(deliveries.length, 1)
    assert.equal((await mq.admin.browse(TRACE_TOPIC)).length, 1)
  }),
  rule(
    '12.2',
    'A trace is whole after a restart',
    { needs: ['traces', 'durable', 'reopen'] },
    async (world) => {
      const before = await openTraced(world)
      const { messageId } = await (await tracedProducer(before)).send(order)
      const after = await world.reopen(before)
      assert.deepEqual(await typesOf(after, messageId), ['sent', 'stored'])
    },
  ),
]

export const tracing: ConformanceChapter = {
  title: 'Tracing',
  rules: [...stored, ...waiting, ...doings, ...topic],
}
