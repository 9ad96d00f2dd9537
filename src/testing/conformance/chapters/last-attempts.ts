/** Simple consumers: the end of a message that nobody acknowledges, and what a restart leaves of a delivery. */
import { strict as assert } from 'node:assert'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, eventsOf, failing, numbers, refused, send, subscribe } from '../kit.ts'
import {
  INVISIBLE_MS,
  onlyOne,
  openSimple,
  receive,
  receiveOne,
  receiveTexts,
  SOON_MS,
  simple,
  waste,
} from '../kit-receivers.ts'
import { type ConformanceChapter, rule } from '../rule.ts'
import type { ConformanceWorld } from '../world.ts'

const timed = ['pop', 'virtualTime'] as const

/** A simple consumer of one message, of a group with so many retries. */
async function openWithRetries(world: ConformanceWorld, retryMaxTimes: number) {
  const { mq, consumer } = await openSimple(world, 1)
  await mq.admin.createGroup({ group: 'billing', retryMaxTimes })
  return { mq, consumer, letters: eventsOf(mq, 'dead-letter') }
}

async function openCounts(mq: EngineMQ): Promise<readonly number[]> {
  const { lag, invisibleCount, pendingRetryCount } = await mq.admin.consumerProgress('billing')
  return [lag, invisibleCount, pendingRetryCount]
}

export const lastAttempts: ConformanceChapter = {
  title: 'Simple consumers: last attempts and restarts',
  rules: [
    rule(
      '8.5',
      'A message that is never acknowledged is delivered 17 times, and is a dead letter then',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const letters = eventsOf(mq, 'dead-letter')
        for (let attempt = 1; attempt <= 17; attempt++) {
          assert.equal(letters.length, 0)
          assert.equal(onlyOne(await waste(mq, consumer)).deliveryAttempt, attempt)
        }
        for (let i = 0; i < 5; i++) assert.deepEqual(await receiveTexts(consumer), [])
        await mq.advance('1d')
        assert.deepEqual([letters.length, await receiveTexts(consumer)], [1, []])
      },
    ),
    rule(
      '8.5',
      'The dead letter is made when the time of the last attempt is over, whoever asks',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer, letters } = await openWithRetries(world, 0)
        await receive(consumer)
        await mq.advance(INVISIBLE_MS - 1)
        assert.equal(letters.length, 0)
        await mq.advance(1)
        assert.equal(letters.length, 1)
        assert.deepEqual(await openCounts(mq), [0, 0, 0])
      },
    ),
    rule(
      '8.5',
      'Giving a message back after its last attempt makes it a dead letter at once',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer, letters } = await openWithRetries(world, 1)
        await consumer.nack(await receiveOne(consumer))
        await mq.advance('10s')
        assert.equal(letters.length, 0)
        await consumer.nack(await receiveOne(consumer))
        await mq.rest()
        assert.equal(letters.length, 1)
        assert.deepEqual(await receiveTexts(consumer), [])
      },
    ),
    rule('8.5', 'A group says how many retries its messages have', { needs: timed }, async (world) => {
      for (const retryMaxTimes of [0, 1, 3]) {
        const { mq, consumer, letters } = await openWithRetries(world, retryMaxTimes)
        const attempts: number[] = []
        for (let i = 0; i < retryMaxTimes + 3; i++)
          attempts.push(...(await waste(mq, consumer)).map(({ deliveryAttempt }) => deliveryAttempt))
        assert.deepEqual(
          attempts,
          numbers(retryMaxTimes + 1).map((text) => Number(text) + 1),
        )
        assert.equal(letters.length, 1)
      }
    }),
    rule(
      '8.5',
      'Without a retry queue a message has one attempt',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await mq.admin.createGroup({ group: 'billing', retryQueueNums: 0 })
        const letters = eventsOf(mq, 'dead-letter')
        await waste(mq, consumer)
        assert.deepEqual([letters.length, await receiveTexts(consumer)], [1, []])
      },
    ),
    rule(
      '8.5',
      'A dead letter of a simple consumer is one of its group, with what the message carried',
      { needs: timed },
      async (world) => {
        const { mq, consumer, letters } = await openWithRetries(world, 2)
        const original = await mq.admin.browse('orders')
        for (let i = 0; i < 4; i++) await waste(mq, consumer)
        const letter = onlyOne(await mq.admin.deadLetters('billing'))
        const { properties, queue, reconsumeTimes, messageId } = letter
        assert.deepEqual(
          [properties.RETRY_TOPIC, queue.topic, reconsumeTimes, messageId, letter.text()],
          ['orders', '%DLQ%billing', 3, original[0]?.messageId, '0'],
        )
        const { group, deadLetterTopic } = onlyOne(letters)
        assert.deepEqual([group, deadLetterTopic], ['billing', '%DLQ%billing'])
      },
    ),
    rule(
      '8.5',
      'A dead letter that is sent again is received as a new message',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openWithRetries(world, 0)
        await waste(mq, consumer)
        await mq.admin.resendDeadLetters('billing')
        const message = await receiveOne(consumer)
        assert.deepEqual([message.text(), message.deliveryAttempt], ['0', 1])
      },
    ),
    rule(
      '8.4',
      'A message that comes again is told, with its count',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const events = eventsOf(mq, 'retry')
        const { messageId } = onlyOne(await waste(mq, consumer))
        await waste(mq, consumer)
        assert.deepEqual(
          events.map((event) => [event.group, event.topic, event.messageId, event.reconsumeTimes]),
          [1, 2].map((count) => ['billing', 'orders', messageId, count]),
        )
      },
    ),
    rule(
      '8.4',
      'When a topic is deleted what is invisible of it is told as lost',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 2)
        const lost = eventsOf(mq, 'message-lost')
        const messages = await receive(consumer)
        await consumer.ack(messages[0]!)
        await mq.admin.deleteTopic('orders')
        await mq.advance(INVISIBLE_MS + SOON_MS)
        assert.deepEqual(
          lost.map(({ reason, group, fromOffset }) => [reason, group, fromOffset]),
          [['deleted', 'billing', 1]],
        )
        await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack(messages[1]!))
      },
    ),
    rule(
      '8.4',
      'Retention by age waits for what is invisible',
      { needs: timed, differs: true },
      async (world) => {
        const retention = { maxAgeMs: 3_600_000, intervalMs: 600_000 }
        const mq = await world.openShop(1, { retention })
        const consumer = await simple(mq)
        await send(mq, 'x')
        await receive(consumer, { invisibleDurationMs: 6 * 3_600_000 })
        for (let i = 0; i < 6; i++) {
          await mq.advance('1h')
          await send(mq, 'later')
        }
        assert.ok((await receiveTexts(consumer)).includes('x'))
      },
    ),
    rule(
      '8.4',
      'What push consumers of the group left to retry is received by who subscribes to their retry topic',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0, { subscriptions: { '%RETRY%billing': '*' } })
        const { consumer: pushed } = await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.rest()
        await pushed.close()
        await mq.advance('10s')
        const message = await receiveOne(consumer)
        assert.deepEqual([message.topic, message.deliveryAttempt], ['orders', 2])
      },
    ),
    rule(
      '8.4',
      'A group with invisible messages can be deleted once its members have left, and is forgotten',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 2)
        const message = await receiveOne(consumer, { maxMessages: 1 })
        await refused('INVALID_PARAMETER', () => mq.admin.deleteGroup('billing'))
        await consumer.close()
        await mq.admin.deleteGroup('billing')
        const again = await simple(mq)
        await refused('INVALID_RECEIPT_HANDLE', () => again.ack(message))
        const texts = await receiveTexts(again)
        await mq.advance(INVISIBLE_MS - 1)
        assert.deepEqual([texts, await receiveTexts(again)], [['0', '1'], []])
      },
    ),
    rule(
      '8.4',
      'What was acknowledged is acknowledged after a restart',
      { needs: [...timed, 'reopen'] },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 4)
        const messages = await receive(consumer)
        await consumer.ack(messages.slice(1, 3))
        const reopened = await world.reopen(mq)
        const again = await simple(reopened)
        await reopened.advance(INVISIBLE_MS + SOON_MS)
        assert.deepEqual((await receiveTexts(again)).sort(), ['0', '3'])
      },
    ),
    rule(
      '8.4',
      'A handle is as good after a restart as before',
      { needs: [...timed, 'reopen'] },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 2)
        const [first, second] = await receive(consumer)
        await consumer.changeInvisibleDuration(second!, 2 * INVISIBLE_MS)
        const reopened = await world.reopen(mq)
        const again = await simple(reopened)
        await again.ack([first!, second!])
        await reopened.advance('1d')
        assert.deepEqual(await receiveTexts(again), [])
      },
    ),
    rule(
      '8.4',
      'Attempts count on after a restart, and waits go on',
      { needs: [...timed, 'reopen'], differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await consumer.nack(await receiveOne(consumer))
        await mq.advance('10s')
        await consumer.nack(await receiveOne(consumer))
        const reopened = await world.reopen(mq)
        const again = await simple(reopened)
        await reopened.advance(29_999)
        assert.deepEqual(await receiveTexts(again), [])
        await reopened.advance(1)
        assert.equal((await receiveOne(again)).deliveryAttempt, 3)
      },
    ),
    rule(
      '8.4',
      'What became visible while nobody was there is received once',
      { needs: [...timed, 'reopen'] },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 3)
        await receive(consumer)
        const reopened = await world.reopen(mq, '1h')
        const again = await simple(reopened)
        await reopened.advance(SOON_MS)
        const messages = await receive(again)
        assert.deepEqual(
          messages.map(({ deliveryAttempt }) => deliveryAttempt),
          [2, 2, 2],
        )
        await again.ack(messages)
        await reopened.advance('1h')
        assert.deepEqual([await receiveTexts(again), await committed(reopened)], [[], 3])
      },
    ),
  ],
}
