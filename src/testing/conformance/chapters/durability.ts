/** What is there when an engine is opened again: after a clean close, a kill, a power cut. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, failing, gate, numbers, queueOf, send, stuck, subscribe, textsOf } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const reopen = { needs: ['durable', 'reopen'] } as const
const reopenInTime = { needs: ['durable', 'reopen', 'virtualTime'] } as const
const crash = { needs: ['durable', 'crash'] } as const
const crashInTime = { needs: ['durable', 'crash', 'virtualTime'] } as const

/** Everything that messages say, comparable. */
async function contents(mq: EngineMQ, topic = 'orders'): Promise<object[]> {
  return (await mq.admin.browse(topic)).map((message) => JSON.parse(JSON.stringify(message)))
}

async function stored(mq: EngineMQ): Promise<string[]> {
  return textsOf(await mq.admin.browse(await queueOf(mq)))
}

async function copiesIn(mq: EngineMQ, topic: string): Promise<number> {
  return mq.admin.maxOffset(await queueOf(mq, 0, topic))
}

export const durability: ConformanceChapter = {
  title: 'Durability',
  rules: [
    rule('4.4', 'Messages are there again with everything that they said', reopen, async (world) => {
      const before = await world.openShop(2)
      await send(before, numbers(10), { tag: 'paid', keys: ['a', 'b'], properties: { region: 'eu' } })
      const expected = await contents(before)
      const after = await world.reopen(before)
      assert.deepEqual(await contents(after), expected)
      assert.equal(expected.length, 10)
    }),
    rule('4.4', 'Offsets go on where they were', reopen, async (world) => {
      const before = await world.openShop()
      await send(before, numbers(3))
      const after = await world.reopen(before)
      assert.equal((await send(after, 'x'))[0]?.queueOffset, 3)
    }),
    rule('4.4', 'Topics and groups keep their settings', reopen, async (world) => {
      const before = await world.open()
      await before.admin.createTopic({
        topic: 'a',
        readQueueNums: 3,
        writeQueueNums: 2,
        permission: Permission.READ,
      })
      await before.admin.createGroup({ group: 'billing', consumeEnable: false, retryQueueNums: 2 })
      const [topics, groups] = [await before.admin.topics(), await before.admin.groups()]
      const after = await world.reopen(before)
      assert.deepEqual([await after.admin.topics(), await after.admin.groups()], [topics, groups])
    }),
    rule('4.4', 'What was deleted stays deleted', reopen, async (world) => {
      const before = await world.openShop(1, { topics: [{ topic: 'gone', queues: 1 }] })
      await send(before, 'x', { topic: 'gone' })
      await before.admin.deleteTopic('gone')
      // Opening makes the topics of its settings again, as for a new application: empty.
      const after = await world.reopen(before)
      assert.deepEqual(await after.admin.browse('gone'), [])
    }),
    rule('6.7', 'A group goes on where it was, and repeats nothing', reopen, async (world) => {
      const before = await world.openShop()
      await subscribe(before)
      await send(before, numbers(5))
      await before.until('all are consumed', async () => (await committed(before)) === 5)
      const after = await world.reopen(before)
      const { texts } = await subscribe(after)
      await send(after, 'next')
      await after.until('the next arrives', () => texts().length > 0)
      assert.deepEqual(texts(), ['next'])
    }),
    rule('6.5', 'What was not finished is delivered again', reopen, async (world) => {
      const before = await world.openShop()
      const { deliveries } = await subscribe(before, { ...stuck, concurrency: 2 })
      await send(before, numbers(5))
      await before.until('some run', () => deliveries.length === 2)
      const after = await world.reopen(before)
      const { texts } = await subscribe(after)
      await after.until('all are delivered', () => texts().length === 5)
    }),
    rule('9.2', 'Retries come at their time, with their count', reopenInTime, async (world) => {
      const before = await world.openShop()
      await subscribe(before, { listener: failing() })
      await send(before, 'x')
      await before.advance('15s')
      const after = await world.reopen(before)
      const { deliveries } = await subscribe(after, { listener: failing() })
      await after.advance('24s')
      assert.equal(deliveries.length, 0)
      await after.advance('1s')
      assert.deepEqual(
        deliveries.map(({ message }) => message.reconsumeTimes),
        [2],
      )
    }),
    rule('9.2', 'Retries that were due meanwhile come at once, and once', reopenInTime, async (world) => {
      const before = await world.openShop()
      await subscribe(before, { listener: failing() })
      await send(before, numbers(3))
      await before.rest()
      const after = await world.reopen(before, '1h')
      const { texts } = await subscribe(after)
      await after.until('they are delivered', () => texts().length === 3)
      await after.advance('1h')
      assert.deepEqual(texts().sort(), numbers(3))
    }),
    rule('9.3', 'Dead letters are there again', reopen, async (world) => {
      const before = await world.openShop()
      await subscribe(before, { listener: failing(), maxReconsumeTimes: 0 })
      await send(before, 'x')
      await before.until(
        'it is a dead letter',
        async () => (await before.admin.deadLetters('billing')).length === 1,
      )
      const after = await world.reopen(before)
      assert.deepEqual(textsOf(await after.admin.deadLetters('billing')), ['x'])
    }),
    rule('12.1', 'Messages are found by id, address and key again', reopen, async (world) => {
      const before = await world.openShop()
      const [receipt] = await send(before, 'x', { keys: 'k' })
      const after = await world.reopen(before)
      for (const id of [receipt!.messageId, receipt!.offsetMessageId])
        assert.equal((await after.admin.queryMessageById(id)).text(), 'x')
      assert.deepEqual(textsOf(await after.admin.queryMessagesByKey('orders', 'k')), ['x'])
    }),
    rule('4.5', 'What retention removed stays removed', reopenInTime, async (world) => {
      const before = await world.openShop(1, { retention: { maxAgeMs: 3_600_000, intervalMs: 600_000 } })
      for (const body of numbers(4)) {
        await send(before, body)
        await before.advance('30m')
      }
      const after = await world.reopen(before)
      assert.deepEqual(await stored(after), ['2', '3'])
      assert.equal(await after.admin.minOffset(await queueOf(after)), 2)
    }),
    rule('2.4', 'Message ids stay unique', reopen, async (world) => {
      const before = await world.openShop()
      const first = await send(before, numbers(20))
      const after = await world.reopen(before)
      const second = await send(after, numbers(20))
      assert.equal(new Set([...first, ...second].map(({ messageId }) => messageId)).size, 40)
    }),
    rule(
      '4.7',
      'Store times do not fall when the clock was set back meanwhile',
      { needs: [...reopen.needs, 'clockJump'], differs: true },
      async (world) => {
        const before = await world.openShop()
        const [first] = await send(before, 'x')
        before.jump(-3_600_000)
        const after = await world.reopen(before)
        const [second] = await send(after, 'x')
        assert.ok(second!.storeTimestamp >= first!.storeTimestamp)
      },
    ),
    rule('4.4', 'An engine may be opened again and again', reopen, async (world) => {
      let mq = await world.openShop()
      for (const body of numbers(5)) {
        await send(mq, body)
        mq = await world.reopen(mq)
      }
      assert.deepEqual(await stored(mq), numbers(5))
      assert.equal((await mq.admin.check()).ok, true)
    }),
    rule('4.4', 'Acknowledged messages survive a kill', crash, async (world) => {
      const before = await world.openShop()
      await send(before, numbers(100))
      const after = await world.crash(before)
      assert.deepEqual(await stored(after), numbers(100))
      assert.equal((await after.admin.check()).ok, true)
    }),
    rule(
      '2.8',
      'A batch that was under way at a kill is there as a whole or not at all',
      crash,
      async (world) => {
        for (let steps = 0; steps < 6; steps++) {
          const before = await world.openShop()
          const producer = await before.producer()
          await send(before, 'warm')
          producer.send(numbers(10).map((body) => ({ topic: 'orders', body }))).catch(() => undefined)
          for (let step = 0; step < steps; step++) await Promise.resolve()
          const after = await world.crash(before)
          const count = await copiesIn(after, 'orders')
          assert.ok(count === 1 || count === 11, `${count - 1} of 10 messages are there`)
        }
      },
    ),
    rule('6.7', 'Committed offsets survive a kill', crash, async (world) => {
      const before = await world.openShop()
      await subscribe(before)
      await send(before, numbers(10))
      await before.until('all are consumed', async () => (await committed(before)) === 10)
      const after = await world.crash(before)
      assert.equal(await committed(after), 10)
    }),
    rule(
      '6.5',
      'A message that ran at a kill is delivered again, as for the first time',
      crash,
      async (world) => {
        const before = await world.openShop()
        const first = await subscribe(before, stuck)
        await send(before, 'x')
        await before.until('it runs', () => first.deliveries.length === 1)
        const after = await world.crash(before)
        const second = await subscribe(after)
        await after.until('it is delivered again', () => second.deliveries.length === 1)
        assert.equal(second.deliveries[0]?.message.reconsumeTimes, 0)
      },
    ),
    rule('6.5', 'What a listener answers after the kill counts no more', crash, async (world) => {
      const before = await world.openShop()
      const hold = gate()
      const first = await subscribe(before, { listener: () => hold.isOpen })
      await send(before, 'x')
      await before.until('it runs', () => first.deliveries.length === 1)
      const after = await world.crash(before)
      hold.open()
      await after.rest()
      assert.ok(((await committed(after)) ?? 0) === 0)
    }),
    rule('9.2', 'Retries survive a kill, and each comes once', crashInTime, async (world) => {
      const before = await world.openShop()
      await subscribe(before, { listener: failing() })
      await send(before, numbers(5))
      await before.rest()
      const after = await world.crash(before)
      const { texts } = await subscribe(after)
      await after.advance('1h')
      assert.deepEqual(texts().sort(), numbers(5))
      assert.equal(await copiesIn(after, '%RETRY%billing'), 5)
    }),
    rule(
      '9.2',
      'A retry that was delivered before the kill is not made again',
      crashInTime,
      async (world) => {
        const before = await world.openShop()
        const first = await subscribe(before, { listener: failing() })
        await send(before, 'x')
        await before.rest()
        await first.consumer.close()
        await before.advance('10s')
        const after = await world.crash(before)
        await after.advance('1h')
        assert.equal(await copiesIn(after, '%RETRY%billing'), 1)
      },
    ),
    rule('4.3', 'With SYNC_FLUSH acknowledged messages survive a power cut', crash, async (world) => {
      const before = await world.openShop(1, { flushDiskType: 'SYNC_FLUSH' })
      await send(before, numbers(50))
      assert.deepEqual(await stored(await world.crash(before, 'power')), numbers(50))
    }),
    rule('4.3', 'With ASYNC_FLUSH a power cut takes the newest messages only', crashInTime, async (world) => {
      const before = await world.openShop()
      await send(before, numbers(50))
      await before.advance('1s')
      await send(before, numbers(100).slice(50))
      const after = await world.crash(before, 'power')
      const left = await stored(after)
      assert.ok(left.length >= 50, `${left.length} are left`)
      assert.deepEqual(left, numbers(left.length))
      assert.equal((await send(after, 'next'))[0]?.queueOffset, left.length)
    }),
    rule('4.3', 'What was flushed on demand survives a power cut', crash, async (world) => {
      const before = await world.openShop()
      await send(before, numbers(50))
      await before.admin.flush()
      assert.deepEqual(await stored(await world.crash(before, 'power')), numbers(50))
    }),
    rule('6.7', 'After a power cut no group is beyond the end of a queue', crash, async (world) => {
      const before = await world.openShop()
      await subscribe(before)
      await before.admin.flush()
      await send(before, numbers(50))
      await before.until('all are consumed', async () => (await committed(before)) === 50)
      const after = await world.crash(before, 'power')
      const { queues } = await after.admin.consumerProgress('billing')
      for (const { consumerOffset, brokerOffset } of queues) assert.ok(consumerOffset <= brokerOffset)
      const { texts } = await subscribe(after)
      await send(after, 'next')
      await after.until('the next arrives', () => texts().includes('next'))
    }),
  ],
}
