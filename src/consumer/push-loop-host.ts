/** What a push consumer lends to its pull loops: how to fetch, and whose offsets to keep. */
import type { Engine } from '../model/engine.ts'
import type { MQError } from '../model/errors.ts'
import type { EmitEvent } from '../model/events.ts'
import type { Inbox } from '../model/inbox.ts'
import type { ConsumeCounts } from './consume-counts.ts'
import { startWishOf } from './consumer-options.ts'
import type { Dispatcher } from './dispatcher.ts'
import { OffsetKeeper } from './offset-keeper.ts'
import { PullLimits } from './pull-limits.ts'
import type { PullLoopHost } from './pull-loop.ts'
import type { CompletePushConsumerOptions } from './push-consumer-options.ts'

export interface LoopOwner {
  readonly engine: Engine
  readonly clientId: string
  readonly counts: ConsumeCounts
  readonly dispatcher: Dispatcher
  readonly emit: EmitEvent
  readonly inbox?: Inbox | undefined
  /** How many queues the consumer has now. */
  queueCount(): number
  onError(error: MQError): void
}

export function pushLoopHost(options: CompletePushConsumerOptions, owner: LoopOwner): PullLoopHost {
  const { group, mode, messageModel, pullBatchSize, suspendMs, pullIntervalMs } = options
  const { engine, clientId, counts, dispatcher, emit, inbox, onError } = owner
  const isShared = messageModel === 'clustering'
  const offsetOwner = isShared ? undefined : clientId
  const keeperHost = { engine, group, offsetOwner, onError }
  const limits = new PullLimits(options)
  const host: PullLoopHost = {
    engine,
    group,
    dispatcher,
    startWish: { ...startWishOf(options, engine.clock), offsetOwner },
    pullBatchSize,
    suspendMs,
    pullIntervalMs,
    get limits() {
      return limits.of(owner.queueCount())
    },
    createKeeper: (source, committedOffset) => new OffsetKeeper(keeperHost, source, committedOffset),
    isDone: inbox && isShared ? (message) => inbox.isCommitted(group, message) : undefined,
    onPulled: (messageCount, durationMs) => counts.countPull(messageCount, durationMs),
    onError,
  }
  // Offsets that are stored are watched where messages are removed; of others nobody else knows.
  if (!isShared && options.clientId === undefined) {
    host.onSkipped = (queue, fromOffset, toOffset) =>
      emit('message-lost', { reason: 'retention', queue, fromOffset, toOffset, group, clientId })
  }
  // A group that keeps no order sends back what fails, so that nothing stays in its place.
  const isRemembered = isShared ? mode === 'orderly' : options.clientId !== undefined
  if (isRemembered) Object.assign(host, memoryOf(options, engine, offsetOwner))
  return host
}

/** How what stays in its place, and what is done behind it, is remembered for the next who has the queue. */
function memoryOf(
  { group, mode, enableFifoConsumeAccelerator }: CompletePushConsumerOptions,
  engine: Engine,
  offsetOwner: string | undefined,
): Pick<PullLoopHost, 'queryAttempts' | 'storeDone'> {
  const queryAttempts: PullLoopHost['queryAttempts'] = (queue) =>
    engine.queryAttempts(group, queue, offsetOwner)
  // In the order of its queue nothing is done behind what is not.
  if (mode === 'orderly' && !enableFifoConsumeAccelerator) return { queryAttempts }
  const storeDone: PullLoopHost['storeDone'] = (queue, offsets) => {
    const done = offsets.map((queueOffset) => ({ queueOffset, reconsumeTimes: 0 }))
    return engine.updateAttempts(group, queue, done, offsetOwner)
  }
  return { queryAttempts, storeDone }
}
