/**
 * Message groups that are consumed at the same time, when queues change hands, offsets are set from outside, or an instance ends:
 * each group keeps its order, and what is done behind a message that is not stays done.
 */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, eventsOf, failing, subscribe } from '../kit.ts'
import {
  accelerated,
  callFor,
  GroupWatch,
  LETTERS,
  openDesk,
  sendGrouped,
  sendRange,
  textsOfCalls,
} from '../kit-groups.ts'
import { attemptsOf, failingFor, join, onDemand, pause, textsOfAll } from '../kit-members.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
/** RocketMQ’s clients count attempts for themselves, and its broker knows message by message what is done. */
const timed = { needs, differs: true } as const

/** Members come and go while messages do; answers the bodies that were sent, and all members that ever were. */
async function rebalanceBusily(mq: EngineMQ, watch: GroupWatch) {
  const listener = watch.around(async ({ messageGroup }, { deliveryAttempt }) => {
    await pause(mq, 7 * (LETTERS.indexOf(messageGroup!) % 4))
    return messageGroup === 'c' && deliveryAttempt === 1 ? 'FAILURE' : 'SUCCESS'
  })
  const options = { ...accelerated, suspendCurrentQueueTimeMs: 20, listener }
  const members = await join(mq, ['A'], options)
  const sent: string[] = []
  for (let round = 0; round < 12; round++) {
    sent.push(...(await sendRange(mq, 2 * round, 2)))
    if (round % 3 === 1) members.push(...(await join(mq, [`B${round}`], options)))
    if (round % 4 === 3) void members.at(-1)!.consumer.close()
    await mq.advance(15)
  }
  await mq.advance('1m')
  return { sent, members }
}

export const fifoHandOver: ConformanceChapter = {
  title: 'Message groups at hand-over and restart',
  rules: [
    rule(
      '6.6',
      'A queue changes hands when all that runs has settled, and repeats nothing',
      timed,
      async (world) => {
        const mq = await world.openShop(2)
        const { listener, calls } = onDemand()
        const [first] = await join(mq, ['A'], { ...accelerated, listener })
        // Of two queues both groups take the second, which falls to the second member.
        await sendGrouped(mq, 'b1 b2 c1 c2 b3')
        await mq.rest()
        const [second] = await join(mq, ['B'], accelerated)
        callFor(calls, 'c1').answer()
        await mq.advance('10m')
        assert.deepEqual([first!.texts().sort(), second!.texts()], [['b1', 'c1'], []])
        callFor(calls, 'b1').answer()
        await mq.until('the new owner has the rest', () => second!.texts().length >= 3)
        await mq.rest()
        assert.deepEqual(
          [first!.texts().sort(), second!.texts().sort()],
          [
            ['b1', 'c1'],
            ['b2', 'b3', 'c2'],
          ],
        )
        assert.equal(await committed(mq, { queueId: 1 }), 5)
      },
    ),
    rule('6.6', 'It goes at once while its groups rest, with the attempts of each', timed, async (world) => {
      const mq = await world.openShop(2)
      const rest = { suspendCurrentQueueTimeMs: 30_000 }
      const [first] = await join(mq, ['A'], { ...accelerated, ...rest, listener: failing() })
      await sendGrouped(mq, 'b1 c1 b2')
      await mq.advance(30_000)
      assert.deepEqual(attemptsOf(first!).sort(), ['b11', 'b12', 'c11', 'c12'])
      const [second] = await join(mq, ['B'], accelerated)
      await mq.until('the new owner goes on', () => second!.texts().length === 3)
      assert.deepEqual(attemptsOf(second!).sort(), ['b13', 'b21', 'c13'])
    }),
    rule(
      '6.6',
      'What is done behind a message that is not is passed over by any orderly member',
      timed,
      async (world) => {
        const mq = await world.openShop()
        for (const options of [accelerated, { mode: 'orderly' } as const]) {
          const before = await openDesk(mq, 'a1 b1 c1 b2')
          await before.settle('b1 c1 b2')
          const closing = before.consumer.close()
          await mq.advance(1)
          assert.equal((await closing).unfinishedCount, 1)
          const after = await subscribe(mq, options)
          await mq.rest()
          assert.deepEqual(after.texts(), ['a1'])
          await after.consumer.close()
        }
        assert.equal(await committed(mq), 8)
      },
    ),
    rule('6.6', 'Nothing of a group overtakes while members come and go', { needs }, async (world) => {
      const mq = await world.openShop(4)
      const watch = new GroupWatch()
      const { sent, members } = await rebalanceBusily(mq, watch)
      watch.check()
      assert.deepEqual(new Set(textsOfAll(members)), new Set(sent))
    }),
    rule('6.6', 'Nothing is repeated while members come and go but what failed', timed, async (world) => {
      const mq = await world.openShop(4)
      const { sent, members } = await rebalanceBusily(mq, new GroupWatch())
      const failed = sent.filter((text) => text.startsWith('c'))
      assert.deepEqual(textsOfAll(members).sort(), [...sent, ...failed].sort())
    }),
    rule('12.3', 'A reset delivers again also what was done behind others', timed, async (world) => {
      const mq = await world.openShop()
      const before = await openDesk(mq, 'a1 b1 a2 b2')
      await before.settle('b1 b2')
      const closing = before.consumer.close()
      await mq.advance(1)
      await closing
      await mq.admin.resetOffset({ group: 'billing', topic: 'orders', offset: 'min' })
      const after = await subscribe(mq, accelerated)
      await mq.rest()
      assert.deepEqual(after.texts().sort(), ['a1', 'a2', 'b1', 'b2'])
    }),
    rule(
      '12.3',
      'After a reset each group waits for what of it still runs, and no other',
      timed,
      async (world) => {
        const mq = await world.openShop()
        const { calls, settle } = await openDesk(mq, 'a1 b1 a2 b2')
        const retries = eventsOf(mq, 'retry')
        await settle('b1', 'FAILURE')
        await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset: 2 })
        // What group b rested for is gone; group a is busy with something that is gone.
        for (const durationMs of [0, 60_000]) {
          await mq.advance(durationMs)
          assert.deepEqual(textsOfCalls(calls), ['a1', 'b1', 'b2'])
        }
        await sendGrouped(mq, 'b3')
        await mq.rest()
        assert.deepEqual(textsOfCalls(calls), ['a1', 'b1', 'b2'])
        await settle('a1', 'FAILURE')
        assert.equal(retries.length, 1)
        assert.deepEqual(textsOfCalls(calls).slice(3), ['a2'])
        await settle('a2 b2 b3')
        assert.equal(await committed(mq), 5)
      },
    ),
    rule(
      '6.6',
      'After a restart nothing is repeated, and attempts go on counting',
      { ...timed, needs: ['durable', 'reopen', 'virtualTime'] },
      async (world) => {
        const before = await world.openShop()
        await subscribe(before, { ...accelerated, listener: failingFor({ a2: 9, b1: 9 }) })
        await sendGrouped(before, 'a1 a2 b1 c1 c2')
        await before.advance(1500)
        const after = await world.reopen(before)
        const member = await subscribe(after, accelerated)
        await after.rest()
        assert.deepEqual(attemptsOf(member).sort(), ['a23', 'b13'])
        assert.equal(await committed(after), 5)
      },
    ),
    rule(
      '6.6',
      'After a kill only what lies behind the first unfinished message is repeated, group by group in order',
      { needs: ['durable', 'crash', 'virtualTime'] },
      async (world) => {
        let mq = await world.openShop(2)
        const watch = new GroupWatch()
        const done = new Set<string>()
        let offsets = [0, 0]
        for (const life of [0, 1, 2, 3]) {
          const { deliveries } = await subscribe(mq, {
            ...accelerated,
            suspendCurrentQueueTimeMs: 20,
            listener: watch.around(async (message) => {
              const text = message.text()
              await pause(mq, 10 * (LETTERS.indexOf(text[0]!) % 3))
              if (text.startsWith('c') && message.deliveryAttempt === 1) return 'FAILURE'
              done.add(text)
              return 'SUCCESS'
            }),
          })
          await sendRange(mq, 10 * life, 10)
          await mq.advance(life === 3 ? '2m' : 45)
          watch.check()
          for (const { message } of deliveries)
            assert.ok(message.queueOffset >= offsets[message.queue.queueId]!, `${message.text()} came again`)
          if (life === 3) break
          offsets = [(await committed(mq)) ?? 0, (await committed(mq, { queueId: 1 })) ?? 0]
          mq = await world.crash(mq)
          watch.forget()
        }
        assert.equal(done.size, 480)
      },
    ),
    rule('6.7', 'Broadcasting members keep the order of groups each for itself', timed, async (world) => {
      const mq = await world.openShop()
      const options = { ...accelerated, messageModel: 'broadcasting', maxReconsumeTimes: 1 } as const
      const first = await subscribe(mq, { ...options, clientId: 'A', listener: failingFor({ a1: 9 }) })
      const second = await subscribe(mq, { ...options, clientId: 'B' })
      await sendGrouped(mq, 'a1 b1 a2 b2')
      await mq.rest()
      assert.deepEqual(attemptsOf(first).sort(), ['a11', 'b11', 'b21'])
      assert.deepEqual(
        second.texts().filter((text) => text.startsWith('a')),
        ['a1', 'a2'],
      )
      await first.consumer.close()
      const again = await subscribe(mq, { ...options, clientId: 'A', listener: failingFor({ a1: 9 }) })
      await mq.rest()
      // Attempt 2 is the last that it has, and what is done behind it stays done.
      assert.deepEqual(attemptsOf(again), ['a12', 'a21'])
      assert.equal(second.deliveries.length, 4)
    }),
  ],
}
