import { setImmediate as turn } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { TOPIC } from '../load.ts'
import { watchRss } from '../process-figures.ts'
import { type Instance, withProduct } from '../product.ts'
import { median } from '../rounds.ts'
import { atMost, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 256
const IN_FLIGHT = 200
/** Sending rests when the listener is so far behind, or retention would overtake it. */
const LARGEST_LAG = 20_000
const MIB = 2 ** 20

/** Sends and consumes without a pause, with retention at work: what grows would show. */
export const soakMemory: Scenario = {
  name: 'soak-memory',
  title:
    'sending and consuming without a pause; memory of the last fifth against the second fifth of the time',
  run(setup) {
    const seconds = setup.quick ? 1 : 60
    const retention = { maxBytes: 256 * MIB, intervalMs: 1000 }
    return withProduct({ retention }, async (mq) => {
      const samples = watchRss()
      const { sent, received } = await sendAndConsume(mq, seconds * 1000)
      const rss = samples.stop()

      if (received !== sent) throw new Error(`sent ${sent} messages and received ${received}`)
      setup.note(`${sent.toLocaleString('en')} messages sent and received in ${seconds} s`)
      const fifth = Math.floor(rss.length / 5)
      const early = median(rss.slice(fifth, 2 * fifth)) / MIB
      const late = median(rss.slice(-fifth)) / MIB
      return [figure('soak-memory', late, 'MiB', { baseline: early, goal: atMost('ratio', 1.1) })]
    })
  },
}

async function sendAndConsume(mq: Instance, durationMs: number): Promise<{ sent: number; received: number }> {
  const bodies = makeBodies(BODY_BYTES)
  let sent = 0
  let received = 0
  let sending = true
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const consumer = await mq.createPushConsumer({
    group: 'bench',
    subscriptions: { [TOPIC]: '*' },
    listener: async () => {
      received++
      if (!sending && received === sent) finish()
    },
  })
  const producer = await mq.createProducer({ group: 'bench' })
  const end = performance.now() + durationMs
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      if (sent - received > LARGEST_LAG) await turn()
      else await producer.send({ topic: TOPIC, body: bodies(sent++) })
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  sending = false
  if (received < sent) await finished
  await consumer.close()
  return { sent, received }
}
