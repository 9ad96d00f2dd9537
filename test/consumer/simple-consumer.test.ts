import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { ReceivedMessage } from '../../src/consumer/received-message.ts'
import { SimpleConsumer } from '../../src/consumer/simple-consumer.ts'
import type { ReceiveOptions, SimpleConsumerOptions } from '../../src/consumer/simple-consumer-options.ts'
import type { PopVerbs } from '../../src/model/engine.ts'
import { MQError } from '../../src/model/errors.ts'
import { sql } from '../../src/model/sql/sql-filter.ts'
import { type ClientHost, openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const NOW: ReceiveOptions = { awaitDurationMs: 0 }
const INVISIBLE_MS = 60_000
const STALE = mqError('INVALID_RECEIPT_HANDLE')

/** A member of `billing` that receives from `orders`, unless the options say otherwise. */
function start(host: ClientHost, options: Partial<SimpleConsumerOptions> = {}): Promise<SimpleConsumer> {
  return SimpleConsumer.start(host, { group: 'billing', subscriptions: { orders: '*' }, ...options })
}

async function openConsumer(bodies: readonly string[], options: Partial<SimpleConsumerOptions> = {}) {
  const host = await openShop()
  if (bodies.length > 0) await host.send(bodies)
  return { host, consumer: await start(host, options) }
}

function texts(messages: readonly ReceivedMessage[]): string[] {
  return messages.map((message) => message.text())
}

function only(messages: readonly ReceivedMessage[]): ReceivedMessage {
  const [first] = messages
  if (first === undefined || messages.length > 1) throw new Error(`received ${messages.length} messages`)
  return first
}

describe('A simple consumer', () => {
  test('receives messages, and those that it acknowledges do not come again', async () => {
    const { host, consumer } = await openConsumer(['a', 'b', 'c'])
    const messages = await consumer.receive(NOW)
    expect(texts(messages)).toEqual(['a', 'b', 'c'])
    await consumer.ack(messages[0]!)
    await consumer.ack(messages.slice(1, 2))
    await host.clock.advance(INVISIBLE_MS)
    expect(texts(await consumer.receive(NOW))).toEqual(['c'])
  })

  test('gives messages as they were sent, with their attempt and the time until which they are invisible', async () => {
    const host = await openShop()
    const message = { tag: 'paid', keys: ['o-1'], properties: { region: 'eu' } }
    await host.send(['{"n":1}'], message)
    const consumer = await start(host)
    const received = only(await consumer.receive({ ...NOW, invisibleDurationMs: 5000 }))
    expect(received.json()).toEqual({ n: 1 })
    expect(received.body.toString()).toBe('{"n":1}')
    const { topic, tag, keys, properties, queue, queueOffset, deliveryAttempt, reconsumeTimes } = received
    expect({ topic, tag, keys, properties, queueOffset, deliveryAttempt, reconsumeTimes }).toEqual({
      topic: 'orders',
      ...message,
      queueOffset: 0,
      deliveryAttempt: 1,
      reconsumeTimes: 0,
    })
    expect(queue).toEqual(host.queue())
    expect(received.nextVisibleTimestamp).toBe(host.clock.now() + 5000)
    const stored = await host.broker.viewMessageByOffsetId(received.offsetMessageId)
    expect(stored.messageId).toBe(received.messageId)
    expect(received.storeTimestamp).toBe(host.clock.now())
    expect(received.bornTimestamp).toBe(host.clock.now())
    expect(received.storeSize).toBeGreaterThan(7)
  })

  test('shows messages to JSON and to the console, without their handle', async () => {
    const { consumer } = await openConsumer(['a'])
    const message = only(await consumer.receive(NOW))
    const { messageId, nextVisibleTimestamp } = message
    const plain = { topic: 'orders', messageId, deliveryAttempt: 1, nextVisibleTimestamp }
    expect(JSON.parse(JSON.stringify(message))).toMatchObject(plain)
    for (const shown of [JSON.stringify(message), inspect(message)]) {
      expect(shown).toContain(messageId)
      expect(shown).not.toContain('receipt')
    }
  })

  test('receives 16 messages for 60 seconds unless it says otherwise', async () => {
    const { host, consumer } = await openConsumer(Array.from({ length: 40 }, (_, i) => `m${i}`))
    const messages = await consumer.receive()
    expect(messages).toHaveLength(16)
    expect(messages[0]?.nextVisibleTimestamp).toBe(host.clock.now() + INVISIBLE_MS)
    expect(await consumer.receive({ maxMessages: 1 })).toHaveLength(1)
    expect(await consumer.receive({ maxMessages: 32 })).toHaveLength(23)
  })

  test('waits as long as its options say, or the receive itself', async () => {
    const { host, consumer } = await openConsumer([], { awaitDurationMs: 1000 })
    const ended: string[] = []
    const own = consumer.receive().then((messages) => ended.push(`own ${messages.length}`))
    const other = consumer.receive({ awaitDurationMs: 2000 }).then(() => ended.push('other'))
    await host.clock.advance(999)
    expect(ended).toEqual([])
    await host.clock.advance(1)
    expect(ended).toEqual(['own 0'])
    await host.clock.advance(1000)
    await Promise.all([own, other])
    expect(ended).toEqual(['own 0', 'other'])
  })

  test('receives what is sent while it waits', async () => {
    const { host, consumer } = await openConsumer([])
    const receiving = consumer.receive({ awaitDurationMs: 20_000 })
    await host.clock.settle()
    await host.send(['a'])
    expect(texts(await receiving)).toEqual(['a'])
  })

  test('shares with the other members, each message for one of them at a time', async () => {
    const host = await openShop(2)
    const members = await Promise.all([start(host), start(host), start(host)])
    for (const queueId of [0, 1]) {
      const bodies = Array.from({ length: 30 }, (_, i) => `${queueId}-${i}`)
      await host.send(bodies, {}, queueId)
    }
    const rounds = await Promise.all(
      [...members, ...members].map((member) => member.receive({ ...NOW, maxMessages: 10 })),
    )
    const received = rounds.flatMap(texts)
    expect(new Set(received).size).toBe(60)
    expect(received).toHaveLength(60)
  })

  test('receives from its topics in turn', async () => {
    const host = await openShop()
    await host.createTopic('returns')
    await host.send(['o1', 'o2', 'o3'])
    await host.send(['r1', 'r2', 'r3'], { topic: 'returns' })
    const consumer = await start(host, { subscriptions: { orders: '*', returns: '*' } })
    const received: string[] = []
    for (let i = 0; i < 6; i++) received.push(...texts(await consumer.receive({ ...NOW, maxMessages: 1 })))
    expect(received).toEqual(['o1', 'r1', 'o2', 'r2', 'o3', 'r3'])
  })

  test('waits for all its topics at once, where RocketMQ waits for the one whose turn it is', async () => {
    const host = await openShop()
    await host.createTopic('returns')
    const consumer = await start(host, { subscriptions: { orders: '*', returns: '*', later: '*' } })
    for (const topic of ['returns', 'orders', 'returns']) {
      const receiving = consumer.receive({ awaitDurationMs: 20_000 })
      await host.clock.settle()
      await host.send([topic], { topic })
      const message = only(await receiving)
      expect(message.topic).toBe(topic)
      await consumer.ack(message)
    }
    const receiving = consumer.receive({ awaitDurationMs: 20_000 })
    await host.clock.settle()
    await host.createTopic('later')
    await host.send(['a'], { topic: 'later' })
    expect(texts(await receiving)).toEqual(['a'])
  })

  test.each([
    ['paid', ['p']],
    ['paid || open', ['p', 'o']],
    ['*', ['p', 'o', 'none']],
    [sql("region = 'eu'"), ['o']],
  ])('receives what %s lets pass', async (expression, expected) => {
    const host = await openShop()
    await host.send(['p'], { tag: 'paid' })
    await host.send(['o'], { tag: 'open', properties: { region: 'eu' } })
    await host.send(['none'])
    const consumer = await start(host, { subscriptions: { orders: expression } })
    expect(texts(await consumer.receive(NOW))).toEqual(expected)
    expect((await host.broker.consumerProgress('billing')).lag).toBe(0)
  })

  test('receives what failed in its group from the retry topic, in good time', async () => {
    const { host, consumer } = await openConsumer(['a'])
    await consumer.nack(only(await consumer.receive(NOW)))
    const receiving = consumer.receive({ awaitDurationMs: 20_000 })
    await host.clock.advance(9_999)
    await host.clock.advance(1)
    expect(only(await receiving)).toMatchObject({ topic: 'orders', deliveryAttempt: 2, reconsumeTimes: 1 })
  })

  test('can be of a FIFO group', async () => {
    const { host, consumer } = await openConsumer(['a', 'b'], { consumeMessageOrderly: true })
    const other = await start(host)
    const first = only(await consumer.receive({ ...NOW, maxMessages: 1 }))
    expect(await other.receive(NOW)).toEqual([])
    await host.clock.advance(INVISIBLE_MS)
    const again = only(await other.receive({ ...NOW, maxMessages: 1 }))
    expect([again.text(), again.deliveryAttempt, again.reconsumeTimes]).toEqual(['a', 2, 1])
    await expect(consumer.ack(first)).rejects.toEqual(STALE)
    await other.ack(again)
    expect(texts(await consumer.receive(NOW))).toEqual(['b'])
  })

  test('is refused where its group is FIFO and it must not be, or the other way round', async () => {
    const { host } = await openConsumer([], { consumeMessageOrderly: true })
    await expect(start(host, { consumeMessageOrderly: false })).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'consumeMessageOrderly true'),
    )
    expect(host.closedClients).toEqual([])
  })

  test('is refused by an engine that has no part for it', async () => {
    const host = await openShop()
    host.replace({ pop: undefined } as never)
    await expect(start(host)).rejects.toEqual(mqError('UNSUPPORTED'))
  })
})

describe('Settling', () => {
  test('a message by any member of its group works, by another group not', async () => {
    const { host, consumer } = await openConsumer(['a', 'b'])
    const [other, stranger] = await Promise.all([start(host), start(host, { group: 'shipping' })])
    const [a, b] = await consumer.receive(NOW)
    await other.ack(a!)
    for (const refused of [stranger.ack(b!), stranger.nack(b!), stranger.changeInvisibleDuration(b!, 1000)]) {
      await expect(refused).rejects.toEqual(STALE)
    }
    expect((await host.broker.consumerProgress('billing')).invisibleCount).toBe(1)
  })

  test('after its time is refused, and has no effect on the delivery that follows', async () => {
    const { host, consumer } = await openConsumer(['a'])
    const first = only(await consumer.receive(NOW))
    await host.clock.advance(INVISIBLE_MS)
    const second = only(await consumer.receive(NOW))
    await expect(consumer.ack(first)).rejects.toEqual(STALE)
    await expect(consumer.changeInvisibleDuration(first, 0)).rejects.toEqual(STALE)
    expect(first.nextVisibleTimestamp).toBe(host.clock.now())
    await consumer.ack(second)
    await host.clock.advance(INVISIBLE_MS)
    expect(await consumer.receive(NOW)).toEqual([])
  })

  test('several at once settles those that it can, and says how many it could not', async () => {
    const { host, consumer } = await openConsumer(['a', 'b', 'c'])
    const messages = await consumer.receive(NOW)
    await consumer.changeInvisibleDuration(messages[1]!, 1000)
    await host.clock.advance(1000)
    await expect(consumer.ack(messages)).rejects.toEqual(
      mqError('INVALID_RECEIPT_HANDLE', '1 of 3 messages were not acknowledged; the others were.'),
    )
    expect(texts(await consumer.receive(NOW))).toEqual(['b'])
    await host.clock.advance(INVISIBLE_MS)
    expect(texts(await consumer.receive(NOW))).toEqual(['b'])
  })

  test('of a topic that was deleted is refused', async () => {
    const { host, consumer } = await openConsumer(['a', 'b'])
    const messages = await consumer.receive(NOW)
    await host.broker.deleteTopic('orders')
    const gone = mqError('TOPIC_NOT_EXIST')
    await expect(consumer.ack(messages)).rejects.toEqual(gone)
    await expect(consumer.ack(messages[0]!)).rejects.toEqual(gone)
    await expect(consumer.changeInvisibleDuration(messages[0]!, 1000)).rejects.toEqual(gone)
  })

  test('of nothing settles nothing', async () => {
    const { consumer } = await openConsumer([])
    await consumer.ack([])
  })

  test('a message goes on under its new handle after its duration was changed', async () => {
    const { host, consumer } = await openConsumer(['a'])
    const message = only(await consumer.receive(NOW))
    for (let i = 0; i < 3; i++) {
      await host.clock.advance(INVISIBLE_MS - 1)
      await consumer.changeInvisibleDuration(message, INVISIBLE_MS)
      expect(message.nextVisibleTimestamp).toBe(host.clock.now() + INVISIBLE_MS)
    }
    expect(await consumer.receive(NOW)).toEqual([])
    await consumer.ack(message)
    await host.clock.advance(2 * INVISIBLE_MS)
    expect(await consumer.receive(NOW)).toEqual([])
  })

  test('by nack makes a message wait, and settles this delivery of it', async () => {
    const { host, consumer } = await openConsumer(['a', 'b'])
    const [a, b] = await consumer.receive(NOW)
    await consumer.nack(a!)
    expect(a?.nextVisibleTimestamp).toBe(host.clock.now() + 10_000)
    await host.clock.advance(5000)
    for (const refused of [consumer.ack(a!), consumer.nack(a!), consumer.changeInvisibleDuration(a!, 1000)])
      await expect(refused).rejects.toEqual(mqError('INVALID_RECEIPT_HANDLE', 'given back'))
    expect(a?.nextVisibleTimestamp).toBe(host.clock.now() + 5000)
    await consumer.ack(b!)
    await host.clock.advance(5000)
    expect(texts(await consumer.receive(NOW))).toEqual(['a'])
  })

  test.each([[undefined], [null], ['a'], [{}], [[{}]], [{ receiptHandle: 'x' }]])(
    '%j is refused, since no receive answered it',
    async (message) => {
      const { consumer } = await openConsumer([])
      const what = message as ReceivedMessage
      const refused = mqError('INVALID_PARAMETER', 'receive()')
      await expect(consumer.ack(what)).rejects.toEqual(refused)
      await expect(consumer.nack(what)).rejects.toEqual(refused)
      await expect(consumer.changeInvisibleDuration(what, 1000)).rejects.toEqual(refused)
    },
  )

  test('a message that a query answered is refused', async () => {
    const { host, consumer } = await openConsumer(['a'])
    const viewed = (await host.broker.viewMessage(host.queue(), 0)) as ReceivedMessage
    await expect(consumer.ack(viewed)).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })

  test.each([-1, 0.5, Number.NaN, 12 * 3_600_000 + 1, '1000'])(
    'for another duration of %s is refused',
    async (duration) => {
      const { consumer } = await openConsumer(['a'])
      const message = only(await consumer.receive(NOW))
      await expect(consumer.changeInvisibleDuration(message, duration as number)).rejects.toEqual(
        mqError('INVALID_PARAMETER', 'from 0 to 43200000'),
      )
    },
  )

  test('fails with what fails in the store', async () => {
    const { host, consumer } = await openConsumer(['a'])
    const message = only(await consumer.receive(NOW))
    const failing = async () => {
      throw new MQError('WRITE_FAILED', 'full')
    }
    const pop = { ackMessages: failing, nackMessage: failing, changeInvisibleDuration: failing }
    host.replace({ pop: pop as unknown as PopVerbs })
    const other = await start(host)
    for (const failed of [
      other.ack(message),
      other.nack(message),
      other.changeInvisibleDuration(message, 1),
    ]) {
      await expect(failed).rejects.toEqual(mqError('WRITE_FAILED'))
    }
    await consumer.ack(message)
  })
})

describe('Subscriptions', () => {
  test('can be added, changed and taken away, from the next receive on', async () => {
    const host = await openShop()
    await host.createTopic('returns')
    await host.send(['paid'], { tag: 'paid' })
    await host.send(['open'], { tag: 'open' })
    await host.send(['returned'], { topic: 'returns' })
    const consumer = await start(host, { subscriptions: { orders: 'none' } })
    await consumer.subscribe('returns', '*')
    expect(consumer.subscriptions).toEqual({ orders: 'none', returns: '*' })
    expect(texts(await consumer.receive(NOW))).toEqual(['returned'])
    await consumer.unsubscribe('returns')
    await host.send(['returned again'], { topic: 'returns' })
    expect(await consumer.receive(NOW)).toEqual([])
    await consumer.subscribe('orders', 'paid')
    await host.send(['paid again'], { tag: 'paid' })
    expect(texts(await consumer.receive(NOW))).toEqual(['paid again'])
  })

  test('of which none is left make a receive fail', async () => {
    const { consumer } = await openConsumer(['a'])
    await consumer.unsubscribe('orders')
    await expect(consumer.receive(NOW)).rejects.toEqual(mqError('INVALID_PARAMETER', 'subscribes to nothing'))
    await consumer.subscribe('orders', '*')
    expect(texts(await consumer.receive(NOW))).toEqual(['a'])
  })

  test('are as before when the engine refuses a change', async () => {
    const { host, consumer } = await openConsumer(['a'])
    host.replace({ registerConsumer: () => Promise.reject(new MQError('WRITE_FAILED', 'full')) })
    await expect(consumer.subscribe('returns', '*')).rejects.toEqual(mqError('WRITE_FAILED'))
    host.restore('registerConsumer')
    expect(consumer.subscriptions).toEqual({ orders: '*' })
    await consumer.subscribe('returns', '*')
    expect(consumer.subscriptions).toEqual({ orders: '*', returns: '*' })
  })

  test('to names and expressions that are none are refused', async () => {
    const { consumer } = await openConsumer([])
    await expect(consumer.subscribe('no blanks', '*')).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await expect(consumer.subscribe('orders', 'a | b')).rejects.toEqual(mqError('SUBSCRIPTION_PARSE_FAILED'))
    await expect(consumer.subscribe('%RETRY%billing+orders', '*')).rejects.toEqual(
      mqError('INVALID_PARAMETER', 'anyway'),
    )
    await expect(consumer.unsubscribe('')).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })
})

test('A group that had push consumers receives what they left in their retry topic when it subscribes to it', async () => {
  const host = await openHost()
  await host.createTopic()
  const pusher = await host.consumer({
    listener: () => {
      throw new Error('no')
    },
  })
  await host.send(['a'])
  await host.clock.settle()
  await pusher.close()
  await host.clock.advance(10_000)
  const consumer = await start(host, { subscriptions: { '%RETRY%billing': '*' } })
  expect(only(await consumer.receive(NOW))).toMatchObject({ topic: 'orders', deliveryAttempt: 2 })
})
