/** A shop whose orders are billed, for tests of what is said about messages. */
import { AssertionError } from 'node:assert'
import { onTestFinished } from 'vitest'
import type { Message } from '../../src/model/message.ts'
import type { SendReceipt } from '../../src/model/results.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import type { TestMQOptions } from '../../src/testing/test-options.ts'

export interface Shop {
  readonly mq: TestMQ
  /** Sends an order. */
  order(message: Omit<Message, 'topic'>): Promise<SendReceipt>
  send(message: Message): Promise<SendReceipt>
}

/**
 * The group `billing` consumes `orders`. It fails at the first attempt when the tag is `flaky`, always when it is `broken`, and
 * tries at most twice again.
 */
export async function openShop(options: TestMQOptions = {}): Promise<Shop> {
  const mq = await createTestMQ(options)
  onTestFinished(async () => void (await mq.close()))
  await mq.createPushConsumer({
    group: 'billing',
    subscriptions: { orders: '*' },
    maxReconsumeTimes: 2,
    listener: ({ tag, deliveryAttempt }) => {
      if (tag === 'broken' || (tag === 'flaky' && deliveryAttempt === 1)) throw new Error('no customer')
    },
  })
  const producer = await mq.createProducer({ group: 'shop' })
  const send = (message: Message): Promise<SendReceipt> => producer.send(message)
  return { mq, send, order: (message) => send({ topic: 'orders', ...message }) }
}

/** The failed assertion of a call; message ids, which nobody reads, become `ID`. */
export function failureOf(call: () => unknown): AssertionError {
  try {
    call()
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    error.message = error.message.replace(/01[0-9A-F]{32}/g, 'ID')
    return error
  }
  throw new Error('the assertion holds')
}
