/** Pull and lite pull consumers as an instance owns them. */
import { PocketMQ } from 'pocketmq'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createTestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const subscriptions = { orders: '*' }

async function openInMemory(): Promise<PocketMQ> {
  const mq = await PocketMQ.open({ storage: 'memory', keepAlive: false })
  onTestFinished(async () => {
    await mq.close()
  })
  return mq
}

describe('An instance', () => {
  test('makes consumers that the application asks for messages', async () => {
    const mq = await openInMemory()
    const producer = await mq.createProducer({ group: 'shop' })
    const { queue } = await producer.send({ topic: 'orders', body: 'a book' })
    const lite = await mq.createLitePullConsumer({ group: 'billing', subscriptions })
    const pull = await mq.createPullConsumer({ group: 'audit' })
    expect((await lite.poll()).map((message) => message.text())).toEqual(['a book'])
    expect((await pull.pull(queue, '*', 0, 1)).messages.map((message) => message.text())).toEqual(['a book'])
  })

  test('closes them with itself: polls and loops end, pulls are refused', async () => {
    const mq = await openInMemory()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    const lite = await mq.createLitePullConsumer({ group: 'billing', subscriptions })
    const other = await mq.createLitePullConsumer({ group: 'audit', subscriptions })
    const pull = await mq.createPullConsumer({ group: 'audit' })
    const [queue] = await pull.fetchSubscribeMessageQueues('orders')
    const poll = lite.poll()
    const next = other.messages().next()
    const refused = expect(pull.pullBlockIfNotFound(queue!, '*', 0, 1)).rejects.toEqual(mqError('CLOSED'))
    expect(await mq.close()).toEqual({ drained: true, unfinishedCount: 0 })
    expect(await poll).toEqual([])
    expect(await next).toEqual({ done: true, value: undefined })
    await refused
    await expect(mq.createLitePullConsumer({ group: 'billing' })).rejects.toEqual(mqError('CLOSED'))
    await expect(mq.createPullConsumer({ group: 'billing' })).rejects.toEqual(mqError('CLOSED'))
  })

  test('that is closed while they start refuses them', async () => {
    const mq = await openInMemory()
    const starting = [
      mq.createLitePullConsumer({ group: 'billing', subscriptions }),
      mq.createPullConsumer({ group: 'audit' }),
    ].map((start) => expect(start).rejects.toEqual(mqError('CLOSED')))
    await mq.close()
    await Promise.all(starting)
  })

  test('gives a name in a group only once, whatever the kind of consumer', async () => {
    const mq = await openInMemory()
    const named = { group: 'billing', clientId: 'c' }
    const refusal = mqError('INVALID_PARAMETER', "a member 'c'")
    const lite = await mq.createLitePullConsumer({ ...named, subscriptions })
    await expect(mq.createPullConsumer(named)).rejects.toEqual(refusal)
    await expect(
      mq.createPushConsumer({ ...named, subscriptions, listener: () => undefined }),
    ).rejects.toEqual(refusal)
    await lite.close()
    await mq.createPullConsumer(named)
    await expect(mq.createLitePullConsumer(named)).rejects.toEqual(refusal)
  })

  test('refuses options that are none', async () => {
    const mq = await openInMemory()
    await expect(mq.createLitePullConsumer(undefined as never)).rejects.toEqual(mqError('INVALID_PARAMETER'))
    await expect(mq.createPullConsumer({ group: 5 } as never)).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })

  test('lets listeners of queue changes close it', async () => {
    const mq = await openInMemory()
    const lite = await mq.createLitePullConsumer({ group: 'billing', subscriptions })
    const closed = new Signal<unknown>()
    lite.onQueuesChanged('orders', () => closed.resolve(mq.close()))
    await (await mq.createProducer({ group: 'shop' })).send({ topic: 'orders', body: 'x' })
    expect(await closed.promise).toEqual({ drained: true, unfinishedCount: 0 })
  })
})

describe('A test instance', () => {
  test('settles when a loop has finished everything', async () => {
    await using mq = await createTestMQ()
    const lite = await mq.createLitePullConsumer({ group: 'billing', subscriptions })
    const seen: string[] = []
    const looping = (async () => {
      for await (const message of lite) seen.push(message.text())
    })()
    const producer = await mq.createProducer({ group: 'shop' })
    for (const body of ['a', 'b', 'c']) await producer.send({ topic: 'orders', body })
    await mq.settled()
    expect(seen.sort()).toEqual(['a', 'b', 'c'])
    await lite.close()
    await looping
  })

  test('lets polls wait on its own clock, and is idle meanwhile', async () => {
    await using mq = await createTestMQ({ topics: [{ topic: 'orders' }] })
    const lite = await mq.createLitePullConsumer({ group: 'billing', subscriptions })
    const poll = lite.poll({ timeoutMs: 3_600_000 })
    await mq.clock.advance('1h')
    expect(await poll).toEqual([])
  })
})
