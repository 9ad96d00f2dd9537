import { describe, expect, test } from 'vitest'
import { Signal } from '../helpers/signal.ts'
import { openShop, type TestBroker } from './set-up.ts'

/** The topic `orders` with ten messages. */
async function openFilled(): Promise<TestBroker> {
  const shop = await openShop()
  await shop.sendTags(...Array.from({ length: 10 }, () => undefined))
  return shop
}

describe('The offset of a group', () => {
  test('is undefined before anything was consumed', async () => {
    const shop = await openFilled()
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBeUndefined()
  })

  test('is what was stored last', async () => {
    const shop = await openFilled()
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 4)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(4)
  })

  test('never falls: a lower one is ignored', async () => {
    const shop = await openFilled()
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 4)
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 3)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(4)
  })

  test('never falls, also when a lower one is stored at the same time', async () => {
    const shop = await openFilled()
    await Promise.all(
      [7, 2, 5].map((offset) => shop.broker.updateConsumerOffset('billing', shop.queue(), offset)),
    )
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(7)
  })

  test('falls when the application goes back itself', async () => {
    const shop = await openFilled()
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 7)
    await Promise.all([
      shop.broker.updateConsumerOffset('billing', shop.queue(), 9),
      shop.broker.updateConsumerOffset('billing', shop.queue(), 4, true),
    ])
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(4)
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 5)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(5)
  })

  test('is each group’s own', async () => {
    const shop = await openFilled()
    await shop.join({ group: 'shipping' })
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 4)
    expect(await shop.broker.queryConsumerOffset('shipping', shop.queue())).toBeUndefined()
  })

  test.each([-1, 11, 2.5, Number.NaN])(
    'is refused when it is %d of a queue that ends at 10',
    async (offset) => {
      const shop = await openFilled()
      const updating = shop.broker.updateConsumerOffset('billing', shop.queue(), offset)
      await expect(updating).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
    },
  )

  test('is refused for an unknown group, topic or queue', async () => {
    const { broker, queue } = await openFilled().then((shop) => ({
      broker: shop.broker,
      queue: shop.queue(),
    }))
    const unknown = [
      ['nobody', queue, 'SUBSCRIPTION_GROUP_NOT_EXIST'],
      ['billing', { ...queue, topic: 'nowhere' }, 'TOPIC_NOT_EXIST'],
      ['billing', { ...queue, queueId: 1 }, 'INVALID_PARAMETER'],
    ] as const
    for (const [group, where, code] of unknown) {
      await expect(broker.queryConsumerOffset(group, where)).rejects.toMatchObject({ code })
      await expect(broker.updateConsumerOffset(group, where, 0)).rejects.toMatchObject({ code })
    }
  })
})

describe('A reset', () => {
  test('sets offsets back or forward and tells the members', async () => {
    const shop = await openFilled()
    shop.told.length = 0
    for (const offset of [8, 2]) {
      await shop.broker.resetConsumerOffset('billing', 'orders', new Map([[0, offset]]))
      expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(offset)
    }
    expect(shop.told).toEqual([
      { type: 'offset-reset', group: 'billing', topic: 'orders' },
      { type: 'offset-reset', group: 'billing', topic: 'orders' },
    ])
  })

  test('prevails over what members store while it is on its way', async () => {
    const shop = await openFilled()
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 6)
    const resetting = shop.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await Promise.resolve()
    await Promise.all([resetting, shop.broker.updateConsumerOffset('billing', shop.queue(), 9)])
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(2)
  })

  test('lets members go on from there', async () => {
    const shop = await openFilled()
    await shop.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 3)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(3)
  })

  test('of several queues happens as a whole or not at all', async () => {
    const shop = await openFilled()
    await shop.createTopic('pairs', 2)
    const resetting = shop.broker.resetConsumerOffset(
      'billing',
      'pairs',
      new Map([
        [0, 0],
        [1, 5],
      ]),
    )
    await expect(resetting).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue('pairs'))).toBeUndefined()
  })

  test('that fails lets members store offsets again', async () => {
    const shop = await openFilled()
    const commit = shop.store.commit.bind(shop.store)
    shop.store.commit = () => Promise.reject(new Error('disk gone'))
    const resetting = shop.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await expect(resetting).rejects.toThrow('disk gone')
    shop.store.commit = commit
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 3)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(3)
  })

  test('that fails leaves what members stored while it was on its way, which is not answered before', async () => {
    const shop = await openFilled()
    const commit = shop.store.commit.bind(shop.store)
    const gate = new Signal()
    shop.store.commit = async () => {
      await gate.promise
      throw new Error('disk gone')
    }
    const resetting = shop.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    await shop.clock.settle()
    shop.store.commit = commit
    let isAnswered = false
    const storing = shop.broker.updateConsumerOffset('billing', shop.queue(), 6).then(() => {
      isAnswered = true
    })
    await shop.clock.settle()
    expect(isAnswered).toBe(false)
    gate.resolve()
    await expect(resetting).rejects.toThrow('disk gone')
    await storing
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBe(6)
  })

  test.each([
    ['below the minimum', 'billing', 'orders', 0, 2, 'INVALID_PARAMETER'],
    ['above the maximum', 'billing', 'orders', 0, 11, 'INVALID_PARAMETER'],
    ['of a queue that is not there', 'billing', 'orders', 1, 5, 'INVALID_PARAMETER'],
    ['of an unknown group', 'nobody', 'orders', 0, 5, 'SUBSCRIPTION_GROUP_NOT_EXIST'],
    ['of an unknown topic', 'billing', 'nowhere', 0, 5, 'TOPIC_NOT_EXIST'],
  ])('%s is refused', async (_, group, topic, queueId, offset, code) => {
    const shop = await openFilled()
    shop.log().minOffset = 3
    const resetting = shop.broker.resetConsumerOffset(group, topic, new Map([[queueId, offset]]))
    await expect(resetting).rejects.toMatchObject({ code })
  })
})

describe('The bounds of a queue', () => {
  test('are its first offset and the one that the next message gets', async () => {
    const shop = await openFilled()
    shop.log().minOffset = 3
    expect([await shop.broker.minOffset(shop.queue()), await shop.broker.maxOffset(shop.queue())]).toEqual([
      3, 10,
    ])
  })

  test('are refused for a queue that is not there', async () => {
    const shop = await openFilled()
    const where = shop.queue('orders', 1)
    for (const asking of [
      shop.broker.minOffset(where),
      shop.broker.maxOffset(where),
      shop.broker.searchOffset(where, 0),
    ]) {
      await expect(asking).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
    }
  })
})

test('searchOffset finds the first message stored at or after a time', async () => {
  const shop = await openShop()
  const start = shop.clock.now()
  for (const pauseMs of [10, 10, 0, 10, 10]) {
    await shop.clock.advance(pauseMs)
    await shop.send()
  }
  const found = [5, 10, 15, 20, 25, 40, 50].map((ms) => shop.broker.searchOffset(shop.queue(), start + ms))
  expect(await Promise.all(found)).toEqual([0, 0, 1, 1, 3, 4, 5])
})
