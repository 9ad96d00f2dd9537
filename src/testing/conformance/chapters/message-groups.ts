/** Message groups: which queue they take, the order in which they are stored, and how they travel with their messages. */
import { strict as assert } from 'node:assert'
import type { Message, MessageView } from '../../../model/message.ts'
import { splitIntoBatches } from '../../../model/split-into-batches.ts'
import { sql } from '../../../model/sql/sql-filter.ts'
import { selectByHash } from '../../../producer/queue-selector.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { failing, gate, numbers, queueOf, refused, send, subscribe, textsOf } from '../kit.ts'
import { queueIdsOf, sendGrouped, storedMessages, storedOf } from '../kit-groups.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

/** Of how many queues RocketMQ's client for Java takes which, group by group. */
const VECTORS: readonly (readonly [queues: number, queueIds: Readonly<Record<string, number>>])[] = [
  [3, { a: 1, 'order-1': 0, 'order-2': 0, 'order-3': 1, user_42: 0, 'fifo-group': 2 }],
  [4, { a: 2, 'order-1': 3, 'order-2': 2, 'order-3': 1, user_42: 0, 'fifo-group': 0 }],
  [8, { a: 2, 'order-1': 7, 'order-2': 6, 'order-3': 1, user_42: 4, 'fifo-group': 4 }],
]

/** The same of seven queues, for names in other scripts, and around the blocks of eight bytes that the hash works on. */
const OF_SEVEN: Readonly<Record<string, number>> = {
  'größe-1': 6,
  '注文-42': 6,
  '🚲': 5,
  ' a': 2,
  'Order-1': 2,
  'order-1': 5,
  '1234567': 3,
  '12345678': 3,
  '123456789': 1,
  xxxxxxxxxxxxxxx: 3,
  xxxxxxxxxxxxxxxx: 0,
  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 2,
}

/** How an instance may end, and what a rule needs for that. */
const ENDS = [
  ['a restart', 'reopen', (world: ConformanceWorld, mq: EngineMQ) => world.reopen(mq)],
  ['a kill', 'crash', (world: ConformanceWorld, mq: EngineMQ) => world.crash(mq)],
] as const

const message = (messageGroup: string | undefined, body = 'x'): Message => ({
  topic: 'orders',
  body,
  messageGroup,
})

/** The messages must be refused, and nothing stored. */
async function illegal(mq: EngineMQ, messages: Message | readonly Message[]): Promise<void> {
  const producer = await mq.producer()
  await refused('MESSAGE_ILLEGAL', () => producer.send(messages as Message))
  assert.deepEqual(await storedMessages(mq), [])
}

/** As many as no regular disorder falls in with. */
const GROUPS = numbers(11).map((number) => `order-${number}`)

/** Of each group the bodies `0` to `9` are stored, in this order. */
async function checkOrder(mq: EngineMQ): Promise<void> {
  const stored = await storedMessages(mq)
  for (const group of GROUPS) assert.deepEqual(storedOf(stored, group), numbers(10))
}

function vectorRule([queues, queueIds]: (typeof VECTORS)[number]): ConformanceRule {
  return rule(
    '3.4',
    `Of ${queues} queues a message group takes the one that it takes in Java`,
    async (world) => {
      const mq = await world.openShop(queues)
      assert.deepEqual(await queueIdsOf(mq, Object.keys(queueIds)), Object.values(queueIds))
    },
  )
}

function lastingRule([end, need, endLife]: (typeof ENDS)[number]): ConformanceRule {
  return rule(
    '3.4',
    `After ${end} messages have their groups, and the groups their queues`,
    { needs: ['durable', need] },
    async (world) => {
      const before = await world.openShop(4)
      await sendGrouped(before, 'a1 b1 -1')
      const queueIds = await queueIdsOf(before, GROUPS)
      const after = await endLife(world, before)
      const groups = (await storedMessages(after)).map(({ messageGroup }) => messageGroup)
      assert.deepEqual(groups.sort(), [...GROUPS, 'a', 'b', undefined].sort())
      assert.deepEqual(await queueIdsOf(after, GROUPS), queueIds)
    },
  )
}

export const messageGroups: ConformanceChapter = {
  title: 'Message groups',
  rules: [
    ...VECTORS.map(vectorRule),
    rule('3.4', 'So it does whatever its script and its length in bytes', async (world) => {
      const mq = await world.openShop(7)
      const groups = Object.keys(OF_SEVEN)
      assert.deepEqual(
        await queueIdsOf(mq, groups),
        groups.map((group) => OF_SEVEN[group]),
      )
    }),
    rule('3.4', 'Only queues that may be written are chosen from', async (world) => {
      const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 8, writeQueueNums: 3 }] })
      assert.deepEqual(await queueIdsOf(mq, Object.keys(VECTORS[0]![1])), Object.values(VECTORS[0]![1]))
    }),
    rule('3.4', 'Every way to send goes to the queue of the group', async (world) => {
      const mq = await world.openShop(4)
      const producer = await mq.producer()
      const other = await mq.createProducer({ group: 'office' })
      producer.sendOneway(message('order-1'))
      other.sendOneway([message('order-1'), message('order-1')])
      const receipts = [
        await producer.send(message('order-1'), { timeoutMs: 1000 }),
        await producer.send([message('order-1'), message('order-1')]),
        await other.send(message('order-1')),
      ]
      assert.deepEqual(
        receipts.map(({ queue }) => queue.queueId),
        [3, 3, 3],
      )
      await mq.until('all are there', async () => (await mq.engine.maxOffset(await queueOf(mq, 3))) === 7)
    }),
    rule('3.5', 'The send that makes its topic goes there too, and keeps the order', async (world) => {
      const mq = await world.open({ defaultTopicQueueNums: 4 })
      const bodies = numbers(10)
      const receipts = await send(mq, bodies, { messageGroup: 'order-1' })
      assert.deepEqual(new Set(receipts.map(({ queue }) => queue.queueId)), new Set([3]))
      assert.deepEqual(storedOf(await storedMessages(mq), 'order-1'), bodies)
    }),
    rule('3.3', 'Messages with a group leave the turns of the others alone', async (world) => {
      const mq = await world.openShop(4)
      const ids: number[] = []
      for (let turn = 0; turn < 8; turn++) {
        ids.push((await send(mq, 'x'))[0]!.queue.queueId)
        await sendGrouped(mq, 'a1 b1 c1')
      }
      assert.deepEqual(
        ids,
        ids.map((_, index) => (ids[0]! + index) % 4),
      )
    }),
    rule('3.5', 'Another number of queues sends a group elsewhere', async (world) => {
      const mq = await world.openShop(4)
      assert.deepEqual(await queueIdsOf(mq, ['order-1', 'order-2']), [3, 2])
      await mq.admin.updateTopic({ topic: 'orders', queues: 8 })
      assert.deepEqual(await queueIdsOf(mq, ['order-1', 'order-2']), [7, 6])
      await mq.admin.updateTopic({ topic: 'orders', queues: 3 })
      assert.deepEqual(await queueIdsOf(mq, ['order-1', 'order-2']), [0, 0])
    }),
    rule('3.5', 'Sends of a group that are awaited one by one are stored in their order', async (world) => {
      const mq = await world.openShop(4)
      const producer = await mq.producer()
      await Promise.all(
        GROUPS.map(async (group) => {
          for (const body of numbers(10)) await producer.send(message(group, body))
        }),
      )
      await checkOrder(mq)
    }),
    rule(
      '3.5',
      'Sends of a group that run at a time are stored in the order of the calls',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(4)
        const producer = await mq.producer()
        const sends = numbers(10).flatMap((body, round) =>
          GROUPS.map((group, index) => {
            const one = message(group, body)
            if ((round + index) % 5 === 0) return producer.send([one])
            return producer.send(one, (round + index) % 3 === 0 ? { timeoutMs: 5000 } : undefined)
          }),
        )
        await Promise.all(sends)
        await checkOrder(mq)
      },
    ),
    rule('3.2', 'A queue or a selector besides a group is refused', { differs: true }, async (world) => {
      const mq = await world.openShop(4)
      const producer = await mq.producer()
      const ways = [{ queue: await queueOf(mq, 3) }, { selector: selectByHash, arg: 'order-1' }]
      for (const options of ways) {
        await refused('INVALID_PARAMETER', () => producer.send(message('order-1'), options))
        await refused('INVALID_PARAMETER', () => producer.send([message('order-1')], options))
        await refused('INVALID_PARAMETER', () => producer.sendOneway(message('order-1'), options))
      }
      assert.deepEqual(await storedMessages(mq), [])
    }),
    rule('2.8', 'A batch of several groups is refused, and one of some messages with one', async (world) => {
      const mq = await world.openShop()
      for (const groups of [
        ['a', 'b'],
        ['a', undefined],
        [undefined, 'a'],
      ])
        await illegal(
          mq,
          groups.map((group) => message(group)),
        )
    }),
    rule('2.8', 'The helper splitIntoBatches makes no batch of several groups', async (world) => {
      const mq = await world.openShop(4)
      const producer = await mq.producer()
      const texts = 'a1 a2 -1 -2 b1 a3'
      const list = texts.split(' ').map((text) => message(text.startsWith('-') ? undefined : text[0], text))
      const batches = [...splitIntoBatches(list)]
      for (const batch of batches) await producer.send(batch)
      assert.deepEqual(
        batches.map((batch) => batch.map(({ body }) => body).join(' ')),
        ['a1 a2', '-1 -2', 'b1', 'a3'],
      )
      assert.deepEqual(storedOf(await storedMessages(mq), 'a'), ['a1', 'a2', 'a3'])
    }),
    rule('2.6', 'The name of a group takes up to 63 bytes of UTF-8', async (world) => {
      for (const most of ['x'.repeat(63), `${'ß'.repeat(31)}x`, `${'🚲'.repeat(15)}xxx`]) {
        const mq = await world.openShop()
        await illegal(mq, message(`${most}x`))
        await send(mq, 'x', { messageGroup: most })
        assert.deepEqual(
          (await storedMessages(mq)).map(({ messageGroup }) => messageGroup),
          [most],
        )
      }
    }),
    rule('2.6', 'A group that is blank is refused', async (world) => {
      const mq = await world.openShop()
      for (const group of ['', ' ', '\t', '\u3000']) await illegal(mq, message(group))
    }),
    rule(
      '2.6',
      'So is one that holds control characters, or is no text',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        for (const group of ['a\u0001b', 'a\u0002', 'a\nb', '\u007f', 'half a pair: \ud83d', 1, null, ['a']])
          await illegal(mq, message(group as string))
      },
    ),
    rule('2.2', 'A message shows its group, and not among its properties', async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq)
      const fields = { messageGroup: 'größe-1', tag: 'paid', keys: 'k', properties: { region: 'eu' } }
      const [receipt] = await send(mq, 'x', fields)
      await send(mq, 'y', { properties: { region: 'eu' } })
      await mq.until('both arrive', () => deliveries.length === 2)
      const seen: readonly (readonly MessageView[])[] = [
        deliveries.map(({ message: delivered }) => delivered),
        await storedMessages(mq),
        await mq.admin.queryMessagesByKey('orders', 'k'),
        [await mq.admin.queryMessageById(receipt!.messageId)],
      ]
      for (const [first, second] of seen) {
        assert.deepEqual([first?.text(), first?.messageGroup], ['x', 'größe-1'])
        assert.deepEqual({ ...first?.properties }, { region: 'eu' })
        assert.equal(second?.messageGroup, undefined)
      }
    }),
    rule('5.4', 'SQL filters see a group under its name in RocketMQ', async (world) => {
      const mq = await world.openShop(4)
      const one = await subscribe(mq, { subscriptions: { orders: sql("__SHARDINGKEY = 'a'") } })
      const none = await subscribe(mq, {
        group: 'shipping',
        subscriptions: { orders: sql('__SHARDINGKEY IS NULL') },
      })
      await sendGrouped(mq, 'a1 b1 a2 -1')
      await mq.until('all arrive', () => one.texts().length === 2 && none.texts().length === 1)
      assert.deepEqual([one.texts(), none.texts()], [['a1', 'a2'], ['-1']])
    }),
    rule('9.1', 'Retries and dead letters keep their group', { needs: ['virtualTime'] }, async (world) => {
      const mq = await world.openShop()
      const { deliveries } = await subscribe(mq, { maxReconsumeTimes: 1, listener: failing() })
      await sendGrouped(mq, 'a1')
      await mq.advance('1m')
      const letters = await mq.admin.deadLetters('billing')
      const views = [...deliveries.map(({ message: delivered }) => delivered), ...letters]
      assert.deepEqual(
        views.map(({ messageGroup }) => messageGroup),
        ['a', 'a', 'a'],
      )
      for (const { properties } of views) assert.equal(properties.__SHARDINGKEY, undefined)
    }),
    rule('9.3', 'A dead letter that is sent again goes to the queue of its group', async (world) => {
      const mq = await world.openShop(8)
      await subscribe(mq, { maxReconsumeTimes: 0, listener: failing() })
      await queueIdsOf(mq, GROUPS)
      await mq.until('all are dead letters', async () => {
        const progress = await mq.admin.deadLetters('billing')
        return progress.length === GROUPS.length
      })
      for (const letter of await mq.admin.deadLetters('billing'))
        await mq.admin.resendDeadLetter('billing', letter)
      const stored = await storedMessages(mq)
      for (const group of GROUPS) assert.deepEqual(storedOf(stored, group), ['x', 'x'])
    }),
    rule(
      '6.6',
      'In orderly mode a group is consumed in its order, whatever its queue holds besides',
      async (world) => {
        const mq = await world.openShop(2)
        const hold = gate()
        const { deliveries } = await subscribe(mq, { mode: 'orderly', listener: () => hold.isOpen })
        const producer = await mq.producer()
        for (const body of numbers(10))
          await Promise.all([...GROUPS, undefined].map((group) => producer.send(message(group, body))))
        hold.open()
        await mq.until('all are consumed', () => deliveries.length === 120)
        for (const group of GROUPS) {
          const ofGroup = deliveries.filter(({ message: { messageGroup } }) => messageGroup === group)
          assert.deepEqual(textsOf(ofGroup.map(({ message: delivered }) => delivered)), numbers(10))
        }
      },
    ),
    ...ENDS.map(lastingRule),
  ],
}
