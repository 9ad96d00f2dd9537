/** Every checker by name. The numbers are those of the invariants in docs/simulation.md. */
import { AckCovers } from './ack-covers.ts'
import { AckedLoss } from './acked-loss.ts'
import { Assignment } from './assignment.ts'
import { Backoff } from './backoff.ts'
import { Broadcasting } from './broadcasting.ts'
import type { Checker, CheckerHost } from './checker.ts'
import { DeadLetters } from './dead-letters.ts'
import { Deduplication } from './deduplication.ts'
import { Delays } from './delays.ts'
import { DeliveryOrder } from './delivery-order.ts'
import { DenseOffsets } from './dense-offsets.ts'
import { Failure } from './failure.ts'
import { Filter } from './filter.ts'
import { GroupIndependence } from './group-independence.ts'
import { Indexes } from './indexes.ts'
import { Invention } from './invention.ts'
import { Lease } from './lease.ts'
import { LitePull } from './lite-pull.ts'
import { Liveness } from './liveness.ts'
import { OffsetIdentity } from './offset-identity.ts'
import { OffsetMonotone } from './offset-monotone.ts'
import { OneInFlight } from './one-in-flight.ts'
import { PowerCut } from './power-cut.ts'
import { Replies } from './replies.ts'
import { Retention } from './retention.ts'
import { RetryCount } from './retry-count.ts'
import { SendOrder } from './send-order.ts'
import { Transactions } from './transactions.ts'
import { Uncertainty } from './uncertainty.ts'

const CHECKERS = {
  'acked-loss': AckedLoss,
  invention: Invention,
  uncertainty: Uncertainty,
  deduplication: Deduplication,
  'dense-offsets': DenseOffsets,
  'offset-identity': OffsetIdentity,
  'send-order': SendOrder,
  'delivery-order': DeliveryOrder,
  'one-in-flight': OneInFlight,
  'offset-monotone': OffsetMonotone,
  'ack-covers': AckCovers,
  'lite-pull': LitePull,
  'retry-count': RetryCount,
  backoff: Backoff,
  'dead-letters': DeadLetters,
  delays: Delays,
  transactions: Transactions,
  replies: Replies,
  lease: Lease,
  filter: Filter,
  'group-independence': GroupIndependence,
  broadcasting: Broadcasting,
  assignment: Assignment,
  retention: Retention,
  indexes: Indexes,
  'power-cut': PowerCut,
  failure: Failure,
  liveness: Liveness,
} as const satisfies Readonly<Record<string, new (host: CheckerHost) => Checker>>

export type CheckerName = keyof typeof CHECKERS

export function makeCheckers(hostOf: (name: CheckerName) => CheckerHost): Checker[] {
  return Object.entries(CHECKERS).map(([name, Made]) => new Made(hostOf(name as CheckerName)))
}
