import { sendConcurrently } from '../load.ts'
import { rawChainedBatches } from '../raw.ts'
import { sendScenario } from '../send-scenario.ts'

/** Nothing acknowledged is lost to a power cut. On a temporary folder in memory both sides flush for nothing. */
export const sendSyncFlush = sendScenario({
  name: 'send-sync-flush',
  title: 'SYNC_FLUSH, 1000 in flight, 128 B; against synced chained batches of 1000 in classic-level',
  count: { quick: 5000, full: 300_000 },
  goal: 0.8,
  options: { flushDiskType: 'SYNC_FLUSH' },
  send: (producer, count, message) => sendConcurrently(producer, { count, inFlight: 1000, message }),
  baseline: (bodies, count) => rawChainedBatches(bodies, count, { batchCount: 1000, sync: true }),
})
