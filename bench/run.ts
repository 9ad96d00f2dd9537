/** `npm run bench`: measures and prints; it ends with 1 only when a scenario crashes. `README.md` tells the method. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, ROOT } from './build.ts'
import { CHILD, type ChildSettings, runAsChild, runInChild } from './child.ts'
import { describeMachine } from './machine.ts'
import type { Figure, Scenario } from './scenario.ts'
import { consumeBacklog } from './scenarios/consume-backlog.ts'
import { consumeOrderly } from './scenarios/consume-orderly.ts'
import { delayed } from './scenarios/delayed.ts'
import { filter } from './scenarios/filter.ts'
import { idleGroups } from './scenarios/idle-groups.ts'
import { idleLatency } from './scenarios/idle-latency.ts'
import { largeRetention } from './scenarios/large-retention.ts'
import { memory } from './scenarios/memory.ts'
import { openTime } from './scenarios/open-time.ts'
import { requestReply } from './scenarios/request-reply.ts'
import { sendAwait } from './scenarios/send-await.ts'
import { sendBatch } from './scenarios/send-batch.ts'
import { sendConcurrent } from './scenarios/send-concurrent.ts'
import { sendSyncFlush } from './scenarios/send-sync-flush.ts'
import { simpleConsumer } from './scenarios/simple-consumer.ts'
import { soakMemory } from './scenarios/soak-memory.ts'
import { testInstance } from './scenarios/test-instance.ts'
import { transaction } from './scenarios/transaction.ts'
import { formatTable } from './table.ts'

const SCENARIOS: readonly Scenario[] = [
  sendConcurrent,
  sendBatch,
  sendAwait,
  sendSyncFlush,
  transaction,
  consumeBacklog,
  consumeOrderly,
  simpleConsumer,
  delayed,
  idleLatency,
  requestReply,
  openTime,
  memory,
  soakMemory,
  largeRetention,
  filter,
  idleGroups,
  testInstance,
]

const USAGE = `npm run bench -- [--quick] [--only name,...] [--json FILE] [--dist] [--profile]
  --quick      small inputs, done in half a minute
  --only       these scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --json       writes the figures as [{ name, value, unit, baseline, ratio, goal, met }, ...]
  --dist       measures what lies in dist instead of compiling src
  --profile    writes a CPU profile of each scenario into .cache/bench/profiles`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      dist: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(USAGE)
  const scenarios = select(values.only)
  console.log(describeMachine({ quick: values.quick, build: values.dist ? 'dist' : 'src' }))

  const folder = build()
  const productEntry = values.dist ? join(ROOT, 'dist/index.js') : join(folder, 'src/index.js')
  const settings = { quick: values.quick, build: folder, productEntry, profile: values.profile }
  const figures = await measure(scenarios, settings)
  rmSync(folder, { recursive: true })

  console.log(`\n${formatTable(figures)}`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`)
}

/** A scenario that crashes does not keep the others from being measured. */
async function measure(scenarios: readonly Scenario[], settings: ChildSettings): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const { name, title } of scenarios) {
    console.log(`\n${name}: ${title}`)
    try {
      figures.push(...(await runInChild(name, settings, (text) => console.log(`  ${text}`))))
    } catch (error) {
      console.error(`  CRASHED: ${String(error)}`)
      process.exitCode = 1
    }
  }
  return figures
}

function select(names: string | undefined): readonly Scenario[] {
  if (names === undefined) return SCENARIOS
  return names.split(',').map((name) => {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name.trim())
    if (scenario === undefined) throw new Error(`There is no scenario '${name}'.\n${USAGE}`)
    return scenario
  })
}

const [first, name, ...rest] = process.argv.slice(2)
if (first === CHILD) await runAsChild(select(name)[0] as Scenario, rest.includes('--quick'))
else await main()
