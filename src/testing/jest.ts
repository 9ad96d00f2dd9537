/**
 * Importing this teaches Jest's `expect` the matchers of PocketMQ, also by `setupFilesAfterEnv: ['pocketmq/testing/jest']`. PocketMQ is
 * made of ES modules, so Jest runs with `NODE_OPTIONS=--experimental-vm-modules`.
 *
 * @example
 * ```ts
 * import 'pocketmq/testing/jest'
 * import { expect, test } from '@jest/globals'
 * import { createTestMQ } from 'pocketmq/testing'
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
import { expect } from '@jest/globals'
import { type MQMatchers, mqMatchers } from './matchers.ts'

declare module 'expect' {
  interface Matchers<R extends void | Promise<void>, T> extends MQMatchers<R> {}
}

declare global {
  // Where `@types/jest` is used, with `expect` as a global.
  namespace jest {
    interface Matchers<R, T> extends MQMatchers<R> {}
  }
}

expect.extend(mqMatchers)

export type { MQMatchers }
