import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { TOPIC } from '../load.ts'
import { type Instance, withProduct } from '../product.ts'
import { rawPutTimes } from '../raw.ts'
import { quantile } from '../rounds.ts'
import { atMost, type Figure, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 128

/** What the process does between two messages: go round its event loop, or sleep until the processor is cold. */
const PAUSES = {
  awake: (): Promise<unknown> => nextTurn(),
  asleep: (): Promise<unknown> => sleep(1),
}
type Pause = () => Promise<unknown>

/** How long a message takes from `send` to the listener when nothing else goes on. */
export const idleLatency: Scenario = {
  name: 'idle-latency',
  title: 'from send to the listener on an idle broker; against one awaited put in classic-level',
  async run(setup) {
    const count = setup.quick ? 300 : 5000
    const awake = await measure(count, PAUSES.awake)
    const asleep = await measure(count, PAUSES.asleep)
    return [
      compare('idle-latency/p50', awake, 0.5, 30),
      compare('idle-latency/p99', awake, 0.99, 300),
      compare('idle-latency/after-sleep-p50', asleep, 0.5),
      compare('idle-latency/after-sleep-p99', asleep, 0.99),
    ]
  },
}

/** Microseconds of each message and of each put. */
interface Times {
  readonly product: readonly number[]
  readonly baseline: readonly number[]
}

async function measure(count: number, pause: Pause): Promise<Times> {
  const bodies = makeBodies(BODY_BYTES)
  const product = await withProduct({}, (mq) => sendToListenerTimes(mq, bodies, count, pause))
  return { product, baseline: await rawPutTimes(bodies, count, pause) }
}

function compare(name: string, { product, baseline }: Times, share: number, goal?: number): Figure {
  return figure(name, quantile(product, share), 'us', {
    baseline: quantile(baseline, share),
    goal: goal === undefined ? null : atMost('value', goal),
  })
}

/** Microseconds of each message; the first tenth warms up and does not count. */
async function sendToListenerTimes(
  mq: Instance,
  bodies: (index: number) => Buffer,
  count: number,
  pause: Pause,
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
