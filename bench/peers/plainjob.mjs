// plainjob: a job queue on SQLite, in the process.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { better, defineQueue, defineWorker } from 'plainjob'
import { BODY, expectCount, rateOf, sendAll, withDirectory } from './work.mjs'

export const name = 'plainjob'

const TYPE = 'bench'
const quiet = { error: console.error, warn: console.warn, info() {}, debug() {} }

export function missing() {
  return undefined
}

export const works = [
  {
    name: 'add',
    like: 'await send',
    count: 50_000,
    run: (count) => adding(count, (queue) => sendAll(count, 1, () => queue.add(TYPE, BODY))),
  },
  {
    name: 'addMany of 100',
    like: 'send arrays of 100',
    count: 200_000,
    run: (count) => adding(count, (queue) => addMany(queue, count)),
  },
  {
    name: 'consume',
    like: 'consume',
    count: 50_000,
    run: (count) =>
      withQueue(async (queue) => {
        addMany(queue, count)
        return rateOf(count, () => consumeAll(queue, count))
      }),
  },
]

function adding(count, add) {
  return withQueue(async (queue) => {
    const rate = await rateOf(count, () => add(queue))
    expectCount('plainjob stored', queue.countJobs({ type: TYPE }), count)
    return rate
  })
}

function addMany(queue, count) {
  for (let i = 0; i < count; i += 100) queue.addMany(TYPE, Array(100).fill(BODY))
}

async function consumeAll(queue, count) {
  let received = 0
  let finish
  const finished = new Promise((resolve) => {
    finish = resolve
  })
  const worker = defineWorker(TYPE, async () => {}, {
    queue,
    logger: quiet,
    onCompleted: () => {
      if (++received === count) finish()
    },
  })
  // It resolves only when the worker is stopped.
  worker.start()
  await finished
  await worker.stop()
}

function withQueue(work) {
  return withDirectory(async (directory) => {
    const queue = defineQueue({ connection: better(new Database(join(directory, 'jobs.db'))), logger: quiet })
    try {
      return await work(queue)
    } finally {
      queue.close()
    }
  })
}
