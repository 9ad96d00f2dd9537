// BullMQ on a Redis server that you start: REDIS_URL, or redis://127.0.0.1:6379.
import { Queue, Worker } from 'bullmq'
import Redis from 'ioredis'
import { BODY, expectCount, rateOf, sendAll } from './work.mjs'

export const name = 'bullmq'

const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const QUEUE = 'pocketmq-bench'

export async function missing() {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  redis.on('error', () => {})
  try {
    await redis.connect()
    await redis.quit()
    return undefined
  } catch (error) {
    return `no Redis at ${url} (${error.code ?? error.message}); start redis-server or set REDIS_URL`
  }
}

export const works = [
  {
    name: 'add, 1000 in flight',
    like: 'send, 1000 in flight',
    count: 50_000,
    run: (count) => adding(count, (queue) => sendAll(count, 1000, () => queue.add('job', { body: BODY }))),
  },
  {
    name: 'addBulk of 100',
    like: 'send arrays of 100',
    count: 50_000,
    run: (count) => adding(count, (queue) => addBulk(queue, count)),
  },
  {
    name: 'consume, concurrency 100',
    like: 'consume',
    count: 30_000,
    run: (count) =>
      withQueue(async (queue) => {
        await addBulk(queue, count)
        return rateOf(count, () => consumeAll(count))
      }),
  },
]

function adding(count, add) {
  return withQueue(async (queue) => {
    const rate = await rateOf(count, () => add(queue))
    expectCount('BullMQ stored', await queue.getWaitingCount(), count)
    return rate
  })
}

function addBulk(queue, count) {
  const jobs = Array.from({ length: 100 }, () => ({ name: 'job', data: { body: BODY } }))
  return sendAll(count / 100, 10, () => queue.addBulk(jobs))
}

async function consumeAll(count) {
  let received = 0
  let finish
  const finished = new Promise((resolve) => {
    finish = resolve
  })
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const worker = new Worker(QUEUE, async () => {}, {
    connection,
    concurrency: 100,
    removeOnComplete: { count: 0 },
  })
  worker.on('completed', () => {
    if (++received === count) finish()
  })
  await finished
  await worker.close()
  await connection.quit()
}

async function withQueue(work) {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue(QUEUE, { connection })
  try {
    await queue.obliterate({ force: true })
    return await work(queue)
  } finally {
    await queue.obliterate({ force: true })
    await queue.close()
    await connection.quit()
  }
}
