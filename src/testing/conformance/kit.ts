/** What many rules do: send, subscribe, pull, and expect refusals. The topic is `orders` and the group `billing` unless told otherwise. */
import { AssertionError } from 'node:assert'
import type { ConsumeContext } from '../../consumer/consume-context.ts'
import type { BatchMessageListener, ConsumeResult, MessageListener } from '../../consumer/message-listener.ts'
import type { PushConsumer } from '../../consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../consumer/push-consumer-options.ts'
import type { PullRequest } from '../../model/engine.ts'
import { MQError, type MQErrorCode } from '../../model/errors.ts'
import type { MQEvents } from '../../model/events.ts'
import type { Message, MessageView } from '../../model/message.ts'
import type { MessageQueue } from '../../model/message-queue.ts'
import type { PullResult, SendReceipt } from '../../model/results.ts'
import { matchAll, parseTagExpression } from '../../model/subscription.ts'
import type { EngineMQ } from './engine-mq.ts'
import type { ConformanceWorld } from './world.ts'

/** The fields of messages to send, and where to. */
export interface SendFields extends Partial<Omit<Message, 'body'>> {
  /** Default: the queues take turns. */
  readonly queueId?: number
}

/** One call of a listener of {@link subscribe}. */
export interface ConformanceDelivery {
  readonly message: MessageView
  readonly context: ConsumeContext
  /** When, on the engine's clock. */
  readonly timestamp: number
}

/** A member of a group, and what it was given. */
export interface Subscriber {
  readonly consumer: PushConsumer
  readonly deliveries: readonly ConformanceDelivery[]
  /** The bodies, in the order of their deliveries. */
  texts(): string[]
}

export interface SubscribeOptions extends Partial<Omit<PushConsumerOptions, 'listener'>> {
  readonly listener?: MessageListener
}

/** Sends messages one by one, in this order, without waiting in between. */
export async function send(
  mq: EngineMQ,
  bodies: string | readonly string[],
  { queueId, topic = 'orders', ...fields }: SendFields = {},
): Promise<readonly SendReceipt[]> {
  const producer = await mq.producer()
  const options = queueId === undefined ? undefined : { queue: await queueOf(mq, queueId, topic) }
  return Promise.all([bodies].flat().map((body) => producer.send({ topic, body, ...fields }, options)))
}

/** Joins the group with a listener that writes down what it is given, and answers success unless it has its own. */
export async function subscribe(mq: EngineMQ, options: SubscribeOptions = {}): Promise<Subscriber> {
  const { listener = () => undefined } = options
  const deliveries: ConformanceDelivery[] = []
  const consumer = await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    ...options,
    listener: (message: MessageView, context: ConsumeContext) => {
      deliveries.push({ message, context, timestamp: mq.now() })
      return listener(message, context)
    },
  } as PushConsumerOptions)
  return { consumer, deliveries, texts: () => deliveries.map(({ message }) => message.text()) }
}

/** A listener that fails always, or the first `times` times. */
export function failing(times = Number.POSITIVE_INFINITY): MessageListener {
  let count = 0
  return (): ConsumeResult => (++count <= times ? 'FAILURE' : 'SUCCESS')
}

/** A queue of a topic, also of one that may not be read. */
export async function queueOf(mq: EngineMQ, queueId = 0, topic = 'orders'): Promise<MessageQueue> {
  const found = (await mq.admin.topicStatus(topic)).find(({ queue }) => queue.queueId === queueId)
  if (found === undefined)
    throw new AssertionError({ message: `The topic '${topic}' has no queue ${queueId}.` })
  return found.queue
}

/** Pulls for a group that was made before; by default everything from the beginning of the first queue, at once. */
export async function pull(
  mq: EngineMQ,
  { tags, ...request }: Partial<PullRequest> & { readonly tags?: string } = {},
): Promise<PullResult> {
  return mq.engine.pullMessage({
    group: 'billing',
    queue: request.queue ?? (await queueOf(mq)),
    offset: 0,
    maxCount: 32,
    filter: tags === undefined ? matchAll : parseTagExpression(tags),
    suspendMs: 0,
    ...request,
  })
}

/** The next offset to consume that is stored for the group. */
export async function committed(
  mq: EngineMQ,
  { group = 'billing', queueId = 0, topic = 'orders' } = {},
): Promise<number | undefined> {
  return mq.engine.queryConsumerOffset(group, await queueOf(mq, queueId, topic))
}

export function textsOf(messages: readonly MessageView[]): string[] {
  return messages.map((message) => message.text())
}

/** Whole numbers from 0 as bodies. */
export function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index))
}

/** Events of a kind, as they come. */
export function eventsOf<Name extends keyof MQEvents>(
  mq: EngineMQ,
  name: Name,
): Parameters<MQEvents[Name]>[0][] {
  const events: Parameters<MQEvents[Name]>[0][] = []
  const note = (event: Parameters<MQEvents[Name]>[0]): void => {
    events.push(event)
  }
  mq.on(name, note as never)
  return events
}

/** The call must throw or reject with an {@link MQError} of this code; answers it. */
export function refused(code: MQErrorCode, call: () => unknown): Promise<MQError> {
  const refusal = expectRefusal(code, call)
  // A rule may look at it later; what fails meanwhile must not end the process.
  refusal.catch(() => undefined)
  return refusal
}

async function expectRefusal(code: MQErrorCode, call: () => unknown): Promise<MQError> {
  let caught: unknown
  try {
    await call()
  } catch (error) {
    caught = error
  }
  if (caught instanceof MQError && caught.code === code) return caught
  const instead = caught === undefined ? 'the call succeeded' : `it was refused with ${String(caught)}`
  throw new AssertionError({ message: `Expected ${code}, but ${instead}.` })
}

const RETENTION = { maxAgeMs: 3_600_000, intervalMs: 600_000 } as const

/**
 * A shop that keeps messages for an hour, two hours after its opening: of the messages 0 to 3, sent half an hour apart,
 * the first two have been removed. Needs `virtualTime`.
 */
export async function openAgedShop(world: ConformanceWorld): Promise<EngineMQ> {
  const mq = await world.openShop(1, { retention: RETENTION })
  for (const body of numbers(4)) {
    await send(mq, body)
    await mq.advance('30m')
  }
  await mq.until(
    'the oldest two are removed',
    async () => (await mq.admin.minOffset(await queueOf(mq))) === 2,
  )
  return mq
}

/** A promise that listeners wait for until the rule opens it. */
export function gate(): { readonly isOpen: Promise<void>; open(): void } {
  let open = (): void => undefined
  const isOpen = new Promise<void>((resolve) => {
    open = resolve
  })
  return { isOpen, open }
}

/** A listener that never settles; `close` does not wait for it. */
export const stuck = {
  listener: (): Promise<undefined> => new Promise(() => undefined),
  closeTimeoutMs: 1,
} as const

/** Joins the group with a listener for arrays, and writes down what each call was given. */
export async function subscribeBatch(
  mq: EngineMQ,
  consumeMessageBatchMaxSize: number,
  {
    listener = () => undefined,
    ...options
  }: Partial<Omit<PushConsumerOptions, 'listener'>> & {
    readonly listener?: BatchMessageListener
  } = {},
): Promise<{ readonly consumer: PushConsumer; readonly batches: readonly (readonly MessageView[])[] }> {
  const batches: (readonly MessageView[])[] = []
  const consumer = await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    ...options,
    consumeMessageBatchMaxSize,
    listener: (messages, context) => {
      batches.push(messages)
      return listener(messages, context)
    },
  })
  return { consumer, batches }
}
