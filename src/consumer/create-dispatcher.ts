/** Puts together what runs the listener: by mode the dispatcher, by message model what becomes of failed messages. */
import type { Engine } from '../model/engine.ts'
import type { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Inbox } from '../model/inbox.ts'
import type { Tracing } from '../model/tracing.ts'
import { BroadcastFailures } from './broadcast-failures.ts'
import type { ConsumeCounts } from './consume-counts.ts'
import { ConsumeHookRunner } from './consume-hooks.ts'
import { DeliveryWatch } from './delivery-watch.ts'
import type { Dispatcher } from './dispatcher.ts'
import { ConcurrentDispatcher } from './dispatcher-concurrent.ts'
import { MessageGroupDispatcher } from './dispatcher-message-groups.ts'
import { OrderlyDispatcher } from './dispatcher-orderly.ts'
import { InPlaceFailures } from './in-place-failures.ts'
import type { PriorityTopics } from './priority-topics.ts'
import type { CompletePushConsumerOptions } from './push-consumer-options.ts'
import type { Redelivery } from './redeliveries.ts'
import { SendBack } from './send-back.ts'

/** What a consumer lends to its dispatcher. */
export interface DispatcherOwner {
  readonly engine: Engine
  readonly clientId: string
  readonly counts: ConsumeCounts
  readonly priorityTopics: PriorityTopics
  readonly emit: EmitEvent
  readonly inbox?: Inbox | undefined
  readonly tracing?: Tracing | undefined
  onError(error: MQError): void
}

export function createDispatcher(options: CompletePushConsumerOptions, owner: DispatcherOwner): Dispatcher {
  const { mode, messageModel, enableFifoConsumeAccelerator } = options
  const { engine, emit } = owner
  const shared = {
    ...options,
    ...owner,
    inbox: messageModel === 'broadcasting' ? undefined : owner.inbox,
    clock: engine.clock,
    isNamed: options.clientId !== undefined,
    watch: watchOf(options, owner),
    onWarning: (event: Parameters<typeof emit<'warning'>>[1]) => emit('warning', event),
  }
  if (mode === 'orderly') {
    const Ordered = enableFifoConsumeAccelerator ? MessageGroupDispatcher : OrderlyDispatcher
    return new Ordered({ ...shared, failures: new InPlaceFailures(shared) })
  }
  const Failures = messageModel === 'broadcasting' ? BroadcastFailures : SendBack
  const redeliver = (due: readonly Redelivery[]): void => dispatcher.redeliver(due)
  const dispatcher: ConcurrentDispatcher = new ConcurrentDispatcher({
    ...shared,
    failures: new Failures({ ...shared, redeliver }),
  })
  return dispatcher
}

function watchOf(
  { group, consumeHooks }: CompletePushConsumerOptions,
  { engine, clientId, tracing, onError }: DispatcherOwner,
): DeliveryWatch | undefined {
  if (consumeHooks.length === 0 && tracing === undefined) return undefined
  const hooks = new ConsumeHookRunner(consumeHooks, { group, clientId, onError })
  return new DeliveryWatch({ group, clientId, clock: engine.clock, hooks, tracing })
}
