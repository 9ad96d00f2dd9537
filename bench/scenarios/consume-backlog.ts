import { join } from 'node:path'
import { BACKLOG_BODY_BYTES, fillBacklog, pushConsumeBacklog } from '../backlog.ts'
import { makeBodies } from '../bodies.ts'
import { withDirectory } from '../directory.ts'
import { openStore } from '../product.ts'
import { packRecords, rawPackedRead } from '../raw.ts'
import { interleave } from '../rounds.ts'
import { atLeast, figure, type Scenario } from '../scenario.ts'

const PACK_COUNT = 1000

/** A consumer comes back and finds a backlog: pull, deliver to an async listener, keep the offsets. */
export const consumeBacklog: Scenario = {
  name: 'consume-backlog',
  title: 'push-consume a stored backlog, async listener; against reading the records packed in classic-level',
  run: (setup) =>
    withDirectory(async (directory) => {
      const bodies = makeBodies(BACKLOG_BODY_BYTES)
      const count = setup.quick ? 10_000 : 1_000_000
      const rawDirectory = join(directory, 'raw')
      const productDirectory = join(directory, 'product')
      await packRecords(rawDirectory, bodies, count, PACK_COUNT)
      await fillBacklog(productDirectory, { count, bodies })

      const mq = await openStore(productDirectory)
      let round = 0
      const product = (): Promise<number> => pushConsumeBacklog(mq, `group-${round++}`, count)
      const baseline = (): Promise<number> => rawPackedRead(rawDirectory, count)
      const rates = await interleave(setup, setup.quick ? 1 : 5, product, baseline)
      await mq.close()
      return [
        figure('consume-backlog', rates.product, 'msg/s', {
          baseline: rates.baseline,
          goal: atLeast('ratio', 0.35),
        }),
      ]
    }),
}
