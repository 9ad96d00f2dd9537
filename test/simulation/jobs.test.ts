/** What `npm run sim` does with several processes, and with one that dies. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { ROOT } from '../house/source.ts'
import { type Outcome, runJobs } from './jobs.ts'
import { Summary } from './summary.ts'
import { type Task, taskInWords } from './tasks.ts'

const TIMEOUT_MS = 120_000

test('Two processes share the seeds, and one line sums them up', { timeout: TIMEOUT_MS }, async () => {
  const flags = ['--seeds', '3', '--steps', '20', '--no-bugs', '--jobs', '2']
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/simulation/run.ts', ...flags], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(output).toMatch(/^3 seeds, 0 violations, 0 of 0 planted bugs caught, .* s\n$/)
  expect(code).toBe(0)
})

test('A process that dies fails its task and no other', { timeout: TIMEOUT_MS }, async () => {
  const tasks = [1, 2, 3].map((seed): Task => ({ kind: 'seed', seed, steps: 1, isTwice: false }))
  const summary = new Summary(tasks)
  const outcomes = new Map<string, Outcome>()
  await runJobs({
    tasks,
    count: 2,
    script: join(ROOT, 'test/simulation/dying-child.ts'),
    onOutcome: (task, outcome) => {
      outcomes.set(taskInWords(task), outcome)
      summary.add(task, outcome)
    },
  })
  expect(outcomes.get('seed 1')).toMatchObject({ violationCount: 0 })
  expect(outcomes.get('seed 2')).toEqual({ failure: 'its process ended with SIGKILL' })
  expect(outcomes.get('seed 3')).toMatchObject({ violationCount: 0 })
  expect(summary.isGood).toBe(false)
  expect(summary.inWords()).toContain('3 seeds, 0 violations, 0 of 0 planted bugs caught, 1 without an end')
})
