/** Orders and the group that bills them, for tests of the test instance. */
import type { ConsumeContext } from '../../src/consumer/consume-context.ts'
import type { PushConsumer } from '../../src/consumer/push-consumer.ts'
import type { PushConsumerOptions } from '../../src/consumer/push-consumer-options.ts'
import type { MQError } from '../../src/model/errors.ts'
import type { MessageView } from '../../src/model/message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import type { TestMQ } from '../../src/testing/index.ts'

/** Sends orders one after the other, and answers what became of each. */
export async function sendOrders(mq: TestMQ, ...bodies: string[]): Promise<(SendReceipt | MQError)[]> {
  const producer = await mq.createProducer({ group: 'shop' })
  const outcomes: (SendReceipt | MQError)[] = []
  for (const body of bodies) {
    outcomes.push(await producer.send({ topic: 'orders', body }).catch((error: MQError) => error))
  }
  return outcomes
}

/** The same with a few words for each outcome. */
export async function sendInWords(mq: TestMQ, ...bodies: string[]): Promise<string[]> {
  const outcomes = await sendOrders(mq, ...bodies)
  return outcomes.map((each) => (each instanceof Error ? `${each.code} ${each.outcome}` : each.status))
}

/** A member of `billing` with a listener, from the first order on. */
export function bill(
  mq: TestMQ,
  listener: (message: MessageView, context: ConsumeContext) => unknown,
  options: Partial<PushConsumerOptions> = {},
): Promise<PushConsumer> {
  return mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    consumeFromWhere: 'FIRST_OFFSET',
    ...options,
    listener,
  } as PushConsumerOptions)
}

/** How often each body was delivered. */
export function countBodies(mq: TestMQ): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { messageId } of mq.ledger.of('delivered')) {
    const body = String(mq.ledger.contentOf(messageId)?.body)
    counts[body] = (counts[body] ?? 0) + 1
  }
  return counts
}
