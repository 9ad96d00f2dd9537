/** The parts of `npm run sim` that any process can do: one seed, or one planted bug. */
import { BUGS, catchBug } from './bugs/catch.ts'
import type { Violation } from './history.ts'
import { type RunResult, simulate } from './simulate.ts'

export type Task =
  | {
      readonly kind: 'seed'
      readonly seed: number
      /** By default as many as the seed says. */
      readonly steps: number | undefined
      /** It has to leave the same trace again. */
      readonly isTwice: boolean
    }
  | { readonly kind: 'bug'; readonly name: string; readonly from: number }

export interface TaskResult {
  readonly lines: readonly string[]
  /** How much is wrong. */
  readonly violationCount: number
  readonly caughtCount: number
  readonly virtualMs: number
  readonly realMs: number
}

export function runTask(task: Task): Promise<TaskResult> {
  return task.kind === 'seed' ? runSeed(task) : plant(task)
}

export function taskInWords(task: Task): string {
  return task.kind === 'seed' ? `seed ${task.seed}` : `the planted bug ${task.name}`
}

export function inWords({ seed, step, invariant, checker, story }: Violation): string {
  return `seed ${seed}, step ${step}: invariant ${invariant} (${checker}): ${story}\n  replay: npm run sim -- --seed ${seed} --trace`
}

async function runSeed(task: Extract<Task, { kind: 'seed' }>): Promise<TaskResult> {
  const { seed, steps, isTwice } = task
  const result = await simulate({ seed, steps })
  const { violations, virtualMs, realMs } = result
  const lines = violations.map(inWords)
  if (violations.length > 0) lines.push(`  fewest steps: ${await shrink(seed, violations[0]!)}`)
  const difference = isTwice ? await compare(task, result) : undefined
  if (difference !== undefined) lines.push(difference)
  const violationCount = violations.length + (difference === undefined ? 0 : 1)
  return { lines, violationCount, caughtCount: 0, virtualMs, realMs }
}

async function compare(
  { seed, steps }: Extract<Task, { kind: 'seed' }>,
  { hash }: RunResult,
): Promise<string | undefined> {
  const again = await simulate({ seed, steps })
  return again.hash === hash ? undefined : `seed ${seed}: two runs differ, ${hash} and ${again.hash}`
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

async function plant({ name, from }: Extract<Task, { kind: 'bug' }>): Promise<TaskResult> {
  const bug = BUGS.find((each) => each.name === name)!
  const { violation, seedCount, realMs } = await catchBug(bug, from)
  const outcome = violation === undefined ? 'NOT CAUGHT' : 'caught'
  const seconds = (realMs / 1000).toFixed(1)
  const line = `${name.padEnd(26)} ${outcome} by ${bug.checker} in ${seedCount} seeds, ${seconds} s: ${bug.story}`
  return {
    lines: [line],
    violationCount: 0,
    caughtCount: violation === undefined ? 0 : 1,
    virtualMs: 0,
    realMs: 0,
  }
}
