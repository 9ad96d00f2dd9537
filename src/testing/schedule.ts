/** Legal but nasty orders of what happens, made from a seed. */

import type { TestLayer } from './layer.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { VirtualClock } from './virtual-clock.ts'

export function nastySchedule(_clock: VirtualClock, _random: SeededRandom): TestLayer {
  return {}
}
