import { describe, expect, test } from 'vitest'
import type { ConsumerProgress } from '../../src/model/results.ts'
import type { StoredBatch } from '../../src/store/record-reader.ts'
import { openShop } from './set-up.ts'

/** The queues of a progress as `topic/queueId`. */
function names({ queues }: ConsumerProgress): string[] {
  return queues.map(({ queue }) => `${queue.topic}/${queue.queueId}`).sort()
}

describe('The progress of a group', () => {
  test('is the distance from its offset to the end, for each queue and in all', async () => {
    const shop = await openShop()
    await shop.send()
    const consumedAt = shop.clock.now()
    await shop.clock.advance(5)
    await shop.sendTags('a', 'b', 'c')
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)

    const progress = await shop.broker.consumerProgress('billing')
    expect(progress).toMatchObject({ group: 'billing', lag: 3, pendingRetryCount: 0 })
    expect(progress.queues.find(({ queue }) => queue.topic === 'orders')).toEqual({
      queue: shop.queue(),
      brokerOffset: 4,
      consumerOffset: 1,
      lag: 3,
      lastTimestamp: consumedAt,
    })
  })

  test('counts an unknown offset as 0 and knows no last time then', async () => {
    const shop = await openShop()
    await shop.sendTags('a', 'b')
    const { queues } = await shop.broker.consumerProgress('billing')
    expect(queues).toContainEqual({
      queue: shop.queue(),
      brokerOffset: 2,
      consumerOffset: 0,
      lag: 2,
      lastTimestamp: undefined,
    })
  })

  test('knows no last time when the last consumed message is gone', async () => {
    const shop = await openShop()
    await shop.sendTags('a', 'b', 'c')
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)
    shop.log().minOffset = 2
    const { queues } = await shop.broker.consumerProgress('billing')
    expect(queues).toContainEqual(expect.objectContaining({ consumerOffset: 1, lastTimestamp: undefined }))
  })

  test('does not count messages that retention has removed', async () => {
    const shop = await openShop()
    await shop.sendTags('a', 'b', 'c', 'd')
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)
    shop.log().minOffset = 3
    const { lag, queues } = await shop.broker.consumerProgress('billing')
    expect(lag).toBe(1)
    expect(queues).toContainEqual(expect.objectContaining({ brokerOffset: 4, consumerOffset: 1, lag: 1 }))
  })

  test('has the time of the last consumed message itself, also when it shares a stored batch', async () => {
    const shop = await openShop()
    const start = shop.clock.now()
    for (let i = 0; i < 3; i++) {
      await shop.send()
      await shop.clock.advance(5)
    }
    const merged = { baseOffset: 0, storeTimestamp: start, storeTimestampAt: (i: number) => start + 5 * i }
    shop.log().batchAt = () => merged as StoredBatch
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 2)
    const { queues } = await shop.broker.consumerProgress('billing')
    expect(queues).toContainEqual(expect.objectContaining({ lastTimestamp: start + 5 }))
  })

  test('covers the read queues of what it subscribes to, and its retry topic', async () => {
    const shop = await openShop()
    await shop.broker.createTopic({ topic: 'wide', readQueueNums: 2, writeQueueNums: 3, permission: 6 })
    await shop.createTopic('unrelated')
    await shop.join({ topics: { orders: '*', wide: '*' } })
    expect(names(await shop.broker.consumerProgress('billing'))).toEqual([
      '%RETRY%billing/0',
      'orders/0',
      'wide/0',
      'wide/1',
    ])
  })

  test('covers topics that it has offsets for, also with nobody online', async () => {
    const shop = await openShop()
    await shop.send()
    await shop.broker.updateConsumerOffset('billing', shop.queue(), 1)
    await shop.broker.unregisterConsumer('billing', 'c1')
    expect(names(await shop.broker.consumerProgress('billing'))).toEqual(['%RETRY%billing/0', 'orders/0'])
  })

  test('covers retries: those that wait are counted, those that came back lag', async () => {
    const shop = await openShop()
    await shop.sendTags('a', 'b')
    await shop.fail(await shop.view('orders', 0))
    await shop.fail(await shop.view('orders', 1), { delayLevel: 18 })
    await shop.clock.advance(10_000)
    const progress = await shop.broker.consumerProgress('billing')
    expect(progress.pendingRetryCount).toBe(1)
    const retries = progress.queues.find(({ queue }) => queue.topic === '%RETRY%billing')
    expect(retries).toMatchObject({ brokerOffset: 1, lag: 1 })
  })

  test('is refused for an unknown group', async () => {
    const { broker } = await openShop()
    const refused = { code: 'SUBSCRIPTION_GROUP_NOT_EXIST' }
    await expect(broker.consumerProgress('nobody')).rejects.toMatchObject(refused)
  })
})
