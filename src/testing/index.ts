/** The door `pocketmq/testing`: every name that it promises, one by one. */
export type { TestClock } from './test-mq.ts'
export { createTestMQ, type TestMQ } from './test-mq.ts'
