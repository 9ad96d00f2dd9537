import { describe, expect, test } from 'vitest'
import type { MQError } from '../../src/model/errors.ts'
import { defineTopic } from '../../src/model/typed-topic.ts'
import { createTestMQ, type TestMQOptions } from '../../src/testing/index.ts'
import { mqError } from '../helpers/expect-error.ts'
import { schemaOf } from '../helpers/schemas.ts'
import { Signal } from '../helpers/signal.ts'

/** Schemas that answer when they are told to, value by value. */
async function open(options: TestMQOptions = {}) {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }], ...options })
  const errors: MQError[] = []
  mq.on('error', (error) => errors.push(error))
  const producer = await mq.createProducer({ group: 'shop' })
  const stored = async () => (await mq.admin.browse('orders')).map((message) => message.json())
  const gates = new Map<string, Signal>()
  const schema = schemaOf<string>(async (value) => {
    const gate = new Signal()
    gates.set(value as string, gate)
    await gate.promise
    return value === 'wrong' ? { issues: [{ message: 'wrong' }] } : { value: value as string }
  })
  const topic = defineTopic({ name: 'orders', schema })
  return { mq, errors, producer, stored, gates, topic }
}

const late = mqError('SEND_TIMEOUT', 'while it waited for a schema; nothing was written')
const closed = expect.objectContaining({ code: 'CLOSED', outcome: 'not-attempted' })

describe('A send whose schema does not answer', () => {
  test('rejects when its time is over, and is not stored when the schema answers then', async () => {
    const { mq, producer, stored, gates, topic } = await open()
    const sending = producer.send({ topic, body: 'a' }, { timeoutMs: 100 }).catch((error: unknown) => error)
    const usual = producer.send({ topic, body: 'b' }).catch((error: unknown) => error)
    await mq.clock.advance('100ms')
    const error = await sending
    expect(error).toEqual(late)
    expect(error).toMatchObject({ outcome: 'not-attempted' })
    await mq.clock.advance('2900ms')
    expect(await usual).toEqual(late)
    for (const gate of gates.values()) gate.resolve()
    await mq.clock.rest()
    expect(await stored()).toEqual([])
  })

  test('rejects when its signal fires', async () => {
    const { producer, topic } = await open()
    const controller = new AbortController()
    const sending = producer.send({ topic, body: 'a' }, { signal: controller.signal })
    controller.abort('enough')
    await expect(sending).rejects.toMatchObject({
      code: 'ABORTED',
      outcome: 'not-attempted',
      cause: 'enough',
    })
  })

  test('gives those behind it their turn, and lets nobody overtake those before', async () => {
    const { mq, producer, stored, gates, topic } = await open()
    const first = producer.send({ topic, body: 'first' }, { timeoutMs: 1000 })
    const hanging = producer.send({ topic, body: 'hangs' }, { timeoutMs: 100 }).catch(() => undefined)
    const last = producer.send({ topic, body: 'last' }, { timeoutMs: 1000 })
    gates.get('last')?.resolve()
    await mq.clock.advance('100ms')
    await hanging
    expect(await stored()).toEqual([])
    gates.get('first')?.resolve()
    await Promise.all([first, last])
    expect(await stored()).toEqual(['first', 'last'])
  })

  test('is refused while one before it waits', async () => {
    const { producer, gates, topic } = await open()
    const first = producer.send({ topic, body: 'first' })
    const wrong = producer.send({ topic, body: 'wrong' })
    gates.get('wrong')?.resolve()
    await expect(wrong).rejects.toEqual(mqError('SCHEMA_MISMATCH'))
    gates.get('first')?.resolve()
    await first
  })

  test('takes room: beyond maxPendingSendBytes the next is refused', async () => {
    const { producer, stored, gates, topic } = await open({ limits: { maxPendingSendBytes: 100 } })
    const body = 'a'.repeat(90)
    const first = producer.send({ topic, body })
    await expect(producer.send({ topic, body: 'second' })).rejects.toEqual(
      mqError('SYSTEM_BUSY', 'wait for schemas'),
    )
    gates.get(body)?.resolve()
    await first
    const third = producer.send({ topic, body: 'third' })
    gates.get('third')?.resolve()
    await third
    expect(await stored()).toEqual([body, 'third'])
  })

  test('is told of when nobody waits for it', async () => {
    const { mq, errors, producer, topic } = await open()
    producer.sendOneway({ topic, body: 'a' })
    await mq.clock.advance('3s')
    expect(errors).toEqual([late])
    expect(producer.stats).toMatchObject({ onewayOutstandingCount: 0, onewayFailedCount: 1 })
  })
})

describe('A producer that closes before a schema has answered', () => {
  test('refuses the send: nothing of it is stored behind its end', async () => {
    const { mq, producer, stored, gates, topic } = await open()
    const sending = producer.send({ topic, body: 'a' }).catch((error: unknown) => error)
    await producer.close()
    expect(await sending).toEqual(closed)
    gates.get('a')?.resolve()
    await mq.clock.rest()
    expect(await stored()).toEqual([])
  })

  test('refuses a request in the same way', async () => {
    const { mq, producer, stored, gates, topic } = await open()
    const requesting = producer.request({ topic, body: 'a' }).catch((error: unknown) => error)
    await mq.clock.rest()
    await producer.close()
    expect(await requesting).toEqual(closed)
    gates.get('a')?.resolve()
    await mq.clock.rest()
    expect(await stored()).toEqual([])
  })

  test('gives one-way sends its closeTimeoutMs at most', async () => {
    const { mq, errors, stored, gates, topic } = await open()
    const producer = await mq.createProducer({ group: 'shop', sendMsgTimeoutMs: 5000, closeTimeoutMs: 1000 })
    producer.sendOneway({ topic, body: 'a' })
    const closing = producer.close()
    await mq.clock.advance('1s')
    await closing
    expect(errors).toEqual([mqError('SEND_TIMEOUT', '1 one-way sends'), closed])
    gates.get('a')?.resolve()
    await mq.clock.rest()
    expect(await stored()).toEqual([])
  })
})

describe('A value that its schema refuses', () => {
  const refusing = (path: PropertyKey[], isLater: boolean) => {
    const answer = { issues: [{ message: 'no', path }] }
    return defineTopic({
      name: 'orders',
      schema: schemaOf<unknown>(() => (isLater ? Promise.resolve(answer) : answer)),
    })
  }
  const odd = {
    toJSON: () => ({ a: 1 }),
    get a() {
      throw new TypeError('odd')
    },
  }
  class Nameless {
    toJSON() {
      return 1
    }
  }
  Object.defineProperty(Nameless, 'name', { value: Symbol('nameless') })

  test.each([true, false])('needs no words for what JSON made of it (answers later: %o)', async (isLater) => {
    const { producer, gates, topic } = await open()
    const first = producer.send({ topic, body: 'first' })
    // Nobody waits for the first when these reject.
    const refused = [
      producer.send({ topic: refusing(['a'], isLater), body: odd }),
      producer.send({ topic: refusing(['a'], isLater), body: { a: new Nameless() } }),
    ]
    for (const sending of refused) await expect(sending).rejects.toEqual(mqError('SCHEMA_MISMATCH', 'a: no.'))
    gates.get('first')?.resolve()
    await first
  })
})
