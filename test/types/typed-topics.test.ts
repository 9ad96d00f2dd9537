/** The types of values are inferred from the schema to the listener. The compiler is the judge. */
import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { MessageListener } from '../../src/consumer/message-listener.ts'
import type { ReceivedMessage } from '../../src/consumer/received-message.ts'
import type { MessageView } from '../../src/model/message.ts'
import { splitIntoBatches } from '../../src/model/split-into-batches.ts'
import type { MessageOf } from '../../src/model/typed-message.ts'
import { defineTopic, type TypedTopic } from '../../src/model/typed-topic.ts'
import type { PocketMQ } from '../../src/pocketmq.ts'
import type { Producer } from '../../src/producer/producer.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import { type Order, schemaOf } from '../helpers/schemas.ts'

/** Goes in as text, comes out as a date. */
const orders = defineTopic({
  name: 'orders',
  schema: z.object({ id: z.string(), at: z.iso.datetime().transform((text) => new Date(text)) }),
})
const refunds = defineTopic({
  name: 'refunds',
  schema: schemaOf<Order>((value) => ({ value: value as Order })),
})
interface OrderOut {
  id: string
  at: Date
}

async function produce(producer: Producer): Promise<void> {
  const body = { id: 'o-1', at: '2030-01-01T00:00:00Z' }
  await producer.send({ topic: orders, body, tag: 'paid' })
  await producer.send([{ topic: orders, body }], { timeoutMs: 10 })
  await producer.send({ topic: 'orders', body: 'text' })
  await producer.send(
    { topic: refunds, body: { id: 'r', amount: 1 } },
    { selector: (queues, _, index: number) => queues[index]!, arg: 0 },
  )
  producer.sendOneway({ topic: orders, body })
  await producer.sendInTransaction({ topic: orders, body }, (message) => {
    expectTypeOf(message.body).toEqualTypeOf<{ id: string; at: string }>()
    return 'COMMIT'
  })
  for (const batch of splitIntoBatches([{ topic: orders, body }])) await producer.send(batch)
  // @ts-expect-error the input is a text, not the date that comes out
  await producer.send({ topic: orders, body: { id: 'o-1', at: new Date() } })
  // @ts-expect-error a field is missing
  await producer.send([{ topic: orders, body: { id: 'o-1' } }])
  // @ts-expect-error bytes are no value
  producer.sendOneway({ topic: orders, body: Buffer.from('{}') })
  // @ts-expect-error a name says nothing of a type
  await producer.send({ topic: 'orders', body })
}

async function push(mq: PocketMQ): Promise<void> {
  await mq.createPushConsumer({
    group: 'one',
    topics: [orders],
    mode: 'orderly',
    listener: async (message, context) => {
      expectTypeOf(message).toEqualTypeOf<MessageOf<typeof orders>>()
      expectTypeOf(message.value).toEqualTypeOf<OrderOut>()
      expectTypeOf(message.topic).toEqualTypeOf<'orders'>()
      context.ackIndex = 1
    },
  })
  await mq.createPushConsumer({
    group: 'several',
    topics: [orders, refunds],
    consumeMessageBatchMaxSize: 8,
    listener: (messages) => {
      for (const message of messages) {
        if (message.topic === 'orders') expectTypeOf(message.value).toEqualTypeOf<OrderOut>()
        else expectTypeOf(message.value).toEqualTypeOf<Order>()
      }
    },
  })
  await mq.createPushConsumer({
    group: 'mixed',
    subscriptions: { [orders.name]: 'paid', plain: '*' },
    topics: [orders],
    listener: (message) => {
      if (message.topic === 'orders') expectTypeOf(message.value).toEqualTypeOf<OrderOut>()
      else expectTypeOf(message.topic).toEqualTypeOf<'plain'>()
      // @ts-expect-error a plain message has no value
      message.value
    },
  })
  const listener: MessageListener<MessageOf<typeof refunds>> = ({ value }) => console.log(value.amount)
  await mq.createPushConsumer({ group: 'named', topics: [refunds], listener })
  // @ts-expect-error this listener wants other values
  await mq.createPushConsumer({ group: 'wrong', topics: [orders], listener })
  const topics: readonly TypedTopic[] = [orders, refunds]
  await mq.createPushConsumer({
    group: 'unknown',
    topics,
    listener: ({ value }) => void expectTypeOf(value).toBeUnknown(),
  })
}

async function plain(mq: PocketMQ): Promise<void> {
  await mq.createPushConsumer({
    group: 'plain',
    subscriptions: { orders: '*' },
    listener: (message) => {
      expectTypeOf(message).toEqualTypeOf<MessageView>()
      // @ts-expect-error there is no value without a typed topic
      message.value
    },
  })
  // @ts-expect-error neither topics nor subscriptions
  await mq.createPushConsumer({ group: 'nothing', listener: () => undefined })
  // @ts-expect-error neither topics nor subscriptions
  await mq.createSimpleConsumer({ group: 'nothing' })
  type Options = Parameters<PocketMQ['createPushConsumer']>[0]
  expectTypeOf<Options['group']>().toEqualTypeOf<string>()
}

async function ask(mq: PocketMQ | TestMQ): Promise<void> {
  const subscriptions = { orders: '*' }
  const lite = await mq.createLitePullConsumer({ group: 'lite', subscriptions, topics: [orders] })
  const [polled] = await lite.poll()
  expectTypeOf(polled!.value).toEqualTypeOf<OrderOut>()
  for await (const message of lite) expectTypeOf(message.value).toEqualTypeOf<OrderOut>()

  const simple = await mq.createSimpleConsumer({ group: 'simple', topics: [orders] })
  const [received] = await simple.receive()
  expectTypeOf(received!.value).toEqualTypeOf<OrderOut>()
  expectTypeOf(received!).toExtend<ReceivedMessage>()
  await simple.ack(received!)

  const pull = await mq.createPullConsumer({ group: 'pull', topics: [orders] })
  const queue = { topic: 'orders', brokerName: 'b', queueId: 0 }
  const { messages } = await pull.pull(queue, '*', 0, 32)
  expectTypeOf(messages[0]!.value).toEqualTypeOf<OrderOut>()

  const untyped = await mq.createPullConsumer({ group: 'pull' })
  expectTypeOf((await untyped.pull(queue, '*', 0, 32)).messages).toEqualTypeOf<readonly MessageView[]>()
  expectTypeOf(await orders.parse(messages[0]!)).toEqualTypeOf<OrderOut>()
}

test('A test instance infers the same', async () => {
  await using mq = await createTestMQ()
  const seen: Date[] = []
  await mq.createPushConsumer({
    group: 'g',
    topics: [orders],
    listener: ({ value }) => void seen.push(value.at),
  })
  const producer = await mq.createProducer({ group: 'p' })
  await producer.send({ topic: orders, body: { id: 'o-1', at: '2030-01-01T00:00:00Z' } })
  await mq.settled()
  expect(seen).toEqual([new Date('2030-01-01T00:00:00Z')])
  expect([produce, push, plain, ask]).toHaveLength(4)
})
