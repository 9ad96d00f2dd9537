import { describe, expect, test } from 'vitest'
import type { LitePullConsumer } from '../../src/consumer/lite-pull-consumer.ts'
import type { MessageView } from '../../src/model/message.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'

const DAY = 86_400_000
const letters = (text: string): string[] => text.split('')
const texts = (messages: readonly MessageView[]): string[] => messages.map((message) => message.text())
const BROADCASTING = { messageModel: 'broadcasting' } as const

/** All that polls get now. */
async function drain(host: ClientHost, consumer: LitePullConsumer): Promise<string[]> {
  const found: string[] = []
  for (;;) {
    await host.clock.settle()
    const messages = await consumer.poll({ timeoutMs: 0 })
    if (messages.length === 0) return found
    found.push(...texts(messages))
  }
}

const offsetOf = (host: ClientHost, clientId: string) =>
  host.broker.queryConsumerOffset('billing', host.queue(), clientId)

describe('Broadcasting lite pull consumers', () => {
  test('each get every message of every queue, and take no leases', async () => {
    const host = await openShop(3)
    const consumers = [await host.lite(BROADCASTING), await host.lite(BROADCASTING)]
    for (const queueId of [0, 1, 2]) await host.send([`${queueId}x`, `${queueId}y`], {}, queueId)
    for (const consumer of consumers) {
      expect(consumer.assignment()).toHaveLength(3)
      expect((await drain(host, consumer)).sort()).toEqual(['0x', '0y', '1x', '1y', '2x', '2y'])
    }
    expect(await host.broker.lockQueues('billing', 'stranger', [host.queue()])).toHaveLength(1)
    expect((await host.broker.queryTopics()).map(({ topic }) => topic)).toEqual(['orders'])
  })

  test('have offsets of their own, which a member of the same name continues', async () => {
    const host = await openShop()
    const ann = await host.lite({ ...BROADCASTING, clientId: 'ann' })
    const bob = await host.lite({ ...BROADCASTING, clientId: 'bob' })
    await host.send(letters('abc'))
    expect(await drain(host, ann)).toEqual(letters('abc'))
    await ann.commit()
    expect([await offsetOf(host, 'ann'), await offsetOf(host, 'bob')]).toEqual([3, undefined])
    expect([await ann.committed(host.queue()), await bob.committed(host.queue())]).toEqual([3, undefined])
    expect(await host.offset()).toBeUndefined()
    await ann.close()
    await host.send(letters('de'))
    const again = await host.lite({ ...BROADCASTING, clientId: 'ann' })
    expect(await again.position(host.queue())).toBe(3)
    expect(await drain(host, again)).toEqual(letters('de'))
    expect(await drain(host, bob)).toEqual(letters('abcde'))
  })

  test('begin where they wish without offsets, and forget them at the end without a name', async () => {
    const host = await openShop()
    await host.send(letters('ab'))
    const last = await host.lite(BROADCASTING)
    const first = await host.lite({ ...BROADCASTING, consumeFromWhere: 'FIRST_OFFSET' })
    await host.send(letters('c'))
    expect(await drain(host, last)).toEqual(['c'])
    expect(await drain(host, first)).toEqual(letters('abc'))
    await first.commit()
    await first.close()
    const again = await host.lite({ ...BROADCASTING, consumeFromWhere: 'FIRST_OFFSET' })
    expect(await drain(host, again)).toEqual(letters('abc'))
    expect((await host.broker.consumerProgress('billing')).queues.map(({ clientId }) => clientId)).toEqual([
      'client-2',
      'client-5',
    ])
  })

  test('are made only when it is known where they begin, so that what is sent then reaches them', async () => {
    const host = await openShop()
    await host.send(letters('ab'))
    const asked = new Signal()
    const { broker } = host
    host.replace({
      maxOffset: async (queue) => {
        const offset = await broker.maxOffset(queue)
        await asked.promise
        return offset
      },
    })
    let isMade = false
    const making = host.lite(BROADCASTING).finally(() => {
      isMade = true
    })
    await host.clock.settle()
    expect(isMade).toBe(false)
    asked.resolve()
    const consumer = await making
    await host.send(['c'])
    expect(await drain(host, consumer)).toEqual(['c'])
  })

  test('miss nothing of a topic or a queue that comes into being under their eyes', async () => {
    const host = await openShop()
    const consumer = await host.lite({ ...BROADCASTING, subscriptions: { orders: '*', later: '*' } })
    await host.clock.settle()
    const producer = await host.producer()
    await producer.send({ topic: 'later', body: 'x' })
    await host.broker.updateTopic({ topic: 'orders', readQueueNums: 2, writeQueueNums: 2, permission: 6 })
    await host.send(['y'], {}, 1)
    expect((await drain(host, consumer)).sort()).toEqual(['x', 'y'])
  })

  test('keep where they began by their first poll, also when nothing came', async () => {
    const host = await openShop()
    const consumer = await host.lite({ ...BROADCASTING, clientId: 'ann' })
    expect(await drain(host, consumer)).toEqual([])
    await host.clock.settle()
    expect(await offsetOf(host, 'ann')).toBe(0)
    await consumer.close()
    await host.send(['a'])
    expect(await drain(host, await host.lite({ ...BROADCASTING, clientId: 'ann' }))).toEqual(['a'])
  })

  test('go back and forth by themselves, and with a reset of their group', async () => {
    const host = await openShop()
    const consumer = await host.lite({ ...BROADCASTING, clientId: 'ann' })
    await host.send(letters('abc'))
    expect(await drain(host, consumer)).toEqual(letters('abc'))
    await consumer.commit()
    await consumer.seek(host.queue(), 1)
    expect(await drain(host, consumer)).toEqual(letters('bc'))
    await consumer.commit([[host.queue(), 0]])
    expect(await offsetOf(host, 'ann')).toBe(0)
    await host.broker.resetConsumerOffset('billing', 'orders', new Map([[0, 2]]))
    expect(await drain(host, consumer)).toEqual(['c'])
  })

  test('are told what they lost when nobody else knows their offsets', async () => {
    const retention = {
      maxAgeMs: DAY,
      maxBytes: Number.POSITIVE_INFINITY,
      intervalMs: Number.POSITIVE_INFINITY,
    }
    const host = await openShop(1, { store: { retention } })
    const consumer = await host.lite({ ...BROADCASTING, consumeFromWhere: 'FIRST_OFFSET', pullBatchSize: 1 })
    consumer.pause([host.queue()])
    await host.send(['a'])
    await host.clock.advance(3 * DAY)
    await host.send(['b'])
    await host.clock.advance(3 * DAY)
    await host.store.trim()
    consumer.resume([host.queue()])
    expect(await drain(host, consumer)).toEqual(['b'])
    expect(host.events('message-lost')).toEqual([
      expect.objectContaining({ reason: 'retention', fromOffset: 0, toOffset: 1, clientId: 'client-1' }),
    ])
  })

  test('are refused by a group that does not permit them, and so is what has no meaning for them', async () => {
    const host = await openShop()
    await expect(host.lite({ messageModel: 'nobody' as never })).rejects.toEqual(mqError('INVALID_PARAMETER'))
    const assigning = { ...BROADCASTING, subscriptions: undefined }
    await expect(host.lite({ ...assigning, subExpressionForAssign: { orders: 'a' } })).rejects.toEqual(
      mqError('INVALID_PARAMETER', "messageModel 'broadcasting' is for subscriptions"),
    )
    const consumer = await host.lite(assigning)
    await expect(consumer.assign([host.queue()])).rejects.toEqual(
      mqError('INVALID_PARAMETER', "messageModel 'broadcasting' subscribes to topics"),
    )
    const [group] = await host.broker.queryGroups()
    await host.broker.createGroup({ ...group!, consumeBroadcastEnable: false })
    await expect(host.lite(BROADCASTING)).rejects.toEqual(mqError('NO_PERMISSION', 'broadcasting'))
    await expect(consumer.subscribe('orders', '*')).rejects.toEqual(mqError('NO_PERMISSION', 'broadcasting'))
  })
})

describe('A broadcasting loop', () => {
  test('goes on under its name after a crash, and begins anew without one', async () => {
    const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
    const seen: string[] = []
    const begin = async (on: TestMQ, clientId: string | undefined): Promise<void> => {
      const options = { group: 'billing', subscriptions: { orders: '*' }, clientId, ...BROADCASTING }
      const consumer = await on.createLitePullConsumer(options)
      void (async () => {
        for await (const message of consumer) seen.push(`${clientId} ${message.text()}`)
      })().catch(() => undefined)
    }
    const send = async (on: TestMQ, body: string): Promise<void> => {
      const producer = await on.createProducer({ group: 'shop' })
      await producer.send({ topic: 'orders', body })
      await producer.close()
      await on.clock.rest()
    }
    await begin(mq, 'ann')
    await begin(mq, undefined)
    await send(mq, 'a')
    await using reopened = await mq.crash()
    await send(reopened, 'b')
    await begin(reopened, 'ann')
    await begin(reopened, undefined)
    await send(reopened, 'c')
    await reopened.settled()
    expect(seen.toSorted()).toEqual(['ann a', 'ann b', 'ann c', 'undefined a', 'undefined c'])
  })
})
