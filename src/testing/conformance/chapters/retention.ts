/** Retention: what is removed, what is kept, and who hears of it. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import {
  committed,
  eventsOf,
  failing,
  numbers,
  openAgedShop,
  pull,
  queueOf,
  refused,
  send,
  subscribe,
  textsOf,
} from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['virtualTime'] as const

async function rangeOf(mq: EngineMQ): Promise<readonly [min: number, max: number]> {
  const queue = await queueOf(mq)
  return [await mq.admin.minOffset(queue), await mq.admin.maxOffset(queue)]
}

export const retention: ConformanceChapter = {
  title: 'Retention',
  rules: [
    rule('4.5', 'Messages are kept for 72 hours unless told otherwise', { needs }, async (world) => {
      const mq = await world.openShop()
      await send(mq, 'x')
      await mq.advance('4h')
      await send(mq, 'y')
      await mq.advance('68h')
      await send(mq, 'z')
      assert.deepEqual(await rangeOf(mq), [0, 3])
      await mq.advance('28h')
      assert.deepEqual(textsOf(await mq.admin.browse('orders')), ['y', 'z'])
    }),
    rule(
      '4.5',
      'Nothing is removed before its time, and little after it',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop(1, { retention: { maxAgeMs: 3_600_000, intervalMs: 300_000 } })
        for (let minute = 0; minute < 100; minute += 5) {
          await send(mq, 'x')
          await mq.advance('5m')
          const oldest = (await mq.admin.browse('orders', { max: 1 }))[0]!
          const first = oldest.queueOffset * 5
          assert.ok(
            first >= minute + 5 - 60 - 10,
            `the oldest message is of minute ${first} at minute ${minute + 5}`,
          )
          assert.ok(
            first <= Math.max(0, minute + 10 - 60),
            `a message of minute ${first - 5} is gone at minute ${minute + 5}`,
          )
        }
      },
    ),
    rule(
      '4.5',
      'The min offset rises with what is removed, the max offset stays',
      { needs },
      async (world) => {
        assert.deepEqual(await rangeOf(await openAgedShop(world)), [2, 4])
      },
    ),
    rule('4.5', 'The newest messages stay, however old they are', { needs }, async (world) => {
      const mq = await openAgedShop(world)
      await mq.advance('6h')
      const [min, max] = await rangeOf(mq)
      assert.equal(max, 4)
      assert.ok(min < 4)
    }),
    rule('4.5', 'Offsets go on behind what was removed', { needs }, async (world) => {
      const mq = await openAgedShop(world)
      assert.equal((await send(mq, 'x'))[0]?.queueOffset, 4)
    }),
    rule('4.5', 'What was removed is not found by offset, id or key', { needs }, async (world) => {
      const mq = await world.openShop(1, { retention: { maxAgeMs: 3_600_000, intervalMs: 600_000 } })
      const [receipt] = await send(mq, 'old', { keys: 'k' })
      await mq.advance('90m')
      await send(mq, 'new')
      await mq.advance('90m')
      await refused('NO_MESSAGE', async () => mq.admin.queryMessageByOffset(await queueOf(mq), 0))
      await refused('NO_MESSAGE', () => mq.admin.queryMessageById(receipt!.messageId))
      await refused('NO_MESSAGE', () => mq.admin.queryMessageById(receipt!.offsetMessageId))
      assert.deepEqual(await mq.admin.queryMessagesByKey('orders', 'k'), [])
    }),
    rule(
      '4.5',
      'Too many bytes are removed as well, oldest first',
      { needs, differs: true },
      async (world) => {
        const maxBytes = 500_000
        const mq = await world.openShop(1, { retention: { maxBytes, intervalMs: 1000 } })
        for (let round = 0; round < 16; round++) {
          await send(mq, String(round).padEnd(100_000))
          await mq.advance('1s')
        }
        const kept = (await mq.admin.browse('orders')).map((message) => Number(message.text()))
        assert.deepEqual(kept, numbers(16).map(Number).slice(-kept.length))
        assert.ok(kept.length >= 4 && kept.length <= 7, `${kept.length} messages of 100,000 bytes are left`)
      },
    ),
    rule(
      '4.5',
      'A group whose messages were removed goes on at the oldest that is left',
      { needs },
      async (world) => {
        const mq = await world.openShop(1, { retention: { maxAgeMs: 3_600_000, intervalMs: 600_000 } })
        const before = await subscribe(mq)
        await send(mq, 'consumed')
        await mq.rest()
        await before.consumer.close()
        for (const body of numbers(4)) {
          await send(mq, body)
          await mq.advance('30m')
        }
        const after = await subscribe(mq)
        await mq.rest()
        assert.deepEqual(after.texts(), ['2', '3'])
        assert.equal(await committed(mq), 5)
      },
    ),
    rule('4.5', 'A group hears which messages it lost', { needs, differs: true }, async (world) => {
      const mq = await world.openShop(1, { retention: { maxAgeMs: 3_600_000, intervalMs: 600_000 } })
      const lost = eventsOf(mq, 'message-lost')
      const { consumer } = await subscribe(mq)
      await send(mq, 'consumed')
      await mq.rest()
      await consumer.close()
      for (const body of numbers(4)) {
        await send(mq, body)
        await mq.advance('30m')
      }
      const [first] = lost
      assert.deepEqual([first?.reason, first?.group, first?.fromOffset], ['retention', 'billing', 1])
      assert.equal(lost.at(-1)?.toOffset, 3)
    }),
    rule('4.5', 'A group that has consumed everything loses nothing', { needs }, async (world) => {
      const mq = await world.openShop(1, { retention: { maxAgeMs: 3_600_000, intervalMs: 600_000 } })
      const lost = eventsOf(mq, 'message-lost')
      await subscribe(mq)
      for (const body of numbers(4)) {
        await send(mq, body)
        await mq.advance('30m')
      }
      assert.deepEqual(lost, [])
    }),
    rule(
      '4.5',
      'A message that waits for its retry is kept until it is delivered',
      { needs, differs: true },
      async (world) => {
        const retention = { maxAgeMs: 3_600_000, intervalMs: 600_000 }
        const mq = await world.openShop(1, { retention, messageDelayLevel: '1s 1s 5h' })
        const { texts } = await subscribe(mq, { listener: failing(1) })
        for (const body of ['fails', ...numbers(4)]) {
          await send(mq, body)
          await mq.advance('30m')
        }
        assert.deepEqual(await rangeOf(mq), [0, 5])
        await mq.advance('3h')
        assert.deepEqual(texts().filter((text) => text === 'fails').length, 2)
      },
    ),
    rule('4.6', 'A pull from before the oldest message is told where to go on', { needs }, async (world) => {
      const mq = await openAgedShop(world)
      await mq.admin.createGroup({ group: 'billing' })
      for (const offset of [0, 1]) {
        const { status, nextBeginOffset, minOffset, messages } = await pull(mq, { offset })
        assert.deepEqual([status, nextBeginOffset, minOffset, messages.length], ['OFFSET_ILLEGAL', 2, 2, 0])
      }
    }),
  ],
}
