/** How much of a run is about messages that come later, and about sends that are repeated; made from its seed. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'

export interface DelayProfile {
  /** How often delayed messages are sent, and decided about, as weights of the actions; 0 for never. */
  readonly delayedWeight: number
  readonly decisionWeight: number
  /** How far ahead most times lie. */
  readonly reachMs: number
  /** How often sends have an id of their own; 0 for never. */
  readonly onceWeight: number
  /** 0: nothing looks for repetitions. */
  readonly deduplicationWindowMs: number
  /** How far ahead what waits is held in memory; `undefined`: as by default. */
  readonly parkedAheadMs: number | undefined
}

export const NO_DELAYS: DelayProfile = {
  delayedWeight: 0,
  decisionWeight: 0,
  reachMs: 0,
  onceWeight: 0,
  deduplicationWindowMs: 0,
  parkedAheadMs: undefined,
}

export function delayProfileOf(random: WorkloadRandom): DelayProfile {
  const isDelaying = random.chance(0.6)
  const isRepeating = random.chance(0.4)
  return {
    delayedWeight: isDelaying ? random.between(5, 30) : 0,
    decisionWeight: isDelaying && random.chance(0.7) ? random.between(2, 15) : 0,
    reachMs: random.pick([500, 5000, 30_000, 300_000]),
    onceWeight: isRepeating ? random.between(5, 20) : 0,
    deduplicationWindowMs: isRepeating ? random.pick([1000, 10_000, 60_000, 600_000]) : 0,
    parkedAheadMs: random.pick([undefined, undefined, undefined, 100_000, Infinity]),
  }
}
