import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import type { MessageView } from '../../src/model/message.ts'
import { floorMod, sipHash24 } from '../../src/model/sip-hash.ts'
import { sql } from '../../src/model/sql/sql-filter.ts'
import { selectByHash } from '../../src/producer/queue-selector.ts'
import { createTestMQ, expectMQ, snapshotOf, type TestMQ } from '../../src/testing/index.ts'
import { openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const order = (messageGroup: string | undefined, body = 'x') => ({ topic: 'orders', body, messageGroup })

/** Everything that the topic holds, queue by queue. */
async function stored(mq: TestMQ, topic = 'orders'): Promise<MessageView[]> {
  const queues = await mq.admin.topicStatus(topic)
  const read = await Promise.all(queues.map(({ queue }) => mq.admin.browse(queue)))
  return read.flat()
}

describe('A message with a message group', () => {
  test.each([
    ['a', 2],
    ['order-1', 3],
    ['order-3', 1],
    ['user_42', 0],
  ])(
    'of %j goes to queue %d of 4, where RocketMQ 5 clients for Java would send it',
    async (group, queueId) => {
      const host = await openShop(4)
      const producer = await host.producer()
      const receipts = [await producer.send(order(group)), await producer.send(order(group))]
      expect(receipts.map(({ queue }) => queue.queueId)).toEqual([queueId, queueId])
    },
  )

  test('goes there with options, as a batch, one-way, and with the send that makes the topic too', async () => {
    const host = await openHost()
    const producer = await host.producer()
    producer.sendOneway(order('order-1'))
    const sends = [
      producer.send(order('order-1')),
      producer.send(order('order-1'), { timeoutMs: 1000 }),
      producer.send([order('order-1'), order('order-1')]),
    ]
    for (const { queue } of await Promise.all(sends)) expect(queue.queueId).toBe(3)
    expect((await Promise.all(sends)).map(({ queueOffset }) => queueOffset)).toEqual([1, 2, 3])
  })

  test('leaves the turns of the others alone', async () => {
    const host = await openShop(4)
    host.randoms.push(0)
    const producer = await host.producer()
    const queueIds: number[] = []
    for (const group of [undefined, 'order-1', undefined, 'order-1', undefined]) {
      queueIds.push((await producer.send(order(group))).queue.queueId)
    }
    expect(queueIds).toEqual([0, 3, 1, 3, 2])
  })

  test.each([
    ['queue', { queue: { topic: 'orders', brokerName: 'localhost', queueId: 0 } }],
    ['selector', { selector: selectByHash, arg: 'order-1' }],
  ])('is refused together with a %s, before anything is written', async (given, options) => {
    const host = await openShop()
    const producer = await host.producer()
    const text = `leave the ${given} out`
    await expect(producer.send(order('order-1'), options)).rejects.toEqual(mqError('INVALID_PARAMETER', text))
    expect(() => producer.sendOneway([order('order-1')], options)).toThrow(
      mqError('INVALID_PARAMETER', text) as Error,
    )
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test.each([
    ['two groups', ['a', 'b']],
    ['one group, and a message without', ['a', undefined]],
    ['a message without, and one group', [undefined, 'a']],
  ])('makes no batch of %s', async (_, groups) => {
    const host = await openShop()
    const producer = await host.producer()
    const batch = groups.map((group) => order(group))
    await expect(producer.send(batch)).rejects.toEqual(
      mqError('MESSAGE_ILLEGAL', 'all must have the same one, or none'),
    )
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test.each([undefined, 'a'])('makes a batch whose messages all have %j', async (group) => {
    const host = await openShop()
    const producer = await host.producer()
    expect(await producer.send([order(group), order(group)])).toMatchObject({ messageCount: 2 })
  })

  test('shows its group, and not among its properties; SQL filters see it by its name in RocketMQ', async () => {
    await using mq = await createTestMQ()
    const seen: MessageView[] = []
    const join = (group: string, expression: string) =>
      mq.createPushConsumer({
        group,
        subscriptions: { orders: sql(expression) },
        listener: (message) => void seen.push(message),
      })
    await join('one', "__SHARDINGKEY = 'größe-1'")
    await join('other', "__SHARDINGKEY = 'order-2'")
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ ...order('größe-1'), tag: 'paid', keys: 'o-1', properties: { region: 'eu' } })
    await mq.settled()
    const [message] = seen
    expect(seen).toHaveLength(1)
    expect(message).toMatchObject({ messageGroup: 'größe-1', tag: 'paid', keys: ['o-1'] })
    expect(message?.properties).toEqual({ region: 'eu' })
    expect(JSON.parse(JSON.stringify(message))).toMatchObject({
      messageGroup: 'größe-1',
      properties: { region: 'eu' },
    })
  })

  test('survives a crash, and a message without one still has none', async () => {
    const mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send(order('order-1'))
    await producer.send({ topic: 'orders', body: 'x', properties: { region: 'eu' } })
    await using reopened = await mq.crash()
    const messages = await stored(reopened)
    expect(messages.map(({ messageGroup }) => messageGroup).sort()).toEqual(['order-1', undefined])
  })

  test('keeps it through retries, into the dead letters, and when a dead letter is sent again', async () => {
    await using mq = await createTestMQ()
    const groups: (string | undefined)[] = []
    let isBroken = true
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      maxReconsumeTimes: 1,
      listener: (message) => {
        groups.push(message.messageGroup)
        expect(message.properties).not.toHaveProperty('__SHARDINGKEY')
        return isBroken ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS
      },
    })
    const producer = await mq.createProducer({ group: 'shop' })
    const { queue } = await producer.send(order('order-1'))
    await mq.settled({ horizon: '1h' })
    const [letter] = await mq.admin.deadLetters('billing')
    expect(letter).toMatchObject({ messageGroup: 'order-1', reconsumeTimes: 2 })

    isBroken = false
    const receipt = await mq.admin.resendDeadLetter('billing', letter!)
    await mq.settled()
    expect(receipt.queue).toEqual(queue)
    expect(groups).toEqual(['order-1', 'order-1', 'order-1'])
  })

  test('is known to the ledger, to assertions and to snapshots', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ ...order('order-1'), properties: { region: 'eu' } })
    await producer.send(order(undefined))
    expectMQ(mq).sent({ messageGroup: 'order-1', times: 1 })
    expectMQ(mq).sent({ messageGroup: /^order-/, times: 1 })
    expectMQ(mq).sent({ messageGroup: (group) => group === undefined, times: 1 })
    expect(() => expectMQ(mq).sent({ messageGroup: 'order-2' })).toThrow(
      "messageGroup is 'order-1', not 'order-2'",
    )
    const [first, second] = snapshotOf(mq)
    expect(first).toMatchObject({ messageGroup: 'order-1', properties: { region: 'eu' } })
    expect(second).not.toHaveProperty('messageGroup')
  })
})

describe('The order of a message group', () => {
  test('is that of the sends, however many groups are under way at a time and whatever the sends wait for', async () => {
    // So little room that most sends have to wait.
    await using mq = await createTestMQ({ limits: { maxUnappliedBytes: 2000 } })
    const producer = await mq.createProducer({ group: 'shop', sendMsgTimeoutMs: 600_000 })
    const groups = ['a', 'b', 'c', 'd', 'e']
    const sends = Array.from({ length: 500 }, (_, i) => {
      const options = i % 7 === 0 ? { timeoutMs: 600_000 } : undefined
      return producer.send(order(groups[i % groups.length], String(i).padEnd(100)), options)
    })
    await mq.clock.runUntil(Promise.all(sends))
    const messages = await stored(mq)
    expect(messages).toHaveLength(500)
    for (const group of groups) {
      const ofGroup = messages.filter(({ messageGroup }) => messageGroup === group)
      expect(new Set(ofGroup.map(({ queue }) => queue.queueId)).size).toBe(1)
      const bodies = ofGroup.map((message) => Number(message.text()))
      expect(bodies).toEqual(bodies.toSorted((a, b) => a - b))
    }
  })

  test('is that of the loops that each await their sends', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    const groups = Array.from({ length: 20 }, (_, i) => `order-${i}`)
    await Promise.all(
      groups.map(async (group) => {
        for (let step = 0; step < 20; step++) await producer.send(order(group, String(step)))
      }),
    )
    const messages = await stored(mq)
    for (const group of groups) {
      const ofGroup = messages.filter(({ messageGroup }) => messageGroup === group)
      expect(ofGroup.map((message) => Number(message.text()))).toEqual(
        Array.from({ length: 20 }, (_, i) => i),
      )
      for (const { queue } of ofGroup) expect(queue.queueId).toBe(floorMod(sipHash24(group), 4))
    }
  })
})
