/** Runs one scenario in a process of its own: nothing is warm, and no memory is used but its own. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { CACHE } from './build.ts'
import type { Figure, Scenario } from './scenario.ts'

/** The first argument of a process that runs one scenario. */
export const CHILD = '--child'

type FromChild = { readonly note: string } | { readonly figures: readonly Figure[] }

export interface ChildSettings {
  readonly quick: boolean
  /** The compiled benchmark. */
  readonly build: string
  /** The entry file of the build to measure. */
  readonly productEntry: string
  /** Writes a CPU profile into `.cache/bench/profiles`. */
  readonly profile: boolean
}

/** Starts the process and answers its figures; rejects when it ends without them. */
export function runInChild(
  name: string,
  settings: ChildSettings,
  note: (text: string) => void,
): Promise<readonly Figure[]> {
  const profiles = join(CACHE, 'profiles')
  const execArgv = ['--expose-gc', '--enable-source-maps=false']
  if (settings.profile)
    execArgv.push('--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`)
  const child = fork(
    join(settings.build, 'bench/run.js'),
    [CHILD, name, ...(settings.quick ? ['--quick'] : [])],
    {
      execArgv,
      env: { ...process.env, BENCH_PRODUCT: settings.productEntry },
    },
  )
  return new Promise((resolve, reject) => {
    let figures: readonly Figure[] | undefined
    child.on('message', (message: FromChild) => {
      if ('note' in message) note(message.note)
      else figures = message.figures
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (code === 0 && figures !== undefined) resolve(figures)
      else reject(new Error(`the scenario ended with ${signal ?? `code ${code}`}`))
    })
  })
}

/** What the process itself does. */
export async function runAsChild(scenario: Scenario, quick: boolean): Promise<void> {
  const send = (message: FromChild): void => {
    process.send?.(message)
  }
  const figures = await scenario.run({ quick, note: (note) => send({ note }) })
  send({ figures })
  process.disconnect()
}
