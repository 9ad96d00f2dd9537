import { setTimeout as sleep } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { TOPIC } from '../load.ts'
import { type Instance, withProduct } from '../product.ts'
import { rawPutTimes } from '../raw.ts'
import { quantile } from '../rounds.ts'
import { atMost, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 128
/** Between two messages the process sleeps, as an idle one does. */
const PAUSE_MS = 1

/** How long a message takes from `send` to the listener when nothing else goes on. */
export const idleLatency: Scenario = {
  name: 'idle-latency',
  title: 'from send to the listener on an idle broker; against one awaited put in classic-level',
  async run(setup) {
    const bodies = makeBodies(BODY_BYTES)
    const count = setup.quick ? 300 : 5000
    const pause = (): Promise<void> => sleep(PAUSE_MS)

    const times = await withProduct({}, (mq) => sendToListenerTimes(mq, bodies, count, pause))
    const baseline = await rawPutTimes(bodies, count, pause)
    return [
      figure('idle-latency/p50', quantile(times, 0.5), 'us', {
        baseline: quantile(baseline, 0.5),
        goal: atMost('value', 30),
      }),
      figure('idle-latency/p99', quantile(times, 0.99), 'us', {
        baseline: quantile(baseline, 0.99),
        goal: atMost('value', 300),
      }),
    ]
  },
}

/** Microseconds of each message; the first tenth warms up and does not count. */
async function sendToListenerTimes(
  mq: Instance,
  bodies: (index: number) => Buffer,
  count: number,
  pause: () => Promise<void>,
): Promise<number[]> {
  let arrive: (at: number) => void = () => undefined
  const consumer = await mq.createPushConsumer({
    group: 'bench',
    subscriptions: { [TOPIC]: '*' },
    listener: async () => arrive(performance.now()),
  })
  const producer = await mq.createProducer({ group: 'bench' })

  const times: number[] = []
  const warmUpCount = Math.ceil(count / 10)
  for (let i = 0; i < count + warmUpCount; i++) {
    await pause()
    const arrived = new Promise<number>((resolve) => {
      arrive = resolve
    })
    const start = performance.now()
    const sent = producer.send({ topic: TOPIC, body: bodies(i) })
    const took = (await arrived) - start
    await sent
    if (i >= warmUpCount) times.push(took * 1000)
  }
  await consumer.close()
  return times
}
