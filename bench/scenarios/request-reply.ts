import { setImmediate as nextTurn } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { type Producer, TOPIC } from '../load.ts'
import { withProduct } from '../product.ts'
import { quantile } from '../rounds.ts'
import { atMost, type Figure, figure, type Scenario, type Setup } from '../scenario.ts'

const BODY_BYTES = 128
/** Sends and requests go elsewhere, so that nobody consumes the sends. */
const PLAIN_TOPIC = 'plain'

/** From `request` to its reply when nothing else goes on. */
export const requestReply: Scenario = {
  name: 'request-reply',
  title: 'a request and its reply from a push consumer, one by one; against two awaited sends',
  run: (setup) =>
    withProduct({}, async (mq) => {
      await mq.createPushConsumer({
        group: 'bench',
        subscriptions: { [TOPIC]: '*' },
        listener: async (message) => void (await message.reply(message.body)),
      })
      return measure(setup, await mq.createProducer({ group: 'bench' }))
    }),
}

async function measure({ quick, note }: Setup, producer: Producer): Promise<readonly Figure[]> {
  const count = quick ? 300 : 5000
  const bodies = makeBodies(BODY_BYTES)
  const ask = async (index: number): Promise<void> => {
    const reply = await producer.request({ topic: TOPIC, body: bodies(index) })
    if (reply.body.length !== BODY_BYTES) throw new Error('a reply has another body than its request')
  }
  const sendTwice = async (index: number): Promise<void> => {
    for (let i = 0; i < 2; i++) await producer.send({ topic: PLAIN_TOPIC, body: bodies(index) })
  }
  const requests: number[] = []
  const sends: number[] = []
  for (let index = -count; index < count; index++) {
    const request = await timeOf(() => ask(index + count))
    const send = await timeOf(() => sendTwice(index + count))
    // The first half only warms up.
    if (index < 0) continue
    requests.push(request)
    sends.push(send)
  }
  const { droppedReplyCount } = producer.stats
  note(`${count} round trips, ${droppedReplyCount} replies dropped`)
  if (droppedReplyCount > 0) throw new Error(`${droppedReplyCount} replies were dropped`)
  return [
    compare('request-reply/p50', requests, sends, 0.5, 300),
    compare('request-reply/p99', requests, sends, 0.99),
  ]
}

/** Microseconds; the event loop turns before. */
async function timeOf(work: () => Promise<void>): Promise<number> {
  await nextTurn()
  const start = performance.now()
  await work()
  return (performance.now() - start) * 1000
}

function compare(
  name: string,
  requests: readonly number[],
  sends: readonly number[],
  share: number,
  bound?: number,
): Figure {
  const goal = bound === undefined ? null : atMost('value', bound)
  return figure(name, quantile(requests, share), 'us', { baseline: quantile(sends, share), goal })
}
