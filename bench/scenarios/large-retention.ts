import { makeBodies } from '../bodies.ts'
import { bytesOnDisk, withDirectory } from '../directory.ts'
import { sendConcurrently, TOPIC } from '../load.ts'
import { watchLoop, writtenBytes } from '../process-figures.ts'
import { openStore } from '../product.ts'
import { atLeast, atMost, type Figure, figure, type Scenario, type Setup } from '../scenario.ts'

const BODY_BYTES = 1024
const QUEUES = 64
const IN_FLIGHT = 1000
const MIB = 2 ** 20
const PARTS = 10

/** Far more than retention keeps: what slows down, piles up or is written again and again would show. */
export const largeRetention: Scenario = {
  name: 'large-retention',
  title: '10 GB of 1 KiB messages over 64 queues while retention removes the oldest',
  run: (setup) => withDirectory((directory) => measure(setup, directory)),
}

async function measure(setup: Setup, directory: string): Promise<Figure[]> {
  const totalBytes = setup.quick ? 60e6 : 10e9
  const maxBytes = setup.quick ? 16 * MIB : 1024 * MIB
  const mq = await openStore(directory, { retention: { maxBytes, intervalMs: 1000 } })
  await mq.admin.createTopic({ topic: TOPIC, queues: QUEUES })
  const producer = await mq.createProducer({ group: 'bench' })
  const bodies = makeBodies(BODY_BYTES)
  const message = (index: number) => ({ topic: TOPIC, body: bodies(index) })
  const partCount = Math.ceil(totalBytes / BODY_BYTES / PARTS)
  // What the engine compiles in the first second would make the first part slow and the last one look fast.
  await sendConcurrently(producer, { count: partCount / 5, inFlight: IN_FLIGHT, message })

  const loop = watchLoop()
  const writtenBefore = writtenBytes()
  const rates: number[] = []
  let largestBytes = 0
  for (let part = 0; part < PARTS; part++) {
    const start = performance.now()
    await sendConcurrently(producer, { count: partCount, inFlight: IN_FLIGHT, message })
    rates.push((partCount * BODY_BYTES) / 1000 / (performance.now() - start))
    largestBytes = Math.max(largestBytes, await bytesOnDisk(directory))
  }
  const delayMs = loop.delayMs(0.99)
  const written = writtenBytes()
  await mq.close()

  setup.note(`MB/s of each tenth: ${rates.map((rate) => rate.toFixed(0)).join(' ')}`)
  setup.note(`loop delay p50 ${loop.delayMs(0.5).toFixed(1)} ms, longest ${loop.delayMs(1).toFixed(0)} ms`)
  const first = rates[0] as number
  const last = rates[PARTS - 1] as number
  const figures = [
    figure('large-retention/last-tenth', last, 'MB/s', { baseline: first, goal: atLeast('ratio', 0.9) }),
    figure('large-retention/loop-delay-p99', delayMs, 'ms', { goal: atMost('value', 20) }),
    figure('large-retention/disk', largestBytes / MIB, 'MiB', { baseline: maxBytes / MIB }),
  ]
  if (written !== undefined && writtenBefore !== undefined) {
    const factor = (written - writtenBefore) / (partCount * PARTS * BODY_BYTES)
    figures.push(figure('large-retention/bytes-written', factor, 'B per B', { goal: atMost('value', 3.3) }))
  }
  return figures
}
