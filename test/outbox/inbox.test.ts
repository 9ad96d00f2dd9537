import { describe, expect, test } from 'vitest'
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import type { ConsumeHookOutcome } from '../../src/consumer/consume-hooks.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { expectMQ } from '../../src/testing/expect-mq.ts'
import type { TestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'
import { type AppDatabase, openDatabase, openMQ, rowKeys } from './set-up.ts'

type Listener = (message: MessageView, context: ConsumeContext) => Promise<void>

async function consume(mq: TestMQ, listener: Listener, options: object = {}) {
  return mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener, ...options })
}

/** Adds to what a message did already, so that twice shows. */
async function addTo(database: AppDatabase, message: MessageView, context: ConsumeContext): Promise<void> {
  const before = (await database.get(message.text())) ?? ''
  await context.commit(database.batch().put(message.text(), `${before}+`))
}

async function send(mq: TestMQ, ...bodies: string[]) {
  const producer = await mq.createProducer({ group: 'shop' })
  return Promise.all(bodies.map((body) => producer.send({ topic: 'orders', body })))
}

const MODES = [['concurrent'], ['orderly']] as const

describe.each(MODES)('A commit in %s mode', (mode) => {
  test('acknowledges with the state, whatever the listener says behind it', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const calls: string[] = []
    const listener: Listener = async (message, context) => {
      calls.push(message.text())
      context.delayLevelWhenNextConsume = 10
      await addTo(database, message, context)
      if (message.text() === 'a') throw new Error('too late')
    }
    await consume(mq, listener, { mode })
    // Behind the first message this member knows that no earlier one has sent anything back.
    await send(mq, 'first')
    await mq.settled()
    await send(mq, 'a', 'b')
    await mq.clock.advance('3h')
    expect(calls.sort()).toEqual(['a', 'b', 'first'])
    expect(await database.getMany(['a', 'b'])).toEqual(['+', '+'])
    expect((await mq.admin.consumerProgress('billing')).lag).toBe(0)
    expect(await rowKeys(database, 'inbox')).toEqual([])
  })

  test('holds after a crash before the offset is stored', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const calls: string[] = []
    const listener: Listener = async (message, context) => {
      calls.push(message.text())
      await addTo(database, message, context)
      if (calls.length < 3) return
      await new Promise(() => undefined)
    }
    await send(mq, 'a', 'b', 'c')
    mq.faults.fail('updateConsumerOffset')
    await consume(mq, listener, { mode })
    await mq.clock.rest()
    expect(await rowKeys(database, 'inbox')).not.toEqual([])
    const reopened = await mq.crash()
    reopened.faults.clear()
    await consume(reopened, listener, { mode })
    await reopened.clock.advance('3h')
    expect(calls).toEqual(['a', 'b', 'c'])
    expect(await database.getMany(['a', 'b', 'c'])).toEqual(['+', '+', '+'])
    expect((await reopened.admin.consumerProgress('billing')).lag).toBe(0)
    expect(await rowKeys(database, 'inbox')).toEqual([])
    await reopened.close()
  })

  test('that nobody awaits is waited for', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    await consume(
      mq,
      async (message, context) => void context.commit(database.batch().put(message.text(), '+')),
      {
        mode,
      },
    )
    await mq.settled()
    expect(await database.get('a')).toBe('+')
  })

  test('that is under way is waited for, also when a second one is refused meanwhile', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    const write = new Signal()
    const errors: unknown[] = []
    let callCount = 0
    await consume(
      mq,
      async (message, context) => {
        callCount += 1
        const batch = database.batch().put(message.text(), '+')
        const writeNow = batch.write.bind(batch)
        batch.write = (() => write.promise.then(() => writeNow())) as typeof batch.write
        void context.commit(batch)
        await addTo(database, message, context).catch((error: unknown) => errors.push(error))
      },
      { mode },
    )
    await mq.clock.advance('1m')
    expect(errors).toEqual([mqError('ILLEGAL_OPERATION', 'under way')])
    write.resolve()
    await mq.settled()
    expect([callCount, await database.get('a')]).toEqual([1, '+'])
  })

  test('that the database refuses fails the attempt', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    const errors: unknown[] = []
    await consume(
      mq,
      async (message, context) => {
        const batch = database.batch().put(message.text(), '+')
        if (message.reconsumeTimes === 0) batch.write = () => Promise.reject(new Error('broken'))
        const commit = context.commit(batch)
        commit.catch((error: unknown) => errors.push(error))
      },
      { mode },
    )
    await mq.clock.advance('3h')
    expect(errors).toEqual([mqError('BATCH_FAILED', 'broken')])
    expect(await database.get('a')).toBe('+')
  })
})

const ANSWERS: readonly (readonly [string, () => unknown, string[]])[] = [
  ['throws', () => Promise.reject(new Error('too late')), ['too late']],
  ['answers a failure', () => 'FAILURE', []],
  ['answers nonsense', () => 42, []],
]

describe.each(MODES)('Behind a commit in %s mode', (mode) => {
  test.each(ANSWERS)('a listener that %s has succeeded, wherever that is told', async (_, answer, thrown) => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { trace: true })
    const errors: string[] = []
    mq.on('error', ({ message }) => errors.push(message))
    const outcomes: unknown[] = []
    const listener = async (message: MessageView, context: ConsumeContext) => {
      await addTo(database, message, context)
      return answer()
    }
    const after = (_context: unknown, { status, reason }: ConsumeHookOutcome) =>
      outcomes.push([status, reason])
    const consumer = await consume(mq, listener as Listener, { mode, consumeHooks: [{ after }] })
    const [{ messageId }] = (await send(mq, 'a')) as [SendReceipt]
    await mq.clock.advance('3h')
    expect(outcomes).toEqual([['SUCCESS', undefined]])
    expect([consumer.stats.succeededCount, consumer.stats.failedCount]).toEqual([1, 0])
    expectMQ(mq).message(messageId).consumedBy('billing')
    expect(mq.ledger.history(messageId).map(({ type }) => type)).not.toContain('failed')
    const { entries } = await mq.admin.trace(messageId)
    expect(entries.find(({ type }) => type === 'delivered')).toMatchObject({ outcome: 'SUCCESS' })
    expect(errors).toEqual(
      thrown.map((text) => expect.stringContaining(`${messageId} is done all the same. Error: ${text}`)),
    )
  })
})

describe('A commit', () => {
  test('of a batch covers all of its messages', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a', 'b', 'c')
    const calls: string[][] = []
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      consumeMessageBatchMaxSize: 8,
      listener: async (messages, context) => {
        calls.push(messages.map((message) => message.text()))
        await context.commit(database.batch().put('sum', `${messages.length}`))
        context.ackIndex = -1
      },
    })
    await mq.clock.advance('3h')
    expect(calls).toEqual([['a', 'b', 'c']])
  })

  test('happens once for each call', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    const errors: unknown[] = []
    await consume(mq, async (message, context) => {
      await addTo(database, message, context)
      await addTo(database, message, context).catch((error: unknown) => errors.push(error))
    })
    await mq.settled()
    expect(errors).toEqual([mqError('ILLEGAL_OPERATION', 'committed')])
    expect(await database.get('a')).toBe('+')
  })

  test('is refused when the listener had its time, and the retry may do it', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    const errors: unknown[] = []
    await consume(
      mq,
      async (message, context) => {
        if (message.reconsumeTimes === 0) await mq.clock.sleep('5m')
        await addTo(database, message, context).catch((error: unknown) => errors.push(error))
      },
      { consumeTimeoutMs: 60_000 },
    )
    await mq.clock.advance('1h')
    expect(errors).toEqual([mqError('CONSUME_MSG_TIMEOUT')])
    expect(await database.get('a')).toBe('+')
  })

  test('that is under way when the time is over still counts', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    let callCount = 0
    const outcomes: unknown[] = []
    const after = (_context: unknown, { status }: ConsumeHookOutcome) => outcomes.push(status)
    const consumer = await consume(
      mq,
      async (message, context) => {
        callCount += 1
        const batch = database.batch().put(message.text(), '+')
        const { write } = batch
        batch.write = async () => {
          await mq.clock.sleep('5m')
          await Reflect.apply(write, batch, [])
        }
        await context.commit(batch)
        await mq.clock.sleep('1m')
      },
      { consumeTimeoutMs: 60_000, consumeHooks: [{ after }] },
    )
    await mq.clock.advance('1h')
    expect(callCount).toBe(1)
    expect(await database.get('a')).toBe('+')
    expect((await mq.admin.consumerProgress('billing')).pendingRetryCount).toBe(0)
    expect(outcomes).toEqual(['SUCCESS'])
    expect(consumer.stats).toMatchObject({ succeededCount: 1, failedCount: 0, timedOutCount: 1 })
    expect(mq.ledger.entries.map(({ type }) => type)).toEqual(['sent', 'stored', 'delivered', 'acknowledged'])
  })

  test('that failed and was not awaited is a failure, whatever the listener says', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    await consume(mq, async (message, context) => {
      const batch = database.batch().put(message.text(), '+')
      if (message.reconsumeTimes === 0) batch.write = () => Promise.reject(new Error('broken'))
      void context.commit(batch)
    })
    await mq.clock.advance('3h')
    expect(mq.ledger.of('failed').map(({ reason }) => reason)).toEqual([expect.stringContaining('broken')])
    expect(mq.ledger.of('acknowledged')).toHaveLength(1)
  })

  test('holds although an earlier life has left a retry that comes much later', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    // The offset cannot be stored, so that the crash brings back what was sent back.
    mq.faults.fail('updateConsumerOffset')
    await consume(mq, async (_, context) => {
      context.delayLevelWhenNextConsume = 10
      throw new Error('not yet')
    })
    await mq.clock.rest()
    const reopened = await mq.crash()
    reopened.faults.clear()
    const calls: string[] = []
    await consume(reopened, async (message, context) => {
      calls.push(message.text())
      await addTo(database, message, context)
    })
    await reopened.clock.rest()
    await send(reopened, 'b')
    await reopened.clock.advance('1m')
    expect((await reopened.admin.consumerProgress('billing')).pendingRetryCount).toBe(1)
    // That of the other message, which nobody can have sent back, is of no use any more.
    expect(await rowKeys(database, 'inbox')).toHaveLength(1)
    await reopened.clock.advance('1h')
    expect(calls.sort()).toEqual(['a', 'b'])
    expect(await database.getMany(['a', 'b'])).toEqual(['+', '+'])
    expect(await rowKeys(database, 'inbox')).toEqual([])
    await reopened.close()
  })

  test('outlives a power cut behind the end of its row', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database, { flushIntervalMs: 3_600_000 })
    const listener: Listener = (message, context) => addTo(database, message, context)
    const consumer = await consume(mq, listener)
    consumer.pause()
    await send(mq, 'a')
    await mq.admin.flush()
    consumer.resume()
    await mq.clock.advance('15s')
    expect(await rowKeys(database, 'inbox')).toEqual([])
    await using reopened = await mq.crash('power')
    await consume(reopened, listener)
    await reopened.settled()
    expect(await database.get('a')).toBe('+')
  })

  test('does not outlive a reset of the offsets: what is delivered again is meant to be', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    await send(mq, 'a')
    await consume(mq, (message, context) => addTo(database, message, context))
    await mq.settled()
    expect(await rowKeys(database, 'inbox')).toHaveLength(1)
    await mq.admin.resetOffset({ group: 'billing', topic: 'orders', timestamp: 0 })
    await mq.settled()
    expect(await database.get('a')).toBe('++')
  })

  test('needs a database and a group that shares its queues', async () => {
    const database = await openDatabase()
    const { mq } = await openMQ(database)
    const errors: unknown[] = []
    const listener: Listener = async (message, context) => {
      await addTo(database, message, context).catch((error: unknown) => errors.push(error))
    }
    await consume(mq, listener, { messageModel: 'broadcasting', consumeFromWhere: 'FIRST_OFFSET' })
    await send(mq, 'a')
    await mq.settled()
    expect(errors).toEqual([mqError('INVALID_PARAMETER', 'clustering')])
  })
})
