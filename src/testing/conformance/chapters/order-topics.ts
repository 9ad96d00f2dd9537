/** Order topics: what belongs to a queue goes there or nowhere, whatever becomes of the queues. */
import { strict as assert } from 'node:assert'
import { MQError } from '../../../model/errors.ts'
import { Permission } from '../../../model/topic.ts'
import { type QueueSelector, selectByHash } from '../../../producer/queue-selector.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, failing, numbers, refused, send, subscribe } from '../kit.ts'
import { queueIdsOf, storedCounts, storedMessages, storedOf } from '../kit-groups.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

/** Here the number of queues changes under a topic; RocketMQ writes its list of queues anew when it is told to. */
const differs = { differs: true } as const

/** Of four queues these take 3, 2, 1 and 0, of two 1, 0, 1 and 0. */
const GROUPS = ['order-1', 'order-2', 'order-3', 'user_42'] as const
const OF_FOUR = [3, 2, 1, 0]
const OF_TWO = [1, 0, 1, 0]

/** How an instance may end, and what a rule needs for that. */
const ENDS = [
  ['a restart', 'reopen', (world: ConformanceWorld, mq: EngineMQ) => world.reopen(mq)],
  ['a kill', 'crash', (world: ConformanceWorld, mq: EngineMQ) => world.crash(mq)],
] as const

function openOrdered(world: ConformanceWorld, queues = 4): Promise<EngineMQ> {
  return world.open({ topics: [{ topic: 'orders', queues, order: true }] })
}

/** Changes how many queues take messages; consumers see all of them as before. */
async function letTake(mq: EngineMQ, writeQueueNums: number): Promise<void> {
  await mq.admin.updateTopic({ topic: 'orders', writeQueueNums })
}

async function sendTo(mq: EngineMQ, messageGroup: string, body = 'x'): Promise<number> {
  const [receipt] = await send(mq, body, { messageGroup })
  return receipt!.queue.queueId
}

/** The queues that messages without a group are sent to. */
async function turnsOf(mq: EngineMQ): Promise<number[]> {
  const receipts = await send(mq, numbers(32))
  return [...new Set(receipts.map(({ queue }) => queue.queueId))].sort((a, b) => a - b)
}

/** Sends numbers to each group in turn while the queues come and go; answers what was stored of each. */
async function sendWhileQueuesChange(mq: EngineMQ): Promise<ReadonlyMap<string, readonly string[]>> {
  const accepted = new Map<string, string[]>(GROUPS.map((group) => [group, []]))
  const counts = [2, 8, 1, 4, 3, 6]
  for (const [round, count] of counts.entries()) {
    const change = letTake(mq, count)
    const sends = numbers(8).flatMap((number) =>
      GROUPS.map(async (group) => {
        const body = `${round}-${number}`
        try {
          await sendTo(mq, group, body)
          accepted.get(group)!.push(body)
        } catch (error) {
          if (!(error instanceof MQError && error.code === 'NO_PERMISSION')) throw error
        }
      }),
    )
    await Promise.all([change, ...sends])
  }
  await letTake(mq, 4)
  return accepted
}

function lastingRule([end, need, endLife]: (typeof ENDS)[number]): ConformanceRule {
  return rule(
    '3.5',
    `After ${end} it refuses and takes what it did before`,
    { ...differs, needs: ['durable', need] },
    async (world) => {
      const before = await openOrdered(world)
      await sendTo(before, 'order-1')
      await letTake(before, 3)
      const after = await endLife(world, before)
      await refused('NO_PERMISSION', () => sendTo(after, 'order-1'))
      assert.deepEqual(await queueIdsOf(after, GROUPS.slice(1)), OF_FOUR.slice(1))
      await letTake(after, 8)
      assert.deepEqual(await queueIdsOf(after, GROUPS), OF_FOUR)
    },
  )
}

export const orderTopics: ConformanceChapter = {
  title: 'Order topics',
  rules: [
    rule('3.5', 'A message group takes the queue that it takes in any topic', async (world) => {
      for (const [queues, queueIds] of [
        [4, OF_FOUR],
        [2, OF_TWO],
      ] as const)
        assert.deepEqual(await queueIdsOf(await openOrdered(world, queues), GROUPS), queueIds)
    }),
    rule('3.5', 'Those that may be written at its creation are chosen from', async (world) => {
      const settings = { topic: 'orders', readQueueNums: 8, writeQueueNums: 2, order: true }
      const mq = await world.open({ topics: [settings] })
      assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_TWO)
    }),
    rule(
      '3.5',
      'What belongs to a queue that takes no messages is refused, and the rest stays where it was',
      differs,
      async (world) => {
        const mq = await openOrdered(world)
        await queueIdsOf(mq, GROUPS)
        await letTake(mq, 2)
        for (const group of ['order-1', 'order-2']) {
          const { outcome } = await refused('NO_PERMISSION', () => sendTo(mq, group))
          assert.equal(outcome, 'not-attempted')
        }
        assert.deepEqual(await queueIdsOf(mq, ['order-3', 'user_42']), [1, 0])
        assert.deepEqual(await storedCounts(mq, 4), [2, 2, 1, 1])
      },
    ),
    rule('3.5', 'So it is when the queues are gone altogether', differs, async (world) => {
      const mq = await openOrdered(world)
      await mq.admin.updateTopic({ topic: 'orders', queues: 1 })
      for (const group of ['order-1', 'order-2', 'order-3'])
        await refused('NO_PERMISSION', () => sendTo(mq, group))
      assert.equal(await sendTo(mq, 'user_42'), 0)
      assert.deepEqual(await storedCounts(mq, 1), [1])
    }),
    rule(
      '3.5',
      'When its queues are back everything goes where it went, behind what lies there',
      differs,
      async (world) => {
        const mq = await openOrdered(world)
        for (const body of ['0', '1']) await sendTo(mq, 'order-1', body)
        await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
        await refused('NO_PERMISSION', () => sendTo(mq, 'order-1', '2'))
        await mq.admin.updateTopic({ topic: 'orders', queues: 4 })
        assert.equal(await sendTo(mq, 'order-1', '3'), 3)
        assert.deepEqual(storedOf(await storedMessages(mq), 'order-1'), ['0', '1', '3'])
      },
    ),
    rule('3.5', 'More queues send nothing elsewhere', differs, async (world) => {
      const mq = await openOrdered(world)
      for (const queues of [16, 5, 8]) {
        await mq.admin.updateTopic({ topic: 'orders', queues })
        assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_FOUR)
      }
    }),
    rule('3.5', 'Batches and one-way sends are refused alike', differs, async (world) => {
      const mq = await openOrdered(world)
      const errors = eventsOf(mq, 'error')
      const producer = await mq.producer()
      await letTake(mq, 2)
      const one = { topic: 'orders', body: 'x', messageGroup: 'order-1' }
      await refused('NO_PERMISSION', () => producer.send([one, one]))
      await refused('NO_PERMISSION', () => producer.send(one, { timeoutMs: 1000 }))
      // Depending on what it knows of the topic, a producer throws at once or tells by an event.
      await refused('NO_PERMISSION', async () => {
        producer.sendOneway(one)
        await mq.until('it is told', () => errors.length === 1)
        throw errors[0]
      })
      assert.deepEqual(await storedCounts(mq, 4), [0, 0, 0, 0])
    }),
    rule('3.4', 'Selectors choose from the same queues, and are refused alike', differs, async (world) => {
      const mq = await openOrdered(world)
      const producer = await mq.producer()
      const one = { topic: 'orders', body: 'x' }
      const given: number[] = []
      const choose: QueueSelector<number> = (queues, _, queueId) => {
        given.push(queues.length)
        return queues[queueId]!
      }
      await letTake(mq, 2)
      await refused('NO_PERMISSION', () => producer.send(one, { selector: choose, arg: 3 }))
      assert.equal((await producer.send(one, { selector: choose, arg: 1 })).queue.queueId, 1)
      await letTake(mq, 8)
      assert.equal((await producer.send(one, { selector: choose, arg: 3 })).queue.queueId, 3)
      assert.deepEqual(given, [4, 4, 4])
      // The hash of 6 chooses queue 2 of four; of eight it would be 6.
      assert.equal((await producer.send(one, { selector: selectByHash, arg: 6 })).queue.queueId, 2)
    }),
    rule('3.3', 'What belongs nowhere takes turns among those that take messages', differs, async (world) => {
      const mq = await openOrdered(world)
      assert.deepEqual(await turnsOf(mq), [0, 1, 2, 3])
      await letTake(mq, 2)
      assert.deepEqual(await turnsOf(mq), [0, 1])
      await letTake(mq, 8)
      assert.deepEqual(await turnsOf(mq), [0, 1, 2, 3])
    }),
    rule('3.2', 'A queue that a send names takes the message, also one that came later', async (world) => {
      const mq = await openOrdered(world)
      await mq.admin.updateTopic({ topic: 'orders', queues: 8 })
      for (const queueId of [7, 0]) {
        const [receipt] = await send(mq, 'x', { queueId })
        assert.equal(receipt?.queue.queueId, queueId)
      }
    }),
    rule('1.3', 'Without the permission to write everything is refused', async (world) => {
      const mq = await openOrdered(world)
      await queueIdsOf(mq, GROUPS)
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ })
      await refused('NO_PERMISSION', () => send(mq, 'x'))
      for (const group of GROUPS) await refused('NO_PERMISSION', () => sendTo(mq, group))
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ_WRITE })
      assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_FOUR)
    }),
    rule(
      '3.5',
      'While queues come and go no group is split, reordered, or loses what was taken',
      differs,
      async (world) => {
        const mq = await openOrdered(world)
        const accepted = await sendWhileQueuesChange(mq)
        const stored = await storedMessages(mq)
        for (const group of GROUPS) {
          assert.deepEqual(storedOf(stored, group), accepted.get(group))
          const queueIds = stored
            .filter(({ messageGroup }) => messageGroup === group)
            .map(({ queue }) => queue.queueId)
          assert.deepEqual(new Set(queueIds), new Set([OF_FOUR[GROUPS.indexOf(group)]]))
        }
        assert.equal(accepted.get('user_42')?.length, 48)
      },
    ),
    rule('9.3', 'A dead letter is sent again to its queue, or refused', differs, async (world) => {
      const mq = await openOrdered(world)
      await subscribe(mq, { maxReconsumeTimes: 0, listener: failing() })
      await sendTo(mq, 'order-1')
      await mq.until('it is a dead letter', async () => (await mq.admin.deadLetters('billing')).length === 1)
      const [letter] = await mq.admin.deadLetters('billing')
      await letTake(mq, 2)
      await refused('NO_PERMISSION', () => mq.admin.resendDeadLetter('billing', letter!))
      await letTake(mq, 16)
      assert.equal((await mq.admin.resendDeadLetter('billing', letter!)).queue.queueId, 3)
    }),
    rule(
      '3.5',
      'To choose from another number it must stop to be one, and become one again',
      differs,
      async (world) => {
        const mq = await openOrdered(world)
        await mq.admin.updateTopic({ topic: 'orders', queues: 2, order: false })
        assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_TWO)
        await mq.admin.updateTopic({ topic: 'orders', order: true })
        await mq.admin.updateTopic({ topic: 'orders', queues: 4 })
        assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_TWO)
      },
    ),
    rule(
      '12.3',
      'Admin tells which topics are, and from how many queues they choose',
      differs,
      async (world) => {
        const mq = await openOrdered(world)
        await mq.admin.createTopic({ topic: 'plain', queues: 2, order: false })
        await mq.admin.updateTopic({ topic: 'orders', queues: 6 })
        const told = (await mq.admin.topics()).map(({ topic, writeQueueNums, order, orderQueueNums }) => [
          topic,
          writeQueueNums,
          order ?? false,
          orderQueueNums,
        ])
        assert.deepEqual(told, [
          ['orders', 6, true, 4],
          ['plain', 2, false, undefined],
        ])
      },
    ),
    rule('1.4', 'It is another topic than one without order', differs, async (world) => {
      const mq = await openOrdered(world)
      await mq.admin.createTopic({ topic: 'orders', queues: 4, order: true })
      await refused('TOPIC_EXIST_ALREADY', () => mq.admin.createTopic({ topic: 'orders', queues: 4 }))
      await mq.admin.createTopic({ topic: 'plain', queues: 4 })
      await refused('TOPIC_EXIST_ALREADY', () =>
        mq.admin.createTopic({ topic: 'plain', queues: 4, order: true }),
      )
      await refused('INVALID_PARAMETER', () =>
        mq.admin.createTopic({ topic: 'other', order: 'yes' as unknown as boolean }),
      )
    }),
    rule(
      '12.3',
      'One that is deleted and made anew chooses from the queues that it has then',
      async (world) => {
        const mq = await openOrdered(world)
        assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_FOUR)
        await mq.admin.deleteTopic('orders')
        await mq.admin.createTopic({ topic: 'orders', queues: 2, order: true })
        assert.deepEqual(await queueIdsOf(mq, GROUPS), OF_TWO)
      },
    ),
    ...ENDS.map(lastingRule),
  ],
}
