/** How much of a run is about requests and replies; made from its seed. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'

export interface RequestProfile {
  /** How often something about requests happens, as the weight of an action; 0 for never. */
  readonly weight: number
  readonly producerCount: number
  /** How often a consumer replies late, more than once, or never. */
  readonly clumsiness: number
}

export const NO_REQUESTS: RequestProfile = { weight: 0, producerCount: 0, clumsiness: 0 }

export function requestProfileOf(random: WorkloadRandom): RequestProfile {
  if (random.chance(0.6)) return NO_REQUESTS
  return {
    weight: random.between(5, 25),
    producerCount: random.between(1, 3),
    clumsiness: random.pick([0, 0.3, 0.7]),
  }
}
