import { setTimeout as sleep } from 'node:timers/promises'
import { makeBodies } from '../bodies.ts'
import { withDirectory } from '../directory.ts'
import { type Message, sendConcurrently, TOPIC } from '../load.ts'
import { type Instance, openStore, withProduct } from '../product.ts'
import { interleave, median, quantile, rateOf } from '../rounds.ts'
import { atLeast, atMost, type Figure, figure, type Scenario, type Setup } from '../scenario.ts'

const BODY_BYTES = 128
const IN_FLIGHT = 1000
const HOUR_MS = 3_600_000
/** How long before their moment messages are sent. */
const LEAD_MS = 3000

/** Delayed messages: what a send costs, whether it matters how many wait, and how late they come. */
export const delayed: Scenario = {
  name: 'delayed',
  title:
    'delayed messages: sending against plain sends, a million that wait against a thousand, memory and opening, lateness',
  run: async (setup) => [
    ...(await compareSends(setup)),
    ...(await comparePending(setup)),
    ...(await measureWaiting(setup)),
    ...(await measureLateness(setup)),
  ],
}

const bodies = makeBodies(BODY_BYTES)
/** Spreads times over an hour, in no order. */
const spread = (index: number): number => Math.imul(index, 0x9e3779b1) >>> 0
const plain = (index: number): Message => ({ topic: TOPIC, body: bodies(index) })
const inTwoHours = (now: number) => (index: number) => ({
  ...plain(index),
  deliveryTimestamp: now + HOUR_MS + (spread(index) % HOUR_MS),
})

async function send(mq: Instance, count: number, message: (index: number) => Message): Promise<number> {
  const producer = await mq.createProducer({ group: 'bench' })
  const rate = await rateOf(count, () => sendConcurrently(producer, { count, inFlight: IN_FLIGHT, message }))
  await producer.close()
  return rate
}

/** With one delay for all messages, as a level is; and with times in no order, which LevelDB has to sort. */
async function compareSends(setup: Setup): Promise<readonly Figure[]> {
  const count = setup.quick ? 2000 : 200_000
  const compare = (message: (index: number) => Message) =>
    interleave(
      setup,
      setup.quick ? 1 : 5,
      () => withProduct({}, (mq) => send(mq, count, message)),
      () => withProduct({}, (mq) => send(mq, count, plain)),
    )
  const level = await compare((index) => ({ ...plain(index), delayTimeLevel: 18 }))
  const times = await compare(inTwoHours(Date.now()))
  return [
    figure('delayed/send', level.product, 'msg/s', {
      baseline: level.baseline,
      goal: atLeast('ratio', 0.5),
    }),
    figure('delayed/send-in-no-order', times.product, 'msg/s', { baseline: times.baseline }),
  ]
}

/** Messages a second. */
interface PendingRates {
  readonly sent: number
  readonly delivered: number
}

/** Sends and deliveries beside many that wait, and beside few. */
function comparePending(setup: Setup): Promise<readonly Figure[]> {
  const topics = [{ topic: TOPIC, queues: 1 }]
  const [many, few, count] = setup.quick ? [5000, 100, 1000] : [1_000_000, 1000, 50_000]
  return withProduct({ topics }, (beside) =>
    withProduct({ topics }, async (alone) => {
      await send(beside, many, inTwoHours(Date.now()))
      await send(alone, few, inTwoHours(Date.now()))
      const deliveries = { product: [] as number[], baseline: [] as number[] }
      const round = async (mq: Instance, rates: number[]): Promise<number> => {
        const { sent, delivered } = await sendAndDeliver(mq, count, setup.quick ? 300 : LEAD_MS)
        rates.push(delivered)
        return sent
      }
      const rates = await interleave(
        setup,
        setup.quick ? 1 : 5,
        () => round(beside, deliveries.product),
        () => round(alone, deliveries.baseline),
      )
      const goal = atLeast('ratio', 0.8)
      return [
        figure('delayed/pending-send', rates.product, 'msg/s', { baseline: rates.baseline, goal }),
        figure('delayed/pending-delivery', median(deliveries.product.slice(1)), 'msg/s', {
          baseline: median(deliveries.baseline.slice(1)),
          goal,
        }),
      ]
    }),
  )
}

/**
 * Rates of sending messages that are all due at one moment, and of their delivery from then on. On a machine too slow to send them
 * before that moment, it is done again with more time.
 */
async function sendAndDeliver(mq: Instance, count: number, leadMs: number): Promise<PendingRates> {
  const [status] = await mq.admin.topicStatus(TOPIC)
  const { queue, maxOffset } = status!
  const deliveryTimestamp = Date.now() + leadMs
  const sent = await send(mq, count, (index) => ({ ...plain(index), deliveryTimestamp }))
  const isInTime = Date.now() < deliveryTimestamp
  await sleep(Math.max(0, deliveryTimestamp - Date.now()))
  while ((await mq.admin.maxOffset(queue)) < maxOffset + count) await sleep(1)
  if (!isInTime) return sendAndDeliver(mq, count, 2 * leadMs)
  return { sent, delivered: (count / (Date.now() - deliveryTimestamp)) * 1000 }
}

/** The memory that one more waiting message takes, and how long it takes to open a store with many; against a few. */
async function measureWaiting(setup: Setup): Promise<readonly Figure[]> {
  const [many, few] = setup.quick ? [4000, 200] : [500_000, 1000]
  const ofFew = await waitInStore(few)
  const ofMany = await waitInStore(many)
  return [
    figure('delayed/memory-per-message', ofMany.memoryBytes / many, 'B', { goal: atMost('value', 16) }),
    figure('delayed/open', ofMany.openMs, 'ms', { baseline: ofFew.openMs, goal: atMost('value', 300) }),
  ]
}

async function waitInStore(
  count: number,
): Promise<{ readonly memoryBytes: number; readonly openMs: number }> {
  return withDirectory(async (directory) => {
    const before = await openStore(directory)
    const sendHalf = async (): Promise<number> => {
      await send(before, count / 2, inTwoHours(Date.now()))
      // Until all of it is in the databases.
      await before.admin.queryMessagesById(`01${'0'.repeat(32)}`)
      return memoryInUse()
    }
    // The first half fills what is kept to be used again.
    const half = await sendHalf()
    const memoryBytes = ((await sendHalf()) - half) * 2
    await before.close()
    const startedAt = performance.now()
    const after = await openStore(directory)
    const openMs = performance.now() - startedAt
    await after.close()
    return { memoryBytes, openMs }
  })
}

/** Buffers are given back a while after they were collected. */
async function memoryInUse(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await sleep(300)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** How many milliseconds behind its time a message is in the listener when nothing else goes on. */
async function measureLateness(setup: Setup): Promise<readonly Figure[]> {
  const count = setup.quick ? 20 : 1000
  const lateMs = await withProduct({}, async (mq) => {
    const late: number[] = []
    await mq.createPushConsumer({
      group: 'bench',
      subscriptions: { [TOPIC]: '*' },
      listener: async (message) => void late.push(Date.now() - (message.deliveryTimestamp ?? Number.NaN)),
    })
    const start = Date.now() + 100
    await send(mq, count, (index) => ({ ...plain(index), deliveryTimestamp: start + 10 * index }))
    while (late.length < count) await sleep(20)
    return late
  })
  if (Math.min(...lateMs) < 0) throw new Error('a message came before its time')
  return [
    figure('delayed/lateness-p50', quantile(lateMs, 0.5), 'ms'),
    figure('delayed/lateness-p99', quantile(lateMs, 0.99), 'ms', { goal: atMost('value', 5) }),
  ]
}
