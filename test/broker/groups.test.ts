import { describe, expect, test } from 'vitest'
import { defaultGroupConfig, type GroupConfig } from '../../src/model/topic.ts'
import { openBroker, openShop } from './set-up.ts'

function settings(changes: Partial<GroupConfig> = {}): GroupConfig {
  return { ...defaultGroupConfig('billing'), ...changes }
}

describe('The first consumer of a group', () => {
  test('brings the group and its retry topic into being', async () => {
    const shop = await openBroker()
    await shop.join()
    expect(await shop.broker.queryGroups()).toEqual([settings()])
    expect(await shop.broker.queryTopics()).toEqual([
      { topic: '%RETRY%billing', readQueueNums: 1, writeQueueNums: 1, permission: 6 },
    ])
  })

  test('makes them once, also when several come at the same time', async () => {
    const shop = await openBroker()
    await Promise.all(['c1', 'c2', 'c3'].map((clientId) => shop.join({ clientId })))
    expect(shop.events('topic-changed')).toHaveLength(1)
    expect(await shop.broker.queryConsumerIds('billing')).toEqual(['c1', 'c2', 'c3'])
  })

  test('brings a deleted retry topic back', async () => {
    const shop = await openShop()
    await shop.broker.deleteTopic('%RETRY%billing')
    await shop.join({ clientId: 'c2' })
    expect((await shop.broker.queryRoute('%RETRY%billing')).readQueues).toHaveLength(1)
  })

  test('does not bring the dead-letter topic into being', async () => {
    const shop = await openShop()
    await expect(shop.broker.queryRoute('%DLQ%billing')).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
  })
})

describe('Members of a group', () => {
  test('are listed sorted as text', async () => {
    const shop = await openBroker()
    for (const clientId of ['c10', 'c9', 'C1']) await shop.join({ clientId })
    expect(await shop.broker.queryConsumerIds('billing')).toEqual(['C1', 'c10', 'c9'])
  })

  test('are nobody in a group without consumers', async () => {
    const { broker } = await openBroker()
    expect(await broker.queryConsumerIds('nobody')).toEqual([])
  })

  test('hear when one comes and when one goes', async () => {
    const shop = await openShop()
    shop.told.length = 0
    await shop.join({ clientId: 'c2' })
    await shop.broker.unregisterConsumer('billing', 'c1')
    expect(shop.told).toEqual([
      { type: 'consumer-ids-changed', group: 'billing' },
      { type: 'consumer-ids-changed', group: 'billing' },
    ])
    expect(shop.events('group-changed').map(({ clientIds }) => clientIds)).toEqual([
      ['c1'],
      ['c1', 'c2'],
      ['c2'],
    ])
  })

  test('hear of a leaving one in the same turn', async () => {
    const shop = await openShop()
    shop.told.length = 0
    void shop.broker.unregisterConsumer('billing', 'c1')
    expect(shop.told).toHaveLength(1)
  })

  test('hear when one changes its subscriptions, but not when it registers the same again', async () => {
    const shop = await openShop()
    shop.told.length = 0
    await shop.join({ topics: { orders: '*' } })
    expect(shop.told).toEqual([])
    await shop.join({ topics: { orders: 'paid' } })
    await shop.join({ topics: { orders: 'paid', refunds: '*' } })
    expect(shop.told.filter(({ type }) => type === 'consumer-ids-changed')).toHaveLength(2)
    expect(shop.events('group-changed')).toHaveLength(1)
  })

  test('hear nothing when a stranger leaves', async () => {
    const shop = await openShop()
    shop.told.length = 0
    await shop.broker.unregisterConsumer('billing', 'stranger')
    await shop.broker.unregisterConsumer('nobody', 'c1')
    expect(shop.told).toEqual([])
  })
})

describe('A member whose subscriptions differ from the others', () => {
  test.each([
    ['topics', { refunds: '*' }],
    ['tags', { orders: 'paid' }],
    ['more topics', { orders: '*', refunds: '*' }],
  ])('in %s causes a warning that names both', async (_, topics) => {
    const shop = await openShop()
    await shop.join({ clientId: 'c2', topics })
    expect(shop.events('warning')).toMatchObject([{ code: 'SUBSCRIPTION_MISMATCH' }])
    expect(shop.events('warning')[0]?.message).toMatch(/'c2'.*'billing'.*'c1'/)
  })

  test('in its message model causes a warning', async () => {
    const shop = await openShop()
    await shop.join({ clientId: 'c2', messageModel: 'broadcasting' })
    expect(shop.events('warning')).toMatchObject([{ code: 'SUBSCRIPTION_MISMATCH' }])
  })

  test('only in the order of its tags causes none', async () => {
    const shop = await openBroker()
    await shop.join({ topics: { orders: 'paid || refunded' } })
    await shop.join({ clientId: 'c2', topics: { orders: 'refunded||paid' } })
    expect(shop.events('warning')).toEqual([])
  })

  test('causes none when all are broadcasting', async () => {
    const shop = await openBroker()
    await shop.join({ messageModel: 'broadcasting', topics: { orders: 'a' } })
    await shop.join({ clientId: 'c2', messageModel: 'broadcasting', topics: { orders: 'b' } })
    expect(shop.events('warning')).toEqual([])
  })

  test('causes none when it is in another group', async () => {
    const shop = await openShop()
    await shop.join({ group: 'shipping', topics: { orders: 'sent' } })
    expect(shop.events('warning')).toEqual([])
  })
})

describe('ensureGroup', () => {
  test('makes a group with its retry topic and without a member', async () => {
    const { broker } = await openBroker()
    await Promise.all([broker.ensureGroup('billing'), broker.ensureGroup('billing')])
    expect(await broker.queryGroups()).toEqual([settings()])
    expect((await broker.queryRoute('%RETRY%billing')).readQueues).toHaveLength(1)
    expect(await broker.queryConsumerIds('billing')).toEqual([])
  })

  test('leaves a group as it is, also one that is being made', async () => {
    const { broker } = await openBroker()
    const custom = settings({ consumeEnable: false, retryQueueNums: 3 })
    await Promise.all([broker.createGroup(custom), broker.ensureGroup('billing')])
    expect(await broker.queryGroups()).toEqual([custom])
  })
})

describe('createGroup', () => {
  test('stores settings, and replaces them when called again', async () => {
    const { broker } = await openBroker()
    await broker.createGroup(settings({ consumeEnable: false }))
    await broker.createGroup(settings({ consumeBroadcastEnable: false }))
    expect(await broker.queryGroups()).toEqual([settings({ consumeBroadcastEnable: false })])
  })

  test('makes the retry topic with as many queues as it says, and later only adds some', async () => {
    const { broker } = await openBroker()
    const counts: number[] = []
    for (const retryQueueNums of [2, 5, 1]) {
      await broker.createGroup(settings({ retryQueueNums }))
      counts.push((await broker.queryRoute('%RETRY%billing')).readQueues.length)
    }
    expect(counts).toEqual([2, 5, 5])
  })

  test('with consumeBroadcastEnable false keeps broadcasting consumers out', async () => {
    const shop = await openBroker()
    await shop.broker.createGroup(settings({ consumeBroadcastEnable: false }))
    await expect(shop.join({ messageModel: 'broadcasting' })).rejects.toMatchObject({ code: 'NO_PERMISSION' })
    expect(await shop.broker.queryConsumerIds('billing')).toEqual([])
    await shop.join()
  })

  test('lists groups by name', async () => {
    const { broker } = await openBroker()
    for (const group of ['c', 'a', 'b']) await broker.createGroup(settings({ group }))
    expect((await broker.queryGroups()).map(({ group }) => group)).toEqual(['a', 'b', 'c'])
  })
})

describe('deleteGroup', () => {
  test('removes offsets, pending retries and the retry topic, and keeps the dead letters', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.fail(await shop.view())
    await shop.fail(await shop.view(), { delayLevel: -1 })
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)
    await shop.broker.unregisterConsumer('billing', 'c1')
    await shop.broker.deleteGroup('billing')

    expect(await shop.broker.queryGroups()).toEqual([])
    expect((await shop.broker.queryTopics()).map(({ topic }) => topic)).toEqual(['%DLQ%billing', 'orders'])
    await shop.join()
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBeUndefined()
    await shop.clock.advance(60_000)
    expect(await shop.broker.maxOffset(shop.queue('%RETRY%billing'))).toBe(0)
  })

  test('is refused while consumers are online', async () => {
    const shop = await openShop()
    await expect(shop.broker.deleteGroup('billing')).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
  })

  test('is refused for an unknown group', async () => {
    const { broker } = await openBroker()
    const refused = { code: 'SUBSCRIPTION_GROUP_NOT_EXIST' }
    await expect(broker.deleteGroup('nobody')).rejects.toMatchObject(refused)
  })
})

test('Producers come and go', async () => {
  const { broker } = await openBroker()
  await broker.registerProducer('shops', 'p1')
  await broker.registerProducer('shops', 'p2')
  await broker.unregisterProducer('shops', 'p1')
  await broker.unregisterProducer('shops', 'p1')
  await broker.unregisterProducer('nobody', 'p1')
})
