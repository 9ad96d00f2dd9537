/**
 * Kills a child at random times and looks at what it left. A directory lives for several kills, of which some are not
 * looked at, so that the next child recovers by itself and may be killed in the middle of that.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuiltChild, buildChild } from './build-child.ts'
import type { Job, Profile } from './job.ts'
import { Ledger, type Phase } from './ledger.ts'
import { verifyDirectory } from './verify.ts'
import { WorkloadRandom } from './workload-random.ts'

const PROFILES: readonly Profile[] = ['mixed', 'consumer', 'retention', 'mixed', 'consumer', 'large']
const KILLS_PER_DIRECTORY = 5
/** Where a kill should come: so long, at random, after the child says that it is there. */
const AIMS: readonly { readonly phase: Phase; readonly withinMs: number }[] = [
  { phase: 'opening', withinMs: 30 },
  { phase: 'open', withinMs: 20 },
  { phase: 'open', withinMs: 120 },
  { phase: 'closing', withinMs: 10 },
]
/** A child that does not get there is killed where it is. */
const PATIENCE_MS = 1000

export interface CrashPlan {
  readonly kills: number
  readonly seed: number
  readonly modes: readonly Job['flushDiskType'][]
  /** Where to keep a copy of each store that is not as it must be, as the kill left it. */
  readonly keep?: string | undefined
  /** Called after each look at a store. */
  readonly onProgress?: (report: CrashReport) => void
}

/** What all kills together showed. */
export interface CrashReport {
  kills: number
  lost: number
  torn: number
  wrong: number
  acknowledged: number
  messages: number
  slowestOpenMs: number
  readonly phases: Record<Phase, number>
  /** The first violations, each with its round. */
  readonly violations: string[]
}

interface StartedChild {
  readonly child: ChildProcessWithoutNullStreams
  /** Resolves when it waits for its job. */
  readonly ready: Promise<unknown>
}

const VIOLATIONS_MAX = 20
/** Violations of one kind that are shown for one look at a store. */
const EXAMPLES_MAX = 3

/** Runs until all kills are done. */
export async function runCrashes(plan: CrashPlan): Promise<CrashReport> {
  const child = buildChild('test/crash/child.ts')
  const run = new CrashRun(plan, child)
  try {
    await run.run()
    return run.report
  } finally {
    await run.end()
    child.remove()
  }
}

class CrashRun {
  readonly #plan: CrashPlan
  readonly #built: BuiltChild
  readonly #random: WorkloadRandom
  readonly report: CrashReport = {
    kills: 0,
    lost: 0,
    torn: 0,
    wrong: 0,
    acknowledged: 0,
    messages: 0,
    slowestOpenMs: 0,
    phases: { opening: 0, open: 0, closing: 0, closed: 0 },
    violations: [],
  }
  /** Started ahead, waiting for its job. */
  #waiting: StartedChild | undefined

  constructor(plan: CrashPlan, built: BuiltChild) {
    this.#plan = plan
    this.#built = built
    this.#random = new WorkloadRandom(plan.seed)
  }

  async run(): Promise<void> {
    for (let directory = 0; this.report.kills < this.#plan.kills; directory++) {
      const profile = PROFILES[directory % PROFILES.length] ?? 'mixed'
      const mode = this.#plan.modes[directory % this.#plan.modes.length] ?? 'ASYNC_FLUSH'
      await this.#useDirectory(profile, mode)
    }
  }

  async end(): Promise<void> {
    if (this.#waiting === undefined) return
    const { child } = this.#waiting
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async #useDirectory(profile: Profile, flushDiskType: Job['flushDiskType']): Promise<void> {
    const place = mkdtempSync(join(tmpdir(), 'pocketmq-crash-'))
    const ledger = new Ledger()
    try {
      for (let i = 1; i <= KILLS_PER_DIRECTORY && this.report.kills < this.#plan.kills; i++) {
        const round = this.report.kills + 1
        const job: Job = {
          directory: join(place, 'store'),
          ledger: join(place, `ledger-${round}`),
          profile,
          flushDiskType,
          seed: this.#random.below(2 ** 32),
          round,
        }
        await this.#kill(job, ledger)
        const isLast = i === KILLS_PER_DIRECTORY || this.report.kills === this.#plan.kills
        if (isLast || this.#random.chance(0.6)) await this.#verify(job, ledger)
      }
      this.report.acknowledged += ledger.sends.size
    } finally {
      rmSync(place, { recursive: true, force: true })
    }
  }

  async #kill(job: Job, ledger: Ledger): Promise<void> {
    const { child, ready } = this.#waiting ?? start(this.#built)
    this.#waiting = start(this.#built)
    let errors = ''
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    const exited = once(child, 'exit')
    await Promise.race([ready, exited])
    child.stdin.write(`${JSON.stringify(job)}\n`)
    const { phase, withinMs } = this.#random.pick(AIMS)
    const delayMs = this.#random.next() * withinMs
    await Promise.race([reached(child, phase).then(() => sleep(delayMs)), sleep(PATIENCE_MS), exited])
    child.kill('SIGKILL')
    const [code] = await exited
    this.report.kills += 1
    ledger.add(job.ledger)
    this.report.phases[ledger.phase] += 1
    if (code !== null) this.#complain('wrong', job, [`the child ended by itself: ${errors.trim()}`])
  }

  async #verify(job: Job, ledger: Ledger): Promise<void> {
    const copy = this.#plan.keep === undefined ? undefined : join(this.#plan.keep, `kill-${job.round}`)
    if (copy !== undefined) cpSync(dirname(job.directory), copy, { recursive: true })
    const violationCount = this.report.violations.length
    try {
      const { lost, torn, wrong, messageCount, openMs } = await verifyDirectory(job, ledger)
      this.report.slowestOpenMs = Math.max(this.report.slowestOpenMs, openMs)
      this.report.messages += messageCount
      this.#complain('lost', job, lost)
      this.#complain('torn', job, torn)
      this.#complain('wrong', job, wrong)
    } catch (error) {
      this.#complain('wrong', job, [error instanceof Error ? (error.stack ?? error.message) : String(error)])
    }
    const isSound = this.report.violations.length === violationCount
    if (copy !== undefined && isSound) rmSync(copy, { recursive: true, force: true })
    this.#plan.onProgress?.(this.report)
  }

  #complain(
    kind: 'lost' | 'torn' | 'wrong',
    { round, profile, flushDiskType }: Job,
    found: readonly string[],
  ): void {
    this.report[kind] += found.length
    for (const text of found.slice(0, EXAMPLES_MAX)) {
      if (this.report.violations.length >= VIOLATIONS_MAX) return
      this.report.violations.push(`kill ${round} (${profile}, ${flushDiskType}): ${kind}: ${text}`)
    }
  }
}

function start({ script }: BuiltChild): StartedChild {
  const child = spawn(process.execPath, [script])
  return { child, ready: once(child.stdout, 'data') }
}

/** Resolves when a child says that it is in a phase. */
async function reached(child: ChildProcessWithoutNullStreams, phase: Phase): Promise<void> {
  for await (const line of createInterface({ input: child.stdout })) if (line === phase) return
}

/** The line that a run ends with. */
export function summarize({ kills, lost, torn, wrong }: CrashReport): string {
  const others = wrong === 0 ? '' : `, ${wrong} other violations`
  return `${kills} kills, ${lost} lost, ${torn} torn${others} (chance of loss per kill < 3/${kills} at 95 %)`
}
