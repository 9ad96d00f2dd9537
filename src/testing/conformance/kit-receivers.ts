/**
 * What rules do with consumers that the application asks for messages: poll, pull, receive. The topic is `orders` and the group
 * `billing` unless told otherwise.
 */
import { AssertionError } from 'node:assert'
import type { AllocateStrategy } from '../../allocate/allocate.ts'
import type { LitePullConsumer } from '../../consumer/lite-pull-consumer.ts'
import type { LitePullConsumerOptions } from '../../consumer/lite-pull-consumer-options.ts'
import type { PullConsumer } from '../../consumer/pull-consumer.ts'
import type { PullConsumerOptions } from '../../consumer/pull-consumer-options.ts'
import type { ReceivedMessage } from '../../consumer/received-message.ts'
import type { SimpleConsumer } from '../../consumer/simple-consumer.ts'
import type { ReceiveOptions, SimpleConsumerOptions } from '../../consumer/simple-consumer-options.ts'
import type { MessageQueue } from '../../model/message-queue.ts'
import type { EngineMQ } from './engine-mq.ts'
import { committed, numbers, queueOf, send, subscribe, textsOf } from './kit.ts'
import type { ConformanceWorld } from './world.ts'

/** A wait that ends with what is waited for, or not at all within a rule. */
export const LONG_MS = 60_000
/** How long received messages are invisible unless a receive says otherwise. */
export const INVISIBLE_MS = 60_000
/** RocketMQ takes up to three seconds to make a message visible whose time is over. */
export const SOON_MS = 5000

/** A lite pull consumer that subscribes. */
export function lite(
  mq: EngineMQ,
  options: Partial<LitePullConsumerOptions> = {},
): Promise<LitePullConsumer> {
  return mq.createLitePullConsumer({ group: 'billing', subscriptions: { orders: '*' }, ...options })
}

/** A lite pull consumer that these queues are assigned to. */
export async function assigned(
  mq: EngineMQ,
  queues: readonly MessageQueue[],
  options: Partial<LitePullConsumerOptions> = {},
): Promise<LitePullConsumer> {
  const consumer = await mq.createLitePullConsumer({ group: 'billing', ...options })
  await consumer.assign(queues)
  return consumer
}

export function puller(mq: EngineMQ, options: Partial<PullConsumerOptions> = {}): Promise<PullConsumer> {
  return mq.createPullConsumer({ group: 'billing', ...options })
}

export function simple(mq: EngineMQ, options: Partial<SimpleConsumerOptions> = {}): Promise<SimpleConsumer> {
  return mq.createSimpleConsumer({ group: 'billing', subscriptions: { orders: '*' }, ...options })
}

/** A member that shares the queues of its group with the others. */
interface Sharer {
  /** The ids of the queues of `orders` that it has now. */
  queueIds(): Promise<readonly number[]>
}

/** How a consumer of each kind that shares queues joins, by the name of the kind. */
export const SHARERS = {
  push: async (mq, allocateStrategy) => {
    const { consumer } = await subscribe(mq, { allocateStrategy })
    return sharer(() => consumer.stats.queues)
  },
  'lite pull': async (mq, allocateStrategy) => {
    const consumer = await lite(mq, { allocateStrategy })
    return sharer(() => consumer.assignment())
  },
  pull: async (mq, allocateStrategy) => {
    const consumer = await puller(mq, { allocateStrategy })
    // It joins when it first asks.
    const member = sharer(() => consumer.fetchMessageQueuesInBalance('orders'))
    await member.queueIds()
    return member
  },
} as const satisfies Record<string, (mq: EngineMQ, allocateStrategy: AllocateStrategy) => Promise<Sharer>>

function sharer(queues: () => readonly MessageQueue[] | Promise<readonly MessageQueue[]>): Sharer {
  const queueIds = async (): Promise<readonly number[]> =>
    (await queues())
      .filter(({ topic }) => topic === 'orders')
      .map(({ queueId }) => queueId)
      .sort((a, b) => a - b)
  return { queueIds }
}

/** Polls until so many messages have come; answers their bodies. */
export async function pollTexts(mq: EngineMQ, consumer: LitePullConsumer, count: number): Promise<string[]> {
  const texts: string[] = []
  await mq.until(`${count} messages are polled`, async () => {
    texts.push(...textsOf(await consumer.poll({ timeoutMs: 0 })))
    return texts.length >= count
  })
  return texts
}

/** Lets everything be fetched that can be, and polls once. */
export async function pollNow(mq: EngineMQ, consumer: LitePullConsumer): Promise<string[]> {
  await mq.rest()
  return textsOf(await consumer.poll({ timeoutMs: 0 }))
}

/** Polls until at least so many messages have come, and there is nothing more; the last poll comes back from everything. */
export async function drain(mq: EngineMQ, consumer: LitePullConsumer, leastCount: number): Promise<string[]> {
  const texts = await pollTexts(mq, consumer, leastCount)
  for (;;) {
    const polled = await pollNow(mq, consumer)
    if (polled.length === 0) return texts
    texts.push(...polled)
  }
}

/** What can be received without waiting. */
export function receive(
  consumer: SimpleConsumer,
  options: ReceiveOptions = {},
): Promise<readonly ReceivedMessage[]> {
  return consumer.receive({ maxMessages: 32, awaitDurationMs: 0, ...options })
}

export async function receiveTexts(
  consumer: SimpleConsumer,
  options: ReceiveOptions = {},
): Promise<string[]> {
  return textsOf(await receive(consumer, options))
}

/** The one message that can be received without waiting. */
export async function receiveOne(
  consumer: SimpleConsumer,
  options: ReceiveOptions = {},
): Promise<ReceivedMessage> {
  return onlyOne(await receive(consumer, options))
}

export function onlyOne<Value>(values: readonly Value[]): Value {
  const [first] = values
  if (first === undefined || values.length > 1)
    throw new AssertionError({ message: `Expected one, but there are ${values.length}.` })
  return first
}

/** The numbers from `from` on. */
export function numbersFrom(from: number, count: number): string[] {
  return numbers(from + count).slice(from)
}

/** A consumer that has fetched what there is of so many messages in one queue. */
export async function openLite(
  world: ConformanceWorld,
  count: number,
  options: Partial<LitePullConsumerOptions> = {},
): Promise<{ readonly mq: EngineMQ; readonly consumer: LitePullConsumer }> {
  const mq = await world.openShop()
  await send(mq, numbers(count))
  const consumer = await lite(mq, options)
  await mq.rest()
  return { mq, consumer }
}

/** A simple consumer of so many messages in one queue. */
export async function openSimple(
  world: ConformanceWorld,
  count: number,
  options: Partial<SimpleConsumerOptions> = {},
): Promise<{ readonly mq: EngineMQ; readonly consumer: SimpleConsumer }> {
  const mq = await world.openShop()
  await send(mq, numbers(count))
  return { mq, consumer: await simple(mq, options) }
}

/** Receives what is there, and lets its time pass. */
export async function waste(mq: EngineMQ, consumer: SimpleConsumer): Promise<readonly ReceivedMessage[]> {
  const messages = await receive(consumer)
  await mq.advance(INVISIBLE_MS + SOON_MS)
  return messages
}

/** The group `billing` is in the midst of both queues of a topic. */
export async function openMidst(world: ConformanceWorld): Promise<EngineMQ> {
  const mq = await world.openShop(2)
  for (const queueId of [0, 1]) await send(mq, numbers(5), { queueId })
  await mq.admin.createGroup({ group: 'billing' })
  await mq.engine.updateConsumerOffset('billing', await queueOf(mq), 3)
  await mq.engine.updateConsumerOffset('billing', await queueOf(mq, 1), 4)
  return mq
}

/** The offsets of a group for the two queues of {@link openMidst}. */
export async function offsetsOf(mq: EngineMQ, group: string): Promise<readonly (number | undefined)[]> {
  return [await committed(mq, { group }), await committed(mq, { group, queueId: 1 })]
}
