/** A message in a batch is traced as any other, when it is sent. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test } from 'vitest'
import type { SendTrace } from '../../src/model/tracing.ts'
import { instrument } from '../../src/opentelemetry/instrument.ts'
import { FakeTelemetry } from '../opentelemetry/fake-api.ts'
import { openDatabase, openMQ } from './set-up.ts'

test('The channel pocketmq:send tells of each attempt, in the name of the producer', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database)
  const told: SendTrace[] = []
  const listener = (trace: unknown) => told.push(trace as SendTrace)
  const channel = 'tracing:pocketmq:send:asyncEnd'
  subscribe(channel, listener)
  onTestFinished(() => void unsubscribe(channel, listener))
  const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
  const batch = database.batch()
  const { messageId } = await producer.send({ topic: 'orders', body: 'xyz', tag: 't' }, { batch })
  expect(told).toEqual([])
  mq.faults.failSend({ nth: 1 })
  await producer.close()
  await batch.write()
  await mq.clock.advance('1s')
  const common = { group: 'shop', clientId: 'p1', type: 'NORMAL' }
  expect(told).toMatchObject([
    { ...common, error: { code: 'SYSTEM_BUSY' } },
    { ...common, result: { messageId }, messages: [{ messageId, tag: 't', bodyBytes: 3 }] },
  ])
})

test('What is recorded of a message says that it was sent, also at the next opening', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database, { trace: true })
  const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
  const due = Date.UTC(2027, 0, 1, 1)
  const batch = database.batch()
  const { messageId } = await producer.send({ topic: 'orders', body: 'x', deliveryTimestamp: due }, { batch })
  await mq.close()
  await batch.write()
  await using reopened = await mq.crash()
  const { entries } = await reopened.admin.trace(messageId)
  const sent = entries.filter(({ type }) => type === 'sent')
  expect(sent).toMatchObject([{ group: 'shop', clientId: 'p1', outcome: 'SUCCESS' }])
})

test('The context of its sender travels with a message, and its span is below that', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database)
  const telemetry = new FakeTelemetry()
  instrument(mq, telemetry)
  const producer = await mq.createProducer({ group: 'shop', clientId: 'p1' })
  const checkout = telemetry.ownTracer.startSpan('checkout')
  const batch = database.batch()
  const { messageId } = await telemetry.withSpan(checkout, () =>
    producer.send({ topic: 'orders', body: 'x' }, { batch }),
  )
  const other = telemetry.ownTracer.startSpan('other')
  await telemetry.withSpan(other, () => batch.write())
  await mq.settled()
  const { traceId, spanId } = checkout.spanContext()
  const [span] = telemetry.named('send orders')
  expect(span).toMatchObject({ endCount: 1, parentSpanId: spanId })
  const { properties } = await mq.admin.queryMessageById(messageId)
  expect(properties.traceparent).toBe(`00-${traceId}-${spanId}-01`)
})

test('Without a span in force, its own one travels with it', async () => {
  const database = await openDatabase()
  const { mq } = await openMQ(database)
  const telemetry = new FakeTelemetry()
  instrument(mq, telemetry)
  const producer = await mq.createProducer({ group: 'shop' })
  const batch = database.batch()
  const { messageId } = await producer.send({ topic: 'orders', body: 'x' }, { batch })
  await batch.write()
  await mq.settled()
  const { traceId, spanId } = telemetry.named('send orders')[0]!.spanContext()
  const { properties } = await mq.admin.queryMessageById(messageId)
  expect(properties.traceparent).toBe(`00-${traceId}-${spanId}-01`)
})
