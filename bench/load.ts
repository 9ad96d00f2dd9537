/** The work that scenarios give to the product. */
import type * as Product from '../src/index.ts'
import type { Instance } from './product.ts'

export type Producer = Awaited<ReturnType<Instance['createProducer']>>
export type Message = Product.Message

/** The topic of every scenario. */
export const TOPIC = 'bench'

/** Sends messages 0 to `count - 1`, each with a promise of its own, and keeps `inFlight` of them under way. */
export async function sendConcurrently(
  producer: Producer,
  { count, inFlight, message }: { count: number; inFlight: number; message: (index: number) => Message },
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await producer.send(message(next++))
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}

/** Sends arrays of `batchCount` messages and keeps `inFlight` arrays under way. */
export function sendBatches(
  producer: Producer,
  {
    count,
    batchCount,
    inFlight,
    message,
  }: { count: number; batchCount: number; inFlight: number; message: (index: number) => Message },
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const batch: Message[] = []
      for (; batch.length < batchCount && next < count; next++) batch.push(message(next))
      await producer.send(batch)
    }
  }
  return Promise.all(Array.from({ length: inFlight }, lane)).then(() => undefined)
}

/** Fails when the topic does not hold exactly this many messages. */
export async function expectStored(mq: Instance, expected: number): Promise<void> {
  const queues = await mq.admin.topicStatus(TOPIC)
  const stored = queues.reduce((sum, { minOffset, maxOffset }) => sum + maxOffset - minOffset, 0)
  if (stored !== expected) throw new Error(`the store holds ${stored} of ${expected} messages`)
}
