/** Simple consumers: a message that is given back, by `nack` or by a duration of 0, and what is told of it. */
import { strict as assert } from 'node:assert'
import type { ReceivedMessage } from '../../../consumer/received-message.ts'
import type { SimpleConsumer } from '../../../consumer/simple-consumer.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { eventsOf, refused, send } from '../kit.ts'
import {
  INVISIBLE_MS,
  onlyOne,
  openSimple,
  receive,
  receiveOne,
  receiveTexts,
  simple,
  waste,
} from '../kit-receivers.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['pop'] as const
const timed = ['pop', 'virtualTime'] as const

/** Everything that settles a message refuses this one. */
async function isSettled(consumer: SimpleConsumer, message: ReceivedMessage): Promise<void> {
  await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack(message))
  await refused('INVALID_RECEIPT_HANDLE', () => consumer.nack(message))
  await refused('INVALID_RECEIPT_HANDLE', () => consumer.changeInvisibleDuration(message, 1000))
}

async function onlyReason(mq: EngineMQ): Promise<string | undefined> {
  return onlyOne(await mq.admin.deadLetters('billing')).properties.DLQ_REASON
}

/** `told`: what the retry says, of which the dead letter says that it was the last attempt. */
function reasonRule(title: string, reason: string | undefined, told: string): ConformanceRule {
  return rule('8.7', title, { needs: timed, differs: true }, async (world) => {
    const { mq, consumer } = await openSimple(world, 1)
    await mq.admin.createGroup({ group: 'billing', retryMaxTimes: 1 })
    const [retries, letters] = [eventsOf(mq, 'retry'), eventsOf(mq, 'dead-letter')]
    await consumer.nack(await receiveOne(consumer), { reason })
    await mq.advance('10s')
    await consumer.nack(await receiveOne(consumer), { reason })
    await mq.until('there is a dead letter', () => letters.length === 1)
    assert.deepEqual(
      [retries, letters].flat().map((event) => event.reason),
      [told, `It was attempt 2, the last one: ${told}`],
    )
    assert.equal(await onlyReason(mq), `It was attempt 2, the last one: ${told}`)
  })
}

export const givingBack: ConformanceChapter = {
  title: 'Simple consumers: giving back',
  rules: [
    rule(
      '8.4',
      'Who gives a message back has settled it, and cannot settle it otherwise',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 2)
        const [message, other] = await receive(consumer, { invisibleDurationMs: 3_600_000 })
        await consumer.nack(message!)
        assert.equal(message!.nextVisibleTimestamp, mq.now() + 10_000)
        for (const waitMs of [0, 9999]) {
          await mq.advance(waitMs)
          await isSettled(consumer, message!)
          // Those that can be acknowledged are.
          await refused('INVALID_RECEIPT_HANDLE', () => consumer.ack([message!, other!]))
          assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 1)
          assert.deepEqual(await receiveTexts(consumer), [])
        }
        await mq.advance(1)
        assert.equal((await receiveOne(consumer)).deliveryAttempt, 2)
        await isSettled(consumer, message!)
        assert.equal((await mq.admin.consumerProgress('billing')).invisibleCount, 1)
      },
    ),
    rule(
      '8.4',
      'Of two that give a message back at the same time one is refused',
      { needs, differs: true },
      async (world) => {
        const { consumer } = await openSimple(world, 1)
        const message = await receiveOne(consumer)
        const both = await Promise.allSettled([consumer.nack(message), consumer.nack(message)])
        assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      },
    ),
    rule(
      '8.4',
      'The next receive finds a message whose duration is 0, without waiting',
      { needs, differs: true },
      async (world) => {
        const { consumer } = await openSimple(world, 1)
        for (let attempt = 1; attempt <= 5; attempt++) {
          const message = onlyOne(await consumer.receive({ awaitDurationMs: 0 }))
          assert.equal(message.deliveryAttempt, attempt)
          await consumer.changeInvisibleDuration(message, 0)
        }
      },
    ),
    rule(
      '8.6',
      'In a FIFO group too the next receive finds a message whose duration is 0, and what lies behind it',
      { needs, differs: true },
      async (world) => {
        const mq = await world.openShop()
        const consumer = await simple(mq, { consumeMessageOrderly: true })
        await send(mq, ['0', '1'])
        for (let attempt = 1; attempt <= 5; attempt++) {
          const [first, ...others] = await consumer.receive({ awaitDurationMs: 0 })
          assert.deepEqual([first?.text(), first?.deliveryAttempt], ['0', attempt])
          for (const message of others) await consumer.ack(message)
          await consumer.changeInvisibleDuration(first!, 0)
        }
      },
    ),
    rule(
      '8.5',
      'A message that is given back after its last attempt is a dead letter as soon as that is answered',
      { needs, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await mq.admin.createGroup({ group: 'billing', retryMaxTimes: 0 })
        await consumer.nack(await receiveOne(consumer))
        assert.equal((await mq.admin.deadLetters('billing')).length, 1)
      },
    ),
    reasonRule(
      'What is given back says so in its retry and its dead letter',
      undefined,
      'It was given back.',
    ),
    reasonRule('What is given back says why, if its receiver does', 'no paper', 'no paper'),
    rule(
      '8.4',
      'What nobody acknowledged in its time says that',
      { needs: timed, differs: true },
      async (world) => {
        const { mq, consumer } = await openSimple(world, 1)
        await mq.admin.createGroup({ group: 'billing', retryMaxTimes: 1 })
        const retries = eventsOf(mq, 'retry')
        await waste(mq, consumer)
        await consumer.changeInvisibleDuration(await receiveOne(consumer), 1000)
        await mq.advance(INVISIBLE_MS)
        const told = 'It was received, and not acknowledged before its time was over.'
        assert.equal(onlyOne(retries).reason, told)
        assert.equal(await onlyReason(mq), `It was attempt 2, the last one: ${told}`)
      },
    ),
    rule('8.7', 'A reason is a text', { needs, differs: true }, async (world) => {
      const { consumer } = await openSimple(world, 1)
      const message = await receiveOne(consumer)
      for (const options of ['no paper', { reason: 7 }, { reason: ' ' }, { why: 'no paper' }, null])
        await refused('INVALID_PARAMETER', () => consumer.nack(message, options as object))
      await consumer.ack(message)
    }),
  ],
}
