import { join } from 'node:path'
import { makeBodies } from '../bodies.ts'
import { withDirectory } from '../directory.ts'
import { expectStored, sendBatches, TOPIC } from '../load.ts'
import { type Instance, openStore } from '../product.ts'
import { packRecords, rawPackedRead } from '../raw.ts'
import { interleave } from '../rounds.ts'
import { atLeast, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 128
const PACK_COUNT = 1000

/** A consumer comes back and finds a backlog: pull, deliver to an async listener, keep the offsets. */
export const consumeBacklog: Scenario = {
  name: 'consume-backlog',
  title: 'push-consume a stored backlog, async listener; against reading the records packed in classic-level',
  run: (setup) =>
    withDirectory(async (directory) => {
      const bodies = makeBodies(BODY_BYTES)
      const count = setup.quick ? 50_000 : 1_000_000
      const rawDirectory = join(directory, 'raw')
      const productDirectory = join(directory, 'product')
      await packRecords(rawDirectory, bodies, count, PACK_COUNT)
      await fill(productDirectory, count, bodies)

      // Opened anew, so that nothing is left in memory from the sending.
      const mq = await openStore(productDirectory)
      let round = 0
      const product = (): Promise<number> => consumeAll(mq, `group-${round++}`, count)
      const baseline = (): Promise<number> => rawPackedRead(rawDirectory, count)
      const rates = await interleave(setup, setup.quick ? 2 : 5, product, baseline)
      await mq.close()
      return [
        figure('consume-backlog', rates.product, 'msg/s', {
          baseline: rates.baseline,
          goal: atLeast('ratio', 0.35),
        }),
      ]
    }),
}

async function fill(directory: string, count: number, bodies: (index: number) => Buffer): Promise<void> {
  const mq = await openStore(directory)
  const producer = await mq.createProducer({ group: 'bench' })
  const message = (index: number) => ({ topic: TOPIC, body: bodies(index) })
  await sendBatches(producer, { count, batchCount: 100, inFlight: 10, message })
  await expectStored(mq, count)
  await mq.close()
}

/** From the first call to the listener's last message; then every offset must be kept. */
async function consumeAll(mq: Instance, group: string, count: number): Promise<number> {
  let received = 0
  let bytes = 0
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const start = performance.now()
  const consumer = await mq.createPushConsumer({
    group,
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
  if (received !== count || bytes !== count * BODY_BYTES || lag !== 0) {
    throw new Error(`received ${received} of ${count} messages, ${bytes} bytes; ${lag} offsets are not kept`)
  }
  return rate
}
