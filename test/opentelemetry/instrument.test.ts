import { describe, expect, test } from 'vitest'
import { ConsumeResult } from '../../src/consumer/message-listener.ts'
import { instrument } from '../../src/opentelemetry/instrument.ts'
import { createTestMQ } from '../../src/testing/test-mq.ts'
import { mqError } from '../helpers/expect-error.ts'
import { Signal } from '../helpers/signal.ts'
import { FakeTelemetry } from './fake-api.ts'

async function open() {
  const mq = await createTestMQ()
  const telemetry = new FakeTelemetry()
  const stop = instrument(mq, telemetry)
  const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
  return { mq, telemetry, stop, producer }
}

describe('A send span', () => {
  test('says by the conventions what was sent, below the span in force, and travels with the message', async () => {
    const { mq, telemetry, producer } = await open()
    const outer = telemetry.ownTracer.startSpan('checkout')
    const message = { topic: 'orders', body: 'xyz', tag: 'paid', keys: ['o-1'], messageGroup: 'c-7' }
    const { messageId, queue } = await telemetry.withSpan(outer, () => producer.send(message))
    const [span] = telemetry.named('send orders')
    expect(span!.options.kind).toBe(3)
    expect(span!.attributes).toEqual({
      'messaging.system': 'rocketmq',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.client.id': 'p1',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': String(queue.queueId),
      'messaging.message.id': messageId,
      'messaging.message.body.size': 3,
      'messaging.rocketmq.message.type': 'fifo',
      'messaging.rocketmq.message.tag': 'paid',
      'messaging.rocketmq.message.keys': ['o-1'],
      'messaging.rocketmq.message.group': 'c-7',
    })
    expect(span).toMatchObject({ endCount: 1, status: undefined, parentSpanId: outer.spanContext().spanId })
    const { traceId, spanId } = span!.spanContext()
    const stored = await mq.admin.queryMessageById(messageId)
    expect(stored.properties.traceparent).toBe(`00-${traceId}-${spanId}-01`)
    expect(telemetry.tracerNames).toEqual(['pocketmq'])
    await mq.close()
  })

  test('of a batch says how many, and each of them carries it', async () => {
    const { mq, telemetry, producer } = await open()
    const { messageIds } = await producer.send(['x', 'y'].map((body) => ({ topic: 'orders', body })))
    const [span] = telemetry.named('send orders')
    expect(span!.attributes).toMatchObject({ 'messaging.batch.message_count': 2 })
    expect(span!.attributes).not.toHaveProperty('messaging.message.id')
    const stored = await Promise.all(messageIds.map((id) => mq.admin.queryMessageById(id)))
    const { traceId, spanId } = span!.spanContext()
    const traceparent = `00-${traceId}-${spanId}-01`
    expect(stored.map(({ properties }) => properties.traceparent)).toEqual([traceparent, traceparent])
    await mq.close()
  })

  test('says why a send failed', async () => {
    const { mq, telemetry, producer } = await open()
    mq.faults.failSend({ code: 'DISK_FULL' })
    await expect(producer.send({ topic: 'orders', body: 'x' })).rejects.toEqual(mqError('DISK_FULL'))
    const [span] = telemetry.named('send orders')
    expect(span!.attributes).toMatchObject({ 'error.type': 'DISK_FULL' })
    expect(span).toMatchObject({ endCount: 1, status: { code: 2 } })
    await mq.close()
  })

  test('leaves a context alone that the application put into the message', async () => {
    const { mq, producer } = await open()
    const properties = { traceparent: 'of my own' }
    const { messageId } = await producer.send({ topic: 'orders', body: 'x', properties })
    expect((await mq.admin.queryMessageById(messageId)).properties.traceparent).toBe('of my own')
    await mq.close()
  })
})

describe('A process span', () => {
  test('begins a trace of its own that links to the send, and is in force within the listener', async () => {
    const { mq, telemetry, producer } = await open()
    const seen: unknown[] = []
    await mq.createPushConsumer({
      group: 'billing',
      clientId: 'b1',
      subscriptions: { orders: '*' },
      listener: async () => {
        await mq.clock.sleep(5)
        seen.push(telemetry.active)
      },
    })
    const outer = telemetry.ownTracer.startSpan('checkout')
    const send = () => producer.send({ topic: 'orders', body: 'xyz' })
    const { messageId, queue } = await telemetry.withBaggage('user=7', () => telemetry.withSpan(outer, send))
    await mq.settled({ horizon: '1s' })
    const [sent] = telemetry.named('send orders')
    const [span] = telemetry.named('process orders')
    expect(span!.options).toMatchObject({ kind: 4, root: true })
    expect(span!.options.links).toMatchObject([{ context: { spanId: sent!.spanContext().spanId } }])
    expect(span!.parentSpanId).toBeUndefined()
    expect(span!.attributes).toEqual({
      'messaging.system': 'rocketmq',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.client.id': 'b1',
      'messaging.consumer.group.name': 'billing',
      'messaging.destination.name': 'orders',
      'messaging.destination.partition.id': String(queue.queueId),
      'messaging.message.id': messageId,
      'messaging.message.body.size': 3,
    })
    expect(span).toMatchObject({ endCount: 1, status: undefined })
    expect(seen).toEqual([{ spanId: span!.spanContext().spanId, baggage: 'user=7' }])
    await mq.close()
  })

  test('of a failure says why, and the retry links to the send as well', async () => {
    const { mq, telemetry, producer } = await open()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: ({ deliveryAttempt }) => (deliveryAttempt === 1 ? ConsumeResult.FAILURE : undefined),
    })
    await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled({ horizon: '1h' })
    const [sent] = telemetry.named('send orders')
    const [first, second] = telemetry.named('process orders')
    expect(first!.attributes).toMatchObject({ 'error.type': 'FAILED' })
    expect(first!.status).toEqual({ code: 2, message: 'The listener returned FAILURE.' })
    expect(second!.status).toBeUndefined()
    expect(second!.options.links).toMatchObject([{ context: { spanId: sent!.spanContext().spanId } }])
    await mq.close()
  })

  test('of a batch links to every send', async () => {
    const { mq, telemetry, producer } = await open()
    await mq.admin.createTopic({ topic: 'orders', queues: 1 })
    for (const body of ['x', 'y']) await producer.send({ topic: 'orders', body })
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      consumeFromWhere: 'FIRST_OFFSET',
      consumeMessageBatchMaxSize: 10,
      listener: (_messages) => undefined,
    })
    await mq.settled()
    const [span] = telemetry.named('process orders')
    const sends = telemetry.named('send orders').map((sent) => ({ context: sent.spanContext() }))
    expect(span!.options.links).toEqual(sends)
    expect(span!.attributes).toMatchObject({ 'messaging.batch.message_count': 2 })
    await mq.close()
  })
})

describe('Instrumentation', () => {
  test('makes spans of receiving and settling, linked to the send', async () => {
    const { mq, telemetry, producer } = await open()
    await producer.send({ topic: 'orders', body: 'x' })
    const simple = await mq.createSimpleConsumer({ group: 's', subscriptions: { orders: '*' } })
    const [message] = await simple.receive()
    await simple.ack(message!)
    const [sent] = telemetry.named('send orders')
    for (const [name, type] of [
      ['receive orders', 'receive'],
      ['ack orders', 'settle'],
    ]) {
      const [span] = telemetry.named(name!)
      expect(span).toMatchObject({ endCount: 1, options: { kind: 2 } })
      expect(span!.attributes).toMatchObject({ 'messaging.operation.type': type })
      expect(span!.options.links).toMatchObject([{ context: { spanId: sent!.spanContext().spanId } }])
    }
    await mq.close()
  })

  test('links to nothing that did not send the message', async () => {
    await using mq = await createTestMQ()
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'x' })
    const telemetry = new FakeTelemetry()
    instrument(mq, telemetry)
    const simple = await mq.createSimpleConsumer({ group: 's', subscriptions: { orders: '*' } })
    const outer = telemetry.ownTracer.startSpan('job')
    await telemetry.withSpan(outer, () => simple.receive())
    const [span] = telemetry.named('receive orders')
    expect(span!.options.links).toEqual([])
    expect(span!.parentSpanId).toBe(outer.spanContext().spanId)
  })

  test('concerns one instance, and ends when it is told to', async () => {
    const { mq, telemetry, producer, stop } = await open()
    await using other = await createTestMQ()
    const elsewhere = await other.createProducer({ group: 'shop' })
    await elsewhere.send({ topic: 'orders', body: 'x' })
    expect(telemetry.spans).toEqual([])
    await producer.send({ topic: 'orders', body: 'x' })
    stop()
    await producer.send({ topic: 'orders', body: 'x' })
    expect(telemetry.named('send orders')).toHaveLength(1)
    await mq.close()
  })

  test('ends what it began when it is stopped meanwhile', async () => {
    const { mq, telemetry, producer, stop } = await open()
    const called = new Signal()
    const answer = new Signal()
    await mq.createPushConsumer({
      group: 'billing',
      subscriptions: { orders: '*' },
      listener: () => {
        called.resolve()
        return answer.promise
      },
    })
    await producer.send({ topic: 'orders', body: 'x' })
    await called.promise
    stop()
    answer.resolve()
    await mq.settled()
    expect(telemetry.named('process orders')).toMatchObject([{ endCount: 1 }])
    await mq.close()
  })

  test('stops no message when the tracer or the propagator fails', async () => {
    await using mq = await createTestMQ()
    const telemetry = new FakeTelemetry()
    const fail = (): never => {
      throw new Error('no telemetry')
    }
    instrument(mq, { ...telemetry, tracer: { startSpan: fail } })
    instrument(mq, { ...telemetry, propagation: { inject: fail, extract: fail } })
    const { context } = telemetry
    instrument(mq, { ...telemetry, context: { active: () => context.active(), with: fail } })
    const callAndFail = (_: unknown, call: () => unknown): never => {
      call()
      return fail()
    }
    instrument(mq, { ...telemetry, context: { active: () => context.active(), with: callAndFail } })
    const texts: string[] = []
    const listener = (message: { text(): string }): void => void texts.push(message.text())
    await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener })
    const producer = await mq.createProducer({ group: 'shop' })
    await producer.send({ topic: 'orders', body: 'x' })
    await mq.settled()
    expect(texts).toEqual(['x'])
  })

  test('refuses what is no instance, and an API that lacks a part', async () => {
    await using mq = await createTestMQ()
    const telemetry = new FakeTelemetry()
    expect(() => instrument({}, telemetry)).toThrow(mqError('INVALID_PARAMETER', 'Give an instance'))
    const broken = { ...telemetry, propagation: {} } as unknown as FakeTelemetry
    expect(() => instrument(mq, broken)).toThrow(mqError('INVALID_PARAMETER', "give 'propagation'"))
    expect(() => instrument(mq, undefined as never)).toThrow(mqError('INVALID_PARAMETER', "give 'trace'"))
    const throwing = new Proxy(telemetry, { get: () => expect.fail('a getter that throws') })
    expect(() => instrument(mq, throwing)).toThrow(mqError('INVALID_PARAMETER', "give 'trace'"))
  })
})
