/** The matchers have types behind the `expect` of Vitest and of Jest. The compiler is the judge. */
import type { expect as jestExpect } from '@jest/globals'
import { expect, test } from 'vitest'
import { createTestMQ, type TestMQ } from '../../src/testing/index.ts'
import type {} from '../../src/testing/jest.ts'
import '../../src/testing/vitest.ts'

/** Jest's `expect` exists under Jest only; here it is never called. */
function underJest(expect: typeof jestExpect, mq: TestMQ): void {
  expect(mq).toHaveSent({ topic: /^orders/, json: { amount: 7 }, times: 1 })
  expect(mq).not.toHaveConsumed('billing', { keys: ['o-1'] })
  expect(mq).toHaveDeadLettered('billing', { reason: /customer/ })
  expect(Promise.resolve(mq))
    .resolves.toHaveRetried('billing')
    .then(() => undefined)
  // @ts-expect-error there is no such field
  expect(mq).toHaveSent({ topics: 'orders' })
  // @ts-expect-error the group comes first
  expect(mq).toHaveConsumed({ keys: 'o-1' })
}

function underVitest(mq: TestMQ): void {
  expect(mq).toHaveSent({ topic: /^orders/, json: { amount: 7 }, times: 1 })
  expect(mq).not.toHaveConsumed('billing', { keys: ['o-1'] })
  expect(mq).toHaveDeadLettered('billing', { reason: /customer/ })
  // @ts-expect-error there is no such field
  expect(mq).toHaveSent({ topics: 'orders' })
  // @ts-expect-error the group comes first
  expect(mq).toHaveConsumed({ keys: 'o-1' })
}

test('The matchers have types behind the expect of Vitest and of Jest', async () => {
  await using mq = await createTestMQ()
  expect(() => underVitest(mq)).toThrow('Expected 1 send')
  expect(underJest).toHaveLength(2)
})
