/**
 * Kills a busy store again and again: `npm run crash -- --kills 300 [--seed 7] [--mode async|sync|both] [--keep DIRECTORY]`.
 * Ends with 1 when anything acknowledged is lost, a batch is torn, or anything else is not as it must be.
 */
import { parseArgs } from 'node:util'
import { type CrashPlan, runCrashes, summarize } from './crashes.ts'

const MODES: Readonly<Record<string, CrashPlan['modes']>> = {
  async: ['ASYNC_FLUSH'],
  sync: ['SYNC_FLUSH'],
  both: ['ASYNC_FLUSH', 'SYNC_FLUSH'],
}

function readArguments(): Omit<CrashPlan, 'onProgress'> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      mode: { type: 'string', default: 'both' },
      keep: { type: 'string' },
    },
  })
  const kills = Number(values.kills)
  const seed = Number(values.seed)
  const modes = MODES[values.mode]
  if (!Number.isInteger(kills) || kills < 1) throw new Error('--kills must be a whole number above 0')
  if (!Number.isInteger(seed)) throw new Error('--seed must be a whole number')
  if (modes === undefined) throw new Error(`--mode must be one of ${Object.keys(MODES).join(', ')}`)
  return { kills, seed, modes, keep: values.keep }
}

const plan = readArguments()
const startedAt = performance.now()
console.log(`seed ${plan.seed}, ${plan.kills} kills, ${plan.modes.join(' and ')}`)
let printedAt = 0
const report = await runCrashes({
  ...plan,
  onProgress: (soFar) => {
    if (soFar.kills - printedAt < 20) return
    printedAt = soFar.kills
    const seconds = (performance.now() - startedAt) / 1000
    console.log(
      `${soFar.kills} kills in ${seconds.toFixed(0)} s, ${soFar.lost} lost, ${soFar.torn} torn, ${soFar.wrong} wrong`,
    )
  },
})
const { phases } = report
console.log(
  `killed while opening ${phases.opening}, open ${phases.open}, closing ${phases.closing}, closed ${phases.closed}; ` +
    `${report.acknowledged} acknowledged sends, ${report.messages} messages read, ` +
    `slowest open ${report.slowestOpenMs.toFixed(0)} ms`,
)
for (const violation of report.violations) console.error(violation)
console.log(summarize(report))
process.exitCode = report.violations.length > 0 ? 1 : 0
