/** What all scenarios of sending have in common: a new store and a new raw database in every round. */
import { makeBodies } from './bodies.ts'
import { expectStored, type Message, type Producer, TOPIC } from './load.ts'
import { type OpenOptions, withProduct } from './product.ts'
import { interleave, rateOf } from './rounds.ts'
import { atLeast, figure, type Scenario } from './scenario.ts'

const BODY_BYTES = 128
const ROUND_COUNT = { quick: 1, full: 5 }

export interface Sending {
  readonly name: string
  readonly title: string
  /** Messages of one round. */
  readonly count: { readonly quick: number; readonly full: number }
  /** The least ratio to the baseline. */
  readonly goal: number
  readonly options?: OpenOptions
  /** Sends messages 0 to `count - 1`; done when all are acknowledged. */
  send(producer: Producer, count: number, message: (index: number) => Message): Promise<void>
  /** The rate of the same bodies in classic-level. */
  baseline(bodies: (index: number) => Buffer, count: number): Promise<number>
}

export function sendScenario({ name, title, count, goal, options = {}, send, baseline }: Sending): Scenario {
  return {
    name,
    title,
    async run(setup) {
      const size = setup.quick ? 'quick' : 'full'
      const bodies = makeBodies(BODY_BYTES)
      const message = (index: number): Message => ({ topic: TOPIC, body: bodies(index) })

      const product = (): Promise<number> =>
        withProduct(options, async (mq) => {
          const producer = await mq.createProducer({ group: 'bench' })
          const rate = await rateOf(count[size], () => send(producer, count[size], message))
          await expectStored(mq, count[size])
          return rate
        })
      const rates = await interleave(setup, ROUND_COUNT[size], product, () => baseline(bodies, count[size]))
      return [
        figure(name, rates.product, 'msg/s', { baseline: rates.baseline, goal: atLeast('ratio', goal) }),
      ]
    },
  }
}
