import { join } from 'node:path'
import { BACKLOG_BODY_BYTES, fillBacklog, pushConsumeBacklog } from '../backlog.ts'
import { makeBodies } from '../bodies.ts'
import { withDirectory } from '../directory.ts'
import { openStore } from '../product.ts'
import { packRecords, rawPackedRead } from '../raw.ts'
import { interleave } from '../rounds.ts'
import { atLeast, figure, type Scenario } from '../scenario.ts'

const PACK_COUNT = 1000

/** What order costs: one message of a queue at a time, each after the one before has settled. */
export const consumeOrderly: Scenario = {
  name: 'consume-orderly',
  title: 'push-consume a stored backlog in order; against consuming it concurrently, and against raw reading',
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
      const consume = (mode: 'orderly' | 'concurrent') => (): Promise<number> =>
        pushConsumeBacklog(mq, `group-${round++}`, count, mode)
      const rounds = setup.quick ? 1 : 5
      const modes = await interleave(setup, rounds, consume('orderly'), consume('concurrent'))
      const raw = await interleave(setup, rounds, consume('orderly'), () =>
        rawPackedRead(rawDirectory, count),
      )
      await mq.close()
      return [
        figure('consume-orderly', modes.product, 'msg/s', {
          baseline: modes.baseline,
          goal: atLeast('ratio', 0.7),
        }),
        figure('consume-orderly/raw', raw.product, 'msg/s', { baseline: raw.baseline, goal: null }),
      ]
    }),
}
