/** How much of a run is about transactions, and how those behave who make them; made from its seed. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'

export interface TransactionProfile {
  /** How often something about transactions happens, as the weight of an action; 0 for never. */
  readonly weight: number
  readonly groupCount: number
  /** Producers of each group; not all are there all the time. */
  readonly producerCount: number
  readonly transactionTimeOutMs: number
  readonly transactionCheckIntervalMs: number
  readonly transactionCheckMax: number
  /** How often an application does something else than what is good. */
  readonly clumsiness: number
}

/** With the settings that a store has by default. */
export const NO_TRANSACTIONS: TransactionProfile = {
  weight: 0,
  groupCount: 0,
  producerCount: 0,
  transactionTimeOutMs: 6000,
  transactionCheckIntervalMs: 30_000,
  transactionCheckMax: 15,
  clumsiness: 0,
}

export function transactionProfileOf(random: WorkloadRandom): TransactionProfile {
  if (random.chance(0.55)) return NO_TRANSACTIONS
  return {
    weight: random.between(5, 30),
    groupCount: random.pick([1, 1, 2]),
    producerCount: random.between(1, 3),
    transactionTimeOutMs: random.pick([6000, 6000, 1000]),
    transactionCheckIntervalMs: random.pick([30_000, 30_000, 4000]),
    transactionCheckMax: random.pick([15, 15, 3]),
    clumsiness: random.pick([0, 0.3, 0.7]),
  }
}
