import { join } from 'node:path'
import { BACKLOG_BODY_BYTES, fillBacklog } from '../backlog.ts'
import { makeBodies } from '../bodies.ts'
import { withDirectory } from '../directory.ts'
import { TOPIC } from '../load.ts'
import { type Instance, openStore } from '../product.ts'
import { packRecords, rawPackedRead } from '../raw.ts'
import { interleave } from '../rounds.ts'
import { atLeast, figure, type Scenario } from '../scenario.ts'

const PACK_COUNT = 1000
const BATCH_COUNT = 32
const INVISIBLE_MS = 60_000

type Consumer = Awaited<ReturnType<Instance['createSimpleConsumer']>>
type Received = Awaited<ReturnType<Consumer['receive']>>
type Settle = (consumer: Consumer, messages: Received) => Promise<unknown>

/** A batch at once, and each message by itself. */
const SETTLE: Readonly<Record<string, Settle>> = {
  batch: (consumer, messages) => consumer.ack(messages),
  'one-by-one': (consumer, messages) => Promise.all(messages.map((message) => consumer.ack(message))),
}

/** Receive and acknowledge a backlog. */
export const simpleConsumer: Scenario = {
  name: 'simple-consumer',
  title: 'receive a stored backlog and acknowledge it; against reading the records packed in classic-level',
  run: (setup) =>
    withDirectory(async (directory) => {
      const bodies = makeBodies(BACKLOG_BODY_BYTES)
      const count = setup.quick ? 5_000 : 1_000_000
      const rawDirectory = join(directory, 'raw')
      const productDirectory = join(directory, 'product')
      await packRecords(rawDirectory, bodies, count, PACK_COUNT)
      await fillBacklog(productDirectory, { count, bodies })

      const mq = await openStore(productDirectory)
      const figures = []
      let round = 0
      for (const [name, settle] of Object.entries(SETTLE)) {
        const product = (): Promise<number> => receiveAll(mq, `group-${round++}`, count, settle)
        const baseline = (): Promise<number> => rawPackedRead(rawDirectory, count)
        const rates = await interleave(setup, setup.quick ? 1 : 3, product, baseline)
        const goal = name === 'batch' ? atLeast('value', 150_000) : null
        figures.push(
          figure(`simple-consumer/${name}`, rates.product, 'msg/s', { baseline: rates.baseline, goal }),
        )
      }
      await mq.close()
      return figures
    }),
}

/** Until the last acknowledgement; then nothing may be left. */
async function receiveAll(mq: Instance, group: string, count: number, settle: Settle): Promise<number> {
  const consumer = await mq.createSimpleConsumer({ group, subscriptions: { [TOPIC]: '*' } })
  let received = 0
  let bytes = 0
  const start = performance.now()
  while (received < count) {
    const messages = await consumer.receive({ maxMessages: BATCH_COUNT, invisibleDurationMs: INVISIBLE_MS })
    for (const message of messages) bytes += message.body.length
    received += messages.length
    await settle(consumer, messages)
  }
  const rate = (count / (performance.now() - start)) * 1000
  await consumer.close()

  const { lag, invisibleCount } = await mq.admin.consumerProgress(group)
  if (received !== count || bytes !== count * BACKLOG_BODY_BYTES || lag + invisibleCount !== 0)
    throw new Error(
      `received ${received} of ${count} messages, ${bytes} bytes; ${lag + invisibleCount} are left`,
    )
  return rate
}
