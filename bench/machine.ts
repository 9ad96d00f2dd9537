/** Where the figures come from. Ratios travel between machines, absolute values do not. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'
import { benchDirectory } from './directory.ts'

/** The machine and the settings, one fact per line. */
export function describeMachine(settings: { quick: boolean; build: string }): string {
  const memoryGiB = Math.round(totalmem() / 2 ** 30)
  const { version } = JSON.parse(
    readFileSync(new URL('../node_modules/classic-level/package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  return [
    `machine   ${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores, ${memoryGiB} GiB, ${type()} ${release()}`,
    `software  Node.js ${process.version}, classic-level ${version}, PocketMQ from ${settings.build}`,
    `settings  ${settings.quick ? 'quick: small inputs, figures only show that it works' : 'full'}, stores in ${benchDirectory()}`,
    `load      ${loadavg()[0]?.toFixed(2)} before the first scenario`,
  ].join('\n')
}
