/** One run: a world and those who work in it, step by step from a seed, and what the checkers say of it. */
import { MQError } from '../../src/model/errors.ts'
import { realTime } from '../../src/model/system-clock.ts'
import { finish } from './finale.ts'
import type { Violation } from './history.ts'
import { type Profile, profileOf } from './model/profile.ts'
import { Workload } from './work/workload.ts'
import { RunEnded, World } from './world/world.ts'

export interface RunOptions {
  readonly seed: number
  /** Steps to make; by default as many as the seed says. */
  readonly steps?: number | undefined
  /** All groups are concurrent push consumers, whatever the seed says. */
  readonly isConcurrent?: boolean | undefined
  /** Every message is sent once and comes at once, whatever the seed says. */
  readonly isPlain?: boolean | undefined
  /** Ends the run early; by default at the first violation. */
  readonly isEnough?: (violations: readonly Violation[]) => boolean
}

export interface RunResult {
  readonly profile: Profile
  readonly violations: readonly Violation[]
  readonly hash: string
  readonly lines: readonly string[]
  readonly virtualMs: number
  readonly realMs: number
}

export async function simulate({
  seed,
  steps,
  isConcurrent,
  isPlain,
  isEnough,
}: RunOptions): Promise<RunResult> {
  const profile = profileOf(seed, steps, isConcurrent, isPlain)
  const world = new World(profile)
  const startedMs = realTime.nowMs()
  const stopListening = listenForUnhandled(world)
  try {
    await run(world, profile, isEnough ?? ((violations) => violations.length > 0))
  } catch (error) {
    // What the code under test rejects and the world did not expect, such as a clock that runs away.
    if (error instanceof MQError) world.tell({ type: 'unhandled', text: `${error.code} ${error.message}` })
    else if (!(error instanceof RunEnded)) throw error
  } finally {
    await world.abandon()
    stopListening()
  }
  const { violations, trace } = world.history
  return {
    profile,
    violations,
    hash: trace.hash(),
    lines: trace.lines,
    virtualMs: world.clock.monotonicMs(),
    realMs: realTime.nowMs() - startedMs,
  }
}

async function run(
  world: World,
  { steps }: Profile,
  isEnough: (violations: readonly Violation[]) => boolean,
): Promise<void> {
  const { history } = world
  await world.open()
  const workload = new Workload(world)
  workload.begin()
  for (let step = 1; step <= steps; step++) {
    history.step = step
    await workload.step(step)
    if (isEnough(history.violations)) return
  }
  history.step = steps + 1
  await finish(world, workload)
}

/** A rejection that nobody handles is a broken promise too. */
function listenForUnhandled(world: World): () => void {
  const listener = (error: unknown): void => {
    world.tell({
      type: 'unhandled',
      text: error instanceof Error ? (error.stack ?? error.message) : String(error),
    })
  }
  process.on('unhandledRejection', listener)
  return () => process.off('unhandledRejection', listener)
}
