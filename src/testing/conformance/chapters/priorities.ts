/** Priorities: what topics have them, and which queue a message goes to. */
import { strict as assert } from 'node:assert'
import { splitIntoBatches } from '../../../model/split-into-batches.ts'
import { type QueueSelector, selectByHash } from '../../../producer/queue-selector.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { failing, numbers, refused, send, subscribe, textsOf } from '../kit.ts'
import { queueIdsOf, storedCounts, storedMessages } from '../kit-groups.ts'
import { MIXED, openPriorities, sendEach } from '../kit-priorities.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const differs = { differs: true } as const

const order = { topic: 'orders', body: 'x' }

/** How an instance may end, and what a rule needs for that. */
const ENDS = [
  ['a restart', 'reopen', (world: ConformanceWorld, mq: EngineMQ) => world.reopen(mq)],
  ['a kill', 'crash', (world: ConformanceWorld, mq: EngineMQ) => world.crash(mq)],
] as const

const shown: readonly ConformanceRule[] = [
  rule(
    '1.7',
    'A priority is shown to consumers, also at a retry',
    { needs: ['virtualTime'] },
    async (world) => {
      const mq = await world.openShop()
      const seen: (number | undefined)[] = []
      const listener = failing(1)
      await subscribe(mq, {
        listener: (message, context) => {
          seen.push(message.priority)
          return listener(message, context)
        },
      })
      await send(mq, 'x', { priority: 7 })
      await mq.advance('10s')
      assert.deepEqual(seen, [7, 7])
    },
  ),
  rule('1.7', 'In an ordinary topic it changes neither queue nor order', differs, async (world) => {
    const mq = await world.openShop(4)
    const queueIds = await sendEach(mq, [9, 9, 9, 9])
    assert.deepEqual(queueIds.toSorted(), [0, 1, 2, 3])
    const single = await world.openShop()
    await sendEach(single, [1, 9, 5])
    assert.deepEqual(textsOf(await storedMessages(single)), ['1', '9', '5'])
  }),
  ...[
    ['above 9', { priority: 10 }],
    ['together with a messageGroup', { priority: 1, messageGroup: 'g' }],
    ['together with a delay', { priority: 1, delayTimeLevel: 1 }],
  ].map(([when, fields]) =>
    rule('1.7', `A priority is refused ${when}`, async (world) => {
      const mq = await world.openShop()
      const producer = await mq.producer()
      await refused('MESSAGE_ILLEGAL', () => producer.send({ ...order, ...(fields as object) }))
      assert.deepEqual(await storedMessages(mq), [])
    }),
  ),
]

const topics: readonly ConformanceRule[] = [
  rule('1.4', 'A priority topic has ten queues unless told otherwise', differs, async (world) => {
    const mq = await openPriorities(world)
    assert.equal((await storedCounts(mq, 10)).length, 10)
    const [config] = await mq.admin.topics()
    assert.deepEqual([config?.readQueueNums, config?.writeQueueNums, config?.priority], [10, 10, true])
  }),
  rule('1.4', 'It is another topic than an ordinary one, and than an order topic', differs, async (world) => {
    const mq = await openPriorities(world)
    const { createTopic } = mq.admin
    await mq.admin.createTopic({ topic: 'orders', priority: true })
    await refused('TOPIC_EXIST_ALREADY', () => mq.admin.createTopic({ topic: 'orders', queues: 10 }))
    const both = { topic: 'other', priority: true, order: true }
    await refused('INVALID_PARAMETER', () => createTopic.call(mq.admin, both))
    await refused('INVALID_PARAMETER', () => mq.admin.updateTopic({ topic: 'orders', order: true }))
    assert.deepEqual(
      (await mq.admin.topics()).map(({ topic }) => topic),
      ['orders'],
    )
  }),
  rule('12.3', 'A topic may become one, and stop to be one', differs, async (world) => {
    const mq = await world.openShop(4)
    await mq.producer()
    await send(mq, numbers(4), { priority: 3 })
    await mq.admin.updateTopic({ topic: 'orders', priority: true })
    assert.deepEqual(await sendEach(mq, [3, 3, 0]), [3, 3, 0])
    assert.deepEqual(await storedCounts(mq, 4), [2, 1, 1, 3])
    await mq.admin.updateTopic({ topic: 'orders', priority: false })
    assert.deepEqual((await sendEach(mq, [3, 3, 3, 3])).toSorted(), [0, 1, 2, 3])
  }),
  ...ENDS.map(([end, need, endLife]) =>
    rule(
      '1.4',
      `After ${end} it is one as before`,
      { ...differs, needs: ['durable', need] },
      async (world) => {
        const before = await openPriorities(world, 4)
        await sendEach(before, [0, 9])
        const after = await endLife(world, before)
        assert.deepEqual(await sendEach(after, [9, 2, 0]), [3, 2, 0])
        await refused('MESSAGE_ILLEGAL', () => send(after, 'x', { messageGroup: 'g' }))
      },
    ),
  ),
]

const sending: readonly ConformanceRule[] = [
  rule('3.3', 'A message goes to the queue of its priority', async (world) => {
    const mq = await openPriorities(world)
    assert.deepEqual(await sendEach(mq, MIXED), MIXED)
  }),
  rule('3.3', 'Where there are fewer queues, what is above the last one goes there', async (world) => {
    const mq = await openPriorities(world, 4)
    assert.deepEqual(await sendEach(mq, [0, 2, 3, 4, 9]), [0, 2, 3, 3, 3])
  }),
  rule('3.3', 'When queues come and go, priorities go by those that there are', async (world) => {
    const mq = await openPriorities(world)
    const queueIds: number[][] = []
    for (const queues of [10, 2, 16, 5]) {
      await mq.admin.updateTopic({ topic: 'orders', queues })
      queueIds.push(await sendEach(mq, [0, 1, 4, 9]))
    }
    assert.deepEqual(queueIds, [
      [0, 1, 4, 9],
      [0, 1, 1, 1],
      [0, 1, 4, 9],
      [0, 1, 4, 4],
    ])
  }),
  rule('3.3', 'Without a priority a message counts as one of priority 0', differs, async (world) => {
    const mq = await openPriorities(world, 4)
    await send(mq, numbers(8))
    assert.deepEqual(await storedCounts(mq, 4), [8, 0, 0, 0])
  }),
  rule('3.3', 'One-way sends and typed options change nothing about that', async (world) => {
    const mq = await openPriorities(world)
    const producer = await mq.producer()
    producer.sendOneway({ ...order, priority: 6 })
    await producer.send({ ...order, priority: 6 }, { timeoutMs: 1000 })
    await mq.until('both are stored', async () => (await storedCounts(mq, 10))[6] === 2)
  }),
  rule('2.8', 'A batch of one priority goes there, and one of several is refused', differs, async (world) => {
    const mq = await openPriorities(world)
    const producer = await mq.producer()
    const urgent = { ...order, priority: 7 }
    const receipt = await producer.send([urgent, urgent])
    assert.deepEqual([receipt.queue.queueId, receipt.messageCount], [7, 2])
    const queue = receipt.queue
    for (const options of [undefined, { queue }, { selector: selectByHash, arg: 1 }])
      await refused('MESSAGE_ILLEGAL', () => producer.send([urgent, order], options))
    assert.equal((await storedMessages(mq)).length, 2)
    // Nothing and 0 are the same.
    assert.equal((await producer.send([order, { ...order, priority: 0 }])).queue.queueId, 0)
  }),
  rule('2.8', 'The helper splitIntoBatches makes a batch of each priority', differs, async (world) => {
    const mq = await openPriorities(world)
    const producer = await mq.producer()
    const messages = [9, 9, 0, undefined, 3].map((priority) => ({ ...order, priority }))
    for (const batch of splitIntoBatches(messages)) await producer.send(batch)
    assert.deepEqual(await storedCounts(mq, 10), [2, 0, 0, 1, 0, 0, 0, 0, 0, 2])
  }),
  rule(
    '3.2',
    'A queue that a send names, or selects, takes it whatever its priority',
    differs,
    async (world) => {
      const mq = await openPriorities(world)
      const [named] = await send(mq, 'x', { priority: 9, queueId: 2 })
      const select: QueueSelector<number> = (queues, _, queueId) => queues[queueId]!
      const selected = await (await mq.producer()).send(
        { ...order, priority: 9 },
        { selector: select, arg: 4 },
      )
      assert.deepEqual([named?.queue.queueId, selected.queue.queueId], [2, 4])
    },
  ),
  rule('3.5', 'A message group is refused: it would give a priority by chance', differs, async (world) => {
    const mq = await openPriorities(world)
    const producer = await mq.producer()
    const grouped = { ...order, messageGroup: 'g' }
    for (const sent of [grouped, [grouped, grouped]]) {
      const { outcome } = await refused('MESSAGE_ILLEGAL', () => producer.send(sent))
      assert.equal(outcome, 'not-attempted')
    }
    await refused('MESSAGE_ILLEGAL', () => queueIdsOf(mq, ['g']))
    assert.deepEqual(await storedMessages(mq), [])
  }),
  rule(
    '10.1',
    'A delayed message, which has no priority, comes to the lowest one',
    { needs: ['delay', 'virtualTime'], differs: true },
    async (world) => {
      const mq = await openPriorities(world)
      await send(mq, 'x', { delayTimeLevel: 1 })
      await mq.advance('1s')
      assert.deepEqual(await storedCounts(mq, 10), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    },
  ),
  rule('9.3', 'A dead letter is sent again to the queue of its priority', differs, async (world) => {
    const mq = await openPriorities(world)
    await subscribe(mq, { maxReconsumeTimes: 0, listener: failing() })
    await send(mq, 'x', { priority: 8 })
    await mq.until('it is a dead letter', async () => (await mq.admin.deadLetters('billing')).length === 1)
    const [letter] = await mq.admin.deadLetters('billing')
    assert.equal((await mq.admin.resendDeadLetter('billing', letter!)).queue.queueId, 8)
  }),
]

export const priorities: ConformanceChapter = {
  title: 'Priorities',
  rules: [...shown, ...topics, ...sending],
}
