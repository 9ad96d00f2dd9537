/**
 * `npm run sim`: runs seeds, and shows that the checkers catch planted bugs. It ends with 1 on a violation, on two runs of
 * a seed that differ, and on a bug that nobody noticed.
 */
import { parseArgs } from 'node:util'
import { realTime } from '../../src/model/system-clock.ts'
import { BUGS, type Catch, catchBug } from './bugs/catch.ts'
import type { Violation } from './history.ts'
import { type RunResult, simulate } from './simulate.ts'

const USAGE = `npm run sim -- [--seeds N] [--from N] [--steps N] [--twice] [--bug NAME] [--no-bugs] [--seed N [--trace]]
  --seeds    how many seeds; default 200
  --from     the first one; default 1
  --steps    steps of each; default: as the seed says
  --twice    runs every seed twice and compares; default: every 20th
  --bug      plants this bug only: ${BUGS.map(({ name }) => name).join(', ')}
  --no-bugs  plants none
  --seed     runs this one seed, and with --trace prints all that happened`

const TWICE_EVERY = 20
const PROGRESS_EVERY = 100

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string' },
    twice: { type: 'boolean', default: false },
    bug: { type: 'string' },
    'no-bugs': { type: 'boolean', default: false },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const steps = values.steps === undefined ? undefined : number(values.steps)

if (values.help) console.log(USAGE)
else if (values.seed !== undefined) await runOne(number(values.seed))
else if (values.bug !== undefined) await plantAll(BUGS.filter(({ name }) => name === values.bug))
else await runAll()

async function runOne(seed: number): Promise<void> {
  const result = await simulate({ seed, steps })
  if (values.trace) console.log(result.lines.join('\n'))
  for (const violation of result.violations) console.log(inWords(violation))
  console.log(`seed ${seed}: ${result.violations.length} violations, trace hash ${result.hash}`)
  if (result.violations.length > 0) process.exitCode = 1
}

async function runAll(): Promise<void> {
  const [count, from] = [number(values.seeds), number(values.from)]
  const startedMs = realTime.nowMs()
  let violationCount = 0
  let virtualMs = 0
  let realMs = 0
  for (let seed = from; seed < from + count; seed++) {
    const result = await simulate({ seed, steps })
    virtualMs += result.virtualMs
    realMs += result.realMs
    violationCount += await judge(seed, result)
    if ((seed - from + 1) % PROGRESS_EVERY === 0)
      console.log(`${seed - from + 1} seeds in ${seconds(startedMs)} s`)
  }
  const caught = values['no-bugs'] ? [] : await plantAll(BUGS)
  const caughtCount = caught.filter(({ violation }) => violation !== undefined).length
  console.log(
    `${count} seeds, ${violationCount} violations, ${caughtCount} of ${caught.length} planted bugs caught, ` +
      `virtual time / real time = ${Math.round(virtualMs / realMs)}, ${seconds(startedMs)} s`,
  )
  if (violationCount > 0) process.exitCode = 1
}

/** Prints what is wrong with a run, and whether it can be replayed; answers how many things are wrong. */
async function judge(seed: number, { violations, hash }: RunResult): Promise<number> {
  for (const violation of violations) console.log(inWords(violation))
  if (violations.length > 0) console.log(`  fewest steps: ${await shrink(seed, violations[0]!)}`)
  if (!values.twice && seed % TWICE_EVERY !== 0) return violations.length
  const again = await simulate({ seed, steps })
  if (again.hash === hash) return violations.length
  console.log(`seed ${seed}: two runs differ, ${hash} and ${again.hash}`)
  return violations.length + 1
}

/** The fewest steps after which the same checker objects: fewer tell more. */
async function shrink(seed: number, { step, checker }: Violation): Promise<number> {
  let fewest = step
  for (let low = 1; low < fewest; ) {
    const middle = (low + fewest) >>> 1
    const { violations } = await simulate({ seed, steps: middle })
    if (violations.some((each) => each.checker === checker)) fewest = middle
    else low = middle + 1
  }
  return fewest
}

async function plantAll(bugs: typeof BUGS): Promise<Catch[]> {
  const caught: Catch[] = []
  for (const bug of bugs) {
    const result = await catchBug(bug)
    caught.push(result)
    const { violation, seedCount, realMs } = result
    const outcome = violation === undefined ? 'NOT CAUGHT' : 'caught'
    console.log(
      `${bug.name.padEnd(26)} ${outcome} by ${bug.checker} in ${seedCount} seeds, ${(realMs / 1000).toFixed(1)} s: ${bug.story}`,
    )
    if (violation === undefined) process.exitCode = 1
  }
  return caught
}

function inWords({ seed, step, invariant, checker, story }: Violation): string {
  return `seed ${seed}, step ${step}: invariant ${invariant} (${checker}): ${story}\n  replay: npm run sim -- --seed ${seed} --trace`
}

function seconds(startedMs: number): string {
  return ((realTime.nowMs() - startedMs) / 1000).toFixed(0)
}

function number(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`'${text}' is no number.\n${USAGE}`)
}
