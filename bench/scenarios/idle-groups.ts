import { setTimeout as sleep } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { sendBatches, TOPIC } from '../load.ts'
import { type Instance, withProduct } from '../product.ts'
import { interleave, rateOf } from '../rounds.ts'
import { atLeast, atMost, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 128
const GROUPS = 1000
const SILENT = 'silent'

/** How long the process has nothing to do. */
const IDLE_MS = { quick: 300, full: 2000 }

/** What groups cost that wait: for the processor while nothing happens, and for whoever sends elsewhere. */
export const idleGroups: Scenario = {
  name: 'idle-groups',
  title: '1000 groups that wait for one topic: processor time while idle, and sending beside them',
  async run(setup) {
    const count = setup.quick ? 5_000 : 400_000
    const groups = setup.quick ? 100 : GROUPS
    const bodies = makeBodies(BODY_BYTES)
    const topics = [{ topic: SILENT }]
    const idleUs = await withProduct({ topics }, (mq) =>
      idleCost(mq, groups, IDLE_MS[setup.quick ? 'quick' : 'full']),
    )
    const rates = await interleave(
      setup,
      setup.quick ? 1 : 5,
      () => withProduct({ topics }, (mq) => sendBeside(mq, groups, count, bodies)),
      () => withProduct({ topics }, (mq) => sendBeside(mq, 0, count, bodies)),
    )
    return [
      figure('idle-groups/processor', idleUs, 'us per group and second', { goal: atMost('value', 50) }),
      figure('idle-groups/send', rates.product, 'msg/s', {
        baseline: rates.baseline,
        goal: atLeast('ratio', 0.9),
      }),
    ]
  },
}

/** Microseconds of processor time for each waiting group and second. */
async function idleCost(mq: Instance, groups: number, idleMs: number): Promise<number> {
  await wait(mq, groups)
  await sleep(idleMs)
  const before = process.cpuUsage()
  await sleep(idleMs)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / groups / (idleMs / 1000)
}

async function wait(mq: Instance, groups: number): Promise<void> {
  for (let i = 0; i < groups; i++) {
    await mq.createPushConsumer({
      group: `idle-${i}`,
      subscriptions: { [SILENT]: '*' },
      listener: async () => undefined,
    })
  }
}

async function sendBeside(
  mq: Instance,
  groups: number,
  count: number,
  bodies: (index: number) => Buffer,
): Promise<number> {
  await wait(mq, groups)
  const producer = await mq.createProducer({ group: 'bench' })
  const message = (index: number) => ({ topic: TOPIC, body: bodies(index) })
  return rateOf(count, () => sendBatches(producer, { count, batchCount: 100, inFlight: 10, message }))
}
