import { describe, expect, test } from 'vitest'
import { BATCH_ADVISED_BYTES } from '../../src/model/limits.ts'
import { Permission } from '../../src/model/topic.ts'
import { bodies, openShop } from './set-up.ts'

describe('A send', () => {
  test('answers where the message lies', async () => {
    const shop = await openShop()
    await shop.send()
    const receipt = await shop.send()
    expect(receipt).toMatchObject({ status: 'SEND_OK', queueOffset: 1, messageCount: 1, queue: shop.queue() })
    expect(await shop.broker.viewMessageByOffsetId(receipt.offsetMessageId)).toMatchObject({
      messageId: receipt.messageId,
    })
  })

  test('answers with the very promise of the store, so that no layer costs a turn', async () => {
    const shop = await openShop()
    const promise = shop.store.append(shop.log(), shop.outgoing(), { timeoutMs: 1 })
    shop.store.append = () => promise
    expect(shop.send()).toBe(promise)
    await promise
  })

  test('hands timeout and signal to the store', async () => {
    const shop = await openShop()
    const { signal } = new AbortController()
    let given: unknown
    const append = shop.store.append.bind(shop.store)
    shop.store.append = (log, messages, wait) => {
      given = wait
      return append(log, messages, wait)
    }
    const request = {
      producerGroup: 'p',
      queue: shop.queue(),
      messages: shop.outgoing(),
      timeoutMs: 77,
      signal,
    }
    await shop.broker.sendMessage(request)
    expect(given).toMatchObject({ timeoutMs: 77, signal })
  })

  test.each([
    ['to an unknown topic', 'nowhere', 0, 'TOPIC_NOT_EXIST'],
    ['to a queue that the topic does not have', 'orders', 1, 'INVALID_PARAMETER'],
    ['to a negative queue', 'orders', -1, 'INVALID_PARAMETER'],
  ])('%s is refused', async (_, topic, queueId, code) => {
    const shop = await openShop()
    await expect(shop.send({ topic }, queueId)).rejects.toMatchObject({ code })
  })

  test('to a queue of another broker is refused', async () => {
    const shop = await openShop()
    const queue = { ...shop.queue(), brokerName: 'elsewhere' }
    await expect(shop.sendTo(queue, shop.outgoing())).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
  })

  test('to a topic without write permission is refused', async () => {
    const shop = await openShop()
    await shop.createTopic('archive', 1, Permission.READ)
    await expect(shop.send({ topic: 'archive' })).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })
})

describe('A batch', () => {
  test('is stored in one queue under consecutive offsets', async () => {
    const shop = await openShop()
    const batch = ['a', 'b', 'c'].map((body) => shop.outgoing({ body }))
    const receipt = await shop.sendTo(shop.queue(), batch)
    expect(receipt).toMatchObject({ queueOffset: 0, messageCount: 3 })
    expect(bodies(await shop.pull())).toEqual(['a', 'b', 'c'])
  })

  test('above 1 MiB is stored with a warning', async () => {
    const shop = await openShop()
    const half = shop.outgoing({ body: Buffer.alloc(BATCH_ADVISED_BYTES / 2) })
    await shop.sendTo(shop.queue(), [half, half])
    expect(shop.events('warning')).toMatchObject([{ code: 'LARGE_BATCH' }])
    expect(await shop.broker.maxOffset(shop.queue())).toBe(2)
  })

  test('up to 1 MiB is stored without a warning', async () => {
    const shop = await openShop()
    const message = shop.outgoing({ body: Buffer.alloc(BATCH_ADVISED_BYTES / 2 - 100) })
    await shop.sendTo(shop.queue(), [message, message])
    expect(shop.events('warning')).toEqual([])
  })

  test('above 4 MiB is refused as a whole', async () => {
    const shop = await openShop()
    const message = shop.outgoing({ body: Buffer.alloc(1024 * 1024) })
    const batch = [message, message, message, message]
    await expect(shop.sendTo(shop.queue(), batch)).rejects.toMatchObject({ code: 'MESSAGE_ILLEGAL' })
    expect(await shop.broker.maxOffset(shop.queue())).toBe(0)
  })
})
