import { describe, expect, test } from 'vitest'
import { defaultGroupConfig, type GroupConfig } from '../../src/model/topic.ts'
import type { QueueLog } from '../../src/store/queue-log.ts'
import { mqError } from '../helpers/expect-error.ts'
import { openShop, openStore, temporaryDirectory } from './set-up.ts'

describe('A send', () => {
  test('is answered with where and when the message is stored, and how safely', async () => {
    const shop = await openShop(2)
    await shop.send('first', shop.log('orders', 1))
    const receipt = await shop.send('second', shop.log('orders', 1))
    expect(JSON.parse(JSON.stringify(receipt))).toEqual({
      status: 'SEND_OK',
      durability: 'MEMORY',
      messageId: '0180808080808080800B48868000000002',
      offsetMessageId: '00000000000100010000000000000001',
      messageIds: [receipt.messageId],
      queue: { topic: 'orders', brokerName: 'localhost', queueId: 1 },
      queueOffset: 1,
      messageCount: 1,
      storeTimestamp: shop.clock.now(),
    })
  })

  test('of a batch takes offsets that follow each other', async () => {
    const shop = await openShop()
    const receipt = await shop.sendBatch(['a', 'b', 'c'])
    expect(receipt).toMatchObject({ queueOffset: 0, messageCount: 3 })
    expect(receipt.messageId).toBe(receipt.messageIds[0])
    expect(new Set(receipt.messageIds).size).toBe(3)
    expect(await shop.bodies()).toEqual(['a', 'b', 'c'])
  })

  test('keeps the order in which sends were called, per queue', async () => {
    const shop = await openShop(2)
    const sends = Array.from({ length: 100 }, (_, i) => shop.send(`m${i}`, shop.log('orders', i % 2)))
    await Promise.all(sends)
    expect(await shop.bodies(shop.log('orders', 0))).toEqual(
      Array.from({ length: 50 }, (_, i) => `m${i * 2}`),
    )
    expect(await shop.bodies(shop.log('orders', 1))).toEqual(
      Array.from({ length: 50 }, (_, i) => `m${i * 2 + 1}`),
    )
  })

  test('copies its body before it returns', async () => {
    const shop = await openShop()
    const body = Buffer.from('before')
    const sent = shop.send({ body })
    body.write('behind')
    await sent
    expect(await shop.bodies()).toEqual(['before'])
  })

  test('wakes readers in its own turn, before its promise resolves', async () => {
    const shop = await openShop()
    const order: string[] = []
    shop.store.onAppended = (log: QueueLog) => order.push(`appended ${log.maxOffset}`)
    await Promise.all([shop.send('a'), shop.send('b')]).then(() => order.push('resolved'))
    expect(order).toEqual(['appended 2', 'resolved'])
  })

  test('with an aborted signal writes nothing', async () => {
    const shop = await openShop()
    const signal = AbortSignal.abort()
    const sent = shop.store.append(shop.log(), shop.message('a'), { timeoutMs: 100, signal })
    await expect(sent).rejects.toThrow(mqError('ABORTED'))
    expect(shop.log().maxOffset).toBe(0)
  })

  test('to a queue of a deleted topic is refused, and to a topic of that name made anew is not', async () => {
    const shop = await openShop()
    const log = shop.log()
    await shop.send('a')
    await shop.store.commit({ topicsDeleted: [shop.topic()] })
    await expect(shop.send('b', log)).rejects.toThrow(mqError('TOPIC_NOT_EXIST'))
    await shop.createTopic()
    await shop.send('c')
    expect(await shop.bodies()).toEqual(['c'])
    expect(shop.log().uid).not.toBe(log.uid)
  })

  test('after close began is refused', async () => {
    const shop = await openShop()
    const closing = shop.store.close()
    await expect(shop.send('a')).rejects.toThrow(mqError('CLOSED'))
    await expect(shop.store.commit({ topics: [] })).rejects.toThrow(mqError('CLOSED'))
    await closing
    await expect(shop.store.flush()).rejects.toThrow(mqError('CLOSED'))
    await expect(shop.store.check()).rejects.toThrow(mqError('CLOSED'))
  })
})

describe('A stored message', () => {
  test('reads back as it was sent', async () => {
    const shop = await openShop()
    const properties = { colour: 'red', größe: 'viel 大' }
    await shop.send({ body: '{"a":1}', tag: 'päid', keys: ['k1', 'k2'], properties })
    await shop.store.check()
    const [message] = await shop.readAll()
    expect(message).toMatchObject({
      topic: 'orders',
      tag: 'päid',
      keys: ['k1', 'k2'],
      queueOffset: 0,
      bornTimestamp: shop.clock.now(),
      storeTimestamp: shop.clock.now(),
      reconsumeTimes: 0,
      deliveryAttempt: 1,
    })
    expect({ ...message?.properties }).toEqual(properties)
    expect(message?.json()).toEqual({ a: 1 })
    expect(message?.body).toEqual(Buffer.from('{"a":1}'))
    expect(Object.isFrozen(message?.properties)).toBe(true)
  })

  test('of a retry topic shows the topic that it was first sent to', async () => {
    const shop = await openShop()
    await shop.createTopic('%RETRY%billing')
    const copy = { ...shop.message('a', '%RETRY%billing'), properties: [['RETRY_TOPIC', 'orders']] as const }
    await shop.store.append(shop.log('%RETRY%billing'), copy, { timeoutMs: 100 })
    const [message] = await shop.readAll(shop.log('%RETRY%billing'))
    expect(message?.topic).toBe('orders')
    expect(message?.queue.topic).toBe('%RETRY%billing')
  })

  test('may have properties of any name, also those of every object', async () => {
    const shop = await openShop()
    const properties = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}')
    await shop.send({ body: 'x', properties })
    const [message] = await shop.readAll()
    expect(Object.entries(message?.properties ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['toString', 'c'],
    ])
  })

  test('keeps its bytes for its reader, whatever is written afterwards', async () => {
    const path = await temporaryDirectory()
    const shop = await openShop(1, { storage: 'disk', path })
    await shop.sendBatch(Array.from({ length: 200 }, (_, i) => ({ body: `${i}`.padEnd(100, 'a') })))
    const before = await shop.readAll()
    const texts = before.map((message) => message.text())
    for (let round = 0; round < 20; round++) {
      await shop.sendBatch(Array.from({ length: 200 }, () => ({ body: 'b'.repeat(100) })))
      await shop.store.check()
    }
    expect(before.map((message) => message.text())).toEqual(texts)
  })
})

describe('A change', () => {
  test('is shown as a whole: appends, offsets and alarms together', async () => {
    const shop = await openShop(2)
    const group = await shop.createGroup()
    const [first, second] = [shop.log('orders', 0), shop.log('orders', 1)]
    await shop.send('failed', first)
    const seen: unknown[] = []
    shop.store.onAppended = (log) => {
      seen.push([
        log.queue.queueId,
        second.maxOffset,
        shop.store.offsets.get(group, first),
        shop.store.alarms.size,
      ])
    }
    await shop.store.commit({
      appends: [{ log: second, messages: shop.message('copy') }],
      offsets: [{ group, log: first, offset: 1 }],
      alarmsSet: [
        {
          kind: 'retry',
          dueTimestamp: 5000,
          groupUid: group.uid,
          queueUid: first.uid,
          queueOffset: 0,
          attempt: 1,
        },
      ],
    })
    expect(seen).toEqual([[1, 1, 1, 1]])
  })

  test('of nothing resolves without a write', async () => {
    const shop = await openShop()
    await expect(shop.store.commit({})).resolves.toBeUndefined()
  })

  test('of a topic keeps its queues and their messages when queues fall away and come back', async () => {
    const shop = await openShop(3)
    await shop.send('kept', shop.log('orders', 2))
    await shop.createTopic('orders', 1)
    expect(shop.topic().config.readQueueNums).toBe(1)
    await shop.createTopic('orders', 3)
    expect(await shop.bodies(shop.log('orders', 2))).toEqual(['kept'])
  })

  test('that deletes a group takes its offsets and alarms along', async () => {
    const shop = await openShop()
    const group = await shop.createGroup()
    await shop.send('a')
    const { uid } = shop.log()
    const alarm = {
      kind: 'retry',
      dueTimestamp: 1,
      groupUid: group.uid,
      queueUid: uid,
      queueOffset: 0,
      attempt: 1,
    } as const
    await shop.store.commit({ offsets: [{ group, log: shop.log(), offset: 1 }], alarmsSet: [alarm] })
    await shop.store.commit({ groupsDeleted: [group] })
    expect(shop.store.catalog.group('billing')).toBeUndefined()
    expect([...shop.store.offsets.entries()]).toEqual([])
    expect(shop.store.alarms.size).toBe(0)
  })
})

describe('Reopening', () => {
  test('finds topics, groups, offsets, alarms and messages as they were', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory() })
    await shop.createTopic('orders', 4)
    const group = await shop.createGroup()
    await shop.sendBatch(['a', 'b'], shop.log('orders', 3))
    const { uid } = shop.log('orders', 3)
    const alarm = {
      kind: 'retry',
      dueTimestamp: 9,
      groupUid: group.uid,
      queueUid: uid,
      queueOffset: 1,
      attempt: 2,
    } as const
    await shop.store.commit({
      offsets: [{ group, log: shop.log('orders', 3), offset: 1 }],
      alarmsSet: [alarm],
    })

    await shop.reopen()
    expect(shop.store.recovery).toMatchObject({
      clean: true,
      replayedFrameCount: 0,
      tornBytes: 0,
      warnings: [],
    })
    expect(shop.topic()).toMatchObject({ uid: 1, config: { readQueueNums: 4 } })
    expect(shop.topic().logs).toHaveLength(4)
    expect(await shop.bodies(shop.log('orders', 3))).toEqual(['a', 'b'])
    expect(shop.log('orders', 3)).toMatchObject({
      minOffset: 0,
      maxOffset: 2,
      lastStoreTimestamp: shop.clock.now(),
    })
    expect(shop.store.offsets.get(shop.group(), shop.log('orders', 3))).toBe(1)
    expect(shop.store.alarms.due(9, 10)).toEqual([{ ...alarm, id: 1 }])
  })

  test('has an alarm that was replaced as it was last', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory() })
    await shop.createTopic()
    await shop.createGroup()
    await shop.sendBatch(['a', 'b', 'c'])
    const place = { groupUid: shop.group().uid, queueUid: shop.log().uid, queueOffset: 0 }
    const run = {
      id: shop.store.alarms.takeId(),
      kind: 'pop',
      dueTimestamp: 9000,
      ...place,
      attempt: 0b111,
    } as const
    await shop.store.commit({ alarmsPut: [run] })
    await shop.store.flush()
    await shop.store.commit({ alarmsPut: [{ ...run, attempt: 0b100 }] })
    await shop.reopen()
    expect(shop.store.alarms.due(9000, 10)).toEqual([{ ...run, attempt: 0b100 }])
    expect(shop.store.alarms.takeId()).toBe(run.id + 1)
    expect(shop.store.alarms.invisibleCount(shop.group().uid)).toBe(1)
    await shop.expectSound()
  })

  test('completes the settings of a group that an earlier release stored', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory() })
    const old = { group: 'old', consumeEnable: false, consumeBroadcastEnable: true, retryQueueNums: 3 }
    await shop.store.commit({ groups: [old as GroupConfig] })
    const complete = { ...defaultGroupConfig('old'), ...old }
    expect(shop.group('old').config).toEqual(complete)
    await shop.reopen()
    expect(shop.group('old').config).toEqual(complete)
  })

  test('never gives the identity of a deleted topic or group to another', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory() })
    const topic = await shop.createTopic()
    const group = await shop.createGroup()
    await shop.store.commit({ topicsDeleted: [topic], groupsDeleted: [group] })
    await shop.reopen()
    expect((await shop.createTopic()).uid).toBeGreaterThan(topic.uid)
    expect((await shop.createGroup()).uid).toBeGreaterThan(group.uid)
  })

  test('goes on with offsets, and never with an earlier store time', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory() })
    await shop.createTopic()
    const before = await shop.send('a')
    shop.clock.jump(-60_000)
    await shop.reopen()
    expect(await shop.send('b')).toMatchObject({ queueOffset: 1, storeTimestamp: before.storeTimestamp })
  })

  test('is refused while the store is open, and allowed once it is closed', async () => {
    const path = await temporaryDirectory()
    const shop = await openStore({ storage: 'disk', path })
    await expect(
      openStore({ storage: 'disk', path: `${path}/../${path.split('/').at(-1)}` }),
    ).rejects.toThrow(mqError('STORE_LOCKED', `pid ${process.pid}`))
    await shop.reopen()
  })

  test('many times costs nothing and loses nothing', async () => {
    const shop = await openStore({ storage: 'disk', path: await temporaryDirectory() })
    await shop.createTopic()
    for (let i = 0; i < 5; i++) {
      await shop.send(`m${i}`)
      await shop.reopen()
    }
    expect(await shop.bodies()).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
  })
})
