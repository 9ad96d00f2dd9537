/**
 * `npm run sim`: runs seeds, and shows that the checkers catch planted bugs, in as many processes as there are cores. It
 * ends with 1 on a violation, on two runs of a seed that differ, on a bug that nobody noticed, and on a process that died.
 */
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BUGS } from './bugs/catch.ts'
import { runJobs, serveTasks } from './jobs.ts'
import { simulate } from './simulate.ts'
import { Summary } from './summary.ts'
import { inWords, type Task } from './tasks.ts'

const USAGE = `npm run sim -- [--seeds N] [--from N] [--steps N] [--twice] [--bug NAME] [--no-bugs] [--jobs N] [--seed N [--concurrent] [--plain] [--trace]]
  --seeds    how many seeds; default 200
  --from     the first one; default 1
  --steps    steps of each; default: as the seed says
  --twice    runs every seed twice and compares; default: every 20th
  --bug      plants this bug only: ${BUGS.map(({ name }) => name).join(', ')}
  --no-bugs  plants none
  --jobs     how many processes; default: one for each core, at most 4
  --seed     runs this one seed, with --concurrent as if all groups were concurrent push consumers, with
             --plain as if every message were sent once and came at once, and with --trace prints all that happened`

const TWICE_EVERY = 20
const MOST_JOBS = 4

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string' },
    twice: { type: 'boolean', default: false },
    bug: { type: 'string' },
    'no-bugs': { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(Math.min(availableParallelism(), MOST_JOBS)) },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    concurrent: { type: 'boolean', default: false },
    plain: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    /** For {@link runJobs}. */
    worker: { type: 'boolean', default: false },
  },
})

const steps = values.steps === undefined ? undefined : number(values.steps)

if (values.help) console.log(USAGE)
else if (values.worker) serveTasks()
else if (values.seed !== undefined) await runOne(number(values.seed))
else await runAll(values.bug === undefined ? allTasks() : [bugTask(values.bug)])

async function runOne(seed: number): Promise<void> {
  const result = await simulate({
    seed,
    steps,
    isConcurrent: values.concurrent,
    isPlain: values.plain || values.concurrent,
  })
  if (values.trace) console.log(result.lines.join('\n'))
  for (const violation of result.violations) console.log(inWords(violation))
  console.log(`seed ${seed}: ${result.violations.length} violations, trace hash ${result.hash}`)
  if (result.violations.length > 0) process.exitCode = 1
}

function allTasks(): Task[] {
  const [count, from] = [number(values.seeds), number(values.from)]
  const seeds = Array.from({ length: count }, (_, index) => from + index)
  const runs = seeds.map((seed): Task => {
    return { kind: 'seed', seed, steps, isTwice: values.twice || seed % TWICE_EVERY === 0 }
  })
  const bugs = values['no-bugs'] ? [] : BUGS.map(({ name }): Task => ({ kind: 'bug', name, from: 1 }))
  return [...runs, ...bugs]
}

function bugTask(name: string): Task {
  if (!BUGS.some((bug) => bug.name === name)) throw new Error(`There is no bug '${name}'.\n${USAGE}`)
  return { kind: 'bug', name, from: number(values.from) }
}

async function runAll(tasks: readonly Task[]): Promise<void> {
  const summary = new Summary(tasks)
  const jobs = number(values.jobs)
  if (jobs === 0) throw new Error(`Without a process nothing is done.\n${USAGE}`)
  const script = fileURLToPath(import.meta.url)
  await runJobs({ tasks, count: jobs, script, onOutcome: (task, outcome) => summary.add(task, outcome) })
  console.log(summary.inWords())
  if (!summary.isGood) process.exitCode = 1
}

function number(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`'${text}' is no number.\n${USAGE}`)
}
