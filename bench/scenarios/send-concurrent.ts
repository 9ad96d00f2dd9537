import { sendConcurrently } from '../load.ts'
import { rawChainedBatches } from '../raw.ts'
import { sendScenario } from '../send-scenario.ts'

/** The hot path of an application with much to say: every message has its own promise. */
export const sendConcurrent = sendScenario({
  name: 'send-concurrent',
  title: 'send, a promise each, 1000 in flight, 128 B; against chained batches of 1000 in classic-level',
  count: { quick: 10_000, full: 1_000_000 },
  goal: 0.8,
  send: (producer, count, message) => sendConcurrently(producer, { count, inFlight: 1000, message }),
  baseline: (bodies, count) => rawChainedBatches(bodies, count, { batchCount: 1000, sync: false }),
})
