import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { withDirectory } from '../directory.ts'
import { median } from '../rounds.ts'
import { atMost, type Figure, figure, type Scenario, type Setup } from '../scenario.ts'

/** Compiled or not, the neighbour's name ends as the name of this file does. */
const STORE_CHILD = fileURLToPath(new URL('../store-child.ts', import.meta.url)).replace(
  /\.ts$/,
  extname(import.meta.url),
)
/** How long a child sends at full speed before it is killed. */
const BEFORE_KILL_MS = 700
const SIZES = {
  quick: { count: 20_000, queues: 100, openings: 1 },
  full: { count: 10_000_000, queues: 1000, openings: 3 },
}

/** Opening must not take longer with more messages; after a kill, the journal is applied again. */
export const openTime: Scenario = {
  name: 'open-time',
  title:
    'opening a store of 10 million messages in 1000 queues, after a clean close and after a kill at full speed',
  run: (setup) => withDirectory((directory) => measure(setup, directory)),
}

async function measure(setup: Setup, directory: string): Promise<Figure[]> {
  const { count, queues, openings } = SIZES[setup.quick ? 'quick' : 'full']
  await run('fill', directory, count, queues)
  const clean: number[] = []
  for (let i = 0; i < openings; i++) clean.push(await run('open', directory))
  const killed: number[] = []
  for (let i = 0; i < openings; i++) {
    await sendUntilKilled(directory)
    killed.push(await run('open', directory))
  }
  setup.note(`clean ${clean.map(Math.round).join(' ')} ms, killed ${killed.map(Math.round).join(' ')} ms`)
  return [
    figure('open-time/after-close', median(clean), 'ms', { goal: atMost('value', 300) }),
    figure('open-time/after-kill', median(killed), 'ms', { goal: atMost('value', 2000) }),
  ]
}

/** Runs a child to its end and answers what it reported. */
async function run(act: string, directory: string, ...numbers: number[]): Promise<number> {
  const child = start(act, directory, ...numbers)
  let reported: number | undefined
  child.on('message', (value) => {
    reported = Number(value)
  })
  const [code] = await once(child, 'exit')
  if (code !== 0 || reported === undefined) throw new Error(`the child that should ${act} ended with ${code}`)
  return reported
}

async function sendUntilKilled(directory: string): Promise<void> {
  const child = start('send', directory)
  const ended = once(child, 'exit')
  const ready = await Promise.race([once(child, 'message'), ended.then(() => undefined)])
  if (ready === undefined) throw new Error('the child that should be killed ended by itself')
  await sleep(BEFORE_KILL_MS)
  child.kill('SIGKILL')
  await ended
}

function start(act: string, directory: string, ...numbers: number[]): ChildProcess {
  return fork(STORE_CHILD, [act, directory, ...numbers.map(String)], { execArgv: [] })
}
