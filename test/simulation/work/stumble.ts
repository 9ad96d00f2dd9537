/** Machines that stop at a certain step of what an application does: at once, or in one of the disk's next calls. */
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { World } from '../world/world.ts'

const STUMBLE_SHARE = 0.03

export function stumble(world: World, random: WorkloadRandom): void {
  const { life, profile } = world
  if (profile.troubles.crashes === 0 || world.isHealed || life.isOver) return
  if (!random.chance(STUMBLE_SHARE)) return
  const how = random.chance(0.5) ? 'kill' : 'power'
  if (random.chance(0.4)) world.stop(how)
  else life.disk.stopAt(random.between(1, 4), how)
}
