/** What queues keep: offsets, store times, and finding an offset by time. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { numbers, openAgedShop, queueOf, send } from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

/** Seconds after the opening at which the messages at offsets 0 to 4 are stored, as in the table of the semantics. */
const STORE_SECONDS = [10, 20, 20, 30, 40]

/** Where a time lies, in seconds after the opening, and the offset that is found for it. */
const SEARCHES = [
  ['A time after the last message is behind the last message', 50, 5],
  ['A time before the first message is at the first message', 5, 0],
  ['The time of several messages is at the first of them', 20, 1],
  ['A time between two messages is at the later one', 25, 3],
  ['The time of the last message is at the last message', 40, 4],
] as const

async function sendAtSeconds(mq: EngineMQ): Promise<number> {
  const start = mq.now()
  for (const second of STORE_SECONDS) {
    await mq.advance(start + second * 1000 - mq.now())
    await send(mq, 'x')
  }
  return start
}

function searchRule([title, second, offset]: (typeof SEARCHES)[number]): ConformanceRule {
  return rule('4.7', title, { needs: ['virtualTime'] }, async (world) => {
    const mq = await world.openShop()
    const start = await sendAtSeconds(mq)
    assert.equal(await mq.admin.searchOffset(await queueOf(mq), start + second * 1000), offset)
  })
}

export const store: ConformanceChapter = {
  title: 'Offsets and store times',
  rules: [
    rule('4.5', 'An empty queue has offsets from 0 to 0', async (world) => {
      const mq = await world.openShop()
      const queue = await queueOf(mq)
      assert.deepEqual([await mq.admin.minOffset(queue), await mq.admin.maxOffset(queue)], [0, 0])
    }),
    rule('4.5', 'The offsets of a queue begin at 0 and have no gap', async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(10))
      const batch = numbers(5).map((body) => ({ topic: 'orders', body }))
      const receipt = await (await mq.producer()).send(batch)
      assert.equal(receipt.queueOffset, 10)
      const offsets = (await mq.admin.browse('orders')).map(({ queueOffset }) => queueOffset)
      assert.deepEqual(offsets, numbers(15).map(Number))
    }),
    rule('4.5', 'Every queue counts its own offsets', async (world) => {
      const mq = await world.openShop(2)
      await send(mq, numbers(3), { queueId: 0 })
      const [receipt] = await send(mq, 'x', { queueId: 1 })
      assert.equal(receipt?.queueOffset, 0)
    }),
    rule('4.5', 'The max offset is the one that the next message gets', async (world) => {
      const mq = await world.openShop()
      const queue = await queueOf(mq)
      for (let round = 0; round < 3; round++) {
        const expected = await mq.admin.maxOffset(queue)
        assert.equal((await send(mq, 'x'))[0]?.queueOffset, expected)
      }
    }),
    rule('4.5', 'An offset names the same message for ever', async (world) => {
      const mq = await world.openShop()
      const queue = await queueOf(mq)
      const [first] = await send(mq, 'first')
      await send(mq, numbers(50))
      const message = await mq.admin.queryMessageByOffset(queue, 0)
      assert.deepEqual([message.messageId, message.text()], [first?.messageId, 'first'])
    }),
    rule(
      '12.4',
      'The status of a topic has the offsets of each queue and its last store time',
      async (world) => {
        const mq = await world.openShop(2)
        const [receipt] = (await send(mq, ['a', 'b'], { queueId: 1 })).slice(-1)
        const status = await mq.admin.topicStatus('orders')
        assert.deepEqual(
          status.map(({ minOffset, maxOffset, lastStoreTimestamp }) => [
            minOffset,
            maxOffset,
            lastStoreTimestamp,
          ]),
          [
            [0, 0, undefined],
            [0, 2, receipt?.storeTimestamp],
          ],
        )
      },
    ),
    rule(
      '2.1',
      'A message is stored at the time of the engine’s clock',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        for (const pause of ['1ms', '1s', '2h']) {
          await mq.advance(pause)
          assert.equal((await send(mq, 'x'))[0]?.storeTimestamp, mq.now())
        }
      },
    ),
    rule('4.7', 'Store times never fall within a queue', async (world) => {
      const mq = await world.openShop()
      for (let round = 0; round < 5; round++) await send(mq, numbers(20))
      const times = (await mq.admin.browse('orders')).map(({ storeTimestamp }) => storeTimestamp)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
    }),
    rule(
      '4.7',
      'Store times do not fall when the clock is set back',
      { needs: ['clockJump'] },
      async (world) => {
        const mq = await world.openShop(2)
        const [before] = await send(mq, 'x', { queueId: 0 })
        mq.jump(-3_600_000)
        const [after] = await send(mq, 'x', { queueId: 0 })
        assert.ok(after!.storeTimestamp >= before!.storeTimestamp)
        const queue = await queueOf(mq)
        assert.equal(await mq.admin.searchOffset(queue, before!.storeTimestamp + 1), 2)
      },
    ),
    rule(
      '2.4',
      'Message ids stay unique when the clock is set back',
      { needs: ['clockJump'] },
      async (world) => {
        const mq = await world.openShop()
        const before = await send(mq, numbers(10))
        mq.jump(-5000)
        const after = await send(mq, numbers(10))
        assert.equal(new Set([...before, ...after].map(({ messageId }) => messageId)).size, 20)
      },
    ),
    ...SEARCHES.map(searchRule),
    rule(
      '4.7',
      'The first of many messages of one time is found',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await world.openShop()
        await send(mq, numbers(3))
        await mq.advance(1000)
        for (const body of numbers(40)) await send(mq, body.padEnd(10_000))
        const queue = await queueOf(mq)
        assert.equal(await mq.admin.searchOffset(queue, mq.now()), 3)
        await mq.advance(1000)
        assert.equal(await mq.admin.searchOffset(queue, mq.now() - 1000), 3)
      },
    ),
    rule('4.7', 'In an empty queue every time is at offset 0', async (world) => {
      const mq = await world.openShop()
      const queue = await queueOf(mq)
      for (const timestamp of [0, mq.now(), mq.now() + 1000])
        assert.equal(await mq.admin.searchOffset(queue, timestamp), 0)
    }),
    rule(
      '4.7',
      'A time before what was removed is at the oldest message',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await openAgedShop(world)
        const queue = await queueOf(mq)
        assert.equal(await mq.admin.searchOffset(queue, 0), 2)
        assert.equal(await mq.admin.searchOffset(queue, mq.now() - 3_600_000), 2)
        assert.equal(await mq.admin.searchOffset(queue, mq.now() - 1_800_000), 3)
      },
    ),
  ],
}
