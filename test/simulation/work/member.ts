/** What all members have in common, whatever their kind. */
import type { ReceivedMessage } from '../../../src/consumer/received-message.ts'
import type { WorkloadRandom } from '../../crash/workload-random.ts'
import type { GroupProfile } from '../model/group-profile.ts'
import type { Life } from '../world/life.ts'
import type { World } from '../world/world.ts'
import type { Listeners } from './listeners.ts'
import type { Repliers } from './repliers.ts'

export interface Member {
  readonly name: string
  readonly group: GroupProfile
  readonly life: Life
  isPaused: boolean
  join(): Promise<void>
  /** It has joined: whoever receives by itself begins. */
  begin(): void
  leave(): Promise<{ readonly drained: boolean }>
  pause(): void
  resume(): void
}

export interface MemberHost {
  readonly world: World
  readonly random: WorkloadRandom
  readonly listeners: Listeners
  readonly repliers: Repliers
  isCalm(): boolean
  /** Whether this message of the group is to fail, this once. */
  refuses(group: string, number: number): boolean
  /** What receivers of any life once had and did not settle: somebody may try to, later. */
  readonly held: { readonly group: string; readonly message: ReceivedMessage }[]
  /** Those who sleep. */
  readonly sleepers: Set<() => void>
}

/** Lets time of a life pass; calm times wake everybody. */
export function sleep({ sleepers }: MemberHost, life: Life, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      sleepers.delete(wake)
      resolve()
    }
    sleepers.add(wake)
    life.scope.setTimer(delayMs, wake)
  })
}
