/** A backlog of stored messages, and a group that consumes it. */
import { expectStored, sendBatches, TOPIC } from './load.ts'
import { type Instance, openStore } from './product.ts'

/** Of every message of a backlog. */
export const BACKLOG_BODY_BYTES = 128

export interface Backlog {
  readonly count: number
  readonly bodies: (index: number) => Buffer
}

/** Stores a backlog and closes: opened anew, nothing of it is left in memory. */
export async function fillBacklog(directory: string, { count, bodies }: Backlog): Promise<void> {
  const mq = await openStore(directory)
  const producer = await mq.createProducer({ group: 'bench' })
  const message = (index: number) => ({ topic: TOPIC, body: bodies(index) })
  await sendBatches(producer, { count, batchCount: 100, inFlight: 10, message })
  await expectStored(mq, count)
  await mq.close()
}

/** Messages per second from the first call to the listener's last message; then every offset must be kept. */
export async function pushConsumeBacklog(
  mq: Instance,
  group: string,
  count: number,
  mode: 'concurrent' | 'orderly' = 'concurrent',
): Promise<number> {
  let received = 0
  let bytes = 0
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const start = performance.now()
  const consumer = await mq.createPushConsumer({
    group,
    mode,
    subscriptions: { [TOPIC]: '*' },
    consumeFromWhere: 'FIRST_OFFSET',
    listener: async (message) => {
      bytes += message.body.length
      if (++received === count) finish()
    },
  })
  await finished
  const rate = (count / (performance.now() - start)) * 1000
  await consumer.close()

  const { lag } = await mq.admin.consumerProgress(group)
  if (received !== count || bytes !== count * BACKLOG_BODY_BYTES || lag !== 0)
    throw new Error(`received ${received} of ${count} messages, ${bytes} bytes; ${lag} offsets are not kept`)
  return rate
}
