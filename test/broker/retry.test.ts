import { describe, expect, test } from 'vitest'
import { AttemptedMessage } from '../../src/consumer/attempted-message.ts'
import { delayOfLevel, parseDelayLevels } from '../../src/model/delay-levels.ts'
import { MQError } from '../../src/model/errors.ts'
import { parseTagExpression } from '../../src/model/subscription.ts'
import { defaultGroupConfig, Permission } from '../../src/model/topic.ts'
import { openShop, type TestBroker } from './set-up.ts'

const RETRY_TOPIC = '%RETRY%billing'
const DEAD_LETTER_TOPIC = '%DLQ%billing'
const SCHEDULE = '10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h'

/** A shop with one message. */
async function openWithMessage(settings: object = {}): Promise<TestBroker> {
  const shop = await openShop(settings)
  await shop.send({ body: 'order 42', tag: 'paid', keys: ['o-42', 'c-7'], properties: { region: 'eu' } })
  return shop
}

describe('A failed message', () => {
  test('comes back 16 times at growing intervals of altogether 4:45:40 hours, then becomes a dead letter', async () => {
    const shop = await openWithMessage()
    const start = shop.clock.now()
    let message = await shop.view()

    for (const [index, delayMs] of parseDelayLevels(SCHEDULE).entries()) {
      const dueTimestamp = shop.clock.now() + delayMs
      expect(await shop.fail(message)).toEqual({ outcome: 'retry', reconsumeTimes: index + 1, dueTimestamp })
      await shop.clock.advance(delayMs - 1)
      expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC)), `retry ${index + 1} is not early`).toBe(
        index,
      )
      await shop.clock.advance(1)
      message = await shop.view(RETRY_TOPIC, index)
      expect(message).toMatchObject({ reconsumeTimes: index + 1, deliveryAttempt: index + 2 })
    }
    expect(shop.clock.now() - start).toBe(((4 * 60 + 45) * 60 + 40) * 1000)

    expect(await shop.fail(message)).toEqual({ outcome: 'dead-letter', reconsumeTimes: 17 })
    expect(await shop.view(DEAD_LETTER_TOPIC)).toMatchObject({ reconsumeTimes: 17 })
    expect(shop.events('retry').map(({ reconsumeTimes }) => reconsumeTimes)).toEqual(
      [...Array(16).keys()].map((i) => i + 1),
    )
    expect(shop.events('dead-letter')).toHaveLength(1)
  })

  test('comes back as a copy that keeps all but its place', async () => {
    const shop = await openWithMessage()
    const sent = await shop.view()
    await shop.fail(sent)
    await shop.clock.advance(10_000)
    const retried = await shop.view(RETRY_TOPIC)

    const { messageId, topic, tag, keys, bornTimestamp } = sent
    expect(retried).toMatchObject({
      messageId,
      topic,
      tag,
      keys,
      bornTimestamp,
      queue: shop.queue(RETRY_TOPIC),
    })
    expect(retried.text()).toBe('order 42')
    expect(retried.properties).toEqual({
      region: 'eu',
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: sent.offsetMessageId,
    })
    expect(retried.storeTimestamp).toBe(sent.storeTimestamp + 10_000)
    const filter = parseTagExpression('paid')
    expect(await shop.pull({ queue: shop.queue(RETRY_TOPIC), filter })).toMatchObject({ status: 'FOUND' })
  })

  test('names its first topic and record also when it comes back again', async () => {
    const shop = await openWithMessage()
    const sent = await shop.view()
    await shop.fail(sent)
    await shop.clock.advance(10_000)
    await shop.fail(await shop.view(RETRY_TOPIC))
    await shop.clock.advance(30_000)
    const retried = await shop.view(RETRY_TOPIC, 1)
    expect(retried).toMatchObject({ topic: 'orders', messageId: sent.messageId, reconsumeTimes: 2 })
    expect(retried.properties).toMatchObject({
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: sent.offsetMessageId,
    })
  })

  test('is announced with the time of its retry', async () => {
    const shop = await openWithMessage()
    const { messageId } = await shop.view()
    await shop.fail(await shop.view())
    const dueTimestamp = shop.clock.now() + 10_000
    const event = {
      group: 'billing',
      topic: 'orders',
      messageId,
      reconsumeTimes: 1,
      dueTimestamp,
      reason: 'out of order',
    }
    expect(shop.events('retry')).toEqual([event])
  })

  test('counts as pending until its retry is delivered', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view())
    expect((await shop.broker.consumerProgress('billing')).pendingRetryCount).toBe(1)
    await shop.clock.advance(10_000)
    expect((await shop.broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
  })

  test('wakes a pull that waits on the retry topic when it comes back', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view())
    const pulling = shop.pull({ queue: shop.queue(RETRY_TOPIC), suspendMs: 15_000 })
    await shop.clock.advance(10_000)
    expect((await pulling).messages).toMatchObject([{ topic: 'orders', reconsumeTimes: 1 }])
  })

  test.each([
    [1, 1000],
    [3, 10_000],
    [18, 7_200_000],
    [99, 7_200_000],
  ])('with delay level %i comes back after %i ms, whatever its count', async (delayLevel, delayMs) => {
    const shop = await openWithMessage()
    const dueTimestamp = shop.clock.now() + delayMs
    expect(await shop.fail(await shop.view(), { delayLevel })).toMatchObject({
      outcome: 'retry',
      dueTimestamp,
    })
  })

  test('repeats the last level when more than 16 retries are allowed', async () => {
    const levels = parseDelayLevels('1ms 2ms 3ms')
    const shop = await openWithMessage({ messageDelayLevel: '1ms 2ms 3ms' })
    let message = await shop.view()
    for (let retry = 0; retry < 20; retry++) {
      await shop.fail(message, { maxReconsumeTimes: 20 })
      await shop.clock.advance(delayOfLevel(levels, 3))
      message = await shop.view(RETRY_TOPIC, retry)
    }
    expect(await shop.fail(message, { maxReconsumeTimes: 20 })).toMatchObject({ outcome: 'dead-letter' })
  })

  test('goes to a random one of the retry queues', async () => {
    const shop = await openWithMessage()
    await shop.broker.createGroup({ ...defaultGroupConfig('billing'), retryQueueNums: 4 })
    await shop.fail(await shop.view())
    await shop.clock.advance(10_000)
    // The random source of the set-up always answers the middle.
    expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC, 2))).toBe(1)
  })

  test('of a dead-letter topic comes back as a message of that topic', async () => {
    const shop = await openWithMessage({ deadLetterPermission: Permission.READ_WRITE })
    await shop.fail(await shop.view(), { delayLevel: -1 })
    await shop.join({ group: 'undertaker', topics: { [DEAD_LETTER_TOPIC]: '*' } })
    await shop.fail(await shop.view(DEAD_LETTER_TOPIC), { group: 'undertaker' })
    await shop.clock.advance(120_000)
    expect(await shop.view('%RETRY%undertaker')).toMatchObject({
      topic: DEAD_LETTER_TOPIC,
      reconsumeTimes: 2,
    })
  })

  test('comes back although the retry topic was deleted meanwhile', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view())
    await shop.broker.deleteTopic(RETRY_TOPIC)
    await shop.clock.advance(10_000)
    expect(await shop.view(RETRY_TOPIC)).toMatchObject({ reconsumeTimes: 1 })
  })
})

describe('A dead letter', () => {
  test.each([
    ['a negative delay level', { delayLevel: -1 }],
    ['no retries allowed', { maxReconsumeTimes: 0 }],
  ])('is made at once with %s', async (_, request) => {
    const shop = await openWithMessage()
    expect(await shop.fail(await shop.view(), request)).toEqual({ outcome: 'dead-letter', reconsumeTimes: 1 })
    expect((await shop.broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
  })

  test('is made at once when the group has no retry queue, where RocketMQ drops the message', async () => {
    const shop = await openWithMessage()
    await shop.broker.createGroup({ ...defaultGroupConfig('silent'), retryQueueNums: 0 })
    expect(await shop.fail(await shop.view(), { group: 'silent' })).toMatchObject({ outcome: 'dead-letter' })
    expect((await shop.view('%DLQ%silent')).text()).toBe('order 42')
  })

  test('counts as many failures as a record can say, and so does everybody who tells of it', async () => {
    const shop = await openWithMessage()
    const failed = AttemptedMessage.of(await shop.view(), 65_535)
    const request = { maxReconsumeTimes: 65_535 }
    expect(await shop.fail(failed, request)).toEqual({ outcome: 'dead-letter', reconsumeTimes: 65_535 })
    expect(shop.events('dead-letter')).toEqual([expect.objectContaining({ reconsumeTimes: 65_535 })])
    expect(await shop.view(DEAD_LETTER_TOPIC)).toMatchObject({ reconsumeTimes: 65_535 })
  })

  test('keeps all of the message and says where it comes from and why', async () => {
    const shop = await openWithMessage()
    const sent = await shop.view()
    await shop.fail(sent, { delayLevel: -1, reason: 'no such\ncustomer' })
    const dead = await shop.view(DEAD_LETTER_TOPIC)
    const { messageId, tag, keys, bornTimestamp } = sent
    expect(dead).toMatchObject({ messageId, tag, keys, bornTimestamp, reconsumeTimes: 1 })
    expect(dead.text()).toBe('order 42')
    expect(dead.properties).toEqual({
      region: 'eu',
      RETRY_TOPIC: 'orders',
      ORIGIN_MESSAGE_ID: sent.offsetMessageId,
      DLQ_REASON: 'no such customer',
    })
  })

  test('keeps the first 1024 characters of a long reason, and a word for none', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view(), { delayLevel: -1, reason: 'x'.repeat(5000) })
    await shop.fail(await shop.view(), { delayLevel: -1, reason: ' \n ' })
    const reasons = [await shop.view(DEAD_LETTER_TOPIC), await shop.view(DEAD_LETTER_TOPIC, 1)].map(
      (dead) => dead.properties.DLQ_REASON,
    )
    expect(reasons).toEqual(['x'.repeat(1024), 'unknown'])
  })

  test('is announced', async () => {
    const shop = await openWithMessage()
    const { messageId } = await shop.view()
    await shop.fail(await shop.view(), { delayLevel: -1 })
    expect(shop.events('dead-letter')).toEqual([
      {
        group: 'billing',
        topic: 'orders',
        messageId,
        deadLetterTopic: DEAD_LETTER_TOPIC,
        reconsumeTimes: 1,
        reason: 'out of order',
      },
    ])
  })

  test('has a topic that the first one creates, with one queue that applications may not use', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view(), { delayLevel: -1 })
    await shop.fail(await shop.view(), { delayLevel: -1 })
    expect((await shop.broker.queryTopics())[0]).toEqual({
      topic: DEAD_LETTER_TOPIC,
      readQueueNums: 1,
      writeQueueNums: 1,
      permission: Permission.NONE,
    })
    const refused = { code: 'NO_PERMISSION' }
    await expect(shop.pull({ queue: shop.queue(DEAD_LETTER_TOPIC) })).rejects.toMatchObject(refused)
    await expect(shop.send({ topic: DEAD_LETTER_TOPIC })).rejects.toMatchObject(refused)
    expect(await shop.broker.maxOffset(shop.queue(DEAD_LETTER_TOPIC))).toBe(2)
  })

  test('may be read when deadLetterPermission says so', async () => {
    const shop = await openWithMessage({ deadLetterPermission: Permission.READ })
    await shop.fail(await shop.view(), { delayLevel: -1 })
    expect(await shop.pull({ queue: shop.queue(DEAD_LETTER_TOPIC) })).toMatchObject({ status: 'FOUND' })
  })
})

describe('Sending a message back is refused', () => {
  test('for an unknown group', async () => {
    const shop = await openWithMessage()
    const failing = shop.fail(await shop.view(), { group: 'nobody' })
    await expect(failing).rejects.toMatchObject({ code: 'SUBSCRIPTION_GROUP_NOT_EXIST' })
  })

  test('when the retry topic may not be written', async () => {
    const shop = await openWithMessage()
    const update = { topic: RETRY_TOPIC, readQueueNums: 1, writeQueueNums: 1, permission: Permission.READ }
    await shop.broker.updateTopic(update)
    await expect(shop.fail(await shop.view())).rejects.toMatchObject({ code: 'NO_PERMISSION' })
  })

  test('when retention has removed the message', async () => {
    const shop = await openWithMessage()
    const message = await shop.view()
    shop.log().minOffset = 1
    await expect(shop.fail(message)).rejects.toMatchObject({ code: 'NO_MESSAGE' })
  })

  test('when the topic was deleted, also if one of its name exists again', async () => {
    const shop = await openWithMessage()
    const message = await shop.view()
    await shop.broker.deleteTopic('orders')
    await expect(shop.fail(message)).rejects.toMatchObject({ code: 'NO_MESSAGE' })
    await shop.createTopic()
    await shop.send()
    await expect(shop.fail(message)).rejects.toMatchObject({ code: 'NO_MESSAGE' })
  })

  test('with the failure of the store, and nothing is announced then', async () => {
    const shop = await openWithMessage()
    const message = await shop.view()
    shop.store.commit = () => Promise.reject(new Error('disk gone'))
    await expect(shop.fail(message)).rejects.toThrow('disk gone')
    expect(shop.events('retry')).toEqual([])
  })
})

describe('A retry whose message is gone when it is due', () => {
  test('is reported as lost to retention', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view())
    shop.store.readRecord = async () => undefined
    await shop.clock.advance(10_000)
    expect(shop.events('message-lost')).toEqual([
      { reason: 'retention', queue: shop.queue(), fromOffset: 0, toOffset: 1, group: 'billing' },
    ])
    expect((await shop.broker.consumerProgress('billing')).pendingRetryCount).toBe(0)
    expect(await shop.broker.maxOffset(shop.queue(RETRY_TOPIC))).toBe(0)
  })

  test('is reported as lost to corruption', async () => {
    const shop = await openWithMessage()
    await shop.fail(await shop.view())
    shop.store.readRecord = () => Promise.reject(new MQError('STORE_CORRUPTED', 'queue 0, offset 0'))
    await shop.clock.advance(10_000)
    expect(shop.events('message-lost')).toMatchObject([{ reason: 'corruption' }])
  })
})
