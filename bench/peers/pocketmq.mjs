// Our side of each comparison, from the build in dist: `npm run build` in the root of the repository comes first.
import { BODY, expectCount, rateOf, sendAll, withDirectory } from './work.mjs'

const { PocketMQ } = await import('../../dist/index.js')
const TOPIC = 'bench'

export const works = {
  'await send': (count) => sending(count, (producer) => sendAll(count, 1, () => producer.send(message()))),

  'send, 1000 in flight': (count) =>
    sending(count, (producer) => sendAll(count, 1000, () => producer.send(message()))),

  'send arrays of 100': (count) =>
    sending(count, (producer) =>
      sendAll(count / 100, 10, () => producer.send(Array.from({ length: 100 }, message))),
    ),

  consume: (count) =>
    withStore(async (mq) => {
      const producer = await mq.createProducer({ group: 'bench' })
      await sendAll(count / 100, 10, () => producer.send(Array.from({ length: 100 }, message)))
      return rateOf(count, () => consumeAll(mq, count))
    }),
}

function message() {
  return { topic: TOPIC, body: BODY }
}

function sending(count, send) {
  return withStore(async (mq) => {
    const producer = await mq.createProducer({ group: 'bench' })
    const rate = await rateOf(count, () => send(producer))
    const queues = await mq.admin.topicStatus(TOPIC)
    const stored = queues.reduce((sum, queue) => sum + queue.maxOffset, 0)
    expectCount('PocketMQ stored', stored, count)
    return rate
  })
}

async function consumeAll(mq, count) {
  let received = 0
  let finish
  const finished = new Promise((resolve) => {
    finish = resolve
  })
  const consumer = await mq.createPushConsumer({
    group: 'bench',
    subscriptions: { [TOPIC]: '*' },
    consumeFromWhere: 'FIRST_OFFSET',
    listener: async () => {
      if (++received === count) finish()
    },
  })
  await finished
  await consumer.close()
  expectCount('PocketMQ delivered', received, count)
}

function withStore(work) {
  return withDirectory(async (directory) => {
    const mq = await PocketMQ.open(directory)
    try {
      return await work(mq)
    } finally {
      await mq.close()
    }
  })
}
