import { describe, expect, test } from 'vitest'
import { Permission, type TopicConfig } from '../../src/model/topic.ts'
import { bodies, openBroker, openShop } from './set-up.ts'

function config(topic: string, queueNums = 4, permission: Permission = Permission.READ_WRITE): TopicConfig {
  return { topic, readQueueNums: queueNums, writeQueueNums: queueNums, permission }
}

describe('The first publish to a topic', () => {
  test('creates it with four queues that may be read and written', async () => {
    const { broker } = await openBroker()
    const route = await broker.publishRoute('orders')
    expect(route.writeQueues.map((queue) => queue.queueId)).toEqual([0, 1, 2, 3])
    expect(route.readQueues).toEqual(route.writeQueues)
    expect(await broker.queryTopics()).toEqual([config('orders')])
  })

  test('creates it with as many queues as defaultTopicQueueNums says', async () => {
    const { broker } = await openBroker({ defaultTopicQueueNums: 7 })
    expect((await broker.publishRoute('orders')).writeQueues).toHaveLength(7)
  })

  test('creates it once, however many first sends come at the same time', async () => {
    const shop = await openBroker()
    const routes = await Promise.all(Array.from({ length: 1000 }, () => shop.broker.publishRoute('orders')))
    expect(new Set(routes).size).toBe(1)
    expect(shop.events('topic-changed')).toEqual([{ topic: 'orders' }])
  })

  test('finds what an explicit creation with the same settings makes at the same time', async () => {
    const shop = await openBroker()
    await Promise.all([shop.broker.publishRoute('orders'), shop.broker.createTopic(config('orders'))])
    expect(shop.events('topic-changed')).toHaveLength(1)
  })

  test('is refused with TOPIC_NOT_EXIST when autoCreateTopicEnable is false', async () => {
    const { broker } = await openBroker({ autoCreateTopicEnable: false })
    await expect(broker.publishRoute('orders')).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
    expect(await broker.queryTopics()).toEqual([])
  })

  test.each(['%RETRY%billing', '%DLQ%billing'])(
    'does not create %s, which belongs to its group',
    async (topic) => {
      const { broker } = await openBroker()
      await expect(broker.publishRoute(topic)).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
    },
  )

  test('is refused with NO_PERMISSION when the topic may not be written', async () => {
    const shop = await openBroker()
    await shop.createTopic('orders', 1, Permission.READ)
    await expect(shop.broker.publishRoute('orders')).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })
})

test('A consumer never creates a topic', async () => {
  const shop = await openBroker()
  await shop.join()
  const refused = { code: 'TOPIC_NOT_EXIST' }
  await expect(shop.broker.queryRoute('orders')).rejects.toMatchObject(refused)
  await expect(shop.pull()).rejects.toMatchObject(refused)
  await expect(shop.broker.queryConsumerOffset('billing', shop.queue())).rejects.toMatchObject(refused)
  expect((await shop.broker.queryTopics()).map(({ topic }) => topic)).toEqual(['%RETRY%billing'])
})

describe('A route', () => {
  test('comes from memory, the same object until the topic changes', async () => {
    const { broker } = await openBroker()
    const first = await broker.publishRoute('orders')
    expect(broker.publishRoute('orders')).toBe(first)
    expect(await broker.queryRoute('orders')).toBe(first)
    await broker.updateTopic(config('orders', 2))
    expect(broker.publishRoute('orders')).not.toBe(first)
    expect(await broker.queryRoute('orders')).toMatchObject({
      topic: 'orders',
      queues: [{ brokerName: 'localhost', readQueueNums: 2, writeQueueNums: 2, permission: 6 }],
    })
  })

  test('shows producers the write queues and consumers the read queues', async () => {
    const { broker } = await openBroker()
    await broker.createTopic({
      topic: 'orders',
      readQueueNums: 3,
      writeQueueNums: 1,
      permission: Permission.READ_WRITE,
    })
    const route = await broker.queryRoute('orders')
    expect(route.writeQueues.map((queue) => queue.queueId)).toEqual([0])
    expect(route.readQueues.map((queue) => queue.queueId)).toEqual([0, 1, 2])
  })

  test.each([
    [Permission.READ, 0, 2],
    [Permission.WRITE, 2, 0],
    [Permission.NONE, 0, 0],
  ])(
    'with permission %i shows %i write queues and %i read queues of two',
    async (permission, writable, readable) => {
      const shop = await openBroker()
      await shop.createTopic('orders', 2, permission)
      const route = await shop.broker.queryRoute('orders')
      expect([route.writeQueues.length, route.readQueues.length]).toEqual([writable, readable])
    },
  )

  test('carries the name of its broker', async () => {
    const { broker } = await openBroker()
    const [queue] = (await broker.publishRoute('orders')).writeQueues
    expect(queue).toEqual({ topic: 'orders', brokerName: 'localhost', queueId: 0 })
  })
})

describe('createTopic', () => {
  test('does nothing when the topic exists with the same settings', async () => {
    const shop = await openBroker()
    await shop.broker.createTopic(config('orders'))
    await shop.broker.createTopic(config('orders'))
    expect(shop.events('topic-changed')).toHaveLength(1)
  })

  test.each([
    ['queues', config('orders', 5)],
    ['permission', config('orders', 4, Permission.READ)],
  ])('refuses other %s with TOPIC_EXIST_ALREADY', async (_, other) => {
    const { broker } = await openBroker()
    await broker.createTopic(config('orders'))
    await expect(broker.createTopic(other)).rejects.toMatchObject({ code: 'TOPIC_EXIST_ALREADY' })
  })

  test('tells clients and the application', async () => {
    const shop = await openBroker()
    await shop.broker.createTopic(config('orders'))
    expect(shop.told).toEqual([{ type: 'route-changed', topic: 'orders' }])
    expect(shop.events('topic-changed')).toEqual([{ topic: 'orders' }])
  })

  test('lists topics by name', async () => {
    const { broker } = await openBroker()
    for (const topic of ['c', 'a', 'b']) await broker.createTopic(config(topic))
    expect((await broker.queryTopics()).map(({ topic }) => topic)).toEqual(['a', 'b', 'c'])
  })
})

describe('updateTopic', () => {
  test('refuses an unknown topic with TOPIC_NOT_EXIST', async () => {
    const { broker } = await openBroker()
    await expect(broker.updateTopic(config('orders'))).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
  })

  test('tells nobody when nothing changes', async () => {
    const shop = await openBroker()
    await shop.broker.createTopic(config('orders'))
    await shop.broker.updateTopic(config('orders'))
    expect(shop.told).toHaveLength(1)
  })

  test('hides the queues that fall away and shows their messages when they come back', async () => {
    const shop = await openBroker()
    await shop.createTopic('orders', 2)
    await shop.join()
    await shop.send({ body: 'kept' }, 1)

    await shop.broker.updateTopic(config('orders', 1))
    const refused = { code: 'INVALID_PARAMETER' }
    await expect(shop.send({}, 1)).rejects.toMatchObject(refused)
    await expect(shop.pull({ queue: shop.queue('orders', 1) })).rejects.toMatchObject(refused)
    expect(await shop.broker.queryTopicStatus('orders')).toHaveLength(1)

    await shop.broker.updateTopic(config('orders', 2))
    expect(bodies(await shop.pull({ queue: shop.queue('orders', 1) }))).toEqual(['kept'])
  })

  test('opens a dead-letter topic', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.fail(await shop.view(), { delayLevel: -1 })
    await shop.broker.updateTopic(config('%DLQ%billing', 1))
    expect((await shop.pull({ queue: shop.queue('%DLQ%billing') })).status).toBe('FOUND')
  })
})

describe('deleteTopic', () => {
  test('removes the topic with its messages and all offsets for it', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)
    await shop.broker.deleteTopic('orders')
    await expect(shop.broker.queryRoute('orders')).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })

    await shop.createTopic()
    expect(await shop.broker.maxOffset(shop.queue())).toBe(0)
    expect(await shop.broker.queryConsumerOffset('billing', shop.queue())).toBeUndefined()
  })

  test('refuses an unknown topic with TOPIC_NOT_EXIST', async () => {
    const { broker } = await openBroker()
    await expect(broker.deleteTopic('orders')).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
  })

  test('tells clients and the application', async () => {
    const shop = await openShop()
    shop.told.length = 0
    await shop.broker.deleteTopic('orders')
    expect(shop.told).toEqual([{ type: 'route-changed', topic: 'orders' }])
  })

  test('reports the retries that it takes with it as lost, and delivers nothing for them', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.fail(await shop.view())
    await shop.broker.deleteTopic('orders')

    expect(shop.events('message-lost')).toEqual([
      { reason: 'deleted', queue: shop.queue(), fromOffset: 0, toOffset: 1, group: 'billing' },
    ])
    expect((await shop.broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
    await shop.clock.advance(60_000)
    expect(await shop.broker.maxOffset(shop.queue('%RETRY%billing'))).toBe(0)
  })
})

describe('A system topic', () => {
  const topic = 'SCHEDULE_TOPIC_XXXX'
  const refused = { code: 'NO_PERMISSION' }

  test('is not created, changed, deleted or published to', async () => {
    const { broker } = await openBroker()
    await expect(broker.createTopic(config(topic))).rejects.toMatchObject(refused)
    await expect(broker.updateTopic(config(topic))).rejects.toMatchObject(refused)
    await expect(broker.deleteTopic(topic)).rejects.toMatchObject(refused)
    await expect(broker.publishRoute(topic)).rejects.toMatchObject(refused)
    await expect(broker.publishRoute('rmq_sys_anything')).rejects.toMatchObject(refused)
  })

  test('takes no message, since there can be none', async () => {
    const shop = await openBroker()
    const message = shop.outgoing({ topic })
    const nowhere = { code: 'TOPIC_NOT_EXIST' }
    await expect(shop.sendTo(shop.queue(topic), message)).rejects.toMatchObject(nowhere)
  })
})

test('A change that fails leaves the way free for the next', async () => {
  const shop = await openBroker()
  const commit = shop.store.commit.bind(shop.store)
  shop.store.commit = () => Promise.reject(new Error('disk gone'))
  await expect(shop.broker.publishRoute('orders')).rejects.toThrow('disk gone')
  shop.store.commit = commit
  expect((await shop.broker.publishRoute('orders')).writeQueues).toHaveLength(4)
})
