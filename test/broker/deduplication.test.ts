import { describe, expect, test, vi } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import { parseMessageId } from '../../src/model/message-id.ts'
import { messageIdFor } from '../../src/model/message-id-for.ts'
import { Permission } from '../../src/model/topic.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { findExplicit } from '../../src/store/queries.ts'
import { isApplied } from '../../src/store/sent-ids.ts'
import { DEFAULT_STORE_OPTIONS } from '../../src/store/store-options.ts'
import { type ClientHost, openShop } from '../helpers/client-host.ts'
import { mqError } from '../helpers/expect-error.ts'
import { FaultMedium } from '../helpers/fault-medium.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Signal } from '../helpers/signal.ts'
import type { Call } from '../store/faults/call-gate.ts'
import { openOn } from './delayed-set-up.ts'

const WINDOW_MS = 60_000
const order = { topic: 'orders', body: 'o-42' }
const messageId = messageIdFor('o-42 paid')

const openOnce = (queueNums = 1): Promise<ClientHost> =>
  openShop(queueNums, { broker: { deduplicationWindowMs: WINDOW_MS } })

/** Everything in the queues of `orders`. */
async function texts(host: ClientHost, queueNums = 1): Promise<string[]> {
  const found: string[] = []
  for (let queueId = 0; queueId < queueNums; queueId++) {
    const queue = host.queue('orders', queueId)
    const count = await host.broker.maxOffset(queue)
    for (let offset = 0; offset < count; offset++)
      found.push((await host.broker.viewMessage(queue, offset)).text())
  }
  return found
}

/** So many sends behind a message that only the index remembers it. */
async function sendOthers(producer: Producer, count = 1100): Promise<void> {
  const sends = Array.from({ length: count }, (_, i) =>
    producer.send({ ...order, body: 'other' }, { messageId: messageIdFor(`other ${i}`) }),
  )
  await Promise.all(sends)
}

describe('A send with a messageId', () => {
  test('stores the message under it, and its repetition stores nothing', async () => {
    const host = await openOnce(4)
    const producer = await host.producer()
    const first = await producer.send(order, { messageId })
    const again = await producer.send(order, { messageId })
    expect(first.messageId).toBe(messageId)
    expect(first.isDuplicate).toBeUndefined()
    const { queue, queueOffset, offsetMessageId, storeTimestamp } = first
    expect(again).toEqual({
      status: 'SEND_OK',
      durability: 'MEMORY',
      messageId,
      messageIds: [messageId],
      messageCount: 1,
      queue,
      queueOffset,
      offsetMessageId,
      storeTimestamp,
      isDuplicate: true,
    })
    expect(await texts(host, 4)).toEqual(['o-42'])
    expect(await host.broker.queryMessagesById(messageId)).toHaveLength(1)
  })

  test('is found by another producer, at the same time, and by the index alone', async () => {
    const host = await openOnce()
    const producers = [await host.producer(), await host.producer()]
    const sends = [0, 1, 0, 1].map((i) => producers[i]!.send(order, { messageId }))
    const receipts = await Promise.all(sends)
    expect(receipts.filter(({ isDuplicate }) => isDuplicate !== true)).toHaveLength(1)
    await sendOthers(producers[0]!)
    const late = await producers[1]!.send(order, { messageId })
    expect(late).toMatchObject({
      isDuplicate: true,
      queueOffset: 0,
      messageIds: [messageId],
      messageCount: 1,
    })
    expect(late.offsetMessageId).toBe(receipts[0]!.offsetMessageId)
    expect(await host.broker.maxOffset(host.queue())).toBe(1101)
  })

  test.each([0, 1100])('is a new one at the end of the window, behind %i others', async (others) => {
    const host = await openOnce()
    const producer = await host.producer()
    await producer.send(order, { messageId })
    await sendOthers(producer, others)
    await host.clock.advance(WINDOW_MS - 1)
    await expect(producer.send(order, { messageId })).resolves.toMatchObject({
      isDuplicate: true,
      queueOffset: 0,
    })
    await host.clock.advance(1)
    const second = await producer.send(order, { messageId })
    expect([second.isDuplicate, second.queueOffset]).toEqual([undefined, others + 1])
    await expect(producer.send(order, { messageId })).resolves.toMatchObject({ queueOffset: others + 1 })
  })

  test.each([0, 1100])('is a new one in a topic that was made anew, behind %i others', async (others) => {
    const host = await openOnce()
    const producer = await host.producer()
    await producer.send(order, { messageId })
    await sendOthers(producer, others)
    await host.broker.deleteTopic('orders')
    const second = await producer.send(order, { messageId })
    expect([second.isDuplicate, second.queueOffset]).toEqual([undefined, 0])
    await expect(producer.send(order, { messageId })).resolves.toMatchObject({ isDuplicate: true })
    expect(await texts(host, 4)).toEqual(['o-42'])
  })

  test('is found in every generation of retention that the window touches', async () => {
    const retention = { ...DEFAULT_STORE_OPTIONS.retention, maxAgeMs: 240_000 }
    const host = await openShop(1, { broker: { deduplicationWindowMs: WINDOW_MS }, store: { retention } })
    const producer = await host.producer()
    await producer.send(order, { messageId })
    for (let i = 0; i < 4; i++) {
      await host.clock.advance(12_000)
      await producer.send(order)
    }
    await sendOthers(producer)
    expect(host.store.applied.state.generations.length).toBeGreaterThan(3)
    await expect(producer.send(order, { messageId })).resolves.toMatchObject({
      isDuplicate: true,
      queueOffset: 0,
    })
    await host.clock.advance(12_000)
    const second = await producer.send(order, { messageId })
    expect(second.isDuplicate).toBeUndefined()
  })

  test('is remembered until the index has the queue that it lies in', async () => {
    const host = await openOnce(2)
    const producer = await host.producer()
    const { queue, queueOffset } = await producer.send(order, { messageId, queue: host.queue('orders', 1) })
    const again = await producer.send(order, { messageId, queue: host.queue('orders', 0) })
    expect(again).toMatchObject({ queue, queueOffset, isDuplicate: true })
    await host.broker.queryMessagesById(messageId)
    const { applied } = host.store
    const known = [queue, host.queue('orders', 0), host.queue('gone', 0)].map((each) =>
      isApplied(applied, each, 0),
    )
    expect(known).toEqual([true, false, true])
  })

  test('counts for its topic only, and a retry is none', async () => {
    const host = await openOnce()
    await host.createTopic('audit')
    const producer = await host.producer()
    await producer.send(order, { messageId })
    const other = await producer.send({ ...order, topic: 'audit' }, { messageId })
    expect(other.isDuplicate).toBeUndefined()
    await host.consumer({ listener: () => 'FAILURE', maxReconsumeTimes: 1 })
    await host.clock.advance(30_000)
    await sendOthers(producer)
    const again = await producer.send(order, { messageId })
    expect([again.queue.topic, again.queueOffset, again.isDuplicate]).toEqual(['orders', 0, true])
  })

  test('may be repeated when it was refused', async () => {
    const host = await openOnce()
    const producer = await host.producer()
    const topic = { topic: 'orders', readQueueNums: 1, writeQueueNums: 1 }
    const lookup = new Signal()
    const read = vi.spyOn(host.store, 'read').mockImplementationOnce(async (work) => {
      await lookup.promise
      return work()
    })
    const first = producer.send(order, { messageId })
    const second = producer.send(order, { messageId })
    await host.broker.updateTopic({ ...topic, permission: Permission.READ })
    lookup.resolve()
    await expect(first).rejects.toEqual(mqError('NO_PERMISSION'))
    await expect(second).rejects.toEqual(mqError('NO_PERMISSION'))
    await host.broker.updateTopic({ ...topic, permission: Permission.READ_WRITE })
    await expect(producer.send(order, { messageId })).resolves.toMatchObject({ queueOffset: 0 })
    expect(read).toHaveBeenCalledTimes(3)
  })

  test('fails when it cannot be looked for, and stores nothing', async () => {
    const host = await openOnce()
    const producer = await host.producer()
    vi.spyOn(host.store, 'read').mockRejectedValueOnce(new MQError('STORE_CORRUPTED', 'a bad row'))
    await expect(producer.send(order, { messageId })).rejects.toEqual(mqError('STORE_CORRUPTED', 'a bad row'))
    expect(await texts(host)).toEqual([])
    await expect(producer.send(order, { messageId })).resolves.toMatchObject({ queueOffset: 0 })
  })

  test('is refused when the store has failed, whether the first is safe or not', async () => {
    let isBroken = false
    const decide = ({ kind }: Call) => (isBroken && kind === 'journal.datasync' ? 'fails-before' : 'works')
    const options = { deduplicationWindowMs: WINDOW_MS }
    const shop = await openOn(new FaultMedium({ decide }), new ManualClock(), {}, options)
    await shop.createTopic()
    const send = (name: string) => {
      const messages = { ...shop.outgoing({ body: name }), messageId: parseMessageId(messageIdFor(name)) }
      return shop.sendTo(shop.queue(), { ...messages, isSentOnce: true })
    }
    await send('safe')
    await shop.store.flush()
    await send('not flushed')
    isBroken = true
    await shop.clock.advance(1000)
    expect(shop.store.state).toBe('failed')
    for (const name of ['safe', 'not flushed'])
      await expect(send(name)).rejects.toMatchObject({ code: 'STORE_FAILED', outcome: 'not-attempted' })
  })

  test('keeps the order of the calls, whichever lookup is quicker', async () => {
    const host = await openOnce()
    const producer = await host.producer()
    const slow = new Signal()
    vi.spyOn(host.store, 'read').mockImplementationOnce(async (work) => {
      await slow.promise
      return work()
    })
    const sends = ['a', 'b', 'c'].map((body) =>
      producer.send({ ...order, body }, { messageId: messageIdFor(body) }),
    )
    await host.clock.settle()
    expect(await texts(host)).toEqual([])
    slow.resolve()
    await Promise.all(sends)
    expect(await texts(host)).toEqual(['a', 'b', 'c'])
  })

  test('copies the body before it returns', async () => {
    const host = await openOnce()
    const producer = await host.producer()
    await producer.send(order)
    const body = Buffer.from('first')
    const sending = producer.send({ ...order, body }, { messageId })
    body.write('other')
    await sending
    expect(await texts(host)).toEqual(['o-42', 'first'])
  })

  test('leaves the ids of other messages in their runs', async () => {
    const host = await openOnce()
    const producer = await host.producer()
    await producer.send(order, { messageId })
    const { messageId: own } = await producer.send(order)
    for (const id of [messageId, own]) expect(await host.broker.queryMessagesById(id)).toHaveLength(1)
    const bytes = (id: string): Buffer => Buffer.from(id.slice(2), 'hex')
    const { applied } = host.store
    const generation = applied.state.generations[0]!.generation
    expect(await findExplicit(applied, generation, bytes(messageId))).toHaveLength(1)
    expect(await findExplicit(applied, generation, bytes(own))).toEqual([])
  })

  test('may be one-way, compressed, typed by its group, and seen by hooks', async () => {
    const host = await openOnce()
    const told: (boolean | undefined)[] = []
    const producer = await host.producer({
      compressMsgBodyOverHowmuchBytes: 10,
      sendHooks: [{ after: (_, { receipt }) => void told.push(receipt?.isDuplicate) }],
    })
    const message = { ...order, body: 'x'.repeat(500), messageGroup: 'o-42' }
    await producer.send(message, { messageId })
    producer.sendOneway(message, { messageId })
    await producer.close()
    expect(told).toEqual([undefined, true])
    expect(await texts(host)).toEqual(['x'.repeat(500)])
  })

  test.each<[string, object, object, string, string]>([
    ['what is no id', order, { messageId: 'o-42' }, 'INVALID_PARAMETER', 'messageIdFor'],
    ['a number', order, { messageId: 42 }, 'INVALID_PARAMETER', 'messageIdFor'],
    ['a batch', [order], { messageId }, 'MESSAGE_ILLEGAL', 'A batch'],
    ['a delayed message', { ...order, delayTimeLevel: 1 }, { messageId }, 'MESSAGE_ILLEGAL', 'A delayed'],
    ['what is illegal anyway', { ...order, body: '' }, { messageId }, 'MESSAGE_ILLEGAL', 'body'],
  ])('refuses %s', async (_, message, options, code, text) => {
    const host = await openOnce()
    const producer = await host.producer()
    await expect(producer.send(message as never, options)).rejects.toEqual(
      mqError(code as 'MESSAGE_ILLEGAL', text),
    )
    expect(await texts(host)).toEqual([])
  })

  test('is refused for a request and for a transaction', async () => {
    const host = await openOnce()
    const producer = await host.producer({ transactionChecker: () => 'UNKNOWN' })
    const transaction = producer.beginTransaction()
    await expect(producer.send(order, { messageId, transaction })).rejects.toEqual(mqError('MESSAGE_ILLEGAL'))
    await expect(producer.request(order, { messageId } as object)).rejects.toEqual(
      mqError('INVALID_PARAMETER'),
    )
  })

  test('is refused where nothing looks for duplicates', async () => {
    const host = await openShop()
    const producer = await host.producer()
    await expect(producer.send(order, { messageId })).rejects.toEqual(
      mqError('UNSUPPORTED', 'deduplicationWindowMs'),
    )
    expect(host.broker.supports.deduplication).toBe(true)
    expect(await texts(host)).toEqual([])
  })

  test('costs the others nothing: they are not looked for', async () => {
    const host = await openOnce()
    const read = vi.spyOn(host.store, 'read')
    const producer = await host.producer()
    await producer.send(order)
    expect(read).not.toHaveBeenCalled()
  })
})

describe('messageIdFor', () => {
  test('gives each key an id of its own, always the same', () => {
    expect(messageIdFor('o-42 paid')).toBe('016203799912D9FC4B252BE1E9FD18E642')
    expect(messageIdFor('o-43 paid')).not.toBe(messageId)
    expect(messageId).toMatch(/^01[0-9A-F]{32}$/)
  })

  test.each(['', undefined, 42])('refuses %j', (key) => {
    expect(() => messageIdFor(key as string)).toThrow(mqError('INVALID_PARAMETER', 'key'))
  })
})
