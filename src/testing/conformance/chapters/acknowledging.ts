/** Simple consumers: acknowledging, changing how long a message is invisible, and what becomes of a message that fails. */
import { strict as assert } from 'node:assert'
import type { ReceivedMessage } from '../../../consumer/received-message.ts'
import type { SimpleConsumer } from '../../../consumer/simple-consumer.ts'
import type { PoppedMessage, PopReceipt, PopVerbs } from '../../../model/engine.ts'
import { matchAll } from '../../../model/subscription.ts'
import { toMs } from '../../duration.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { numbers, queueOf, refused, send, textsOf } from '../kit.ts'
import {
  INVISIBLE_MS,
  LONG_MS,
  onlyOne,
  openSimple,
  receive,
  receiveOne,
  receiveTexts,
  SOON_MS,
  simple,
  waste,
} from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['pop'] as const
const timed = ['pop', 'virtualTime'] as const

function popOf(mq: EngineMQ): PopVerbs {
  return mq.engine.pop!
}

/** Receives one message as a client does, with its handle. */
async function pop(mq: EngineMQ, invisibleDurationMs = INVISIBLE_MS): Promise<PoppedMessage> {
  const subscriptions = new Map([['orders', matchAll]])
  const what = { group: 'billing', clientId: 'a', subscriptions, maxCount: 1 }
  return onlyOne(await popOf(mq).popMessage({ ...what, invisibleDurationMs, awaitDurationMs: 0 }))
}

function ack(mq: EngineMQ, { receiptHandle }: PopReceipt): Promise<void> {
  return popOf(mq).ackMessage('billing', receiptHandle)
}

/** Receives one message and gives it back; answers how long it waits then. */
async function nackOne(mq: EngineMQ, consumer: SimpleConsumer): Promise<number> {
  const message = await receiveOne(consumer)
  await consumer.nack(message)
  return message.nextVisibleTimestamp - mq.now()
}

/** The waits of a message that is given back each time it is received, one after another. */
async function waitsOf(mq: EngineMQ, consumer: SimpleConsumer, count: number): Promise<number[]> {
  const waits: number[] = []
  for (let i = 0; i < count; i++) {
    const waitMs = await nackOne(mq, consumer)
    waits.push(waitMs)
    await mq.advance(waitMs - 1)
    assert.deepEqual(await receiveTexts(consumer), [], `attempt ${i + 2} comes too early`)
    await mq.advance(1)
  }
  return waits
}

const DELAYS = '10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'.split(' ').map(toMs)

const POLICIES = [
  [
    'A group whose policy is CUSTOMIZED waits as its list says, and the last wait repeats',
    { type: 'CUSTOMIZED', nextMs: [100, 5000, 700] },
    [100, 5000, 700, 700, 700],
  ],
  [
    'A group whose policy is EXPONENTIAL waits longer and longer, up to a bound',
    { type: 'EXPONENTIAL', initialMs: 1000, maxMs: 5000, multiplier: 2 },
    [1000, 2000, 4000, 5000, 5000],
  ],
] as const

function policyRule([title, groupRetryPolicy, expected]: (typeof POLICIES)[number]): ConformanceRule {
  return rule('8.7', title, { needs: timed, differs: true }, async (world) => {
    const { mq, consumer } = await openSimple(world, 1)
    await mq.admin.createGroup({ group: 'billing', groupRetryPolicy })
    assert.deepEqual(await waitsOf(mq, consumer, expected.length), expected)
  })
}

export const acknowledging: ConformanceChapter = {
  title: 'Simple consumers: acknowledgements and retries',
  rules: [
    rule('8.4', 'What was acknowledged never comes again', { needs: timed }, async (world) => {
      const { mq, consumer } = await openSimple(world, 5)
      const messages = await receive(consumer)
      await consumer.ack(messages[0]!)
      await consumer.ack(messages.slice(1))
      await mq.advance('1d')
      assert.deepEqual(await receiveTexts(consumer), [])
      const { lag, invisibleCount, pendingRetryCount } = await mq.admin.consumerProgress('billing')
      assert.deepEqual(
        { lag, invisibleCount, pendingRetryCount },
        { lag: 0, invisibleCount: 0, pendingRetryCount: 0 },
      )
    }),
    rule(
      '8.4',
      'Each message is acknowledged for itself, in whatever order',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 6)
        const messages = await receive(consumer)
        for (const index of [5, 1, 3]) await consumer.ack(messages[index]!)
        await mq.advance(INVISIBLE_MS + SOON_MS)
        assert.deepEqual((await receiveTexts(consumer)).sort(), ['0', '2', '4'])
      },
    ),
    rule('8.4', 'An acknowledgement that comes twice succeeds twice', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 2)
      const [first] = await receive(consumer)
      for (let i = 0; i < 3; i++) await consumer.ack(first!)
      await consumer.ack([first!, first!])
      await consumer.ack([])
      assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 1)
    }),
    rule('8.4', 'Any member of the group acknowledges, other groups do not', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 2)
      const [a, b] = await receive(consumer)
      const stranger = await simple(mq, { group: 'shipping' })
      await refused('INVALID_RECEIPT_HANDLE', () => stranger.ack(a!))
      await refused('INVALID_RECEIPT_HANDLE', () => stranger.changeInvisibleDuration(a!, 1000))
      await refused('INVALID_RECEIPT_HANDLE', () => stranger.nack(a!))
      await (await simple(mq)).ack([a!, b!])
      assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 0)
    }),
    rule(
      '8.4',
      'When the time of a message is over its handle is refused, and does nothing to the next delivery',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const first = onlyOne(await waste(mq, consumer))
        for (let round = 0; round < 2; round++) {
          await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack(first))
          await refused('INVALID_RECEIPT_HANDLE', () => consumer.nack(first))
          await refused('INVALID_RECEIPT_HANDLE', () => consumer.changeInvisibleDuration(first, 1000))
          if (round === 0) await receiveOne(consumer)
        }
        assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 1)
        await mq.advance(INVISIBLE_MS + SOON_MS)
        assert.equal((await receiveOne(consumer)).deliveryAttempt, 3)
      },
    ),
    rule(
      '8.4',
      'Of a list what can be acknowledged is, and the rest is told',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 3)
        const messages = await receive(consumer)
        await consumer.changeInvisibleDuration(messages[1]!, 1000)
        await mq.advance(1000)
        const { message } = await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack(messages))
        assert.match(message, /1 of 3/)
        await mq.advance('1d')
        assert.deepEqual(await receiveTexts(consumer), ['1'])
      },
    ),
    rule(
      '8.4',
      'Another invisible duration begins now, longer or shorter',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 2)
        const [longer, shorter] = await receive(consumer, { invisibleDurationMs: INVISIBLE_MS })
        await mq.advance(INVISIBLE_MS / 2)
        await consumer.changeInvisibleDuration(longer!, 10 * INVISIBLE_MS)
        await consumer.changeInvisibleDuration(shorter!, 1000)
        assert.equal(longer?.nextVisibleTimestamp, mq.now() + 10 * INVISIBLE_MS)
        await mq.advance(999)
        assert.deepEqual(await receiveTexts(consumer), [])
        await mq.advance(1 + SOON_MS)
        assert.deepEqual(await receiveTexts(consumer, { invisibleDurationMs: 43_200_000 }), ['1'])
        await mq.advance(10 * INVISIBLE_MS - 1001 - SOON_MS)
        assert.deepEqual(await receiveTexts(consumer), [])
        await mq.advance(SOON_MS + 1)
        assert.deepEqual(await receiveTexts(consumer), ['0'])
      },
    ),
    rule('8.4', 'A duration of 0 makes a message visible at once', { needs: timed }, async (world) => {
      const { mq, consumer } = await openSimple(world, 1)
      await consumer.changeInvisibleDuration(await receiveOne(consumer), 0)
      await mq.advance(SOON_MS)
      assert.equal((await receiveOne(consumer)).deliveryAttempt, 2)
    }),
    rule(
      '8.4',
      'Another invisible duration is a new handle, and the old one is dead',
      { needs, differs: true },
      async (world) => {
        const { mq } = await openSimple(world, 1)
        const first = await pop(mq)
        const second = await popOf(mq).changeInvisibleDuration('billing', first.receiptHandle, LONG_MS)
        assert.notEqual(second.receiptHandle, first.receiptHandle)
        await refused('INVALID_RECEIPT_HANDLE', () => ack(mq, first))
        await refused('INVALID_RECEIPT_HANDLE', () =>
          popOf(mq).changeInvisibleDuration('billing', first.receiptHandle, LONG_MS),
        )
        assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 1)
        await ack(mq, second)
        await refused('INVALID_RECEIPT_HANDLE', () => ack(mq, first))
      },
    ),
    rule(
      '8.4',
      'A message whose duration was changed goes on under its new handle',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const message = await receiveOne(consumer)
        for (let i = 0; i < 5; i++) {
          await mq.advance(INVISIBLE_MS - 1)
          await consumer.changeInvisibleDuration(message, INVISIBLE_MS)
          assert.deepEqual(await receiveTexts(consumer), [])
        }
        await consumer.ack(message)
        await mq.advance('1d')
        assert.deepEqual(await receiveTexts(consumer), [])
      },
    ),
    rule('8.4', 'Another invisible duration is no attempt', { needs: timed }, async (world) => {
      const { mq, consumer } = await openSimple(world, 1)
      const message = await receiveOne(consumer)
      for (let i = 0; i < 20; i++) await consumer.changeInvisibleDuration(message, INVISIBLE_MS)
      await mq.advance(INVISIBLE_MS + SOON_MS)
      assert.equal((await receiveOne(consumer)).deliveryAttempt, 2)
    }),
    rule('8.7', 'Another invisible duration is 12 hours at most', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 1)
      const message = await receiveOne(consumer)
      for (const duration of [-1, 0.5, Number.NaN, 43_200_001])
        await refused('INVALID_PARAMETER', () => consumer.changeInvisibleDuration(message, duration))
      await consumer.changeInvisibleDuration(message, 43_200_000)
      assert.ok(message.nextVisibleTimestamp > mq.now() + 43_100_000)
    }),
    rule(
      '8.4',
      'The duration of an acknowledged message cannot be changed',
      { needs, differs: true },
      async (world) => {
        const { consumer } = await openSimple(world, 1)
        const message = await receiveOne(consumer)
        await consumer.ack(message)
        await refused('INVALID_RECEIPT_HANDLE', () => consumer.changeInvisibleDuration(message, 1000))
        await refused('INVALID_RECEIPT_HANDLE', () => consumer.nack(message))
      },
    ),
    rule('8.4', 'Handles that are none are refused', { needs }, async (world) => {
      const { mq } = await openSimple(world, 1)
      const { receiptHandle } = await pop(mq)
      for (const handle of ['', 'x', receiptHandle.slice(2), `${receiptHandle}.1`])
        await refused('INVALID_RECEIPT_HANDLE', () => ack(mq, { receiptHandle: handle } as PopReceipt))
      const refusals = await popOf(mq).ackMessages('billing', ['x', receiptHandle])
      assert.deepEqual(
        refusals.map((refusal) => [refusal.receiptHandle, refusal.error.code]),
        [['x', 'INVALID_RECEIPT_HANDLE']],
      )
    }),
    rule('8.7', 'Only what was received can be settled', { needs }, async (world) => {
      const { mq, consumer } = await openSimple(world, 1)
      const viewed = await mq.admin.queryMessageByOffset(await queueOf(mq), 0)
      for (const wrong of [undefined, null, 'x', {}, viewed]) {
        const message = wrong as ReceivedMessage
        await refused('INVALID_PARAMETER', () => consumer.ack(message))
        await refused('INVALID_PARAMETER', () => consumer.nack(message))
        await refused('INVALID_PARAMETER', () => consumer.changeInvisibleDuration(message, 1000))
      }
    }),
    rule(
      '8.4',
      'Each delivery is one attempt more, and carries what the message carried',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0)
        const [receipt] = await send(mq, 'body', {
          tag: 'paid',
          keys: ['a', 'b'],
          properties: { region: 'eu' },
        })
        for (const attempt of [1, 2, 3, 4]) {
          const message = onlyOne(await waste(mq, consumer))
          const { topic, tag, keys, properties, messageId, deliveryAttempt, reconsumeTimes } = message
          assert.deepEqual([deliveryAttempt, reconsumeTimes], [attempt, attempt - 1])
          assert.deepEqual(
            [topic, tag, [...keys], properties.region, messageId, message.text()],
            ['orders', 'paid', ['a', 'b'], 'eu', receipt?.messageId, 'body'],
          )
        }
      },
    ),
    rule(
      '8.4',
      'Retries lie in a topic of their group and topic',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await waste(mq, consumer)
        assert.equal((await receiveOne(consumer)).queue.topic, '%RETRY%billing+orders')
      },
    ),
    rule(
      '8.4',
      'Retries are received whatever the subscription lets pass by then',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 0)
        await send(mq, 'x', { tag: 'paid' })
        await waste(mq, consumer)
        await consumer.subscribe('orders', 'open')
        assert.deepEqual(await receiveTexts(consumer), ['x'])
      },
    ),
    rule(
      '8.4',
      'Retries reach only the group that failed, and who subscribes to their topic',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        const shipping = await simple(mq, { group: 'shipping' })
        await shipping.ack(await receiveOne(shipping))
        await waste(mq, consumer)
        const elsewhere = await simple(mq, { subscriptions: { returns: '*' } })
        assert.deepEqual([await receiveTexts(shipping), await receiveTexts(elsewhere)], [[], []])
        assert.deepEqual(await receiveTexts(consumer), ['0'])
      },
    ),
    rule(
      '8.4',
      'Retries wake who waits, and are not held up by new messages',
      { needs: timed },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await receive(consumer)
        const receiving = consumer.receive({ awaitDurationMs: 2 * INVISIBLE_MS })
        await mq.advance(INVISIBLE_MS + SOON_MS)
        assert.deepEqual(textsOf(await receiving), ['0'])
        await mq.advance(INVISIBLE_MS + SOON_MS)
        await send(mq, numbers(300))
        // One receive in five looks at the retries first.
        const texts = new Set<string>()
        for (let i = 0; i < 100; i++) {
          const message = await receiveOne(consumer, { maxMessages: 1 })
          if (message.deliveryAttempt > 1) texts.add(message.text())
        }
        assert.deepEqual([...texts], ['0'])
      },
    ),
    rule(
      '8.7',
      'Giving a message back makes it wait 10 s, 30 s, 1 min and so on up to 2 h, 16 times',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        assert.deepEqual(await waitsOf(mq, consumer, DELAYS.length), DELAYS)
        assert.equal((await receiveOne(consumer)).deliveryAttempt, 17)
      },
    ),
    ...POLICIES.map(policyRule),
  ],
}
