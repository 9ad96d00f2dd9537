/** What a broadcasting member failed on before it was closed or ended, and comes back to under its name. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import {
  eventsOf,
  failing,
  queueOf,
  type SubscribeOptions,
  type Subscriber,
  send,
  subscribe,
  subscribeBatch,
} from '../kit.ts'
import { attemptsOf, failingFor } from '../kit-members.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const broadcasting = { messageModel: 'broadcasting' } as const

/** A broadcasting member that comes back under its name. */
function named(mq: EngineMQ, clientId: string, options: SubscribeOptions = {}): Promise<Subscriber> {
  return subscribe(mq, { ...broadcasting, clientId, ...options })
}

async function offsetOf(mq: EngineMQ, clientId: string): Promise<number | undefined> {
  return mq.engine.queryConsumerOffset('billing', await queueOf(mq), clientId)
}

export const broadcastRestarts: ConformanceChapter = {
  title: 'Failures of broadcasting members that restart',
  rules: [
    rule(
      '6.7',
      'A member with a name goes on counting attempts, and repeats nothing that was done',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const retrying = { broadcastFailure: 'retry', listener: failingFor({ b: 3 }) } as const
        const first = await named(mq, 'A', retrying)
        await send(mq, ['a', 'b', 'c'])
        await mq.advance('7s')
        assert.deepEqual([attemptsOf(first).sort(), await offsetOf(mq, 'A')], [['a1', 'b1', 'b2', 'c1'], 1])
        await first.consumer.close()
        const again = await named(mq, 'A', retrying)
        await mq.advance('10s')
        assert.deepEqual([attemptsOf(again), await offsetOf(mq, 'A')], [['b3', 'b4'], 3])
      },
    ),
    rule(
      '6.7',
      'A restart does not shorten the wait of a message that a member with a name failed on',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const dropped = eventsOf(mq, 'message-dropped')
        const retrying = { broadcastFailure: 'retry', maxReconsumeTimes: 2, listener: failing() } as const
        let member = await named(mq, 'A', retrying)
        await send(mq, 'a')
        await mq.rest()
        for (let restart = 0; restart < 5; restart++) {
          await member.consumer.close()
          member = await named(mq, 'A', retrying)
          await mq.advance(4999)
        }
        assert.deepEqual([member.deliveries, dropped], [[], []])
        const startTimestamp = mq.now() - 4999
        await mq.advance('1m')
        assert.deepEqual(
          member.deliveries.map(({ timestamp, message }) => [
            timestamp - startTimestamp,
            message.deliveryAttempt,
          ]),
          [
            [5000, 2],
            [10_000, 3],
          ],
        )
        assert.equal(dropped.length, 1)
      },
    ),
    rule(
      '6.7',
      'What a member with a name failed on waits alone after a restart',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const retrying = { broadcastFailure: 'retry', listener: failingFor({ b: 1 }) } as const
        const first = await named(mq, 'A', retrying)
        await send(mq, ['a', 'b', 'c'])
        await mq.rest()
        await first.consumer.close()
        await send(mq, ['d', 'e'])
        const batches: string[] = []
        const options = { ...retrying, clientId: 'A', messageModel: 'broadcasting' } as const
        await subscribeBatch(mq, 8, {
          ...options,
          listener: (messages) => {
            batches.push(messages.map((message) => message.text() + message.deliveryAttempt).join())
          },
        })
        await mq.rest()
        assert.deepEqual(batches, ['d1,e1'])
        await mq.advance('5s')
        assert.deepEqual([batches, await offsetOf(mq, 'A')], [['d1,e1', 'b2'], 5])
      },
    ),
    rule(
      '6.7',
      'In order a member with a name goes on counting attempts',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const inOrder = { mode: 'orderly', listener: failingFor({ b: 3 }) } as const
        const first = await named(mq, 'A', inOrder)
        await send(mq, ['a', 'b', 'c'])
        await mq.advance(1000)
        assert.deepEqual(attemptsOf(first), ['a1', 'b1', 'b2'])
        await first.consumer.close()
        const again = await named(mq, 'A', inOrder)
        await mq.advance('5s')
        assert.deepEqual(attemptsOf(again), ['b3', 'b4', 'c1'])
      },
    ),
  ],
}
