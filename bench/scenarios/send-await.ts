import { sendConcurrently } from '../load.ts'
import { rawPuts } from '../raw.ts'
import { sendScenario } from '../send-scenario.ts'

/** One message after the other, each acknowledged before the next is sent. */
export const sendAwait = sendScenario({
  name: 'send-await',
  title: 'await send one by one, 128 B; against await put one by one in classic-level',
  count: { quick: 3000, full: 100_000 },
  goal: 4,
  send: (producer, count, message) => sendConcurrently(producer, { count, inFlight: 1, message }),
  baseline: rawPuts,
})
