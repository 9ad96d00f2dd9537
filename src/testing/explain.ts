/** Why was this message not delivered? */
import type { PushConsumer } from '../consumer/push-consumer.ts'
import type { Engine } from '../model/engine.ts'
import type { MessageView } from '../model/message.ts'
import type { Store } from '../store/store.ts'
import type { Life } from './life.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** What is looked at: an instance as it is now. */
export interface InstanceView {
  readonly clock: VirtualClock
  readonly engine: Engine
  readonly store: Store
  readonly life: Life
  readonly consumers: ReadonlySet<PushConsumer>
}

/** Why a stored message does not reach a group, in a few words. */
export async function whyNotDelivered(
  _view: InstanceView,
  _message: MessageView,
  _group: string,
): Promise<string> {
  return 'not delivered'
}
