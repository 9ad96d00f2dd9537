/** What the parent asks a child to do: one line of JSON on its standard input. */
import type { StoreOptions } from '../../src/store/store-options.ts'

/** What a directory is used for, until it is full enough and another one begins. */
export type Profile = 'mixed' | 'retention' | 'large' | 'consumer'

export interface Job {
  readonly directory: string
  readonly ledger: string
  readonly profile: Profile
  readonly flushDiskType: StoreOptions['flushDiskType']
  readonly seed: number
  /** Makes the names of this child's sends unique. */
  readonly round: number
}
