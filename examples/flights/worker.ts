/** The child process that does the work on a durable store. It does not know that it is going to be killed. */
import { join } from 'node:path'
import { loadFlights } from './flight.ts'
import { type JobResult, openStore, type Progress, runJob } from './job.ts'
import { Records } from './records.ts'

/** What the worker tells its parent. */
export type FromWorker =
  | { readonly progress: Progress }
  | { readonly result: JobResult; readonly openMs: number }

const [directory = '', flightCount, pauseMs] = process.argv.slice(2)
const tell = (message: FromWorker): void => {
  process.send?.(message)
}

const start = performance.now()
const mq = await openStore(join(directory, 'store'))
const openMs = performance.now() - start
const result = await runJob(mq, {
  flights: loadFlights(Number(flightCount)),
  records: new Records(join(directory, 'records')),
  pauseMs: Number(pauseMs),
  onProgress: (progress) => tell({ progress }),
})
await mq.close()
tell({ result, openMs })
process.disconnect()
