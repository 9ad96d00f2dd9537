/** Both stores of the example, and what it is about. */
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { PocketMQ } from 'pocketmq'

export const ORDER_COUNT = 100
export const PAID_TOPIC = 'paid'

/** The application's own database: an order is paid when it has an entry, and that names the transaction that paid it. */
export async function openPayments(directory: string): Promise<ClassicLevel> {
  const payments = new ClassicLevel(join(directory, 'payments'))
  await payments.open()
  return payments
}

/** RocketMQ asks after 6 s and then every 30 s; an example cannot wait so long. */
export function openQueue(directory: string): Promise<PocketMQ> {
  return PocketMQ.open(join(directory, 'queue'), {
    topics: [{ topic: PAID_TOPIC, queues: 1 }],
    transactionTimeOutMs: 200,
    transactionCheckIntervalMs: 200,
  })
}
