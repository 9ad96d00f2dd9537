/** Dead letters: when a message becomes one, what it says, who may see it, and how it is sent again. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import type { EngineMQ } from '../engine-mq.ts'
import {
  committed,
  eventsOf,
  failing,
  numbers,
  pull,
  queueOf,
  refused,
  send,
  subscribe,
  textsOf,
} from '../kit.ts'
import { type ConformanceChapter, type ConformanceRule, rule } from '../rule.ts'

const needs = ['virtualTime'] as const
const DEAD_LETTER_TOPIC = '%DLQ%billing'

/** A group that makes a dead letter of everything, and is gone again. */
async function bury(mq: EngineMQ, bodies: readonly string[], fields = {}): Promise<void> {
  const letters = eventsOf(mq, 'dead-letter')
  const { consumer } = await subscribe(mq, { listener: failing(), maxReconsumeTimes: 0, concurrency: 1 })
  await send(mq, bodies, fields)
  await mq.until('all are dead letters', () => letters.length === bodies.length)
  await consumer.close()
}

function attemptsRule(maxReconsumeTimes: number): ConformanceRule {
  const title = `With ${maxReconsumeTimes} retries a message is delivered ${maxReconsumeTimes + 1} times, then it is a dead letter`
  return rule('9.2', title, { needs }, async (world) => {
    const mq = await world.openShop()
    const { deliveries } = await subscribe(mq, { listener: failing(), maxReconsumeTimes })
    await send(mq, 'x')
    await mq.advance('10h')
    assert.equal(deliveries.length, maxReconsumeTimes + 1)
    const letters = await mq.admin.deadLetters('billing')
    assert.deepEqual(
      letters.map(({ reconsumeTimes }) => reconsumeTimes),
      [maxReconsumeTimes + 1],
    )
  })
}

async function topicOf(mq: EngineMQ) {
  return (await mq.admin.topics()).find(({ topic }) => topic === DEAD_LETTER_TOPIC)
}

export const deadLetters: ConformanceChapter = {
  title: 'Dead letters',
  rules: [
    rule(
      '9.1',
      'After 17 failures a message is a dead letter, and not delivered again',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        const { deliveries } = await subscribe(mq, { listener: failing() })
        await send(mq, 'x')
        await mq.advance('4h')
        assert.deepEqual(await mq.admin.deadLetters('billing'), [])
        await mq.advance('20h')
        assert.equal(deliveries.length, 17)
        const letters = await mq.admin.deadLetters('billing')
        assert.deepEqual(
          letters.map(({ reconsumeTimes }) => reconsumeTimes),
          [17],
        )
      },
    ),
    ...[0, 1, 3].map(attemptsRule),
    rule('1.8', 'The dead-letter topic appears with the first dead letter, with one queue', async (world) => {
      const mq = await world.openShop()
      const { consumer } = await subscribe(mq)
      assert.equal(await topicOf(mq), undefined)
      await consumer.close()
      await bury(mq, ['x'])
      const config = await topicOf(mq)
      assert.deepEqual([config?.readQueueNums, config?.writeQueueNums], [1, 1])
    }),
    rule('1.8', 'Every group has dead letters of its own', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      await mq.admin.createGroup({ group: 'shipping' })
      assert.deepEqual(await mq.admin.deadLetters('shipping'), [])
      assert.equal((await mq.admin.deadLetters('billing')).length, 1)
    }),
    rule('9.3', 'A dead letter carries what the message carried, its id too', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['body'], { tag: 'paid', keys: ['a', 'b'], properties: { region: 'eu' } })
      const [original] = await mq.admin.browse('orders')
      const [letter] = await mq.admin.deadLetters('billing')
      assert.deepEqual(
        [letter?.text(), letter?.tag, [...letter!.keys], letter?.properties.region],
        ['body', 'paid', ['a', 'b'], 'eu'],
      )
      assert.deepEqual(
        [letter?.messageId, letter?.bornTimestamp],
        [original?.messageId, original?.bornTimestamp],
      )
    }),
    rule(
      '9.2',
      'A dead letter names the topic and the first copy in its properties',
      { needs },
      async (world) => {
        const mq = await world.openShop()
        await subscribe(mq, { listener: failing(), maxReconsumeTimes: 1 })
        const [receipt] = await send(mq, 'x')
        await mq.advance('10s')
        const [letter] = await mq.admin.deadLetters('billing')
        assert.deepEqual([letter?.topic, letter?.queue.topic], [DEAD_LETTER_TOPIC, DEAD_LETTER_TOPIC])
        assert.equal(letter?.properties.RETRY_TOPIC, 'orders')
        assert.equal(letter?.properties.ORIGIN_MESSAGE_ID, receipt?.offsetMessageId)
      },
    ),
    rule('9.3', 'A dead letter says why the last attempt failed', { differs: true }, async (world) => {
      const mq = await world.openShop()
      const letters = eventsOf(mq, 'dead-letter')
      await subscribe(mq, {
        maxReconsumeTimes: 0,
        listener: () => {
          throw new RangeError('price\nbelow zero')
        },
      })
      await send(mq, 'x')
      await mq.until('it is a dead letter', () => letters.length === 1)
      const [letter] = await mq.admin.deadLetters('billing')
      assert.match(letter!.properties.DLQ_REASON!, /RangeError: price below zero/)
      assert.equal(letters[0]?.reason, letter?.properties.DLQ_REASON)
    }),
    rule('9.2', 'A dead letter is told once, with its group, topic and id', async (world) => {
      const mq = await world.openShop()
      const letters = eventsOf(mq, 'dead-letter')
      await bury(mq, ['x'])
      const messageId = (await mq.admin.browse('orders'))[0]?.messageId
      const expected = { group: 'billing', topic: 'orders', messageId, deadLetterTopic: DEAD_LETTER_TOPIC }
      assert.deepEqual(
        letters.map(({ reason: _, ...event }) => event),
        [{ ...expected, reconsumeTimes: 1 }],
      )
    }),
    rule('9.2', 'The offset of the queue moves past a dead letter', async (world) => {
      const mq = await world.openShop()
      await bury(mq, numbers(3))
      await mq.until('the offset is behind all', async () => (await committed(mq)) === 3)
      assert.equal((await mq.admin.consumerProgress('billing')).lag, 0)
    }),
    rule('1.8', 'Applications may neither read nor write dead letters', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      assert.equal((await topicOf(mq))?.permission, Permission.NONE)
      const queue = await queueOf(mq, 0, DEAD_LETTER_TOPIC)
      await refused('NO_PERMISSION', () => pull(mq, { queue }))
      await refused('NO_PERMISSION', () => send(mq, 'x', { topic: DEAD_LETTER_TOPIC }))
    }),
    rule('1.8', 'A setting opens the dead letters that are made from then on', async (world) => {
      const mq = await world.openShop(1, { deadLetterPermission: 'read-write' })
      await bury(mq, ['x'])
      assert.equal((await topicOf(mq))?.permission, Permission.READ_WRITE)
    }),
    rule('9.3', 'A consumer may subscribe to dead letters that are open', async (world) => {
      const mq = await world.openShop(1, { deadLetterPermission: 'read' })
      await bury(mq, ['a', 'b'])
      const { texts } = await subscribe(mq, {
        group: 'undertaker',
        subscriptions: { [DEAD_LETTER_TOPIC]: '*' },
      })
      await mq.until('they arrive', () => texts().length === 2)
      assert.deepEqual(texts().sort(), ['a', 'b'])
    }),
    rule('1.8', 'An update opens dead letters that are closed', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      const { texts } = await subscribe(mq, {
        group: 'undertaker',
        subscriptions: { [DEAD_LETTER_TOPIC]: '*' },
      })
      await mq.rest()
      assert.deepEqual(texts(), [])
      await mq.admin.updateTopic({ topic: DEAD_LETTER_TOPIC, permission: Permission.READ })
      await mq.until('it arrives', () => texts().length === 1)
    }),
    rule('9.3', 'Dead letters are listed oldest first, whatever their permission', async (world) => {
      const mq = await world.openShop()
      await bury(mq, numbers(5))
      assert.deepEqual(textsOf(await mq.admin.deadLetters('billing')), numbers(5))
      assert.deepEqual(textsOf(await mq.admin.deadLetters('billing', { offset: 1, max: 2 })), ['1', '2'])
    }),
    rule('9.3', 'A dead letter that is sent again is a new message to its old topic', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'], { tag: 'paid', keys: 'k', properties: { region: 'eu' } })
      const [letter] = await mq.admin.deadLetters('billing')
      const receipt = await mq.admin.resendDeadLetter('billing', letter!)
      assert.equal(receipt.queue.topic, 'orders')
      assert.notEqual(receipt.messageId, letter?.messageId)
      const message = await mq.admin.queryMessageById(receipt.messageId)
      assert.deepEqual(
        [message.text(), message.tag, [...message.keys], { ...message.properties }, message.reconsumeTimes],
        ['x', 'paid', ['k'], { region: 'eu' }, 0],
      )
    }),
    rule('9.3', 'A dead letter stays when it is sent again', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      await mq.admin.resendDeadLetter('billing', 0)
      assert.equal((await mq.admin.deadLetters('billing')).length, 1)
    }),
    rule('9.3', 'A dead letter that is sent again reaches every group', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      await mq.admin.resendDeadLetter('billing', 0)
      const [billing, shipping] = [await subscribe(mq), await subscribe(mq, { group: 'shipping' })]
      await mq.until('billing gets it', () => billing.texts().length === 1)
      await mq.until('shipping has both', () => shipping.texts().length === 2)
    }),
    rule('9.3', 'All dead letters are sent again from an offset on', { differs: true }, async (world) => {
      const mq = await world.openShop()
      await bury(mq, numbers(5))
      assert.deepEqual(await mq.admin.resendDeadLetters('billing', { offset: 1, max: 3 }), {
        resentCount: 3,
        nextOffset: 4,
      })
      assert.deepEqual(textsOf(await mq.admin.browse('orders')).slice(5), ['1', '2', '3'])
    }),
    rule('9.3', 'What is no dead letter of the group is not sent again', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      const [original] = await mq.admin.browse('orders')
      await refused('INVALID_PARAMETER', () => mq.admin.resendDeadLetter('billing', original!))
      await refused('NO_MESSAGE', () => mq.admin.resendDeadLetter('billing', 7))
      await refused('NO_MESSAGE', () => mq.admin.resendDeadLetter('shipping', 0))
    }),
    rule('9.3', 'Dead letters outlive their group', async (world) => {
      const mq = await world.openShop()
      await bury(mq, ['x'])
      await mq.admin.deleteGroup('billing')
      assert.equal((await mq.admin.deadLetters('billing')).length, 1)
    }),
  ],
}
