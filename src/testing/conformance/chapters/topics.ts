/** Topics: how they come into being, their queues, their permissions, and how they end. */
import { strict as assert } from 'node:assert'
import { Permission } from '../../../model/topic.ts'
import type { EngineMQ } from '../engine-mq.ts'
import { committed, eventsOf, pull, queueOf, refused, send, subscribe } from '../kit.ts'
import { type ConformanceChapter, rule } from '../rule.ts'

/** Queue ids that producers and consumers see, of the first broker. */
async function routeOf(mq: EngineMQ, topic = 'orders') {
  const { writeQueues, readQueues } = await mq.engine.queryRoute(topic)
  return {
    write: writeQueues.map(({ queueId }) => queueId),
    read: readQueues.map(({ queueId }) => queueId),
  }
}

async function settingsOf(mq: EngineMQ, topic = 'orders') {
  return (await mq.admin.topics()).find((config) => config.topic === topic)
}

export const topics: ConformanceChapter = {
  title: 'Topics, queues and permissions',
  rules: [
    rule(
      '1.4',
      'A topic is created with 4 queues that may be read and written',
      { differs: true },
      async (world) => {
        const mq = await world.open()
        await mq.admin.createTopic({ topic: 'orders' })
        assert.deepEqual(await settingsOf(mq), {
          topic: 'orders',
          readQueueNums: 4,
          writeQueueNums: 4,
          permission: Permission.READ_WRITE,
        })
      },
    ),
    rule('1.4', 'A topic is created with the queues and the permission that are asked for', async (world) => {
      const mq = await world.open()
      const settings = { topic: 'orders', readQueueNums: 3, writeQueueNums: 2, permission: Permission.READ }
      await mq.admin.createTopic(settings)
      assert.deepEqual(await settingsOf(mq), settings)
    }),
    rule('1.4', 'Creating a topic again with its settings changes nothing', async (world) => {
      const mq = await world.openShop(2)
      await send(mq, 'x', { queueId: 0 })
      await mq.admin.createTopic({ topic: 'orders', queues: 2 })
      assert.equal(await mq.admin.maxOffset(await queueOf(mq)), 1)
    }),
    rule(
      '1.4',
      'Creating an existing topic with other settings is refused',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        await refused('TOPIC_EXIST_ALREADY', () => mq.admin.createTopic({ topic: 'orders', queues: 3 }))
        assert.equal((await settingsOf(mq))?.readQueueNums, 2)
      },
    ),
    rule('1.4', 'An update changes what it names and keeps the rest', async (world) => {
      const mq = await world.openShop(2)
      await mq.admin.updateTopic({ topic: 'orders', writeQueueNums: 5 })
      await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ })
      assert.deepEqual(await settingsOf(mq), {
        topic: 'orders',
        readQueueNums: 2,
        writeQueueNums: 5,
        permission: Permission.READ,
      })
    }),
    rule('1.4', 'An update of an unknown topic is refused', async (world) => {
      const mq = await world.open()
      await refused('TOPIC_NOT_EXIST', () => mq.admin.updateTopic({ topic: 'orders', queues: 1 }))
    }),
    rule(
      '1.4',
      'Producers see the write queues, consumers the read queues, numbered from 0',
      async (world) => {
        const mq = await world.open()
        await mq.admin.createTopic({ topic: 'orders', readQueueNums: 3, writeQueueNums: 2 })
        assert.deepEqual(await routeOf(mq), { write: [0, 1], read: [0, 1, 2] })
      },
    ),
    rule('1.4', 'Messages of queues beyond the read queues wait until these are more', async (world) => {
      const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 1, writeQueueNums: 2 }] })
      const { texts } = await subscribe(mq)
      await send(mq, 'visible', { queueId: 0 })
      await send(mq, 'hidden', { queueId: 1 })
      await mq.rest()
      assert.deepEqual(texts(), ['visible'])
      await mq.admin.updateTopic({ topic: 'orders', readQueueNums: 2 })
      await mq.until('the second queue is consumed', () => texts().includes('hidden'))
    }),
    rule('1.4', 'Read queues beyond the write queues stay empty, but are allocated', async (world) => {
      const mq = await world.open({ topics: [{ topic: 'orders', readQueueNums: 3, writeQueueNums: 1 }] })
      const { consumer } = await subscribe(mq)
      const ids = consumer.stats.queues
        .filter(({ topic }) => topic === 'orders')
        .map(({ queueId }) => queueId)
      assert.deepEqual(ids, [0, 1, 2])
      await refused('INVALID_PARAMETER', async () => send(mq, 'x', { queueId: 2 }))
    }),
    rule('1.5', 'The first send to an unknown topic creates it with 4 queues', async (world) => {
      const mq = await world.open()
      await send(mq, 'x')
      const { READ_WRITE: permission } = Permission
      assert.deepEqual(await settingsOf(mq), {
        topic: 'orders',
        readQueueNums: 4,
        writeQueueNums: 4,
        permission,
      })
    }),
    rule('1.5', 'How many queues a first send creates is a setting', async (world) => {
      const mq = await world.open({ defaultTopicQueueNums: 7 })
      await send(mq, 'x')
      assert.equal((await settingsOf(mq))?.writeQueueNums, 7)
    }),
    rule('1.5', 'First sends at the same time create the topic once, and all are stored', async (world) => {
      const mq = await world.open()
      const created = eventsOf(mq, 'topic-changed')
      await send(mq, ['a', 'b', 'c'])
      assert.deepEqual(created, [{ topic: 'orders' }])
      assert.equal((await mq.admin.browse('orders')).length, 3)
    }),
    rule('1.5', 'Without automatic creation a send to an unknown topic is refused', async (world) => {
      const mq = await world.open({ autoCreateTopicEnable: false })
      await refused('TOPIC_NOT_EXIST', () => send(mq, 'x'))
      assert.deepEqual(await mq.admin.topics(), [])
    }),
    rule('1.5', 'A consumer does not create the topics that it subscribes to', async (world) => {
      const mq = await world.open()
      await subscribe(mq)
      await mq.rest()
      assert.equal(await settingsOf(mq), undefined)
    }),
    rule('1.5', 'A topic that appears is consumed at once', { differs: true }, async (world) => {
      const mq = await world.open()
      const { texts } = await subscribe(mq)
      await send(mq, 'first')
      await mq.until('the first message arrives', () => texts().includes('first'))
    }),
    rule('1.5', 'A send does not create a retry or dead-letter topic', { differs: true }, async (world) => {
      const mq = await world.open()
      for (const topic of ['%RETRY%billing', '%DLQ%billing'])
        await refused('TOPIC_NOT_EXIST', () => send(mq, 'x', { topic }))
    }),
    rule(
      '1.4',
      'A topic without write permission takes no messages, and is read as before',
      { differs: true },
      async (world) => {
        const mq = await world.openShop()
        const { texts } = await subscribe(mq)
        await send(mq, 'before')
        await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ })
        await refused('NO_PERMISSION', () => send(mq, 'after'))
        await mq.until('what was sent before arrives', () => texts().length > 0)
        assert.deepEqual(texts(), ['before'])
      },
    ),
    rule(
      '1.4',
      'A topic without read permission takes messages and gives none until it is readable',
      async (world) => {
        const mq = await world.openShop()
        await mq.admin.createGroup({ group: 'billing' })
        await mq.admin.updateTopic({ topic: 'orders', permission: Permission.WRITE })
        const { texts } = await subscribe(mq)
        await send(mq, 'x')
        await refused('NO_PERMISSION', () => pull(mq))
        await mq.rest()
        assert.deepEqual(texts(), [])
        await mq.admin.updateTopic({ topic: 'orders', permission: Permission.READ_WRITE })
        await mq.until('the message arrives', () => texts().length === 1)
      },
    ),
    rule('1.4', 'Producers and consumers use queues that are added', async (world) => {
      const mq = await world.openShop(1)
      const { texts } = await subscribe(mq)
      await send(mq, 'old')
      await mq.admin.updateTopic({ topic: 'orders', queues: 3 })
      const receipts = await send(mq, ['a', 'b', 'c'])
      assert.deepEqual(receipts.map(({ queue }) => queue.queueId).sort(), [0, 1, 2])
      await mq.until('messages of all queues arrive', () => texts().length === 4)
    }),
    rule(
      '1.4',
      'Queues that fall away are hidden, and are there again when the number is raised',
      { differs: true },
      async (world) => {
        const mq = await world.openShop(2)
        await mq.admin.createGroup({ group: 'billing' })
        await send(mq, 'kept', { queueId: 1 })
        const queue = await queueOf(mq, 1)
        await mq.admin.updateTopic({ topic: 'orders', queues: 1 })
        await refused('INVALID_PARAMETER', () => pull(mq, { queue }))
        await mq.admin.updateTopic({ topic: 'orders', queues: 2 })
        assert.equal((await pull(mq, { queue })).messages[0]?.text(), 'kept')
      },
    ),
    rule('12.3', 'A deleted topic is gone with its messages', async (world) => {
      const mq = await world.openShop()
      await mq.admin.createGroup({ group: 'billing' })
      const queue = await queueOf(mq)
      const [receipt] = await send(mq, 'x', { keys: 'k' })
      await mq.admin.deleteTopic('orders')
      assert.equal(await settingsOf(mq), undefined)
      await refused('TOPIC_NOT_EXIST', () => pull(mq, { queue }))
      await refused('NO_MESSAGE', () => mq.admin.queryMessageById(receipt!.messageId))
    }),
    rule('12.3', 'A topic that is made anew starts at offset 0, for its groups too', async (world) => {
      const mq = await world.openShop()
      const { texts } = await subscribe(mq)
      await send(mq, ['a', 'b'])
      await mq.until('both are consumed', async () => (await committed(mq)) === 2)
      await mq.admin.deleteTopic('orders')
      await mq.admin.createTopic({ topic: 'orders', queues: 1 })
      const [receipt] = await send(mq, 'new')
      assert.equal(receipt?.queueOffset, 0)
      await mq.until('the message of the new topic arrives', () => texts().includes('new'))
      assert.deepEqual(texts(), ['a', 'b', 'new'])
    }),
    rule('12.3', 'Deleting an unknown topic is refused', async (world) => {
      const mq = await world.open()
      await refused('TOPIC_NOT_EXIST', () => mq.admin.deleteTopic('orders'))
    }),
  ],
}
