/** What is looked at: an instance as it is now. */
import type { Broker } from '../../broker/broker.ts'
import type { PushConsumer } from '../../consumer/push-consumer.ts'
import type { Engine } from '../../model/engine.ts'
import type { Store } from '../../store/store.ts'
import type { HandedOut } from '../handed-out.ts'
import type { Ledger } from '../ledger.ts'
import type { Life } from '../life.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import type { OffsetTrail } from './offset-trail.ts'

export interface InstanceView {
  readonly clock: VirtualClock
  /** Refuses once the life has ended; without layers, so that looking neither uses up a fault nor meets one. */
  readonly engine: Engine
  /** The same, with what only the embedded engine can tell. */
  readonly broker: Broker
  readonly store: Store
  readonly life: Life
  readonly ledger: Ledger
  readonly trail: OffsetTrail
  readonly handedOut: HandedOut
  /** Every push consumer that was made; some may have closed. */
  readonly consumers: ReadonlySet<PushConsumer>
}
