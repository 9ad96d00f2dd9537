/** Simple consumers: who receives what, and for how long. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import { committed, eventsOf, numbers, openAgedShop, refused, send, subscribe, textsOf } from '../kit.ts'
import {
  LONG_MS,
  numbersFrom,
  openSimple,
  receive,
  receiveOne,
  receiveTexts,
  simple,
} from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

const needs = ['pop'] as const
const timed = ['pop', 'virtualTime'] as const
const HOUR_MS = 3_600_000

export const receiving: ConformanceChapter = {
  title: 'Simple consumers: what is received',
  rules: [
    rule(
      '8.7',
      'A receive answers messages as they were sent, with the attempt and the time that they are invisible',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0)
        const fields = { tag: 'paid', keys: ['o-1', 'o-2'], properties: { region: 'eu' } }
        const [receipt] = await send(mq, 'body', fields)
        const message = await receiveOne(consumer, { invisibleDurationMs: 30_000 })
        assert.deepEqual(
          {
            body: message.text(),
            fields: {
              tag: message.tag,
              keys: [...message.keys],
              properties: { region: message.properties.region },
            },
            id: message.messageId,
            place: [message.topic, message.queue, message.queueOffset],
            attempt: [message.deliveryAttempt, message.reconsumeTimes],
            nextVisibleTimestamp: message.nextVisibleTimestamp,
          },
          {
            body: 'body',
            fields,
            id: receipt?.messageId,
            place: ['orders', receipt?.queue, 0],
            attempt: [1, 0],
            nextVisibleTimestamp: mq.now() + 30_000,
          },
        )
      },
    ),
    rule(
      '8.3',
      'What a member has received nobody else gets as long as it is invisible',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 3)
        const other = await simple(mq)
        assert.deepEqual(await receiveTexts(consumer, { invisibleDurationMs: LONG_MS }), numbers(3))
        await mq.advance(LONG_MS - 1)
        for (const each of [consumer, other]) assert.deepEqual(await receiveTexts(each), [])
      },
    ),
    rule(
      '8.4',
      'What was not acknowledged in time is received again, by whoever asks',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 3)
        const other = await simple(mq)
        await receive(consumer, { invisibleDurationMs: LONG_MS })
        // RocketMQ takes up to three seconds more.
        await mq.advance(LONG_MS + 5000)
        assert.deepEqual((await receiveTexts(other)).sort(), numbers(3))
        assert.deepEqual(await receiveTexts(consumer), [])
      },
    ),
    rule(
      '8.4',
      'A message is there again at the millisecond in which its time is over',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await receive(consumer, { invisibleDurationMs: 1234 })
        await mq.advance(1233)
        assert.deepEqual(await receiveTexts(consumer), [])
        await mq.advance(1)
        assert.deepEqual(await receiveTexts(consumer), ['0'])
      },
    ),
    rule('8.3', 'Members own no queues: of one queue each gets something', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 9)
      const members = [consumer, await simple(mq), await simple(mq)]
      const seen: string[] = []
      for (const member of members) seen.push(...(await receiveTexts(member, { maxMessages: 3 })))
      assert.deepEqual(seen, numbers(9))
    }),
    rule('8.3', 'No message goes to two receives, however many run at a time', { needs }, async (world) => {
      const mq = await world.openShop(3)
      await send(mq, numbers(300))
      const members = await Promise.all(numbers(5).map(() => simple(mq)))
      const receives = [...members, ...members, ...members].map((member) =>
        member.receive({ maxMessages: 20, awaitDurationMs: LONG_MS }),
      )
      const texts = (await Promise.all(receives)).flatMap(textsOf)
      while (texts.length < 300)
        texts.push(...textsOf(await members[0]!.receive({ awaitDurationMs: LONG_MS })))
      assert.deepEqual([texts.length, new Set(texts).size], [300, 300])
    }),
    rule('8.3', 'A receive fills up from queue after queue', { needs }, async (world) => {
      const mq = await world.openShop(3)
      for (const queueId of [0, 1, 2]) await send(mq, numbers(4), { queueId })
      const consumer = await simple(mq)
      const counts = [
        await receive(consumer, { maxMessages: 10 }),
        await receive(consumer, { maxMessages: 10 }),
      ]
      assert.deepEqual(
        counts.map(({ length }) => length),
        [10, 2],
      )
    }),
    rule('8.3', 'A queue that always has messages keeps nobody from the others', { needs }, async (world) => {
      const mq = await world.openShop(3)
      for (const queueId of [0, 1, 2]) await send(mq, numbers(50), { queueId })
      const consumer = await simple(mq)
      const queueIds = new Set<number>()
      // A hundred receives that begin anywhere are enough for three queues.
      for (let i = 0; i < 100; i++)
        queueIds.add((await receiveOne(consumer, { maxMessages: 1 })).queue.queueId)
      assert.deepEqual([...queueIds].sort(), [0, 1, 2])
    }),
    rule(
      '8.3',
      'A receive asks for 1 to 32 messages, and for 16 unless it says so',
      { needs },
      async (world) => {
        const { consumer } = await openSimple(world, 64)
        for (const maxMessages of [0, 33, -1, 1.5, Number.NaN])
          await refused('INVALID_PARAMETER', () => consumer.receive({ maxMessages }))
        const counts = [
          await consumer.receive({ maxMessages: 32 }),
          await consumer.receive(),
          await consumer.receive({ maxMessages: 1 }),
        ]
        assert.deepEqual(
          counts.map(({ length }) => length),
          [32, 16, 1],
        )
      },
    ),
    rule(
      '8.7',
      'Messages are invisible for 12 hours at most, and no time is none',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        for (const invisibleDurationMs of [0, -1, 12 * HOUR_MS + 1, 0.5, Number.NaN])
          await refused('INVALID_PARAMETER', () => receive(consumer, { invisibleDurationMs }))
        const message = await receiveOne(consumer, { invisibleDurationMs: 12 * HOUR_MS })
        assert.equal(message.nextVisibleTimestamp, mq.now() + 12 * HOUR_MS)
        await mq.advance(12 * HOUR_MS - 1)
        assert.deepEqual(await receiveTexts(consumer), [])
      },
    ),
    rule(
      '8.7',
      'Messages may be invisible for a millisecond, and are for a minute unless told otherwise',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 2)
        const first = await receiveOne(consumer, { maxMessages: 1 })
        assert.equal(first.nextVisibleTimestamp, mq.now() + 60_000)
        const second = await receiveOne(consumer, { maxMessages: 1, invisibleDurationMs: 1 })
        assert.equal(second.nextVisibleTimestamp, mq.now() + 1)
      },
    ),
    rule(
      '8.3',
      'What its tags do not let pass is not received, and counts as consumed',
      { needs },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0, { subscriptions: { orders: 'paid || open' } })
        for (const tag of ['new', 'paid', 'new', 'open', 'new']) await send(mq, tag, { tag })
        assert.deepEqual(await receiveTexts(consumer), ['paid', 'open'])
        assert.deepEqual(await receiveTexts(consumer), [])
        assert.deepEqual([await committed(mq), (await mq.admin.consumerProgress('billing')).lag], [5, 0])
      },
    ),
    rule('8.3', 'A new group begins at the beginning of a young queue', { needs }, async (world) => {
      const mq = await world.openShop()
      await send(mq, numbers(5))
      assert.deepEqual(await receiveTexts(await simple(mq)), numbers(5))
    }),
    rule(
      '8.3',
      'On a queue that lost its oldest messages a new group begins with the last one',
      { needs: timed },
      async (world) => {
        const mq = await openAgedShop(world)
        assert.deepEqual(await receiveTexts(await simple(mq)), ['3'])
      },
    ),
    rule('8.3', 'A group goes on where it was, whoever receives', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 6)
      await consumer.ack(await receive(consumer, { maxMessages: 4 }))
      await consumer.close()
      assert.deepEqual(await receiveTexts(await simple(mq)), ['4', '5'])
      assert.deepEqual(await receiveTexts(await simple(mq, { group: 'shipping' })), numbers(6))
    }),
    rule(
      '8.3',
      'Progress counts what is invisible besides the lag',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 40)
        const messages = await receive(consumer, { maxMessages: 10 })
        await consumer.ack(messages.slice(0, 3))
        const { lag, invisibleCount } = await mq.admin.consumerProgress('billing')
        assert.deepEqual({ lag, invisibleCount }, { lag: 30, invisibleCount: 7 })
      },
    ),
    rule('8.3', 'What group or topic do not permit is not received', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 1)
      await mq.admin.createGroup({ group: 'billing', consumeEnable: false })
      await refused('NO_PERMISSION', () => receive(consumer))
      await mq.admin.createGroup({ group: 'billing', consumeEnable: true })
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.WRITE })
      await refused('NO_PERMISSION', () => receive(consumer))
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ_WRITE })
      assert.deepEqual(await receiveTexts(consumer), ['0'])
    }),
    rule(
      '8.7',
      'Simple consumers take no part in the allocation of queues, and beside others they are warned of',
      { needs, differs: true },
      async (world) => {
        const { mq } = await openSimple(world, 0)
        const warnings = eventsOf(mq, 'warning')
        const { consumer: pushed } = await subscribe(mq)
        assert.deepEqual(await mq.engine.queryConsumerIds('billing'), [pushed.clientId])
        assert.deepEqual(
          warnings.map(({ code }) => code),
          ['MIXED_CONSUMPTION'],
        )
      },
    ),
    rule(
      '8.7',
      'What a consumer had when it closed is settled by another one of its group',
      { needs },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const message = await receiveOne(consumer)
        await consumer.close()
        const other = await simple(mq)
        assert.deepEqual(await receiveTexts(other), [])
        await other.ack(message)
        assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 0)
      },
    ),
    rule(
      '8.3',
      'What is invisible stays so over a restart, until its time is over',
      { needs: [...timed, 'reopen'] },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 6)
        await receive(consumer, { maxMessages: 4, invisibleDurationMs: LONG_MS })
        const reopened = await world.reopen(mq)
        const again = await simple(reopened)
        assert.deepEqual(await receiveTexts(again, { invisibleDurationMs: HOUR_MS }), ['4', '5'])
        await reopened.advance(LONG_MS + 5000)
        assert.deepEqual((await receiveTexts(again)).sort(), numbers(4))
      },
    ),
    rule(
      '8.3',
      'After a crash nothing that was received is lost, and nothing acknowledged comes again',
      { needs: [...timed, 'crash'] },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 8)
        const messages = await receive(consumer, { maxMessages: 4, invisibleDurationMs: LONG_MS })
        await consumer.ack(messages.slice(0, 2))
        const left = await world.crash(mq)
        const again = await simple(left)
        assert.deepEqual(await receiveTexts(again, { invisibleDurationMs: HOUR_MS }), numbersFrom(4, 4))
        await left.advance(LONG_MS + 5000)
        assert.deepEqual((await receiveTexts(again)).sort(), ['2', '3'])
      },
    ),
  ],
}
