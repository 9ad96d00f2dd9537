import { makeBodies } from '../bodies.ts'
import { expectStored, type Message, type Producer, sendConcurrently, TOPIC } from '../load.ts'
import { loadProduct, withProduct } from '../product.ts'
import { interleave, rateOf } from '../rounds.ts'
import { atLeast, figure, type Scenario } from '../scenario.ts'

const BODY_BYTES = 128
const IN_FLIGHT = 1000

/** What a transaction costs: its half, and its end, against sends of the same messages. */
export const transaction: Scenario = {
  name: 'transaction',
  title: 'send in a transaction and commit, a promise each, 1000 in flight, 128 B; against plain sends',
  async run(setup) {
    const count = setup.quick ? 2000 : 300_000
    const bodies = makeBodies(BODY_BYTES)
    const message = (index: number): Message => ({ topic: TOPIC, body: bodies(index) })
    const { TransactionResolution } = await loadProduct()

    const measure = (work: (producer: Producer) => Promise<void>) => (): Promise<number> =>
      withProduct({}, async (mq) => {
        const transactionChecker = () => TransactionResolution.UNKNOWN
        const producer = await mq.createProducer({ group: 'bench', transactionChecker })
        const rate = await rateOf(count, () => work(producer))
        await expectStored(mq, count)
        return rate
      })
    const plain = measure((producer) => sendConcurrently(producer, { count, inFlight: IN_FLIGHT, message }))
    const rounds = setup.quick ? 1 : 5
    const commits = await interleave(
      setup,
      rounds,
      measure((producer) => commitConcurrently(producer, count, message)),
      plain,
    )
    return [
      figure('transaction', commits.product, 'commits/s', {
        baseline: commits.baseline,
        goal: atLeast('value', 60_000),
      }),
    ]
  },
}

/** Sends messages 0 to `count - 1`, each in a transaction of its own that is committed when its half is stored. */
async function commitConcurrently(
  producer: Producer,
  count: number,
  message: (index: number) => Message,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const begun = producer.beginTransaction()
      await producer.send(message(next++), { transaction: begun })
      await begun.commit()
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
}
