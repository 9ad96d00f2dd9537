/**
 * Importing this teaches Vitest's `expect` the matchers of PocketMQ, also by `setupFiles: ['pocketmq/testing/vitest']`.
 *
 * @example
 * ```ts
 * import 'pocketmq/testing/vitest'
 * import { createTestMQ } from 'pocketmq/testing'
 * import { expect, test } from 'vitest'
 *
 * test('An order is billed', async () => {
 *   await using mq = await createTestMQ()
 *   await mq.createPushConsumer({ group: 'billing', subscriptions: { orders: '*' }, listener: () => undefined })
 *   const producer = await mq.createProducer({ group: 'shop' })
 *   await producer.send({ topic: 'orders', body: 'order 1' })
 *   await mq.settled()
 *   expect(mq).toHaveConsumed('billing', { topic: 'orders' })
 * })
 * ```
 */
import { expect } from 'vitest'
import { type MQMatchers, mqMatchers } from './matchers.ts'

declare module 'vitest' {
  interface Matchers<T> extends MQMatchers {}
}

expect.extend(mqMatchers)

export type { MQMatchers }
