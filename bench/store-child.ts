/**
 * A process that does one thing to a store and says so: fill it and close it, send until it is killed, or measure how
 * long it takes to open. Only another process can be killed, and only a fresh one opens as an application does.
 */
import { makeBodies } from './bodies.ts'
import { expectStored, sendBatches, sendConcurrently, TOPIC } from './load.ts'
import { loadProduct, openStore } from './product.ts'

const BODY_BYTES = 128
const bodies = makeBodies(BODY_BYTES)
const message = (index: number) => ({ topic: TOPIC, body: bodies(index) })
const KEEP_ALL = { retention: { maxBytes: 2 ** 40 } }

const acts = {
  async fill(directory: string, count: number, queues: number): Promise<void> {
    const mq = await openStore(directory, KEEP_ALL)
    await mq.admin.createTopic({ topic: TOPIC, queues })
    const producer = await mq.createProducer({ group: 'bench' })
    await sendBatches(producer, { count, batchCount: 100, inFlight: 10, message })
    await expectStored(mq, count)
    await mq.close()
    report(count)
  },

  async send(directory: string): Promise<void> {
    const mq = await openStore(directory, KEEP_ALL)
    const producer = await mq.createProducer({ group: 'bench' })
    const warmUpCount = 200_000
    await sendConcurrently(producer, { count: warmUpCount, inFlight: 1000, message })
    report(warmUpCount)
    await sendConcurrently(producer, { count: Number.POSITIVE_INFINITY, inFlight: 1000, message })
  },

  async open(directory: string): Promise<void> {
    await loadProduct()
    const start = performance.now()
    const mq = await openStore(directory, KEEP_ALL)
    report(performance.now() - start)
    await mq.close()
  },
}

function report(value: number): void {
  process.send?.(value)
}

const [act, directory, count, queues] = process.argv.slice(2)
await acts[act as keyof typeof acts](directory as string, Number(count), Number(queues))
process.disconnect()
