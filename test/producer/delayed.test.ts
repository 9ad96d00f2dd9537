import { describe, expect, test } from 'vitest'
import { Admin } from '../../src/admin/admin.ts'
import type { Message } from '../../src/model/message.ts'
import { selectByHash } from '../../src/producer/queue-selector.ts'
import { openHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'

const order = { topic: 'orders', body: 'x' }

describe('A producer that sends with a delay', () => {
  test('keeps the message until its time, and answers how to take it back', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const deliveryTimestamp = host.clock.now() + 10
    const receipt = await producer.send({ ...order, deliveryTimestamp })
    expect(receipt).toMatchObject({ deliveryTimestamp, queueOffset: -1, queue: host.queue() })
    expect(await producer.recall('orders', receipt.recallHandle!)).toBe(receipt.messageId)
    await host.clock.advance(10)
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test('creates the topic, and copies the body before', async () => {
    const host = await openHost()
    const producer = await host.producer()
    const body = Buffer.from('before')
    const sending = producer.send({ ...order, body, delayTimeLevel: 1 })
    body.write('behind')
    const { queue } = await sending
    await host.clock.advance(1000)
    expect((await host.broker.viewMessage(queue, 0)).text()).toBe('before')
  })

  test('gives the queues their turns, and keeps to the one that was chosen', async () => {
    const host = await openShop(4)
    const producer = await host.producer()
    const delayed = { ...order, delayTimeLevel: 1 }
    const turns = [await producer.send(delayed), await producer.send(order), await producer.send(delayed)]
    expect(new Set(turns.map(({ queue }) => queue.queueId)).size).toBe(3)
    const queue = host.queue('orders', 2)
    expect((await producer.send(delayed, { queue })).queue).toEqual(queue)
    const bySelector = await producer.send(delayed, { selector: selectByHash, arg: 7 })
    expect(bySelector.queue.queueId).toBe(3)
    await host.clock.advance(1000)
    expect(await host.broker.maxOffset(bySelector.queue)).toBeGreaterThan(0)
  })

  test('can send one way', async () => {
    const host = await openShop()
    const producer = await host.producer()
    producer.sendOneway({ ...order, delayTimeLevel: 1 })
    producer.sendOneway({ ...order, delayTimeLevel: 99 })
    await producer.close()
    expect(host.events('error')).toEqual([mqError('MESSAGE_ILLEGAL', 'no delay level 99')])
    await host.clock.advance(1000)
    expect(await host.broker.maxOffset(host.queue())).toBe(1)
  })

  test.each<[string, Partial<Message>]>([
    ['a level', { delayTimeLevel: 1 }],
    ['a time', { deliveryTimestamp: 1 }],
  ])('cannot delay one of a batch by %s', async (_, delay) => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send([order, { ...order, ...delay }])).rejects.toThrow(
      mqError('MESSAGE_ILLEGAL', 'one by one'),
    )
    expect(await host.broker.maxOffset(host.queue())).toBe(0)
  })

  test.each<[string, Partial<Message>]>([
    ['both delays', { delayTimeLevel: 1, deliveryTimestamp: 5 }],
    ['a message group', { delayTimeLevel: 1, messageGroup: 'g' }],
    ['a level below zero', { delayTimeLevel: -1 }],
    ['a time that is no number', { deliveryTimestamp: new Date() as unknown as number }],
    ['the property DELAY', { properties: { DELAY: '3' } }],
    ['the property TIMER_DELIVER_MS', { properties: { TIMER_DELIVER_MS: '3' } }],
  ])('is refused %s', async (_, fields) => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send({ ...order, ...fields })).rejects.toThrow(mqError('MESSAGE_ILLEGAL'))
    expect(host.store.alarms.size).toBe(0)
  })

  test('is refused what is no handle, and everything once it is closed', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.recall('orders', 5 as unknown as string)).rejects.toThrow(
      mqError('INVALID_PARAMETER'),
    )
    await expect(producer.recall('orders', '')).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await expect(producer.recall('no topic', 'x')).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await expect(producer.recall('orders', 'x')).rejects.toThrow(mqError('ILLEGAL_OPERATION'))
    await producer.close()
    await expect(producer.recall('orders', 'x')).rejects.toThrow(mqError('CLOSED'))
  })

  test('is told that there is nothing to recall of what was delivered at once', async () => {
    const host = await openShop()
    const producer = await host.producer()
    const { recallHandle } = await producer.send({ ...order, deliveryTimestamp: host.clock.now() })
    await expect(producer.recall('orders', recallHandle)).rejects.toThrow(
      mqError('ILLEGAL_OPERATION', 'There is no recallHandle'),
    )
  })

  test('over an engine that does not delay, is told so, and nothing is sent', async () => {
    const host = await openShop()
    host.replace({ delay: undefined } as never)
    const producer = await host.producer()
    await expect(producer.send({ ...order, delayTimeLevel: 1 })).rejects.toThrow(mqError('UNSUPPORTED'))
    await expect(producer.recall('orders', 'x')).rejects.toThrow(mqError('UNSUPPORTED'))
    expect((await producer.send({ ...order, delayTimeLevel: 0 })).queueOffset).toBe(0)
  })
})

describe('Whoever operates', () => {
  test('sees what waits, moves it, and delivers it', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    const producer = await host.producer()
    const now = host.clock.now()
    for (const body of ['a', 'b']) await producer.send({ ...order, body, delayTimeLevel: 1 })
    const [a, b] = await admin.delayedMessages('orders')
    expect([a?.message.text(), b?.message.text()]).toEqual(['a', 'b'])
    const moved = await admin.rescheduleMessage('orders', a!.recallHandle, now + 5000)
    expect(await admin.deliverMessageNow('orders', b!.recallHandle)).toBe(b?.message.messageId)
    expect(await host.broker.maxOffset(host.queue())).toBe(1)
    expect(
      await admin.delayedMessages('orders', { begin: now + 5000, end: now + 5000, max: 1 }),
    ).toMatchObject([{ recallHandle: moved, deliveryTimestamp: now + 5000 }])
    await host.clock.advance(5000)
    expect((await host.broker.viewMessage(host.queue(), 1)).text()).toBe('a')
  })

  test('is refused what makes no sense', async () => {
    const host = await openShop()
    const admin = new Admin(host)
    const refusals = [
      admin.delayedMessages('no topic'),
      admin.delayedMessages('orders', { begin: 2, end: 1 }),
      admin.delayedMessages('orders', { max: 0 }),
      admin.delayedMessages('orders', { from: 1 } as never),
      admin.rescheduleMessage('orders', '', 5),
      admin.rescheduleMessage('orders', 'x', -1),
      admin.rescheduleMessage('no topic', 'x', 5),
      admin.deliverMessageNow('orders', 5 as never),
    ]
    for (const refusal of refusals) await expect(refusal).rejects.toThrow(mqError('INVALID_PARAMETER'))
    await expect(admin.delayedMessages('unknown')).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
  })
})
