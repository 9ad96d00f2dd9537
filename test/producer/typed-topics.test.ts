import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { MQError } from '../../src/model/errors.ts'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { checkOrder, type Order, schemaOf } from '../helpers/schemas.ts'
import { Signal } from '../helpers/signal.ts'

const orders = defineTopic({ name: 'orders', schema: schemaOf<Order>(checkOrder) })
const order: Order = { id: 'o-1', amount: 2 }

async function open() {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }] })
  const producer = await mq.createProducer({
    group: 'shop',
    transactionChecker: () => 'UNKNOWN',
  })
  const stored = async () => (await mq.admin.browse('orders')).map((message) => message.text())
  return { mq, producer, stored }
}

/** A schema that answers when it is told to, message by message. */
function slowTopic() {
  const gates = new Map<string, Signal>()
  const schema = schemaOf<Order>(async (value) => {
    const { id } = value as Order
    const gate = new Signal()
    gates.set(id, gate)
    await gate.promise
    return checkOrder(value)
  })
  return { topic: defineTopic({ name: 'orders', schema }), gates }
}

describe('Sending a value', () => {
  test('stores it as JSON, with all that a message has', async () => {
    const { mq, producer } = await open()
    const receipt = await producer.send({
      topic: orders,
      body: order,
      tag: 'paid',
      keys: ['o-1'],
      messageGroup: 'g',
    })
    const stored = await mq.admin.queryMessageById(receipt.messageId)
    expect(stored).toMatchObject({ topic: 'orders', tag: 'paid', keys: ['o-1'], messageGroup: 'g' })
    expect(stored.json()).toEqual(order)
  })

  test('writes nothing that the schema refuses, and lists why', async () => {
    const { producer, stored } = await open()
    const wrong = { id: 7, amount: 'two' } as unknown as Order
    const error = await producer.send({ topic: orders, body: wrong }).catch((caught: unknown) => caught)
    expect(error).toEqual(mqError('SCHEMA_MISMATCH', 'id: must be a string; amount: must be a number'))
    expect((error as MQError).issues).toEqual([
      { path: ['id'], message: 'must be a string' },
      { path: ['amount'], message: 'must be a number' },
    ])
    expect(await stored()).toEqual([])
  })

  test('stores the input of a schema that transforms, not its output', async () => {
    const { mq, producer, stored } = await open()
    const schema = z.object({ at: z.iso.datetime().transform((text) => new Date(text)) })
    const topic = defineTopic({ name: 'orders', schema })
    await producer.send({ topic, body: { at: '2030-01-01T00:00:00Z' } })
    expect(await stored()).toEqual(['{"at":"2030-01-01T00:00:00Z"}'])
    const [message] = await mq.admin.browse('orders')
    expect(await topic.parse(message!)).toEqual({ at: new Date('2030-01-01T00:00:00Z') })
  })

  test('takes the value as it is at the call', async () => {
    const { mq, producer, stored } = await open()
    const body = { id: 'o-1', amount: 1 }
    const { topic, gates } = slowTopic()
    const properties = { region: 'eu' }
    const sending = producer.send({ topic, body, properties })
    body.amount = 99
    properties.region = 'us'
    gates.get('o-1')?.resolve()
    const { messageId } = await sending
    expect(await stored()).toEqual(['{"id":"o-1","amount":1}'])
    expect((await mq.admin.queryMessageById(messageId)).properties).toMatchObject({ region: 'eu' })
  })

  test('leaves fields out that are undefined, as JSON does', async () => {
    const { producer, stored } = await open()
    const topic = defineTopic({
      name: 'orders',
      schema: z.object({ id: z.string(), note: z.string().optional() }),
    })
    await producer.send({ topic, body: { id: 'o-1', note: undefined } })
    expect(await stored()).toEqual(['{"id":"o-1"}'])
  })

  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  test.each([
    ['undefined', undefined, 'JSON has no undefined'],
    ['a function', () => 1, 'JSON has no function'],
    ['a BigInt', { amount: 1n }, 'it cannot be written as JSON: '],
    ['a circle', cyclic, 'it cannot be written as JSON: '],
    [
      'what throws when it is written',
      {
        toJSON: () => {
          throw new Error('odd')
        },
      },
      'JSON: odd',
    ],
  ])('refuses %s, which has no JSON', async (_, body, text) => {
    const { producer, stored } = await open()
    const topic = defineTopic({ name: 'orders', schema: z.any() })
    await expect(producer.send({ topic, body })).rejects.toEqual(mqError('SCHEMA_MISMATCH', text))
    expect(await stored()).toEqual([])
  })

  test.each([
    ['a Date', z.date(), new Date(0), 'JSON does not keep a Date'],
    ['a Map', z.map(z.string(), z.number()), new Map([['a', 1]]), 'JSON does not keep a Map'],
    ['NaN', z.nan(), Number.NaN, 'JSON does not keep NaN'],
    ['undefined in a list', z.array(z.undefined()), [undefined], 'value[0]: '],
  ])('asks the schema about what JSON makes of %s', async (_, schema, value, text) => {
    const { producer } = await open()
    const topic = defineTopic({ name: 'orders', schema: z.object({ value: schema }) })
    await expect(producer.send({ topic, body: { value } as never })).rejects.toEqual(
      mqError('SCHEMA_MISMATCH', text),
    )
  })

  test('takes a Date where the schema reads its text', async () => {
    const { producer, stored } = await open()
    const topic = defineTopic({ name: 'orders', schema: z.object({ at: z.coerce.date() }) })
    await producer.send({ topic, body: { at: new Date(0) } })
    expect(await stored()).toEqual(['{"at":"1970-01-01T00:00:00.000Z"}'])
  })

  test('says so when the schema throws or rejects, and writes nothing', async () => {
    const { producer, stored } = await open()
    const throwing = defineTopic({
      name: 'orders',
      schema: schemaOf<Order>(() => {
        throw new Error('odd')
      }),
    })
    const rejecting = defineTopic({
      name: 'orders',
      schema: schemaOf<Order>(() => Promise.reject(new Error('odd'))),
    })
    for (const topic of [throwing, rejecting]) {
      const failing = producer.send({ topic, body: order })
      await expect(failing).rejects.toEqual(
        mqError('INVALID_PARAMETER', "The schema of 'orders' failed: odd"),
      )
    }
    expect(await stored()).toEqual([])
  })

  test('hands the selector the message as it is stored', async () => {
    const { producer } = await open()
    let seen: unknown
    await producer.send(
      { topic: orders, body: order },
      {
        selector: (queues, message) => {
          seen = message
          return queues[0]!
        },
      },
    )
    expect(seen).toMatchObject({ topic: 'orders', body: JSON.stringify(order) })
  })

  test('refuses a topic of another make', async () => {
    const { producer } = await open()
    const topic = { name: 'orders', schema: orders.schema }
    const sending: Promise<unknown> = Reflect.apply(producer.send, producer, [{ topic, body: order }])
    await expect(sending).rejects.toEqual(mqError('INVALID_PARAMETER'))
  })
})

describe('Values in batches, delayed, in transactions and one-way', () => {
  test('a batch is refused as a whole, naming the message', async () => {
    const { producer, stored } = await open()
    const good = { topic: orders, body: order }
    const bad = { topic: orders, body: { id: 'o-2' } as Order }
    await expect(producer.send([good, bad])).rejects.toEqual(
      mqError('SCHEMA_MISMATCH', 'Message 1 of the batch: '),
    )
    expect(await stored()).toEqual([])
    const { messageCount } = await producer.send([good, good])
    expect(messageCount).toBe(2)
  })

  test('a batch may wait for its schemas, and buffers in it may be used again', async () => {
    const { producer, stored } = await open()
    const { topic, gates } = slowTopic()
    const buffer = Buffer.from('"first"')
    const sending = producer.send([
      { topic: 'orders', body: buffer },
      { topic, body: order },
    ] as never)
    buffer.fill('.')
    gates.get('o-1')?.resolve()
    await sending
    expect(await stored()).toEqual(['"first"', JSON.stringify(order)])
  })

  test('a delayed value is checked when it is sent, and arrives in its time', async () => {
    const { mq, producer, stored } = await open()
    const wrong = { id: 7 } as unknown as Order
    const delayed = { topic: orders, delayTimeLevel: 1 } as const
    await expect(producer.send({ ...delayed, body: wrong })).rejects.toEqual(mqError('SCHEMA_MISMATCH'))
    await producer.send({ ...delayed, body: order })
    expect(await stored()).toEqual([])
    await mq.clock.advance('1s')
    expect(await stored()).toEqual([JSON.stringify(order)])
  })

  test('a transaction is given the value; one that is refused runs nothing', async () => {
    const { producer, stored } = await open()
    const amounts: number[] = []
    const run = (body: Order) =>
      producer.sendInTransaction({ topic: orders, body }, (message) => {
        amounts.push(message.body.amount)
        return 'COMMIT'
      })
    await expect(run({ id: 'o-2' } as Order)).rejects.toEqual(mqError('SCHEMA_MISMATCH'))
    await run(order)
    expect(amounts).toEqual([2])
    expect(await stored()).toEqual([JSON.stringify(order)])
  })

  test('a request is checked, and replied to', async () => {
    const { mq, producer, stored } = await open()
    await mq.createPushConsumer({
      group: 'desk',
      topics: [orders],
      listener: async (message) => void (await message.reply(`${message.value.amount}`)),
    })
    const wrong = { id: 'o-1' } as Order
    await expect(producer.request({ topic: orders, body: wrong })).rejects.toEqual(mqError('SCHEMA_MISMATCH'))
    expect(await stored()).toEqual([])
    expect((await producer.request({ topic: orders, body: order })).text()).toBe('2')
  })

  test('one-way: a refusal at once is thrown, a later one told', async () => {
    const { mq, producer, stored } = await open()
    const errors: MQError[] = []
    mq.on('error', (error) => errors.push(error))
    const wrong = { id: 'o-1' } as Order
    expect(() => producer.sendOneway({ topic: orders, body: wrong })).toThrow(mqError('SCHEMA_MISMATCH'))
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 0, onewayFailedCount: 0 })
    const { topic, gates } = slowTopic()
    producer.sendOneway({ topic, body: wrong })
    expect(producer.stats.onewayOutstandingCount).toBe(1)
    gates.get('o-1')?.resolve()
    await mq.clock.rest()
    expect(errors).toEqual([mqError('SCHEMA_MISMATCH')])
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 0, onewayFailedCount: 1 })
    expect(await stored()).toEqual([])
  })

  test('one-way: close waits for the schema, and for the send', async () => {
    const { producer, stored } = await open()
    const { topic, gates } = slowTopic()
    producer.sendOneway({ topic, body: order })
    const closing = producer.close()
    gates.get('o-1')?.resolve()
    await closing
    expect(await stored()).toEqual([JSON.stringify(order)])
  })
})

describe('Schemas that answer later', () => {
  test('are all asked at once, and what they let pass is sent in the order of the calls', async () => {
    const { producer, stored } = await open()
    const { topic, gates } = slowTopic()
    const send = (id: string, amount = 1) => producer.send({ topic, body: { id, amount } })
    const sending = [send('a'), send('b', 'wrong' as never), send('c')]
    const settled = Promise.allSettled(sending)
    expect([...gates.keys()]).toEqual(['a', 'b', 'c'])
    gates.get('c')?.resolve()
    gates.get('b')?.resolve()
    expect(await stored()).toEqual([])
    gates.get('a')?.resolve()
    expect((await settled).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await stored()).toEqual(['{"id":"a","amount":1}', '{"id":"c","amount":1}'])
  })

  test('hold up those behind that answer at once, of the same topic only', async () => {
    const { mq, producer, stored } = await open()
    const { topic, gates } = slowTopic()
    const others = defineTopic({ name: 'others', schema: schemaOf<Order>(checkOrder) })
    const slow = producer.send({ topic, body: { id: 'a', amount: 1 } })
    const fast = producer.send({ topic: orders, body: { id: 'b', amount: 2 } })
    await producer.send({ topic: others, body: order })
    await mq.clock.rest()
    expect(await stored()).toEqual([])
    gates.get('a')?.resolve()
    await Promise.all([slow, fast])
    expect(await stored()).toEqual(['{"id":"a","amount":1}', '{"id":"b","amount":2}'])
  })

  test('give way to a signal that fires meanwhile', async () => {
    const { producer, stored } = await open()
    const { topic, gates } = slowTopic()
    const controller = new AbortController()
    const sending = producer.send({ topic, body: order }, { signal: controller.signal })
    controller.abort()
    gates.get('o-1')?.resolve()
    await expect(sending).rejects.toEqual(mqError('ABORTED'))
    expect(await stored()).toEqual([])
  })

  test('do not hide that the producer is closed', async () => {
    const { producer } = await open()
    await producer.close()
    await expect(producer.send({ topic: orders, body: order })).rejects.toEqual(mqError('CLOSED'))
  })
})
