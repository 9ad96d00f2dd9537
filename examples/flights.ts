/**
 * The main job: 20,000 real flights go through a durable store. A child process does the work, is killed half-way and
 * started again; then every count is compared with what the file of flights says. It ends with 1 when one is wrong.
 *
 *   npm start                     on disk, with the kill
 *   npm start -- --memory         the same job in memory, in this process
 *   npm start -- --flights 2000   fewer flights
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadFlights } from './flights/flight.ts'
import { type JobResult, openStore, type Progress, runJob } from './flights/job.ts'
import { Records } from './flights/records.ts'
import { printReport } from './flights/report.ts'
import type { FromWorker } from './flights/worker.ts'

const WORKER = fileURLToPath(new URL('./flights/worker.ts', import.meta.url))
/** The first run takes a breath between waves of flights, or it would be done before anybody could kill it. */
const PAUSE_MS = 10
const PROGRESS_EVERY_MS = 250

const { values: options } = parseArgs({
  options: { memory: { type: 'boolean', default: false }, flights: { type: 'string', default: '20000' } },
})
const flights = loadFlights(Number(options.flights))
const directory = mkdtempSync(join(tmpdir(), 'pocketmq-flights-'))
console.log(`${format(flights.length)} flights, ${options.memory ? 'in memory' : `on disk in ${directory}`}`)

const isRight = options.memory ? await runInMemory() : await runOnDisk()
console.log(isRight ? 'every count is right' : `a count is WRONG; the files are kept in ${directory}`)
if (isRight) rmSync(directory, { recursive: true })
process.exitCode = isRight ? 0 : 1

async function runInMemory(): Promise<boolean> {
  const mq = await openStore(undefined)
  const records = new Records(join(directory, 'records'))
  const result = await runJob(mq, { flights, records, pauseMs: 0, onProgress: progressLine('run 1') })
  printResult('run 1', result)
  const isRight = await printReport(mq, flights, records)
  await mq.close()
  return isRight
}

async function runOnDisk(): Promise<boolean> {
  await runWorker('run 1', { pauseMs: PAUSE_MS, killAfter: flights.length / 2 })
  await runWorker('run 2', { pauseMs: 0 })
  const mq = await openStore(join(directory, 'store'))
  const isRight = await printReport(mq, flights, new Records(join(directory, 'records')))
  await mq.close()
  return isRight
}

/** Runs the worker to its end, or kills it once so many flights are acknowledged. */
function runWorker(
  run: string,
  { pauseMs, killAfter }: { pauseMs: number; killAfter?: number },
): Promise<void> {
  const child = fork(WORKER, [directory, String(flights.length), String(pauseMs)])
  const showProgress = progressLine(run)
  let finished = false
  child.on('message', (message: FromWorker) => {
    if ('progress' in message) {
      showProgress(message.progress)
      if (killAfter !== undefined && message.progress.sent >= killAfter) killSoon(child)
    } else {
      finished = true
      console.log(`${run}   store opened in ${message.openMs.toFixed(0)} ms`)
      printResult(run, message.result)
    }
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (killAfter !== undefined && signal === 'SIGKILL') {
        console.log(`${run}   killed with SIGKILL`)
        resolve()
      } else if (finished) resolve()
      else reject(new Error(`The worker ended by itself with ${signal ?? `code ${code}`}.`))
    })
  })
}

/** At any moment of a wave: while flights are sent, while they are consumed, or between two waves. */
function killSoon(child: ChildProcess): void {
  setTimeout(() => child.kill('SIGKILL'), Math.random() * 2 * PAUSE_MS)
}

/** Prints how far the job is, not more often than a person can read. */
function progressLine(run: string): (progress: Progress) => void {
  let last = 0
  return ({ sent, delivered }) => {
    const now = performance.now()
    if (now - last < PROGRESS_EVERY_MS) return
    last = now
    console.log(`${run}   sent ${format(sent)}   delivered ${format(delivered)}`)
  }
}

function printResult(run: string, { foundStored, sent, delivered, sendMs, totalMs }: JobResult): void {
  const rate = (count: number, ms: number): string => format(Math.round((count / ms) * 1000))
  if (foundStored > 0) console.log(`${run}   found ${foundStored} flights stored and never acknowledged`)
  console.log(`${run}   sent ${format(sent)} flights, ${rate(sent, sendMs)} a second`)
  console.log(
    `${run}   delivered ${format(delivered)} times, ${rate(delivered, totalMs)} a second, last retry included`,
  )
}

function format(count: number): string {
  return count.toLocaleString('en')
}
