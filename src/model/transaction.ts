/** How a transaction ends (RocketMQ 5 `TransactionResolution`; 4.x `LocalTransactionState`). */

/** What a local transaction, or the check of one, answers. */
export const TransactionResolution = {
  /** The message becomes visible. */
  COMMIT: 'COMMIT',
  /** The message is dropped. */
  ROLLBACK: 'ROLLBACK',
  /** Nobody knows yet: the producer group is asked again. */
  UNKNOWN: 'UNKNOWN',
} as const

/** One of {@link TransactionResolution}. */
export type TransactionResolution = (typeof TransactionResolution)[keyof typeof TransactionResolution]

/** An end, as opposed to not knowing. */
export type TransactionEnd = Exclude<TransactionResolution, 'UNKNOWN'>
