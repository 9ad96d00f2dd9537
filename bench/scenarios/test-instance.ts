import { loadProduct } from '../product.ts'
import { median } from '../rounds.ts'
import { atMost, type Figure, figure, type Scenario } from '../scenario.ts'
import { loadTesting, type TestInstance } from '../testing.ts'

const ROUNDS = { quick: 20, full: 300 }
/** Messages that every fork begins with. */
const SEED_MESSAGES = 100

/** What a test pays for an instance, for a copy of one, and for hours of retries. */
export const testInstance: Scenario = {
  name: 'test-instance',
  title:
    'an instance for one test, a fork of a seeded one, 16 retries in virtual time; against an instance in memory',
  async run(setup) {
    const rounds = ROUNDS[setup.quick ? 'quick' : 'full']
    const { createTestMQ } = await loadTesting()
    const { PocketMQ } = await loadProduct()
    const cold = await walkRetries(await createTestMQ())
    const plain = await times(rounds, () => PocketMQ.open({ storage: 'memory' }))
    const created = await times(rounds, () => createTestMQ())
    const template = await seeded(await createTestMQ())
    const forked = await times(rounds, () => template.fork())
    await template.close()
    const walks: number[] = []
    for (let i = 0; i < Math.ceil(rounds / 10); i++) walks.push(await walkRetries(await createTestMQ()))
    return report(median(plain), median(created), median(forked), median(walks), cold)
  },
}

function report(
  plainMs: number,
  createdMs: number,
  forkedMs: number,
  walkMs: number,
  coldMs: number,
): Figure[] {
  return [
    figure('test-instance/create', createdMs, 'ms', { baseline: plainMs }),
    figure('test-instance/fork', forkedMs, 'ms', { baseline: plainMs, goal: atMost('value', 1) }),
    figure('test-instance/16-retries', walkMs, 'ms', { goal: atMost('value', 50) }),
    figure('test-instance/16-retries-cold', coldMs, 'ms'),
  ]
}

/** Milliseconds of each opening; closing is not measured. */
async function times(count: number, open: () => Promise<{ close(): Promise<unknown> }>): Promise<number[]> {
  const taken: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    const mq = await open()
    taken.push(performance.now() - start)
    await mq.close()
  }
  return taken
}

async function seeded(mq: TestInstance): Promise<TestInstance> {
  const producer = await mq.createProducer({ group: 'bench' })
  for (let i = 0; i < SEED_MESSAGES; i++) {
    await producer.send({ topic: 'bench', body: `message ${i}`, keys: [`k${i}`] })
  }
  return mq
}

/** Milliseconds from the first send to the dead letter. */
async function walkRetries(mq: TestInstance): Promise<number> {
  await mq.createPushConsumer({
    group: 'bench',
    subscriptions: { bench: '*' },
    listener: () => {
      throw new Error('always')
    },
  })
  const producer = await mq.createProducer({ group: 'bench' })
  const start = performance.now()
  await producer.send({ topic: 'bench', body: 'fails' })
  await mq.settled({ horizon: '5h' })
  const took = performance.now() - start
  const count = mq.ledger.of('dead-lettered').length
  if (count !== 1) throw new Error(`${count} dead letters instead of one`)
  await mq.close()
  return took
}
