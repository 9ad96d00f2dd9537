/** How often messages failed that stay in their place: what an engine remembers for groups and members, and until when. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { numbers, queueOf, refused, send, stuck, subscribe } from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

/** RocketMQ's clients count for themselves, so no rule of this chapter is one of its brokers. */
const differs = { differs: true } as const

/** A shop with five messages in each of two queues, and the groups `billing` and `shipping`. */
async function openWithGroups(world: ConformanceWorld): Promise<EngineMQ> {
  const mq = await world.openShop(2)
  for (const queueId of [0, 1]) await send(mq, numbers(5), { queueId })
  for (const group of ['billing', 'shipping']) await mq.admin.createGroup({ group })
  return mq
}

/** Whose attempts, and of which queue. */
interface Place {
  readonly group?: string
  readonly queueId?: number
  /** A broadcasting member. */
  readonly clientId?: string
}

/** Offset and number of each message, such as `0:1 4:2`. */
async function attemptsIn(
  mq: EngineMQ,
  { group = 'billing', queueId = 0, clientId }: Place = {},
): Promise<string> {
  const found = await mq.engine.queryAttempts(group, await queueOf(mq, queueId), clientId)
  return found.map(({ queueOffset, reconsumeTimes }) => `${queueOffset}:${reconsumeTimes}`).join(' ')
}

async function fail(
  mq: EngineMQ,
  queueOffset: number,
  reconsumeTimes: number,
  { group = 'billing', queueId = 0, clientId }: Place = {},
): Promise<void> {
  const attempts = [{ queueOffset, reconsumeTimes }]
  await mq.engine.updateAttempts(group, await queueOf(mq, queueId), attempts, clientId)
}

async function commit(mq: EngineMQ, offset: number, clientId?: string): Promise<void> {
  await mq.engine.updateConsumerOffset('billing', await queueOf(mq), offset, false, clientId)
}

/** The number is there again after the instance has ended in some way. */
function lastingRule(
  end: string,
  need: 'reopen' | 'crash',
  endLife: (world: ConformanceWorld, mq: EngineMQ) => Promise<EngineMQ>,
): ConformanceRule {
  return rule(
    '6.6',
    `They are there again after ${end}`,
    { ...differs, needs: ['durable', need] },
    async (world) => {
      const before = await openWithGroups(world)
      await commit(before, 2)
      await fail(before, 2, 7)
      await fail(before, 0, 1, { queueId: 1 })
      const after = await endLife(world, before)
      assert.equal(await attemptsIn(after), '2:7')
      assert.equal(await attemptsIn(after, { queueId: 1 }), '0:1')
      await commit(after, 3)
      assert.equal(await attemptsIn(after), '')
    },
  )
}

export const attempts: ConformanceChapter = {
  title: 'Attempts that are remembered',
  rules: [
    rule('6.6', 'A queue in which nothing failed has none', differs, async (world) => {
      const mq = await openWithGroups(world)
      assert.equal(await attemptsIn(mq), '')
    }),
    rule(
      '6.6',
      'For each message the last that was said counts, also when it is less',
      differs,
      async (world) => {
        const mq = await openWithGroups(world)
        for (const reconsumeTimes of [1, 2, 65_536, 1]) {
          await fail(mq, 0, reconsumeTimes)
          assert.equal(await attemptsIn(mq), `0:${reconsumeTimes}`)
        }
      },
    ),
    rule('6.6', 'They last until the offset of the group has passed the message', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 2, 3)
      for (const offset of [1, 2]) {
        await commit(mq, offset)
        assert.equal(await attemptsIn(mq), '2:3')
      }
      await commit(mq, 3)
      assert.equal(await attemptsIn(mq), '')
    }),
    rule('6.6', 'Those of a message that was passed before are not kept', differs, async (world) => {
      const mq = await openWithGroups(world)
      await commit(mq, 3)
      await fail(mq, 2, 3)
      assert.equal(await attemptsIn(mq), '')
      await fail(mq, 3, 1)
      assert.equal(await attemptsIn(mq), '3:1')
    }),
    rule('6.6', 'A queue has those of each message that failed, by their offsets', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 3, 2)
      await fail(mq, 1, 5)
      await fail(mq, 4, 1)
      assert.deepEqual(await mq.engine.queryAttempts('billing', await queueOf(mq)), [
        { queueOffset: 1, reconsumeTimes: 5 },
        { queueOffset: 3, reconsumeTimes: 2 },
        { queueOffset: 4, reconsumeTimes: 1 },
      ])
      await commit(mq, 2)
      assert.equal(await attemptsIn(mq), '3:2 4:1')
      await commit(mq, 4)
      assert.equal(await attemptsIn(mq), '4:1')
    }),
    rule('6.6', 'Those of many messages can be said at once, and the last counts', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 3, 7)
      const said = [4, 3, 1, 3].map((queueOffset, index) => ({ queueOffset, reconsumeTimes: index }))
      await mq.engine.updateAttempts('billing', await queueOf(mq), said)
      assert.equal(await attemptsIn(mq), '1:2 3:3 4:0')
      await mq.engine.updateAttempts('billing', await queueOf(mq), [])
      assert.equal(await attemptsIn(mq), '1:2 3:3 4:0')
    }),
    rule(
      '6.6',
      'What is said of one message twice at once is one number, and nothing of it is left when it is passed',
      { ...differs, needs: ['durable', 'reopen'] },
      async (world) => {
        const before = await openWithGroups(world)
        await Promise.all([fail(before, 2, 1), fail(before, 2, 2)])
        assert.equal(await attemptsIn(before), '2:2')
        await commit(before, 3)
        const after = await world.reopen(before)
        assert.equal(await attemptsIn(after), '')
        assert.deepEqual((await after.admin.check()).problems, [])
      },
    ),
    rule('6.6', 'A message that is done behind others has the number 0', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 1, 2)
      await fail(mq, 2, 0)
      await fail(mq, 3, 4)
      await fail(mq, 3, 0)
      assert.equal(await attemptsIn(mq), '1:2 2:0 3:0')
      await commit(mq, 4)
      assert.equal(await attemptsIn(mq), '')
    }),
    rule('6.6', 'Each queue has its own, and each group', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 0, 1)
      await fail(mq, 1, 2, { queueId: 1 })
      await fail(mq, 2, 3, { group: 'shipping' })
      assert.equal(await attemptsIn(mq), '0:1')
      assert.equal(await attemptsIn(mq, { queueId: 1 }), '1:2')
      assert.equal(await attemptsIn(mq, { group: 'shipping' }), '2:3')
      await commit(mq, 5)
      assert.equal(await attemptsIn(mq), '')
      assert.equal(await attemptsIn(mq, { queueId: 1 }), '1:2')
      assert.equal(await attemptsIn(mq, { group: 'shipping' }), '2:3')
    }),
    ...[0, 2, 5].map((offset) =>
      rule('6.6', `A reset to ${offset} ends those of the message at 2`, differs, async (world) => {
        const mq = await openWithGroups(world)
        await commit(mq, 2)
        await fail(mq, 2, 3)
        await mq.admin.resetOffset({ group: 'billing', topic: 'orders', queueId: 0, offset })
        assert.equal(await attemptsIn(mq), '')
      }),
    ),
    rule('6.7', 'A broadcasting member that names itself has its own', differs, async (world) => {
      const mq = await openWithGroups(world)
      const member = { messageModel: 'broadcasting', consumeFromWhere: 'FIRST_OFFSET' } as const
      const { consumer } = await subscribe(mq, {
        ...member,
        clientId: 'A',
        listener: stuck.listener,
        closeTimeoutMs: 1,
      })
      await fail(mq, 2, 3, { clientId: 'A' })
      await fail(mq, 1, 1)
      assert.deepEqual([await attemptsIn(mq, { clientId: 'A' }), await attemptsIn(mq)], ['2:3', '1:1'])
      await commit(mq, 3, 'A')
      assert.deepEqual([await attemptsIn(mq, { clientId: 'A' }), await attemptsIn(mq)], ['', '1:1'])
      assert.equal(consumer.clientId, 'A')
    }),
    rule('6.7', 'For a member that does not come back nothing is remembered', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 2, 3, { clientId: 'stranger' })
      assert.equal(await attemptsIn(mq, { clientId: 'stranger' }), '')
      const { consumer } = await subscribe(mq, { messageModel: 'broadcasting' })
      const { clientId } = consumer
      await fail(mq, 2, 3, { clientId })
      assert.equal(await attemptsIn(mq, { clientId }), '')
    }),
    rule('12.3', 'They go with their group', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 0, 3)
      await mq.admin.deleteGroup('billing')
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', () => attemptsIn(mq))
      await mq.admin.createGroup({ group: 'billing' })
      assert.equal(await attemptsIn(mq), '')
    }),
    rule('12.4', 'They go with their topic', differs, async (world) => {
      const mq = await openWithGroups(world)
      await fail(mq, 0, 3)
      const queue = await queueOf(mq)
      await mq.admin.deleteTopic('orders')
      await refused('TOPIC_NOT_EXIST', () => mq.engine.queryAttempts('billing', queue))
      await mq.admin.createTopic({ topic: 'orders', queues: 1 })
      assert.equal(await attemptsIn(mq), '')
    }),
    rule('6.6', 'They are no progress, no retry and no dead letter', differs, async (world) => {
      const mq = await openWithGroups(world)
      await commit(mq, 2)
      const before = await mq.admin.consumerProgress('billing')
      await fail(mq, 2, 3)
      assert.deepEqual(await mq.admin.consumerProgress('billing'), before)
      assert.deepEqual(await mq.admin.deadLetters('billing'), [])
    }),
    lastingRule('a restart', 'reopen', (world, mq) => world.reopen(mq)),
    lastingRule('a kill', 'crash', (world, mq) => world.crash(mq)),
  ],
}
