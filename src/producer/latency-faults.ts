/**
 * Which brokers to leave out for a while, by how long their answers took (RocketMQ `MQFaultStrategy`, `LatencyFaultToleranceImpl`, semantics
 * section 3.3). Pure: whoever sends to several brokers keeps the list and asks.
 */

/** From this latency on, a broker is left out for so long. */
const STEPS: readonly (readonly [latencyMs: number, notAvailableMs: number])[] = [
  [15_000, 30_000],
  [5000, 10_000],
  [3000, 6000],
  [1800, 5000],
  [550, 2000],
  [100, 0],
  [50, 0],
]
/** What a failure counts as that says the broker cannot be reached, or does not do its work. */
const ISOLATING_LATENCY_MS = 10_000

/** Until when brokers are left out, by name, in monotonic milliseconds. */
export type BrokerFaults = ReadonlyMap<string, number>

/** For how long a broker is left out after an answer that took so long. */
export function notAvailableMs(latencyMs: number): number {
  return STEPS.find(([leastMs]) => latencyMs >= leastMs)?.[1] ?? 0
}

/** The list behind one more attempt; what is over is left out of it. */
export function withAttempt(
  faults: BrokerFaults,
  attempt: { readonly brokerName: string; readonly latencyMs: number; readonly isIsolating: boolean },
  nowMs: number,
): BrokerFaults {
  const { brokerName, latencyMs, isIsolating } = attempt
  const restMs = notAvailableMs(isIsolating ? ISOLATING_LATENCY_MS : latencyMs)
  const next = new Map([...faults].filter(([name, untilMs]) => name !== brokerName && untilMs > nowMs))
  if (restMs > 0) next.set(brokerName, nowMs + restMs)
  return next
}

/**
 * The queue of the next attempt, of queues in the order of their turns: the first one on another broker than the last that is available; else on
 * another one; else the next.
 */
export function nextQueue<Queue extends { readonly brokerName: string }>(
  queues: readonly Queue[],
  faults: BrokerFaults,
  nowMs: number,
  lastBrokerName?: string,
): Queue | undefined {
  const others = queues.filter(({ brokerName }) => brokerName !== lastBrokerName)
  const available = others.find(({ brokerName }) => (faults.get(brokerName) ?? 0) <= nowMs)
  return available ?? others[0] ?? queues[0]
}
