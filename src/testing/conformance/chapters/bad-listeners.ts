/** Listeners that misbehave, in every mode: what it does to their messages, and that nobody else suffers from it. */
import { strict as assert } from 'node:assert'
import type { MessageListener } from '../../../consumer/message-listener.ts'
import type { CloseReport, PushConsumer } from '../../../consumer/push-consumer.ts'
import {
  committed,
  eventsOf,
  failing,
  numbers,
  queueOf,
  type SubscribeOptions,
  send,
  stuck,
  subscribe,
  subscribeBatch,
} from '../kit.ts'
import { join, onDemand, textsOfAll } from '../kit-members.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const

const MODES: readonly (readonly [mode: string, options: SubscribeOptions])[] = [
  ['concurrent', {}],
  ['orderly', { mode: 'orderly' }],
  ['broadcasting', { messageModel: 'broadcasting', broadcastFailure: 'retry' }],
  ['broadcasting in order', { messageModel: 'broadcasting', mode: 'orderly' }],
]

/** An object that looks like a promise. */
function thenable(
  then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
): unknown {
  return { then }
}

/** How a call may fail; each must count as one failure, with a reason in words. */
const FAILURES: readonly (readonly [how: string, answer: () => unknown])[] = [
  [
    'throws nothing',
    () => {
      throw undefined
    },
  ],
  [
    'throws null',
    () => {
      throw null
    },
  ],
  [
    'throws a text',
    () => {
      throw 'no paper'
    },
  ],
  [
    'throws what cannot be written down',
    () => {
      throw Object.create(null)
    },
  ],
  [
    'throws what throws when it is looked at',
    () => {
      throw new Proxy({}, { get: () => assert.fail('looked at') })
    },
  ],
  ['rejects with nothing', () => Promise.reject()],
  ['resolves to a function', async () => () => undefined],
  ['answers a number', () => 0],
  ['answers an empty text', () => ''],
  ['answers false', () => false],
  ['answers something like a promise that rejects', () => thenable((_, reject) => reject(new Error('no')))],
  ['answers something like a promise that throws', () => thenable(() => assert.fail('no'))],
  [
    'rejects, then resolves',
    () => thenable((resolve, reject) => [reject(new Error('no')), resolve(undefined)]),
  ],
]

/** What of three messages counts as consumed for what a listener writes into `ackIndex`. */
const ACK_INDEXES: readonly (readonly [ackIndex: unknown, consumed: number])[] = [
  [Number.NaN, 0],
  [-5, 0],
  [-1, 0],
  [0, 1],
  [0.9, 1],
  [1, 2],
  [2, 3],
  [Number.POSITIVE_INFINITY, 3],
]

function failureRule([how, answer]: (typeof FAILURES)[number]): ConformanceRule {
  // Where answers have a type nothing else can be answered.
  const differs = how.startsWith('answers') && !how.includes('promise')
  return rule('6.5', `A listener that ${how} has failed, once`, { differs }, async (world) => {
    const mq = await world.openShop()
    const [retries, errors] = [eventsOf(mq, 'retry'), eventsOf(mq, 'error')]
    const listener = ((message) => (message.text() === 'bad' ? answer() : undefined)) as MessageListener
    const { consumer } = await subscribe(mq, { listener, concurrency: 1 })
    await send(mq, ['bad', 'a', 'b'])
    await mq.until('it is sent back', () => retries.length === 1)
    await mq.until('the others are consumed', () => consumer.stats.succeededCount === 2)
    await mq.rest()
    assert.deepEqual([consumer.stats.failedCount, consumer.stats.runningCount, errors], [1, 0, []])
    assert.ok(typeof retries[0]?.reason === 'string' && retries[0].reason !== '')
    await mq.until('the offset is behind all', async () => (await committed(mq)) === 3)
  })
}

function ackIndexRule([ackIndex, consumed]: (typeof ACK_INDEXES)[number]): ConformanceRule {
  const differs = !Number.isInteger(ackIndex) || Number(ackIndex) < -1
  return rule(
    '6.5',
    `With ackIndex ${String(ackIndex)} ${consumed} of three are consumed`,
    { differs },
    async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      await send(mq, numbers(3))
      const { consumer } = await subscribeBatch(mq, 3, {
        listener: (_, context) => {
          context.ackIndex = ackIndex as number
        },
      })
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 3)
      assert.deepEqual([consumer.stats.succeededCount, retries.length], [consumed, 3 - consumed])
    },
  )
}

/** Rules that hold in every mode. */
const modeRules: readonly ((mode: string, options: SubscribeOptions) => ConformanceRule)[] = [
  (mode, options) =>
    rule(
      '6.5',
      `A listener that hangs keeps no other consumer from its messages, ${mode}`,
      { needs },
      async (world) => {
        const mq = await world.openShop(3)
        const bad = await subscribe(mq, { ...options, ...stuck, concurrency: 1, consumeTimeoutMs: 60_000 })
        const good = await subscribe(mq, { ...options, group: 'shipping' })
        for (const queueId of [0, 1, 2]) await send(mq, numbers(5), { queueId })
        await mq.rest()
        assert.deepEqual([bad.deliveries.length, good.deliveries.length], [1, 15])
        await mq.advance('10m')
        const queueIds = bad.deliveries.map(({ message }) => message.queue.queueId)
        assert.deepEqual([...new Set(queueIds)].sort(), [0, 1, 2])
      },
    ),
  (mode, options) =>
    rule(
      '6.5',
      `A listener that always fails keeps no other consumer from its messages, ${mode}`,
      { needs },
      async (world) => {
        const mq = await world.openShop(3)
        await subscribe(mq, { ...options, listener: failing() })
        const good = await subscribe(mq, { ...options, group: 'shipping' })
        await send(mq, numbers(30))
        await mq.rest()
        assert.equal(good.deliveries.length, 30)
        await send(mq, numbers(30))
        await mq.advance('1m')
        assert.equal(good.deliveries.length, 60)
      },
    ),
  (mode, options) =>
    rule('6.5', `A listener that settles twice counts once, ${mode}`, { needs }, async (world) => {
      const mq = await world.openShop()
      const twice = (): unknown =>
        thenable((resolve, reject) => [resolve(undefined), reject(new Error('late')), resolve(1)])
      const { consumer, texts } = await subscribe(mq, { ...options, listener: twice as MessageListener })
      await send(mq, ['a', 'b'])
      await mq.advance('1h')
      assert.deepEqual(
        [texts().sort(), consumer.stats.succeededCount, consumer.stats.failedCount],
        [['a', 'b'], 2, 0],
      )
    }),
  (mode, options) =>
    rule('6.5', `A listener may send to the topic that it consumes, ${mode}`, async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, {
        ...options,
        listener: async (message) => {
          if (message.text().length < 5) await send(mq, `${message.text()}x`)
        },
      })
      await send(mq, 'x')
      await mq.until('the chain ends', () => texts().length === 5)
      assert.deepEqual(texts(), ['x', 'xx', 'xxx', 'xxxx', 'xxxxx'])
    }),
  (mode, options) =>
    rule('6.5', `A listener may close its consumer, if it does not wait for it, ${mode}`, async (world) => {
      const mq = await world.openShop()
      const closings: Promise<CloseReport>[] = []
      let consumer: PushConsumer | undefined
      const member = await subscribe(mq, {
        ...options,
        concurrency: 1,
        listener: async () => {
          if (consumer !== undefined) closings.push(consumer.close())
        },
      })
      consumer = member.consumer
      await send(mq, ['a', 'b', 'c'])
      await mq.until('it closes', () => closings.length > 0)
      assert.deepEqual(await closings[0], { drained: true, unfinishedCount: 0 })
      await mq.rest()
      assert.deepEqual(member.texts(), ['a'])
      assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [])
    }),
  (mode, options) =>
    rule(
      '6.5',
      `A listener that waits for its own consumer to close holds it up for no longer than the timeout, ${mode}`,
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const reports: CloseReport[] = []
        let consumer: PushConsumer | undefined
        const member = await subscribe(mq, {
          ...options,
          closeTimeoutMs: 3000,
          listener: async () => {
            reports.push(await consumer!.close())
          },
        })
        consumer = member.consumer
        await send(mq, 'a')
        await mq.advance(2999)
        assert.deepEqual(reports, [])
        await mq.advance(1)
        assert.deepEqual(reports, [{ drained: false, unfinishedCount: 1 }])
      },
    ),
  (mode, options) =>
    rule(
      '6.5',
      `What a listener answers after the close counts no more, ${mode}`,
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { listener, calls } = onDemand()
        const { consumer, deliveries } = await subscribe(mq, {
          ...options,
          clientId: 'A',
          listener,
          closeTimeoutMs: 1000,
        })
        await send(mq, 'a')
        await mq.rest()
        const closing = consumer.close()
        await mq.advance(1000)
        assert.deepEqual(await closing, { drained: false, unfinishedCount: 1 })
        calls[0]?.answer()
        await mq.advance('1h')
        assert.deepEqual([consumer.stats.succeededCount, deliveries.length], [0, 1])
        const owner = options.messageModel === 'broadcasting' ? 'A' : undefined
        assert.equal((await mq.engine.queryConsumerOffset('billing', await queueOf(mq), owner)) ?? 0, 0)
        const again = await subscribe(mq, { ...options, clientId: 'A' })
        await mq.until('it is delivered again', () => again.deliveries.length === 1)
      },
    ),
]

export const badListeners: ConformanceChapter = {
  title: 'Listeners that misbehave',
  rules: [
    ...FAILURES.map(failureRule),
    ...ACK_INDEXES.map(ackIndexRule),
    ...MODES.flatMap(([mode, options]) => modeRules.map((ruleOf) => ruleOf(mode, options))),
    rule('6.5', 'A delay level that is none counts as 0', { needs, differs: true }, async (world) => {
      const mq = await world.openShop()
      const levels = [Number.NaN, 2.5, undefined, 'soon']
      const { deliveries } = await subscribe(mq, {
        listener: (message, context) => {
          context.delayLevelWhenNextConsume = levels[Number(message.text())] as never
          return message.deliveryAttempt === 1 ? 'FAILURE' : 'SUCCESS'
        },
      })
      await send(mq, numbers(levels.length))
      await mq.advance(9999)
      assert.equal(deliveries.length, levels.length)
      await mq.advance(1)
      assert.equal(deliveries.length, 2 * levels.length)
    }),
    rule('6.5', 'A member whose listeners all hang holds up no other member', async (world) => {
      const mq = await world.openShop(2)
      const [bad] = await join(mq, ['A'], { ...stuck, concurrency: 2 })
      const [good] = await join(mq, ['B'])
      await mq.rest()
      await send(mq, numbers(20))
      await mq.until('the other consumes its queue', () => good!.deliveries.length === 10)
      await mq.rest()
      assert.deepEqual([bad!.deliveries.length, textsOfAll([bad!, good!]).length], [2, 12])
    }),
    rule(
      '6.5',
      'A listener may let another consumer of its group begin',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        const others: Promise<{ texts(): string[] }>[] = []
        const first = await subscribe(mq, {
          clientId: 'A',
          listener: async () => {
            if (others.length > 0) return
            others.push(subscribe(mq, { clientId: 'B' }))
            await others[0]
          },
        })
        await send(mq, numbers(20))
        await mq.until('it has begun', () => others.length === 1)
        const second = await others[0]!
        await mq.until('all are delivered', () => first.texts().length + second.texts().length === 20)
      },
    ),
    rule('6.5', 'A listener may reset the offset of its own group', { differs: true }, async (world) => {
      const mq = await world.openShop()
      let isReset = false
      const { texts } = await subscribe(mq, {
        concurrency: 1,
        listener: async (message) => {
          if (message.text() !== '2' || isReset) return
          isReset = true
          await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset: 0 })
        },
      })
      await send(mq, numbers(4))
      await mq.until('all are delivered, some of them again', () => texts().length === 7)
      assert.deepEqual(texts(), ['0', '1', '2', '0', '1', '2', '3'])
    }),
    rule('6.5', 'A listener may pause its consumer', async (world) => {
      const mq = await world.openShop()
      let consumer: PushConsumer | undefined
      const member = await subscribe(mq, { concurrency: 1, listener: () => consumer?.pause() })
      consumer = member.consumer
      await send(mq, numbers(3))
      await mq.rest()
      assert.deepEqual(member.texts(), ['0'])
      consumer.resume()
      await mq.rest()
      assert.deepEqual(member.texts(), ['0', '1'])
    }),
  ],
}
