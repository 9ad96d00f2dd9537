import { setTimeout as sleep } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { expectStored, sendBatches, TOPIC } from '../load.ts'
import { peakRssBytes } from '../process-figures.ts'
import { withProduct } from '../product.ts'
import { atMost, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 128
const MIB = 2 ** 20

/** Memory must not grow with what is stored. */
export const memory: Scenario = {
  name: 'memory',
  title: 'resident memory of the whole process with 10 million stored messages of 128 B',
  run(setup) {
    const bodies = makeBodies(BODY_BYTES)
    const count = setup.quick ? 50_000 : 10_000_000
    const before = process.memoryUsage.rss()

    return withProduct({ retention: { maxBytes: 2 ** 40 } }, async (mq) => {
      const producer = await mq.createProducer({ group: 'bench' })
      const message = (index: number) => ({ topic: TOPIC, body: bodies(index) })
      await sendBatches(producer, { count, batchCount: 100, inFlight: 10, message })
      await expectStored(mq, count)
      await sleep(1000)
      globalThis.gc?.()

      setup.note(`before the first message: ${(before / MIB).toFixed(0)} MiB`)
      return [
        figure('memory/at-rest', process.memoryUsage.rss() / MIB, 'MiB', { goal: atMost('value', 250) }),
        figure('memory/peak', peakRssBytes() / MIB, 'MiB'),
      ]
    })
  },
}
