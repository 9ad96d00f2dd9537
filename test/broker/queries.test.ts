import { describe, expect, test } from 'vitest'
import { MessageIdGenerator } from '../../src/model/message-id.ts'
import { prepareMessage } from '../../src/model/outgoing-message.ts'
import { openShop } from './set-up.ts'

describe('viewMessage', () => {
  test('shows the message at an offset', async () => {
    const shop = await openShop()
    for (const body of ['a', 'b', 'c']) await shop.send({ body })
    expect((await shop.view('orders', 1)).text()).toBe('b')
  })

  test('finds the message within a batch', async () => {
    const shop = await openShop()
    await shop.sendTags('a', 'b', 'c')
    expect((await shop.view('orders', 2)).tag).toBe('c')
  })

  test.each([0, 3, 4])('refuses offset %i of a queue that holds 1 and 2 with NO_MESSAGE', async (offset) => {
    const shop = await openShop()
    await shop.sendTags('a', 'b', 'c')
    shop.log().minOffset = 1
    await expect(shop.view('orders', offset)).rejects.toMatchObject({ code: 'NO_MESSAGE' })
  })

  test('refuses an unknown topic or queue', async () => {
    const shop = await openShop()
    await expect(shop.view('nowhere')).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
    const viewing = shop.broker.viewMessage(shop.queue('orders', 1), 0)
    await expect(viewing).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
  })
})

describe('viewMessageByOffsetId', () => {
  test('shows the stored copy that the id addresses', async () => {
    const shop = await openShop()
    const { offsetMessageId } = await shop.send({ body: 'here' })
    expect((await shop.broker.viewMessageByOffsetId(offsetMessageId)).text()).toBe('here')
  })

  test('refuses an id that addresses nothing, also after the topic was made anew', async () => {
    const shop = await openShop()
    const { offsetMessageId } = await shop.send()
    await shop.broker.deleteTopic('orders')
    await shop.createTopic()
    await shop.send()
    const viewing = shop.broker.viewMessageByOffsetId(offsetMessageId)
    await expect(viewing).rejects.toMatchObject({ code: 'NO_MESSAGE' })
  })

  test('refuses what is no such id', async () => {
    const { broker } = await openShop()
    await expect(broker.viewMessageByOffsetId('x')).rejects.toMatchObject({ code: 'INVALID_PARAMETER' })
  })
})

test('queryMessagesById shows all copies, oldest first: the sent one, the retry, the dead letter', async () => {
  const shop = await openShop()
  const { messageId } = await shop.send()
  await shop.send()
  await shop.fail(await shop.view())
  await shop.clock.advance(10_000)
  await shop.fail(await shop.view('%RETRY%billing'), { delayLevel: -1 })
  const copies = await shop.broker.queryMessagesById(messageId)
  expect(copies.map((copy) => copy.queue.topic)).toEqual(['orders', '%RETRY%billing', '%DLQ%billing'])
})

test('queryMessagesById finds a message also after a younger one of its sender was copied by a retry', async () => {
  const shop = await openShop()
  const { messageIds } = await shop.sendTags('a', 'b', 'c')
  const otherSender = new MessageIdGenerator(shop.clock, { next: () => 0.9 })
  const other = prepareMessage({ topic: 'orders', body: 'other' }, otherSender.next(), shop.clock.now())
  await shop.sendTo(shop.queue(), other)
  await shop.fail(await shop.view('orders', 1))
  await shop.clock.advance(10_000)
  const found = await Promise.all(messageIds.map((id) => shop.broker.queryMessagesById(id)))
  expect(found.map((copies) => copies.length)).toEqual([1, 2, 1])
})

describe('queryMessagesByKey', () => {
  test('finds messages of the topic by key and time, newest first, as many as wanted', async () => {
    const shop = await openShop()
    const start = shop.clock.now()
    for (const [body, keys] of [
      ['a', ['k']],
      ['b', ['other']],
      ['c', ['k', 'l']],
      ['d', ['k']],
    ] as const) {
      await shop.send({ body, keys })
      await shop.clock.advance(10)
    }
    const find = async (begin: number, end: number, maxCount: number) =>
      (
        await shop.broker.queryMessagesByKey({
          topic: 'orders',
          key: 'k',
          begin: start + begin,
          end: start + end,
          maxCount,
        })
      ).map((message) => message.text())
    expect(await find(0, 1000, 64)).toEqual(['d', 'c', 'a'])
    expect(await find(0, 20, 64)).toEqual(['c', 'a'])
    expect(await find(0, 1000, 1)).toEqual(['d'])
  })

  test('refuses an unknown topic', async () => {
    const { broker } = await openShop()
    const querying = broker.queryMessagesByKey({ topic: 'nowhere', key: 'k', begin: 0, end: 1, maxCount: 1 })
    await expect(querying).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
  })
})

describe('queryTopicStatus', () => {
  test('shows bounds and the time of the last message of each queue', async () => {
    const shop = await openShop()
    await shop.createTopic('pairs', 2)
    await shop.send({ topic: 'pairs' }, 1)
    expect(await shop.broker.queryTopicStatus('pairs')).toEqual([
      { queue: shop.queue('pairs', 0), minOffset: 0, maxOffset: 0, lastStoreTimestamp: undefined },
      { queue: shop.queue('pairs', 1), minOffset: 0, maxOffset: 1, lastStoreTimestamp: shop.clock.now() },
    ])
  })

  test('refuses an unknown topic', async () => {
    const { broker } = await openShop()
    await expect(broker.queryTopicStatus('nowhere')).rejects.toMatchObject({ code: 'TOPIC_NOT_EXIST' })
  })
})
