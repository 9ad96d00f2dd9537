/**
 * Runs the conformance suite without a test framework and prints its report: `npm run conformance`, or with the names of
 * stores, `npm run conformance -- memory disk`.
 */

import { systemClock } from '../../src/model/system-clock.ts'
import { runConformance } from '../../src/testing/conformance/conformance.ts'
import { formatReport } from '../../src/testing/conformance/report.ts'
import { type ConformanceStore, diskStore, memoryStore, realTimeStore, testStore } from './stores.ts'

const STORES: Readonly<Record<string, () => ConformanceStore>> = {
  memory: memoryStore,
  test: testStore,
  disk: diskStore,
  'real-time': realTimeStore,
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in STORES))
if (unknown.length > 0) {
  console.error(`No such store: ${unknown.join(', ')}. Stores: ${Object.keys(STORES).join(', ')}.`)
  process.exit(2)
}

for (const [name, openStore] of Object.entries(STORES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const { title, openEngine, cleanUp } = openStore()
  const startMs = systemClock.monotonicMs()
  try {
    const report = await runConformance(openEngine)
    const seconds = ((systemClock.monotonicMs() - startMs) / 1000).toFixed(1)
    console.log(`The embedded engine ${title} (${seconds} s)\n\n${formatReport(report)}\n`)
    if (report.chapters.some(({ failedCount }) => failedCount > 0)) process.exitCode = 1
  } finally {
    cleanUp()
  }
}
