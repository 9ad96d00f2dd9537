/** A database of an application, and an instance beside it. */
import { MemoryLevel } from 'memory-level'
import { onTestFinished } from 'vitest'
import { MQError } from '../../src/model/errors.ts'
import type { PocketMQ } from '../../src/pocketmq.ts'
import { createTestMQ, type TestMQ } from '../../src/testing/test-mq.ts'
import type { TestMQOptions } from '../../src/testing/test-options.ts'

export type AppDatabase = MemoryLevel<string, string>

export async function openDatabase(): Promise<AppDatabase> {
  const database = new MemoryLevel<string, string>()
  await database.open()
  onTestFinished(() => database.close())
  return database
}

/** Under a virtual clock; its errors are kept instead of ending the test. */
export async function openMQ(
  database: AppDatabase,
  options: TestMQOptions = {},
): Promise<{ mq: TestMQ; errors: MQError[] }> {
  const mq = await createTestMQ({ topics: [{ topic: 'orders', queues: 1 }], ...options, database })
  onTestFinished(async () => void (await mq.close().catch(() => undefined)))
  return { mq, errors: errorsOf(mq) }
}

export function errorsOf(mq: PocketMQ): MQError[] {
  const errors: MQError[] = []
  mq.on('error', (error) => errors.push(MQError.from(error)))
  return errors
}

/** The bodies that a topic holds, in the order of its queue. */
export async function bodiesOf(mq: PocketMQ, topic = 'orders'): Promise<string[]> {
  const messages = await mq.admin.browse(topic, { max: 10_000 })
  return messages.map((message) => message.text())
}

/** The keys of our rows. */
export async function rowKeys(database: AppDatabase, box: 'outbox' | 'inbox'): Promise<string[]> {
  return database.sublevel(`pocketmq.${box}`).keys().all()
}
