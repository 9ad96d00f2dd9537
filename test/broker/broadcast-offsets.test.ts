import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { matchAll } from '../../src/model/subscription.ts'
import { openHost } from '../helpers/client-host.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { openBroker, type TestBroker } from './set-up.ts'

const DAY = 86_400_000

function joinBroadcast(
  { broker }: Pick<TestBroker, 'broker'>,
  clientId: string,
  isNamed = true,
): Promise<void> {
  return broker.registerConsumer({
    group: 'billing',
    clientId,
    messageModel: 'broadcasting',
    consumeType: 'push',
    isNamed,
    subscriptions: new Map([['orders', matchAll]]),
  })
}

async function openShop(place = {}): Promise<TestBroker> {
  const shop = await openBroker({}, place)
  await shop.createTopic()
  for (const body of ['a', 'b', 'c']) await shop.send({ body })
  return shop
}

describe('The offset of a broadcasting member', () => {
  test('only moves forward, unless it is set from outside or the application itself goes back', async () => {
    for (const isNamed of [true, false]) {
      const shop = await openShop()
      await joinBroadcast(shop, 'printer', isNamed)
      const { broker } = shop
      const offset = () => broker.queryConsumerOffset('billing', shop.queue(), 'printer')
      expect(await offset()).toBeUndefined()
      await broker.updateConsumerOffset('billing', shop.queue(), 2, false, 'printer')
      await broker.updateConsumerOffset('billing', shop.queue(), 1, false, 'printer')
      expect(await offset()).toBe(2)
      await broker.updateConsumerOffset('billing', shop.queue(), 1, true, 'printer')
      expect(await offset()).toBe(1)
      await broker.resetConsumerOffset('billing', 'orders', new Map([[0, 0]]))
      expect(await offset()).toBe(0)
    }
  })

  test('is refused beyond the end of the queue', async () => {
    const shop = await openShop()
    await joinBroadcast(shop, 'printer', false)
    const updating = shop.broker.updateConsumerOffset('billing', shop.queue(), 4, false, 'printer')
    await expect(updating).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
  })

  test('survives a restart under a name, and comes with no retry topic', async () => {
    const path = await mkdtemp(join(tmpdir(), 'pocketmq-broadcast-'))
    onTestFinished(() => rm(path, { recursive: true, force: true }))
    const clock = new ManualClock()
    const before = await openShop({ path, clock })
    await joinBroadcast(before, 'printer')
    await before.broker.updateConsumerOffset('billing', before.queue(), 2, false, 'printer')
    await before.close()
    const { broker, queue } = await openBroker({}, { path, clock })
    expect(await broker.queryConsumerOffset('billing', queue(), 'printer')).toBe(2)
    expect((await broker.queryGroups()).map(({ group }) => group)).toEqual(['billing'])
    expect((await broker.queryTopics()).map(({ topic }) => topic)).toEqual(['orders'])
    expect((await broker.check()).problems).toEqual([])
  })

  test('that is committed too late, when its member has gone, is nobody’s', async () => {
    const shop = await openShop()
    await joinBroadcast(shop, 'printer', false)
    await shop.broker.unregisterConsumer('billing', 'printer')
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 2, false, 'printer')
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue(), 'printer')).toBeUndefined()
    expect((await shop.broker.consumerProgress('billing')).queues).toEqual([])
  })

  test('is not the group’s: a group that has offsets of its own keeps them beside', async () => {
    const shop = await openShop()
    await shop.join()
    await joinBroadcast(shop, 'printer')
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 3, false, 'printer')
    const { queues } = await shop.broker.consumerProgress('billing')
    expect(
      queues.map(({ queue, clientId, consumerOffset }) => [queue.topic, clientId, consumerOffset]),
    ).toEqual([
      ['orders', undefined, 1],
      ['%RETRY%billing', undefined, 0],
      ['orders', 'printer', 3],
    ])
    await shop.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(2)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue(), 'printer')).toBe(2)
  })

  test('names its member when retention takes what it has not consumed', async () => {
    const never = Number.POSITIVE_INFINITY
    const retention = { maxAgeMs: DAY, maxBytes: never, intervalMs: never }
    const host = await openHost({ store: { retention } })
    const losses: unknown[] = []
    host.store.onEvent = (name, event) => name === 'message-lost' && losses.push(event)
    await host.createTopic()
    await host.send(['a', 'b'])
    await joinBroadcast(host, 'printer')
    await host.broker.updateConsumerOffset('billing', host.queue(), 1, false, 'printer')
    await host.broker.unregisterConsumer('billing', 'printer')
    await host.clock.advance(3 * DAY)
    await host.send(['c'])
    await host.clock.advance(3 * DAY)
    await host.store.trim()
    expect(losses).toEqual([
      {
        reason: 'retention',
        queue: host.queue(),
        group: 'billing',
        clientId: 'printer',
        fromOffset: 1,
        toOffset: 2,
      },
    ])
  })
})
