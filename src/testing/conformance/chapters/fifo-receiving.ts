/** Simple consumers of FIFO groups: a queue waits for what was received of it, and what failed comes again in its place. */
import { strict as assert } from 'node:assert'
import type { GroupSettings } from '../../../admin/admin-arguments.ts'
import type { PoppedMessage, PopRequest } from '../../../model/engine.ts'
import type { MessageView } from '../../../model/message.ts'
import { matchAll } from '../../../model/subscription.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, eventsOf, numbers, refused, send, textsOf } from '../kit.ts'
import {
  INVISIBLE_MS,
  numbersFrom,
  onlyOne,
  receive,
  receiveOne,
  receiveTexts,
  simple,
  waste,
} from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const needs = ['pop'] as const
const timed = ['pop', 'virtualTime'] as const

/** A simple consumer of a FIFO group, and so many messages in one queue. */
async function openFifo(world: ConformanceWorld, count: number, settings: Partial<GroupSettings> = {}) {
  const mq = await world.openShop()
  await mq.admin.createGroup({ group: 'billing', consumeMessageOrderly: true, ...settings })
  await send(mq, numbers(count))
  return { mq, consumer: await simple(mq) }
}

/** Bodies with their attempts. */
function attemptsOf(messages: readonly Pick<MessageView, 'text' | 'deliveryAttempt'>[]): string[] {
  return messages.map((message) => `${message.text()} ${message.deliveryAttempt}`)
}

/** Receives as a client does that may ask again for an answer that was lost. */
function popAs(
  mq: EngineMQ,
  attemptId: string,
  fields: Partial<PopRequest> = {},
): Promise<readonly PoppedMessage[]> {
  const subscriptions = new Map([['orders', matchAll]])
  const times = { invisibleDurationMs: INVISIBLE_MS, awaitDurationMs: 0 }
  return mq.engine.pop!.popMessage({
    group: 'billing',
    clientId: 'a',
    subscriptions,
    maxCount: 2,
    ...times,
    attemptId,
    ...fields,
  })
}

function poppedTexts(popped: readonly PoppedMessage[]): string[] {
  return popped.map(({ message, deliveryAttempt }) => `${message.text()} ${deliveryAttempt}`)
}

export const fifoReceiving: ConformanceChapter = {
  title: 'Simple consumers: FIFO groups',
  rules: [
    rule(
      '8.6',
      'As long as something of a queue is not acknowledged, nobody gets more of it',
      { needs },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 5)
        const other = await simple(mq)
        const first = await receive(consumer, { maxMessages: 2 })
        assert.deepEqual(textsOf(first), ['0', '1'])
        assert.deepEqual([await receiveTexts(consumer), await receiveTexts(other)], [[], []])
        await consumer.ack(first[0]!)
        assert.deepEqual(await receiveTexts(other), [])
        await consumer.ack(first[1]!)
        assert.deepEqual(await receiveTexts(other), ['2', '3', '4'])
      },
    ),
    rule('8.6', 'Other queues go on meanwhile', { needs }, async (world) => {
      const mq = await world.openShop(2)
      const consumer = await simple(mq, { consumeMessageOrderly: true })
      for (const queueId of [0, 1]) await send(mq, numbers(2), { queueId })
      const [a, b] = [
        await receiveOne(consumer, { maxMessages: 1 }),
        await receiveOne(consumer, { maxMessages: 1 }),
      ]
      assert.deepEqual([a.queue.queueId, b.queue.queueId].sort(), [0, 1])
      assert.deepEqual(await receiveTexts(consumer), [])
    }),
    rule('8.6', 'Members that receive at a time are never in one queue', { needs }, async (world) => {
      const { mq, consumer } = await openFifo(world, 100)
      const members = [consumer, ...(await Promise.all(numbers(4).map(() => simple(mq))))]
      const seen: string[] = []
      while (seen.length < 100) {
        const answers = await Promise.all(members.map((member) => receive(member, { maxMessages: 7 })))
        const received = answers.filter(({ length }) => length > 0)
        assert.equal(received.length, 1)
        seen.push(...received.flatMap(textsOf))
        await consumer.ack(received.flat())
      }
      assert.deepEqual(seen, numbers(100))
    }),
    rule(
      '8.6',
      'What was not acknowledged comes again in its place and in order, each with an attempt more',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 4)
        await receive(consumer, { maxMessages: 2 })
        await mq.advance(INVISIBLE_MS - 1)
        assert.deepEqual(await receiveTexts(consumer), [])
        await mq.advance(1)
        const again = await receive(consumer)
        assert.deepEqual(attemptsOf(again), ['0 2', '1 2', '2 1', '3 1'])
        assert.deepEqual(
          again.map(({ queue, queueOffset }) => [queue.topic, queueOffset]),
          [0, 1, 2, 3].map((offset) => ['orders', offset]),
        )
      },
    ),
    rule(
      '8.6',
      'What was acknowledged does not come again, also when what lies before it does',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 5)
        const first = await receive(consumer, { maxMessages: 4 })
        await consumer.ack([first[1]!, first[3]!])
        await mq.advance(INVISIBLE_MS)
        const second = await receive(consumer, { maxMessages: 2 })
        assert.deepEqual(attemptsOf(second), ['0 2', '2 2'])
        await consumer.ack(second)
        assert.deepEqual(attemptsOf(await receive(consumer)), ['4 1'])
      },
    ),
    rule(
      '8.6',
      'The offset of the group stays at the first message that is not acknowledged',
      { needs },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 3)
        const messages = await receive(consumer)
        const offsets = [await committed(mq)]
        for (const index of [1, 0, 2]) {
          await consumer.ack(messages[index]!)
          offsets.push(await committed(mq))
        }
        assert.deepEqual(
          offsets.map((offset) => offset ?? 0),
          [0, 0, 2, 3],
        )
      },
    ),
    rule('8.6', 'The last acknowledgement wakes who waits for the queue', { needs }, async (world) => {
      const { mq, consumer } = await openFifo(world, 3)
      const messages = await receive(consumer, { maxMessages: 2 })
      const receiving = consumer.receive({ awaitDurationMs: INVISIBLE_MS })
      await mq.rest()
      await consumer.ack(messages)
      assert.deepEqual(textsOf(await receiving), ['2'])
    }),
    rule('8.6', 'The end of their time wakes who waits for the queue', { needs: timed }, async (world) => {
      const { mq, consumer } = await openFifo(world, 1)
      await receive(consumer)
      const receiving = consumer.receive({ awaitDurationMs: 2 * INVISIBLE_MS })
      await mq.advance(INVISIBLE_MS)
      assert.deepEqual(attemptsOf(await receiving), ['0 2'])
    }),
    rule(
      '8.6',
      'Another invisible duration is that of one message, and holds the queue as long',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 3)
        const messages = await receive(consumer, { maxMessages: 2 })
        await consumer.changeInvisibleDuration(messages[1]!, 2 * INVISIBLE_MS)
        await mq.advance(INVISIBLE_MS)
        assert.deepEqual(await receiveTexts(consumer), [])
        await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack(messages[0]!))
        await mq.advance(INVISIBLE_MS)
        assert.deepEqual(attemptsOf(await receive(consumer)), ['0 2', '1 2', '2 1'])
      },
    ),
    rule(
      '8.6',
      'A duration of 0 frees the queue, and the message is the first to come again',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 2)
        await consumer.changeInvisibleDuration(await receiveOne(consumer, { maxMessages: 1 }), 0)
        await mq.rest()
        assert.deepEqual(attemptsOf(await receive(consumer)), ['0 2', '1 1'])
      },
    ),
    rule(
      '8.6',
      'A message that is given back holds its queue as long as the policy of the group says',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 2)
        for (const [index, waitMs] of [10_000, 30_000, 60_000].entries()) {
          const message = await receiveOne(consumer, { maxMessages: 1, invisibleDurationMs: 3_600_000 })
          assert.deepEqual(attemptsOf([message]), [`0 ${index + 1}`])
          await consumer.nack(message)
          await mq.advance(waitMs - 1)
          assert.deepEqual(await receiveTexts(consumer), [])
          await mq.advance(1)
        }
      },
    ),
    rule(
      '8.6',
      'After its last attempt a message is a dead letter, and its queue goes on',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 2, { retryMaxTimes: 2 })
        const letters = eventsOf(mq, 'dead-letter')
        const seen: string[] = []
        for (let i = 0; i < 3; i++) {
          seen.push(...attemptsOf(await receive(consumer, { maxMessages: 1 })))
          await mq.advance(INVISIBLE_MS + 1)
        }
        assert.deepEqual(seen, ['0 1', '0 2', '0 3'])
        assert.deepEqual(attemptsOf(await receive(consumer)), ['1 1'])
        assert.deepEqual([letters.length, onlyOne(await mq.admin.deadLetters('billing')).text()], [1, '0'])
      },
    ),
    rule(
      '8.6',
      'What does not pass the filter holds nothing, and the offset passes it',
      { needs },
      async (world) => {
        const { mq } = await openFifo(world, 0)
        const consumer = await simple(mq, {
          group: 'paying',
          subscriptions: { orders: 'paid' },
          consumeMessageOrderly: true,
        })
        for (const tag of ['open', 'paid', 'open', 'paid', 'open']) await send(mq, tag, { tag })
        const messages = await receive(consumer)
        assert.deepEqual(textsOf(messages), ['paid', 'paid'])
        await consumer.ack(messages)
        assert.deepEqual(await receiveTexts(consumer), [])
        assert.equal(await committed(mq, { group: 'paying' }), 5)
      },
    ),
    rule(
      '8.6',
      'The same attempt gets what it has not settled once more, with new handles and the same counts',
      { needs, differs: true },
      async (world) => {
        const { mq } = await openFifo(world, 4)
        const lost = await popAs(mq, 'one')
        const again = await popAs(mq, 'one')
        assert.deepEqual(
          [poppedTexts(lost), poppedTexts(again)],
          [
            ['0 1', '1 1'],
            ['0 1', '1 1'],
          ],
        )
        const { pop } = mq.engine
        await pop!.ackMessage('billing', again[0]!.receiptHandle)
        assert.deepEqual(poppedTexts(await popAs(mq, 'one')), ['1 1'])
      },
    ),
    rule(
      '8.6',
      'Another attempt gets nothing of a queue that is held, and after their time the messages as any other',
      { needs: timed },
      async (world) => {
        const { mq } = await openFifo(world, 2)
        await popAs(mq, 'one')
        assert.deepEqual(
          [await popAs(mq, 'two'), await popAs(mq, 'one', { group: 'billing', attemptId: undefined })],
          [[], []],
        )
        await mq.advance(INVISIBLE_MS)
        assert.deepEqual(poppedTexts(await popAs(mq, 'two')), ['0 2', '1 2'])
      },
    ),
    rule('8.6', 'Where order does not matter an attempt id means nothing', { needs }, async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing' })
      await send(mq, numbers(2))
      const texts = [await popAs(mq, 'one', { maxCount: 1 }), await popAs(mq, 'one', { maxCount: 1 })].map(
        poppedTexts,
      )
      assert.deepEqual(texts, [['0 1'], ['1 1']])
    }),
    rule(
      '8.6',
      'The first member makes a group FIFO or not, and later ones agree or say nothing',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        await simple(mq, { consumeMessageOrderly: true })
        await simple(mq, { consumeMessageOrderly: true })
        const silent = await simple(mq)
        await refused('INVALID_PARAMETER', () => simple(mq, { consumeMessageOrderly: false }))
        await simple(mq, { group: 'loose' })
        await refused('INVALID_PARAMETER', () => simple(mq, { group: 'loose', consumeMessageOrderly: true }))
        await send(mq, numbers(2))
        await receive(silent, { maxMessages: 1 })
        assert.deepEqual(await receiveTexts(silent), [])
      },
    ),
    rule(
      '8.6',
      'A group cannot become FIFO, or cease to be, while something of it is invisible',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 3)
        const message = await receiveOne(consumer, { maxMessages: 1 })
        await refused('INVALID_PARAMETER', () =>
          mq.admin.createGroup({ group: 'billing', consumeMessageOrderly: false }),
        )
        await consumer.ack(message)
        await mq.admin.createGroup({ group: 'billing', consumeMessageOrderly: false })
        const second = await receiveOne(consumer, { maxMessages: 1 })
        assert.deepEqual(await receiveTexts(consumer), ['2'])
        await refused('INVALID_PARAMETER', () =>
          mq.admin.createGroup({ group: 'billing', consumeMessageOrderly: true }),
        )
        assert.equal(second.text(), '1')
      },
    ),
    rule(
      '8.6',
      'A reset frees the queue, begins to count anew, and voids the handles',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 4)
        const messages = await receive(consumer, { maxMessages: 3 })
        await consumer.ack(messages[1]!)
        await mq.admin.resetOffset({ group: 'billing', topic: 'orders', offset: 'min' })
        await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack(messages[0]!))
        assert.deepEqual(
          attemptsOf(await receive(consumer)),
          numbers(4).map((text) => `${text} 1`),
        )
      },
    ),
    rule(
      '8.6',
      'After a restart a queue is held as before, and what was acknowledged stays so',
      { needs: [...timed, 'reopen'], differs: true },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 4)
        const messages = await receive(consumer, { maxMessages: 3 })
        await consumer.ack(messages[1]!)
        const reopened = await world.reopen(mq)
        const again = await simple(reopened)
        assert.deepEqual(await receiveTexts(again), [])
        await reopened.advance(INVISIBLE_MS)
        assert.deepEqual(attemptsOf(await receive(again)), ['0 2', '2 2', '3 1'])
      },
    ),
    rule(
      '8.6',
      'After a crash nothing of a queue is skipped, and its order is kept',
      { needs: [...timed, 'crash'] },
      async (world) => {
        const { mq, consumer } = await openFifo(world, 6)
        await consumer.ack(await receive(consumer, { maxMessages: 2 }))
        await waste(mq, consumer)
        const left = await world.crash(mq)
        assert.deepEqual(
          attemptsOf(await receive(await simple(left))),
          numbersFrom(2, 4).map((text) => `${text} 2`),
        )
      },
    ),
  ],
}
