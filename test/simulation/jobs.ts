/**
 * Spreads tasks over processes: each gets one task at a time, so that slow ones hold nobody up, and a process that dies
 * is known by what it was doing. Another takes its place.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/model/system-clock.ts'
import { runTask, type Task, type TaskResult } from './tasks.ts'

/** Where `tsx` is found. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** No task takes this long; a process that is at it still does not come to its end. */
const LONGEST_TASK_MS = 600_000

/** What became of a task: its result, or what came in its place. */
export type Outcome = TaskResult | { readonly failure: string }

export interface Jobs {
  readonly tasks: readonly Task[]
  /** Processes; with one, this one does it all. */
  readonly count: number
  /** What to fork: it calls {@link serveTasks}. */
  readonly script: string
  readonly onOutcome: (task: Task, outcome: Outcome) => void
}

/** Resolves when all tasks are done, in no certain order. */
export async function runJobs({ tasks, count, script, onOutcome }: Jobs): Promise<void> {
  if (count === 1 || tasks.length === 1) {
    for (const task of tasks) onOutcome(task, await runTask(task).catch(failureOf))
    return
  }
  const waiting = [...tasks]
  const work = async (): Promise<void> => {
    let worker: Worker | undefined
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      worker ??= new Worker(script)
      const outcome = await worker.run(task)
      onOutcome(task, outcome)
      if (!('failure' in outcome)) continue
      worker.end()
      worker = undefined
    }
    worker?.end()
  }
  await Promise.all(Array.from({ length: Math.min(count, tasks.length) }, work))
}

/** In a process that was forked: does what it is told until nobody listens any more. */
export function serveTasks(): void {
  process.on('disconnect', () => process.exit())
  process.on('message', (task: Task) => {
    void runTask(task)
      .catch(failureOf)
      .then((outcome) => process.send?.(outcome))
  })
}

class Worker {
  readonly #process: ChildProcess

  constructor(script: string) {
    this.#process = fork(script, ['--worker'], {
      cwd: ROOT,
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  run(task: Task): Promise<Outcome> {
    return new Promise((resolve) => {
      const worker = this.#process
      let isLate = false
      const timer = systemClock.setTimer(LONGEST_TASK_MS, () => {
        isLate = true
        worker.kill('SIGKILL')
      })
      const settle = (outcome: Outcome): void => {
        timer.cancel()
        for (const name of ['message', 'error', 'exit']) worker.removeAllListeners(name)
        resolve(outcome)
      }
      worker.once('message', (outcome: Outcome) => settle(outcome))
      worker.once('error', (error) => settle(failureOf(error)))
      worker.once('exit', (code, signal) => {
        const how = `its process ended with ${signal ?? code}`
        settle({ failure: isLate ? `it did not end within ${LONGEST_TASK_MS / 1000} s` : how })
      })
      worker.send(task)
    })
  }

  end(): void {
    this.#process.kill('SIGKILL')
  }
}

function failureOf(error: unknown): Outcome {
  return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}
