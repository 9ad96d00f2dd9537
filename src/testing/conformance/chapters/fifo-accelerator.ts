/**
 * `enableFifoConsumeAccelerator`: an orderly push consumer keeps the order of each message group instead of that of the queue,
 * so that one group does not wait for another.
 */
import { strict as assert } from 'node:assert'
import { committed, eventsOf, refused, stuck, subscribe, subscribeBatch } from '../kit.ts'
import {
  accelerated,
  callFor,
  GroupWatch,
  openDesk,
  sendGrouped,
  sendRange,
  textsOfCalls,
} from '../kit-groups.ts'
import { attemptsOf, failingFor, onDemand, pause } from '../kit-members.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
/** RocketMQ’s clients wait for all groups of what they received, and a message that fails holds its queue. */
const differs = { differs: true } as const
const timed = { needs, differs: true } as const

export const fifoAccelerator: ConformanceChapter = {
  title: 'Message groups at the same time',
  rules: [
    rule(
      '8.7',
      'Groups of a queue are consumed at the same time, each one message at a time',
      async (world) => {
        const mq = await world.openShop()
        await sendGrouped(mq, 'a1 b1 a2 b2 c1 a3')
        const { listener, calls } = onDemand()
        const { consumer } = await subscribe(mq, { ...accelerated, closeTimeoutMs: 1, listener })
        await mq.until('one of each group runs', () => calls.length === 3)
        await mq.rest()
        assert.deepEqual([textsOfCalls(calls), consumer.stats.runningCount], [['a1', 'b1', 'c1'], 3])
        callFor(calls, 'b1').answer()
        await mq.until('the group goes on', () => calls.length === 4)
        await mq.rest()
        assert.deepEqual(textsOfCalls(calls), ['a1', 'b1', 'c1', 'b2'])
      },
    ),
    rule('6.6', 'Without it the groups of a queue wait for each other', { needs }, async (world) => {
      const mq = await world.openShop()
      const member = await subscribe(mq, { mode: 'orderly', listener: failingFor({ a1: 1 }) })
      await sendGrouped(mq, 'a1 b1 a2')
      await mq.advance(999)
      assert.deepEqual(attemptsOf(member), ['a11'])
      await mq.advance(1)
      assert.deepEqual(attemptsOf(member), ['a11', 'a12', 'b11', 'a21'])
    }),
    rule('8.7', 'What has no group counts as one group', async (world) => {
      const mq = await world.openShop()
      const { calls, settle } = await openDesk(mq, '-1 -2 a1 -3')
      assert.deepEqual(textsOfCalls(calls), ['-1', 'a1'])
      await settle('-1')
      assert.deepEqual(textsOfCalls(calls), ['-1', 'a1', '-2'])
    }),
    rule('8.7', 'What comes later does not wait for a group that is busy', differs, async (world) => {
      const mq = await world.openShop()
      const { calls, settle } = await openDesk(mq, 'a1 b1')
      await settle('b1')
      await sendGrouped(mq, 'b2 c1 a2')
      await mq.rest()
      assert.deepEqual(textsOfCalls(calls), ['a1', 'b1', 'b2', 'c1'])
      await settle('a1')
      assert.deepEqual(textsOfCalls(calls).slice(4), ['a2'])
    }),
    rule('6.1', 'No more run at a time than concurrency says, over groups and queues', async (world) => {
      const mq = await world.openShop(4)
      const { calls, consumer, settle } = await openDesk(mq, 'a1 b1 c1 d1 e1 f1 a2 b2 g1 h1', {
        concurrency: 3,
      })
      for (let doneCount = 0; doneCount < 10; doneCount++) {
        const { runningCount } = consumer.stats
        assert.deepEqual(
          [calls.length, runningCount],
          [Math.min(10, doneCount + 3), calls.length - doneCount],
        )
        await settle(calls[doneCount]!.message.text())
      }
      assert.equal(new Set(textsOfCalls(calls)).size, 10)
    }),
    rule('8.7', 'A message that fails holds back its group, and no other', timed, async (world) => {
      const mq = await world.openShop()
      const retries = eventsOf(mq, 'retry')
      const rest = { suspendCurrentQueueTimeMs: 300 }
      const member = await subscribe(mq, { ...accelerated, ...rest, listener: failingFor({ a1: 2 }) })
      await sendGrouped(mq, 'a1 b1 a2 b2 -1')
      await mq.advance(200)
      await sendGrouped(mq, 'a3 b3')
      await mq.advance(99)
      assert.deepEqual(attemptsOf(member).sort(), ['-11', 'a11', 'b11', 'b21', 'b31'])
      await mq.advance(1)
      assert.deepEqual(attemptsOf(member).slice(5), ['a12'])
      await mq.advance(300)
      assert.deepEqual(attemptsOf(member).slice(6), ['a13', 'a21', 'a31'])
      assert.deepEqual(
        retries.map(({ reconsumeTimes }) => reconsumeTimes),
        [1, 2],
      )
    }),
    rule('8.7', 'A group that rests leaves its place to others', timed, async (world) => {
      const mq = await world.openShop()
      const member = await subscribe(mq, { ...accelerated, concurrency: 1, listener: failingFor({ a1: 9 }) })
      await sendGrouped(mq, 'a1 a2')
      await mq.rest()
      await sendGrouped(mq, 'b1 c1 b2')
      await mq.rest()
      assert.deepEqual(attemptsOf(member).sort(), ['a11', 'b11', 'b21', 'c11'])
    }),
    rule('8.7', 'One that fails without end stops nobody else', timed, async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq, {
        ...accelerated,
        listener: ({ messageGroup }) => (messageGroup === 'a' ? 'FAILURE' : 'SUCCESS'),
      })
      await sendGrouped(mq, 'a1 a2')
      for (const round of [1, 2, 3]) {
        await mq.advance('20s')
        await sendGrouped(mq, `b${round} c${round}`)
      }
      await mq.rest()
      const others = texts().filter((text) => text !== 'a1')
      assert.deepEqual(others.sort(), ['b1', 'b2', 'b3', 'c1', 'c2', 'c3'])
      assert.equal(texts().length - others.length, 61)
    }),
    rule('8.7', 'A listener that hangs keeps its group, and not its place', timed, async (world) => {
      const mq = await world.openShop()
      const warnings = eventsOf(mq, 'warning')
      const { calls, settle } = await openDesk(mq, 'a1 a2 b1', { concurrency: 1, consumeTimeoutMs: 5000 })
      await mq.advance(4999)
      assert.deepEqual(textsOfCalls(calls), ['a1'])
      await mq.advance('1h')
      assert.deepEqual(textsOfCalls(calls), ['a1', 'b1'])
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ['LISTENER_TIMEOUT', 'LISTENER_TIMEOUT'],
      )
      await settle('b1 a1')
      assert.deepEqual(textsOfCalls(calls), ['a1', 'b1', 'a2'])
    }),
    rule(
      '6.6',
      'With a maximum each group has its dead letters, and goes on behind them',
      timed,
      async (world) => {
        const mq = await world.openShop()
        const options = { ...accelerated, maxReconsumeTimes: 1 }
        const member = await subscribe(mq, { ...options, listener: failingFor({ a1: 9, b1: 1, c1: 9 }) })
        await sendGrouped(mq, 'a1 b1 c1 a2 b2 c2')
        await mq.advance(1000)
        const expected = ['a11', 'a12', 'a21', 'b11', 'b12', 'b21', 'c11', 'c12', 'c21']
        assert.deepEqual(attemptsOf(member).sort(), expected)
        const letters = (await mq.admin.deadLetters('billing')).map((letter) => letter.text())
        assert.deepEqual([letters.sort(), await committed(mq)], [['a1', 'c1'], 6])
      },
    ),
    rule('6.3', 'The committed offset is that of the first message that is not done', async (world) => {
      const mq = await world.openShop()
      const { settle } = await openDesk(mq, 'a1 b1 b2 c1 a2')
      await settle('b1 c1 b2')
      assert.equal((await committed(mq)) ?? 0, 0)
      await settle('a1')
      assert.equal(await committed(mq), 4)
      await settle('a2')
      assert.equal(await committed(mq), 5)
    }),
    rule(
      '6.1',
      'Fetching stops at the span behind the first message that is not done',
      differs,
      async (world) => {
        const mq = await world.openShop()
        const hold = onDemand()
        const member = await subscribe(mq, {
          ...accelerated,
          consumeConcurrentlyMaxSpan: 20,
          pullBatchSize: 10,
          closeTimeoutMs: 1,
          listener: (message, context) =>
            message.text() === 'a-0' ? hold.listener(message, context) : undefined,
        })
        const sent = await sendRange(mq, 0, 5)
        await mq.rest()
        const delivered = member.texts().length
        assert.ok(delivered > 1 && delivered <= 31, `${delivered} of ${sent.length} are delivered`)
        hold.calls[0]?.answer()
        await mq.until('all are delivered', () => member.texts().length === sent.length)
      },
    ),
    rule(
      '6.6',
      'Nothing of a group overtakes, whatever fails and however long it takes',
      { needs },
      async (world) => {
        const mq = await world.openShop(2)
        const watch = new GroupWatch()
        const done: string[] = []
        await subscribe(mq, {
          ...accelerated,
          concurrency: 5,
          suspendCurrentQueueTimeMs: 50,
          listener: watch.around(async (message, { deliveryAttempt }) => {
            const index = message.queueOffset * 7 + deliveryAttempt
            await pause(mq, 5 * (index % 6))
            if (index % 5 === 0) return 'FAILURE'
            done.push(message.text())
            return 'SUCCESS'
          }),
        })
        const sent: string[] = []
        for (let round = 0; round < 8; round++) {
          sent.push(...(await sendRange(mq, 3 * round, 3)))
          await mq.advance(40)
        }
        await mq.advance('1m')
        watch.check()
        assert.deepEqual(done.sort(), sent.sort())
      },
    ),
    rule(
      '6.4',
      'A paused member starts nothing, also when the rests of groups are over',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const member = await subscribe(mq, { ...accelerated, listener: failingFor({ a1: 1, b1: 1 }) })
        await sendGrouped(mq, 'a1 b1 a2')
        await mq.rest()
        member.consumer.pause()
        await sendGrouped(mq, 'c1')
        await mq.advance('1m')
        assert.deepEqual(attemptsOf(member).sort(), ['a11', 'b11'])
        member.consumer.resume()
        await mq.until('it goes on', () => member.deliveries.length === 6)
        assert.deepEqual(attemptsOf(member).slice(2).sort(), ['a12', 'a21', 'b12', 'c11'])
      },
    ),
    rule(
      '6.6',
      'A batch has messages of one group, and what it leaves comes first again',
      timed,
      async (world) => {
        const mq = await world.openShop()
        await sendGrouped(mq, 'a1 b1 a2 a3 b2 -1')
        const { batches } = await subscribeBatch(mq, 2, {
          ...accelerated,
          listener: ([first], context) => {
            if (first?.text() === 'a1') context.ackIndex = 0
          },
        })
        const words = (): string[] => batches.map((batch) => batch.map((each) => each.text()).join(' '))
        await mq.rest()
        assert.deepEqual([words().sort(), await committed(mq)], [['-1', 'a1 a2', 'b1 b2'], 2])
        await mq.advance(1000)
        assert.deepEqual([words().slice(3), await committed(mq)], [['a2 a3'], 6])
      },
    ),
    rule('6.1', 'It is for orderly mode only', differs, async (world) => {
      const mq = await world.openShop()
      for (const options of [{}, { mode: 'concurrent' }, { messageModel: 'broadcasting' }] as const)
        await refused('INVALID_PARAMETER', () =>
          subscribe(mq, { ...options, ...stuck, enableFifoConsumeAccelerator: true }),
        )
      await refused('INVALID_PARAMETER', () =>
        subscribe(mq, { mode: 'orderly', enableFifoConsumeAccelerator: 'yes' as unknown as true }),
      )
      assert.deepEqual(await mq.admin.groups(), [])
    }),
  ],
}
