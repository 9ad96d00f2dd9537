import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openHost } from '../helpers/client-host.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Signal } from '../helpers/signal.ts'
import { openBroker, openShop, type TestBroker } from './set-up.ts'

const DAY = 86_400_000

/** A shop whose group has failed to consume the first of three messages twice. */
async function failedShop(place = {}): Promise<TestBroker> {
  const shop = await openShop({}, place)
  for (const body of ['a', 'b', 'c']) await shop.send({ body })
  await update(shop, 0, 2)
  return shop
}

/** Says how often one message failed. */
function update({ broker, queue }: TestBroker, queueOffset: number, reconsumeTimes: number): Promise<void> {
  return broker.updateAttempts('billing', queue(), [{ queueOffset, reconsumeTimes }])
}

describe('The attempts of messages that stay in their place', () => {
  test('are known to the group that made them, until its offset has passed the message', async () => {
    const { broker, queue, store } = await failedShop()
    expect(await broker.queryAttempts('billing', queue())).toEqual([{ queueOffset: 0, reconsumeTimes: 2 }])
    await broker.updateConsumerOffset('billing', queue(), 0)
    expect(await broker.queryAttempts('billing', queue())).toHaveLength(1)
    await broker.updateConsumerOffset('billing', queue(), 1)
    expect(await broker.queryAttempts('billing', queue())).toEqual([])
    expect(store.alarms.size).toBe(0)
  })

  test('are one number for each message: the last one', async () => {
    const shop = await failedShop()
    const { broker, queue, store } = shop
    await update(shop, 0, 3)
    await update(shop, 1, 1)
    expect(await broker.queryAttempts('billing', queue())).toEqual([
      { queueOffset: 0, reconsumeTimes: 3 },
      { queueOffset: 1, reconsumeTimes: 1 },
    ])
    expect(store.alarms.size).toBe(2)
    await broker.updateConsumerOffset('billing', queue(), 1)
    expect(await broker.queryAttempts('billing', queue())).toEqual([{ queueOffset: 1, reconsumeTimes: 1 }])
    await broker.updateConsumerOffset('billing', queue(), 3)
    expect(store.alarms.size).toBe(0)
  })

  test('are one number also when two are said at once, whichever of them can be stored', async () => {
    for (const failing of [undefined, 0, 1]) {
      const shop = await failedShop()
      const { broker, queue, store } = shop
      const commit = store.commit.bind(store)
      let count = 0
      store.commit = (change) => (count++ === failing ? Promise.reject(new Error('no room')) : commit(change))
      await Promise.allSettled([update(shop, 1, 1), update(shop, 1, 2), update(shop, 0, 3)])
      await update(shop, 1, 4)
      expect(await broker.queryAttempts('billing', queue())).toEqual([
        { queueOffset: 0, reconsumeTimes: 3 },
        { queueOffset: 1, reconsumeTimes: 4 },
      ])
      expect(store.alarms.size).toBe(2)
      expect((await broker.check()).problems).toEqual([])
      await broker.updateConsumerOffset('billing', queue(), 3)
      expect(store.alarms.size).toBe(0)
    }
  })

  test('of many messages are one commit', async () => {
    const { broker, queue, store } = await failedShop()
    const commit = vi.spyOn(store, 'commit')
    const attempts = [
      { queueOffset: 2, reconsumeTimes: 0 },
      { queueOffset: 0, reconsumeTimes: 5 },
      { queueOffset: 2, reconsumeTimes: 1 },
    ]
    await broker.updateAttempts('billing', queue(), attempts)
    await broker.updateAttempts('billing', queue(), [])
    expect(commit).toHaveBeenCalledOnce()
    expect(await broker.queryAttempts('billing', queue())).toEqual([attempts[1], attempts[2]])
    expect(store.alarms.size).toBe(2)
  })

  test('are not remembered for a message that the group has passed', async () => {
    const shop = await failedShop()
    const { broker, queue } = shop
    await broker.updateConsumerOffset('billing', queue(), 2)
    await update(shop, 1, 1)
    expect(await broker.queryAttempts('billing', queue())).toEqual([])
  })

  test('of the next message survive the offset that passes the one before, whichever is stored first', async () => {
    const shop = await failedShop()
    const { broker, queue } = shop
    await Promise.all([update(shop, 1, 1), broker.updateConsumerOffset('billing', queue(), 1)])
    expect(await broker.queryAttempts('billing', queue())).toEqual([{ queueOffset: 1, reconsumeTimes: 1 }])
  })

  test('are over when the offset is set from outside, wherever to', async () => {
    const { broker, queue } = await failedShop()
    await broker.resetConsumerOffset('billing', 'orders', new Map([[0, 0]]))
    expect(await broker.queryAttempts('billing', queue())).toEqual([])
  })

  test.each(['before', 'during'])(
    'do not outlive a reset when they come %s it, or a done message would be lost',
    async (when) => {
      const shop = await failedShop()
      const { broker, queue, store, clock } = shop
      const commit = store.commit.bind(store)
      const gate = new Signal()
      // The first of the two commits takes its time.
      vi.spyOn(store, 'commit').mockImplementationOnce(async (change) => {
        await gate.promise
        return commit(change)
      })
      const mark = () => update(shop, 1, 0)
      const reset = () => broker.resetConsumerOffset('billing', 'orders', new Map([[0, 0]]))
      const first = when === 'before' ? mark() : reset()
      await clock.settle()
      const second = when === 'before' ? reset() : mark()
      await clock.settle()
      gate.resolve()
      await Promise.all([first, second])
      expect(await broker.queryAttempts('billing', queue())).toEqual([])
    },
  )

  test('are stored when the reset fails that they came during, and not answered before', async () => {
    const shop = await failedShop()
    const { broker, queue, store, clock } = shop
    const gate = new Signal()
    vi.spyOn(store, 'commit').mockImplementationOnce(() =>
      gate.promise.then(() => Promise.reject(new Error('disk gone'))),
    )
    const resetting = broker.resetConsumerOffset('billing', 'orders', new Map([[0, 0]]))
    await clock.settle()
    let isAnswered = false
    const marking = update(shop, 1, 0).then(() => {
      isAnswered = true
    })
    await clock.settle()
    expect(isAnswered).toBe(false)
    gate.resolve()
    await expect(resetting).rejects.toThrow('disk gone')
    await marking
    expect(await broker.queryAttempts('billing', queue())).toContainEqual({
      queueOffset: 1,
      reconsumeTimes: 0,
    })
  })

  test('survive a restart, and damage nothing in the eyes of the check', async () => {
    const path = await mkdtemp(join(tmpdir(), 'pocketmq-attempts-'))
    onTestFinished(() => rm(path, { recursive: true, force: true }))
    const clock = new ManualClock()
    const before = await failedShop({ path, clock })
    await before.close()
    const { broker, queue } = await openBroker({}, { path, clock })
    expect(await broker.queryAttempts('billing', queue())).toEqual([{ queueOffset: 0, reconsumeTimes: 2 }])
    expect((await broker.check()).problems).toEqual([])
  })

  test('go with their group and with their topic, which loses nobody anything', async () => {
    const shop = await failedShop()
    await shop.broker.unregisterConsumer('billing', 'c1')
    await shop.broker.deleteGroup('billing')
    expect(shop.store.alarms.size).toBe(0)
    const other = await failedShop()
    await other.broker.deleteTopic('orders')
    expect(other.store.alarms.size).toBe(0)
    expect(other.events('message-lost')).toEqual([])
  })

  test('are no retry that waits, and never become due', async () => {
    const { broker, store, clock } = await failedShop()
    expect((await broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
    expect(store.alarms.nextDueTimestamp()).toBeUndefined()
    await clock.advance(60_000)
    expect(store.alarms.size).toBe(1)
  })

  test('do not keep retention from its work', async () => {
    const never = Number.POSITIVE_INFINITY
    const host = await openHost({
      store: { retention: { maxAgeMs: DAY, maxBytes: never, intervalMs: never } },
    })
    await host.createTopic()
    await host.broker.ensureGroup('billing')
    await host.send(['a'])
    await host.broker.updateAttempts('billing', host.queue(), [{ queueOffset: 0, reconsumeTimes: 1 }])
    await host.clock.advance(3 * DAY)
    await host.send(['b'])
    await host.clock.advance(3 * DAY)
    await host.store.trim()
    expect(await host.broker.minOffset(host.queue())).toBe(1)
  })

  test('are refused for groups and queues that do not exist', async () => {
    const { broker, queue } = await failedShop()
    const attempts = [{ queueOffset: 0, reconsumeTimes: 1 }]
    const noGroup = { code: 'SUBSCRIPTION_GROUP_NOT_EXIST' }
    await expect(broker.updateAttempts('nobody', queue(), attempts)).rejects.toMatchObject(noGroup)
    await expect(broker.queryAttempts('nobody', queue())).rejects.toMatchObject(noGroup)
    await expect(broker.queryAttempts('billing', queue('nowhere'))).rejects.toMatchObject({
      code: 'TOPIC_NOT_EXIST',
    })
  })
})
