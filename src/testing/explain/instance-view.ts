/** What is looked at: an instance as it is now. */
import type { Broker } from '../../broker/broker.ts'
import type { PushConsumer } from '../../consumer/push-consumer.ts'
import type { Engine } from '../../model/engine.ts'
import type { Store } from '../../store/store.ts'
import type { Ledger } from '../ledger.ts'
import type { Life } from '../life.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import type { OffsetTrail } from './offset-trail.ts'

export interface InstanceView {
  readonly clock: VirtualClock
  /** As the application sees it, through the layers. */
  readonly engine: Engine
  /** Without the layers: looking must neither use up a fault nor meet one. */
  readonly broker: Broker
  readonly store: Store
  readonly life: Life
  readonly ledger: Ledger
  readonly trail: OffsetTrail
  /** Every push consumer that was made; some may have closed. */
  readonly consumers: ReadonlySet<PushConsumer>
}
