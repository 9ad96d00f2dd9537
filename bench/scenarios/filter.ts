import { join } from 'node:path'
import { makeBodies } from '../bodies.ts'
import { withDirectory } from '../directory.ts'
import { sendBatches } from '../load.ts'
import { type Instance, loadProduct, openStore } from '../product.ts'
import { packRecords, rawPackedRead } from '../raw.ts'
import { interleave } from '../rounds.ts'
import { atLeast, type Figure, figure, type Scenario, type Setup } from '../scenario.ts'

const BODY_BYTES = 128
const PACK_COUNT = 1000
/** One message in so many passes. */
const ONE_IN = 100
/** A topic whose messages have a tag, and one whose messages have three properties. */
const TAGGED = 'tagged'
const DESCRIBED = 'described'

type Subscriptions = Parameters<Instance['createPushConsumer']>[0]['subscriptions']

/** How fast a group goes past what it does not want. */
export const filter: Scenario = {
  name: 'filter',
  title:
    'consume 1 of 100 stored messages by tag, and by SQL; against reading the records packed in classic-level',
  run: (setup) =>
    withDirectory(async (directory) => {
      const bodies = makeBodies(BODY_BYTES)
      const count = setup.quick ? 10_000 : 1_000_000
      const rawDirectory = join(directory, 'raw')
      const productDirectory = join(directory, 'product')
      await packRecords(rawDirectory, bodies, count, PACK_COUNT)
      await fill(productDirectory, count, bodies)
      const { sql } = await loadProduct()
      const mq = await openStore(productDirectory)
      const baseline = (): Promise<number> => rawPackedRead(rawDirectory, count)
      const run = { setup, mq, count, baseline }
      const figures = [
        await measure(run, 'filter/tag', { [TAGGED]: 'rare' }, 2_000_000),
        await measure(run, 'filter/sql', { [DESCRIBED]: sql("kind = 'rare' AND amount > 10") }, 500_000),
      ]
      await mq.close()
      return figures
    }),
}

interface Run {
  readonly setup: Setup
  readonly mq: Instance
  readonly count: number
  readonly baseline: () => Promise<number>
}

async function measure(
  { setup, mq, count, baseline }: Run,
  name: string,
  subscriptions: Subscriptions,
  goal: number,
): Promise<Figure> {
  let round = 0
  const product = (): Promise<number> =>
    scan(mq, `${name.replace('/', '-')}-${round++}`, subscriptions, count)
  const rates = await interleave(setup, setup.quick ? 1 : 5, product, baseline)
  return figure(name, rates.product, 'scanned/s', { baseline: rates.baseline, goal: atLeast('value', goal) })
}

async function fill(directory: string, count: number, bodies: (index: number) => Buffer): Promise<void> {
  const mq = await openStore(directory)
  const producer = await mq.createProducer({ group: 'bench' })
  const kindOf = (index: number): string => (index % ONE_IN === 0 ? 'rare' : 'common')
  const tagged = (index: number) => ({ topic: TAGGED, body: bodies(index), tag: kindOf(index) })
  const described = (index: number) => {
    const properties = { region: 'eu', kind: kindOf(index), amount: '12' }
    return { topic: DESCRIBED, body: bodies(index), properties }
  }
  await sendBatches(producer, { count, batchCount: 100, inFlight: 10, message: tagged })
  await sendBatches(producer, { count, batchCount: 100, inFlight: 10, message: described })
  await mq.close()
}

/** Messages per second that a group goes past until it has all that it wants. */
async function scan(
  mq: Instance,
  group: string,
  subscriptions: Subscriptions,
  count: number,
): Promise<number> {
  const expected = Math.ceil(count / ONE_IN)
  let received = 0
  let finish: () => void = () => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const start = performance.now()
  const consumer = await mq.createPushConsumer({
    group,
    subscriptions,
    consumeFromWhere: 'FIRST_OFFSET',
    listener: async () => {
      if (++received === expected) finish()
    },
  })
  await finished
  const rate = (count / (performance.now() - start)) * 1000
  await consumer.close()
  if (received !== expected) throw new Error(`received ${received} of ${expected} messages`)
  return rate
}
