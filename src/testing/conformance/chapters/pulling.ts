/** The pull verb: statuses, corrections of offsets, bounds, waiting, and checks. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import { committed, numbers, pull, queueOf, refused, send, textsOf } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const LONG_MS = 60_000

/** A shop with a group that may pull, and messages. */
async function openPullShop(world: ConformanceWorld, bodies: readonly string[] = []) {
  const mq = await world.openShop()
  await mq.admin.createGroup({ group: 'billing' })
  await send(mq, bodies)
  return mq
}

export const pulling: ConformanceChapter = {
  title: 'Pulling',
  rules: [
    rule('4.6', 'From an offset with messages: FOUND, and next is behind the last', async (world) => {
      const mq = await openPullShop(world, numbers(5))
      const { messages, ...rest } = await pull(mq, { offset: 2 })
      assert.deepEqual(rest, { status: 'FOUND', nextBeginOffset: 5, minOffset: 0, maxOffset: 5 })
      assert.deepEqual(textsOf(messages), ['2', '3', '4'])
    }),
    rule('4.6', 'From the end: NO_NEW_MSG, and next stays', async (world) => {
      const mq = await openPullShop(world, numbers(5))
      assert.deepEqual(await pull(mq, { offset: 5 }), {
        status: 'NO_NEW_MSG',
        messages: [],
        nextBeginOffset: 5,
        minOffset: 0,
        maxOffset: 5,
      })
    }),
    rule('4.6', 'From the beginning of an empty queue: NO_NEW_MSG, and next is 0', async (world) => {
      const { status, nextBeginOffset } = await pull(await openPullShop(world))
      assert.deepEqual([status, nextBeginOffset], ['NO_NEW_MSG', 0])
    }),
    rule('4.6', 'From behind the end: OFFSET_ILLEGAL, and next is the end', async (world) => {
      const mq = await openPullShop(world, numbers(5))
      for (const offset of [6, 1_000_000]) {
        const { status, nextBeginOffset, messages } = await pull(mq, { offset, suspendMs: LONG_MS })
        assert.deepEqual([status, nextBeginOffset, messages.length], ['OFFSET_ILLEGAL', 5, 0])
      }
    }),
    rule('4.6', 'From behind the end of an empty queue: OFFSET_ILLEGAL, and next is 0', async (world) => {
      const { status, nextBeginOffset } = await pull(await openPullShop(world), { offset: 3 })
      assert.deepEqual([status, nextBeginOffset], ['OFFSET_ILLEGAL', 0])
    }),
    rule(
      '4.6',
      'When nothing passes the filter: NO_MATCHED_MSG, and next is behind what was looked at',
      async (world) => {
        const mq = await openPullShop(world, numbers(5))
        const { status, nextBeginOffset, messages } = await pull(mq, { tags: 'paid' })
        assert.deepEqual([status, nextBeginOffset, messages.length], ['NO_MATCHED_MSG', 5, 0])
      },
    ),
    rule(
      '4.6',
      'Next is behind the last message that was looked at, not the last that passed',
      async (world) => {
        const mq = await openPullShop(world)
        for (const tag of ['paid', 'open', 'paid', 'open', 'open']) await send(mq, tag, { tag })
        const { status, nextBeginOffset, messages } = await pull(mq, { tags: 'paid' })
        assert.deepEqual(
          [status, nextBeginOffset, messages.map(({ queueOffset }) => queueOffset)],
          ['FOUND', 5, [0, 2]],
        )
      },
    ),
    rule('4.6', 'A pull gives as many messages as it asks for at most', async (world) => {
      const mq = await openPullShop(world, numbers(20))
      const { messages, nextBeginOffset } = await pull(mq, { offset: 3, maxCount: 7 })
      assert.deepEqual([textsOf(messages), nextBeginOffset], [numbers(20).slice(3, 10), 10])
    }),
    rule('4.6', 'A pull may give more than 32 messages', { differs: true }, async (world) => {
      const mq = await openPullShop(world, numbers(100))
      assert.equal((await pull(mq, { maxCount: 100 })).messages.length, 100)
    }),
    rule('4.6', 'A pull gives 256 KiB of bodies at most', { differs: true }, async (world) => {
      const mq = await openPullShop(
        world,
        numbers(20).map((text) => text.padEnd(100_000)),
      )
      const { messages, nextBeginOffset } = await pull(mq)
      assert.deepEqual([messages.length, nextBeginOffset], [2, 2])
    }),
    rule('4.6', 'A message that is larger than a pull is given alone', async (world) => {
      const mq = await openPullShop(world, ['x'.repeat(1_000_000), 'small'])
      assert.deepEqual(
        (await pull(mq)).messages.map(({ body }) => body.length),
        [1_000_000],
      )
    }),
    rule('4.6', 'A pull looks at 800 messages at most', async (world) => {
      const mq = await openPullShop(world)
      const batch = Array.from({ length: 2000 }, () => ({ topic: 'orders', body: 'x' }))
      await (await mq.producer()).send(batch)
      const first = await pull(mq, { tags: 'paid' })
      assert.deepEqual([first.status, first.nextBeginOffset], ['NO_MATCHED_MSG', 800])
      assert.equal((await pull(mq, { tags: 'paid', offset: 800 })).nextBeginOffset, 1600)
    }),
    rule('5.1', 'A pull moves no offset', async (world) => {
      const mq = await openPullShop(world, numbers(5))
      await pull(mq)
      assert.equal(await committed(mq), undefined)
      assert.equal((await pull(mq)).messages.length, 5)
    }),
    rule('5.2', 'A pull that waits is answered by a message that comes', { differs: true }, async (world) => {
      const mq = await openPullShop(world)
      const pulling = pull(mq, { suspendMs: LONG_MS })
      await mq.rest()
      await send(mq, 'x')
      const { status, messages } = await pulling
      assert.deepEqual([status, textsOf(messages)], ['FOUND', ['x']])
    }),
    rule('5.2', 'Every pull that waits is answered', async (world) => {
      const mq = await openPullShop(world)
      await mq.admin.createGroup({ group: 'shipping' })
      const pulls = ['billing', 'shipping', 'billing'].map((group) => pull(mq, { group, suspendMs: LONG_MS }))
      await mq.rest()
      await send(mq, 'x')
      for (const { messages } of await Promise.all(pulls)) assert.deepEqual(textsOf(messages), ['x'])
    }),
    rule(
      '5.2',
      'A pull waits as long as it may, then answers NO_NEW_MSG',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await openPullShop(world)
        let isAnswered = false
        const pulling = pull(mq, { suspendMs: LONG_MS }).finally(() => {
          isAnswered = true
        })
        await mq.advance(LONG_MS - 1)
        assert.equal(isAnswered, false)
        await mq.advance(5001)
        assert.equal((await pulling).status, 'NO_NEW_MSG')
      },
    ),
    rule(
      '5.2',
      'A pull with a filter does not answer for messages that do not pass',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await openPullShop(world)
        const pulling = pull(mq, { tags: 'paid', suspendMs: LONG_MS })
        await mq.rest()
        await send(mq, 'open', { tag: 'open' })
        await send(mq, 'paid', { tag: 'paid' })
        const { status, messages, nextBeginOffset } = await pulling
        assert.deepEqual([status, textsOf(messages), nextBeginOffset], ['FOUND', ['paid'], 2])
      },
    ),
    rule(
      '5.2',
      'A pull whose filter passes nothing that came says so within 5 seconds',
      { needs: ['virtualTime'] },
      async (world) => {
        const mq = await openPullShop(world)
        const pulling = pull(mq, { tags: 'paid', suspendMs: LONG_MS })
        await mq.rest()
        await send(mq, 'open', { tag: 'open' })
        await mq.advance('5s')
        const { status, nextBeginOffset } = await pulling
        assert.deepEqual([status, nextBeginOffset], ['NO_MATCHED_MSG', 1])
      },
    ),
    rule('5.2', 'A signal ends the wait of a pull', { differs: true }, async (world) => {
      const mq = await openPullShop(world)
      const ending = new AbortController()
      const pulling = pull(mq, { suspendMs: LONG_MS, signal: ending.signal })
      await mq.rest()
      ending.abort()
      assert.equal((await pulling).status, 'NO_NEW_MSG')
    }),
    rule('5.1', 'A pull of an unknown group is refused', async (world) => {
      await refused('SUBSCRIPTION_GROUP_NOT_EXIST', async () => pull(await world.openShop()))
    }),
    rule('5.1', 'A pull of an unknown topic is refused', async (world) => {
      const mq = await openPullShop(world)
      const queue = { ...(await queueOf(mq)), topic: 'nowhere' }
      await refused('TOPIC_NOT_EXIST', () => pull(mq, { queue }))
    }),
    rule('5.1', 'A pull of a queue beyond the read queues is refused', async (world) => {
      const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 1, writeQueueNums: 2 }] })
      await mq.admin.createGroup({ group: 'billing' })
      const queue = await queueOf(mq)
      for (const queueId of [-1, 1, 2])
        await refused('INVALID_PARAMETER', () => pull(mq, { queue: { ...queue, queueId } }))
    }),
    rule(
      '5.1',
      'A pull that waits is refused when the topic is no longer readable',
      { differs: true },
      async (world) => {
        const mq = await openPullShop(world)
        const pulling = refused('NO_PERMISSION', () => pull(mq, { suspendMs: LONG_MS }))
        await mq.rest()
        await mq.admin.updateTopic({ topic: 'orders', permission: Permission.WRITE })
        await pulling
      },
    ),
  ],
}
