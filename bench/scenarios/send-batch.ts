import { sendBatches } from '../load.ts'
import { rawChainedBatches } from '../raw.ts'
import { sendScenario } from '../send-scenario.ts'

/** Arrays of 100, each stored as a whole or not at all. As many messages are under way as the baseline has in a batch. */
export const sendBatch = sendScenario({
  name: 'send-batch',
  title:
    'send of arrays of 100, 10 arrays in flight, 128 B; against chained batches of 1000 in classic-level',
  count: { quick: 10_000, full: 1_000_000 },
  goal: 1.2,
  send: (producer, count, message) =>
    sendBatches(producer, { count, batchCount: 100, inFlight: 10, message }),
  baseline: (bodies, count) => rawChainedBatches(bodies, count, { batchCount: 1000, sync: false }),
})
