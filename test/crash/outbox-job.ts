/** What the parent asks a child to do, and what both know. */
export interface KillJob {
  readonly directory: string
  readonly round: number
  readonly seed: number
  readonly flushDiskType: 'ASYNC_FLUSH' | 'SYNC_FLUSH'
  /** Whether it is to finish what was begun, and end. */
  readonly isLast: boolean
}

export const TOPIC = 'orders-taken'
export const DEPARTMENTS = ['billing', 'stock'] as const
